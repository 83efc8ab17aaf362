"""Patients drawn with replacement: the one resampling core of every interval in the package.

A row is one image, label and method. All rows of a patient enter or leave a resample together. A
replicate is a list of drawn patients (:func:`draws`), or a weight a patient: the number of times it
was drawn. A figure is then a ratio of sums over patients
(:func:`camlucida.metrics.statistics.ratio_interval`), a formula of such sums
(:func:`sampled_sums`), or one of the weighted rows (:func:`sampled_weights`): AUC, kappa, F1 over
classes, R², limits of agreement. The draws of one seed are the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import UsageError
from camlucida.metrics.intervals import Interval, IntervalMethod, limits

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Formula = Callable[[Floats], Floats]
"""(r, …) in, (r, …) out: every replicate by itself."""

NAN = float("nan")

REPLICATES = 2000
"""Fewest and usual bootstrap replicates."""

MIN_POSITIVES = 10
"""Under this many patients with a value no interval is given: it would be a guess."""

BATCH_CELLS = 2_000_000
"""Largest table of resampled patients held at once."""

BLOCKS = 1000
"""Most jackknife values of a figure that is no formula of sums."""


@dataclass(frozen=True)
class Sampling:
    """How intervals are drawn: fewest 2000 ``replicates``.

    ``level`` is the coverage in (0, 1); ``seed`` of the draws.
    """

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

    def interval(self, index: tuple[int, ...], level: float) -> tuple[float, float, IntervalMethod]:
        """Bounds of one figure, and the method of the interval.

        Replicates where it is undefined are left out.

        Args:
            index: of the figure in ``estimate``.
            level: coverage, in (0, 1).
        """
        everywhere: Any = (slice(None), *index)
        estimate = float(self.estimate[index])
        drawn = self.drawn[everywhere]
        if not np.isfinite(estimate):
            return float("nan"), float("nan"), "none"
        return limits(estimate, drawn[np.isfinite(drawn)], self.left_out[everywhere], level)


def numbered(patients: Sequence[Hashable]) -> tuple[Integers, int]:
    """(rows,) number of each row's patient, in order of appearance; and how many there are.

    Args:
        patients: (rows,) whose each row is.

    Returns:
        The numbers (rows,), from 0, and the number of patients.

    >>> numbered(["b", "a", "b"])
    (array([0, 1, 0]), 2)
    """
    number: dict[Hashable, int] = {}
    numbers = [number.setdefault(patient, len(number)) for patient in patients]
    return np.array(numbers, np.int64), len(number)


def by_patient(columns: Floats, index: Integers, count: int) -> Floats:
    """Sums (patients, k) of (rows, k).

    Args:
        columns: (rows, k) values to sum.
        index: (rows,) number of each row's patient, from :func:`numbered`.
        count: number of patients.

    Returns:
        (count, k); 0 for a patient without a row.

    >>> by_patient(np.array([[1.0], [2.0], [4.0]]), np.array([0, 1, 0]), 2).tolist()
    [[5.0], [2.0]]
    """
    summed = [np.bincount(index, weights=column, minlength=count) for column in columns.T]
    return np.stack(summed, axis=1) if summed else np.zeros((count, 0))


def sampled_sums(formula: Formula, sums: Floats, sampling: Sampling) -> Sampled:
    """A formula of sums over patients, with its jackknife.

    Args:
        formula: (r, k) totals → (r, …).
        sums: (patients, k).
        sampling: of the draws.

    Returns:
        Figures of all patients, of each replicate and of each jackknife sample.

    >>> count_and_sum = np.array([[1.0, 2.0], [1.0, 4.0]])
    >>> mean = sampled_sums(lambda totals: totals[:, 1:] / totals[:, :1], count_and_sum, Sampling())
    >>> mean.estimate.tolist(), mean.drawn.shape, mean.left_out.tolist()
    ([3.0], (2000, 1), [[4.0], [2.0]])
    """
    total = sums.sum(0)
    patients = len(sums)
    parts = [formula(weights @ sums) for weights in _drawn_weights(patients, sampling, patients)]
    estimate = formula(total[None])[0]
    return Sampled(estimate, np.concatenate(parts), formula(total - sums))


def sampled_weights(formula: Formula, patients: int, rows: int, sampling: Sampling) -> Sampled:
    """A formula of patients' weights, (r, patients) → (r, …), for instance of ranks.

    ``rows`` says how much it holds at once.

    The jackknife leaves out one patient at a time, or one of :data:`BLOCKS` blocks of patients
    where there are more: the acceleration has the same expectation.

    Args:
        formula: (r, patients) weights → (r, …).
        patients: their number, 1 or more.
        rows: width of the largest table that the formula holds for each replicate.
        sampling: of the draws.

    Returns:
        Figures of all patients, of each replicate and of each jackknife sample.

    >>> value = np.array([2.0, 4.0])
    >>> mean = sampled_weights(lambda weights: weights @ value / weights.sum(1), 2, 2, Sampling())
    >>> float(mean.estimate), mean.left_out.tolist()
    (3.0, [4.0, 2.0])
    """
    drawn = [formula(weights) for weights in _drawn_weights(patients, sampling, rows)]
    left_out = [formula(weights) for weights in _without_a_block(patients, rows)]
    estimate = formula(np.ones((1, patients)))[0]
    return Sampled(estimate, np.concatenate(drawn), np.concatenate(left_out))


def difference_of_means(
    values: Floats,
    groups: Sequence[NDArray[np.bool_]],
    patients: Sequence[Hashable],
    sampling: Sampling,
) -> Interval:
    """Mean of the first of two groups less mean of the second.

    Patients are resampled over both together: one may be in both.

    Args:
        values: (rows,); NaN where a row has none.
        groups: (rows,) each, which rows are theirs.
        patients: (rows,) who a row belongs to.
        sampling: of the interval, which there is none of under ``MIN_POSITIVES`` patients with a
            value in either.

    Returns:
        The difference with its interval, in the unit of the values; NaN where a group has no value.

    >>> groups = [np.array([True, False]), np.array([False, True])]
    >>> difference = difference_of_means(np.array([3.0, 1.0]), groups, ["a", "b"], Sampling())
    >>> difference.estimate, difference.interval_method
    (2.0, 'none')
    """
    sides = [side & np.isfinite(values) for side in groups]
    kept = sides[0] | sides[1]
    counted = np.ones_like(values), np.nan_to_num(values)
    columns = [side * column for side, column in product(sides, counted)]
    index, count = numbered(_chosen(patients, kept))
    sums = by_patient(np.column_stack(columns)[kept], index, count)
    sampled = sampled_sums(_difference, sums, sampling)
    low, high, interval_method = sampled.interval((0,), sampling.level)
    fewest = min(len(set(_chosen(patients, side))) for side in sides)
    if fewest < MIN_POSITIVES:
        low, high, interval_method = NAN, NAN, "none"
    rows, requested = int(kept.sum()), int(np.any(groups, axis=0).sum())
    nan_rate = 1 - rows / requested if requested else NAN
    estimate = float(sampled.estimate[0])
    return Interval(estimate, low, high, interval_method, count, rows, nan_rate)


def _chosen(patients: Sequence[Hashable], rows: NDArray[np.bool_]) -> list[Hashable]:
    return [patient for patient, here in zip(patients, rows) if here]


def _difference(totals: Floats) -> Floats:
    """(r, 4) counts and sums of two groups → (r, 1) difference of their means."""
    count, total, other_count, other_total = totals.T
    return (divide(total, count) - divide(other_total, other_count))[:, None]


def divide(top: Floats, bottom: Floats) -> Floats:
    """Quotient; NaN where the divisor is 0.

    Args:
        top, bottom: of one shape, or shapes that broadcast.

    Returns:
        Of the broadcast shape.

    >>> divide(np.array([1.0, 1.0]), np.array([2.0, 0.0]))
    array([0.5, nan])
    """
    divisor = np.asarray(bottom)
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = np.asarray(top) / divisor
    return np.asarray(np.where(divisor == 0, np.nan, quotient))


def mean_of_known(values: Floats) -> Floats:
    """Mean over the second axis of (r, k, …), of what is not NaN there; NaN where nothing is.

    Args:
        values: (r, k, …); NaN or infinite where there is no value.

    Returns:
        (r, …).

    >>> mean_of_known(np.array([[1.0, np.nan, 3.0]]))
    array([2.])
    """
    finite = np.isfinite(values)
    sums = np.where(finite, values, 0).sum(1)
    return divide(sums, finite.sum(1))


def draws(
    patients: int, sampling: Sampling, step: int, replicates: int | None = None
) -> Iterator[Integers]:
    """Numbers (r, patients) of the drawn patients of all replicates, at most ``step`` at a time.

    Args:
        patients: their number.
        sampling: of the draws.
        step: 1 or more.
        replicates: fewer than those of ``sampling``, where each is slow.

    Yields:
        Numbers from 0 to ``patients`` − 1, (r, patients) with r ≤ ``step``; the same for one seed,
        whatever the step.

    >>> [part.shape for part in draws(3, Sampling(), 1500)]
    [(1500, 3), (500, 3)]
    """
    rng = np.random.default_rng(sampling.seed)
    total = sampling.replicates if replicates is None else replicates
    for start in range(0, total, step):
        count = min(step, total - start)
        yield rng.integers(0, patients, (count, patients))


def _drawn_weights(patients: int, sampling: Sampling, width: int) -> Iterator[Floats]:
    """Weights (r, patients) of all replicates, some at a time."""
    for drawn in draws(patients, sampling, _step(patients, width)):
        count = len(drawn)
        cells = drawn + patients * np.arange(count)[:, None]
        times = np.bincount(cells.reshape(-1), minlength=count * patients)
        yield times.reshape(count, patients).astype(np.float64)


def _without_a_block(patients: int, width: int) -> Iterator[Floats]:
    """Weights (r, patients): 0 for the patients of one block, else 1."""
    blocks, step = min(patients, BLOCKS), _step(patients, width)
    block = np.arange(patients) % max(blocks, 1)
    for start in range(0, blocks, step):
        left_out = np.arange(start, min(start + step, blocks))
        yield (block != left_out[:, None]).astype(np.float64)


def _step(patients: int, width: int) -> int:
    return max(1, BATCH_CELLS // (4 * max(patients, width, 1)))
