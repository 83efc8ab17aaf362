"""What a report is made of, before it is HTML, Markdown, LaTeX or PDF, and before it is in any language.

A section says which sentences hold, and with which measured values; the words are in ``texts/LANGUAGE.toml``. A sentence whose
value was not measured is never made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import TypeAlias

NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A measured number with its interval and its chance level.

    Attributes:
        estimate: the number.
        low, high: its 95 % interval; NaN where there is none (fewer than 10 patients).
        chance: what something that knows nothing of the image scores; NaN where there is no such level.
        percent: say it as a percentage.
    """

    estimate: float
    low: float = NAN
    high: float = NAN
    chance: float = NAN
    percent: bool = False

    @property
    def sure(self) -> bool:
        """Whether it has an interval."""
        return isfinite(self.low) and isfinite(self.high)

    @property
    def verdict(self) -> str:
        """Where its interval lies: "more" or "less" than zero, "same", or "unsure" where there is none."""
        if not self.sure:
            return "unsure"
        return "more" if self.low > 0 else "less" if self.high < 0 else "same"


@dataclass(frozen=True)
class Sentence:
    """``key`` of the texts, such as ``results.auc``, and the value of each of its placeholders."""

    key: str
    values: Mapping[str, Value] = field(default_factory=dict)


Value: TypeAlias = "str | int | float | Estimate | Sentence | Sequence[str]"
"""What a placeholder or a table's cell holds; a list is joined as the language joins lists."""


@dataclass(frozen=True)
class Paragraph:
    """Sentences that follow each other."""

    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class Points:
    """A list."""

    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class Table:
    """Rows of cells under a head, with a caption. ``name`` is its anchor in the document."""

    name: str
    caption: Sentence
    head: tuple[Sentence, ...]
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True)
class Picture:
    """A figure that is written already.

    Attributes:
        stem: path without suffix, relative to the report's folder; ``stem.png`` and ``stem.pdf`` are there.
        caption: which case, by which rule it was chosen, what each panel is, on what scale.
    """

    stem: str
    caption: Sentence


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

    title: Sentence
    sections: tuple[Section, ...]
    synthetic: bool = False
    failures: tuple[str, ...] = ()
