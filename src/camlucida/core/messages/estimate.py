"""A measured number with what a reader needs to judge it."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A measured number with its interval and its chance level.

    Attributes:
        estimate: the number.
        low, high: its 95 % interval; NaN where there is none (fewer than 10 patients).
        chance: the chance level; NaN where there is none.
        percent: print it as a percentage.
    """

    estimate: float
    low: float = NAN
    high: float = NAN
    chance: float = NAN
    percent: bool = False

    @property
    def has_interval(self) -> bool:
        """Whether both ends of the interval are finite.

        >>> Estimate(0.2, 0.1, 0.3).has_interval, Estimate(0.2).has_interval
        (True, False)
        """
        return isfinite(self.low) and isfinite(self.high)

    @property
    def verdict(self) -> str:
        """Where the interval lies: "more" or "less" than zero, "same", or "unsure" without one.

        >>> Estimate(0.2, 0.1, 0.3).verdict, Estimate(0.2, -0.1, 0.5).verdict, Estimate(1).verdict
        ('more', 'same', 'unsure')
        """
        if not self.has_interval:
            return "unsure"
        if self.low > 0:
            return "more"
        return "less" if self.high < 0 else "same"
