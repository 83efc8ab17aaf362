"""From the rows of an evaluation to its tables: means with intervals, curves, the sanity gate.

Needs no model: everything is computed again from the stored tables. The comparisons of methods are
in :mod:`~camlucida.evaluation.maps.differences`, the maps to look at in
:mod:`~camlucida.evaluation.maps.chosen`; all are at hand here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from camlucida.evaluation.maps.choice import PRIMARY
from camlucida.evaluation.maps.chosen import ChosenMap, ChosenMaps, best_median_worst
from camlucida.evaluation.maps.differences import (
    SIGNIFICANT,
    differences,
    disagreement,
    ranking,
)
from camlucida.evaluation.maps.row_tables import (
    ALL_LABELS,
    KEYS,
    Key,
    about,
    check_rows,
    groups,
    over_all_labels,
    preferred_score,
    title,
)
from camlucida.metrics.bootstrap import REPLICATES
from camlucida.metrics.statistics import mean_interval, rate

__all__ = [
    "ALL_LABELS",
    "SIGNIFICANT",
    "ChosenMap",
    "ChosenMaps",
    "about",
    "best_median_worst",
    "curve_means",
    "differences",
    "disagreement",
    "gate_table",
    "headline",
    "over_all_labels",
    "preferred_score",
    "ranking",
    "summarise",
    "title",
]

SUMMARY = [
    *("label", "method", "layer", "baseline", "metric", "output", "family", "direction"),
    *("range_low", "range_high", "estimate", "low", "high", "interval_method", "patients", "rows"),
    *("nan_rate", "empty_rate", "chance", "ceiling", "over_ceiling", "synthetic"),
]
GATE = [
    *("method", "layer", "mode", "block", "block_name", "labels", "pooled", "similarity", "null"),
    *("excess", "low", "high", "margin", "dead_rate", "images", "patients", "verdict", "more"),
    "decisive",
]
CURVE_MEANS = [
    *("method", "layer", "baseline", "curve", "output", "share"),
    *("estimate", "low", "high", "patients"),
]


def summarise(
    rows: pd.DataFrame, replicates: int = REPLICATES, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Mean of each metric by label, method, layer and model output, with its patient-level
    interval.

    Where there are several labels, rows of the label ``ALL_LABELS`` come first, over all of them.

    Args:
        rows: of :mod:`~camlucida.evaluation.maps.row_tables`; ``value`` NaN is no value.
        replicates, level, seed: as for :func:`~camlucida.metrics.statistics.mean_interval`.

    Returns:
        Columns ``SUMMARY``. ``estimate`` to ``nan_rate`` are those of
        :class:`~camlucida.metrics.intervals.Interval`; ``chance`` and ``ceiling`` are means over
        the rows with a value, ``over_ceiling`` the mean of value ÷ ceiling over those with a
        ceiling above 0; ``empty_rate`` is the share of maps without evidence; a range is NaN where
        unbounded.

    Raises:
        UsageError: a missing column, a row twice, an unknown metric, a label called "all labels".
    """
    check_rows(rows)
    tables = [rows]
    if rows["label"].nunique() > 1:
        tables.insert(0, rows.assign(label=ALL_LABELS))
    lines = []
    for table in tables:
        for key, group in groups(table, KEYS):
            lines.append(_summary_line(key, group, replicates, level, seed))
    return pd.DataFrame(lines, columns=SUMMARY)


def _summary_line(
    key: Key, group: pd.DataFrame, replicates: int, level: float, seed: int
) -> dict[str, Any]:
    line = dict(zip(KEYS, key))
    metric = about(str(line["metric"]))
    interval = mean_interval(
        group["value"],
        group["patient"].tolist(),
        proportion=metric.proportion,
        replicates=replicates,
        level=level,
        seed=seed,
    )
    valued = group[np.isfinite(group["value"])]
    bounded = valued[valued["ceiling"] > 0]
    return {
        **line,
        **vars(interval),
        "baseline": bool(group["baseline"].any()),
        "family": metric.family,
        "direction": metric.direction,
        "range_low": metric.range[0],
        "range_high": metric.range[1],
        "empty_rate": rate(group["empty"]),
        "chance": valued["chance"].mean(),
        "ceiling": valued["ceiling"].mean(),
        "over_ceiling": (bounded["value"] / bounded["ceiling"]).mean(),
        "synthetic": bool(group["synthetic"].any()),
    }


