"""Metrics of all images together, from the boxes that each map draws: MaxBoxAccV2 and box AP, with patient-level intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from camlucida.evaluation.maps.choice import BOX_METRICS
from camlucida.evaluation.maps.summary import ALL_LABELS, SUMMARY, about
from camlucida.metrics.localisation import (
    BOX_LEVELS,
    BOX_OVERLAPS,
    box_ap30,
    box_ap50,
    max_box_acc_v2,
)
from camlucida.metrics.statistics import MIN_POSITIVES, REPLICATES

DRAWS = 500
"""Bootstrap replicates where each is a whole ranking of boxes; 2.5 % limits need no more than a few hundred."""


def summarise_boxes(
    boxes: pd.DataFrame,
    together: bool,
    names: Sequence[str] = BOX_METRICS,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Summary rows (``SUMMARY``) of the pooled metrics, for each label, method and layer.

    Args:
        boxes: one row an image, label, method and layer: ``found`` (N, 5), ``truth`` (M, 4), ``accuracy`` (levels × overlaps).
        together: also for all labels, as the other metrics of the run have it.
        names: which of ``BOX_METRICS``.
        level: coverage of the percentile intervals, which resample patients.
        seed: of the resampling.
    """
    lines = []
    groups = [*boxes.groupby(["label", "method", "layer"], sort=False)]
    if together:
        groups += [
            ((ALL_LABELS, *key), group)
            for key, group in boxes.groupby(["method", "layer"], sort=False)
        ]
    for (label, method, layer), group in groups:
        for name in names:
            estimate, low, high, interval_method = _interval(name, group, level, seed)
            known = about(name)
            lines.append(
                {
                    **{
                        "label": label,
                        "method": method,
                        "layer": layer,
                        "baseline": bool(group["baseline"].any()),
                    },
                    **{
                        "metric": name,
                        "output": "",
                        "family": known.family,
                        "direction": known.direction,
                    },
                    **{"range_low": known.range[0], "range_high": known.range[1]},
                    **{
                        "estimate": estimate,
                        "low": low,
                        "high": high,
                        "interval_method": interval_method,
                    },
                    **{
                        "patients": group["patient"].nunique(),
                        "rows": len(group),
                        "nan_rate": 0.0,
                        "empty_rate": np.nan,
                    },
                    **{
                        "chance": np.nan,
                        "ceiling": np.nan,
                        "over_ceiling": np.nan,
                        "synthetic": bool(group["synthetic"].any()),
                    },
                }
            )
    return pd.DataFrame(lines, columns=SUMMARY)


def _interval(
    name: str, group: pd.DataFrame, level: float, seed: int
) -> tuple[float, float, float, str]:
    """Estimate, limits, and how they were found."""
    number = {patient: i for i, patient in enumerate(dict.fromkeys(group["patient"]))}
    owner = np.array([number[patient] for patient in group["patient"]])
    score, draws = _scorer(name, group)
    estimate = score(np.arange(len(group)))
    if len(number) < MIN_POSITIVES or not np.isfinite(estimate):
        return estimate, np.nan, np.nan, "none"
    rows_of = [np.flatnonzero(owner == patient) for patient in range(len(number))]
    rng = np.random.default_rng(seed)
    drawn = [
        score(np.concatenate([rows_of[i] for i in rng.integers(0, len(number), len(number))]))
        for _ in range(draws)
    ]
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return estimate, float(low), float(high), "percentile"


def _scorer(name: str, group: pd.DataFrame) -> tuple[Callable[[np.ndarray], float], int]:
    """The metric of some rows, and how many replicates it is quick enough for."""
    if name == "max_box_acc_v2":
        shape = (len(BOX_LEVELS), len(BOX_OVERLAPS))
        tables = np.array(
            [np.asarray(values, float).reshape(shape) for values in group["accuracy"]]
        )
        return lambda rows: max_box_acc_v2(tables[rows]), REPLICATES
    found, truth = group["found"].tolist(), group["truth"].tolist()
    metric = {"box_ap30": box_ap30, "box_ap50": box_ap50}[name]
    return lambda rows: metric([found[i] for i in rows], [truth[i] for i in rows]), DRAWS
