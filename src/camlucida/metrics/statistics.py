"""How sure a number is: patients are resampled, never images; intervals, paired differences, corrected p-values, rates.

A row is one image, label and method. All rows of a patient enter or leave a resample together.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from camlucida.core.errors import UsageError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

REPLICATES = 2000
"""Fewest and usual bootstrap replicates."""

FLIPS = 9999
"""Sign flips of the paired test; the smallest p-value is 1 / (FLIPS + 1)."""

MIN_POSITIVES = 10
"""Under this many patients with a value no interval is given: it would be a guess."""

BATCH_CELLS = 2_000_000
"""Largest table of resampled patients held at once."""

IntervalMethod = Literal["BCa", "percentile", "constant", "none"]


@dataclass(frozen=True)
class Interval:
    """An estimate and its bootstrap interval.

    Attributes:
        estimate: of all rows with a value; NaN if there is none.
        low, high: the interval; NaN where ``interval_method`` is "none".
        interval_method: "BCa"; "percentile" where BCa is undefined (all replicates on one side of the estimate, or a jackknife that does
            not vary); "constant" where every replicate is the same, low = high; "none" under ``MIN_POSITIVES`` patients.
        patients, rows: with a value.
        nan_rate: share of all rows without a value.
    """

    estimate: float
    low: float
    high: float
    interval_method: IntervalMethod
    patients: int
    rows: int
    nan_rate: float


@dataclass(frozen=True)
class Difference:
    """Paired difference of two methods: first minus second, on rows where both have a value.

    Attributes:
        interval: of the mean difference.
        p: two-sided p-value of a patient-level sign-flip test; NaN under ``MIN_POSITIVES`` patients.
    """

    interval: Interval
    p: float


def mean_interval(
    values: ArrayLike,
    patients: Sequence[Hashable] | NDArray[np.generic],
    *,
    replicates: int = REPLICATES,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean of ``values`` (rows,) over the rows that have one (not NaN), with its patient-level interval."""
    column = _column(values, "values")
    present = np.isfinite(column)
    return ratio_interval(
        np.where(present, column, np.nan),
        present.astype(float),
        patients,
        replicates=replicates,
        level=level,
        seed=seed,
    )


def ratio_interval(
    numerator: ArrayLike,
    denominator: ArrayLike,
    patients: Sequence[Hashable] | NDArray[np.generic],
    *,
    replicates: int = REPLICATES,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Σ numerator / Σ denominator with its patient-level BCa interval: a mean, or a pooled share such as precision.

    Args:
        numerator, denominator: (rows,); a row where either is NaN has no value.
        patients: (rows,) who the row belongs to.
        replicates: at least ``REPLICATES``.
        level: coverage, in (0, 1).
        seed: of the resampling.

    Source: Efron 1987 (bias-corrected and accelerated bootstrap); equal to ``scipy.stats.bootstrap`` (same generator, same
    draws) where every row is its own patient.
    """
    if replicates < REPLICATES:
        raise UsageError(f"{replicates} bootstrap replicates", f"give {REPLICATES} or more")
    if not 0 < level < 1:
        raise UsageError(f"a coverage of {level}", "give a number between 0 and 1, such as 0.95")
    top, bottom = _column(numerator, "numerator"), _column(denominator, "denominator")
    if not len(top) == len(bottom) == len(patients):
        raise UsageError(
            f"{len(top)} values, {len(bottom)} weights, {len(patients)} patients",
            "give one of each a row",
        )
    present = np.isfinite(top) & np.isfinite(bottom)
    nan_rate = 1 - float(present.mean()) if len(top) else float("nan")
    sums = _by_patient(
        np.stack([top[present], bottom[present]]), [p for p, keep in zip(patients, present) if keep]
    )
    count, rows = sums.shape[1], int(present.sum())
    estimate = float(_divide(*sums.sum(1)))
    if count < MIN_POSITIVES or not np.isfinite(estimate):
        return Interval(estimate, float("nan"), float("nan"), "none", count, rows, nan_rate)
    drawn = _replicates(sums, replicates, seed)
    low, high, interval_method = limits(estimate, drawn, _jackknife(sums), level)
    return Interval(estimate, low, high, interval_method, count, rows, nan_rate)


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    patients: Sequence[Hashable] | NDArray[np.generic],
    *,
    replicates: int = REPLICATES,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Mean of ``first`` − ``second`` (rows,), paired by row; a row where either is NaN is left out.

    The p-value flips the sign of all differences of a patient together: exact where, without a true difference, the two
    methods could be swapped.
    """
    a, b = _column(first, "first"), _column(second, "second")
    if len(a) != len(b):
        raise UsageError(f"{len(a)} rows against {len(b)}", "paired methods have the same rows")
    interval = mean_interval(a - b, patients, replicates=replicates, level=level, seed=seed)
    if interval.interval_method == "none":
        return Difference(interval, float("nan"))
    present = np.isfinite(a - b)
    sums = _by_patient((a - b)[present][None], [p for p, keep in zip(patients, present) if keep])[0]
    return Difference(interval, _sign_flip(sums, seed))


def holm(p_values: ArrayLike) -> Floats:
    """Holm's step-down adjustment of (tests,) p-values; NaN stays NaN and does not count as a test.

    Source: Holm 1979: p₍ᵢ₎ → max over j ≤ i of min(1, (m − j + 1) p₍ⱼ₎).
    """
    p = _column(p_values, "p-values")
    adjusted = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(factors * p[order])) if len(order) else []
    return adjusted


