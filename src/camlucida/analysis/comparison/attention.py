"""Do two map series look at the same place? Maps of one image and target on one grid, and how alike maps of different images are."""

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
from camlucida.runs.read import stored_geometry

NULL_PAIRS = 500
"""Most pairs of maps of different patients behind a null."""

IDENTICAL = 1e-5
"""Maps that differ by less than this share of their largest value, each divided by it, are one and the same."""

NAN = float("nan")


@dataclass(frozen=True)
class StoredMap:
    """A map as a run has it.

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
        nulls, top_nulls: (pairs,) both of maps of different patients, without those that have none; empty with one patient.
        identical: see :func:`same_maps`.
    """

    similarity: Floats
    top: Floats
    nulls: Floats
    top_nulls: Floats
    identical: bool | None


def stored_maps(run: Run, rows: pd.DataFrame) -> list[StoredMap]:
    """The maps of rows of a case table, all of one run."""
    indices = [int(index) for index in rows["explanation"]]
    about = run.explanations().iloc[indices].to_dict("records")
    raws = [raw.numpy() for raw in run.raw(indices)]
    return [
        StoredMap(raw, bool(line["relu"]), stored_geometry(line)) for raw, line in zip(raws, about)
    ]


def map_similarity(
    first: Sequence[StoredMap], second: Sequence[StoredMap], patients: Sequence[str]
) -> MapSimilarity:
    """Similarity of two map series' maps of the same images and target, in the same order.

    Maps that are the same up to a factor are compared before their methods' ReLU: of these one may have it and one not.

    Args:
        first, second: the maps; those of a pair are compared on the coarser of their grids.
        patients: of each image: the null takes ``first`` of one and ``second`` of another.
    """
    identical = same_maps(first, second)
    pairs = [common_cells(a, b, raw=bool(identical)) for a, b in zip(first, second)]
    ones, others = [a for a, _ in pairs], [b for _, b in pairs]
    similarity, top = (
        np.array([_seen(m)(a, b) for a, b in pairs], np.float64) for m in (pearson, top_cells_iou)
    )
    nulls, tops = np.zeros(0), np.zeros(0)
    if len(set(patients)) > 1:
        nulls, tops = (
            different_image_null(_seen(m), ones, others, groups=patients, pairs=NULL_PAIRS)
            for m in (pearson, top_cells_iou)
        )
    return MapSimilarity(
        similarity, top, nulls[np.isfinite(nulls)], tops[np.isfinite(tops)], identical
    )


def same_maps(first: Sequence[StoredMap], second: Sequence[StoredMap]) -> bool | None:
    """Whether all pairs of raw maps are the same up to a factor above 0; None where all are zero, which says nothing."""
    alive = None
    for a, b in zip(first, second):
        if a.raw.shape != b.raw.shape:
            return False
        sizes = [float(np.abs(m.raw).max()) for m in (a, b)]
        if not any(sizes):
            continue
        alive = True
        if not all(sizes):
            return False
        if float(np.abs(a.raw / sizes[0] - b.raw / sizes[1]).max()) >= IDENTICAL:
            return False
    return alive


def common_cells(
    first: StoredMap, second: StoredMap, raw: bool = False
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both maps on the grid of fewer cells: the other's are averaged by area, where they lie in the image.

    Returns:
        Two arrays of that grid; NaN in cells that either model did not see whole (another crop).
    """
    a, b = ((m.raw if raw else m.cells) for m in (first, second))
    if a.shape == b.shape and _frame(first) == _frame(second):
        return a, b
    if prod(a.shape) > prod(b.shape):
        averaged, inside = _onto(a, first.geometry, b.shape, second.geometry)
        return averaged, np.where(inside, b, NAN)
    averaged, inside = _onto(b, second.geometry, a.shape, first.geometry)
    return np.where(inside, a, NAN), averaged


def _onto(
    fine: NDArray[Any], own: Geometry, grid: Sequence[int], other: Geometry
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Area averages of a map on the cells of another grid, NaN where it does not cover one; and where it does."""
    averaged, inside = fine, np.ones(tuple(grid), bool)
    for axis, count in enumerate(grid):
        edges = (np.linspace(0, other.model[axis], count + 1) - other.offset[axis]) / other.scale[
            axis
        ]
        cells = (edges * own.scale[axis] + own.offset[axis]) * fine.shape[axis] / own.model[axis]
        weights = coverage(cells, fine.shape[axis])
        averaged = np.moveaxis(np.tensordot(weights, averaged, (1, axis)), 0, axis)
        seen = weights.sum(1) > 1 - 1e-6
        inside &= seen.reshape([-1 if i == axis else 1 for i in range(len(grid))])
    return np.where(inside, averaged, NAN), inside


def _frame(m: StoredMap) -> tuple[tuple[int, ...], ...]:
    """Which part of the original the model's input covers, in thousandths of a pixel."""
    geometry = m.geometry
    ends = (
        geometry.to_original([0.0] * len(geometry.model)),
        geometry.to_original([float(n) for n in geometry.model]),
    )
    return tuple(tuple(round(1000 * place) for place in end) for end in ends)


def _seen(measure: Callable[..., float]) -> Callable[[NDArray[Any], NDArray[Any]], float]:
    """A measure of the cells that are known in both maps; NaN for maps of different grids, or of too few cells."""

    def of(a: NDArray[Any], b: NDArray[Any]) -> float:
        if a.shape != b.shape:
            return NAN
        both = np.isfinite(a) & np.isfinite(b)
        return measure(a[both], b[both]) if both.sum() > CELLS else NAN

    return of
