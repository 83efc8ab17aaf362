"""A report as LaTeX: a document of its own, or a section for an article."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from math import ceil
from pathlib import Path
from typing import Literal

from camlucida.core.errors import UsageError
from camlucida.core.files import write_bytes
from camlucida.core.messages import Texts
from camlucida.report.document import Document
from camlucida.report.rendered import (
    Line,
    RenderedBlock,
    RenderedDocument,
    RenderedFigure,
    RenderedParagraph,
    RenderedPoints,
    RenderedReferences,
    RenderedTable,
    plain,
    render_document,
)
from camlucida.report.writers.breaks import LONG, parts
from camlucida.report.writers.html import file_stem
from camlucida.report.writers.insert import root_of
from camlucida.report.writers.latex_text import escape, has_chinese

LINES = 45
"""Of a table on one page, as estimated; a longer one goes on in the next."""

LINE_SIGNS = 84
"""Signs that fit a line of a table; wider tables have columns of fixed width, whose cells wrap."""

Heading = Literal["section", "subsection", "subsubsection"]


def write_latex(document: Document, texts: Texts, folder: Path) -> Path:
    """Write ``report.tex``, an article that takes its pictures from ``folder``."""
    path = folder / f"{file_stem(texts)}.tex"
    report = render_document(document, texts)
    body = "\n".join(_sections(report, folder, "", "section", "report"))
    lines = [
        r"\documentclass[a4paper]{article}",
        r"\usepackage[utf8]{inputenc}",
        r"\usepackage[margin=25mm]{geometry}",
        r"\usepackage{graphicx}",
        r"\usepackage{booktabs}",
        r"\usepackage{CJKutf8}" if has_chinese(body + report.title) else "",
        r"\setlength{\emergencystretch}{3em}",
        r"\begin{document}",
        *_chinese(
            [
                rf"\renewcommand{{\figurename}}{{{escape(report.words['figure'])}}}",
                rf"\renewcommand{{\tablename}}{{{escape(report.words['table'])}}}",
                rf"\title{{{escape(report.title)}}}\author{{}}\date{{}}\maketitle",
                *_notices(report),
                body,
            ]
        ),
        r"\end{document}",
    ]
    write_bytes(path, ("\n".join(line for line in lines if line) + "\n").encode())
    return path


def place_of(folder: Path, tex: Path) -> str:
    """How the LaTeX file ``tex`` names the report's folder before the names of its pictures.

    Raises:
        UsageError: LaTeX can take no pictures from a folder of this name.
    """
    place = os.path.relpath(folder.absolute(), root_of(tex)).replace(os.sep, "/")
    odd = [sign for sign in place if sign in '%#{}\\~"$^']
    if odd:
        raise UsageError(
            f"LaTeX takes no pictures from {place}: its name has {odd[0]!r}",
            "give a plain name by --out",
        )
    return "" if place == "." else f"{place}/"


def section(document: Document, texts: Texts, folder: Path, name: str, place: str) -> str:
    """The report as a section of an article, for :func:`~camlucida.report.writers.insert.insert_section`.

    Args:
        folder: the report's, in which the pictures are.
        name: of the section: its labels are ``NAME:figure-…`` and ``NAME:table-…``.
        place: by :func:`place_of`.
    """
    report = render_document(document, texts)
    lines = [
        r"% The preamble needs graphicx; with booktabs the tables look better; Chinese needs CJKutf8 or ctex.",
        *(
            rf"\providecommand{{\{rule}}}{{\hline}}"
            for rule in ("toprule", "midrule", "bottomrule")
        ),
        rf"\section{{{escape(report.title)}}}\label{{{name}}}",
        *_notices(report),
        *_sections(report, folder, place, "subsection", name),
    ]
    return "\n".join(_chinese(lines)) + "\n"


def _chinese(lines: Sequence[str]) -> list[str]:
    """In the environment of CJKutf8 where needed; a host with another way of setting Chinese keeps its own."""
    if not has_chinese("".join(lines)):
        return list(lines)
    begin, end = r"\begin{CJK*}{UTF8}{gbsn}", r"\end{CJK*}"
    loaded = r"\ifcsname ver@CJKutf8.sty\endcsname {}\fi"
    return [loaded.format(begin), *lines, loaded.format(end)]


def _notices(report: RenderedDocument) -> Iterator[str]:
    for notice in report.notices:
        yield rf"\noindent\textbf{{{escape(notice)}}}\par\medskip"
    yield rf"\noindent{{\small {escape(report.words['intervals'])}\par}}"


def _sections(
    report: RenderedDocument, folder: Path, place: str, heading: Heading, name: str
) -> Iterator[str]:
    for part in report.sections:
        yield f"\n\\{heading}{{{escape(part.title)}}}\\label{{{name}:{part.name}}}"
        for block in part.blocks:
            yield from _block(block, report, folder, place, name)


def _block(
    block: RenderedBlock, report: RenderedDocument, folder: Path, place: str, name: str
) -> Iterator[str]:
    match block:
        case RenderedParagraph(line):
            yield f"\n{_said(line)}\n"
        case RenderedPoints(lines):
            yield "\\begin{itemize}"
            yield from (rf"\item[\ensuremath{{\bullet}}] {_said(line)}" for line in lines)
            yield "\\end{itemize}"
        case RenderedTable():
            yield from _table(block, report, name)
        case RenderedFigure():
            yield from _figure(block, folder, place, name)
        case RenderedReferences(works):
            yield "\\begin{enumerate}"
            yield from (
                rf"\item[{{[{number}]}}] {escape(work)}" for number, work in enumerate(works, 1)
            )
            yield "\\end{enumerate}"


def _said(line: Line) -> str:
    return escape(plain(line))


def _here(kind: str, lines: Sequence[str]) -> list[str]:
    """Numbered and listed as a float, but where it stands: a section of figures alone would overflow LaTeX's queue of floats."""
    begin = rf"\par\medskip\noindent\begin{{minipage}}{{\linewidth}}\centering\makeatletter\def\@captype{{{kind}}}\makeatother"
    return [begin, *lines, r"\end{minipage}\par\medskip"]


