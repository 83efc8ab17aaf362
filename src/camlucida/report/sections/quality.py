"""Measures of the maps: extent, artefacts, annotations, label specificity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd

from camlucida.analysis.comparison.attention import stored_maps
from camlucida.core.messages import declare
from camlucida.metrics.agreement import different_image_null, pearson
from camlucida.metrics.annotations import Floats
from camlucida.report.data import ReportData, SeriesRows
from camlucida.report.document import (
    NAN,
    Block,
    Estimate,
    Message,
    Paragraph,
    Section,
    Table,
    Value,
)
from camlucida.report.estimates import mean_of, or_dash
from camlucida.report.sections.base import section
from camlucida.report.sections.evaluated import evaluated
from camlucida.report.sections.evidence import evidence
from camlucida.report.sections.zones import zones

declare(
    "quality",
    {
        "overview": (
            "Measures of the maps, means over maps. The chance level is that of a uniform map."
        ),
        "by_label": "Measures of the maps of {series} by target.",
        "head_series": "Maps of",
        "head_target": "Target",
        "head_maps": "Maps",
        "head_empty": "Empty",
        "head_method": "Method",
        "head_spread": "Cells above half the maximum",
        "head_peripheral": "Outside the central half",
        "head_artefact_share": "On artefacts",
        "head_mask_share": "Inside the mask",
        "head_box_share": "Inside the box",
        "head_mask_ap": "Average precision for the mask",
        "spread_few": (
            "Cells at or above half the maximum, {series}: {low:.0%} to {high:.0%} "
            "of {cells} in {maps} {maps:|map|maps} with positive attribution."
        ),
        "spread": (
            "Cells at or above half the maximum, {series}: median {median:.0%} of "
            "{cells}, interquartile range {low:.0%} to {high:.0%}."
        ),
        "artefact": (
            "Attribution on artefacts, {series}: {share:.1%} on the border, on "
            "burned-in text or outside the body ({maps} {maps:|map|maps}, area "
            "{area:.1%}). Difference from the area {lift}: {verdict}."
        ),
        "mask": (
            "Attribution inside the annotated mask, {series}: {share:.1%} ({maps} "
            "{maps:|map|maps}, area {area:.1%}). Difference from the area {lift}: "
            "{verdict}."
        ),
        "box": (
            "Attribution inside the annotated box, {series}: {share:.1%} ({maps} "
            "{maps:|map|maps}, area {area:.1%}). Difference from the area {lift}: "
            "{verdict}."
        ),
        "more": "more than chance",
        "less": "less than chance",
        "same": "not distinguishable from chance",
        "unsure": "too few patients to compare with chance",
        "ceiling": "Upper bound of the grid, {series}: {ceiling:.1%} inside the mask.",
        "own": (
            "Correlation of maps of different labels in one image, {series}: "
            "{within}; of maps of one label in different patients: {null:.3f}."
        ),
        "own_no": (
            "The interval lies above the latter, so the location of the attribution "
            "of {series} depends more on the image than on the label."
        ),
        "own_yes": (
            "The interval lies below the latter, so the location of the attribution "
            "of {series} depends more on the label than on the image."
        ),
        "evaluated": (
            "Evaluation of the maps of {model}, means over maps. Baselines are maps "
            "made without the model."
        ),
        "road": (
            "ROAD replaces the pixels that a map ranks highest, or lowest, by a "
            "noisy interpolation of their surroundings [@rong2022]."
        ),
        "candidate": "{method} at {layer}",
        "baseline": "{method} at {layer} (baseline)",
        "sanity_depends": (
            "{model}, {method} at {layer} ({labels}): the maps depend on the weights "
            "[@adebayo2018]. "
            "With all weights randomised, the mean |similarity| to the maps of the trained model "
            "(images: {images}, patients: {patients}) is {similarity:.2f}; "
            "that of maps of different images is {null:.2f}."
        ),
        "sanity_unclear": (
            "{model}, {method} at {layer} ({labels}): it is unclear whether the maps "
            "depend on the weights [@adebayo2018]; about {more} more "
            "{more:|patient|patients} would be needed to decide. "
            "With all weights randomised, the mean |similarity| to the maps of the trained model "
            "(images: {images}, patients: {patients}) is {similarity:.2f}; "
            "that of maps of different images is {null:.2f}."
        ),
        "sanity_undecided": (
            "{model}, {method} at {layer} ({labels}): it is unclear whether the maps "
            "depend on the weights [@adebayo2018]. "
            "With all weights randomised, the mean |similarity| to the maps of the trained model "
            "(images: {images}, patients: {patients}) is {similarity:.2f}; "
            "that of maps of different images is {null:.2f}."
        ),
        "sanity_undefined": (
            "{model}, {method} at {layer} ({labels}): it is unclear whether the maps "
            "depend on the weights [@adebayo2018], because there are no maps to compare."
        ),
        "sanity_unchanged": (
            "{model}, {method} at {layer} ({labels}): the maps are unchanged by "
            "randomisation [@adebayo2018], beyond the margin. "
            "With all weights randomised, the mean |similarity| to the maps of the trained model "
            "(images: {images}, patients: {patients}) is {similarity:.2f}; "
            "that of maps of different images is {null:.2f}, "
            "so it is not shown that the maps reflect what the model learnt."
        ),
    },
)

QUARTERS = 4
"""Fewest maps of which quartiles are stated; of fewer, the range."""

LABELS = 12
"""Most targets that a table by target lists."""


@section("quality", "Explanation quality", needs=("measured", "evaluations"))
def quality(report: ReportData) -> Section:
    """By series and target; then the evidence of regressions and the stored evaluations."""
    blocks: list[Block] = [_overview(report), Paragraph(tuple(_sentences(report)))]
    blocks += [
        table for series in report.all_series if (table := _by_label(report, series)) is not None
    ]
    blocks.append(Paragraph(tuple(_own_maps(report))))
    return Section("quality", (*blocks, *zones(report), *evidence(report), *evaluated(report)))


_MEASURES: tuple[tuple[str, str | float], ...] = (
    ("spread", NAN),
    ("peripheral", "peripheral_chance"),
    ("artefact_share", "artefact_area"),
    ("mask_share", "mask_area"),
    ("box_share", "box_area"),
    ("mask_ap", "mask_area"),
)
"""Column of the heat table, and its chance level."""


def _measured(rows: pd.DataFrame, columns: list[str]) -> tuple[Value, ...]:
    chances = dict(_MEASURES)
    return tuple(or_dash(mean_of(rows, column, chances[column])) for column in columns)


def _known(rows: pd.DataFrame) -> list[str]:
    """Columns that some map has a value of."""
    return [column for column, _ in _MEASURES if rows[column].notna().any()]


def _overview(report: ReportData) -> Table:
    columns = _known(report.measured)
    head = (
        *(Message(f"quality.head_{name}") for name in ("series", "maps", "empty")),
        *(Message(f"quality.head_{column}") for column in columns),
    )
    lines = tuple(_overview_row(report, series, columns) for series in report.all_series)
    return Table("quality", Message("quality.overview"), head, lines)


def _overview_row(report: ReportData, series: SeriesRows, columns: list[str]) -> tuple[Any, ...]:
    rows = report.measured.loc[series.rows]
    empty = int((rows["empty_reason"] != "").sum())
    return (series.name, len(rows), empty, *_measured(rows, columns))


def _sentences(report: ReportData) -> Iterator[Message]:
    for series in report.all_series:
        rows = report.measured.loc[series.rows]
        spread = rows["spread"].dropna()
        cells = int(np.prod(report.cases.loc[series.rows[0], "grid"]))
        if len(spread) >= QUARTERS:
            values = {
                "low": float(spread.quantile(0.25)),
                "high": float(spread.quantile(0.75)),
                "median": float(spread.median()),
            }
            yield Message("quality.spread", {"series": series.name, "cells": cells, **values})
        elif len(spread):
            ends = {"low": float(spread.min()), "high": float(spread.max()), "maps": len(spread)}
            yield Message("quality.spread_few", {"series": series.name, "cells": cells, **ends})
        yield from _against_area(series, rows, "artefact", "quality.artefact")
        yield from _against_area(series, rows, "mask", "quality.mask")
        yield from _against_area(series, rows, "box", "quality.box")
        ceiling = mean_of(rows[rows["mask_share"].notna()], "mask_ceiling")
        if ceiling is not None:
            yield Message("quality.ceiling", {"series": series.name, "ceiling": ceiling.estimate})


def _against_area(
    series: SeriesRows, rows: pd.DataFrame, region: str, key: str
) -> Iterator[Message]:
    """The mean difference of attribution and area, with its interval and verdict."""
    share, area = rows[f"{region}_share"], rows[f"{region}_area"]
    lift = mean_of(rows.assign(_lift=share - area), "_lift")
    if lift is None:
        return
    has_share = share.notna()
    values: dict[str, Value] = {
        "series": series.name,
        "share": float(share.mean()),
        "area": float(area[has_share].mean()),
        "maps": int(has_share.sum()),
    }
    verdict = Message(f"quality.{lift.verdict}")
    yield Message(key, {**values, "lift": lift, "verdict": verdict})


def _by_label(report: ReportData, series: SeriesRows) -> Table | None:
    rows = report.measured.loc[series.rows]
    labels = list(dict.fromkeys(rows["target"]))
    if not 1 < len(labels) <= LABELS:
        return None
    columns = _known(rows)
    head = (
        *(Message(f"quality.head_{name}") for name in ("target", "maps")),
        *(Message(f"quality.head_{column}") for column in columns),
    )
    parts = [rows[rows["target"] == label] for label in labels]
    cells = tuple(
        (label, len(part), *_measured(part, columns)) for label, part in zip(labels, parts)
    )
    return Table(
        "quality_labels", Message("quality.by_label", {"series": series.name}), head, cells
    )


def _own_maps(report: ReportData) -> Iterator[Message]:
    """Label specificity: maps of an image's labels against maps of one label in patients."""
    for series in report.all_series:
        correlations = _between_labels(report, series)
        if correlations is None:
            continue
        within, null = correlations
        verdict = ""
        if within.has_interval and (within.low > null or within.high < null):
            verdict = "quality.own_no" if within.low > null else "quality.own_yes"
        yield Message("quality.own", {"series": series.name, "within": within, "null": null})
        if verdict:
            yield Message(verdict, {"series": series.name})


