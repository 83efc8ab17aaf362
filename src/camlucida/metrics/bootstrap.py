"""Patients drawn with replacement, for figures that are no plain ratio: AUC, kappa, F1 over classes, R², limits of agreement.

A replicate is a weight a patient: how often it was drawn. A figure is then a formula of sums over patients (weights @ sums), or
of the weighted rows. The draws are those of :func:`camlucida.metrics.statistics.ratio_interval` with the same seed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import UsageError
from camlucida.metrics.statistics import (
    BATCH_CELLS,
    MIN_POSITIVES,
    REPLICATES,
    Interval,
    IntervalMethod,
    limits,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Formula = Callable[[Floats], Floats]
"""(r, …) in, (r, …) out: every replicate by itself."""

BLOCKS = 1000
"""Most jackknife values of a figure that is no formula of sums."""


@dataclass(frozen=True)
class Sampling:
    """How intervals are drawn: fewest 2000 ``replicates``; ``level`` is the coverage in (0, 1); ``seed`` of the draws."""

    replicates: int = REPLICATES
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.replicates < REPLICATES:
            raise UsageError(
                f"{self.replicates} bootstrap replicates", f"give {REPLICATES} or more"
            )
        if not 0 < self.level < 1:
            raise UsageError(
                f"a coverage of {self.level}", "give a number between 0 and 1, such as 0.95"
            )


@dataclass(frozen=True)
class Sampled:
    """Figures of one shape (m, …), of all patients and of each replicate.

    Attributes:
        estimate: (m, …).
        drawn: (replicates, m, …).
        left_out: (patients, m, …), each time without one patient (or block of patients).
    """

    estimate: Floats
    drawn: Floats
    left_out: Floats

    def then(self, formula: Formula) -> Sampled:
        """The figures that follow from these, replicate by replicate."""
        return Sampled(formula(self.estimate[None])[0], formula(self.drawn), formula(self.left_out))

    def interval(self, place: tuple[int, ...], level: float) -> tuple[float, float, IntervalMethod]:
        """Bounds of one figure, and how they were found; replicates where it is undefined are left out."""
        everywhere: Any = (slice(None), *place)
        estimate, drawn = float(self.estimate[place]), self.drawn[everywhere]
        if not np.isfinite(estimate):
            return float("nan"), float("nan"), "none"
        return limits(estimate, drawn[np.isfinite(drawn)], self.left_out[everywhere], level)


def numbered(patients: Sequence[Hashable]) -> tuple[Integers, int]:
    """(rows,) number of each row's patient, in order of appearance; and how many there are."""
    number: dict[Hashable, int] = {}
    index = np.array([number.setdefault(patient, len(number)) for patient in patients], np.int64)
    return index, len(number)


def by_patient(columns: Floats, index: Integers, count: int) -> Floats:
    """Sums (patients, k) of (rows, k)."""
    summed = [np.bincount(index, weights=column, minlength=count) for column in columns.T]
    return np.stack(summed, axis=1) if summed else np.zeros((count, 0))


def sampled_sums(formula: Formula, sums: Floats, sampling: Sampling) -> Sampled:
    """A formula of sums over patients, with its jackknife.

    Args:
        formula: (r, k) totals → (r, …).
        sums: (patients, k).
        sampling: of the draws.
    """
    total = sums.sum(0)
    parts = [formula(weights @ sums) for weights in _draws(len(sums), sampling, len(sums))]
    return Sampled(formula(total[None])[0], np.concatenate(parts), formula(total - sums))


def sampled_weights(formula: Formula, patients: int, rows: int, sampling: Sampling) -> Sampled:
    """A formula of patients' weights, (r, patients) → (r, …), for instance of ranks; ``rows`` says how much it holds at once.

    The jackknife leaves out one patient at a time, or one of :data:`BLOCKS` blocks of patients where there are more: the
    acceleration has the same expectation.
    """
    drawn = [formula(weights) for weights in _draws(patients, sampling, rows)]
    left_out = [formula(weights) for weights in _without_a_block(patients, rows)]
    return Sampled(
        formula(np.ones((1, patients)))[0], np.concatenate(drawn), np.concatenate(left_out)
    )


def difference_of_means(
    values: Floats,
    groups: Sequence[NDArray[np.bool_]],
    patients: Sequence[Hashable],
    sampling: Sampling,
) -> Interval:
    """Mean of the first of two groups less mean of the second; patients are resampled over both together: one may be in both.

    Args:
        values: (rows,); NaN where a row has none.
        groups: (rows,) each, which rows are theirs.
        patients: (rows,) who a row belongs to.
        sampling: of the interval, which there is none of under ``MIN_POSITIVES`` patients with a value in either.
    """
    sides = [side & np.isfinite(values) for side in groups]
    kept = sides[0] | sides[1]
    counted = np.ones_like(values), np.nan_to_num(values)
    columns = np.column_stack([side * column for side in sides for column in counted])[kept]
    index, count = numbered([patient for patient, here in zip(patients, kept) if here])
    sampled = sampled_sums(_difference, by_patient(columns, index, count), sampling)
    low, high, interval_method = sampled.interval((0,), sampling.level)
    if (
        min(len({patient for patient, here in zip(patients, side) if here}) for side in sides)
        < MIN_POSITIVES
    ):
        low, high, interval_method = float("nan"), float("nan"), "none"
    rows = int(kept.sum())
    asked = int(np.any(groups, axis=0).sum())
    return Interval(
        float(sampled.estimate[0]),
        low,
        high,
        interval_method,
        count,
        rows,
        1 - rows / asked if asked else float("nan"),
    )


def _difference(totals: Floats) -> Floats:
    """(r, 4) counts and sums of two groups → (r, 1) difference of their means."""
    count, total, other_count, other_total = totals.T
    return (divide(total, count) - divide(other_total, other_count))[:, None]


def divide(top: Floats, bottom: Floats) -> Floats:
    """Quotient; NaN where the divisor is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(
            np.where(np.asarray(bottom) == 0, np.nan, np.asarray(top) / np.asarray(bottom))
        )


def mean_of_known(values: Floats) -> Floats:
    """Mean over the second axis of (r, k, …), of what is not NaN there; NaN where nothing is."""
    known = np.isfinite(values)
    return divide(np.where(known, values, 0).sum(1), known.sum(1))


def _draws(patients: int, sampling: Sampling, width: int) -> Iterator[Floats]:
    """Weights (r, patients) of all replicates, some at a time."""
    rng = np.random.default_rng(sampling.seed)
    step = _step(patients, width)
    for start in range(0, sampling.replicates, step):
        many = min(step, sampling.replicates - start)
        drawn = rng.integers(0, patients, (many, patients)) + patients * np.arange(many)[:, None]
        yield (
            np.bincount(drawn.reshape(-1), minlength=many * patients)
            .reshape(many, patients)
            .astype(np.float64)
        )


def _without_a_block(patients: int, width: int) -> Iterator[Floats]:
    """Weights (r, patients): 0 for the patients of one block, else 1."""
    blocks, step = min(patients, BLOCKS), _step(patients, width)
    block = np.arange(patients) % max(blocks, 1)
    for start in range(0, blocks, step):
        yield (block != np.arange(start, min(start + step, blocks))[:, None]).astype(np.float64)


def _step(patients: int, width: int) -> int:
    return max(1, BATCH_CELLS // (4 * max(patients, width, 1)))
