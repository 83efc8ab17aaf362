"""What was measured beside its chance level: predictions, localisation, extent, labels.

The discussion, the conclusion and the future work of a report all rest on these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, isfinite

import numpy as np
import pandas as pd
from scipy.special import ndtri

from camlucida.metrics.description import area_above_half_of_noise
from camlucida.metrics.multilabel import MEAN, MEAN_ENOUGH
from camlucida.metrics.statistics import holm, paired_difference
from camlucida.report.data import ReportData, SeriesRows
from camlucida.report.document import Estimate
from camlucida.report.estimates import figure_of, mean_of

MAIN = {
    "multilabel": ("auc",),
    "multiclass": ("accuracy", "quadratic_kappa"),
    "regression": ("mae", "r2"),
    "segmentation": ("dice",),
}
"""Task → the metrics that stand for it."""

LOWER_IS_BETTER = ("mae",)

POWER, LEVEL = 0.8, 0.95
"""With which the number of patients that is still needed is planned."""


@dataclass(frozen=True)
class AgainstChance:
    """A mean beside its chance level.

    Attributes:
        name: of the model or map series.
        quantity: a metric of predictions, a region, or ``spread``.
        value: with its interval and chance level.
        difference: from the chance level; positive where it is better (for a spread: larger).
        patients: on which it rests.
        over: :data:`~camlucida.metrics.multilabel.MEAN` or ``MEAN_ENOUGH`` for a mean of labels.
    """

    name: str
    quantity: str
    value: Estimate
    difference: Estimate
    patients: int
    over: str = ""


@dataclass(frozen=True)
class LabelContrast:
    """One label of a map series against the other labels of the same patients.

    Attributes:
        series: name of the map series.
        quantity: ``mask`` or ``box`` (share inside, less its area) or ``spread``.
        difference: mean over patients of the label's mean minus that of the others.
        p: of a sign-flip test by patient, Holm-adjusted over all labels and quantities of a series;
            NaN for too few patients.
        tests: how many were adjusted together.
    """

    series: str
    quantity: str
    label: str
    difference: Estimate
    p: float
    tests: int


def predictions_against_chance(report: ReportData) -> Iterator[AgainstChance]:
    """The main metrics of each model that have a chance level."""
    for performance in report.performance:
        figures = performance.figures[performance.figures["group"] == ""]
        for model, rows in figures.groupby("model", sort=False):
            for metric in MAIN[performance.task]:
                row = _of_everything(rows[rows["metric"] == metric])
                if row is not None and isfinite(row["estimate"]) and isfinite(row["chance"]):
                    yield _performance(str(model), metric, row)


def _performance(model: str, metric: str, row: pd.Series) -> AgainstChance:
    value = figure_of(row)
    difference = _from_chance(value, metric in LOWER_IS_BETTER)
    over = str(row["label"]) if row["label"] in (MEAN, MEAN_ENOUGH) else ""
    return AgainstChance(model, metric, value, difference, int(row["patients"]), over)


def _of_everything(rows: pd.DataFrame) -> pd.Series | None:
    """The row over all labels: the mean of the labels with an interval where that of all has none.

    None where there are several labels and no mean.
    """
    if len(rows) == 1:
        return rows.iloc[0]
    for label in ("", MEAN, MEAN_ENOUGH):
        of_label = rows[(rows["label"] == label) & (rows["interval_method"] != "none")]
        if len(of_label):
            return of_label.iloc[0]
    whole = rows[rows["label"].isin(["", MEAN])]
    return whole.iloc[0] if len(whole) else None


def _from_chance(value: Estimate, lower_is_better: bool) -> Estimate:
    ends = (value.estimate, value.low, value.high)
    estimate, low, high = (end - value.chance for end in ends)
    if lower_is_better:
        estimate, low, high = -estimate, -high, -low
    return Estimate(estimate, low, high)


def annotated_against_area(report: ReportData) -> Iterator[AgainstChance]:
    """The share of each map series inside the annotated masks and boxes, and their area."""
    for series in report.all_series:
        rows = report.measured.loc[series.rows]
        for region in ("mask", "box"):
            share, area = f"{region}_share", f"{region}_area"
            yield from _beside(series, rows, region, share, area, percent=True)


def extent_against_noise(report: ReportData) -> Iterator[AgainstChance]:
    """The cells of each map series at half its maximum or above, and those of random values."""
    for series in report.all_series:
        rows = report.measured.loc[series.rows]
        chance = [area_above_half_of_noise(int(np.prod(grid))) for grid in rows["grid"]]
        rows = rows.assign(spread_chance=chance)
        yield from _beside(series, rows, "spread", "spread", "spread_chance", percent=True)


def _beside(
    series: SeriesRows, rows: pd.DataFrame, quantity: str, column: str, chance: str, percent: bool
) -> Iterator[AgainstChance]:
    """A measured column and the paired difference from its chance level."""
    value = mean_of(rows, column, chance, percent)
    difference = mean_of(rows.assign(_lift=rows[column] - rows[chance]), "_lift", percent=percent)
    if value is not None and difference is not None:
        patients = int(rows.loc[rows[column].notna(), "patient"].nunique())
        yield AgainstChance(series.name, quantity, value, difference, patients)


def label_contrasts(report: ReportData, series: SeriesRows) -> list[LabelContrast]:
    """Each label against the other labels of the same patients; none for a single label.

    Args:
        report: with ``measured``.
        series: one of ``report.all_series``.
    """
    rows = report.measured.loc[series.rows]
    rows = rows[rows["label"] != ""]
    labels = list(dict.fromkeys(rows["label"]))
    if len(labels) < 2:
        return []
    if len(labels) == 2:
        del labels[1]  # its contrast is that of the first, with the other sign
    columns = {"spread": rows["spread"]}
    for region in ("box", "mask"):
        columns[region] = rows[f"{region}_share"] - rows[f"{region}_area"]
    found = []
    for quantity, values in columns.items():
        for label in labels:
            contrast = _contrast(rows.assign(_value=values), label)
            if contrast is not None:
                found.append((quantity, label, *contrast))
    adjusted = holm([p for *_, p in found])
    tests = int(np.isfinite(adjusted).sum())
    return [
        LabelContrast(series.name, quantity, str(label), difference, float(p), tests)
        for (quantity, label, difference, _), p in zip(found, adjusted)
    ]


def _contrast(rows: pd.DataFrame, label: str) -> tuple[Estimate, float] | None:
    """Label minus the others, paired by patient, and its p-value; None without a pair."""
    is_label = rows["label"] == label
    first = rows[is_label].groupby("patient")["_value"].mean()
    second = rows[~is_label].groupby("patient")["_value"].mean()
    both = pd.concat([first, second], axis=1, keys=["first", "second"]).dropna()
    if both.empty:
        return None
    tested = paired_difference(both["first"], both["second"], list(both.index))
    interval = tested.interval
    estimate = Estimate(interval.estimate, interval.low, interval.high, percent=True)
    return estimate, tested.p


def more_patients(difference: Estimate, patients: int) -> int | None:
    """Patients still needed to tell a difference from zero with a power of 80 %.

    The half-width of the interval is taken for a normal one that falls with the square root of the
    number of patients, and the difference as measured: n · ((z₀.₉₇₅ + z₀.₈) · SE / d)² − n.

    Args:
        difference: with its 95 % interval.
        patients: n, on which it rests.

    Returns:
        1 or more; None where it is decided, has no interval, or is zero.

    >>> more_patients(Estimate(0.1, -0.1, 0.3), 20)
    144
    >>> more_patients(Estimate(0.1, 0.05, 0.15), 20) is None
    True
    """
    if difference.verdict != "same" or difference.estimate == 0:
        return None
    z = float(ndtri((1 + LEVEL) / 2))
    error = (difference.high - difference.low) / (2 * z)
    needed = patients * ((z + float(ndtri(POWER))) * error / difference.estimate) ** 2
    return max(1, ceil(needed) - patients)


def verdicts(judged: Sequence[AgainstChance]) -> dict[str, int]:
    """How many are ``more``, ``less``, ``same`` (as chance) and ``unsure``.

    >>> good = Estimate(0.2, 0.1, 0.3)
    >>> verdicts([AgainstChance("net", "auc", good, good, 20)])["more"]
    1
    """
    counts = dict.fromkeys(("more", "less", "same", "unsure"), 0)
    for each in judged:
        counts[each.difference.verdict] += 1
    return counts
