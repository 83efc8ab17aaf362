"""The upper bound that a coarse grid sets: what the best map of that grid would score.

A 7×7 map cannot outline a 16-pixel nodule. Score ÷ ceiling separates a wrong map from a coarse
grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from camlucida.core.errors import UsageError
from camlucida.core.geometry import Geometry
from camlucida.core.tensors import resize
from camlucida.metrics.annotations import Floats, as_mask

NAN = float("nan")


def area_average(truth: ArrayLike, grid: Sequence[int], geometry: Geometry | None = None) -> Floats:
    """The truth on a map's grid: each cell's exact share of area inside the truth, in [0, 1].

    Args:
        truth: mask in original pixels, any rank; cell edges may cut pixels.
        grid: cells, an axis each.
        geometry: from original to model pixels, which the grid divides evenly; None: the grid
            divides the original. What lies outside the original (padding) counts as outside the
            truth.

    Returns:
        (*grid).

    Raises:
        UsageError: the truth is not a mask of the geometry's original, or the grid has another
            number of axes, or an axis without cells.

    >>> area_average(np.eye(4), (2, 2)).tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    array = np.asarray(truth)
    cells = as_mask(array, array.shape).astype(np.float64)
    geometry = _fitting(geometry, cells.shape)
    if len(grid) != cells.ndim or min(grid) < 1:
        raise UsageError(
            f"a grid of {tuple(grid)} for a mask of {cells.shape}",
            "give a number of cells for each axis",
        )
    for axis, (count, length) in enumerate(zip(grid, geometry.model)):
        model = np.linspace(0, length, count + 1)
        edges = (model - geometry.offset[axis]) / geometry.scale[axis]
        cells = np.moveaxis(
            np.tensordot(coverage(edges, cells.shape[axis]), cells, (1, axis)), 0, axis
        )
    return cells


def best_map(truth: ArrayLike, grid: Sequence[int], geometry: Geometry | None = None) -> Floats:
    """:func:`area_average`, carried back to original pixels as any map of that grid is.

    Linear, half-pixel centres.

    Args:
        truth, grid, geometry: as for :func:`area_average`.

    Returns:
        (*original) in [0, 1].

    Raises:
        UsageError: the truth is not a mask of the geometry's original, or the grid has another
            number of axes, or an axis without cells.

    >>> best_map(np.eye(2), (1, 1)).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    cells = area_average(truth, grid, geometry)
    geometry = _fitting(geometry, np.shape(truth))
    large = geometry.map_to_original(resize(torch.from_numpy(cells)[None], geometry.model))[0]
    return np.asarray(large.numpy(), np.float64)


def ceiling(
    score: Callable[..., float],
    truth: ArrayLike,
    grid: Sequence[int],
    geometry: Geometry | None = None,
    **options: Any,
) -> float:
    """The score of :func:`best_map`: the upper bound of a grid.

    It is the ceiling of the area average, not a mathematical maximum: a map that puts all heat in
    one cell may hit a small lesion that the area average, spread over several cells, misses.

    Args:
        score: of a map and a mask, both in original pixels.
        truth: mask (*original).
        grid: cells, an axis each.
        geometry: as in :func:`area_average`.
        options: keywords of ``score``.

    Returns:
        NaN where the mask is empty, or where the model never saw what it marks.

    Raises:
        UsageError: the truth is not a mask of the geometry's original, or the grid has another
            number of axes, or an axis without cells.

    >>> from camlucida.metrics.localisation import relevance_mass
    >>> ceiling(relevance_mass, np.eye(4), (2, 2))
    0.40625
    """
    best = best_map(truth, grid, geometry)
    return score(best, truth, **options) if best.any() else NAN


def over_ceiling(value: float, ceiling: float) -> float:
    """Score ÷ ceiling; NaN where the ceiling is 0 or unknown.

    Above 1 is possible, see :func:`ceiling`.

    Args:
        value: a score.
        ceiling: its upper bound on the grid, from :func:`ceiling`.

    Returns:
        0 or more for a score that is.

    >>> over_ceiling(0.3, 0.6)
    0.5
    """
    return value / ceiling if ceiling > 0 else float("nan")


def _fitting(geometry: Geometry | None, size: Sequence[int]) -> Geometry:
    if geometry is None:
        return Geometry.identity(size)
    if geometry.original != tuple(size):
        raise UsageError(
            f"mask of {tuple(size)} for an image of {geometry.original}",
            "give the mask in original pixels",
        )
    return geometry


def coverage(edges: Floats, length: int) -> Floats:
    """(cells, length): the share of each cell that each unit pixel covers.

    Args:
        edges: (cells + 1,) of the cells, in pixels.
        length: number of pixels.

    Returns:
        In [0, 1]; a row sums to less than 1 where its cell reaches outside the image.

    >>> coverage(np.array([0.0, 1.5, 3.0]), 3).round(2).tolist()
    [[0.67, 0.33, 0.0], [0.0, 0.33, 0.67]]
    """
    low, high = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
    pixel = np.arange(length)
    overlap = np.minimum(high[:, None], pixel + 1) - np.maximum(low[:, None], pixel)
    return np.asarray(np.maximum(overlap, 0) / (high - low)[:, None])
