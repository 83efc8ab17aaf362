"""The regions of one image in which the heat of its maps is measured."""

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
"""Longest side in pixels; longer images are reduced by area averaging, and maps with them."""

DETECTED = {"text_share": "text", "outside_body_share": "outside"}
"""Metric of a region that is detected in the picture → its name here."""


class ImageRegions:
    """The regions of an image, each computed once and kept.

    Args:
        path: its file, read when it is needed.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._kept: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """The result of ``make``, which is called once for each ``key``."""
        if key not in self._kept:
            self._kept[key] = make()
        kept: T = self._kept[key]
        return kept

    def places(self, sha256: str, original: tuple[int, int]) -> dict[str, Floats]:
        """Name → (h, w), the share of each pixel that lies in the region.

        ``border`` and ``periphery`` (outside the central rectangle of half the area) always.
        ``text``, ``outside`` and ``artefact`` (these and the border) if the file is there and has
        this hash; a region that is not in the picture is empty.

        Args:
            sha256: hash of the file as it was explained.
            original: (H, W) of the image.
        """
        size = reduced(original)
        fixed = self.once(("fixed", size), lambda: _fixed(size))
        if self._detected is None or self._detected[0] != sha256:
            return fixed
        return fixed | self._detected[1]

    @cached_property
    def _detected(self) -> tuple[str, dict[str, Floats]] | None:
        try:
            image = read_image(self._path)
        except ImageError:
            return None
        picture = image.display
        grey = (
            picture.astype(np.float64) if picture.ndim == 2 else picture.astype(np.float64).mean(2)
        )
        small = shrink(grey, reduced((grey.shape[0], grey.shape[1])))
        masks = {
            DETECTED[name]: mask for name, mask in artefact_places(small, {}, DETECTED).items()
        }
        artefact = np.any([border_region(small.shape), *masks.values()], axis=0)
        places = {
            name: mask.astype(np.float64) for name, mask in (*masks.items(), ("artefact", artefact))
        }
        return str(image.source["sha256"]), places

    def carriers(self, geometry: Geometry, grid: Sequence[int]) -> tuple[Floats, Floats]:
        """(h, rows) and (w, columns): ``down @ cells @ across.T`` is a map on the image.

        It is that of ``Explanation.on_original``, which is linear, an axis at a time.
        """

        def make() -> tuple[Floats, Floats]:
            down, across = (_carrier(geometry, axis, cells) for axis, cells in enumerate(grid))
            return down, across

        return self.once((geometry, *grid), make)

    def seen(self, geometry: Geometry) -> Floats:
        """(h, w): 1 where the model saw the image, 0 where it was cropped away.

        Args:
            geometry: of :func:`to_reduced`.
        """

        def make() -> Floats:
            return geometry.map_to_original(torch.ones(1, *geometry.model))[0].double().numpy()

        return self.once(geometry, make)


def reduced(original: tuple[int, int]) -> tuple[int, int]:
    """The size at which an image is measured: at most :data:`LONGEST` pixels a side.

    >>> reduced((2048, 1024)), reduced((64, 48))
    ((1024, 512), (64, 48))
    """
    factor = min(1.0, LONGEST / max(original))
    height, width = (max(1, round(n * factor)) for n in original)
    return height, width


def to_reduced(geometry: Geometry) -> Geometry:
    """The geometry with the reduced image in place of the original."""
    size = reduced((geometry.original[0], geometry.original[1]))
    scale = tuple(s * n / m for s, n, m in zip(geometry.scale, geometry.original, size))
    return replace(geometry, original=size, scale=scale)


def shrink(values: ArrayLike, size: tuple[int, int]) -> Floats:
    """(H, W) → (h, w) by exact area averaging; of a mask, the share of each pixel that it covers.

    >>> shrink([[1, 0], [1, 0]], (1, 2)).tolist()
    [[1.0, 0.0]]
    """
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
    """The regions that depend on the size alone."""
    margin = (1 - np.sqrt(0.5)) / 2
    share = [
        coverage(np.array([margin, 1 - margin]) * n, n)[0] * n * (1 - 2 * margin) for n in size
    ]
    # Of each row and column, the part inside; 1 but for rounding.
    inner = [np.minimum(rows, 1) for rows in share]
    return {"border": border_region(size).astype(np.float64), "periphery": 1 - np.outer(*inner)}