def rate(flags: ArrayLike) -> float:
    """Share of True in (rows,): of NaN values, of dead maps. NaN for no rows."""
    marked = np.asarray(flags, bool)
    return float(marked.mean()) if marked.size else float("nan")


def pearson(a: ArrayLike, b: ArrayLike) -> float:
    """Linear correlation of two maps of one shape, in [−1, 1]; NaN where either is constant or not finite."""
    x, y = np.asarray(a, float).reshape(-1), np.asarray(b, float).reshape(-1)
    if x.shape != y.shape:
        raise UsageError(
            f"correlation of maps of {x.size} and {y.size} cells", "compare maps on one grid"
        )
    if (
        not x.size
        or not (np.isfinite(x).all() and np.isfinite(y).all())
        or np.ptp(x) == 0
        or np.ptp(y) == 0
    ):
        return float("nan")
    # Scaled first, so that tiny maps do not underflow; |x| may still reach 1 + rounding.
    x, y = (x - x.mean()) / np.ptp(x), (y - y.mean()) / np.ptp(y)
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1, 1))


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Rank correlation of two maps of one shape, ties averaged, in [−1, 1]; NaN as in :func:`pearson`."""
    x, y = np.asarray(a, float).reshape(-1), np.asarray(b, float).reshape(-1)
    finite = np.isfinite(x).all() and np.isfinite(y).all()
    return pearson(rankdata(x), rankdata(y)) if finite else float("nan")


def excess(similarity: float, null: float) -> float:
    """Agreement beyond that of maps of different images, (s − null) / (1 − null): 1 identical, 0 no better than the null."""
    return (similarity - null) / (1 - null) if null < 1 else float("nan")


def _column(values: ArrayLike, name: str) -> Floats:
    column = np.asarray(values, np.float64)
    if column.ndim != 1:
        raise UsageError(f"{name} have shape {column.shape}", "give one number a row")
    return column


def _by_patient(rows: Floats, patients: Sequence[Hashable]) -> Floats:
    """Sums (k, patients) of (k, rows), patients in order of appearance."""
    number: dict[Hashable, int] = {}
    index = np.array([number.setdefault(patient, len(number)) for patient in patients], np.int64)
    return np.stack([np.bincount(index, weights=row, minlength=len(number)) for row in rows])


def _divide(top: Floats, bottom: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(
            np.where(np.asarray(bottom) == 0, np.nan, np.asarray(top) / np.asarray(bottom))
        )


def _replicates(sums: Floats, replicates: int, seed: int) -> Floats:
    """(replicates,) ratios of resampled patients; a replicate whose denominator is 0 is left out."""
    rng = np.random.default_rng(seed)
    count = sums.shape[1]
    step = max(1, BATCH_CELLS // count)
    parts = []
    for start in range(0, replicates, step):
        drawn = rng.integers(0, count, (min(step, replicates - start), count))
        parts.append(_divide(*(row[drawn].sum(1) for row in sums)))
    ratios = np.concatenate(parts)
    return ratios[np.isfinite(ratios)]


def _jackknife(sums: Floats) -> Floats:
    return _divide(*(sums.sum(1, keepdims=True) - sums))


def limits(
    estimate: float, drawn: Floats, left_out: Floats, level: float
) -> tuple[float, float, IntervalMethod]:
    """Both ends of an interval and how they were found: see :class:`Interval`.

    Args:
        estimate: of all patients.
        drawn: (replicates,) of resampled patients, finite.
        left_out: (patients,) the jackknife: without each of them.
        level: coverage.
    """
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    spread = np.ptp(drawn) if len(drawn) else 0.0
    if spread <= 1e-12 * max(1e-300, abs(estimate)):
        return estimate, estimate, "constant"
    below = ((drawn < estimate).mean() + (drawn <= estimate).mean()) / 2
    deviation = left_out.mean() - left_out
    squares = (deviation**2).sum()
    if 0 < below < 1 and np.isfinite(squares) and squares > 0:
        acceleration = (deviation**3).sum() / (6 * squares**1.5)
        bias = ndtri(below)
        reach = bias + ndtri(tails)
        low, high = np.quantile(drawn, ndtr(bias + reach / (1 - acceleration * reach)))
        return float(low), float(high), "BCa"
    low, high = np.quantile(drawn, tails)
    return float(low), float(high), "percentile"


def _sign_flip(sums: Floats, seed: int) -> float:
    """Two-sided p-value of |Σ sums| among random sign flips, the unflipped one included."""
    rng = np.random.default_rng(seed)
    observed = abs(sums.sum())
    step = max(1, BATCH_CELLS // len(sums))
    reached = 0
    for start in range(0, FLIPS, step):
        signs = rng.integers(0, 2, (min(step, FLIPS - start), len(sums)), np.int8) * 2.0 - 1
        reached += int((np.abs(signs @ sums) >= observed * (1 - 1e-12)).sum())
    return (reached + 1) / (FLIPS + 1)
