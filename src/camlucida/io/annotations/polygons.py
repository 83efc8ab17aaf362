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


def fill_outlines(outlines: Sequence[ArrayLike], size: Sequence[int]) -> NDArray[np.bool_]:
    """The union (H, W) of filled outlines: pixels whose centre is inside one.

    Args:
        outlines: each (points, 2) of x, y in edge coordinates (pixel ``i`` covers ``[i, i + 1]``),
            as COCO, YOLO and VOC write them; at least three points.
        size: (H, W) of the image.

    Raises:
        UsageError: an outline of another shape, or with a number that is not finite.

    >>> fill_outlines([[[1, 0], [3, 0], [3, 1], [1, 1]]], (2, 4)).astype(int).tolist()
    [[0, 1, 1, 0], [0, 0, 0, 0]]
    """
    from skimage.draw import polygon

    height, width = (int(n) for n in size)
    mask = np.zeros((height, width), np.bool_)
    for outline in outlines:
        points = np.asarray(outline, np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
            raise UsageError(f"an outline of shape {points.shape}", "give three points or more")
        if not np.isfinite(points).all():
            raise UsageError("an outline with a number that is not finite", "export it again")
        # pixel i has its centre at i + ½
        columns, rows = points[:, 0] - 0.5, points[:, 1] - 0.5
        mask[polygon(rows, columns, (height, width))] = True  # type: ignore[no-untyped-call]
    return mask
