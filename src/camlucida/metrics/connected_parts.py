"""The connected parts of a mask that is empty almost everywhere, such as the strokes of letters.

SciPy's labels visit every pixel. Here the runs of pixels in each row are joined, of which there are
few: a fifth of the time for a film.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from camlucida.metrics.annotations import Mask

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class ConnectedParts:
    """The connected parts of a mask (8-neighbourhood), in the order of their first pixels.

    Attributes:
        shape: (H, W) of the mask.
        boxes: (N, 4) of each part: first row, row after the last, first column, column after the
            last.
        starts, lengths, part: (R,) of each run of pixels in a row: its first pixel in the mask as
            one line, how many pixels it has, and the number of its part.
    """

    shape: tuple[int, int]
    boxes: Integers
    starts: Integers
    lengths: Integers
    part: Integers

    def mask(self, kept: NDArray[np.bool_]) -> Mask:
        """(H, W), the pixels of some of the parts.

        Args:
            kept: (N,) of each part.
        """
        chosen = kept[self.part]
        mask = np.zeros(self.shape, np.bool_)
        mask.ravel()[_ranges(self.starts[chosen], self.lengths[chosen])] = True
        return mask


def connected_parts(mask: Mask) -> ConnectedParts:
    """The connected parts of a mask.

    Args:
        mask: (H, W).

    >>> mask = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [0, 0, 1]], bool)
    >>> connected_parts(mask).boxes.tolist()
    [[0, 2, 0, 3], [3, 4, 2, 3]]
    """
    height, width = mask.shape
    starts, lengths = _runs(mask)
    rows = starts // width
    left = starts - rows * width
    right = left + lengths
    # Runs of the next row that touch a run end behind its begin, and begin before its end.
    line = width + 2
    first = np.searchsorted(rows * line + right, (rows + 1) * line + left, "left")
    last = np.searchsorted(rows * line + left, (rows + 1) * line + right, "right")
    touching = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(starts)), touching)
    lower = _ranges(first, touching)
    size = (len(starts), len(starts))
    graph = csr_array((np.ones(len(upper), np.int8), (upper, lower)), shape=size)
    count, part = connected_components(graph, directed=False)
    boxes = _boxes(count, part, rows, left, right)
    return ConnectedParts((height, width), boxes, starts, lengths, np.asarray(part, np.int64))


def _runs(mask: Mask) -> tuple[Integers, Integers]:
    """First pixel and length of each run of pixels in a row."""
    pixels = np.flatnonzero(mask)
    begins = np.ones(len(pixels), np.bool_)
    begins[1:] = (np.diff(pixels) != 1) | (pixels[1:] % mask.shape[1] == 0)
    at = np.flatnonzero(begins)
    return pixels[at], np.diff(np.append(at, len(pixels)))


def _ranges(starts: Integers, lengths: Integers) -> Integers:
    """All numbers of some ranges, one behind the other."""
    ends = np.cumsum(lengths)
    within = np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)
    return np.asarray(np.repeat(starts, lengths) + within)


def _boxes(count: int, part: Integers, rows: Integers, left: Integers, right: Integers) -> Integers:
    """(N, 4) of each part, from the runs."""
    if not count:
        return np.zeros((0, 4), np.int64)
    order = np.argsort(part, kind="stable")
    begins = np.searchsorted(part[order], np.arange(count))
    sides = (
        np.minimum.reduceat(rows[order], begins),
        np.maximum.reduceat(rows[order], begins) + 1,
        np.minimum.reduceat(left[order], begins),
        np.maximum.reduceat(right[order], begins),
    )
    return np.stack(sides, axis=1)
