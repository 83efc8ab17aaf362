"""AUCs of two models of the same images, compared: DeLong's test, clustered by patient.

The AUC is a mean over pairs of a positive and a negative row, so its variance follows from what
each row adds to it. Rows of one patient are added first (Obuchowski 1997); with one row a patient
this is DeLong's test itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from camlucida.core.errors import UsageError
from camlucida.metrics.bootstrap import MIN_POSITIVES, by_patient, numbered
from camlucida.metrics.intervals import IntervalMethod

Floats = NDArray[np.float64]
NAN = float("nan")


@dataclass(frozen=True)
class ScoredRows:
    """Rows of one label with the scores of two models.

    Attributes:
        truth: (rows,) 0 or 1.
        first, second: (rows,) scores of the models, finite; only their order counts.
        patients: (rows,) who a row belongs to.
    """

    truth: Floats
    first: Floats
    second: Floats
    patients: Sequence[Hashable]


@dataclass(frozen=True)
class AucDifference:
    """AUC of one model less that of another on the same rows.

    Attributes:
        first, second: AUC of each model, in [0, 1]; NaN without a positive or a negative row.
        estimate: first − second, in [−1, 1].
        low, high: its interval; NaN where there is none.
        interval_method: "DeLong"; "constant" where the difference does not vary; "none" where fewer
            than ``MIN_POSITIVES`` patients have a positive row, or a negative one.
        p: two-sided p-value of no difference; NaN where there is no interval.
        rows, positives, patients: how many are compared.
    """

    first: float
    second: float
    estimate: float
    low: float
    high: float
    interval_method: IntervalMethod
    p: float
    rows: int
    positives: int
    patients: int


@dataclass(frozen=True)
class _Parts:
    """What patients add to the AUCs of two models.

    Attributes:
        auc: (2,).
        positive, negative: (2, patients) what their positive and negative rows add to each AUC,
            less what they would add at its mean.
        holders: patients with a positive row, and with a negative one.
    """

    auc: Floats
    positive: Floats
    negative: Floats
    holders: tuple[int, int]

    @property
    def enough(self) -> bool:
        return min(self.holders) >= MIN_POSITIVES


def auc_difference(
    truth: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    patients: Sequence[Hashable],
    level: float = 0.95,
) -> AucDifference:
    """AUC of the first model less that of the second, with interval and p-value.

    Args:
        truth: (rows,) 1 or 0.
        first, second: (rows,) scores of the models, such as logits, finite.
        patients: (rows,) who a row belongs to.
        level: coverage of the interval, in (0, 1).

    Raises:
        UsageError: the columns have different lengths.

    Source: DeLong 1988; clustered: Obuchowski 1997, eq. 4 to 8.

    >>> truth = [0] * 10 + [1] * 10
    >>> difference = auc_difference(truth, range(20), [0] * 20, range(20))
    >>> difference.first, difference.second, difference.estimate
    (1.0, 0.5, 0.5)
    """
    rows = ScoredRows(
        np.asarray(truth, np.float64),
        np.asarray(first, np.float64),
        np.asarray(second, np.float64),
        list(patients),
    )
    return mean_auc_difference([rows], level)


def mean_auc_difference(labels: Sequence[ScoredRows], level: float = 0.95) -> AucDifference:
    """:func:`auc_difference` of the mean AUC over labels that have positives and negatives.

    Args:
        labels: rows of each label; a patient may be in several.
        level: coverage of the interval, in (0, 1).

    Raises:
        UsageError: the columns of a label have different lengths.
    """
    names = list(chain.from_iterable(rows.patients for rows in labels))
    index, count = numbered(names)
    ends = np.cumsum([len(rows.patients) for rows in labels])
    parts = []
    counted = []
    for rows, of_label in zip(labels, np.split(index, ends[:-1])):
        part = _parts(rows, of_label, count)
        if part is not None:
            parts.append(part)
            counted.append((rows, of_label))
    totals = _totals(counted)
    if not parts:
        return AucDifference(NAN, NAN, NAN, NAN, NAN, "none", NAN, *totals)
    first, second = np.mean([part.auc for part in parts], axis=0)
    aucs = (float(first), float(second), float(first - second))
    if not all(part.enough for part in parts):
        return AucDifference(*aucs, NAN, NAN, "none", NAN, *totals)
    error = np.sqrt(_variance(parts, count))
    if error <= 1e-12:
        same = abs(aucs[2]) <= 1e-12
        return AucDifference(*aucs, aucs[2], aucs[2], "constant", 1.0 if same else NAN, *totals)
    reach = float(ndtri((1 + level) / 2)) * error
    low, high = max(aucs[2] - reach, -1.0), min(aucs[2] + reach, 1.0)
    p = float(2 * ndtr(-abs(aucs[2]) / error))
    return AucDifference(*aucs, float(low), float(high), "DeLong", p, *totals)


def _totals(counted: Sequence[tuple[ScoredRows, NDArray[Any]]]) -> tuple[int, int, int]:
    """Rows, positives and patients of the labels that count, each with its patients' numbers."""
    rows = sum(len(scored.truth) for scored, _ in counted)
    positives = sum(int(scored.truth.sum()) for scored, _ in counted)
    numbers = [of_label for _, of_label in counted]
    patients = len(np.unique(np.concatenate(numbers))) if numbers else 0
    return rows, positives, patients