def _figure(figure: RenderedFigure, folder: Path, place: str, name: str) -> list[str]:
    suffix = next(
        (
            suffix
            for suffix in (".pdf", ".png")
            if Path(f"{folder / figure.stem}{suffix}").is_file()
        ),
        ".png",
    )
    path = f"{place}{figure.stem}{suffix}"
    path = (
        path if path.isascii() else rf"\detokenize{{{path}}}"
    )  # the CJK package makes commands of its signs
    size = r"width=\linewidth,height=.75\textheight,keepaspectratio"
    return _here(
        "figure",
        [
            rf"\includegraphics[{size}]{{{path}}}",
            rf"\caption{{{_said(figure.caption)}}}\label{{{name}:{_label(figure)}}}",
        ],
    )


def _label(block: RenderedTable | RenderedFigure) -> str:
    """The anchor, or where TeX could not write it the number."""
    kind = "table" if isinstance(block, RenderedTable) else "figure"
    return block.anchor if block.anchor.isascii() else f"{kind}-{block.number}"


def _table(table: RenderedTable, report: RenderedDocument, name: str) -> Iterator[str]:
    layout = _layout(table)
    pages = list(_pages(table, layout))
    for i, rows in enumerate(pages):
        if i == 0:
            caption = rf"\caption{{{_said(table.caption)}}}\label{{{name}:{_label(table)}}}"
        else:
            again, continued = escape(report.words["table"]), escape(report.words["continued"])
            caption = rf"{again} \ref{{{name}:{_label(table)}}}, {continued}"
        note = (
            [rf"\par\smallskip\footnotesize {escape(table.note)}"]
            if table.note and i == len(pages) - 1
            else []
        )
        yield from _here(
            "table",
            [caption, r"\par\smallskip\footnotesize", *_tabular(table, rows, layout), *note],
        )


def _tabular(
    table: RenderedTable, rows: Sequence[Sequence[Line]], layout: _Layout
) -> Iterator[str]:
    aligned = (
        [r"\raggedleft " if numeric else r"\raggedright " for numeric in table.numeric]
        if layout.widths
        else repeat("")
    )
    if layout.shrinks:
        yield r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
    yield rf"\begin{{tabular}}{{{layout.columns}}}"
    yield r"\toprule"
    for i, row in enumerate((table.head, *rows)):
        yield (
            "{}"
            + " & ".join(align + _said(cell) for align, cell in zip(aligned, row))
            + r" \tabularnewline"
        )
        if i == 0:
            yield r"\midrule"
    yield r"\bottomrule"
    yield r"\end{tabular}" + ("}" if layout.shrinks else "")


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
    """As wide as what stands in the columns; where that is wider than a line, as wide as their longest words, and what is left
    in proportion."""
    columns = [[plain(cell) for cell in column] for column in zip(table.head, *table.rows)]
    longest = [max(map(_width, column)) for column in columns]
    if sum(longest) + 2 * len(longest) <= LINE_SIGNS:
        return _Layout("".join("r" if numeric else "l" for numeric in table.numeric), (), True)
    words = [
        2
        + max(
            (_width(part) for cell in column for part in parts(cell) if len(part) <= LONG),
            default=2,
        )
        for column in columns
    ]
    wanted = [
        min(width - word, LINE_SIGNS) if width > word else 0 for width, word in zip(longest, words)
    ]
    left = max(0, LINE_SIGNS - sum(words))
    widths = [word + left * want / max(sum(wanted), 1) for word, want in zip(words, wanted)]
    scale = max(1, sum(words) / LINE_SIGNS)
    shares = [scale * width / sum(widths) for width in widths]
    letters = "".join(rf"p{{\dimexpr {share:.4f}\linewidth-2\tabcolsep\relax}}" for share in shares)
    return _Layout(letters, tuple(max(1, share * LINE_SIGNS - 2) for share in shares), scale > 1)


def _pages(table: RenderedTable, layout: _Layout) -> Iterator[list[tuple[Line, ...]]]:
    """The rows that fit each page."""
    page: list[tuple[Line, ...]] = []
    used = 0
    for row in table.rows:
        lines = max(
            (ceil(_width(plain(cell)) / width) for cell, width in zip(row, layout.widths)),
            default=1,
        )
        if page and used + lines > LINES:
            yield page
            page, used = [], 0
        page.append(row)
        used += lines
    yield page


def _width(text: str) -> int:
    """In signs; a Chinese one is as wide as two."""
    return sum(2 if has_chinese(sign) else 1 for sign in text)
