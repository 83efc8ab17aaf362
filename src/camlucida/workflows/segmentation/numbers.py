"""Numbers for people."""

from __future__ import annotations

import math


def is_missing(value: object) -> bool:
    """Whether there is no number: None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def number(value: float | None, digits: int = 3) -> str:
    """A number; a dash where there is none.

    >>> number(1.2345), number(float("inf")), number(None)
    ('1.23', '∞', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}g}"


def percent(value: float | None) -> str:
    """A share; a dash where there is none.

    >>> percent(0.004), percent(0.5)
    ('0.4 %', '50 %')
    """
    if value is None or math.isnan(value):
        return "–"
    return f"{100 * value:.1f} %" if value < 0.1 else f"{100 * value:.0f} %"
