"""Predictions of a value: errors, correlation, limits of agreement, outliers, errors by group.

All in the unit of the value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from camlucida.core.errors import UsageError
from camlucida.metrics.bootstrap import Floats, Sampling, by_patient, divide, numbered, sampled_sums
from camlucida.metrics.score_table import Counts, Row, ratio_row, sampled_row

Flags = NDArray[np.bool_]

NAN = float("nan")

WITHIN = (5.0, 10.0, 15.0)
"""Tolerances of the shares, in the unit of the value."""

LIMIT = 1.96
"""Standard deviations from the bias to the limits of agreement (Bland and Altman 1986)."""

OVERALL = ("mae", "rmse", "r2", "pearson_r", "bias", "sd", "limit_low", "limit_high", "slope")
OF_GROUP = ("mae", "rmse", "bias", "slope", "mean_truth", "mean_value")
"""Of a group. A model that tends towards the mean has a positive bias in low groups, a negative one
in high groups, and a slope under 1."""

METRICS = (*OVERALL, "within_N", "outlier_share")


@dataclass(frozen=True)
class Agreement:
    """Bland and Altman's limits: ``bias`` is the mean of value − truth, ``sd`` its standard
    deviation (n − 1).
    """

    bias: float
    sd: float

    @property
    def low(self) -> float:
        return self.bias - LIMIT * self.sd

    @property
    def high(self) -> float:
        return self.bias + LIMIT * self.sd

    def outside(self, errors: Floats) -> Floats:
        """1 for an outlier, else 0."""
        return ((errors < self.low) | (errors > self.high)).astype(np.float64)


def evaluate_regression(
    frame: pd.DataFrame, within: Sequence[float] = WITHIN, sampling: Sampling | None = None
) -> list[Row]:
    """``mae``, ``rmse``, ``r2``, ``pearson_r``, ``bias``, ``sd``, ``limit_low``, ``limit_high``,
    ``slope``, ``within_N``, ``outlier_share``.

    ``slope`` is that of the least-squares line of the predicted over the true value: 1 without
    regression to the mean, 0 for a constant.

    Intervals by patient: of the shares Wilson's, of all others BCa
    (:mod:`camlucida.metrics.intervals`). The limits hold 95 % of errors only if these are normal;
    the interval of ``outlier_share`` takes the limits as fixed. Chance level: the best constant
    prediction, which is the median of the truth for ``mae``, its mean for ``rmse`` and ``r2``, and
    the centre of the fullest window for ``within_N``; 5 % of normal errors lie outside
    (``outlier_share``).

    Args:
        frame: columns patient, value, truth; a row where either number is NaN is left out.
        within: N of ``within_N``: the share of rows with an absolute error of at most N.
        sampling: of the intervals.

    Returns:
        A row a figure, in the order above; none if no row has both numbers.

    Raises:
        UsageError: a tolerance of 0 or less.
        KeyError: a column is missing.

    >>> frame = pd.DataFrame({"patient": range(12), "truth": np.arange(12.0)})
    >>> frame["value"] = frame["truth"] + 1
    >>> row = evaluate_regression(frame)[0]
    >>> row.metric, row.estimate
    ('mae', 1.0)
    """
    if any(not tolerance > 0 for tolerance in within):
        raise UsageError(
            f"a tolerance of {min(within):g}",
            "give the largest absolute error that still counts, above 0",
        )
    sampling = sampling or Sampling()
    frame = known_rows(frame)
    truth, value = frame["truth"].to_numpy(np.float64), frame["value"].to_numpy(np.float64)
    if not len(frame):
        return []
    index, count = numbered(frame["patient"].tolist())
    counts = Counts(len(frame), count, count)
    sums = by_patient(_columns(truth, value), index, count)
    sampled = sampled_sums(_figures, sums, sampling)
    chances = [
        float(np.abs(truth - np.median(truth)).mean()),
        float(truth.std()),
        0.0,
        0.0,
        *[NAN] * 4,
        0.0,
    ]
    rows = [
        sampled_row(name, sampled, (k,), counts, chances[k], sampling)
        for k, name in enumerate(OVERALL)
    ]
    errors = value - truth
    shares = []
    for most in within:
        shares.append((f"within_{most:g}", np.abs(errors) <= most, _best_share(truth, most)))
    outside = agreement(frame).outside(errors) > 0
    shares.append(("outlier_share", outside, 0.05))
    patients = frame["patient"].tolist()
    ones = np.ones(len(frame))
    for name, flags, chance in shares:
        rows.append(ratio_row(name, flags, ones, patients, chance, sampling, proportion=True))
    return rows


def evaluate_group(
    frame: pd.DataFrame, everybody: pd.DataFrame, sampling: Sampling | None = None
) -> list[Row]:
    """:data:`OF_GROUP`: errors, bias, slope, and the mean true beside the mean predicted value.

    The chance level of ``mae`` and ``rmse`` is the median or the mean of all rows as a constant
    prediction; that of ``slope`` is 0.

    Args:
        frame: rows of the group, as for :func:`evaluate_regression`.
        everybody: all rows.
        sampling: of the intervals.

    Returns:
        A row each; none if no row of the group has both numbers.

    Raises:
        KeyError: a column is missing.

    >>> frame = pd.DataFrame({"patient": range(12), "truth": np.arange(12.0)})
    >>> frame["value"] = frame["truth"] + 1
    >>> row = evaluate_group(frame[:3], frame)[0]
    >>> row.metric, row.estimate
    ('mae', 1.0)
    """
    sampling = sampling or Sampling()
    frame, everybody = known_rows(frame), known_rows(everybody)
    if not len(frame):
        return []
    truth, value = frame["truth"].to_numpy(np.float64), frame["value"].to_numpy(np.float64)
    index, count = numbered(frame["patient"].tolist())
    sums = by_patient(_columns(truth, value), index, count)
    shift = float(truth.mean())
    sampled = sampled_sums(lambda totals: _group_figures(totals, shift), sums, sampling)
    centre, middle = float(everybody["truth"].mean()), float(everybody["truth"].median())
    chances = [
        float(np.abs(truth - middle).mean()),
        float(np.sqrt(np.square(truth - centre).mean())),
        NAN,
        0.0,
        NAN,
        NAN,
    ]
    counts = Counts(len(frame), count, count)
    return [
        sampled_row(name, sampled, (k,), counts, chances[k], sampling)
        for k, name in enumerate(OF_GROUP)
    ]


def agreement(frame: pd.DataFrame) -> Agreement:
    """Bias and standard deviation of the errors of a frame.

    Args:
        frame: columns value, truth; a row where either is NaN is left out.

    Returns:
        In the unit of the value; both NaN without a row, ``sd`` NaN for a single row.

    Raises:
        KeyError: a column is missing.

    Source: Bland and Altman 1986.

    >>> agreement(pd.DataFrame({"value": [2.0, 2.0], "truth": [1.0, 1.0]}))
    Agreement(bias=1.0, sd=0.0)
    """
    frame = known_rows(frame)
    errors = (frame["value"] - frame["truth"]).to_numpy(np.float64)
    bias = float(errors.mean()) if len(errors) else NAN
    sd = float(errors.std(ddof=1)) if len(errors) > 1 else NAN
    return Agreement(bias, sd)


def outliers(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows whose error lies outside the limits of agreement, the largest first.

    With a column ``error``, value − truth.

    Args:
        frame: columns value, truth; a row where either is NaN is left out.

    Returns:
        Rows with the columns of the frame and ``error``, by absolute error.

    Raises:
        KeyError: a column is missing.

    >>> frame = pd.DataFrame({"value": [12.0] + [0.0] * 11, "truth": [0.0] * 12})
    >>> outliers(frame)["error"].tolist()
    [12.0]
    """
    frame = known_rows(frame)
    frame = frame.assign(error=frame["value"] - frame["truth"])
    errors = frame["error"].to_numpy(np.float64)
    outside = agreement(frame).outside(errors) > 0
    return frame[outside].sort_values(
        "error", key=lambda column: -column.abs(), kind="stable", ignore_index=True
    )


