"""Numbers as people write them."""

from __future__ import annotations

import math

_NO_DIGIT = str.maketrans("", "", "0.,-+%e")


def number(value: float, spec: str = "") -> str:
    """``value`` by a format spec of Python, with a true minus; rounding to zero takes the sign away. A percent sign is kept.

    Without a spec: a whole number as it is; else three significant digits, and no fewer than all before the point.

    >>> number(-1.25, ".1f"), number(-0.0001, ".2f"), number(1234.5), number(0.12345)
    ('−1.2', '0.00', '1234', '0.123')

    Raises:
        ValueError: it is not finite: what was not measured is not said.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number that can be said")
    if not spec and not isinstance(value, int):
        spec = ".3g" if abs(value) < 999.5 else ".0f"
    words = format(value, spec)
    if not words.translate(_NO_DIGIT):
        words = words.replace("-", "")
    return words.replace("-", "−")
