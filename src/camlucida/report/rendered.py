"""A document in the words of one language, numbered, still without markup: what every format is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from camlucida.core.files import slug, unique
from camlucida.core.messages import Citation, Piece, Texts, declare
from camlucida.report.document import (
    Block,
    Document,
    Estimate,
    Message,
    Paragraph,
    Picture,
    Points,
    References,
    Table,
)
from camlucida.report.document import Value as CellValue
from camlucida.report.references import REFERENCES

declare(
    "page",
    {
        "tag": "en",
        "title": "Report on {names}",
        "notice": (
            "Research use only. Not for diagnosis. A heat map shows what moved a "
            "model's score at one layer's resolution; it does not show that the "
            "model is right."
        ),
        "synthetic": (
            "SYNTHETIC: images drawn by a program are among those of this report. "
            "Nothing here says anything about radiology."
        ),
        "intervals": (
            "Square brackets hold 95% intervals from resampling patients; chance is "
            "what something that knows nothing of the image would score."
        ),
        "contents": "Contents",
        "figure": "Figure",
        "table": "Table",
        "continued": "continued",
        "alone": (
            "Without brackets: no interval, for the number rests on fewer than 10 "
            "patients, in all or of one kind (those positive for a sensitivity)."
        ),
        "failed": "This section could not be made: {error}",
    },
)


@dataclass(frozen=True)
class Cited:
    """A citation: the number of its work in the list of references."""

    number: int


Line: TypeAlias = "tuple[str | Cited, ...]"
"""Text without line breaks."""


@dataclass(frozen=True)
class RenderedParagraph:
    """Running text."""

    line: Line


@dataclass(frozen=True)
class RenderedPoints:
    """A list."""

    lines: tuple[Line, ...]


@dataclass(frozen=True)
class RenderedTable:
    """``numeric``: which columns hold numbers alone. ``note`` is empty or stands below the table."""

    number: int
    anchor: str
    caption: Line
    head: tuple[Line, ...]
    rows: tuple[tuple[Line, ...], ...]
    numeric: tuple[bool, ...]
    note: str


@dataclass(frozen=True)
class RenderedFigure:
    """``stem``: of its files, relative to the report's folder."""

    number: int
    anchor: str
    caption: Line
    stem: str


@dataclass(frozen=True)
class RenderedReferences:
    """The works cited; the first has number 1."""

    works: tuple[str, ...]


RenderedBlock: TypeAlias = (
    "RenderedParagraph | RenderedPoints | RenderedTable | RenderedFigure | RenderedReferences"
)


@dataclass(frozen=True)
class RenderedSection:
    """``name`` is its anchor."""

    name: str
    title: str
    blocks: tuple[RenderedBlock, ...]


@dataclass(frozen=True)
class RenderedDocument:
    """A whole report in one language.

    Attributes:
        words: those around the sections: ``page.*`` of the texts, without ``page.``.
        notices: what every reader must see first.
    """

    language: str
    title: str
    notices: tuple[str, ...]
    sections: tuple[RenderedSection, ...]
    words: Mapping[str, str]


def plain(line: Line) -> str:
    """A line as text; a citation as ``[1]``."""
    return "".join(piece if isinstance(piece, str) else f"[{piece.number}]" for piece in line)


def render_document(document: Document, texts: Texts) -> RenderedDocument:
    """Say a document; number its tables, figures and citations in order of appearance.

    Works that are cited are listed where the document has its references, else at its end. What is empty is left out: a table
    without rows, references where nothing is cited, a section of which nothing is left.
    """
    renderer = _Renderer(texts)
    said = [
        (section.name, [renderer.block(block) for block in section.blocks if _holds(block)])
        for section in document.sections
    ]
    works = RenderedReferences(tuple(str(REFERENCES[key]) for key in renderer.cited))
    if not any(isinstance(block, RenderedReferences) for _, blocks in said for block in blocks):
        said.append(("references", [works]))
    sections = []
    for name, blocks in said:
        kept = [works if isinstance(block, RenderedReferences) else block for block in blocks]
        kept = kept if works.works else [block for block in kept if block is not works]
        if kept:
            sections.append(
                RenderedSection(name, texts.render(Message(f"sections.{name}")), tuple(kept))
            )
    words = texts.table("page")
    notices = (words["notice"], *((words["synthetic"],) if document.synthetic else ()))
    return RenderedDocument(
        texts.language, texts.render(document.title), notices, tuple(sections), words
    )


def _holds(block: Block) -> bool:
    match block:
        case Paragraph(sentences) | Points(sentences):
            return bool(sentences)
        case Table():
            return bool(block.rows)
    return True


@dataclass
class _Renderer:
    """Says blocks one after the other and counts."""

    texts: Texts
    cited: dict[str, int] = field(default_factory=dict)
    tables: int = 0
    figures: int = 0
    anchors: set[str] = field(default_factory=set)

    def block(self, block: Block) -> RenderedBlock:
        match block:
            case Paragraph(sentences):
                return RenderedParagraph(self._sentences(sentences))
            case Points(sentences):
                return RenderedPoints(
                    tuple(self._line(self.texts.pieces(sentence)) for sentence in sentences)
                )
            case Table():
                return self._table(block)
            case Picture(stem, caption):
                self.figures += 1
                name = stem.rpartition("/")[2]
                return RenderedFigure(
                    self.figures,
                    self._anchor("figure", name),
                    self._line(self.texts.pieces(caption)),
                    stem,
                )
            case References():
                return RenderedReferences(())

    def _table(self, table: Table) -> RenderedTable:
        self.tables += 1
        caption = self._line(self.texts.pieces(table.caption))
        head = tuple(self._line(self.texts.pieces(cell)) for cell in table.head)
        if any(len(row) != len(head) for row in table.rows):
            raise ValueError(f"table {table.name}: a row has another number of cells than its head")
        rows = tuple(tuple(self._line(self.texts.cell(cell)) for cell in row) for row in table.rows)
        numeric = tuple(
            any(map(_is_number, column)) and all(map(_is_number_or_none, column))
            for column in zip(*table.rows)
        )
        alone = any(
            isinstance(cell, Estimate) and not cell.has_interval and cell.estimate == cell.estimate
            for row in table.rows
            for cell in row
        )
        note = self.texts.render(Message("page.alone")) if alone else ""
        return RenderedTable(
            self.tables, self._anchor("table", table.name), caption, head, rows, numeric, note
        )

    def _anchor(self, kind: str, name: str) -> str:
        return slug(unique(f"{kind}-{name}", self.anchors))

    def _sentences(self, sentences: Sequence[Message]) -> Line:
        between = self.texts.table("forms")["between"]
        pieces: list[Piece] = []
        for sentence in sentences:
            pieces += (
                [between, *self.texts.pieces(sentence)] if pieces else self.texts.pieces(sentence)
            )
        return self._line(pieces)

    def _line(self, pieces: Sequence[Piece]) -> Line:
        found: list[str | Cited] = []
        for piece in pieces:
            if isinstance(piece, Citation):
                found.append(Cited(self.cited.setdefault(piece.key, len(self.cited) + 1)))
            elif found and isinstance(found[-1], str):
                found[-1] += piece
            elif piece:
                found.append(piece)
        return tuple(found)


def _is_number(cell: CellValue) -> bool:
    return isinstance(cell, (int, float, Estimate))


def _is_number_or_none(cell: CellValue) -> bool:
    return _is_number(cell) or cell == ""
