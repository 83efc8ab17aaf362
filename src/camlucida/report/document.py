"""The document model: what every page and every report of the package is made of.

A document is blocks of text, tables and pictures, before it is HTML, Markdown, LaTeX or PDF, and
before it is in any language. A text is a :class:`Message` (translated) or a plain string (a name,
or a page that is English alone). What was not measured is never made into a text.

Example: a page beside its pictures::

    page = Document(
        title="Evaluation of resnet18",
        synthetic=True,
        intro=(
            Facts((("Model", "resnet18"), ("Weights", Code("sha256 …")))),
            Notice(("No ground truth is available, so accuracy cannot be assessed.",)),
        ),
        sections=(
            Section(
                "scores",
                (
                    Paragraph(("Grad-CAM exceeds chance.", phrase("See ", Link("rows.csv"), "."))),
                    Picture.of_file("evaluation_ranking.png", "Mean scores.", more=("svg",)),
                    Table(
                        "scores",
                        "Mean over images, with the 95% interval.",
                        ("Method", Cell("Pointing game", note="chance 0.05")),
                        (("gradcam", Estimate(0.81, 0.75, 0.86)), ("random", 0.05)),
                        notes=("Patients are resampled.",),
                    ),
                    Details("Every label", (Paragraph(("…",)),)),
                ),
                title="Scores",
            ),
        ),
    )
    write_page(page, folder / "evaluation.html")  # camlucida.report.writers.html

A title of a section that is a message is declared beside the section; without a title it is that of
the code ``sections.NAME``. What is empty (a table without rows, a paragraph without sentences, a
section of which nothing is left) is left out, so callers need no conditions for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from camlucida.core.messages import NAN, Estimate, Message, Value

__all__ = [
    "NAN",
    "Block",
    "Cell",
    "Code",
    "Details",
    "Document",
    "Estimate",
    "Facts",
    "Gallery",
    "Link",
    "Links",
    "Listing",
    "Message",
    "Notice",
    "Paragraph",
    "Phrase",
    "Picture",
    "Points",
    "References",
    "Section",
    "Strong",
    "Subsection",
    "Table",
    "Text",
    "Value",
    "phrase",
]


@dataclass(frozen=True)
class Link:
    """A link to a file beside the page, or to an anchor of it (``#name``).

    Attributes:
        target: path relative to the page.
        text: what is shown; the target itself without it.
    """

    target: str
    text: Message | str = ""


@dataclass(frozen=True)
class Code:
    """A command, a path or a hash."""

    text: str


@dataclass(frozen=True)
class Strong:
    """Emphasised text."""

    text: Message | str


@dataclass(frozen=True)
class Phrase:
    """Texts that follow each other without a space between them; see :func:`phrase`."""

    parts: tuple[Text, ...]


Text: TypeAlias = "Message | str | Link | Code | Strong | Phrase"
"""A run of text: translated, plain, or marked up."""


def phrase(*parts: Text) -> Phrase:
    """Texts that follow each other without a space between them.

    >>> phrase("See ", Link("rows.csv"), ".").parts[1].target
    'rows.csv'
    """
    return Phrase(parts)


@dataclass(frozen=True)
class Cell:
    """A cell of a table that needs more than a value.

    Attributes:
        value: as in a cell without this class; None is a dash.
        note: a second, grey line, such as a chance level.
        spec: format spec of a number or an estimate, such as ``+.2f``.
    """

    value: CellValue
    note: Text = ""
    spec: str = ""


CellValue: TypeAlias = "Value | Text | None"
"""Numbers and estimates are aligned right; a list of texts is joined as the language joins lists;
None and NaN are a dash."""


@dataclass(frozen=True)
class Paragraph:
    """Sentences that follow each other. ``quiet``: an explanation, set smaller."""

    sentences: tuple[Text, ...]
    quiet: bool = False


@dataclass(frozen=True)
class Points:
    """A list, one point a text."""

    sentences: tuple[Text, ...]


@dataclass(frozen=True)
class Notice:
    """What a reader must not miss: a warning, set apart."""

    sentences: tuple[Text, ...]


@dataclass(frozen=True)
class Listing:
    """Commands or other text whose lines are kept."""

    text: str


@dataclass(frozen=True)
class Facts:
    """Names with their values, a line each, such as the model, the command and the versions."""

    rows: tuple[tuple[Text, CellValue | Cell], ...]


@dataclass(frozen=True)
class Table:
    """Rows of cells under a head.

    Attributes:
        name: its anchor in the document.
        caption: one line; None for a small table that needs no number.
        head: one a column.
        rows: each as long as ``head``.
        notes: below the table.
    """

    name: str
    caption: Text | None
    head: tuple[Text | Cell, ...]
    rows: tuple[tuple[CellValue | Cell, ...], ...]
    notes: tuple[Text, ...] = ()


@dataclass(frozen=True)
class View:
    """An image with its maps, for the viewer (:mod:`camlucida.report.viewer`).

    Attributes:
        file: of its film and maps, relative to the page's folder.
        image: its name.
        note: a line below the name in the list of images; None: the number of the figure.
    """

    file: str
    image: str
    note: Text | None = None


@dataclass(frozen=True)
class Picture:
    """A figure that is written already.

    Attributes:
        stem: path without suffix, relative to the page's folder.
        caption: one line what it is, one line what it shows; None where the text says it.
        suffixes: of its files; the first is shown (a PNG), the others are linked.
        alt: for those who do not see it; the caption without it.
        views: the images that it shows, for the viewer; it opens with the first.
    """

    stem: str
    caption: Text | None
    suffixes: tuple[str, ...] = ("png", "pdf")
    alt: Text = ""
    views: tuple[View, ...] = ()

    @staticmethod
    def of_file(
        file: str,
        caption: Text | None = None,
        more: Sequence[str] = (),
        alt: Text = "",
        views: Sequence[View] = (),
    ) -> Picture:
        """A picture by the name of its file; ``more`` are other suffixes beside it.

        >>> Picture.of_file("run/a.1.png", "A map.", more=("svg",)).suffixes
        ('png', 'svg')
        """
        stem, _, suffix = file.rpartition(".")
        return Picture(stem, caption, (suffix, *more), alt, tuple(views))


@dataclass(frozen=True)
class Gallery:
    """Small pictures side by side, each with its caption, without numbers."""

    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Links:
    """A row of links: to other pages, or to parts of this one. ``label`` says to what."""

    label: Text
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Details:
    """Blocks that are folded away in a browser, and printed in full elsewhere."""

    summary: Text
    blocks: tuple[Block, ...]
    open: bool = False


@dataclass(frozen=True)
class Subsection:
    """Blocks under a heading of their own. ``name``: its anchor, if it is linked to."""

    title: Text
    blocks: tuple[Block, ...]
    name: str = ""


@dataclass(frozen=True)
class References:
    """Where the works are listed that the texts cite."""


Block: TypeAlias = (
    "Paragraph | Points | Notice | Listing | Facts | Table | Picture | Gallery | Links | Details"
    " | Subsection | References"
)


@dataclass(frozen=True)
class Section:
    """A part of a document.

    Attributes:
        name: its anchor.
        blocks: in order.
        title: its heading; None for the text of the code ``sections.NAME``.
    """

    name: str
    blocks: tuple[Block, ...]
    title: Text | None = None


@dataclass(frozen=True)
class Document:
    """A whole report or page.

    Attributes:
        title: its heading.
        sections: in order.
        synthetic: whether every format must say that images are synthetic.
        failures: a line for each section that could not be made.
        intro: blocks before the table of contents.
        keyed: whether images have keyed names; every document says how its images are named.
    """

    title: Text
    sections: tuple[Section, ...]
    synthetic: bool = False
    failures: tuple[str, ...] = ()
    intro: tuple[Block, ...] = ()
    keyed: bool = False
