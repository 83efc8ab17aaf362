"""The tables of an ensemble: ``ensemble.csv``, ``localisation.csv`` and its summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from camlucida.core.messages import Message
from camlucida.metrics.statistics import mean_interval

ENSEMBLE = "ensemble"
"""Name of the ensemble in the column ``model``."""

MEASURES = ("iou", "dice", "pixel_accuracy", "localised_10", "localised_30")
PROPORTIONS = ("localised_10", "localised_30")
"""Of ``localisation.csv``, on the page."""

LOCALISATION_COLUMNS = [
    "image",
    "patient",
    "label",
    "model",
    "boxes",
    "true_boxes",
    "iou",
    "dice",
    "pixel_accuracy",
    "top_iou",
    "iou_chance",
    "dice_chance",
    "pixel_accuracy_chance",
    "top_iou_chance",
    "localised_10",
    "localised_30",
    "localised_10_chance",
    "localised_30_chance",
    "pixel_accuracy_nothing",
]

_OF_MEMBER = ("map_weight", "heat", "heat_unit", "faint", "evidence")
_OF_ENSEMBLE = ("agreement", "null", "excess", "disagreement")


def ranked(
    table: pd.DataFrame, decisions: pd.DataFrame, name: str, top: int
) -> list[tuple[str, float]]:
    """The most probable labels of a classifier, with their probabilities.

    Args:
        table: of :meth:`~camlucida.analysis.ensemble.findings.EnsembleFindings.table`.
        decisions: what labels are ordered by, of
            :meth:`~camlucida.analysis.ensemble.findings.EnsembleFindings.decisions`.
        name: of the classifier.
        top: number of labels.
    """
    best = decisions[name].dropna().sort_values(ascending=False, kind="stable")[:top]
    probabilities = table[name].to_dict()
    return [(str(label), float(probabilities[label])) for label in best.index]


def table_rows(
    image: str,
    patient: str,
    table: pd.DataFrame,
    decisions: pd.DataFrame,
    names: Sequence[str],
    weights: Mapping[str, float],
    chosen: Mapping[str, Message],
    findings: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Rows of ``ensemble.csv``: each label and classifier of an image, and the ensemble.

    Args:
        image, patient: of the rows.
        table: probabilities, of
            :meth:`~camlucida.analysis.ensemble.findings.EnsembleFindings.table`.
        decisions: what labels are ordered by, as of :func:`ranked`.
        names: of the classifiers, and the ensemble.
        weights: of the classifiers.
        chosen: label that is shown → why.
        findings: entries of ``metadata.json`` of the labels that are shown.
    """
    by_label = {finding["label"]: finding for finding in findings}
    rows = []
    for name in names:
        decided = decisions[name].to_dict()
        ranks = decisions[name].rank(ascending=False, method="first")
        for label, probability in table[name].dropna().items():
            reason = chosen.get(str(label))
            row = {
                "image": image,
                "patient": patient,
                "label": label,
                "model": name,
                "probability": probability,
                "decided": decided[label],
                "rank": int(ranks[str(label)]),
                "weight": weights.get(name),
                "shown": reason is not None,
                "reason_code": reason.dumps() if reason else "",
            }
            rows.append(row | _map_numbers(name, by_label.get(str(label), {})))
    return rows


def localisation_summary(
    localised: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> list[dict[str, Any]]:
    """A row a model: the mean of each measure over findings, with its interval and chance level.

    Args:
        localised: rows of ``localisation.csv``.
        names: of the classifiers, and the ensemble.
    """
    table = pd.DataFrame(localised, columns=LOCALISATION_COLUMNS)
    rows = []
    for name in names:
        part = table[table["model"] == name]
        if part.empty:
            continue
        measures: dict[str, dict[str, float | None]] = {}
        for measure in MEASURES:
            interval = mean_interval(
                part[measure].astype(float),
                part["patient"].tolist(),
                proportion=measure in PROPORTIONS,
            )
            measures[measure] = {
                "estimate": number_or_none(interval.estimate),
                "low": number_or_none(interval.low),
                "high": number_or_none(interval.high),
                "chance": float(part[f"{measure}_chance"].mean()),
            }
        counts = {"findings": len(part), "patients": part["patient"].nunique()}
        rows.append({"model": name, **counts, "measures": measures})
    return rows


def number_or_none(value: float) -> float | None:
    """For JSON, which has no NaN."""
    return float(value) if np.isfinite(value) else None


def _map_numbers(name: str, finding: Mapping[str, Any]) -> dict[str, Any]:
    """Of the map of a classifier, or of the ensemble; None where there is none."""
    members = {member["model"]: member for member in finding.get("members", ())}
    member = members.get(name, {})
    whole = finding if name == ENSEMBLE else {}
    shown = whole or member
    reason = member.get("empty_reason")
    return {
        **{key: member.get(key) for key in _OF_MEMBER},
        "empty_reason_code": reason.dumps() if isinstance(reason, Message) else None,
        "peak": shown.get("peak"),
        "boxes": len(shown.get("boxes", ())),
        **{key: whole.get(key) for key in _OF_ENSEMBLE},
    }
