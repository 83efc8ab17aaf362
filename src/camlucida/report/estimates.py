"""Measured columns as estimates: means with patient-level intervals and chance levels."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
import pandas as pd

from camlucida.metrics.statistics import mean_interval
from camlucida.report.data import ReportData
from camlucida.report.document import NAN, Estimate, Message


def mean_of(
    rows: pd.DataFrame, column: str, chance: str | float = NAN, percent: bool = False
) -> Estimate | None:
    """The mean of a column with its interval by patient; None where no row has a value.

    Args:
        rows: with ``patient``.
        column: of numbers.
        chance: a column, whose mean over the same rows is the chance level, or a number.
        percent: write it as a percentage.

    Returns:
        The estimate with its 95% interval over patients, as
        :func:`~camlucida.metrics.statistics.mean_interval` gives it.
    """
    values = rows[column].to_numpy(np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return None
    interval = mean_interval(values, rows["patient"].tolist())
    level = chance
    if isinstance(level, str):
        # Over the same rows, or the mean would be compared with the chance of other maps.
        level = float(rows[level].to_numpy(np.float64)[finite].mean())
    return Estimate(interval.estimate, interval.low, interval.high, level, percent)


def positive_patients(report: ReportData) -> pd.Series:
    """Label → number of positive patients, of the labels and classes with ground truth."""
    truth = report.truth[
        report.truth["task"].isin(["multilabel", "binary", "multiclass"])
        & report.truth["truth"].notna()
    ]
    labels = list(dict.fromkeys(truth["label"]))
    return (
        truth[truth["truth"] == 1]
        .groupby("label")["patient"]
        .nunique()
        .reindex(labels, fill_value=0)
    )


def figure_of(row: Any) -> Estimate:
    """A row of the table of prediction figures (:class:`~camlucida.metrics.score_table.Row`)."""
    has_interval = row["interval_method"] != "none"
    low, high = (row["low"], row["high"]) if has_interval else (NAN, NAN)
    return Estimate(row["estimate"], low, high, row["chance"])


def or_dash(estimate: Estimate | None) -> Estimate | float:
    """For a table's cell: NaN, which is printed as a dash, where there is no finite estimate.

    >>> or_dash(None), or_dash(Estimate(0.5)).estimate
    (nan, 0.5)
    """
    return NAN if estimate is None or not isfinite(estimate.estimate) else estimate


def metric_name(name: str) -> Message:
    """The name of a metric of predictions, for people.

    >>> metric_name("within_5").code, metric_name("auc").code
    ('metrics.within', 'metrics.auc')
    """
    if name.startswith("within_"):
        return Message("metrics.within", {"tolerance": name.removeprefix("within_")})
    return Message(f"metrics.{name}")
