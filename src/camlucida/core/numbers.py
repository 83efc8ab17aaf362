"""Numbers as people write them."""

from __future__ import annotations

import math

_ROUNDING = 1e-12
"""What is no larger is taken for the rounding of a sum that cancels."""

_ZERO_AND_SIGNS = str.maketrans("", "", "0.,-+%e")


def number(value: float, spec: str = "") -> str:
    """A number by a format spec of Python, with a true minus and no minus before zero.

    Args:
        value: finite.
        spec: such as ``.2f`` or ``.0%``; "" writes a whole number as it is, and another to three
            significant digits, or all before the point if there are more.

    Raises:
        ValueError: ``value`` is not finite.

    >>> number(-1.25, ".1f"), number(-0.0001, ".2f"), number(1234.5), number(0.12345)
    ('−1.2', '0.00', '1234', '0.123')
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number that can be written")
    if not spec and not isinstance(value, int):
        # From 999.5 on ".3g" would round to 1000 and write it as 1e+03.
        rounds_below_1000 = abs(value) < 999.5
        spec = ".3g" if rounds_below_1000 else ".0f"
    text = format(value, spec)
    rounds_to_zero = not text.translate(_ZERO_AND_SIGNS)
    if rounds_to_zero:
        text = text.replace("-", "")
    return text.replace("-", "−")


def number_or_dash(value: float | None, spec: str = ".3g") -> str:
    """A result: a dash where there is none; what sums that cancel leave is 0.

    Args:
        value: None or NaN where there is none; it may be infinite, as a ratio to 0 is.
        spec: as in :func:`number`.

    >>> number_or_dash(None), number_or_dash(1e-17), number_or_dash(-0.12345)
    ('–', '0', '−0.123')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    is_rounding = abs(value) <= _ROUNDING
    return number(0 if is_rounding else value, spec)
