"""Boxes: ``x, y, width, height`` in edge coordinates, checked, filled, and drawn round masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from camlucida.core.errors import UsageError

Floats = NDArray[np.float64]


def as_boxes(boxes: ArrayLike) -> Floats:
    """Checked boxes (N, 4) of x, y, width, height; N may be 0.

    Raises:
        UsageError: another shape; a width or height that is not above 0.

    >>> as_boxes([]).shape
    (0, 4)
    """
    array = np.asarray(boxes, np.float64)
    array = array.reshape(0, 4) if array.size == 0 else array
    if array.ndim != 2 or array.shape[1] != 4:
        raise UsageError(f"boxes of shape {array.shape}", "give N rows of x, y, width, height")
    if not (np.isfinite(array).all() and (array[:, 2:] > 0).all()):
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
        left, top = max(0, int(np.ceil(x - 0.5))), max(0, int(np.ceil(y - 0.5)))
        right = min(width, int(np.ceil(x + w - 0.5)))
        bottom = min(height, int(np.ceil(y + h - 0.5)))
        if left >= right or top >= bottom:
            raise UsageError(
                f"box x {x:g}, y {y:g}, {w:g}×{h:g} holds no pixel of the {height}×{width} image",
                "give original pixels",
            )
        mask[top:bottom, left:right] = True
    return mask


def boxes_of(mask: NDArray[np.bool_]) -> Floats:
    """Boxes (N, 4) round the connected components (8-neighbourhood) of a mask (H, W).

    >>> import numpy as np
    >>> boxes_of(np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1]], bool)).tolist()
    [[0.0, 0.0, 2.0, 1.0], [2.0, 2.0, 1.0, 1.0]]
    """
    components, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    boxes = [
        (columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        for rows, columns in ndimage.find_objects(components)
    ]
    return np.array(boxes, np.float64).reshape(-1, 4)
