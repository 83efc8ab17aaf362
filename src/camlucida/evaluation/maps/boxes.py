"""Metrics of the boxes of all images together, with patient-level intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from camlucida.evaluation.maps.choice import with_inputs
from camlucida.evaluation.maps.summary import ALL_LABELS, SUMMARY, about
from camlucida.metrics.bootstrap import (
    MIN_POSITIVES,
    REPLICATES,
    Floats,
    Integers,
    Sampling,
    draws,
    numbered,
)
from camlucida.metrics.boxes import BOX_LEVELS, BOX_OVERLAPS, max_box_acc_v2
from camlucida.metrics.intervals import percentiles

DRAWS = 500
"""Bootstrap replicates where each is a whole ranking of boxes.

2.5 % limits need no more than a few hundred.
"""

NAN = float("nan")


def summarise_boxes(
    boxes: pd.DataFrame,
    together: bool,
    names: Sequence[str] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Summary rows (``SUMMARY``) of the metrics of all boxes, for each label, method and layer.

    Args:
        boxes: one row an image, label, method and layer: ``found`` (N, 5), ``truth`` (M, 4),
            ``accuracy`` (levels × overlaps).
        together: also for all labels, as the other metrics have it.
        names: of metrics whose inputs are "all boxes"; None: all of them.
        level: coverage of the percentile intervals, which resample patients.
        seed: of the resampling.
    """
    groups = list(boxes.groupby(["label", "method", "layer"], sort=False))
    if together:
        whole = boxes.assign(label=ALL_LABELS)
        groups += list(whole.groupby(["label", "method", "layer"], sort=False))
    metrics = with_inputs("all boxes", among=names)
    lines = []
    for (label, method, layer), group in groups:
        keys = {"label": label, "method": method, "layer": layer}
        lines += [keys | _summary_line(name, group, level, seed) for name in metrics]
    return pd.DataFrame(lines, columns=SUMMARY)


def _summary_line(name: str, group: pd.DataFrame, level: float, seed: int) -> dict[str, Any]:
    metric = about(name)
    estimate, low, high, interval_method = _interval(name, group, level, seed)
    return {
        "baseline": bool(group["baseline"].any()),
        "metric": name,
        "output": "",
        "family": metric.family,
        "direction": metric.direction,
        "range_low": metric.range[0],
        "range_high": metric.range[1],
        "estimate": estimate,
        "low": low,
        "high": high,
        "interval_method": interval_method,
        "patients": group["patient"].nunique(),
        "rows": len(group),
        "nan_rate": 0.0,
        "empty_rate": NAN,
        "chance": NAN,
        "ceiling": NAN,
        "over_ceiling": NAN,
        "synthetic": bool(group["synthetic"].any()),
    }


def _interval(
    name: str, group: pd.DataFrame, level: float, seed: int
) -> tuple[float, float, float, str]:
    """Estimate, limits, and the method of the interval."""
    owner, patients = numbered(group["patient"].tolist())
    score, replicates = _scorer(name, group)
    estimate = score(np.arange(len(group)))
    if patients < MIN_POSITIVES or not np.isfinite(estimate):
        return estimate, NAN, NAN, "none"
    rows_of = [np.flatnonzero(owner == patient) for patient in range(patients)]
    drawn = []
    for chosen in draws(patients, Sampling(level=level, seed=seed), 1, replicates):
        rows = np.concatenate([rows_of[patient] for patient in chosen[0]])
        drawn.append(score(rows))
    low, high = percentiles(np.array(drawn), level)
    return estimate, low, high, "percentile"


def _scorer(name: str, group: pd.DataFrame) -> tuple[Callable[[Integers], float], int]:
    """The metric of some rows, and the number of replicates that it is quick enough for."""
    run = about(name).run
    if run is max_box_acc_v2:
        tables = np.array([_accuracy(values) for values in group["accuracy"]])
        return lambda rows: max_box_acc_v2(tables[rows]), REPLICATES
    predicted, truth = group["found"].tolist(), group["truth"].tolist()

    def score(rows: Integers) -> float:
        drawn_predicted = [predicted[i] for i in rows]
        drawn_truth = [truth[i] for i in rows]
        return float(run(drawn_predicted, drawn_truth))

    return score, DRAWS


def _accuracy(values: Sequence[float]) -> Floats:
    return np.asarray(values, float).reshape(len(BOX_LEVELS), len(BOX_OVERLAPS))
