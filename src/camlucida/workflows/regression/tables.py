"""The tables and lists that are written beside the figures of a regression."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from camlucida.analysis.cases.region_shares import SIGNS, ImageGroup
from camlucida.core.files import write_bytes, write_json
from camlucida.evaluation.predictions.tables import Document, records
from camlucida.io.tables import write_table
from camlucida.metrics.regression import known_rows, truth_bins

USUAL_WIDTH, MOST_GROUPS = 10.0, 12
"""Groups of the true value are 10 wide, as decades of age are, where that gives from 2 to this many of them."""

_INSIDE = {1: "raises_in_mask", -1: "lowers_in_mask"}


def usual_width(truth: ArrayLike) -> float:
    """A width of groups of the true value: 10, or the smallest of 1, 2, 5, 10, … that gives at most :data:`MOST_GROUPS`.

    >>> usual_width([35, 52, 81]), usual_width([0.2, 0.9]), usual_width([500, 4000])
    (10.0, 0.1, 500.0)
    """
    values = np.asarray(truth, np.float64)
    values = values[np.isfinite(values)]
    if not len(values) or values.max() == values.min():
        return USUAL_WIDTH

    def groups(width: float) -> int:
        return int(np.floor(values.max() / width) - np.floor(values.min() / width)) + 1

    if 2 <= groups(USUAL_WIDTH) <= MOST_GROUPS:
        return USUAL_WIDTH
    power = floor(log10((values.max() - values.min()) / MOST_GROUPS))
    widths = (float(f"{step}e{power + more}") for more in range(3) for step in (1, 2, 5))
    return next(width for width in widths if groups(width) <= MOST_GROUPS)


def groups_of_errors(frame: pd.DataFrame, threshold: float) -> tuple[ImageGroup, ImageGroup]:
    """Images with an absolute error below the threshold, and the others."""
    known = known_rows(frame)
    low = (known["value"] - known["truth"]).abs() < threshold
    return (
        ImageGroup(f"|error| < {threshold:g}", frozenset(known["image"][low])),
        ImageGroup(f"|error| ≥ {threshold:g}", frozenset(known["image"][~low])),
    )


def groups_of_columns(frame: pd.DataFrame, columns: Sequence[str]) -> list[list[ImageGroup]]:
    """The groups of each column of the cohort; images without a value are in none."""
    groups = []
    for column in columns:
        images = frame["image"].groupby(frame[column])
        parts = [(str(value), frozenset(names)) for value, names in images if value != ""]
        groups.append([ImageGroup(f"{column}={value}", names, column) for value, names in parts])
    return groups


def groups_of_truth(frame: pd.DataFrame, width: float) -> list[ImageGroup]:
    """Images by bins of the true value."""
    bins = truth_bins(frame["truth"], width)
    return [ImageGroup(f"truth {name}", frozenset(frame["image"][rows])) for name, rows in bins]


def with_evidence(frame: pd.DataFrame, cases: pd.DataFrame, heat: pd.DataFrame) -> pd.DataFrame:
    """Predictions with error, absolute error, and the shares of each image's heat that lie in its mask, beside its area."""
    error = frame["value"] - frame["truth"]
    found = frame.assign(error=error, absolute_error=error.abs())
    for sign in SIGNS:
        own = cases["target_sign"] == sign
        found[_INSIDE[sign]] = found["image"].map(
            dict(zip(cases["image"][own], heat["mask_share"][own]))
        )
    area = heat["mask_area"].groupby(cases["image"]).first()
    return found.assign(mask_area=found["image"].map(area)).reset_index(drop=True)


def write_tables(
    out: Path,
    figures: pd.DataFrame,
    evidence: pd.DataFrame,
    document: Document,
    frame: pd.DataFrame,
    threshold: float,
) -> list[Path]:
    """metrics.csv, mask_evidence.csv, test_metrics.json, predictions.json, high_ and low_error_samples.txt; their paths.

    Args:
        out: folder.
        figures, evidence: tables.
        document: of ``test_metrics.json``.
        frame: of :func:`with_evidence`.
        threshold: absolute errors from here up are high.
    """
    write_table(figures, out / "metrics.csv")
    write_table(evidence, out / "mask_evidence.csv")
    write_json(out / "test_metrics.json", document)
    write_json(out / "predictions.json", records(frame))
    known = known_rows(frame)
    high = known["absolute_error"] >= threshold
    rule = f"of at least {threshold:g}, largest first"
    _write_list(
        out / "high_error_samples.txt",
        known[high].sort_values("absolute_error", ascending=False, kind="stable"),
        rule,
        known,
    )
    rule = f"below {threshold:g}, smallest first"
    _write_list(
        out / "low_error_samples.txt",
        known[~high].sort_values("absolute_error", kind="stable"),
        rule,
        known,
    )
    names = ("metrics.csv", "mask_evidence.csv", "test_metrics.json", "predictions.json")
    return [out / name for name in (*names, "high_error_samples.txt", "low_error_samples.txt")]


def _write_list(path: Path, rows: pd.DataFrame, rule: str, everybody: pd.DataFrame) -> None:
    """One image a line, after the rule and the names of the columns; separated by tabs."""
    head = f"# images with an absolute error {rule}: {len(rows)} of {len(everybody)}; error = predicted − true"
    lines = [
        f"{row['file']}\t{row['truth']:g}\t{row['value']:.6g}\t{row['error']:+.6g}"
        for row in rows.to_dict("records")
    ]
    write_bytes(path, ("\n".join([head, "image\ttrue\tpredicted\terror", *lines]) + "\n").encode())
