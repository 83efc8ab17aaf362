"""The checks of maps and masks that metrics share, and the overlap of boxes.

Axes are (rows, columns); boxes are ``x, y, width, height`` in edge coordinates: pixel ``i`` covers
``[i, i + 1]``. Annotations are read by :mod:`camlucida.io.annotations`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlucida.core.errors import NoEvidenceError, UsageError
from camlucida.io.annotations.boxes import as_boxes

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def as_map(values: ArrayLike) -> Floats:
    """A map of any rank in float64, not to be written to.

    Args:
        values: map (*grid) of at least one cell, in any unit.

    Returns:
        (*grid); the caller's array, where it is float64 already.

    Raises:
        UsageError: an empty map, or a single number.
        NoEvidenceError: a value is not finite.

    >>> as_map([[0, 1]])
    array([[0., 1.]])
    """
    heat = np.asarray(values, np.float64)
    if heat.size == 0 or heat.ndim == 0:
        raise UsageError(f"a map of shape {heat.shape}", "give an array of at least one cell")
    broken = heat.size - int(np.isfinite(heat).sum())
    if broken:
        raise NoEvidenceError(
            f"{broken} of {heat.size} values of the map are not finite",
            "score it as missing, or mend the method",
        )
    return heat


def as_mask(mask: ArrayLike, size: Sequence[int], what: str = "mask") -> Mask:
    """A boolean mask of exactly ``size``; it may be given as bool, 0/1 or 0/255.

    Args:
        mask: (*size).
        size: that it must have, in pixels.
        what: its name in an error.

    Returns:
        (*size), a copy.

    Raises:
        UsageError: another size, or other values.

    >>> as_mask([0, 255], (2,))
    array([False,  True])
    """
    array = np.asarray(mask)
    if array.shape != tuple(size):
        raise UsageError(
            f"{what} of {_by(array.shape)} for a map of {_by(size)}",
            "both must be in the same (original) pixels",
        )
    if array.dtype != np.bool_:
        seen = np.unique(array)
        if not (np.isin(seen, (0, 1)).all() or np.isin(seen, (0, 255)).all()):
            raise UsageError(
                f"{what} holds {len(seen)} values, such as {seen[-1]}", "give bool, 0/1 or 0/255"
            )
    return array.astype(np.bool_)


def as_pair(values: ArrayLike, truth: ArrayLike) -> tuple[Floats, Mask]:
    """The checked map and truth, of one size.

    Args:
        values: map (*size), finite, in any unit.
        truth: mask of the same size.

    Returns:
        The map in float64 and the mask as booleans.

    Raises:
        UsageError: an empty map, another size, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> as_pair([1, 2], [0, 1])
    (array([1., 2.]), array([False,  True]))
    """
    heat = as_map(values)
    return heat, as_mask(truth, heat.shape)


def _by(size: Sequence[int]) -> str:
    return "×".join(str(n) for n in size)


def box_iou(first: ArrayLike, second: ArrayLike) -> Floats:
    """(N, M) intersection over union of boxes (N, 4) and (M, 4): x, y, width, height.

    Args:
        first: (N, 4) boxes in pixels.
        second: (M, 4) boxes in the same pixels.

    Returns:
        (N, M) in [0, 1].

    >>> box_iou([[0, 0, 2, 1]], [[0, 0, 1, 1]])
    array([[0.5]])
    """
    a, b = as_boxes(first)[:, None], as_boxes(second)[None]
    corner_a, size_a = a[..., :2], a[..., 2:]
    corner_b, size_b = b[..., :2], b[..., 2:]
    start = np.maximum(corner_a, corner_b)
    end = np.minimum(corner_a + size_a, corner_b + size_b)
    overlap = np.maximum(end - start, 0).prod(-1)
    union = size_a.prod(-1) + size_b.prod(-1) - overlap
    return np.asarray(overlap / union)
