"""Do two map series look at the same part of an image?

Maps of one image and target are compared on one grid, beside maps of different patients' images,
which are alike, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlucida.core.geometry import Geometry
from camlucida.metrics.agreement import CELLS, different_image_null, pearson, top_cells_iou
from camlucida.metrics.annotations import Floats
from camlucida.metrics.ceiling import coverage
from camlucida.runs import Run
from camlucida.runs.stored_scan import stored_geometry

NULL_PAIRS = 500
"""Most pairs of maps of different patients behind a null."""

IDENTICAL = 1e-5
"""Maps are the same if they differ by less than this, each divided by its largest magnitude."""

WHOLE = 1 - 1e-6
"""Share of a cell that must be covered for it to count as seen; less than 1 for rounding."""

NAN = float("nan")
Measure = Callable[[NDArray[Any], NDArray[Any]], float]


@dataclass(frozen=True)
class StoredMap:
    """A map as a run stores it.

    Attributes:
        raw: (*grid), signed, float32.
        relu: whether its method ends with a ReLU.
        geometry: of its image.
    """

    raw: NDArray[Any]
    relu: bool
    geometry: Geometry

    @property
    def cells(self) -> NDArray[Any]:
        """After the method's ReLU."""
        return np.maximum(self.raw, 0) if self.relu else self.raw


@dataclass(frozen=True)
class MapSimilarity:
    """How alike the maps of two map series are.

    Attributes:
        similarity: (cases,) Pearson correlation; NaN where a map is constant.
        top: (cases,) IoU of the five hottest cells.
        nulls, top_nulls: (pairs,) both of maps of different patients, those that have none left
            out; empty with one patient.
        identical: see :func:`same_maps`.
    """

    similarity: Floats
    top: Floats
    nulls: Floats
    top_nulls: Floats
    identical: bool | None


def stored_maps(run: Run, rows: pd.DataFrame) -> list[StoredMap]:
    """The maps of rows of a case table, all of one run.

    Args:
        run: of the rows.
        rows: of the case table; the maps come in their order.
    """
    indices = [int(index) for index in rows["explanation"]]
    records = run.explanations().iloc[indices].to_dict("records")
    maps = []
    for raw, row in zip(run.raw(indices), records):
        geometry = stored_geometry(row)
        maps.append(StoredMap(raw.numpy(), bool(row["relu"]), geometry))
    return maps


def map_similarity(
    first: Sequence[StoredMap], second: Sequence[StoredMap], patients: Sequence[str]
) -> MapSimilarity:
    """Similarity of two map series' maps of the same images and target, in the same order.

    Maps that are the same up to a factor are compared before their methods' ReLU, which one of the
    methods may lack.

    Args:
        first, second: the maps; those of a pair are compared on the coarser of their grids.
        patients: of each image. The null takes ``first`` of one and ``second`` of another.
    """
    identical = same_maps(first, second)
    pairs = [common_cells(a, b, raw=bool(identical)) for a, b in zip(first, second)]
    similarity, nulls = _with_null(pearson, pairs, patients)
    top, top_nulls = _with_null(top_cells_iou, pairs, patients)
    return MapSimilarity(similarity, top, nulls, top_nulls, identical)


def same_maps(first: Sequence[StoredMap], second: Sequence[StoredMap]) -> bool | None:
    """Whether all pairs of raw maps are the same up to a positive factor.

    None where all maps are zero, which decides nothing.

    Args:
        first, second: maps of the same images, in the same order.

    >>> geometry = Geometry.identity((2, 2))
    >>> one, two = (StoredMap(np.eye(2) * k, True, geometry) for k in (1, 7))
    >>> same_maps([one], [two])
    True
    """
    decided = False
    for a, b in zip(first, second):
        if a.raw.shape != b.raw.shape:
            return False
        limit_a = float(np.abs(a.raw).max())
        limit_b = float(np.abs(b.raw).max())
        if not (limit_a or limit_b):
            continue
        decided = True
        if not (limit_a and limit_b):
            return False
        difference = np.abs(a.raw / limit_a - b.raw / limit_b)
        if float(difference.max()) >= IDENTICAL:
            return False
    return True if decided else None


