"""A comparison in few numbers: how right the map series are by verdict, and which cases stand for all."""

from __future__ import annotations

import numpy as np
import pandas as pd

from camlucida.analysis.comparison.compare import Comparison
from camlucida.analysis.comparison.decisions import Kind
from camlucida.analysis.comparison.verdict import NOT_COMPARED, VERDICTS
from camlucida.metrics.statistics import mean_interval

RIGHT: dict[Kind, tuple[str, str]] = {
    "labels": ("correct", "share of correct decisions"),
    "classes": ("correct", "share of correct classes"),
    "values": ("error", "mean absolute error"),
    "regions": ("dice", "mean Dice"),
}
"""Column of the cases that says how right the map series are there, and what its mean is."""

EACH = ("the highest", "the lowest")


def by_verdict(comparison: Comparison) -> pd.DataFrame:
    """One row a group and verdict, then one of all its cases (verdict ""): how many, and how right the map series are there.

    Columns group, verdict, cases, share, known (cases with a truth), estimate, low, high (patients resampled).
    """
    column = RIGHT[comparison.kind][0]
    rows = []
    for group, cases in comparison.cases.groupby("group", sort=False):
        for verdict in (*VERDICTS, ""):
            part = cases if not verdict else cases[cases["verdict"] == verdict]
            if part.empty and verdict == NOT_COMPARED:
                continue
            right = mean_interval(part[column].to_numpy(np.float64), part["patient"].tolist())
            rows.append(
                {
                    "group": group,
                    "verdict": verdict,
                    "cases": len(part),
                    "share": len(part) / len(cases),
                    "known": right.rows,
                    "estimate": right.estimate,
                    "low": right.low,
                    "high": right.high,
                }
            )
    return pd.DataFrame(
        rows, columns=["group", "verdict", "cases", "share", "known", "estimate", "low", "high"]
    )


def choose(cases: pd.DataFrame) -> tuple[list[int], str]:
    """Numbers of the cases to show of a group, and the rule in words."""
    found: list[int] = []
    for verdict in VERDICTS:
        part = cases[cases["verdict"] == verdict].sort_values(
            "excess", ascending=False, kind="stable", na_position="last"
        )
        if len(part):
            found += [int(part["case"].iloc[0])] + (
                [int(part["case"].iloc[-1])] if len(part) > 1 else []
            )
    words = f"Of each verdict the case with {' and the one with '.join(EACH)} mean excess similarity, of {len(cases)} cases"
    return found, f"{words}; an unknown similarity counts as lowest."


def on_artefacts(comparison: Comparison) -> list[tuple[str, int, int]]:
    """(map series, cases in which its own heat on artefacts counts, all its cases), whatever the others' does."""
    counts = comparison.thresholds.on_artefacts
    return [
        (
            str(series),
            sum(
                counts(share, area)
                for share, area in zip(maps["artefact_share"], maps["artefact_area"])
            ),
            len(maps),
        )
        for series, maps in comparison.maps.groupby("series", sort=False)
    ]
