"""``chexlocalize.html``: the figures of each label, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from camlucida.core.messages import Estimate, Message, Value, declare
from camlucida.core.numbers import number_or_dash
from camlucida.evaluation.chexlocalize.measure import OTSU
from camlucida.evaluation.chexlocalize.summary import ALL_LABELS, SERIES, primary
from camlucida.evaluation.maps.row_tables import label_name
from camlucida.io.records import records_of
from camlucida.metrics.intervals import interval_notes
from camlucida.report.document import (
    Block,
    Cell,
    CellValue,
    Code,
    Document,
    Facts,
    Link,
    Notice,
    Paragraph,
    Points,
    Section,
    Table,
    phrase,
)

METRICS = ("iou", "iou_all", "hit", "precision", "recall", "specificity")
"""Columns of a table, in order."""

declare(
    "chexlocalize_page",
    {
        "title": "CheXlocalize protocol on saved maps",
        "failed": "Failed: {count}",
        "reading": "How to read the numbers",
        "limits": "Limits",
        "maps": "Maps",
        "truth": "Ground truth",
        "images": "Images",
        "images_of": "{images} of {patients} {patients:|patient|patients}",
        "thresholds": "Tuned thresholds",
        "threshold_of": "{label} {level:g}",
        "listed": "{items:,}",
        "none": "none",
        "command": "Command",
        "versions": "Versions",
        "masks_note": (
            "Maps are enlarged to the image and scaled from their minimum to their maximum; "
            "masks are made by Otsu's threshold, or where the scaled map exceeds a threshold tuned "
            "for its label on other patients (Saporta 2022)."
        ),
        "means_note": (
            "IoU and hit rate are means over the images that show the finding. The published IoU "
            "leaves out maps that segment nothing; “all maps” counts them as 0."
        ),
        "pixels_note": (
            "Precision, recall and specificity are of the pixels of all images together, with the "
            "images that do not show the finding."
        ),
        "chance_note": (
            "Chance: IoU with the segmentation moved to other places of the image; hit rate, the "
            "segmentation's share of the image; the others, a mask of the same size anywhere."
        ),
        "ceiling_note": (
            "Ceiling: the segmentation itself on the grid of the map, through the same steps. It "
            "is that of the grid as it was saved; a map that was enlarged before it was saved has "
            "a lower one, which is not known."
        ),
        "intervals": "Intervals (95%) are by patient.",
        "every_map": "Every map: ",
        "pixel_counts": "; counts of pixels: ",
        "figures": "; figures: ",
        "full_stop": ".",
        "scores": "Scores",
        "otsu": "Otsu's threshold.",
        "tuned": "Thresholds tuned per label.",
        "label": "Label",
        "positives": "Positive images",
        "patients": "Patients",
        "iou": "IoU, maps that segment anything",
        "iou_all": "IoU, all maps",
        "hit": "Hit rate",
        "precision": "Precision",
        "recall": "Recall",
        "specificity": "Specificity",
        "bounds": "chance {chance}, ceiling {ceiling}",
        "few": (
            "No interval is given where fewer than 10 patients count ({labels:,}): such a figure "
            "says little."
        ),
        "silent": "Maps of positive images that segment nothing: {shares:,}.",
        "silent_of": "{label} {count} of {images}",
        "silent_all": "all",
        "overlap": (
            "Overlap with a segmentation shows where a map is hot, not whether the model uses what "
            "is there; see the sanity check and faithfulness of camlucida evaluate."
        ),
        "research": "For research use only.",
    },
)


@dataclass(frozen=True)
class ProtocolAbout:
    """What the page shows beside the figures.

    Attributes:
        maps, truth: paths as they were given.
        images, patients: their numbers.
        thresholds: label → tuned threshold.
        notes, failures: remarks, and a line for each map that failed.
        command, versions: of the call.
        keyed: whether images have keyed names.
    """

    maps: str
    truth: str
    images: int
    patients: int
    thresholds: Mapping[str, float]
    notes: Sequence[Message]
    failures: Sequence[str]
    command: str
    versions: Mapping[str, str]
    keyed: bool = False


def protocol_page(figures: pd.DataFrame, about: ProtocolAbout) -> Document:
    """The page as a document.

    Args:
        figures: of :func:`~camlucida.evaluation.chexlocalize.summary.summarise_maps`.
        about: what they do not hold.
    """
    failed = tuple(about.failures)
    sections = (
        Section("failures", (Points(failed),), _message("failed", count=len(failed))),
        Section("read", tuple(_how_to_read(figures)), _message("reading")),
        *_series_sections(figures),
        Section("limits", (Points(tuple(_limits(figures))),), _message("limits")),
    )
    notes = tuple(Notice((note,)) for note in about.notes)
    intro: tuple[Block, ...] = (_facts(about), *notes)
    return Document(_message("title"), sections, intro=intro, keyed=about.keyed)


def _message(name: str, /, **values: Value) -> Message:
    return Message(f"chexlocalize_page.{name}", values)


def _messages(*names: str) -> tuple[Message, ...]:
    return tuple(map(_message, names))


def _facts(about: ProtocolAbout) -> Facts:
    images = _message("images_of", images=about.images, patients=about.patients)
    versions = ", ".join(f"{name} {version}" for name, version in about.versions.items())
    return Facts(
        (
            (_message("maps"), Code(about.maps)),
            (_message("truth"), Code(about.truth)),
            (_message("images"), images),
            (_message("thresholds"), _thresholds(about)),
            (_message("command"), Code(about.command)),
            (_message("versions"), versions),
        )
    )


def _thresholds(about: ProtocolAbout) -> Message:
    levels = [
        _message("threshold_of", label=label, level=level)
        for label, level in about.thresholds.items()
    ]
    return _message("listed", items=levels) if levels else _message("none")


def _how_to_read(figures: pd.DataFrame) -> Iterator[Block]:
    notes = _messages("masks_note", "means_note", "pixels_note", "chance_note", "ceiling_note")
    yield Paragraph(notes, quiet=True)
    intervals = (_message("intervals"), *interval_notes(figures["interval_method"]))
    yield Paragraph(intervals, quiet=True)
    files = phrase(
        _message("every_map"),
        Link("rows.csv"),
        _message("pixel_counts"),
        Link("pixels.csv"),
        _message("figures"),
        Link("summary.csv"),
        _message("full_stop"),
    )
    yield Paragraph((files,), quiet=True)


def _series_sections(figures: pd.DataFrame) -> Iterator[Section]:
    for number, (names, part) in enumerate(figures.groupby(SERIES, sort=False)):
        title = " · ".join(filter(None, map(str, names))) or _message("scores")
        tables = [_table(number, part, name) for name in primary(part)]
        yield Section(f"scores-{number}", tuple(tables), title)


def _table(number: int, part: pd.DataFrame, segmentation: str) -> Table:
    """A line a label; the hit rate, which needs no mask, stands in the first table alone."""
    shown = [name for name in METRICS if name != "hit" or segmentation == OTSU]
    of_mask = part[part["segmentation"].isin([segmentation, ""])]
    cells = {(row["label"], row["metric"]): row for row in records_of(of_mask)}
    rows: list[tuple[CellValue | Cell, ...]] = []
    for label in dict.fromkeys(of_mask["label"]):
        of_label = [cells.get((label, metric)) for metric in shown]
        counts = _counts(cells.get((label, "iou_all")))
        rows.append((label_name(label), *counts, *map(_cell, of_label)))
    head = _messages("label", "positives", "patients", *shown)
    name = f"scores-{number}-{segmentation}"
    return Table(name, _message(segmentation), head, tuple(rows))


def _counts(row: Mapping[str, Any] | None) -> tuple[int | None, int | None]:
    if row is None or row["images"] == 0:
        return None, None
    return row["images"], row["patients"]


def _cell(row: Mapping[str, Any] | None) -> Cell | None:
    if row is None or row["estimate"] != row["estimate"]:
        return None
    chance, ceiling = (number_or_dash(row[name]) for name in ("chance", "ceiling"))
    estimate: Estimate | float = Estimate(row["estimate"], row["low"], row["high"])
    if row["label"] == ALL_LABELS:
        # An estimate without an interval would be said to rest on few patients.
        estimate = row["estimate"]
    return Cell(estimate, note=_message("bounds", chance=chance, ceiling=ceiling))


def _limits(figures: pd.DataFrame) -> Iterator[Message]:
    without = figures[figures["interval_method"] == "none"]
    of_labels = without[without["patients"] > 0]
    if len(of_labels):
        labels = [label_name(label) for label in dict.fromkeys(of_labels["label"])]
        yield _message("few", labels=labels)
    silent = figures[(figures["metric"] == "iou") & (figures["without_value"] > 0)]
    if len(silent):
        shares = [_silent(row) for row in records_of(silent[silent["patients"] > 0])]
        yield _message("silent", shares=shares or [_message("silent_all")])
    yield from _messages("overlap", "research")


def _silent(row: Mapping[str, Any]) -> Message:
    images = row["without_value"] + row["images"]
    label = label_name(row["label"])
    return _message("silent_of", label=label, count=int(row["without_value"]), images=int(images))
