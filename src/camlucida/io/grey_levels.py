"""All grey levels of a film of more than 8 bits, with the window of its display."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from camlucida.core.scan import GreyLevels
from camlucida.io.image import RawImage

BITS = 16
"""Of the samples."""

HALF_A_LEVEL = 0.5 / 255
"""Within half a grey level of the display a window is that of the display."""

FITTED = 20_000
"""Pixels by which a window is determined; all pixels check it."""


def grey_levels(image: RawImage) -> GreyLevels | None:
    """The grey levels that 8 bits would lose; None of a colour image, and of one of 8 bits.

    They begin with the window of the display. Where the display is no window of the samples (a
    lookup table, a sigmoid, a masked padding), the levels are those of the display itself.

    Args:
        image: as it was read.

    A film of 12 bits has its levels 16 samples apart, which compress as well as 12 bits do:

    >>> grey = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
    >>> display = np.rint(255 * grey).astype(np.uint8)
    >>> levels = grey_levels(RawImage(grey, display, "a", source={"bits": 12}))
    >>> levels.samples[-1].tolist(), levels.window
    ([39312, 52416, 65520], (0, 65520))
    """
    bits = min(int(image.source.get("bits", 8)), BITS)
    if bits <= 8 or image.display.ndim != 2:
        return None
    white = (2**bits - 1) << (BITS - bits)
    if image.windowed is None:
        return GreyLevels(_samples(image.pixels, bits), (0, white))
    window = _window_of(image.pixels, image.windowed)
    if window is None:
        return GreyLevels(_samples(image.windowed, BITS), (0, 2**BITS - 1))
    low, high = window
    return GreyLevels(_samples(image.pixels, bits), (white * low, white * high))


def _samples(unit: NDArray[np.float32], bits: int) -> NDArray[np.uint16]:
    """Numbers from 0 to 1 in steps of so many bits, in the high bits of a sample."""
    levels = unit.astype(np.float64)
    levels *= 2**bits - 1
    np.rint(levels, out=levels)
    levels *= 2 ** (BITS - bits)
    return levels.astype(np.uint16)


def _window_of(
    pixels: NDArray[np.float32], windowed: NDArray[np.float32]
) -> tuple[float, float] | None:
    """What is black and white, in units of the pixels; None where no window gives the display."""
    between = (windowed > 0) & (windowed < 1)
    if not between.any() or np.ptp(pixels[between]) == 0:
        return None
    step = 1 + int(between.sum()) // FITTED
    few = pixels[between][::step].astype(np.float64), windowed[between][::step]
    slope, start = (float(value) for value in np.polyfit(*few, 1))
    if slope <= 0:
        return None
    drawn = np.clip(slope * pixels + start, 0, 1)
    if np.abs(drawn - windowed).max() > HALF_A_LEVEL:
        return None
    return -start / slope, (1 - start) / slope
