"""Attribution by zone of the lungs, beside the area of each zone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from camlucida.core.messages import declare
from camlucida.evaluation.maps.zones import Origin, origin_note
from camlucida.metrics.lung_fields import ZONES
from camlucida.report.data import ReportData, SeriesRows
from camlucida.report.document import Block, Cell, Estimate, Message, Paragraph, Table
from camlucida.report.estimates import mean_of

declare(
    "zones",
    {
        "right_lung": "right lung",
        "left_lung": "left lung",
        "upper_third": "upper third of the lungs",
        "middle_third": "middle third of the lungs",
        "lower_third": "lower third of the lungs",
        "between_lungs": "between the lungs (heart, mediastinum)",
        "table": (
            "Attribution by lung zone: mean share of the attribution of a map, mean share of the "
            "image that the zone covers (the chance level), and their difference."
        ),
        "head_series": "Maps of",
        "head_zone": "Zone",
        "head_maps": "Maps",
        "head_share": "Share",
        "head_area": "Area",
        "head_difference": "Difference",
        "more": "Attribution of {series} is above chance in: {zones}.",
        "less": "Attribution of {series} is below chance in: {zones}.",
        "same": (
            "In no lung zone is the attribution of {series} shown to differ from the zone's area."
        ),
        "unsure": "Too few patients to compare the lung zones of {series} with chance.",
        "zone": "{zone} ({share:.1%}, area {area:.1%})",
    },
)

FEWEST = 0.5
"""Share of the images in which lung fields are needed: of others the cohort is not of chests."""


def zones(report: ReportData) -> Iterator[Block]:
    """Table and sentences; a sentence alone where few images show lung fields; else nothing.

    Args:
        report: with the attribution table.
    """
    detected = report.measured["right_lung_area"].notna()
    by_image = detected.groupby(report.measured["path"]).any()
    found, images = int(by_image.sum()), len(by_image)
    if not found:
        return
    if found < FEWEST * images:
        yield Paragraph((Message("zones.few", {"detected": found, "images": images}),))
        return
    masks = report.measured["zones_given"].eq(1).groupby(report.measured["path"]).any()
    given = int(masks.sum())
    origins: list[Origin] = ["given"] * given
    detected_only: list[Origin] = ["detected"] * (found - given)
    without: list[Origin] = ["none"] * (images - found)
    sentences: list[Message] = []
    rows: list[tuple[Any, ...]] = []
    for series in report.all_series:
        measured = report.measured.loc[series.rows]
        differences = {zone: _difference(measured, zone) for zone in ZONES}
        sentences += _sentences(series, measured, differences)
        rows += _rows(series, measured, differences)
    heads = ("series", "zone", "maps", "share", "area", "difference")
    head = tuple(Message(f"zones.head_{name}") for name in heads)
    notes = tuple(origin_note([*origins, *detected_only, *without]))
    yield Paragraph(tuple(sentences))
    yield Table("zones", Message("zones.table"), head, tuple(rows), notes)


def _difference(measured: pd.DataFrame, zone: str) -> Estimate | None:
    lift = measured[f"{zone}_share"] - measured[f"{zone}_area"]
    return mean_of(measured.assign(_lift=lift), "_lift")


def _means(measured: pd.DataFrame, zone: str) -> tuple[float, float, int]:
    """Mean share and area of the maps that have a share, and their number."""
    known = measured[measured[f"{zone}_share"].notna()]
    share, area = known[f"{zone}_share"].mean(), known[f"{zone}_area"].mean()
    return float(share), float(area), len(known)


def _rows(
    series: SeriesRows, measured: pd.DataFrame, differences: dict[str, Estimate | None]
) -> Iterator[tuple[Any, ...]]:
    for zone, difference in differences.items():
        if difference is not None:
            share, area, maps = _means(measured, zone)
            shares = (Cell(share, spec=".3f"), Cell(area, spec=".3f"))
            name = Message(f"zones.{zone}")
            yield (series.name, name, maps, *shares, difference)


def _sentences(
    series: SeriesRows, measured: pd.DataFrame, differences: dict[str, Estimate | None]
) -> Iterator[Message]:
    known = {zone: each for zone, each in differences.items() if each is not None}
    verdicts = {zone: each.verdict for zone, each in known.items()}
    if not verdicts:
        return
    for verdict in ("more", "less"):
        names = [zone for zone, each in verdicts.items() if each == verdict]
        if names:
            parts = [_zone(measured, zone) for zone in names]
            yield Message(f"zones.{verdict}", {"series": series.name, "zones": parts})
    if set(verdicts.values()) == {"same"}:
        yield Message("zones.same", {"series": series.name})
    if set(verdicts.values()) == {"unsure"}:
        yield Message("zones.unsure", {"series": series.name})


def _zone(measured: pd.DataFrame, zone: str) -> Message:
    share, area, _ = _means(measured, zone)
    return Message("zones.zone", {"zone": Message(f"zones.{zone}"), "share": share, "area": area})
