"""What a report is made of, before it is HTML, Markdown, LaTeX or PDF, and before it is in any language.

A section says which sentences hold, and with which measured values; the words are in ``texts/LANGUAGE.toml``. A sentence whose
value was not measured is never made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from camlucida.core.messages import NAN, Estimate, Message, Value

__all__ = [
    "NAN",
    "Block",
    "Document",
    "Estimate",
    "Message",
    "Paragraph",
    "Picture",
    "Points",
    "References",
    "Section",
    "Table",
    "Value",
]


@dataclass(frozen=True)
class Paragraph:
    """Sentences that follow each other."""

    sentences: tuple[Message, ...]


@dataclass(frozen=True)
class Points:
    """A list."""

    sentences: tuple[Message, ...]


@dataclass(frozen=True)
class Table:
    """Rows of cells under a head, with a caption. ``name`` is its anchor in the document."""

    name: str
    caption: Message
    head: tuple[Message, ...]
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True)
class Picture:
    """A figure that is written already.

    Attributes:
        stem: path without suffix, relative to the report's folder; ``stem.png`` and ``stem.pdf`` are there.
        caption: which case, by which rule it was chosen, what each panel is, on what scale.
    """

    stem: str
    caption: Message


@dataclass(frozen=True)
class References:
    """Where the works are listed that the sentences cite."""


Block: TypeAlias = "Paragraph | Points | Table | Picture | References"


@dataclass(frozen=True)
class Section:
    """A part of the report; ``name`` is its key in the texts (``sections.NAME`` is its title) and its anchor."""

    name: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes:
        synthetic: whether every format must say that scans are synthetic.
        failures: a line for each section that could not be made.
    """

    title: Message
    sections: tuple[Section, ...]
    synthetic: bool = False
    failures: tuple[str, ...] = ()