def headline(summary: pd.DataFrame) -> list[tuple[str, str]]:
    """(metric, model output) to show first.

    Those of ``PRIMARY`` that were measured, of one model output each; where there is none, the
    first metrics with a direction.

    Args:
        summary: of :func:`summarise`.

    Returns:
        At most as many pairs as ``PRIMARY`` has names.

    >>> table = pd.DataFrame({"metric": ["gini", "hit"], "output": ["", ""]})
    >>> headline(table)
    [('hit', '')]
    """
    measured = list(dict.fromkeys(zip(summary["metric"], summary["output"])))
    directional = [name for name, _ in measured if about(name).direction != "none"]
    directional = list(dict.fromkeys(directional))
    names = [name for name in PRIMARY if name in directional]
    if not names:
        names = directional[: len(PRIMARY)]
    first = []
    for name in names:
        outputs = [output for other, output in measured if other == name]
        first.append((name, preferred_score(outputs)))
    return first


def gate_table(sanity: pd.DataFrame) -> pd.DataFrame:
    """Parameter randomisation by method, layer, mode, block and label.

    Args:
        sanity: of :func:`~camlucida.evaluation.maps.randomisation.randomisation_table`.

    Returns:
        Columns ``GATE``, blocks from the logits down; one row a test, of one label or of the labels
        that were pooled (``labels``, a tuple). ``similarity`` is mean |similarity| without dead
        maps, ``low`` and ``high`` the bounds of similarity − null by patient, ``images`` and
        ``patients`` those that have a map with a similarity, ``verdict`` "depends",
        "unclear" or "unchanged", ``more`` the patients that are still needed. ``decisive`` marks
        the last cascading block, after which no learnt weight is left.
    """
    lines = []
    for (method, layer, mode), group in groups(sanity, ["method", "layer", "mode"]):
        common = {"method": method, "layer": layer, "mode": mode}
        last = group["block"].max()
        cells = group.assign(cell=group["label"].where(~group["pooled"].astype(bool), ""))
        for (block, _), part in groups(cells, ["block", "cell"]):
            decisive = mode == "cascading" and block == last
            lines.append({**common, "block": block, **_gate_line(part), "decisive": decisive})
    table = pd.DataFrame(lines, columns=GATE)
    order = table.groupby(["method", "layer", "mode"], sort=False).ngroup()
    ordered = table.assign(order=order).sort_values(["order", "block"], kind="stable")
    return ordered[GATE].reset_index(drop=True)


def _gate_line(part: pd.DataFrame) -> dict[str, Any]:
    tested = ("null", "excess", "low", "high", "margin", "images", "patients", "verdict", "more")
    first = part.iloc[0]
    return {
        "block_name": first["block_name"],
        "labels": tuple(dict.fromkeys(part["label"])),
        "pooled": bool(first["pooled"]),
        "similarity": first["gate_similarity"],
        "dead_rate": rate(part["dead"]),
        **{name: first[name] for name in tested},
    }


def curve_means(
    curves: pd.DataFrame, replicates: int = REPLICATES, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Mean score at each altered share, over images and labels, with its patient-level interval.

    Args:
        curves: the table of an evaluation.
        replicates, level, seed: as for :func:`~camlucida.metrics.statistics.mean_interval`.

    Returns:
        Columns ``CURVE_MEANS``.
    """
    keys = ["method", "layer", "baseline", "curve", "output", "share"]
    # One share, whatever the rounding of the step that made it.
    rounded = curves.assign(share=curves["share"].round(6))
    lines = []
    for key, group in groups(rounded, keys):
        interval = mean_interval(
            group["value"], group["patient"].tolist(), replicates=replicates, level=level, seed=seed
        )
        bounds = (interval.estimate, interval.low, interval.high)
        lines.append((*key, *bounds, interval.patients))
    return pd.DataFrame(lines, columns=CURVE_MEANS)
