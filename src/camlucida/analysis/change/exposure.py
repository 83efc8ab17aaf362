"""Grey levels of one image brought to the exposure of another, before the two are subtracted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

QUANTILES = np.linspace(0.02, 0.98, 49)
"""Of the grey levels that are matched; letters and collimation lie beyond."""

_ROUNDS = 20
_TUNING = 1.345
"""Huber's constant: 95 % efficiency under normal errors."""


@dataclass(frozen=True)
class ExposureMatch:
    """Grey levels ``gain · level + shift`` of the second image fit those of the first.

    Attributes:
        gain, shift: of the fit; 1 and 0 where nothing could be fitted.
        before, after: median magnitude of the difference without and with the match, where both
            images are.
    """

    gain: float
    shift: float
    before: float
    after: float

    def apply(self, values: ArrayLike) -> Floats:
        """Grey levels of the second image at the exposure of the first.

        Args:
            values: any shape.
        """
        return self.gain * np.asarray(values, np.float64) + self.shift


def match_exposure(first: ArrayLike, second: ArrayLike) -> ExposureMatch:
    """Fit the grey levels of two aligned images by a straight line that outliers do not move.

    The line is fitted to the quantiles of both images inside their overlap, so that neither a
    finding that came nor an edge that moved pulls it, by iterated weights of Huber.

    Args:
        first, second: (H, W) grey levels; NaN outside an image.

    Returns:
        The match. Of an image of one grey level or of a negative gain 1 and shift 0.

    Source: Huber 1964; quantile matching as in Nyúl and Udupa 1999.

    >>> first = np.linspace(0, 1, 100).reshape(10, 10)
    >>> match = match_exposure(first, 0.5 * first + 0.2)
    >>> round(match.gain, 3), round(match.shift, 3), round(match.after, 6)
    (2.0, -0.4, 0.0)
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    if a.size < 2:
        return ExposureMatch(1.0, 0.0, 0.0, 0.0)
    gain, shift = 1.0, 0.0
    # Quantiles alone would match a negative.
    if float(np.mean((a - a.mean()) * (b - b.mean()))) > 0:
        gain, shift = _line(np.quantile(b, QUANTILES), np.quantile(a, QUANTILES))
    unmatched = float(np.median(np.abs(b - a)))
    return ExposureMatch(gain, shift, unmatched, float(np.median(np.abs(gain * b + shift - a))))


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    """Gain and shift of y ≈ gain · x + shift by Huber's weights; 1 and 0 without a rising line."""
    weights = np.ones(x.size)
    gain, shift = 1.0, 0.0
    for _ in range(_ROUNDS):
        mean_x, mean_y = np.average(x, weights=weights), np.average(y, weights=weights)
        spread = np.average((x - mean_x) ** 2, weights=weights)
        if spread < 1e-12:
            return 1.0, 0.0
        gain = float(np.average((x - mean_x) * (y - mean_y), weights=weights) / spread)
        shift = float(mean_y - gain * mean_x)
        residuals = np.abs(y - gain * x - shift)
        scale = 1.4826 * float(np.median(residuals))
        if scale < 1e-9:
            break
        weights = np.minimum(1.0, _TUNING * scale / np.maximum(residuals, 1e-12))
    return (gain, shift) if gain > 0 else (1.0, 0.0)
