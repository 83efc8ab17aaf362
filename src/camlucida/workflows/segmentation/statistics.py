"""The numbers of each map: its size, its heat inside and outside of regions, and chance levels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from camlucida.attribution.explanation import Explanation
from camlucida.metrics.contrast import Contrast, contrast
from camlucida.metrics.score_table import table
from camlucida.metrics.segmentation import MaskPair, compare_masks, evaluate_segmentation
from camlucida.metrics.statistics import mean_interval
from camlucida.workflows.segmentation.inputs import Layer
from camlucida.workflows.segmentation.run_view import SegmentationCase, SegmentationRun

BEYOND = 0.05
"""A map is beyond chance where at most this share of the region's positions reach its ratio."""

AVERAGED = (
    "mean",
    "std",
    "max",
    "relative_mean",
    "relative_std",
    "ratio",
    "share",
    "truth_ratio",
    "truth_share",
)
"""Columns of which the summary has means."""

CHANCES = {
    "ratio": "shifted_median",
    "share": "area",
    "truth_ratio": "truth_shifted_median",
    "truth_share": "truth_area",
}
"""Averaged column → column of its chance level."""

KEYS = ("layer", "method", "label", "target")
"""What the rows of one mean have in common."""

SUMMARY = (
    *KEYS,
    "metric",
    "estimate",
    "low",
    "high",
    "interval_method",
    "median",
    "images",
    "patients",
    "chance",
    "left_out",
)


def overlap(run: SegmentationRun) -> pd.DataFrame:
    """Compare masks: one row an image with a true mask and a label.

    Columns of :func:`~camlucida.metrics.segmentation.compare_masks`. Of a model with more than one
    label, the labels that were explained in the image.
    """
    return compare_masks(_mask_pairs(run))


def agreement(overlaps: pd.DataFrame) -> pd.DataFrame:
    """Dice, IoU and components found, with intervals by patient and chance levels.

    Args:
        overlaps: of :func:`overlap`.
    """
    return table(evaluate_segmentation(overlaps)) if len(overlaps) else table([])


def map_row(
    run: SegmentationRun,
    case: SegmentationCase,
    index: int,
    explanation: Explanation,
    overlaps: pd.DataFrame,
) -> dict[str, Any]:
    """The row of ``statistics.csv`` of one map; NaN where a number does not exist.

    Args:
        run: of the map.
        case: of the map.
        index: its row among the run's explanations.
        explanation: the map.
        overlaps: of :func:`overlap`.
    """
    row = run.explanations.iloc[index]
    layer = run.layer(row["layer"])
    numbers = {
        "image": case.image,
        "patient": case.patient,
        "label": row["label"],
        "target": row["target_name"],
        "target_source": row["target_source"],
        "method": row["method"],
        "layer": layer.name,
        "path": layer.path,
        "grid": "x".join(map(str, explanation.grid)),
        "score": explanation.score,
        "probability": explanation.probability,
        **_sizes(explanation),
        "unit": row["unit"],
        **_columns(contrast(explanation, run.region(case, index))),
        "circular": _circular(layer, row["target_source"]),
    }
    truth = case.truth(str(row["label"]))
    if truth is not None:
        in_truth = _columns(contrast(explanation, truth))
        numbers |= {f"truth_{name}": value for name, value in in_truth.items()}
    of_label = (overlaps["image"] == case.image) & (overlaps["label"] == row["label"])
    if of_label.any():
        masks = overlaps[of_label].iloc[0]
        numbers |= masks.drop(["image", "patient", "label", "model"]).to_dict()
    reason = explanation.empty_reason
    return {**numbers, "empty_reason_code": "" if reason is None else reason.dumps()}


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over the images of each layer, method, label and target; columns :data:`SUMMARY`.

    With intervals by patient from ten on. ``beyond_chance`` is the share of maps whose ratio at
    most :data:`BEYOND` of all positions of the region reach; if the position did not matter, about
    as many would. ``left_out``: maps without the number, or with an infinite one (no heat
    outside).

    Args:
        rows: of :func:`map_row`.
    """
    means: list[dict[str, Any]] = []
    for key, part in rows.groupby(list(KEYS), sort=False):
        about = dict(zip(KEYS, key, strict=True))
        for name in AVERAGED:
            if name in part:
                chance = part[CHANCES[name]] if name in CHANCES else None
                means.append(about | {"metric": name} | _mean(part[name], chance, part))
        beyond = (part["reached"] <= BEYOND).astype(float).where(part["reached"].notna())
        level = pd.Series(BEYOND, index=part.index)
        means.append(about | {"metric": "beyond_chance"} | _mean(beyond, level, part, True))
    return pd.DataFrame(means, columns=list(SUMMARY))


def _mask_pairs(run: SegmentationRun) -> Iterator[MaskPair]:
    for case in run.cases:
        explained = list(dict.fromkeys(run.explanations["label"].iloc[list(case.maps)]))
        only_label = run.labels if len(run.labels) == 1 else []
        if case.truth_is_empty:
            # An empty mask is the truth of every label, also where nothing could be explained.
            explained = list(dict.fromkeys([*explained, *run.explanations["label"]]))
        annotated = [label for label in case.truths if label]
        for label in annotated or explained or only_label:
            truth = case.truth(label)
            if truth is not None and label in case.predicted:
                predicted = case.predicted[label]
                yield MaskPair(case.image, case.patient, label, truth, predicted)


def _sizes(explanation: Explanation) -> dict[str, float]:
    """Mean, standard deviation and maximum of the map where the model saw the image."""
    window = tuple(slice(*span) for span in explanation.scan.geometry.seen())
    values = explanation.numpy()[window].astype(np.float64)
    mean, std, top = float(values.mean()), float(values.std()), float(values.max())
    return {
        "mean": mean,
        "std": std,
        "max": top,
        "relative_mean": mean / top if top > 0 else np.nan,
        "relative_std": std / top if top > 0 else np.nan,
    }


def _columns(measured: Contrast) -> dict[str, float]:
    """A contrast as columns: ratio, shifted_median, shifted_low, …"""
    columns: dict[str, float] = {}
    for name, value in asdict(measured).items():
        if isinstance(value, dict):
            columns |= {f"{name}_{part}": number for part, number in value.items()}
        else:
            columns[name] = value
    return columns


def _circular(layer: Layer, source: str) -> str:
    """Whether the ratio is decided beforehand.

    "yes" behind the encoder; "partly" before it, for a region of the model's prediction.
    """
    if layer.behind:
        return "yes"
    return "" if source == "true" else "partly"


def _mean(
    values: pd.Series, chance: pd.Series | None, rows: pd.DataFrame, proportion: bool = False
) -> dict[str, Any]:
    """The mean of a column with its interval, its median and its chance level."""
    mean = mean_interval(values, list(rows["patient"]), proportion=proportion)
    finite = np.isfinite(values)
    level = np.nan
    if chance is not None and finite.any():
        level = float(chance[finite].replace(np.inf, np.nan).mean())
    return {
        "estimate": mean.estimate,
        "low": mean.low,
        "high": mean.high,
        "interval_method": mean.interval_method,
        "median": float(values[finite].median()) if finite.any() else np.nan,
        "images": mean.rows,
        "patients": mean.patients,
        "chance": level,
        "left_out": len(rows) - mean.rows,
    }
