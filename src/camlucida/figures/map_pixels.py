"""A map in the pixels of its film, in colour; by tables, for thousands of films.

Plain data and NumPy alone, so that a worker process need not import a network's library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

HEAT_STEPS = 1023
"""Steps of heat from zero to full colour: finer than the eye, and than 8 bits."""


@dataclass(frozen=True)
class ColourTable:
    """The colours of a map over a film and alone.

    Attributes:
        key: colour map, opacity and whether both signs are drawn: what the tables follow from.
        signed: heat is in [−1, 1] instead of [0, 1].
        colours: (levels, 3) in [0, 1], over a film, of evenly spaced heats from the lowest.
        opacity: (levels,) in [0, 1].
        alone: (256, 3) uint8, (255, 3) where ``signed``: the map alone, from its lowest heat on.
    """

    key: tuple[str, float, bool]
    signed: bool
    colours: Floats = field(compare=False, repr=False)
    opacity: Floats = field(compare=False, repr=False)
    alone: Pixels = field(compare=False, repr=False)


@dataclass(frozen=True)
class MapPixels:
    """A map, and how it lies over its film.

    Attributes:
        cells: (h, w) after the method's ReLU, or (H, W) where it is in pixels already.
        weights: of the rows (H, h) and columns (W, w): the linear interpolation to the film's
            pixels; None where ``cells`` are in pixels.
        limit: the value of full colour; 0: nothing is coloured.
        table: its colours.
    """

    cells: Floats
    weights: tuple[Floats, Floats] | None
    limit: float
    table: ColourTable

    @cached_property
    def values(self) -> Floats:
        """(H, W), in original pixels."""
        if self.weights is None:
            return self.cells
        rows, columns = self.weights
        return np.asarray(rows @ self.cells @ columns.T, np.float32)

    def heat(self, steps: int) -> NDArray[np.uint32]:
        """(H, W): 0 to ``steps`` from zero to full colour, or from −full to full colour, twice."""
        if self.limit <= 0:
            return np.full(self.values.shape, steps if self.table.signed else 0, np.uint32)
        scaled = self.values * np.float32(steps / self.limit)
        if self.table.signed:
            scaled += steps
        np.clip(scaled, 0, 2 * steps if self.table.signed else steps, out=scaled)
        scaled += 0.5
        return scaled.astype(np.uint32)


def overlay_picture(film: Pixels, drawn: MapPixels) -> Image.Image:
    """A map over its film.

    Args:
        film: (H, W) or (H, W, 3).
        drawn: the map.

    Returns:
        RGB, what :func:`camlucida.figures.colours.mix` gives, in 8 bits; the film itself where the
        heat is 0.
    """
    heat = drawn.heat(HEAT_STEPS) << np.uint32(8)
    table = _mixed(drawn.table)
    if film.ndim == 2:
        return _picture(table, heat | film)
    mixed = [_picture(table, heat | film[..., c]).getchannel(c) for c in range(3)]
    return Image.merge("RGB", mixed)


def heat_picture(drawn: MapPixels) -> Image.Image:
    """A map alone, RGB."""
    table = drawn.table
    return _picture(_packed(table.alone), drawn.heat(127 if table.signed else 255))


@lru_cache(maxsize=16)
def _mixed(table: ColourTable) -> NDArray[np.uint32]:
    """Colour of each heat over each of 256 greys, at ``heat × 256 + grey``; a byte a channel."""
    opacity = table.opacity[:, None, None]
    greys = np.arange(256, dtype=np.float32)[None, :, None]
    colours = table.colours[:, None] * np.float32(255)
    mixed = greys * (1 - opacity) + colours * opacity
    return _packed(mixed.round().astype(np.uint8).reshape(-1, 3))


def _packed(colours: Pixels) -> NDArray[np.uint32]:
    """(N, 3) bytes as one number each, so that one look-up gives a whole colour."""
    bytes_of_four = np.zeros((len(colours), 4), np.uint8)
    bytes_of_four[:, :3] = colours
    return bytes_of_four.view(np.uint32)[:, 0]


def _picture(table: NDArray[np.uint32], index: NDArray[np.uint32]) -> Image.Image:
    """(H, W) places in a table of :func:`_packed` as a picture."""
    colours = table.take(index, mode="clip")  # no index is outside; "clip" need not look first
    # Pillow copies four bytes a pixel at once, but three of four one by one.
    return Image.frombytes("RGB", index.shape[::-1], colours, "raw", "RGBX")
