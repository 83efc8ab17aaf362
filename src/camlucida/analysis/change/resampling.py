"""Grey levels of one image at the points of another, to which a matrix and an offset lead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]


def values_at(values: Floats, points: Floats) -> Floats:
    """Linear interpolation of (H, W) at points (2, …); beyond the edge, the edge's value."""
    return np.asarray(ndimage.map_coordinates(values, points, order=1, mode="nearest"))


def pixel_points(size: Sequence[int], matrix: Floats, offset: Floats) -> Floats:
    """(2, H, W): where each pixel of an image of ``size`` lies on the other."""
    rows, columns = np.indices(tuple(size[:2]), dtype=np.float64)
    axes = []
    for row, start in zip(matrix, offset):
        axes.append(row[0] * rows + row[1] * columns + start)
    return np.stack(axes)


def is_inside(points: Floats, size: Sequence[int]) -> NDArray[np.bool_]:
    """Which points (2, …) lie on an image of ``size``; its outermost half pixel counts."""
    rows, columns = points
    in_height = (rows >= -0.5) & (rows <= size[0] - 0.5)
    in_width = (columns >= -0.5) & (columns <= size[1] - 0.5)
    return np.asarray(in_height & in_width)


def overlapping(
    first: Floats, second: Floats, matrix: Floats, offset: Floats
) -> tuple[Floats, Floats, float]:
    """Grey levels of both images where they overlap, and the share of the first that does."""
    points = pixel_points(first.shape, matrix, offset)
    inside = is_inside(points, second.shape)
    moved = values_at(second, points)
    return first[inside], moved[inside], float(inside.mean())
