"""One image as the heat of its maps is measured on it: the places that are found in it, what is marked in it, what was seen."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike

from camlucida.errors import ImageError
from camlucida.evaluation.placed import artefact_places
from camlucida.geometry import Geometry
from camlucida.io import read_image
from camlucida.metrics.annotations import Floats
from camlucida.metrics.artefacts import border_region
from camlucida.metrics.ceiling import coverage

T = TypeVar("T")

LONGEST = 1024
"""Images that are longer are reduced to this many pixels by area averaging, and maps are carried to the same."""

FOUND = {"text_share": "text", "outside_body_share": "outside"}
"""Metric of a place that is found in the picture → its name here."""


class Film:
    """An image; what is asked of it is found once, and kept.

    Args:
        path: its file, read when it is needed.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._kept: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` gave when it was first asked for ``key``."""
        if key not in self._kept:
            self._kept[key] = make()
        found: T = self._kept[key]
        return found

    def places(self, sha256: str, original: tuple[int, int]) -> dict[str, Floats]:
        """Name → (h, w), the share of each pixel that lies in the place.

        ``border`` and ``periphery`` (outside the central rectangle of half the area) always. ``text``, ``outside`` and
        ``artefact`` (these and the border) if the file is there and has this hash; a place that is not in the picture is empty.
        """
        size = reduced(original)
        fixed = self.once(("fixed", size), lambda: _fixed(size))
        found = self._found if self._found is not None and self._found[0] == sha256 else None
        return fixed if found is None else fixed | found[1]

    @cached_property
    def _found(self) -> tuple[str, dict[str, Floats]] | None:
        try:
            image = read_image(self._path)
        except ImageError:
            return None
        picture = image.display
        grey = picture.astype(np.float64) if picture.ndim == 2 else picture.astype(np.float64).mean(2)
        small = shrink(grey, reduced((grey.shape[0], grey.shape[1])))
        masks = {FOUND[name]: mask for name, mask in artefact_places(small, {}, FOUND).items()}
        artefact = np.any([border_region(small.shape), *masks.values()], axis=0)
        places = {name: mask.astype(np.float64) for name, mask in (*masks.items(), ("artefact", artefact))}
        return str(image.source["sha256"]), places

    def seen(self, geometry: Geometry) -> Floats:
        """(h, w) of a geometry of :func:`on_film`: 1 where the model saw the image, 0 where it was cropped away."""

        def ask() -> Floats:
            return geometry.map_to_original(torch.ones(1, *geometry.model))[0].double().numpy()

        return self.once(geometry, ask)


def reduced(original: tuple[int, int]) -> tuple[int, int]:
    """The size at which an image of ``original`` pixels is measured: at most :data:`LONGEST` a side."""
    factor = min(1.0, LONGEST / max(original))
    height, width = (max(1, round(n * factor)) for n in original)
    return height, width


def on_film(geometry: Geometry) -> Geometry:
    """Of the reduced image's pixels in place of the original's."""
    size = reduced((geometry.original[0], geometry.original[1]))
    scale = tuple(s * n / m for s, n, m in zip(geometry.scale, geometry.original, size))
    return replace(geometry, original=size, scale=scale)


def shrink(values: ArrayLike, size: tuple[int, int]) -> Floats:
    """(H, W) → (h, w) by exact area averaging; of a mask, the share of each new pixel that it covers."""
    array = np.asarray(values, np.float64)
    for axis, count in enumerate(size):
        length = array.shape[axis]
        if count == length:
            continue
        total = np.insert(np.cumsum(array, axis), 0, 0, axis)
        edges = np.linspace(0, length, count + 1)
        low = np.minimum(edges.astype(int), length - 1)
        part = (edges - low)[:, None] if axis == 0 else edges - low
        at = total.take(low, axis) * (1 - part) + total.take(low + 1, axis) * part
        array = np.diff(at, axis=axis) * (count / length)
    return array


def _fixed(size: tuple[int, int]) -> dict[str, Floats]:
    """The places that depend on the size alone."""
    centre = (1 - np.sqrt(0.5)) / 2
    inner = [coverage(np.array([centre, 1 - centre]) * n, n)[0] * n * (1 - 2 * centre) for n in size]
    return {"border": border_region(size).astype(np.float64), "periphery": 1 - np.outer(*inner)}
