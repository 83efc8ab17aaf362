"""Regression: is what raises and what lowers the value inside the masks?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from math import isfinite
from typing import Any

import pandas as pd

from camlucida.analysis.cases.region_shares import (
    ALL_IMAGES,
    SIGNS,
    ImageGroup,
    evidence_table,
    heat_of_sign,
    pairs_of_two,
)
from camlucida.core.messages import declare
from camlucida.report.data import ReportData, SeriesRows
from camlucida.report.document import NAN, Block, Estimate, Message, Paragraph, Table, Value
from camlucida.runs.tables import GROUP

declare(
    "evidence",
    {
        "everybody": "all images",
        "minus": "{first} minus {second}",
        "table": (
            "Attribution of {series} and the masks. Share: mean share of the "
            "attribution inside the mask. Excess: share minus the area of the mask."
        ),
        "head_heat": "Attribution that",
        "head_group": "Group",
        "head_images": "Images",
        "head_patients": "Patients",
        "head_share": "Share inside the mask",
        "head_excess": "Excess",
        "split_median": "Absolute errors of {limit} or more, the median, count as high.",
        "everywhere": (
            "Attribution that {heat}, {series}: {share:.1%} inside the mask "
            "({images} {images:|image|images}, area {area:.1%}). Excess {excess}: "
            "{verdict}."
        ),
        "difference": (
            "Attribution that {heat}, {series}: the excess differs between {first} "
            "and {second} by {excess} ({images} images): {verdict}."
        ),
        "more": "larger in the first",
        "less": "smaller in the first",
        "same": "not distinguishable from zero",
        "unsure": "too few patients to compare with zero",
        "ends": (
            "Attribution that {heat}: {best_share:.1%} inside the mask of the best "
            "case, {best} (area {best_area:.1%}), and {worst_share:.1%} in the "
            "worst, {worst} (area {worst_area:.1%}). These are single cases."
        ),
        "split_requested": "Absolute errors of {limit} or more count as high, as requested.",
    },
)


def evidence(report: ReportData) -> list[Block]:
    """A table and its sentences for each series of a regression that has masks."""
    blocks: list[Block] = []
    for series in report.all_series:
        rows = report.cases.loc[series.rows]
        rows = rows[(rows["task"] == "regression") & rows["error"].notna()]
        if report.heat.loc[rows.index, "mask_share"].notna().any():
            blocks += _of_series(report, series, rows)
    return blocks


def _of_series(report: ReportData, series: SeriesRows, rows: pd.DataFrame) -> Iterator[Block]:
    heat, error = report.heat.loc[rows.index], rows["error"].abs()
    limit = float(error.median()) if report.error_threshold is None else report.error_threshold
    low = ImageGroup(f"|error| < {limit:.3g}", frozenset(rows["image"][error < limit]))
    high = ImageGroup(f"|error| ≥ {limit:.3g}", frozenset(rows["image"][error >= limit]))
    groups = list(_groups(rows))
    pairs = [(high, low), *pairs_of_two(groups)]
    table = evidence_table(rows, heat, [low, high, *chain.from_iterable(groups)], pairs)
    lines = table.to_dict("records")
    yield _table(series, lines)
    rule = "median" if report.error_threshold is None else "requested"
    sentences = [Message(f"evidence.split_{rule}", {"limit": f"{limit:.3g}"})]
    for line in lines:
        sentences += _sentence(series, line)
    yield Paragraph((*sentences, *_ends(rows, heat)))


def _groups(rows: pd.DataFrame) -> Iterator[list[ImageGroup]]:
    """Those of each group column."""
    for column in rows.columns[rows.columns.str.startswith(GROUP)]:
        name = column.removeprefix(GROUP)
        groups = []
        for value in sorted(set(rows[column]) - {""}):
            images = frozenset(rows["image"][rows[column] == value])
            groups.append(ImageGroup(f"{name}={value}", images, name))
        yield groups


def _group_name(line: dict[Any, Any]) -> Value:
    """Of a row of the table: all images, a group, or one group minus another."""
    if line["minus"]:
        return Message("evidence.minus", {"first": line["group"], "second": line["minus"]})
    if line["group"] == ALL_IMAGES:
        return Message("evidence.everybody")
    return str(line["group"])


def _table(series: SeriesRows, lines: Sequence[dict[Any, Any]]) -> Table:
    head = tuple(
        Message(f"evidence.head_{name}")
        for name in ("heat", "group", "images", "patients", "share", "excess")
    )
    rows: list[tuple[Value, ...]] = []
    for line in lines:
        share = Estimate(line["share"], chance=line["area"]) if isfinite(line["share"]) else NAN
        counts = (line["images"], line["patients"])
        rows.append((heat_of_sign(line["sign"]), _group_name(line), *counts, share, _excess(line)))
    return Table("evidence", Message("evidence.table", {"series": series.name}), head, tuple(rows))


def _excess(line: dict[Any, Any]) -> Estimate:
    has_interval = line["interval_method"] != "none"
    low, high = (line["low"], line["high"]) if has_interval else (NAN, NAN)
    return Estimate(line["excess"], low, high)


def _sentence(series: SeriesRows, line: dict[Any, Any]) -> list[Message]:
    """Of all images, against the area; of a difference, against none."""
    excess = _excess(line)
    values: dict[str, Value] = {
        "series": series.name,
        "heat": heat_of_sign(line["sign"]),
        "images": line["images"],
        "excess": excess,
    }
    if line["group"] == ALL_IMAGES:
        shares = {"share": line["share"], "area": line["area"]}
        return [
            Message(
                "evidence.everywhere",
                {**values, **shares, "verdict": Message(f"quality.{excess.verdict}")},
            )
        ]
    if line["minus"]:
        pair = {"first": line["group"], "second": line["minus"]}
        verdict = Message(f"evidence.{excess.verdict}")
        return [Message("evidence.difference", {**values, **pair, "verdict": verdict})]
    return []


def _ends(rows: pd.DataFrame, heat: pd.DataFrame) -> Iterator[Message]:
    """The best and the worst case beside each other, where both have a mask."""
    for sign in SIGNS:
        signed = rows[rows["target_sign"] == sign].assign(size=lambda frame: frame["error"].abs())
        if signed["image"].nunique() < 2:
            continue
        best = signed.sort_values(["size", "image"]).index[0]
        worst = signed.sort_values(["size", "image"], ascending=[False, True]).index[0]
        values: dict[str, Value] = {"heat": heat_of_sign(sign)}
        for name, row in (("best", best), ("worst", worst)):
            values[name] = str(signed["image"][row])
            values |= {
                f"{name}_{column}": float(heat[f"mask_{column}"][row])
                for column in ("share", "area")
            }
        if all(isfinite(value) for value in values.values() if isinstance(value, float)):
            yield Message("evidence.ends", values)
