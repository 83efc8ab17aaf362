"""Numbers as people write them."""

from __future__ import annotations

import math

_ROUNDING = 1e-12
"""What is no larger is taken for the rounding of a sum that cancels."""

_WHOLE = 1e6
"""Below it no large number has an exponent: 1180 reads better than 1.18e+03."""

_PROBABILITY = "p"
"""The format spec of a probability, beside those of Python."""

_ZERO_AND_SIGNS = str.maketrans("", "", "0.,-+%e")


def number(value: float, spec: str = "") -> str:
    """A number by a format spec of Python, with a true minus and no minus before zero.

    Args:
        value: finite.
        spec: such as ``.2f`` or ``.0%``; "" writes a whole number as it is, and another as ``.3g``
            does: to three significant digits, or all before the point if there are more; "p" is a
            probability with three decimals, of which a small one does not read as 0.

    Raises:
        ValueError: ``value`` is not finite.

    >>> number(-1.25, ".1f"), number(-0.0001, ".2f"), number(1234.5), number(0.12345)
    ('−1.2', '0.00', '1234', '0.123')
    >>> number(1180.4, ".3g"), number(3.49e-5, ".3g")
    ('1180', '3.49e−05')
    >>> number(0.8, "p"), number(0.00016, "p")
    ('0.800', '< 0.001')
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number that can be written")
    if spec == _PROBABILITY:
        return "< 0.001" if 0 < value < 0.0005 else format(value, ".3f")
    if not spec and not isinstance(value, int):
        spec = ".3g"
    text = format(value, spec)
    if spec.endswith("g") and "e+" in text and abs(value) < _WHOLE:
        text = format(value, f"{'+' if spec.startswith('+') else ''}.0f")
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
