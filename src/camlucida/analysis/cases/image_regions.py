"""The regions of one image in which the heat of its maps is measured."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
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
from camlucida.evaluation.maps.scores import artefact_regions
from camlucida.evaluation.maps.zones import image_zones
from camlucida.io import RawImage, read_image
from camlucida.metrics.annotations import Floats, Mask
from camlucida.metrics.artefacts import border_region
from camlucida.metrics.ceiling import coverage
from camlucida.metrics.lung_fields import is_colour

T = TypeVar("T")
GivenMasks = Callable[[tuple[int, int]], Mapping[str, Mask]]

LONGEST = 1024
"""Longest side in pixels; longer images are reduced by area averaging, and maps with them."""

DETECTED = {"text_share": "text", "outside_body_share": "outside"}
"""Metric of a region that is detected in the picture → its name here."""


class ImageRegions:
    """The regions of an image, each computed once and kept.

    Args:
        path: its file, read when it is needed.
        given: size (H, W) of the image → masks of regions that were given; None where the zones of
            the lungs are not wanted.

    Attributes:
        zones_given: whether the zones of the lungs are of given masks, once they were measured.
    """

    def __init__(self, path: str, given: GivenMasks | None = None) -> None:
        self._path = path
        self._given = given
        self.zones_given = False
        self._kept: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """The result of ``make``, which is called once for each ``key``."""
        if key not in self._kept:
            self._kept[key] = make()
        kept: T = self._kept[key]
        return kept

    def shares(self, sha256: str, original: tuple[int, int]) -> dict[str, Floats]:
        """Name → (h, w), the share of each pixel that lies in the region.

        ``border`` and ``periphery`` (outside the central rectangle of half the area) always.
        ``text``, ``outside`` and ``artefact`` (these and the border) if the file is there and has
        this hash; a region that is not in the picture is empty. The zones of the lungs
        (:data:`camlucida.metrics.lung_fields.ZONES`) where they are wanted, and given or detected.

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
        grey = image.display.astype(np.float64)
        if grey.ndim == 3:
            grey = grey.mean(2)
        size = reduced((grey.shape[0], grey.shape[1]))
        small = shrink(grey, size)
        detected = artefact_regions(small, {}, DETECTED)
        masks = {DETECTED[metric]: mask for metric, mask in detected.items()}
        border = border_region(small.shape)
        masks["artefact"] = np.any([border, *masks.values()], axis=0)
        if self._given is not None:
            masks |= self._lung_zones(image, small, self._given(grey.shape))
        shares = {name: mask.astype(np.float64) for name, mask in masks.items()}
        return str(image.source["sha256"]), shares

    def _lung_zones(
        self, image: RawImage, small: Floats, given: Mapping[str, Mask]
    ) -> dict[str, Mask]:
        size = (small.shape[0], small.shape[1])
        regions = {name: shrink(mask, size) >= 0.5 for name, mask in given.items()}
        # The reduced picture has lost its colours, by which photographs are recognised.
        if not regions and image.display.ndim == 3 and is_colour(image.display):
            return {}
        zones, origin = image_zones(small, image.source, regions)
        self.zones_given = origin == "given"
        return zones

    def carriers(self, geometry: Geometry, grid: Sequence[int]) -> tuple[Floats, Floats]:
        """(h, rows) and (w, columns): ``down @ cells @ across.T`` is a map on the image.

        It is that of ``Explanation.on_original``, which is linear, an axis at a time.
        """

        def make() -> tuple[Floats, Floats]:
            rows, columns = grid
            down = _carrier(geometry, 0, rows)
            across = _carrier(geometry, 1, columns)
            return down, across

        return self.once((geometry, *grid), make)

    def seen(self, geometry: Geometry) -> Floats:
        """(h, w): 1 where the model saw the image, 0 where it was cropped away.

        Args:
            geometry: of :func:`to_reduced`.
        """

        def make() -> Floats:
            everything = torch.ones(1, *geometry.model)
            on_image = geometry.map_to_original(everything)[0]
            return on_image.double().numpy()

        return self.once(geometry, make)


