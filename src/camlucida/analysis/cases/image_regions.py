"""One image as the heat of its maps is measured on it: the places that are found in it, what is marked in it, what was seen."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import sparse

from camlucida.core.errors import ImageError
from camlucida.core.geometry import Geometry
from camlucida.core.tensors import resize
from camlucida.evaluation.maps.scores import artefact_places
from camlucida.io import read_image
from camlucida.metrics.annotations import Floats
from camlucida.metrics.artefacts import border_region
from camlucida.metrics.ceiling import coverage

T = TypeVar("T")

LONGEST = 1024
"""Images that are longer are reduced to this many pixels by area averaging, and maps are carried to the same."""

FOUND = {"text_share": "text", "outside_body_share": "outside"}
"""Metric of a place that is found in the picture → its name here."""


class ImageRegions:
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
        grey = (
            picture.astype(np.float64) if picture.ndim == 2 else picture.astype(np.float64).mean(2)
        )
        small = shrink(grey, reduced((grey.shape[0], grey.shape[1])))
        masks = {FOUND[name]: mask for name, mask in artefact_places(small, {}, FOUND).items()}
        artefact = np.any([border_region(small.shape), *masks.values()], axis=0)
        places = {
            name: mask.astype(np.float64) for name, mask in (*masks.items(), ("artefact", artefact))
        }
        return str(image.source["sha256"]), places

    def carriers(self, geometry: Geometry, grid: Sequence[int]) -> tuple[Floats, Floats]:
        """(h, rows) and (w, columns): ``down @ cells @ across.T`` is a map of this grid on the image, as
        ``Explanation.on_original`` carries it. The way there is linear, an axis at a time."""

        def ask() -> tuple[Floats, Floats]:
            down, across = (_carrier(geometry, axis, cells) for axis, cells in enumerate(grid))
            return down, across

        return self.once((geometry, *grid), ask)

    def seen(self, geometry: Geometry) -> Floats:
        """(h, w) of a geometry of :func:`to_reduced`: 1 where the model saw the image, 0 where it was cropped away."""

        def ask() -> Floats:
            return geometry.map_to_original(torch.ones(1, *geometry.model))[0].double().numpy()

        return self.once(geometry, ask)


def reduced(original: tuple[int, int]) -> tuple[int, int]:
    """The size at which an image of ``original`` pixels is measured: at most :data:`LONGEST` a side."""
    factor = min(1.0, LONGEST / max(original))
    height, width = (max(1, round(n * factor)) for n in original)
    return height, width


def to_reduced(geometry: Geometry) -> Geometry:
    """Of the reduced image's pixels in place of the original's."""
    size = reduced((geometry.original[0], geometry.original[1]))
    scale = tuple(s * n / m for s, n, m in zip(geometry.scale, geometry.original, size))
    return replace(geometry, original=size, scale=scale)


def shrink(values: ArrayLike, size: tuple[int, int]) -> Floats:
    """(H, W) → (h, w) by exact area averaging; of a mask, the share of each new pixel that it covers."""
    array = np.asarray(values, np.float64)
    if array.shape == tuple(size):
        return array
    down, across = (_averaging(old, new) for old, new in zip(array.shape, size))
    return np.asarray((across @ (down @ array).T).T)


def _averaging(old: int, new: int) -> sparse.csr_array:
    """(new, old): how much of each new pixel each old one is."""
    edges = np.linspace(0, old, new + 1)
    reach = np.arange(int(np.ceil(old / new)) + 1)
    place = edges[:-1, None].astype(int) + reach
    cover = np.clip(
        np.minimum(place + 1, edges[1:, None]) - np.maximum(place, edges[:-1, None]), 0, None
    ) * (new / old)
    rows, columns = np.repeat(np.arange(new), len(reach)), np.minimum(place, old - 1).reshape(-1)
    return sparse.csr_array((cover.reshape(-1), (rows, columns)), shape=(new, old))


def _carrier(geometry: Geometry, axis: int, cells: int) -> Floats:
    """(n, cells) of one axis."""
    axes = (geometry.original, geometry.model, geometry.scale, geometry.offset)
    line = Geometry(*((values[axis],) for values in axes))  # type: ignore[arg-type]
    return line.map_to_original(resize(torch.eye(cells, dtype=torch.float64), line.model)).numpy().T


def _fixed(size: tuple[int, int]) -> dict[str, Floats]:
    """The places that depend on the size alone."""
    margin = (1 - np.sqrt(0.5)) / 2
    share = [
        coverage(np.array([margin, 1 - margin]) * n, n)[0] * n * (1 - 2 * margin) for n in size
    ]
    inner = [
        np.minimum(rows, 1) for rows in share
    ]  # of each row and column, the part inside; 1 but for rounding
    return {"border": border_region(size).astype(np.float64), "periphery": 1 - np.outer(*inner)}
