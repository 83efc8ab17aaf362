"""Do two models predict the same of the same images?

Decisions are compared by their share of agreement and Cohen's kappa, scores and values by Pearson's
correlation, regions by Dice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlucida.analysis.cases.outcomes import (
    most_probable_class,
    predicted_region,
    region_dice,
)
from camlucida.analysis.comparison.predictions import OTHER_TASK, Kind, SeriesPredictions
from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare
from camlucida.metrics.annotations import Mask
from camlucida.metrics.bootstrap import (
    MIN_POSITIVES,
    Floats,
    Sampling,
    by_patient,
    divide,
    mean_of_known,
    numbered,
    sampled_sums,
)
from camlucida.metrics.multilabel import DECISION_THRESHOLD, decision_values
from camlucida.metrics.statistics import mean_interval

declare(
    "agreement",
    {
        "labels": "same decision",
        "classes": "same class",
        "values": "Pearson r of the values",
        "regions": "Dice of the predicted regions",
    },
)

CaseKey = tuple[str, str]
"""Image and label; the label of a class decision is "", since the class is the prediction."""

ALL_LABELS = ""

OVERLAP = 0.5
"""Predicted regions of two models agree from this Dice on."""

NAN = float("nan")
KEYS = ["image", "label"]


@dataclass(frozen=True)
class PredictionAgreement:
    """How often two models predict the same.

    Attributes:
        estimate, low, high: share of equal decisions (or Pearson r of values, mean Dice of
            regions) with its interval, patients resampled.
        chance: the share that two independent models of the same rates would reach; 0 for r; NaN
            for Dice.
        kappa: Cohen's, of decisions; over several labels (estimate − chance) ÷ (1 − chance).
        correlation, correlation_low, correlation_high: Pearson r of the logits of a label; its mean
            over several.
        n: number of rows.
    """

    estimate: float
    low: float
    high: float
    chance: float = NAN
    kappa: float = NAN
    correlation: float = NAN
    correlation_low: float = NAN
    correlation_high: float = NAN
    n: int = 0


Agreements = tuple[dict[str, PredictionAgreement], dict[CaseKey, float]]
"""Label → agreement, "" for all labels together; and case → whether the two agree (1, 0, NaN)."""


def agreement_name(kind: Kind) -> Message:
    """What the agreement of two models is a share or correlation of.

    Args:
        kind: of their predictions.

    >>> str(agreement_name("labels"))
    'same decision'
    """
    return Message(f"agreement.{kind}")


def agreements(first: SeriesPredictions, second: SeriesPredictions, gap: float) -> Agreements:
    """How far two models agree, over all labels and of each, and in each case.

    Args:
        first, second: predictions of the same images.
        gap: largest difference at which two values count as the same; NaN where none is defined.

    Returns:
        Label → agreement, "" for all labels together; and case → 1 where both predict the same, 0
        where they do not, NaN where it was not measured.

    Raises:
        UsageError: the models are of different tasks.
    """
    if first.kind != second.kind:
        raise UsageError(*OTHER_TASK)
    return _OF_KIND[first.kind](first, second, gap)


_OF_LABELS = ("probability", "logit", "decided")


def _with_decisions(predictions: SeriesPredictions) -> SeriesPredictions:
    """With the column ``decided``, which the decision threshold is compared with."""
    frame = predictions.frame
    return replace(predictions, frame=frame.assign(decided=decision_values(frame)))


def _of_labels(first: SeriesPredictions, second: SeriesPredictions, gap: float) -> Agreements:
    both = _merged(_with_decisions(first), _with_decisions(second), _OF_LABELS)
    measured = both["probability_1"].notna() & both["probability_2"].notna()
    both = both[measured].reset_index(drop=True)
    x = both["decided_1"] >= DECISION_THRESHOLD
    y = both["decided_2"] >= DECISION_THRESHOLD
    has_logits = both[["logit_1", "logit_2"]].notna().all(axis=None)
    # Probabilities saturate near 0 and 1; logits keep the differences there.
    u, v = _columns(both, "logit" if has_logits else "probability")
    by_label = {ALL_LABELS: _of_decisions(both, x, y, u, v)}
    for label in dict.fromkeys(both["label"]):
        rows = (both["label"] == label).to_numpy()
        by_label[label] = _of_decisions(both[rows], x[rows], y[rows], u[rows], v[rows])
    return by_label, _by_case(both, np.asarray(x == y, np.float64))


def _of_classes(first: SeriesPredictions, second: SeriesPredictions, gap: float) -> Agreements:
    other = most_probable_class(second.frame)[["image", "predicted"]]
    both = most_probable_class(first.frame).merge(other, on="image", suffixes=("_1", "_2"))
    both = both.assign(label=ALL_LABELS)
    x, y = both["predicted_1"], both["predicted_2"]
    no_scores = np.full(len(both), NAN)
    by_label = {ALL_LABELS: _of_decisions(both, x, y, no_scores, no_scores)}
    for label in dict.fromkeys((*first.labels, *second.labels)):
        by_label[label] = _of_decisions(both, x == label, y == label, no_scores, no_scores)
    return by_label, _by_case(both, np.asarray(x == y, np.float64))


def _of_values(first: SeriesPredictions, second: SeriesPredictions, gap: float) -> Agreements:
    both = _merged(first, second, ["value"])
    u, v = _columns(both, "value")
    by_label = {}
    for label, rows in _rows_of_labels(both):
        r = _correlation(both[rows], u[rows], v[rows])
        n = int(rows.sum())
        by_label[label] = PredictionAgreement(*r, 0.0, NAN, *r, n=n)
    difference = np.abs(u - v)
    measured = np.isfinite(difference) & np.isfinite(gap)
    return by_label, _by_case(both, _flags(difference <= gap, measured))


def _of_regions(first: SeriesPredictions, second: SeriesPredictions, gap: float) -> Agreements:
    both = _merged(first, second, ["region", "original"])
    records = both.to_dict("records")
    overlaps = [_overlap(_region(record, 1), _region(record, 2)) for record in records]
    dice = np.array(overlaps, np.float64)
    by_label = {}
    for label, rows in _rows_of_labels(both):
        patients = both["patient"][rows].tolist()
        mean = mean_interval(dice[rows], patients)
        by_label[label] = PredictionAgreement(mean.estimate, mean.low, mean.high, n=mean.rows)
    return by_label, _by_case(both, _flags(dice >= OVERLAP, np.isfinite(dice)))


_OF_KIND: dict[Kind, Callable[[SeriesPredictions, SeriesPredictions, float], Agreements]] = {
    "labels": _of_labels,
    "classes": _of_classes,
    "values": _of_values,
    "regions": _of_regions,
}


def _rows_of_labels(frame: pd.DataFrame) -> list[tuple[str, NDArray[np.bool_]]]:
    """All labels together, then each, with a mask of its rows."""
    labels = list(dict.fromkeys(frame["label"]))
    each = [(label, (frame["label"] == label).to_numpy()) for label in labels]
    return [(ALL_LABELS, np.ones(len(frame), bool)), *each]


def _of_decisions(
    frame: pd.DataFrame, x: pd.Series, y: pd.Series, u: Floats, v: Floats
) -> PredictionAgreement:
    """Of decisions x and y, and scores u and v; chance and kappa over labels."""
    if frame.empty:
        return PredictionAgreement(NAN, NAN, NAN)
    same = (x == y).to_numpy(np.float64)
    mean = mean_interval(same, frame["patient"].tolist(), proportion=True)
    labels = [frame["label"] == label for label in dict.fromkeys(frame["label"])]
    chances = [_chance(x[rows], y[rows]) for rows in labels]
    sizes = [rows.sum() for rows in labels]
    chance = float(np.average(chances, weights=sizes))
    kappa = NAN
    if len(labels) > 1:
        if chance < 1:
            kappa = (mean.estimate - chance) / (1 - chance)
    elif len({*x, *y}) > 1:
        from sklearn.metrics import cohen_kappa_score  # a second, which other commands are spared

        kappa = float(cohen_kappa_score(x, y))
    r = _correlation(frame, u, v)
    return PredictionAgreement(mean.estimate, mean.low, mean.high, chance, kappa, *r, n=mean.rows)


def _chance(x: pd.Series, y: pd.Series) -> float:
    """Agreement of independent decisions of the same rates."""
    total = 0.0
    for decision in x.unique():
        rates = (x == decision).mean(), (y == decision).mean()
        total += float(rates[0] * rates[1])
    return total


def _correlation(frame: pd.DataFrame, u: Floats, v: Floats) -> tuple[float, float, float]:
    """Pearson r of each label, their mean, and its interval.

    NaN where a number is missing or constant.
    """
    labels, positions = np.unique(frame["label"].to_numpy(str), return_inverse=True)
    all_finite = np.isfinite(u).all() and np.isfinite(v).all()
    if frame.empty or not all_finite:
        return NAN, NAN, NAN
    # r follows from six sums, so a resample of patients costs one product of matrices. They are
    # sums of centred numbers: those of large values would lose r to cancellation.
    u, v = u - u.mean(), v - v.mean()
    moments = np.column_stack([np.ones_like(u), u, v, u * u, v * v, u * v])
    index, count = numbered(frame["patient"].tolist())
    is_label = np.eye(len(labels))[positions]
    spread = is_label[:, :, None] * moments[:, None]
    sums = by_patient(spread.reshape(len(u), -1), index, count)
    sampled = sampled_sums(_mean_correlation, sums, Sampling())
    estimate = float(sampled.estimate[0])
    if count < MIN_POSITIVES:
        return estimate, NAN, NAN
    low, high, _ = sampled.interval((0,), 0.95)
    return estimate, low, high


def _mean_correlation(totals: Floats) -> Floats:
    """(replicates, labels × 6 sums) → (replicates, 1)."""
    by_label = totals.reshape(len(totals), -1, 6)
    n, u, v, uu, vv, uv = np.moveaxis(by_label, -1, 0)
    spread_u = _variation(uu, u, n)
    spread_v = _variation(vv, v, n)
    covariation = uv - divide(u * v, n)
    r = divide(covariation, np.sqrt(spread_u * spread_v))
    return mean_of_known(np.clip(r, -1, 1))[:, None]


def _variation(squares: Floats, sums: Floats, n: Floats) -> Floats:
    """Σ(x − mean)²; 0 for a constant, of which the sums leave rounding."""
    variation = squares - divide(sums * sums, n)
    rounding = 1e-12 * np.maximum(squares, 1e-300)
    return np.where(variation <= rounding, 0, variation)


def _columns(both: pd.DataFrame, name: str) -> tuple[Floats, Floats]:
    """The numbers of the first and of the second model."""
    first = both[f"{name}_1"].to_numpy(np.float64)
    second = both[f"{name}_2"].to_numpy(np.float64)
    return first, second


def _merged(
    first: SeriesPredictions, second: SeriesPredictions, columns: Sequence[str]
) -> pd.DataFrame:
    """Rows of both by image and label, in the order of the first; ``NAME_1``, ``NAME_2``."""
    other = second.frame[[*KEYS, *columns]]
    frame = first.frame[[*KEYS, "patient", *columns]]
    return frame.merge(other, on=KEYS, suffixes=("_1", "_2"))


def _flags(same: NDArray[np.bool_], measured: NDArray[np.bool_]) -> Floats:
    """1, 0, or NaN where it was not measured."""
    flags = same.astype(np.float64)
    flags[~measured] = NAN
    return flags


def _by_case(frame: pd.DataFrame, same: Floats) -> dict[CaseKey, float]:
    cases = zip(frame["image"], frame["label"])
    return dict(zip(cases, same.tolist()))


def _region(record: Mapping[Any, Any], number: int) -> Mask | None:
    region = record[f"region_{number}"]
    original = record[f"original_{number}"]
    return predicted_region({"region": region, "original": original})


def _overlap(first: Mask | None, second: Mask | None) -> float:
    """Dice of two predicted regions; NaN where both are empty, or of images of different sizes."""
    if first is None or second is None or first.shape != second.shape:
        return NAN
    return region_dice(first, second)
