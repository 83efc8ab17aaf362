"""The tables and lists that are written beside the figures of a regression."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import floor, log10
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from camlucida.analysis.cases.region_shares import SIGNS, ImageGroup
from camlucida.core.files import write_bytes, write_json
from camlucida.evaluation.predictions.tables import Document, records
from camlucida.io.records import records_of
from camlucida.io.tables import write_table
from camlucida.metrics.regression import known_rows, truth_bins

USUAL_WIDTH, MOST_GROUPS = 10.0, 12
"""Groups of the true value are 10 wide, as decades of age, where that gives 2 to 12 of them."""

_INSIDE = {1: "raises_in_mask", -1: "lowers_in_mask"}


def usual_width(truth: ArrayLike) -> float:
    """A width of groups of the true value.

    10, or the smallest of 1, 2, 5, 10, … that gives at most :data:`MOST_GROUPS` groups.

    Args:
        truth: (N,) true values; NaN is no value.

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
    powers_and_steps = product(range(power, power + 3), (1, 2, 5))
    widths = (float(f"{step}e{exponent}") for exponent, step in powers_and_steps)
    return next(width for width in widths if groups(width) <= MOST_GROUPS)


def groups_of_errors(frame: pd.DataFrame, threshold: float) -> tuple[ImageGroup, ImageGroup]:
    """Images with an absolute error below the threshold, and the others."""
    with_truth = known_rows(frame)
    low = (with_truth["value"] - with_truth["truth"]).abs() < threshold
    return (
        ImageGroup(f"|error| < {threshold:g}", frozenset(with_truth["image"][low])),
        ImageGroup(f"|error| ≥ {threshold:g}", frozenset(with_truth["image"][~low])),
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
    """Predictions with their errors, and with the share of each image's heat in its mask.

    Args:
        frame: predictions, columns image, value, truth.
        cases: one row a map, columns image and target_sign.
        heat: same index, columns mask_share and mask_area.

    Returns:
        ``frame`` with error, absolute_error, raises_in_mask, lowers_in_mask and mask_area.
    """
    error = frame["value"] - frame["truth"]
    table = frame.assign(error=error, absolute_error=error.abs())
    for sign in SIGNS:
        of_sign = cases["target_sign"] == sign
        shares = dict(zip(cases["image"][of_sign], heat["mask_share"][of_sign]))
        table[_INSIDE[sign]] = table["image"].map(shares)
    area = heat["mask_area"].groupby(cases["image"]).first()
    return table.assign(mask_area=table["image"].map(area)).reset_index(drop=True)


def write_tables(
    out: Path,
    figures: pd.DataFrame,
    evidence: pd.DataFrame,
    document: Document,
    frame: pd.DataFrame,
    threshold: float,
    listed: int | None = None,
) -> list[Path]:
    """Write the tables and lists of a regression; their paths.

    ``metrics.csv``, ``mask_evidence.csv``, ``test_metrics.json``, ``predictions.json``,
    ``high_error_samples.txt`` and ``low_error_samples.txt``.

    Args:
        out: folder.
        figures, evidence: tables.
        document: of ``test_metrics.json``.
        frame: of :func:`with_evidence`.
        threshold: absolute errors from here up are high.
        listed: images in each list; None lists all.
    """
    write_table(figures.assign(group=figures["group"].replace("", "all")), out / "metrics.csv")
    write_table(evidence, out / "mask_evidence.csv")
    write_json(out / "test_metrics.json", document)
    write_json(out / "predictions.json", records(frame))
    with_truth = known_rows(frame)
    ascending = with_truth.sort_values("absolute_error", kind="stable")
    descending = with_truth.sort_values("absolute_error", ascending=False, kind="stable")
    high = descending[descending["absolute_error"] >= threshold]
    low = ascending[ascending["absolute_error"] < threshold]
    total = len(with_truth)
    rule = f"of at least {threshold:g}, largest first: {len(high)} of {total}"
    _write_list(out / "high_error_samples.txt", high, rule, listed)
    rule = f"below {threshold:g}, smallest first: {len(low)} of {total}"
    _write_list(out / "low_error_samples.txt", low, rule, listed)
    names = ("metrics.csv", "mask_evidence.csv", "test_metrics.json", "predictions.json")
    return [out / name for name in (*names, "high_error_samples.txt", "low_error_samples.txt")]


def _write_list(path: Path, rows: pd.DataFrame, rule: str, listed: int | None) -> None:
    """One image a line, after the rule and the names of the columns; separated by tabs."""
    head = f"# images with an absolute error {rule}; error = predicted − true"
    lines = [head, "image\ttrue\tpredicted\terror"]
    if listed is not None and listed < len(rows):
        lines.append(f"# the first {listed} of them")
        rows = rows.head(listed)
    for row in records_of(rows):
        numbers = f"{row['truth']:g}\t{row['value']:.6g}\t{row['error']:+.6g}"
        lines.append(f"{row['file']}\t{numbers}")
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())
