"""Intervals of means and shares by patient, paired differences, corrected p-values, rates.

A row is one image, label and method. Patients are resampled, never images: see
:mod:`camlucida.metrics.bootstrap`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlucida.core.errors import UsageError
from camlucida.metrics.bootstrap import (
    BATCH_CELLS,
    MIN_POSITIVES,
    REPLICATES,
    Floats,
    Sampling,
    by_patient,
    divide,
    draws,
    numbered,
)
from camlucida.metrics.intervals import ROUNDING, Interval, IntervalMethod, limits, wilson

NAN = float("nan")

FLIPS = 9999
"""Random sign flips of the paired test; the smallest p-value is 1 / (FLIPS + 1)."""

ENUMERATED = 13
"""Up to this many patients all sign flips are enumerated: 2¹³ are fewer than ``FLIPS``."""


@dataclass(frozen=True)
class Difference:
    """Paired difference of two methods: first minus second, on rows where both have a value.

    Attributes:
        interval: of the mean difference.
        p: two-sided p-value of a patient-level sign-flip test; NaN where there is no interval.
    """

    interval: Interval
    p: float


def mean_interval(
    values: ArrayLike,
    patients: Sequence[Hashable] | NDArray[np.generic],
    *,
    proportion: bool = False,
    replicates: int = REPLICATES,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean over the rows with a value, with its patient-level interval.

    Args:
        values: (rows,); NaN where a row has none.
        patients, proportion, replicates, level, seed: as for :func:`ratio_interval`.

    Returns:
        The mean, in the unit of the values, with its interval.

    Raises:
        UsageError: as :func:`ratio_interval`.

    >>> interval = mean_interval([0.0, 1.0] * 20, range(40))
    >>> interval.estimate, interval.interval_method, interval.low < 0.5 < interval.high
    (0.5, 'BCa', True)
    >>> mean_interval([0.0, 1.0] * 20, range(40), proportion=True).interval_method
    'Wilson'
    """
    column = _column(values, "values")
    present = np.isfinite(column)
    return ratio_interval(
        np.where(present, column, np.nan),
        present.astype(float),
        patients,
        proportion=proportion,
        replicates=replicates,
        level=level,
        seed=seed,
    )


def ratio_interval(
    numerator: ArrayLike,
    denominator: ArrayLike,
    patients: Sequence[Hashable] | NDArray[np.generic],
    *,
    proportion: bool = False,
    replicates: int = REPLICATES,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Σ numerator / Σ denominator with its patient-level interval.

    A mean, or a share over all rows together, such as precision. The interval of a proportion is
    Wilson's, of all others BCa, expanded for few patients.

    Args:
        numerator, denominator: (rows,); a row where either is NaN has no value.
        patients: (rows,) who the row belongs to.
        proportion: whether each numerator counts some of its denominator: 0 to it.
        replicates: at least ``REPLICATES``.
        level: coverage, in (0, 1).
        seed: of the resampling.

    Returns:
        An interval; none under ``MIN_POSITIVES`` patients with a value.

    Raises:
        UsageError: columns of different length, too few replicates, or a coverage outside (0, 1).

    Source: :mod:`camlucida.metrics.intervals`. BCa (Efron 1987) is equal to
    ``scipy.stats.bootstrap`` (same generator, same draws) where every row is its own patient.

    >>> ratio_interval([1, 0, 2], [2, 2, 4], ["a", "b", "c"]).estimate
    0.375
    """
    sampling = Sampling(replicates, level, seed)
    top, bottom = _column(numerator, "numerator"), _column(denominator, "denominator")
    if not len(top) == len(bottom) == len(patients):
        raise UsageError(
            f"{len(top)} values, {len(bottom)} weights, {len(patients)} patients",
            "give one of each a row",
        )
    present = np.isfinite(top) & np.isfinite(bottom)
    nan_rate = 1 - float(present.mean()) if len(top) else NAN
    sums = _sums(np.column_stack([top, bottom]), present, patients)
    count, rows = sums.shape[1], int(present.sum())
    estimate = float(divide(*sums.sum(1)))
    if count < MIN_POSITIVES or not np.isfinite(estimate):
        return Interval(estimate, NAN, NAN, "none", count, rows, nan_rate)
    low, high, interval_method = (
        _proportion_limits(sums, level) if proportion else _mean_limits(estimate, sums, sampling)
    )
    return Interval(estimate, low, high, interval_method, count, rows, nan_rate)


def _proportion_limits(sums: Floats, level: float) -> tuple[float, float, IntervalMethod]:
    """Wilson's limits of sums (2, patients); a patient of no row does not count."""
    top, bottom = sums[:, sums[1] > 0]
    return *wilson(top, bottom, level), "Wilson"


def _mean_limits(
    estimate: float, sums: Floats, sampling: Sampling
) -> tuple[float, float, IntervalMethod]:
    """Bootstrap limits of a ratio of sums (2, patients)."""
    left_out = divide(*(sums.sum(1, keepdims=True) - sums))
    return limits(estimate, _replicates(sums, sampling), left_out, sampling.level)


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    patients: Sequence[Hashable] | NDArray[np.generic],
    *,
    replicates: int = REPLICATES,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Mean of ``first`` − ``second``, paired by row, with its interval and p-value.

    The p-value flips the sign of all differences of a patient together: exact where, without a true
    difference, the two methods could be swapped. All sign flips are enumerated for at most
    ``ENUMERATED`` patients, ``FLIPS`` random ones else.

    Args:
        first, second: (rows,); a row where either is NaN is left out.
        patients, replicates, level, seed: as for :func:`ratio_interval`.

    Returns:
        The difference, in the unit of the values, and its p-value; no p-value where there is no
        interval.

    Raises:
        UsageError: as :func:`ratio_interval`.

    >>> paired_difference([1.0] * 12, [0.0] * 12, range(12)).p < 0.01
    True
    """
    a, b = _column(first, "first"), _column(second, "second")
    if len(a) != len(b):
        raise UsageError(f"{len(a)} rows against {len(b)}", "paired methods have the same rows")
    gap = _without_rounding(a, b)
    interval = mean_interval(gap, patients, replicates=replicates, level=level, seed=seed)
    if interval.interval_method == "none":
        return Difference(interval, NAN)
    (sums,) = _sums(gap[:, None], np.isfinite(gap), patients)
    return Difference(interval, _sign_flip(sums, seed))


def holm(p_values: ArrayLike) -> Floats:
    """Holm's step-down adjustment: p₍ᵢ₎ → max over j ≤ i of min(1, (m − j + 1) p₍ⱼ₎).

    Holm 1979.

    Args:
        p_values: (tests,); NaN stays NaN and does not count as a test.

    Returns:
        (tests,) adjusted p-values in [0, 1].

    Raises:
        UsageError: not one number a test.

    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p = _column(p_values, "p-values")
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    if not len(tested):
        return adjusted
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(factors * p[order]))
    return adjusted


