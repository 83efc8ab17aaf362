"""Numbers for people."""

from __future__ import annotations

import math


def is_missing(value: object) -> bool:
    """Whether there is no number: None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def percent(value: float | None) -> str:
    """A share; a dash where there is none.

    >>> percent(0.004), percent(0.5)
    ('0.4%', '50%')
    """
    if value is None or math.isnan(value):
        return "–"
    return f"{100 * value:.1f}%" if value < 0.1 else f"{100 * value:.0f}%"
