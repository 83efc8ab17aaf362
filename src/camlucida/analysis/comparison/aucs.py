"""Does one model tell positives from negatives better than another? AUCs compared in pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from camlucida.analysis.comparison.predictions import SeriesPredictions
from camlucida.core.messages import Message, Value, declare
from camlucida.metrics.auc_difference import AucDifference, ScoredRows, mean_auc_difference
from camlucida.metrics.statistics import holm

declare(
    "comparison_aucs",
    {
        "explained": (
            "Difference of the AUCs of two models on the same images, with DeLong's 95% interval "
            "and p-value; rows of a patient are added first (Obuchowski 1997)."
        ),
        "corrected": (
            "p-values are corrected by Holm's method over the labels and pairs of this table; "
            "those of the mean over labels apart."
        ),
        "line": "AUC of {first} − {second}, {label}: {difference:.3f}",
        "line_interval": (
            "AUC of {first} − {second}, {label}: {difference:.3f} [{low:.3f}, {high:.3f}], "
            "p {p:.2g}, corrected {p_holm:.2g}"
        ),
        "all": "mean of the labels",
    },
)

ALL_LABELS = ""

COLUMNS = [
    *("group", "first", "second", "label", "auc_first", "auc_second"),
    *("estimate", "low", "high", "interval_method", "p", "p_holm"),
    *("rows", "positives", "patients"),
]
"""Of the table of AUCs. ``estimate`` is first − second; label "" is the mean of the labels."""

KEYS = ["image", "label"]


def auc_rows(first: SeriesPredictions, second: SeriesPredictions) -> Iterator[dict[str, Any]]:
    """AUCs of two models compared: of the mean over labels, where there are several, and of each.

    Classes are compared one against the rest, by their probabilities.

    Args:
        first, second: predictions of the same images.

    Yields:
        Columns from ``label`` of :data:`COLUMNS`, without ``p_holm``; nothing for models that
        predict values or regions, and for labels without a known positive and negative row.
    """
    if first.kind != second.kind or first.kind not in ("labels", "classes"):
        return
    both = first.frame.merge(
        second.frame[[*KEYS, "probability", "logit"]], on=KEYS, suffixes=("_1", "_2")
    )
    both = both[both["truth"].notna()]
    of_labels = {}
    for label in _labels(first):
        rows = _scored_rows(both[both["label"] == label], first.kind == "labels")
        difference = mean_auc_difference([rows])
        if np.isfinite(difference.estimate):
            of_labels[label] = rows, difference
    if len(of_labels) > 1:
        yield _row(ALL_LABELS, mean_auc_difference([rows for rows, _ in of_labels.values()]))
    for label, (_, difference) in of_labels.items():
        yield _row(label, difference)


def auc_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The table of AUCs, with corrected p-values.

    Args:
        rows: of :func:`auc_rows`, with the columns ``group``, ``first`` and ``second``.

    Returns:
        Columns :data:`COLUMNS`; ``p_holm`` over all rows of labels, and over those of means.
    """
    table = pd.DataFrame(rows, columns=COLUMNS)
    questions = (table["label"] == ALL_LABELS).to_numpy(bool)
    corrected = np.full(len(table), np.nan)
    for question in (questions, ~questions):
        corrected[question] = holm(table["p"].to_numpy(np.float64)[question])
    return table.assign(p_holm=corrected)


def auc_line(row: Mapping[Any, Any]) -> Message:
    """A row of the table as a line.

    Args:
        row: columns :data:`COLUMNS`.
    """
    values: dict[str, Value] = {
        "first": row["first"],
        "second": row["second"],
        "label": row["label"] or Message("comparison_aucs.all"),
        "difference": float(row["estimate"]),
    }
    if np.isnan(row["p"]):
        return Message("comparison_aucs.line", values)
    bounds = {name: float(row[name]) for name in ("low", "high", "p", "p_holm")}
    return Message("comparison_aucs.line_interval", values | bounds)


def _labels(predictions: SeriesPredictions) -> tuple[str, ...]:
    """Labels to compare; of two classes the second, since the AUC of the first is the same."""
    if predictions.kind == "classes" and len(predictions.labels) == 2:
        return predictions.labels[1:]
    return predictions.labels


def _scored_rows(rows: pd.DataFrame, by_logit: bool) -> ScoredRows:
    """Scores of both models: logits where all rows have one, since probabilities saturate."""
    scores = []
    kept = np.ones(len(rows), bool)
    for model in (1, 2):
        probability = rows[f"probability_{model}"].to_numpy(np.float64)
        logit = rows[f"logit_{model}"].to_numpy(np.float64)
        scores.append(logit if by_logit and np.isfinite(logit).all() else probability)
        kept &= np.isfinite(scores[-1])
    truth = rows["truth"].to_numpy(np.float64)
    first, second = (score[kept] for score in scores)
    return ScoredRows(truth[kept], first, second, rows["patient"][kept].tolist())


def _row(label: str, difference: AucDifference) -> dict[str, Any]:
    measured = dict(vars(difference))
    aucs = {"auc_first": measured.pop("first"), "auc_second": measured.pop("second")}
    return {"label": label, **aucs, **measured}
