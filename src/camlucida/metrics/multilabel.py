"""Multi-label predictions: ranks, decisions at a threshold, calibration.

A label at a time, and the mean of labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.metrics.bootstrap import (
    Floats,
    Integers,
    Sampled,
    Sampling,
    by_patient,
    divide,
    mean_of_known,
    numbered,
    sampled_sums,
    sampled_weights,
)
from camlucida.metrics.ranks import Ranks
from camlucida.metrics.score_table import Counts, Proportion, Row, sampled_row

DECISION_THRESHOLD = 0.5
"""A label is predicted from this probability on, wherever no other threshold is given."""

BINS = 15
"""Bins of equal width of the expected calibration error (Guo 2017)."""

NULL_DRAWS = 200
"""Simulated truths behind the chance level of the calibration error."""

MEAN = "mean of labels"
MEAN_ENOUGH = "mean of labels with an interval"

RANKED = ("auc", "ap")
SUMMED = (
    "sensitivity",
    "specificity",
    "precision",
    "f1",
    "brier",
    "ece",
    "prevalence",
    "predicted_share",
)
METRICS = (*RANKED, *SUMMED)


@dataclass(frozen=True)
class _Label:
    """Rows of one label whose truth and probability are known.

    ``patient`` numbers the patients of the whole table.
    """

    name: str
    patient: Integers
    truth: Floats
    probability: Floats
    score: Floats
    predicted: Floats

    def columns(self) -> Floats:
        """(rows, 5 + BINS): TP, FP, FN, TN, squared error, and truth − probability in the row's
        bin.
        """
        y, z, p = self.truth, self.predicted, self.probability
        gaps = np.zeros((len(y), BINS))
        gaps[np.arange(len(y)), bin_of(p)] = y - p
        return np.column_stack(
            [y * z, (1 - y) * z, y * (1 - z), (1 - y) * (1 - z), (p - y) ** 2, gaps]
        )

    def proportions(self) -> dict[str, Proportion]:
        """Figure → (patients,) rows that count, and of which they are a share."""
        y, z, one = self.truth, self.predicted, np.ones_like(self.truth)
        rows = {
            "sensitivity": (y * z, y),
            "specificity": ((1 - y) * (1 - z), 1 - y),
            "precision": (y * z, z),
            "prevalence": (y, one),
            "predicted_share": (z, one),
        }
        _, index = np.unique(self.patient, return_inverse=True)
        sums = {}
        for metric, columns in rows.items():
            top, bottom = by_patient(np.column_stack(columns), index, self.patients()).T
            sums[metric] = (top, bottom)
        return sums

    def patients(self, rows: Floats | None = None) -> int:
        """How many have a row; of those that are marked, if given."""
        return len(np.unique(self.patient if rows is None else self.patient[rows > 0]))

    def counts(self, metric: str) -> Counts:
        positive, negative = self.patients(self.truth), self.patients(1 - self.truth)
        rarest = {
            **dict.fromkeys(RANKED, min(positive, negative)),
            **{
                "sensitivity": positive,
                "f1": positive,
                "specificity": negative,
                "precision": self.patients(self.predicted),
            },
        }
        everybody = self.patients()
        return Counts(
            len(self.truth), everybody, rarest.get(metric, everybody), float(self.truth.sum())
        )

    def chance(self) -> dict[str, float]:
        """Of predictions independent of the truth, as often positive as these.

        Of a constant for the Brier score.
        """
        if not len(self.truth):
            return dict.fromkeys(METRICS, float("nan"))
        share, predicted_share = float(self.truth.mean()), float(self.predicted.mean())
        return {
            "auc": 0.5,
            "ap": share,
            "sensitivity": predicted_share,
            "specificity": 1 - predicted_share,
            "precision": share,
            "f1": 2 * share * predicted_share / (share + predicted_share)
            if share + predicted_share
            else float("nan"),
            "brier": share * (1 - share),
            "ece": _calibrated_ece(self.probability),
            "prevalence": float("nan"),
            "predicted_share": float("nan"),
        }


def evaluate_multilabel(
    frame: pd.DataFrame,
    labels: Sequence[str],
    threshold: float = DECISION_THRESHOLD,
    sampling: Sampling | None = None,
) -> list[Row]:
    """Every figure of every label, then their means.

    - ``auc``, ``ap``: of the logit where all rows have one (a probability saturates), else of the
      probability; ties averaged.
    - ``sensitivity``, ``specificity``, ``precision``, ``f1``: positive is probability ≥
      ``threshold``, or where there is a column ``scaled_output`` that value (0.5 is then the
      model's operating point).
    - ``brier``: mean squared error; ``ece``: Σ over bins of |Σ truth − Σ probability| ÷ rows,
      :data:`BINS` bins. Its chance level is what a perfectly calibrated model of these
      probabilities would show by the luck of so few rows.
    - ``prevalence``, ``predicted_share``: share of rows truly positive, and called so; 0 is a label
      never predicted.

    Intervals of a label's proportions (``sensitivity``, ``specificity``, ``precision``,
    ``prevalence``, ``predicted_share``) are Wilson's, clustered by patient; all others are BCa
    (:mod:`camlucida.metrics.intervals`). None is given where fewer than 10 patients have a positive
    (``auc``, ``ap``, ``sensitivity``, ``f1``), a negative (``auc``, ``ap``, ``specificity``) or a
    positive call (``precision``).

    The rows :data:`MEAN` are over the labels that have the figure, with an interval only if each of
    them has one; where some have none, the rows :data:`MEAN_ENOUGH` are over those that do.

    Args:
        frame: columns patient, label, logit, probability [0, 1], truth (0, 1 or NaN: unknown, left
            out).
        labels: in the order of the rows.
        threshold: in [0, 1].
        sampling: of the intervals.

    Returns:
        A row a label and figure, then those of the means; all figures in [0, 1], NaN where a label
        lacks what the figure needs.

    Raises:
        UsageError: no labels, or a threshold outside [0, 1].
        KeyError: a column is missing.

    >>> columns = {"logit": [-1.0, 1.0], "probability": [0.2, 0.8], "truth": [0.0, 1.0]}
    >>> frame = pd.DataFrame({"patient": [1, 2], "label": "nodule", **columns})
    >>> row = evaluate_multilabel(frame, ["nodule"])[0]
    >>> row.metric, row.label, row.estimate
    ('auc', 'nodule', 1.0)
    """
    if not labels:
        raise UsageError("no labels to evaluate", "name one label or more")
    if not 0 <= threshold <= 1:
        raise UsageError(
            f"a threshold of {threshold}", "it is a probability: give a number from 0 to 1"
        )
    sampling = sampling or Sampling()
    index, count = numbered(frame["patient"].tolist())
    parts = [_part(frame, index, label, threshold) for label in labels]
    width = 5 + BINS
    sums = np.concatenate(
        [by_patient(part.columns(), part.patient, count) for part in parts], axis=1
    )
    of_sums = sampled_sums(
        lambda totals: _summed(totals.reshape(-1, len(parts), width)), sums, sampling
    )
    ranks = [Ranks.of(part.score, part.patient, part.truth) for part in parts]
    most = max(len(part.truth) for part in parts)
    of_ranks = sampled_weights(partial(_ranked, ranks), count, most, sampling)
    columns = [*_columns(RANKED, of_ranks), *_columns(SUMMED, of_sums)]
    rows: list[Row] = []
    for number, part in enumerate(parts):
        chance, proportions = part.chance(), part.proportions()
        for metric, sampled, k in columns:
            row = sampled_row(
                metric,
                sampled,
                (number, k),
                part.counts(metric),
                chance[metric],
                sampling,
                part.name,
                proportions.get(metric),
            )
            rows.append(row)
    for metric, sampled, k in columns:
        of_labels = [row for row in rows if row.metric == metric]
        rows += _means(metric, sampled, k, of_labels, parts, sampling)
    return rows


def _columns(metrics: Sequence[str], sampled: Sampled) -> list[tuple[str, Sampled, int]]:
    """(metric, figures, place of the metric among them)."""
    return [(metric, sampled, k) for k, metric in enumerate(metrics)]


def bin_of(probability: Floats) -> Integers:
    """Number of the calibration bin of each probability.

    [k, k + 1) ÷ BINS, the last with its end.

    Args:
        probability: (rows,) in [0, 1].

    Returns:
        (rows,) from 0 to :data:`BINS` − 1.

    >>> bin_of(np.array([0.0, 0.5, 1.0])).tolist()
    [0, 7, 14]
    """
    return np.minimum((probability * BINS).astype(np.int64), BINS - 1)


def decision_values(frame: pd.DataFrame) -> Floats:
    """What a decision compares with its threshold.

    It is the value that the model scales so that 0.5 is its operating point, where it does; else
    the probability.

    Args:
        frame: rows with ``probability``, and perhaps ``scaled_output``; both in [0, 1] or NaN.

    >>> frame = pd.DataFrame({"probability": [0.3, 0.3], "scaled_output": [0.6, np.nan]})
    >>> decision_values(frame).tolist()
    [0.6, 0.3]
    """
    probability = frame["probability"].to_numpy(np.float64)
    if "scaled_output" not in frame:
        return probability
    scaled = pd.to_numeric(frame["scaled_output"]).to_numpy(np.float64)
    return np.where(np.isfinite(scaled) & np.isfinite(probability), scaled, probability)


def _part(frame: pd.DataFrame, index: Integers, label: str, threshold: float) -> _Label:
    here = (frame["label"] == label).to_numpy()
    truth, probability, logit = (
        frame[name].to_numpy(np.float64)[here] for name in ("truth", "probability", "logit")
    )
    decided = decision_values(frame)[here]
    complete = np.isfinite(truth) & np.isfinite(probability)
    truth, probability, logit = truth[complete], probability[complete], logit[complete]
    score = logit if np.isfinite(logit).all() else probability
    return _Label(
        label,
        index[here][complete],
        truth,
        probability,
        score,
        (decided[complete] >= threshold).astype(np.float64),
    )


def _means(
    metric: str,
    sampled: Sampled,
    k: int,
    rows: Sequence[Row],
    parts: Sequence[_Label],
    sampling: Sampling,
) -> list[Row]:
    measured = [number for number, row in enumerate(rows) if np.isfinite(row.estimate)]
    enough = [number for number in measured if parts[number].counts(metric).enough]
    means = []
    for name, members in ((MEAN, measured), (MEAN_ENOUGH, enough)):
        if (name == MEAN_ENOUGH and members == measured) or not members:
            continue
        mean = sampled.then(partial(_mean_figure, members, k))
        counts = _together(metric, [parts[number] for number in members])
        chance = float(np.mean([rows[number].chance for number in members]))
        means.append(sampled_row(metric, mean, (0,), counts, chance, sampling, name))
    return means


def _together(metric: str, parts: Sequence[_Label]) -> Counts:
    """What a mean over several labels rests on."""
    counts = [part.counts(metric) for part in parts]
    patients = np.unique(np.concatenate([part.patient for part in parts]))
    return Counts(
        sum(count.n for count in counts),
        len(patients),
        min(count.rarest for count in counts),
        sum(count.positives for count in counts),
    )


def _mean_figure(members: Sequence[int], k: int, values: Floats) -> Floats:
    """(r, labels, figures) → (r, 1)."""
    return mean_of_known(values[:, list(members), k])[:, None]


def _summed(totals: Floats) -> Floats:
    """(r, labels, 5 + BINS) totals → (r, labels, SUMMED)."""
    tp, fp, fn, tn, squares = (totals[..., k] for k in range(5))
    n = tp + fp + fn + tn
    figures = [
        divide(tp, tp + fn),
        divide(tn, tn + fp),
        divide(tp, tp + fp),
        divide(2 * tp, 2 * tp + fp + fn),
        divide(squares, n),
        divide(np.abs(totals[..., 5:]).sum(-1), n),
        divide(tp + fn, n),
        divide(tp + fp, n),
    ]
    return np.stack(figures, axis=-1)


def _ranked(ranks: Sequence[Ranks], weights: Floats) -> Floats:
    """(r, patients) → (r, labels, RANKED)."""
    return np.stack([rank.figures(weights) for rank in ranks], axis=1)


def _calibrated_ece(probability: Floats) -> float:
    """Mean calibration error if each truth were drawn with just the probability given."""
    rng = np.random.default_rng(0)
    bins = np.eye(BINS)[bin_of(probability)]
    drawn = rng.random((NULL_DRAWS, len(probability))) < probability
    return float(np.abs((drawn - probability) @ bins).sum(1).mean() / len(probability))
