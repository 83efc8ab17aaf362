"""A document in the words of one language, numbered, still without markup.

Every writer takes this; :func:`camlucida.report.render.render_document` makes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Cited:
    """A citation: the number of its work in the list of references."""

    number: int


@dataclass(frozen=True)
class Linked:
    """A link; ``target`` is a path relative to the page, or an anchor (``#name``)."""

    text: str
    target: str


@dataclass(frozen=True)
class Marked:
    """Text with a role: ``code``, ``strong`` or ``note`` (the second, grey line of a cell)."""

    text: str
    role: str


Piece: TypeAlias = "str | Cited | Linked | Marked"
Line: TypeAlias = "tuple[Piece, ...]"
"""Text without line breaks."""


@dataclass(frozen=True)
class RenderedParagraph:
    """Running text."""

    line: Line
    quiet: bool = False


@dataclass(frozen=True)
class RenderedPoints:
    """A list."""

    lines: tuple[Line, ...]


@dataclass(frozen=True)
class RenderedNotice:
    """A warning."""

    line: Line


@dataclass(frozen=True)
class RenderedListing:
    """Text whose lines are kept."""

    text: str


@dataclass(frozen=True)
class RenderedFacts:
    """Names with values."""

    rows: tuple[tuple[Line, Line], ...]


@dataclass(frozen=True)
class RenderedTable:
    """A table.

    Attributes:
        number: in order of appearance; 0 for one without a caption.
        numeric: which columns hold numbers alone.
        notes: below the table.
    """

    number: int
    anchor: str
    caption: Line
    head: tuple[Line, ...]
    rows: tuple[tuple[Line, ...], ...]
    numeric: tuple[bool, ...]
    notes: tuple[Line, ...]


@dataclass(frozen=True)
class RenderedView:
    """An image with its maps for the viewer, as :class:`camlucida.report.document.View`."""

    file: str
    image: str
    note: str


@dataclass(frozen=True)
class RenderedFigure:
    """A picture.

    Attributes:
        number: in order of appearance; 0 for one without a caption, and in a gallery.
        stem: of its files, relative to the page's folder.
        suffixes: of its files, the one that is shown first.
        alt: for those who do not see it.
        views: the images that it shows, for the viewer.
    """

    number: int
    anchor: str
    caption: Line
    stem: str
    suffixes: tuple[str, ...]
    alt: str
    views: tuple[RenderedView, ...] = ()

    @property
    def file(self) -> str:
        """The file that is shown."""
        return f"{self.stem}.{self.suffixes[0]}"


@dataclass(frozen=True)
class RenderedGallery:
    """Small pictures side by side."""

    figures: tuple[RenderedFigure, ...]


@dataclass(frozen=True)
class RenderedLinks:
    """A row of links."""

    label: str
    links: tuple[Linked, ...]


@dataclass(frozen=True)
class RenderedDetails:
    """Blocks that are folded away."""

    summary: Line
    blocks: tuple[RenderedBlock, ...]
    open: bool


@dataclass(frozen=True)
class RenderedSubsection:
    """Blocks under a heading; ``anchor`` may be empty."""

    title: Line
    blocks: tuple[RenderedBlock, ...]
    anchor: str


@dataclass(frozen=True)
class RenderedReferences:
    """The works cited; the first has number 1."""

    works: tuple[str, ...]


RenderedBlock: TypeAlias = (
    "RenderedParagraph | RenderedPoints | RenderedNotice | RenderedListing | RenderedFacts"
    " | RenderedTable | RenderedFigure | RenderedGallery | RenderedLinks | RenderedDetails"
    " | RenderedSubsection | RenderedReferences"
)


@dataclass(frozen=True)
class RenderedSection:
    """``name`` is its anchor."""

    name: str
    title: str
    blocks: tuple[RenderedBlock, ...]


@dataclass(frozen=True)
class RenderedDocument:
    """A whole document in one language.

    Attributes:
        notices: what every reader must see first.
        intro: before the table of contents.
        words: those around the sections: ``page.*`` of the texts, without ``page.``.
        failures: a line for each section that could not be made or rendered.
    """

    language: str
    title: str
    notices: tuple[str, ...]
    intro: tuple[RenderedBlock, ...]
    sections: tuple[RenderedSection, ...]
    words: Mapping[str, str]
    failures: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """Name of a report's files: editions in several languages stand beside each other."""
        return "report" if self.language == "en" else f"report_{self.language}"


def plain(line: Line) -> str:
    """A line as text: a citation as ``[1]``, the note of a cell in parentheses.

    >>> plain(("0.81", Marked("chance 0.5", "note"))), plain(("Grad-CAM ", Cited(1)))
    ('0.81 (chance 0.5)', 'Grad-CAM [1]')
    """
    return "".join(map(_plain_piece, line)).strip()


def _plain_piece(piece: Piece) -> str:
    match piece:
        case str():
            return piece
        case Cited(number):
            return f"[{number}]"
        case Marked(text, "note"):
            return f" ({text})"
    return piece.text


def figures_of(blocks: Sequence[RenderedBlock]) -> Iterator[RenderedFigure]:
    """Every picture among the blocks, also those in galleries, details and subsections."""
    for block in blocks:
        match block:
            case RenderedFigure():
                yield block
            case RenderedGallery(figures):
                yield from figures
            case RenderedDetails() | RenderedSubsection():
                yield from figures_of(block.blocks)
