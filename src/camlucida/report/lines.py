"""Texts, cells and columns of tables in the words of one language, with numbered citations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isfinite

from camlucida.core.messages import Citation, Texts, clean, declare
from camlucida.core.messages import Piece as MessagePiece
from camlucida.core.numbers import number
from camlucida.report.document import (
    NAN,
    Cell,
    CellValue,
    Code,
    Estimate,
    Link,
    Message,
    Phrase,
    Strong,
    Text,
)
from camlucida.report.rendered import Cited, Line, Linked, Marked, Piece, plain

declare("page", {"chance": "chance {level}"})


@dataclass
class LineRenderer:
    """Puts texts and cells into words.

    Attributes:
        texts: of the language.
        cited: key of a work → its number, in order of appearance.
    """

    texts: Texts
    cited: dict[str, int] = field(default_factory=dict)

    def copy(self) -> LineRenderer:
        """One whose citations are counted apart from here on."""
        return replace(self, cited=dict(self.cited))

    def sentences(self, sentences: Sequence[Text]) -> Line:
        """Texts that follow each other, with the language's space between them."""
        between = self.texts.template("forms.between") or ""
        pieces: list[Piece] = []
        for sentence in sentences:
            if pieces:
                pieces.append(between)
            pieces += self.line(sentence)
        return _joined(pieces)

    def line(self, text: Text) -> Line:
        """A text as a line."""
        match text:
            case str():
                return (_clean(text),) if text else ()
            case Message():
                return self._cited(self.texts.pieces(text))
            case Code(code):
                return (Marked(_clean(code), "code"),)
            case Strong(inner):
                return (Marked(plain(self.line(inner)), "strong"),)
            case Link():
                return (self.link(text),)
            case Phrase(parts):
                pieces: list[Piece] = []
                for part in parts:
                    pieces += self.line(part)
                return _joined(pieces)

    def link(self, link: Link) -> Linked:
        """A link; its target is shown where it has no text."""
        return Linked(plain(self.line(link.text)) or link.target, link.target)

    def cell(self, cell: CellValue | Cell) -> Line:
        """A cell of a table."""
        if isinstance(cell, Cell):
            note = plain(self.line(cell.note))
            value = self._formatted(cell.value, cell.spec) if cell.spec else self.cell(cell.value)
            return (*value, Marked(note, "note")) if note else value
        if cell is None:
            return self._cited(self.texts.cell(float("nan")))
        if isinstance(cell, (str, Message, Link, Code, Strong, Phrase)):
            return self.line(cell)
        return self._cited(self.texts.cell(cell))

    def _formatted(self, value: CellValue, spec: str) -> Line:
        """A number by a format spec of its cell."""
        if isinstance(value, Estimate) and value.estimate == value.estimate:
            words = number(value.estimate, spec)
            if value.has_interval:
                words += f" [{number(value.low, spec)}, {number(value.high, spec)}]"
            return (words,)
        if isinstance(value, (int, float)) and value == value:
            return (number(value, spec),)
        return self.cell(value)

    def _cited(self, pieces: Sequence[MessagePiece]) -> Line:
        line: list[Piece] = []
        for piece in pieces:
            if isinstance(piece, Citation):
                line.append(Cited(self.cited.setdefault(piece.key, len(self.cited) + 1)))
            else:
                line.append(piece)
        return _joined(line)

    def head(self, title: Text | Cell, column: Sequence[CellValue | Cell]) -> Line:
        """The title of a column, with its chance level where all cells have the same."""
        levels = _chance_levels(column)
        if len(levels) != 1:
            return self.cell(title)
        level = Message("page.chance", {"level": levels.pop()})
        return (*self.cell(title), Marked(self.texts.render(level), "note"))

    def column(self, column: Sequence[CellValue | Cell]) -> list[Line]:
        """The cells of a column; chance levels that differ stand below their estimates."""
        differ = len(_chance_levels(column)) > 1
        lines: list[Line] = []
        for cell in column:
            level = _chance_level(cell)
            if level is None:
                lines.append(self.cell(cell))
                continue
            value = _value_of(cell)
            assert isinstance(value, Estimate)
            note = Message("page.chance", {"level": level}) if differ else ""
            lines.append(self.cell(Cell(replace(value, chance=NAN), note)))
        return lines


def _clean(text: str) -> str:
    """One line; a space at an end is kept, for the text may stand in a phrase."""
    before = " " if text[:1].isspace() else ""
    after = " " if text[-1:].isspace() and text.strip() else ""
    return f"{before}{clean(text)}{after}"


def _joined(pieces: Sequence[Piece]) -> Line:
    """Neighbouring text in one piece."""
    joined: list[Piece] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if isinstance(piece, str) and isinstance(last, str):
            joined[-1] = last + piece
        elif piece:
            joined.append(piece)
    return tuple(joined)


def _value_of(cell: CellValue | Cell) -> CellValue:
    return cell.value if isinstance(cell, Cell) else cell


def is_numeric(column: Sequence[CellValue | Cell]) -> bool:
    """Whether a column holds numbers, and else only blanks and dashes.

    >>> is_numeric([0.5, None]), is_numeric([0.5, "high"]), is_numeric(["", None])
    (True, False, False)
    """
    values = [_value_of(cell) for cell in column]
    numbers = [isinstance(value, (int, float, Estimate)) for value in values]
    blank = [value is None or value == "" for value in values]
    return any(numbers) and all(a or b for a, b in zip(numbers, blank))


def lacks_interval(column: Sequence[CellValue | Cell]) -> bool:
    """Whether an estimate of the column has no interval; one that is NaN does not count.

    >>> lacks_interval([Estimate(0.5, 0.4, 0.6), Estimate(0.5)]), lacks_interval([Estimate(NAN)])
    (True, False)
    """
    estimates = [value for value in map(_value_of, column) if isinstance(value, Estimate)]
    # NaN is unequal to itself.
    numbers = [value for value in estimates if value.estimate == value.estimate]
    return any(not value.has_interval for value in numbers)


def _chance_level(cell: CellValue | Cell) -> str | None:
    """The chance level of an estimate in words; None without one, or where a cell has a note."""
    value = _value_of(cell)
    noted = isinstance(cell, Cell) and bool(cell.note or cell.spec)
    if noted or not isinstance(value, Estimate) or value.estimate != value.estimate:
        return None
    if not isfinite(value.chance):
        return None
    return number(value.chance, ".1%" if value.percent else ".3f")


def _chance_levels(column: Sequence[CellValue | Cell]) -> set[str]:
    return {level for level in map(_chance_level, column) if level is not None}
