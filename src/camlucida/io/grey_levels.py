"""All grey levels of a film, with the window of its display, in the values of its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.core.film_units import FilmUnits
from camlucida.core.grey_levels import GreyLevels
from camlucida.io.image import RawImage

HALF_A_LEVEL = 0.5 / 255
"""Within half a grey level of the display a window is that of the display."""

_SHARE = "%"
"""Unit of a film whose samples stand for no value of the file: percent of its display."""


def file_values(source: Mapping[str, Any], unit: Any) -> Any:
    """What the file calls 0 to 1 of the full scale: stored values, of a DICOM after its rescale.

    Args:
        source: of the image. Of MONOCHROME1, 1 is the lowest value.
        unit: a number, an array or a tensor.

    >>> file_values({"bits": 12, "rescale": [1.0, -1024.0]}, 1)
    3071.0
    """
    steps = 2 ** int(source.get("bits") or 8) - 1
    is_inverted = source.get("photometric") == "MONOCHROME1"
    level = (1 - unit if is_inverted else unit) * steps
    lowest = float(source.get("lowest") or 0)
    slope, intercept = source.get("rescale") or (1.0, 0.0)
    return (level + lowest) * slope + intercept


def window_ends(center: float, width: float, function: str) -> tuple[float, float]:
    """Where a straight window begins and ends (DICOM PS3.3 C.11.2.1.2 and .3).

    LINEAR: c − 0.5 − (w − 1)/2 and c − 0.5 + (w − 1)/2. LINEAR_EXACT: c − w/2 and c + w/2.

    Args:
        center: c, in the unit of the values.
        width: w, in the unit of the values.
        function: LINEAR or LINEAR_EXACT.

    >>> window_ends(40, 400, "LINEAR"), window_ends(40, 400, "LINEAR_EXACT")
    ((-160.0, 239.0), (-160.0, 240.0))
    """
    if function == "LINEAR":
        center -= 0.5
        width -= 1
    return center - width / 2, center + width / 2


def grey_levels(image: RawImage) -> GreyLevels | None:
    """The grey levels of a film, for a change of its level and width.

    They begin with the window of the display. Where the display is no window of the values (a
    lookup table, a sigmoid, a masked padding), the levels are those of the display itself, and
    their unit is percent of it.

    Args:
        image: as it was read.

    Returns:
        None of a colour image, and of one whose display has its stored values: up to 8 bits that
        no DICOM header windows.

    A film of 12 bits has its levels 16 samples apart, which compress as well as 12 bits do:

    >>> grey = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
    >>> display = np.rint(255 * grey).astype(np.uint8)
    >>> levels = grey_levels(RawImage(grey, display, "a", source={"bits": 12}))
    >>> levels.samples[-1].tolist(), levels.window, levels.units.step
    ([39312, 52416, 65520], (0, 65520), 0.0625)
    """
    bits = int(image.source.get("bits", 8))
    if image.display.ndim != 2 or (bits <= 8 and image.windowed is None):
        return None
    if bits > 16:  # floats, or more than a sample can hold
        return _of_display(image.pixels if image.windowed is None else image.windowed)
    if image.windowed is None:
        return _in_window(image, (0, 1))
    window = _pixel_window(image, image.windowed)
    return _of_display(image.windowed) if window is None else _in_window(image, window)


def _in_window(image: RawImage, window: tuple[float, float]) -> GreyLevels:
    samples, white = _samples(image.pixels, int(image.source["bits"]))
    low, high = window
    return GreyLevels(samples, (white * low, white * high), _units(image.source, white))


def _of_display(unit: NDArray[np.float32]) -> GreyLevels:
    samples, white = _samples(unit, 16)
    return GreyLevels(samples, (0, white), FilmUnits(0.0, 100 / white, _SHARE))


def _units(source: Mapping[str, Any], white: int) -> FilmUnits | None:
    first = float(file_values(source, 0))
    step = (float(file_values(source, 1)) - first) / white
    is_linear = _window_of(source).get("function") == "LINEAR"
    units = FilmUnits(first, step, str(source.get("unit", "")), is_linear)
    return None if units == FilmUnits(0.0, 1.0) else units


def _samples(
    unit: NDArray[np.float32], bits: int
) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], int]:
    """Numbers from 0 to 1 in steps of so many bits, in the high bits of a sample; that of 1."""
    size = 8 if bits <= 8 else 16
    apart = 2 ** (size - bits)
    levels = unit.astype(np.float64)
    levels *= 2**bits - 1
    np.rint(levels, out=levels)
    levels *= apart
    white = (2**bits - 1) * apart
    return (levels.astype(np.uint8) if size == 8 else levels.astype(np.uint16)), white


def _pixel_window(image: RawImage, windowed: NDArray[np.float32]) -> tuple[float, float] | None:
    """What is black and white, as pixels of the image; None where no window gives the display."""
    ends = _ends(_window_of(image.source))
    if ends is None or "modality_table" in image.source:
        return None
    zero, one = (float(file_values(image.source, end)) for end in (0, 1))
    black, white = sorted((end - zero) / (one - zero) for end in ends)
    if white <= black:
        drawn = (image.pixels > black).astype(np.float32)
    else:
        drawn = np.clip((image.pixels - black) / (white - black), 0, 1)
    return (black, white) if np.abs(drawn - windowed).max() <= HALF_A_LEVEL else None


def _window_of(source: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a DICOM reader says of the window of the display; nothing of other files."""
    window = source.get("window")
    return window if isinstance(window, Mapping) else {}


def _ends(window: Mapping[str, Any]) -> tuple[float, float] | None:
    """Values of the file at the ends of the window; None where it has no straight line."""
    if "low" in window:
        return window["low"], window["high"]
    if window.get("function") not in ("LINEAR", "LINEAR_EXACT"):
        return None
    return window_ends(window["center"], window["width"], window["function"])
