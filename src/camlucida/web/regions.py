"""Regions of a film, as a page gives them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import UsageError


def region_mask(
    size: tuple[int, ...], box: Sequence[float] | None, mask: str | None
) -> NDArray[np.bool_]:
    """A region of a film: a box, or runs of a mask.

    Args:
        size: rows and columns of the film.
        box: x, y, width and height in pixels of the film.
        mask: lengths of pixels outside and inside by turns, row by row, outside first.

    Returns:
        (H, W), True inside.

    Raises:
        UsageError: both or neither are given, or the runs are of another film.

    >>> region_mask((2, 3), None, "1 2 3").tolist()
    [[False, True, True], [False, False, False]]
    """
    region = np.zeros(size, bool)
    if (box is None) == (mask is None):
        raise UsageError("a region is a box or a mask", "give one of the two")
    if box is not None:
        x, y, width, height = box
        rows, columns = size
        top, bottom = np.rint(np.clip([y, y + height], 0, rows)).astype(int)
        left, right = np.rint(np.clip([x, x + width], 0, columns)).astype(int)
        region[top:bottom, left:right] = True
        return region
    lengths = [int(part) for part in str(mask).split()] if _are_runs(mask) else []
    if sum(lengths) != region.size:
        raise UsageError(
            f"the runs of the mask cover {sum(lengths)} pixels, and the film has {region.size}",
            "give whole numbers, pixels outside and inside by turns, row by row",
        )
    inside = np.arange(len(lengths)) % 2 == 1
    return np.repeat(inside, lengths).reshape(size)


def _are_runs(mask: str | None) -> bool:
    return bool(mask) and all(part.isdigit() for part in str(mask).split())
