"""Polygons as masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlucida.core.errors import UsageError
from camlucida.io.annotations.rle import MAX_PIXELS


def from_polygons(polygons: Sequence[ArrayLike], size: Sequence[int]) -> NDArray[np.bool_]:
    """The union (H, W) of filled polygons, outline included.

    Args:
        polygons: each (points, 2) of x, y: pixel indices (a vertex names a pixel), as CheXlocalize
            draws them. A polygon of one point covers nothing.
        size: (H, W) of the image.

    Returns:
        (H, W) bool; all False without polygons.

    Raises:
        UsageError: a polygon of another shape; an image of more than
            :data:`~camlucida.io.annotations.rle.MAX_PIXELS` pixels.

    >>> from_polygons([[[0, 0], [1, 0], [1, 1], [0, 1]]], (2, 3)).astype(int).tolist()
    [[1, 1, 0], [1, 1, 0]]
    """
    from PIL import Image, ImageDraw

    height, width = (int(n) for n in size)
    if height * width > MAX_PIXELS:
        raise UsageError(
            f"mask of {height}×{width} pixels", f"at most {MAX_PIXELS} pixels are drawn"
        )
    canvas = Image.new("1", (width, height))
    for polygon in polygons:
        points = np.asarray(polygon, np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise UsageError(
                f"a polygon of shape {points.shape}",
                "give rows of x, y in pixels of the original image",
            )
        if len(points) > 1:
            vertices = [(x, y) for x, y in points.tolist()]
            ImageDraw.Draw(canvas).polygon(vertices, outline=1, fill=1)
    return np.array(canvas, np.bool_)
