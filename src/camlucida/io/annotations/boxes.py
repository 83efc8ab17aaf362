"""Boxes: ``x, y, width, height`` in edge coordinates, checked, filled, and drawn round masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from camlucida.core.errors import UsageError

Floats = NDArray[np.float64]


def as_boxes(boxes: ArrayLike) -> Floats:
    """Checked boxes.

    Args:
        boxes: (N, 4) of x, y, width, height in pixels; N may be 0.

    Returns:
        (N, 4) float64.

    Raises:
        UsageError: another shape; a width or height that is not above 0.

    >>> as_boxes([]).shape
    (0, 4)
    """
    array = np.asarray(boxes, np.float64)
    array = array.reshape(0, 4) if array.size == 0 else array
    if array.ndim != 2 or array.shape[1] != 4:
        raise UsageError(f"boxes of shape {array.shape}", "give N rows of x, y, width, height")
    sides = array[:, 2:]
    if not (np.isfinite(array).all() and (sides > 0).all()):
        raise UsageError(
            "a box without width or height",
            "give x, y, width, height in pixels, the last two above 0",
        )
    return array


def from_boxes(boxes: ArrayLike, size: Sequence[int]) -> NDArray[np.bool_]:
    """The union (H, W) of boxes: pixels whose centre is inside one.

    A box that reaches over the edge of the image is cut there.

    Args:
        boxes: (N, 4) of x, y, width, height.
        size: (H, W) of the image.

    Raises:
        UsageError: as :func:`as_boxes`; a box that holds no pixel of the image.

    >>> from_boxes([[0, 0, 2, 1]], (2, 3)).astype(int).tolist()
    [[1, 1, 0], [0, 0, 0]]
    """
    height, width = (int(n) for n in size)
    mask = np.zeros((height, width), np.bool_)
    for x, y, w, h in as_boxes(boxes).tolist():
        # pixel i has its centre at i + ½
        left = max(0, _first_centre(x))
        top = max(0, _first_centre(y))
        right = min(width, _first_centre(x + w))
        bottom = min(height, _first_centre(y + h))
        if left >= right or top >= bottom:
            raise UsageError(
                f"box x {x:g}, y {y:g}, {w:g}×{h:g} holds no pixel of the {height}×{width} image",
                "give original pixels",
            )
        mask[top:bottom, left:right] = True
    return mask


def boxes_of(mask: NDArray[np.bool_]) -> Floats:
    """Boxes round the connected components (8-neighbourhood) of a mask.

    Args:
        mask: (H, W).

    Returns:
        (N, 4) of x, y, width, height in pixels, in the order of their first pixels; N is 0 for an
        empty mask.

    >>> import numpy as np
    >>> boxes_of(np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1]], bool)).tolist()
    [[0.0, 0.0, 2.0, 1.0], [2.0, 2.0, 1.0, 1.0]]
    """
    components, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    boxes = []
    for rows, columns in ndimage.find_objects(components):
        width = columns.stop - columns.start
        height = rows.stop - rows.start
        boxes.append((columns.start, rows.start, width, height))
    return np.array(boxes, np.float64).reshape(-1, 4)


def _first_centre(edge: float) -> int:
    """Index of the first pixel whose centre is at an edge coordinate or after it."""
    return int(np.ceil(edge - 0.5))