def common_cells(
    first: StoredMap, second: StoredMap, raw: bool = False
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both maps on the grid of fewer cells; the other is averaged by area, in image coordinates.

    Args:
        first, second: maps of one image.
        raw: compare the maps before their methods' ReLU.

    Returns:
        Two arrays of that grid; NaN in cells of which either model saw only a part (another crop).
    """
    a, b = first.cells, second.cells
    if raw:
        a, b = first.raw, second.raw
    same_frame = _frame(first.geometry) == _frame(second.geometry)
    if same_frame and a.shape == b.shape:
        return a, b
    if prod(a.shape) > prod(b.shape):
        averaged, seen = _onto(a, first.geometry, b.shape, second.geometry)
        return averaged, np.where(seen, b, NAN)
    averaged, seen = _onto(b, second.geometry, a.shape, first.geometry)
    return np.where(seen, a, NAN), averaged


def _with_null(
    metric: Measure, pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]], patients: Sequence[str]
) -> tuple[Floats, Floats]:
    """A metric of each pair, and of maps of different patients."""
    measure = _of_seen_cells(metric)
    values = np.array([measure(a, b) for a, b in pairs], np.float64)
    if len(set(patients)) < 2:
        return values, np.zeros(0)
    firsts = [a for a, _ in pairs]
    seconds = [b for _, b in pairs]
    nulls = different_image_null(
        firsts, seconds, similarity=measure, patients=patients, pairs=NULL_PAIRS
    )
    return values, nulls[np.isfinite(nulls)]


def _onto(
    fine: NDArray[Any], fine_geometry: Geometry, grid: Sequence[int], geometry: Geometry
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Area averages of a map on the cells of another grid, and which of those it covers."""
    averaged, seen = fine, np.ones(tuple(grid), bool)
    for axis, count in enumerate(grid):
        weights = _weights(axis, fine.shape[axis], fine_geometry, count, geometry)
        # tensordot puts the new axis first.
        summed = np.tensordot(weights, averaged, (1, axis))
        averaged = np.moveaxis(summed, 0, axis)
        covered = weights.sum(1) > WHOLE
        shape = [1] * len(grid)
        shape[axis] = count
        seen &= covered.reshape(shape)
    return np.where(seen, averaged, NAN), seen


def _weights(
    axis: int, fine_cells: int, fine_geometry: Geometry, cells: int, geometry: Geometry
) -> Floats:
    """(cells, fine cells): the share of each cell of a grid that each fine cell covers."""
    edges = np.linspace(0, geometry.model[axis], cells + 1)
    original = (edges - geometry.offset[axis]) / geometry.scale[axis]
    pixels = original * fine_geometry.scale[axis] + fine_geometry.offset[axis]
    fine_edges = pixels * fine_cells / fine_geometry.model[axis]
    return coverage(fine_edges, fine_cells)


def _frame(geometry: Geometry) -> tuple[tuple[int, ...], ...]:
    """Which part of the original the model's input covers, in thousandths of a pixel."""
    start = geometry.to_original([0.0] * len(geometry.model))
    end = geometry.to_original([float(side) for side in geometry.model])
    return _thousandths(start), _thousandths(end)


def _thousandths(corner: Sequence[float]) -> tuple[int, ...]:
    return tuple(round(1000 * position) for position in corner)


def _of_seen_cells(metric: Measure) -> Measure:
    """A metric of the cells that both models saw; NaN for other grids, or too few cells."""

    def measure(a: NDArray[Any], b: NDArray[Any]) -> float:
        if a.shape != b.shape:
            return NAN
        both = np.isfinite(a) & np.isfinite(b)
        if both.sum() <= CELLS:
            return NAN
        return metric(a[both], b[both])

    return measure