def _variance(parts: Sequence[_Parts], count: int) -> float:
    """Of the difference of the mean AUCs."""
    differences = [(part.positive[0] - part.positive[1]) for part in parts]
    others = [(part.negative[0] - part.negative[1]) for part in parts]
    if len(parts) > 1:
        # Labels share patients, so what a patient adds is summed over labels first.
        added = (np.sum(differences, axis=0) + np.sum(others, axis=0)) / len(parts)
        return float(_unbiased(count) * (added**2).sum())
    (positive,), (negative,) = differences, others
    with_positive, with_negative = parts[0].holders
    alone = _unbiased(with_positive) * (positive**2).sum()
    alone += _unbiased(with_negative) * (negative**2).sum()
    together = 2 * _unbiased(count) * (positive * negative).sum()
    return float(max(alone + together, 0.0))


def _unbiased(count: int) -> float:
    return count / (count - 1)


def _parts(rows: ScoredRows, index: NDArray[np.int64], count: int) -> _Parts | None:
    """None without a positive or a negative row."""
    lengths = {len(rows.truth), len(rows.first), len(rows.second), len(rows.patients)}
    if len(lengths) > 1:
        raise UsageError(
            "truth, scores and patients of different lengths", "give one of each a row"
        )
    is_positive = rows.truth > 0
    if is_positive.all() or not is_positive.any():
        return None
    of_models = [_added(scores, is_positive) for scores in (rows.first, rows.second)]
    aucs = np.array([auc for auc, _ in of_models])
    added = np.column_stack([values for _, values in of_models])
    sums = []
    for chosen in (is_positive, ~is_positive):
        residuals = (added[chosen] - aucs) / chosen.sum()
        sums.append(by_patient(residuals, index[chosen], count).T)
    holders = len(np.unique(index[is_positive])), len(np.unique(index[~is_positive]))
    return _Parts(aucs, sums[0], sums[1], holders)


def _added(scores: Floats, is_positive: NDArray[np.bool_]) -> tuple[float, Floats]:
    """AUC, and of each row the share of rows of the other kind that it is in order with."""
    positives, negatives = np.sort(scores[is_positive]), np.sort(scores[~is_positive])
    shares = np.empty(len(scores))
    shares[is_positive] = _share_below(scores[is_positive], negatives)
    shares[~is_positive] = 1 - _share_below(scores[~is_positive], positives)
    return float(shares[is_positive].mean()), shares


def _share_below(values: Floats, ordered: Floats) -> Floats:
    """Share of ``ordered`` below each value; equal ones count a half."""
    below = np.searchsorted(ordered, values, "left")
    up_to = np.searchsorted(ordered, values, "right")
    return np.asarray((below + up_to) / (2 * len(ordered)))