def reduced(original: tuple[int, int]) -> tuple[int, int]:
    """The size at which an image is measured: at most :data:`LONGEST` pixels a side.

    Args:
        original: (H, W).

    Returns:
        (h, w) of the same proportions, but for rounding.

    >>> reduced((2048, 1024)), reduced((64, 48))
    ((1024, 512), (64, 48))
    """
    factor = min(1.0, LONGEST / max(original))
    height, width = original
    return max(1, round(height * factor)), max(1, round(width * factor))


def to_reduced(geometry: Geometry) -> Geometry:
    """The geometry with the reduced image in place of the original.

    Args:
        geometry: of two axes.
    """
    height, width = geometry.original
    size = reduced((height, width))
    scale = (
        geometry.scale[0] * height / size[0],
        geometry.scale[1] * width / size[1],
    )
    return replace(geometry, original=size, scale=scale)


def shrink(values: ArrayLike, size: tuple[int, int]) -> Floats:
    """(H, W) → (h, w) by exact area averaging; of a mask, the share of each pixel that it covers.

    Args:
        values: (H, W), of any range.
        size: (h, w), no larger.

    >>> shrink([[1, 0], [1, 0]], (1, 2)).tolist()
    [[1.0, 0.0]]
    """
    array = np.asarray(values, np.float64)
    if array.shape == tuple(size):
        return array
    down = _averaging(array.shape[0], size[0])
    across = _averaging(array.shape[1], size[1])
    # A sparse matrix only multiplies from the left, so the second axis is turned up.
    fewer_rows = down @ array
    return np.asarray((across @ fewer_rows.T).T)


def _averaging(old: int, new: int) -> sparse.csr_array:
    """(new, old): how much of each new pixel each old one is."""
    edges = np.linspace(0, old, new + 1)
    starts, ends = edges[:-1, None], edges[1:, None]
    # A new pixel begins anywhere in an old one, so it touches one more than its length.
    reach = np.arange(int(np.ceil(old / new)) + 1)
    pixels = starts.astype(int) + reach
    overlap = np.minimum(pixels + 1, ends) - np.maximum(pixels, starts)
    cover = np.clip(overlap, 0, None) * (new / old)
    rows = np.repeat(np.arange(new), len(reach))
    # Pixels beyond the last have no cover; their index only must exist.
    columns = np.minimum(pixels, old - 1).reshape(-1)
    return sparse.csr_array((cover.reshape(-1), (rows, columns)), shape=(new, old))


def _carrier(geometry: Geometry, axis: int, cells: int) -> Floats:
    """(n, cells) of one axis."""
    axes = (geometry.original, geometry.model, geometry.scale, geometry.offset)
    line = Geometry(*((values[axis],) for values in axes))  # type: ignore[arg-type]
    # Each row of the identity is a map of one cell: carried back, it is a column of the matrix.
    single_cells = torch.eye(cells, dtype=torch.float64)
    on_model = resize(single_cells, line.model)
    return line.map_to_original(on_model).numpy().T


def _fixed(size: tuple[int, int]) -> dict[str, Floats]:
    """The regions that depend on the size alone."""
    height, width = size
    centre = np.outer(_inner_share(height), _inner_share(width))
    border = border_region(size).astype(np.float64)
    return {"border": border, "periphery": 1 - centre}


def _inner_share(length: int) -> Floats:
    """(length,): the part of each pixel of an axis in the central rectangle of half the area."""
    margin = (1 - np.sqrt(0.5)) / 2
    edges = np.array([margin, 1 - margin]) * length
    covered = coverage(edges, length)[0] * length * (1 - 2 * margin)
    # 1 but for rounding.
    return np.asarray(np.minimum(covered, 1))
