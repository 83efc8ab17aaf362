"""Arms of a reader study compared: several readers, several cases, both resampled.

Every figure is computed for each reader and arm, and averaged over readers. In each replicate
readers and patients are drawn with replacement, independently of each other, so that the interval
holds for readers and patients like these, not for these alone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import combinations, product
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import UsageError
from camlucida.metrics.bootstrap import (
    MIN_POSITIVES,
    Sampling,
    by_patient,
    divide,
    draws,
    numbered,
    sampled_weights,
)
from camlucida.metrics.intervals import ROUNDING, Interval, IntervalMethod, percentiles
from camlucida.metrics.ranks import Ranks

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

Measure = Literal["auc", "accuracy", "sensitivity", "specificity", "seconds"]
"""AUC of the ratings; shares of right decisions of all, of diseased and of healthy cases; and the
geometric mean of the reading times."""

MEASURES: tuple[Measure, ...] = get_args(Measure)

RATINGS = 6
"""Steps of a rating, from definitely absent (1) to definitely present (6); none is undecided."""

PRESENT = 4
"""From this rating a reader calls the finding present."""

MIN_READERS = 3
"""Of fewer readers patients alone are resampled: the interval is then of these readers."""


@dataclass(frozen=True)
class Readings:
    """Readings of a study, one a row.

    Attributes:
        reader: (rows,) who read.
        patient: (rows,) whose film it is; all readings of a patient are drawn together.
        arm: (rows,) what was shown.
        truth: (rows,) 1 where the finding is there, 0 where it is not, NaN where nobody knows.
        rating: (rows,) 1 to :data:`RATINGS`.
        seconds: (rows,) time of the reading, NaN where it is not known.
    """

    reader: Sequence[str]
    patient: Sequence[Hashable]
    arm: Sequence[str]
    truth: Floats
    rating: Floats
    seconds: Floats

    @cached_property
    def known(self) -> Flags:
        """(rows,) whether the truth is known."""
        return np.isfinite(self.truth)


@dataclass(frozen=True)
class ArmFigure:
    """A figure of an arm, or of one arm less another.

    Attributes:
        measure: what is measured.
        arm: that it is of.
        against: the arm that is subtracted, or of a time that it is divided by; None for none.
        readers: that count: those with a figure in each arm in question.
        readers_resampled: whether the interval holds for other readers too.
        interval: the estimate with its bounds; a time is in seconds, a difference of times a ratio.
    """

    measure: Measure
    arm: str
    against: str | None
    readers: int
    readers_resampled: bool
    interval: Interval


def compare_arms(
    readings: Readings, arms: Sequence[str], sampling: Sampling | None = None
) -> list[ArmFigure]:
    """Every measure of each arm, and of each pair of arms the later less the earlier.

    The interval is a percentile interval. There is none under ``MIN_POSITIVES`` patients (of
    diseased and of healthy ones each for the AUC). Few readers tell little of other readers: the
    bootstrap underestimates how much R readers vary by about (R − 1) ÷ R.

    Args:
        readings: of all readers.
        arms: in the order in which they are compared.
        sampling: of the intervals.

    Raises:
        UsageError: the columns differ in length, or a rating is none.

    Source: readers and cases resampled: Beiden, Wagner and Campbell 2000; the AUC averaged over
    readers: Dorfman, Berbaum and Metz 1992.

    >>> both = Readings(["A"] * 4, [1, 2] * 2, ["film"] * 2 + ["map"] * 2, np.array([1, 0, 1, 0.0]),
    ...                 np.array([3, 2, 6, 2.0]), np.array([8, 8, 4, 4.0]))
    >>> figures = {(each.measure, each.arm, each.against): each.interval.estimate
    ...            for each in compare_arms(both, ["film", "map"])}
    >>> figures["accuracy", "map", "film"], round(figures["seconds", "map", "film"], 6)
    (0.5, 0.5)
    """
    _check(readings)
    sampling = sampling or Sampling()
    figures: list[ArmFigure] = []
    for measure in MEASURES:
        figures += _of_measure(readings, arms, measure, sampling)
    return figures


def _check(readings: Readings) -> None:
    columns = (readings.reader, readings.patient, readings.arm, readings.truth)
    lengths = {len(column) for column in (*columns, readings.rating, readings.seconds)}
    if len(lengths) > 1:
        raise UsageError("columns of different lengths", "give one value of each a reading")
    if not np.isin(readings.rating, np.arange(1, RATINGS + 1)).all():
        raise UsageError("a rating that is none", f"give whole numbers from 1 to {RATINGS}")


def _of_measure(
    readings: Readings, arms: Sequence[str], measure: Measure, sampling: Sampling
) -> Iterator[ArmFigure]:
    counted = _counted(readings, measure)
    if not counted.any():
        return
    by_reader = _FiguresByReader.of(readings, arms, measure, counted)
    sampled = sampled_weights(by_reader.figures, by_reader.patients, len(counted), sampling)
    sides = [(arm, None) for arm in arms] + [(b, a) for a, b in combinations(arms, 2)]
    for arm, against in sides:
        second = arms.index(arm)
        first = None if against is None else arms.index(against)
        estimates = _less(sampled.estimate[None], second, first)
        drawn = _less(sampled.drawn, second, first)
        readers = int(np.isfinite(estimates).sum())
        if not readers:
            continue
        resampled = readers >= MIN_READERS
        weights = _reader_weights(drawn.shape[1], sampling) if resampled else np.ones(drawn.shape)
        means = _mean_over_readers(drawn, weights)
        estimate = float(_mean_over_readers(estimates, np.ones(estimates.shape))[0])
        rows = counted & _in_arms(readings, arm, against)
        interval = _interval(readings, measure, rows, estimate, means, sampling.level)
        yield ArmFigure(measure, arm, against, readers, resampled, interval)


@dataclass(frozen=True)
class _FiguresByReader:
    """A measure of each reader in each arm, as functions of patients' weights.

    Attributes:
        formulas: (readers × arms,) each (r, patients) → (r,).
        shape: readers, arms.
        patients: their number.
    """

    formulas: Sequence[Callable[[Floats], Floats]]
    shape: tuple[int, int]
    patients: int

    @classmethod
    def of(
        cls, readings: Readings, arms: Sequence[str], measure: Measure, counted: Flags
    ) -> _FiguresByReader:
        patient, patients = numbered(readings.patient)
        readers = sorted(set(readings.reader))
        names, shown = np.asarray(readings.reader), np.asarray(readings.arm)
        values = _values(readings, measure)
        formulas: list[Callable[[Floats], Floats]] = []
        for reader, arm in product(readers, arms):
            rows = counted & (names == reader) & (shown == arm)
            if measure == "auc":
                ranks = Ranks.of(readings.rating[rows], patient[rows], readings.truth[rows])
                formulas.append(partial(_auc, ranks))
            else:
                columns = np.stack([np.ones(rows.sum()), values[rows]], axis=1)
                sums = by_patient(columns, patient[rows], patients)
                formulas.append(partial(_mean, sums))
        return cls(formulas, (len(readers), len(arms)), patients)

    def figures(self, weights: Floats) -> Floats:
        """(r, patients) → (r, readers, arms)."""
        columns = [formula(weights) for formula in self.formulas]
        return np.stack(columns, axis=1).reshape(-1, *self.shape)


def _auc(ranks: Ranks, weights: Floats) -> Floats:
    return ranks.figures(weights)[:, 0]


def _mean(sums: Floats, weights: Floats) -> Floats:
    count, total = (weights @ sums).T
    return divide(total, count)


def _counted(readings: Readings, measure: Measure) -> Flags:
    """(rows,) which readings the measure is of."""
    rows: dict[Measure, Flags] = {
        "auc": readings.known,
        "accuracy": readings.known,
        "sensitivity": readings.truth == 1,
        "specificity": readings.truth == 0,
        "seconds": readings.seconds > 0,
    }
    return rows[measure]


def _values(readings: Readings, measure: Measure) -> Floats:
    """(rows,) whose mean over the readings is the measure."""
    if measure == "seconds":
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.log(readings.seconds))
    return np.asarray((readings.rating >= PRESENT) == (readings.truth == 1), np.float64)


def _less(figures: Floats, arm: int, against: int | None) -> Floats:
    """(r, readers) of an arm, less another."""
    return np.asarray(figures[..., arm] - (0 if against is None else figures[..., against]))


def _reader_weights(readers: int, sampling: Sampling) -> Floats:
    """(replicates, readers) how often each is drawn, independent of the draws of patients."""
    others = replace(sampling, seed=sampling.seed + 1)
    (drawn,) = draws(readers, others, sampling.replicates)
    return np.asarray((drawn[:, :, None] == np.arange(readers)).sum(1), np.float64)


def _mean_over_readers(figures: Floats, weights: Floats) -> Floats:
    """(r, readers) → (r,), readers without a figure left out."""
    defined = np.isfinite(figures)
    totals = (weights * np.where(defined, figures, 0)).sum(1)
    return divide(totals, (weights * defined).sum(1))


def _in_arms(readings: Readings, arm: str, against: str | None) -> Flags:
    return np.isin(np.asarray(readings.arm), [arm] if against is None else [arm, against])


def _interval(
    readings: Readings, measure: Measure, rows: Flags, estimate: float, drawn: Floats, level: float
) -> Interval:
    sides = [rows & (readings.truth == truth) for truth in (0, 1)] if measure == "auc" else [rows]
    patients = np.asarray(readings.patient, object)
    fewest = min(len(set(patients[side])) for side in sides)
    low = high = float("nan")
    method: IntervalMethod = "none"
    if fewest >= MIN_POSITIVES and np.isfinite(drawn).any():
        low, high = percentiles(drawn, level)
        method = "percentile" if high - low > ROUNDING else "constant"
    if measure == "seconds":
        estimate, low, high = (float(np.exp(value)) for value in (estimate, low, high))
    return Interval(estimate, low, high, method, len(set(patients[rows])), int(rows.sum()), 0.0)
