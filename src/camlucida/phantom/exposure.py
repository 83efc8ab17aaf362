"""How quanta become a stored film: detector blur, logarithm, S-shaped window, noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from camlucida.core.errors import UsageError
from camlucida.phantom.anatomy import FIELD_CM, Array

BLUR_CM = 0.09
"""Standard deviation of the detector's Gaussian blur."""
EPSILON = 1.0
"""Grey levels of 255 by which a pixel of the noise-free film must change to belong to a finding."""
SMALLEST, LARGEST = 64, 1024
"""Film sizes in pixels that are worth drawing."""
LEAST_TRANSMISSION = 1e-6
"""Share of the quanta below which the detector no longer separates attenuations."""


class Exposure(NamedTuple):
    """How a film is taken and shown.

    Attributes:
        quanta: mean count of a pixel where nothing attenuates.
        black, white: attenuations at the two ends of the window.
        contrast, centre: slope and middle of the S over the window, in units of its width.
    """

    quanta: float
    black: float
    white: float
    contrast: float
    centre: float


def stream(seed: int, purpose: int) -> np.random.Generator:
    """An independent random generator for each purpose: drawing more of one changes no other.

    >>> stream(7, 0).random() == stream(7, 0).random()
    True
    >>> stream(7, 0).random() == stream(7, 1).random()
    False
    """
    return np.random.default_rng([purpose, seed])


def check_size(size: int) -> int:
    """The side of a film in pixels, as it was given.

    Raises:
        UsageError: it is not from SMALLEST to LARGEST.
    """
    if not SMALLEST <= size <= LARGEST:
        raise UsageError(f"a film of {size} pixels", f"size is from {SMALLEST} to {LARGEST}")
    return size


def window(attenuation: Array, exposure: Exposure, white: float) -> Array:
    """Grey levels by an S-shaped window: white / (1 + exp(−contrast · (x − centre))).

    Args:
        attenuation: (H, W), no unit.
        exposure: ends of the window, and slope and middle of the S.
        white: largest grey level.

    Returns:
        (H, W) from 0 to ``white``; bright where much attenuates.

    >>> exposure = Exposure(1e3, black=0.0, white=2.0, contrast=4.0, centre=0.5)
    >>> float(window(np.float32([1.0]), exposure, 255)[0])
    127.5
    """
    width = exposure.white - exposure.black
    x = (attenuation - exposure.black) / width
    odds = np.exp(-exposure.contrast * (x - exposure.centre))
    grey: Array = white / (1 + odds)
    return grey


def develop(counts: Array, exposure: Exposure) -> Array:
    """Quanta (H, W) → grey levels in [0, 255]: detector blur, logarithm, S-shaped window."""
    size = counts.shape[0]
    sigma = BLUR_CM * size / FIELD_CM
    detected = ndimage.gaussian_filter(counts, sigma, mode="nearest", truncate=3.0)
    transmission = np.maximum(detected / exposure.quanta, LEAST_TRANSMISSION)
    attenuation = -np.log(transmission)
    return window(attenuation, exposure, 255)


def picture(quanta: Array, exposure: Exposure, noise: np.random.Generator) -> NDArray[np.uint8]:
    """The stored film: one draw of the counts, developed and rounded.

    Poisson's distribution in its Gaussian limit: counts are λ + √λ·z, z standard normal.

    Args:
        quanta: expected counts λ, (H, W).
        exposure: how the film is taken and shown.
        noise: draws z.

    Returns:
        (H, W) uint8.
    """
    z = noise.standard_normal(quanta.shape, dtype=np.float32)
    counts = quanta + np.sqrt(quanta) * z
    grey = develop(np.maximum(counts, 0), exposure)
    return np.round(grey).astype(np.uint8)


def changed(film: Array, twin: Array) -> NDArray[np.bool_]:
    """Pixels (H, W) in which two noise-free films differ by more than EPSILON grey levels.

    >>> changed(np.float32([[10.0, 10.0]]), np.float32([[10.5, 12.0]])).tolist()
    [[False, True]]
    """
    change = np.abs(twin - film)
    mask: NDArray[np.bool_] = change > EPSILON
    return mask