def rate(flags: ArrayLike) -> float:
    """Share of True in (rows,), such as of dead maps; NaN for no rows.

    Args:
        flags: (rows,) of booleans.

    Returns:
        In [0, 1].

    >>> rate([True, False])
    0.5
    """
    column = np.asarray(flags, bool)
    return float(column.mean()) if column.size else NAN


def excess(similarity: float, null: float) -> float:
    """Agreement beyond that of maps of different images, (s − null) / (1 − null).

    Args:
        similarity: of the two maps, at most 1.
        null: mean similarity of maps of different images.

    Returns:
        1 for identical maps, 0 at the null; NaN where the null is 1.

    >>> excess(0.8, 0.6)
    0.5000000000000001
    """
    return (similarity - null) / (1 - null) if null < 1 else NAN


def _column(values: ArrayLike, name: str) -> Floats:
    column = np.asarray(values, np.float64)
    if column.ndim != 1:
        raise UsageError(f"{name} have shape {column.shape}", "give one number a row")
    return column


def _sums(
    columns: Floats,
    present: NDArray[np.bool_],
    patients: Sequence[Hashable] | NDArray[np.generic],
) -> Floats:
    """(k, patients) sums of columns (rows, k) over the rows that are ``present``."""
    owners = [patient for patient, here in zip(patients, present) if here]
    index, count = numbered(owners)
    return np.ascontiguousarray(by_patient(columns[present], index, count).T)


def _replicates(sums: Floats, sampling: Sampling) -> Floats:
    """(replicates,) ratios of resampled patients; one whose denominator is 0 is left out."""
    count = sums.shape[1]
    parts = []
    for drawn in draws(count, sampling, max(1, BATCH_CELLS // count)):
        top, bottom = (row[drawn].sum(1) for row in sums)
        parts.append(divide(top, bottom))
    ratios = np.concatenate(parts)
    return ratios[np.isfinite(ratios)]


def _sign_flip(sums: Floats, seed: int) -> float:
    """Two-sided p-value of |Σ sums| among sign flips, the unflipped one included.

    Exact for at most ``ENUMERATED`` patients; else among random flips.
    """
    observed = abs(sums.sum()) * (1 - 1e-12)
    if len(sums) <= ENUMERATED:
        bits = np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))
        signs = (bits & 1) * 2.0 - 1
        return float((np.abs(signs @ sums) >= observed).mean())
    rng = np.random.default_rng(seed)
    step = max(1, BATCH_CELLS // len(sums))
    reached = 0
    for start in range(0, FLIPS, step):
        signs = rng.integers(0, 2, (min(step, FLIPS - start), len(sums)), np.int8) * 2.0 - 1
        reached += int((np.abs(signs @ sums) >= observed).sum())
    return (reached + 1) / (FLIPS + 1)


def _without_rounding(first: Floats, second: Floats) -> Floats:
    """Differences, 0 where the two numbers differ by rounding alone."""
    gap = first - second
    scale = np.maximum(np.abs(first), np.abs(second))
    return np.where(np.abs(gap) <= ROUNDING * scale, 0.0, gap)
