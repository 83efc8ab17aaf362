"""What is said, before it is in any language: a key of the texts, and the measured values in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
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


Value: TypeAlias = "str | int | float | Estimate | Sentence | Sequence[str | Sentence]"
"""What a placeholder or a table's cell holds; a list is joined as the language joins lists."""


def named(text: str) -> Sentence:
    """A name, which is the same in every language."""
    return Sentence("words.plain", {"text": text})


def chain(key: str, sentences: Sequence[Sentence]) -> Sentence:
    """One or more sentences as one: ``key`` joins two, ``{first}`` and ``{then}``."""
    return reduce(lambda first, then: Sentence(key, {"first": first, "then": then}), sentences)
