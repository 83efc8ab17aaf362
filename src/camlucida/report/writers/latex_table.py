"""A table as LaTeX: columns as wide as they need, long tables in parts of a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from camlucida.report.rendered import Line, Marked, Piece, RenderedDocument, RenderedTable, plain
from camlucida.report.writers.breaks import LONG, parts
from camlucida.report.writers.latex_text import escape, has_chinese

LINES = 45
"""Of a table on one page, as estimated; a longer one goes on in the next."""

LINE_SIGNS = 84
"""Signs that fit a line of a table; a wider table has columns of fixed width, whose cells wrap."""


def escaped(line: Line) -> str:
    """A line as LaTeX."""
    return escape(plain(line))


def in_place(kind: str, lines: Sequence[str]) -> list[str]:
    """Numbered and listed as a float of ``kind`` ("figure" or "table"), but where it stands.

    A section of figures alone would overflow LaTeX's queue of floats.
    """
    begin = (
        r"\par\medskip\noindent\begin{minipage}{\linewidth}\centering"
        rf"\makeatletter\def\@captype{{{kind}}}\makeatother"
    )
    return [begin, *lines, r"\end{minipage}\par\medskip"]


def label_of(anchor: str, kind: str, number: int) -> str:
    """The anchor, or where TeX could not write it the number.

    >>> label_of("table-labels", "table", 3), label_of("table-胸片", "table", 3)
    ('table-labels', 'table-3')
    """
    return anchor if anchor.isascii() else f"{kind}-{number}"


def latex_table(table: RenderedTable, report: RenderedDocument, name: str) -> Iterator[str]:
    """The lines of a table; ``name`` is that of the section or report, before its label."""
    layout = _layout(table)
    pages = list(_pages(table, layout))
    label = f"{name}:{label_of(table.anchor, 'table', table.number)}"
    for i, rows in enumerate(pages):
        caption = _caption(table, report, label, first=i == 0)
        notes: list[str] = []
        if i == len(pages) - 1:
            notes = [rf"\par\smallskip\footnotesize {escaped(note)}" for note in table.notes]
        lines = [caption, r"\par\smallskip\footnotesize", *_tabular(table, rows, layout), *notes]
        yield from in_place("table", [line for line in lines if line])


def _caption(table: RenderedTable, report: RenderedDocument, label: str, *, first: bool) -> str:
    if not table.number:
        return ""
    if first:
        return rf"\caption{{{escaped(table.caption)}}}\label{{{label}}}"
    return rf"{escape(report.words['table'])} \ref{{{label}}}, {escape(report.words['continued'])}"


def _tabular(
    table: RenderedTable, rows: Sequence[Sequence[Line]], layout: _Layout
) -> Iterator[str]:
    if layout.shrinks:
        yield r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
    yield rf"\begin{{tabular}}{{{layout.columns}}}"
    yield r"\toprule"
    yield from _lines(table.head, table.numeric, layout, boxed=False)
    yield r"\midrule"
    for row in rows:
        yield from _lines(row, table.numeric, layout, boxed=True)
    yield r"\bottomrule"
    yield r"\end{tabular}" + ("}" if layout.shrinks else "")


def _lines(
    cells: Sequence[Line], numeric: Sequence[bool], layout: _Layout, *, boxed: bool
) -> Iterator[str]:
    """A row, and below it the notes of its cells."""
    yield _row([escaped(_main(cell)) for cell in cells], numeric, layout, boxed=boxed)
    notes = [_note(cell) for cell in cells]
    if any(notes):
        small = [rf"\scriptsize {escape(note)}" if note else "" for note in notes]
        yield _row(small, numeric, layout, boxed=False)


def _main(cell: Line) -> Line:
    """A cell without its note."""
    return tuple(piece for piece in cell if not _is_note(piece))


def _note(cell: Line) -> str:
    return " ".join(piece.text for piece in cell if isinstance(piece, Marked) and _is_note(piece))


def _is_note(piece: Piece) -> bool:
    return isinstance(piece, Marked) and piece.role == "note"


def _row(cells: Sequence[str], numeric: Sequence[bool], layout: _Layout, *, boxed: bool) -> str:
    """A line of a tabular; a number and its interval are never broken (``boxed``)."""
    shown: list[str] = []
    for text, is_number in zip(cells, numeric):
        if boxed and is_number and text:
            text = rf"\mbox{{{text}}}"
        if layout.widths:
            text = (r"\raggedleft " if is_number else r"\raggedright ") + text
        shown.append(text)
    return "{}" + " & ".join(shown) + r" \tabularnewline"


@dataclass(frozen=True)
class _Layout:
    """How a table is set.

    Attributes:
        columns: of the tabular.
        widths: of the columns in signs, where the cells wrap; else empty.
        shrinks: whether it is made smaller to fit a line.
    """

    columns: str
    widths: tuple[float, ...]
    shrinks: bool


def _layout(table: RenderedTable) -> _Layout:
    """As wide as what stands in the columns, if that fits a line.

    Else as wide as their longest words, and what is left in proportion.
    """
    columns = [_widest_texts(column) for column in zip(table.head, *table.rows)]
    longest = [max(map(_width, column)) for column in columns]
    if sum(longest) + 2 * len(longest) <= LINE_SIGNS:
        letters = "".join("r" if numeric else "l" for numeric in table.numeric)
        return _Layout(letters, (), True)
    least = [_least(column, numeric) for column, numeric in zip(columns, table.numeric)]
    spare = [min(max(width - word, 0), LINE_SIGNS) for width, word in zip(longest, least)]
    left = max(0, LINE_SIGNS - sum(least))
    widths = [word + left * want / max(sum(spare), 1) for word, want in zip(least, spare)]
    scale = max(1, sum(least) / LINE_SIGNS)
    shares = [scale * width / sum(widths) for width in widths]
    letters = "".join(rf"p{{\dimexpr {share:.4f}\linewidth-2\tabcolsep\relax}}" for share in shares)
    return _Layout(letters, tuple(max(1, share * LINE_SIGNS - 2) for share in shares), scale > 1)


def _widest_texts(column: Sequence[Line]) -> list[str]:
    """Of each cell its text or its note, whichever is longer."""
    return [max(plain(_main(cell)), _note(cell), key=_width) for cell in column]


def _least(column: Sequence[str], numeric: bool) -> int:
    """Signs that a column (its head first) needs: its longest word, or its longest number."""
    head, *cells = column
    pieces = parts(head)
    for cell in cells:
        pieces += [cell] if numeric else parts(cell)
    widths = [_width(piece) for piece in pieces if numeric or len(piece) <= LONG]
    return 2 + max(widths, default=2)


def _pages(table: RenderedTable, layout: _Layout) -> Iterator[list[tuple[Line, ...]]]:
    """The rows that fit each page."""
    page: list[tuple[Line, ...]] = []
    used = 0
    for row in table.rows:
        texts = [plain(_main(cell)) for cell in row]
        heights = [ceil(_width(text) / width) for text, width in zip(texts, layout.widths)]
        lines = max(heights, default=1) + any(map(_note, row))
        if page and used + lines > LINES:
            yield page
            page, used = [], 0
        page.append(row)
        used += lines
    yield page


def _width(text: str) -> int:
    """In signs; a Chinese one is as wide as two."""
    return sum(2 if has_chinese(sign) else 1 for sign in text)
