"""A comparison in a few numbers: how right the map series are by verdict; cases to show."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from camlucida.analysis.comparison.compare import Comparison
from camlucida.analysis.comparison.predictions import Kind
from camlucida.analysis.comparison.verdict import NOT_COMPARED, VERDICTS
from camlucida.core.messages import Message, declare
from camlucida.metrics.statistics import mean_interval

declare(
    "comparison",
    {
        "right_labels": "share of correct decisions",
        "right_classes": "share of correct classes",
        "right_values": "mean absolute error",
        "right_regions": "mean Dice",
        "chosen": (
            "Of each verdict the case with the highest and the one with the lowest mean excess "
            "similarity, of {cases} {cases:|case|cases}; an unknown similarity counts as lowest."
        ),
    },
)

RIGHT: dict[Kind, str] = {
    "labels": "correct",
    "classes": "correct",
    "values": "error",
    "regions": "dice",
}
"""Column of the table of cases that holds how right the map series are."""

COLUMNS = ["group", "verdict", "cases", "share", "judged", "estimate", "low", "high"]


def right_name(kind: Kind) -> Message:
    """What the mean of the column :data:`RIGHT` is.

    >>> str(right_name("values"))
    'mean absolute error'
    """
    return Message(f"comparison.right_{kind}")


def by_verdict(comparison: Comparison) -> pd.DataFrame:
    """How many cases of each group have each verdict, and how right the map series are there.

    Returns:
        A row a group and verdict, then one of all cases of the group (verdict ""). Columns
        ``group``, ``verdict``, ``cases``, ``share`` of the group's cases, ``judged`` (cases with a
        ground truth), ``estimate``, ``low``, ``high`` (by patient).
    """
    rows = []
    for group, cases in comparison.cases.groupby("group", sort=False):
        for verdict, part in _parts(cases):
            right = mean_interval(
                part[RIGHT[comparison.kind]].to_numpy(np.float64),
                part["patient"].tolist(),
                proportion=comparison.kind in ("labels", "classes"),
            )
            row = {"group": group, "verdict": verdict, "cases": len(part)}
            row |= {"share": len(part) / len(cases), "judged": right.rows}
            rows.append(row | {"estimate": right.estimate, "low": right.low, "high": right.high})
    return pd.DataFrame(rows, columns=COLUMNS)


def choose(cases: pd.DataFrame) -> tuple[list[int], Message]:
    """Numbers of the cases of a group to show, and the rule by which they were chosen."""
    numbers: list[int] = []
    for verdict in VERDICTS:
        part = cases[cases["verdict"] == verdict]
        ranked = part.sort_values("excess", ascending=False, kind="stable", na_position="last")
        ends = dict.fromkeys([*ranked["case"][:1], *ranked["case"][-1:]])
        numbers += map(int, ends)
    return numbers, Message("comparison.chosen", {"cases": len(cases)})


def on_artefacts(comparison: Comparison) -> list[tuple[str, int, int]]:
    """Cases in which each map series' own heat on artefacts counts, whatever the others show.

    Returns:
        (map series, cases in which it counts, all its cases).
    """
    counts = []
    for series, maps in comparison.maps.groupby("series", sort=False):
        heat = zip(maps["artefact_share"], maps["artefact_area"])
        marked = sum(comparison.thresholds.on_artefacts(share, area) for share, area in heat)
        counts.append((str(series), marked, len(maps)))
    return counts


def _parts(cases: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each verdict with its cases, then all cases; none that could not be compared is no row."""
    for verdict in VERDICTS:
        part = cases[cases["verdict"] == verdict]
        if len(part) or verdict != NOT_COMPARED:
            yield verdict, part
    yield "", cases