def truth_bins(truth: ArrayLike, width: float) -> Iterator[tuple[str, Flags]]:
    """Groups of equal width from a multiple of it, such as age decades.

    (name, rows), only those that hold a row.

    Args:
        truth: (rows,) in the unit of the value; a row that is not finite is in no group.
        width: of a group, in the same unit, above 0.

    Yields:
        Name "low to high" and flags (rows,) of each group [low, high), in ascending order.

    Raises:
        UsageError: a width of 0 or less.

    >>> [name for name, _ in truth_bins([35.0, 39.9, 51.0], 10)]
    ['30 to 40', '50 to 60']
    """
    if not width > 0:
        raise UsageError(f"groups of the truth {width:g} wide", "give a width above 0, such as 10")
    values = np.asarray(truth, np.float64)
    number = np.floor(values / width)
    for k in np.unique(number[np.isfinite(number)]):
        yield f"{k * width:g} to {(k + 1) * width:g}", number == k


def known_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows that have both numbers.

    Args:
        frame: columns value, truth.

    Returns:
        The rows where neither is NaN.

    Raises:
        KeyError: a column is missing.

    >>> len(known_rows(pd.DataFrame({"value": [1.0, 2.0], "truth": [1.0, np.nan]})))
    1
    """
    return frame.loc[frame["value"].notna() & frame["truth"].notna()]


def _columns(truth: Floats, value: Floats) -> Floats:
    """(rows, 9): 1, e, |e|, e², y, y², v, v², v·y.

    Centred by one number, so that squares keep their digits.
    """
    centre = truth.mean()
    y, v = truth - centre, value - centre
    e = value - truth
    return np.column_stack([np.ones_like(y), e, np.abs(e), e * e, y, y * y, v, v * v, v * y])


def _figures(totals: Floats) -> Floats:
    """(r, 9) totals → (r, OVERALL)."""
    n, e, absolute, squared, y, yy, v, vv, vy = totals.T
    of_truth = yy - divide(y * y, n)
    of_value = vv - divide(v * v, n)
    # A constant leaves rounding here, not 0.
    of_truth = np.where(of_truth <= 1e-12 * np.maximum(yy, 1e-300), 0, of_truth)
    of_value = np.where(of_value <= 1e-12 * np.maximum(vv, 1e-300), 0, of_value)
    covariance = vy - divide(v * y, n)
    together = divide(covariance, np.sqrt(of_truth * of_value))
    bias = divide(e, n)
    spread = np.maximum(squared - n * bias**2, 0)
    sd = np.sqrt(divide(spread, n - 1))
    figures = [
        divide(absolute, n),
        np.sqrt(divide(squared, n)),
        1 - divide(squared, of_truth),
        np.clip(together, -1, 1),
    ]
    slope = divide(covariance, of_truth)
    limits = [bias - LIMIT * sd, bias + LIMIT * sd]
    return np.stack([*figures, bias, sd, *limits, slope], axis=1)


def _group_figures(totals: Floats, centre: float) -> Floats:
    """(r, 9) totals → (r, OF_GROUP); ``centre`` was taken from truth and value."""
    n, _, _, _, y, _, v, _, _ = totals.T
    of_all = dict(zip(OVERALL, _figures(totals).T))
    means = [divide(y, n) + centre, divide(v, n) + centre]
    return np.stack([*(of_all[name] for name in OF_GROUP[:4]), *means], axis=1)


def _best_share(truth: Floats, tolerance: float) -> float:
    """Share of the truth within the tolerance of the constant that suits most.

    The fullest window of twice its width.
    """
    ordered = np.sort(truth)
    last = np.searchsorted(ordered, ordered + 2 * tolerance, "right")
    in_window = last - np.arange(len(ordered))
    return float(in_window.max() / len(ordered))