def _between_labels(report: ReportData, series: SeriesRows) -> tuple[Estimate, float] | None:
    """Mean Pearson correlation of an image's maps of different labels, and its null.

    The null is that of the maps of one label in different patients.
    """
    cases = report.cases.loc[series.rows]
    cases = cases[(cases["empty_reason"] == "") & (cases["label"] != "")]
    labelled = cases[cases.groupby("path")["label"].transform("nunique") > 1]
    labelled = labelled[labelled["task"].isin(["multilabel", "multiclass"])]
    if labelled["patient"].nunique() < 2:
        return None
    cells = (stored.cells for stored in stored_maps(report.runs[series.run], labelled))
    maps = dict(zip(labelled.index, cells))
    within = mean_of(_alike_within_images(labelled, maps), "alike")
    null = _null_between_patients(labelled, maps)
    if within is None or not isfinite(within.estimate) or not len(null):
        return None
    return within, float(null.mean())


def _alike_within_images(cases: pd.DataFrame, maps: Mapping[Any, Any]) -> pd.DataFrame:
    """Of each image its patient, and the mean correlation of its maps of different labels."""
    images: list[dict[str, Any]] = []
    # By path: two images may have the same id.
    for _, rows in cases.groupby("path", sort=False):
        one_per_label = rows.drop_duplicates("label").index
        pairs = combinations(one_per_label, 2)
        alike = [pearson(maps[first], maps[second]) for first, second in pairs]
        mean = float(np.nanmean(alike)) if np.isfinite(alike).any() else NAN
        images.append({"patient": rows["patient"].iloc[0], "alike": mean})
    return pd.DataFrame(images)


def _null_between_patients(cases: pd.DataFrame, maps: Mapping[Any, Any]) -> Floats:
    """Finite correlations of the maps of one label in different patients, of all labels."""
    nulls: list[Floats] = [np.array([])]
    for _, rows in cases.groupby("label", sort=False):
        if rows["patient"].nunique() > 1:
            of_label = [maps[index] for index in rows.index]
            patients = rows["patient"].tolist()
            nulls.append(
                different_image_null(of_label, of_label, similarity=pearson, patients=patients)
            )
    null = np.concatenate(nulls)
    return null[np.isfinite(null)]
