"""The report of a segmentation as a document: ``index.html`` and ``report.md``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.core.files import write_bytes
from camlucida.core.messages import Message, Value, declare
from camlucida.core.numbers import number_or_dash
from camlucida.figures.style import style
from camlucida.io.records import records_of
from camlucida.report.document import (
    Block,
    Cell,
    Code,
    Document,
    Facts,
    Link,
    Notice,
    Paragraph,
    Picture,
    Points,
    Section,
    Table,
    Text,
    View,
    phrase,
)
from camlucida.report.render import render_document
from camlucida.report.writers.html import write_page
from camlucida.report.writers.markdown import markdown
from camlucida.runs.keyed import is_keyed
from camlucida.workflows.segmentation.numbers import percent
from camlucida.workflows.segmentation.run_view import SegmentationCase, SegmentationRun

declare(
    "segmentation_page",
    {
        "title": "{name}: what a segmentation model used",
        "model": "Model",
        "images": "Images",
        "segmentation": "Segmentation",
        "maps": "Maps",
        "limits": "What the ratios cannot show",
        "missing": "Without a map",
        "averages": "Averages",
        "intervals": "Intervals are by patient, from ten patients on.",
        "chance": (
            "Chance level: of a ratio, that of the same map with the region at all positions of "
            "the image; of a share of heat, the area."
        ),
        "command": "Command",
        "all_numbers": "All numbers: ",
        "layer": "layer",
        "method": "method",
        "target": "target",
        "number": "number",
        "mean": "mean",
        "interval": "95% interval",
        "chance_level": "chance",
        "image_count": "images",
        "ratio": "inside ÷ outside",
        "share": "share of the heat inside",
        "beyond_chance": "share of maps beyond chance",
        "truth_ratio": "inside ÷ outside of the true region",
        "truth_share": "share of the heat in the true region",
        "relative_mean": "mean ÷ maximum of the map",
        "range": "{low} to {high}",
        "no_interval": "none",
        "shifted": "region at all positions",
        "median_range": "median and 95% range",
        "reached": "positions reaching it",
        "random": "random maps",
        "centre": "centre",
        "heat_on_area": "heat on area",
        "true_region": "in the true region",
        "and_shifted": "and at all positions",
        "circular": "{layer} (circular)",
        "no_evidence": "no evidence: {reason}",
        "on_area": "{share} on {area}",
        "map_count": "{count} {count:|map|maps}",
    },
)

SHOWN = ("ratio", "share", "beyond_chance", "truth_ratio", "truth_share", "relative_mean")
"""Metrics of the table of averages."""

Row = Mapping[str, Any]


def section_title(section: str) -> Message:
    """The title of a section of the report.

    >>> str(section_title("limits"))
    'What the ratios cannot show'
    """
    return Message(f"segmentation_page.{section}")


@dataclass(frozen=True)
class SegmentationReport:
    """What the report holds.

    Attributes:
        run: of the maps.
        messages: by section: model, images, segmentation, maps, limits, missing.
        summary: means, as ``batch_summary.csv``.
        rows: numbers of each map, as ``statistics.csv``.
        figures: image → names of its PNG files.
        views: image → its film and maps for the viewer.
        command: the command line.
        synthetic: whether an image is.
    """

    run: SegmentationRun
    messages: Mapping[str, Sequence[Message]]
    summary: pd.DataFrame
    rows: pd.DataFrame
    figures: Mapping[str, Sequence[str]]
    views: Mapping[str, tuple[View, ...]]
    command: str
    synthetic: bool


def write_report(report: SegmentationReport, out: Path) -> Path:
    """Write ``index.html`` and ``report.md`` into ``out``; the path of the page."""
    document = report_document(report)
    rendered = render_document(document, style().page_texts)
    write_bytes(out / "report.md", markdown(rendered).encode())
    return write_page(document, out / "index.html")


def report_document(report: SegmentationReport) -> Document:
    """The report: what was measured, the averages, then image by image."""
    sections = [
        Section(name, (Points(tuple(messages)),), section_title(name))
        for name, messages in report.messages.items()
    ]
    averages = Section("averages", tuple(_averages(report)), Message("segmentation_page.averages"))
    by_image = dict(_rows_by_image(report.rows))
    for case in report.run.cases:
        blocks = tuple(_image(report, case, by_image.get(case.image, [])))
        sections.append(Section(f"image_{case.image}", blocks, case.image))
    sections.insert(len(report.messages), averages)
    name = report.run.run.about["models"][0]["name"]
    return Document(
        Message("segmentation_page.title", {"name": name}),
        tuple(sections),
        synthetic=report.synthetic,
        intro=(Facts(((_message("command"), Code(report.command)),)),) if report.command else (),
        keyed=is_keyed(report.run.run.about),
    )


def _averages(report: SegmentationReport) -> Iterator[Block]:
    if report.summary.empty:
        return
    files = ("statistics.csv", "batch_summary.csv", "overlap.csv")
    links = phrase(_message("all_numbers"), *(phrase(Link(file), " ") for file in files))
    explained = (Message("segmentation_page.intervals"), Message("segmentation_page.chance"))
    yield Paragraph((*explained, links), quiet=True)
    names = ("layer", "method", "target", "number", "mean", "interval", "chance_level")
    head = tuple(map(_message, (*names, "image_count")))
    shown = report.summary[report.summary["metric"].isin(SHOWN)]
    rows = tuple(_average(report.run, row) for row in records_of(shown))
    yield Table("averages_table", None, head, rows)


def _message(name: str, /, **values: Value) -> Message:
    return Message(f"segmentation_page.{name}", values)


def _average(run: SegmentationRun, row: Row) -> tuple[str | int | Message, ...]:
    ends = {name: number_or_dash(row[name]) for name in ("low", "high")}
    interval = _message("no_interval")
    if row["interval_method"] != "none":
        interval = _message("range", **ends)
    return (
        row["layer"],
        row["method"],
        run.target_name(row["label"], row["target"]),
        _message(row["metric"]),
        number_or_dash(row["estimate"]),
        interval,
        number_or_dash(row["chance"]),
        int(row["images"]),
    )


def _rows_by_image(rows: pd.DataFrame) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    if len(rows):
        for image, part in rows.groupby("image", sort=False):
            yield str(image), records_of(part)


def _image(
    report: SegmentationReport, case: SegmentationCase, rows: Sequence[Row]
) -> Iterator[Block]:
    """The maps of one image as a table, then its figures."""
    if case.note is not None:
        yield Notice((case.note,))
    head: tuple[Text | Cell, ...] = (
        *map(_message, ("layer", "method", "target", "ratio")),
        Cell(_message("shifted"), note=_message("median_range")),
        _message("reached"),
        Cell(_message("random"), note=_message("median_range")),
        *map(_message, ("centre", "heat_on_area")),
        Cell(_message("true_region"), note=_message("and_shifted")),
    )
    table = tuple(_map(report.run, row) for row in rows)
    yield Table(f"maps_{case.image}", None, head, table)
    for file in report.figures.get(case.image, ()):
        views = report.views.get(case.image, ())
        yield Picture.of_file(file, alt=f"{case.image}: {file}", views=views)


def _map(run: SegmentationRun, row: Row) -> tuple[str | Message, ...]:
    layer = str(row["layer"])
    names = (
        _message("circular", layer=layer) if row["circular"] == "yes" else layer,
        row["method"],
        run.target_name(row["label"], row["target"]),
    )
    truth = "–"
    if "truth_ratio" in row:
        truth = (
            f"{number_or_dash(row['truth_ratio'])}, {number_or_dash(row['truth_shifted_median'])}"
        )
    if row["empty_reason_code"]:
        reason = Message.loads(row["empty_reason_code"])
        return (*names, _message("no_evidence", reason=reason), *["–"] * 5, truth)
    return (
        *names,
        number_or_dash(row["ratio"]),
        _with_range(row, "shifted"),
        percent(row["reached"]),
        _with_range(row, "random"),
        number_or_dash(row["centre"]),
        _message("on_area", share=percent(row["share"]), area=percent(row["area"])),
        truth,
    )


def _with_range(row: Row, name: str) -> str:
    median, low, high = (
        number_or_dash(row[f"{name}_{part}"]) for part in ("median", "low", "high")
    )
    return f"{median} ({low}–{high})"
