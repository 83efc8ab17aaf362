"""One figure of a model's predictions, as every task reports it, and the table of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from camlucida.core.messages import declare
from camlucida.metrics.bootstrap import MIN_POSITIVES, Floats, Sampled, Sampling
from camlucida.metrics.intervals import IntervalMethod, wilson
from camlucida.metrics.statistics import ratio_interval

declare(
    "metrics",
    {
        "auc": "AUC",
        "ap": "average precision",
        "sensitivity": "sensitivity",
        "specificity": "specificity",
        "precision": "precision",
        "f1": "F1",
        "brier": "Brier score",
        "ece": "calibration error",
        "prevalence": "prevalence",
        "predicted_share": "share called so",
        "accuracy": "accuracy",
        "balanced_accuracy": "balanced accuracy",
        "quadratic_kappa": "quadratic kappa",
        "macro_f1": "macro F1",
        "recall": "recall",
        "mae": "mean absolute error",
        "rmse": "root mean squared error",
        "r2": "R²",
        "pearson_r": "Pearson r",
        "slope": "slope of predicted over true",
        "mean_truth": "mean true",
        "mean_value": "mean predicted",
        "bias": "bias",
        "sd": "standard deviation of the error",
        "limit_low": "lower limit of agreement",
        "limit_high": "upper limit of agreement",
        "outlier_share": "share outside the limits",
        "within": "share within {tolerance}",
        "dice": "Dice",
        "iou": "IoU",
        "component_sensitivity": "components found",
        "false_components": "false components an image",
        "empty_agreement": "empty masks predicted as empty",
    },
)

NAN = float("nan")

Proportion = tuple[Floats, Floats]
"""(patients,) rows of each patient that count, and of which they are a share."""


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        model: "" where the file names none.
        metric: its name, as docs/how-to/predictions.md lists them.
        label: label or class; "" for a figure of all of them.
        group: "" for everybody, else ``sex=F`` or ``truth 40 to 50``.
        estimate, low, high, interval_method: the figure and its interval, as in
            :class:`~camlucida.metrics.intervals.Interval`.
        n: rows (image and label) it is computed on.
        patients: of those rows.
        positives: rows that truly have the label or class; NaN where the word means nothing.
        chance: what predictions score that know nothing of the image; NaN where there is no such
            level.
    """

    model: str
    metric: str
    label: str
    group: str
    estimate: float
    low: float
    high: float
    interval_method: IntervalMethod
    n: int
    patients: int
    positives: float
    chance: float


COLUMNS = [field.name for field in fields(Row)]


@dataclass(frozen=True)
class Counts:
    """What a figure rests on; ``rarest``.

    Patients of the scarcest kind of row that it needs (positives for a sensitivity).
    """

    n: int
    patients: int
    rarest: int
    positives: float = NAN

    @property
    def enough(self) -> bool:
        """Whether there are patients enough for an interval."""
        return min(self.patients, self.rarest) >= MIN_POSITIVES


def sampled_row(
    metric: str,
    sampled: Sampled,
    index: tuple[int, ...],
    counts: Counts,
    chance: float,
    sampling: Sampling,
    label: str = "",
    proportion: Proportion | None = None,
) -> Row:
    """A resampled figure; without an interval where there are too few patients.

    Args:
        metric, label: of the row.
        sampled: the figures.
        index: of this figure among them.
        counts: what it rests on.
        chance: its chance level.
        sampling: whose level is that of the interval.
        proportion: of a figure that is one: its interval is Wilson's.
    """
    estimate = float(sampled.estimate[index])
    bounds: tuple[float, float, IntervalMethod] = (NAN, NAN, "none")
    if counts.enough and proportion is not None:
        top, bottom = proportion
        has_rows = bottom > 0
        bounds = (*wilson(top[has_rows], bottom[has_rows], sampling.level), "Wilson")
    elif counts.enough:
        bounds = sampled.interval(index, sampling.level)
    return Row(
        "",
        metric,
        label,
        "",
        estimate,
        *bounds,
        counts.n,
        counts.patients,
        counts.positives,
        chance,
    )


def ratio_row(
    metric: str,
    top: ArrayLike,
    bottom: ArrayLike,
    patients: Sequence[Hashable],
    chance: float,
    sampling: Sampling,
    label: str = "",
    rarest: int = MIN_POSITIVES,
    positives: float = NAN,
    proportion: bool = False,
) -> Row:
    """Σ ``top`` ÷ Σ ``bottom`` where neither is NaN.

    Without interval if ``rarest`` is under ``MIN_POSITIVES``; Wilson's for a ``proportion``.
    """
    interval = ratio_interval(
        top,
        bottom,
        patients,
        proportion=proportion,
        replicates=sampling.replicates,
        level=sampling.level,
        seed=sampling.seed,
    )
    bounds: tuple[float, float, IntervalMethod] = (
        (interval.low, interval.high, interval.interval_method)
        if rarest >= MIN_POSITIVES
        else (NAN, NAN, "none")
    )
    return Row(
        "",
        metric,
        label,
        "",
        interval.estimate,
        *bounds,
        interval.rows,
        interval.patients,
        positives,
        chance,
    )


def table(rows: Iterable[Row]) -> pd.DataFrame:
    """A line a figure; columns :data:`COLUMNS`."""
    frame = pd.DataFrame([asdict(row) for row in rows], columns=COLUMNS)
    return frame.astype(
        dict.fromkeys(("estimate", "low", "high", "positives", "chance"), np.float64)
    )
