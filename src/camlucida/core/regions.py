"""From a numeric map to a binary mask and its boxes, in the map's own pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MASK_FRACTION = 0.5
"""Half of the maximum: the usual definition of a peak's extent, and stated wherever a mask is
shown.
"""


WHOLE_IMAGE = 0.8
"""Share of the image from which up a box says nothing of where the map is high."""


@dataclass(frozen=True)
class Box:
    """The bounding box of one connected component, in pixels of the image.

    ``x``, ``y`` is the upper left corner.

    Attributes:
        x, y, width, height: whole pixels.
        area: pixels of the component, not of the box.
        peak: largest value of the map in it.
        mean: mean value of the map over the component.
    """

    x: int
    y: int
    width: int
    height: int
    area: int
    peak: float
    mean: float

    def covers(self, size: tuple[int, int]) -> bool:
        """Whether the box covers nearly all of the image, and so locates nothing.

        Args:
            size: (H, W) of the image.

        >>> Box(0, 0, 9, 10, area=80, peak=1.0, mean=0.9).covers((10, 10))
        True
        """
        height, width = size
        return self.width * self.height >= WHOLE_IMAGE * height * width


def binary_mask(values: NDArray[np.floating], fraction: float = MASK_FRACTION) -> NDArray[np.bool_]:
    """Where the map is at least ``fraction`` of its maximum.

    Nowhere if the maximum is not above zero.

    Args:
        values: (H, W).
        fraction: in (0, 1].
    """
    peak = float(values.max(initial=0.0))
    return (values >= fraction * peak) if peak > 0 else np.zeros(values.shape, bool)


def boxes(mask: NDArray[np.bool_], values: NDArray[np.floating]) -> list[Box]:
    """One box a connected component (8-neighbourhood) of a mask, highest peak first.

    Args:
        mask: (H, W).
        values: (H, W), the map.

    >>> mask = np.array([[True, False, True], [False, False, True]])
    >>> [(box.x, box.y, box.width, box.height, box.area) for box in boxes(mask, mask * 1.0)]
    [(0, 0, 1, 1, 1), (2, 0, 1, 2, 2)]
    """
    runs = _runs(mask, values)
    if not len(runs.row):
        return []
    part = _parts(runs)
    count = int(part.max()) + 1
    top, left = np.full(count, mask.shape[0]), np.full(count, mask.shape[1])
    bottom, right = np.zeros(count, int), np.zeros(count, int)
    peak, total = np.full(count, -np.inf), np.zeros(count)
    area = np.zeros(count, int)
    np.minimum.at(top, part, runs.row)
    np.maximum.at(bottom, part, runs.row + 1)
    np.minimum.at(left, part, runs.first)
    np.maximum.at(right, part, runs.end)
    np.maximum.at(peak, part, runs.peak)
    np.add.at(total, part, runs.total)
    np.add.at(area, part, runs.end - runs.first)
    width, height, mean = right - left, bottom - top, total / area
    columns = [each.tolist() for each in (left, top, width, height, area, peak, mean)]
    drawn = [Box(*numbers) for numbers in zip(*columns)]
    return sorted(drawn, key=lambda box: -box.peak)


class _Runs(NamedTuple):
    """Maximal runs of True along rows, from above and from the left.

    A few thousand runs stand for a million pixels.

    Attributes:
        row: of each run.
        first, end: first column, and the one after the last.
        peak, total: largest value of the map in it, and their sum.
    """

    row: NDArray[np.int64]
    first: NDArray[np.int64]
    end: NDArray[np.int64]
    peak: NDArray[np.floating]
    total: NDArray[np.floating]


def _runs(mask: NDArray[np.bool_], values: NDArray[np.floating]) -> _Runs:
    height, width = mask.shape
    # A column of False between the rows, and one behind the last, end every run where its row ends.
    flat = np.zeros(height * (width + 1) + 1, bool)
    flat[:-1].reshape(height, width + 1)[:, 1:] = mask
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    starts, ends = edges[::2], edges[1::2]
    row, first = np.divmod(starts, width + 1)
    end = first + ends - starts
    if not len(starts):
        return _Runs(row, first, end, values[:0, 0], values[:0, 0])
    inside = values[mask]  # run after run
    lengths = end - first
    begins = np.cumsum(lengths) - lengths
    peak = np.maximum.reduceat(inside, begins)
    total = np.add.reduceat(inside, begins, dtype=np.float64)
    return _Runs(row, first, end, peak, total)


def _parts(runs: _Runs) -> NDArray[np.int64]:
    """The number of the component that each run belongs to, in order of their first runs."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    upper, lower = _touching(runs)
    count = len(runs.row)
    links = coo_array((np.ones(len(upper), bool), (upper, lower)), shape=(count, count))
    _, labels = connected_components(links, directed=False)
    return np.asarray(labels, np.int64)


def _touching(runs: _Runs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of runs in successive rows that touch, also at a corner."""
    span = int(runs.end.max()) + 2
    # One axis for all rows: the runs of the row above lie between two positions of it.
    above = (runs.row - 1) * span
    begins = runs.row * span + runs.first
    ends = runs.row * span + runs.end
    from_run = np.searchsorted(ends, above + runs.first, side="left")
    to_run = np.searchsorted(begins, above + runs.end, side="right")
    counts = np.maximum(to_run - from_run, 0)
    lower = np.repeat(np.arange(len(counts)), counts)
    offset = np.arange(len(lower)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(from_run, counts) + offset, lower
