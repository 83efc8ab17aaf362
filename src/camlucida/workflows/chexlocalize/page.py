"""``chexlocalize.html``: the figures of each label, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from camlucida.core.messages import Estimate, Message
from camlucida.core.numbers import number_or_dash
from camlucida.evaluation.chexlocalize.measure import OTSU
from camlucida.evaluation.chexlocalize.summary import ALL_LABELS, SERIES, primary
from camlucida.io.records import records_of
from camlucida.metrics.intervals import interval_notes
from camlucida.report.document import (
    Block,
    Cell,
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

TITLES = {
    "iou": "IoU, maps that segment anything",
    "iou_all": "IoU, all maps",
    "hit": "Hit rate",
    "precision": "Precision",
    "recall": "Recall",
    "specificity": "Specificity",
}
SEGMENTATIONS = {"otsu": "Otsu's threshold", "tuned": "Thresholds tuned per label"}


@dataclass(frozen=True)
class ProtocolAbout:
    """What the page shows beside the figures.

    Attributes:
        maps, truth: paths as they were given.
        images, patients: their numbers.
        thresholds: label → tuned threshold.
        notes, failures: remarks, and a line for each map that failed.
        command, versions: of the call.
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


def protocol_page(figures: pd.DataFrame, about: ProtocolAbout) -> Document:
    """The page as a document.

    Args:
        figures: of :func:`~camlucida.evaluation.chexlocalize.summary.summarise_maps`.
        about: what they do not hold.
    """
    failed = tuple(about.failures)
    sections = (
        Section("failures", (Points(failed),), f"Failed: {len(failed)}"),
        Section("read", tuple(_how_to_read(figures)), "How to read the numbers"),
        *_series_sections(figures),
        Section("limits", (Points(tuple(_limits(figures))),), "Limits"),
    )
    notes = tuple(Notice((note,)) for note in about.notes)
    return Document("CheXlocalize protocol on saved maps", sections, intro=(_facts(about), *notes))


def _facts(about: ProtocolAbout) -> Facts:
    noun = "patient" if about.patients == 1 else "patients"
    thresholds = ", ".join(f"{label} {level:g}" for label, level in about.thresholds.items())
    versions = ", ".join(f"{name} {version}" for name, version in about.versions.items())
    return Facts(
        (
            ("Maps", Code(about.maps)),
            ("Ground truth", Code(about.truth)),
            ("Images", f"{about.images} of {about.patients} {noun}"),
            ("Tuned thresholds", thresholds or "none"),
            ("Command", Code(about.command)),
            ("Versions", versions),
        )
    )


def _how_to_read(figures: pd.DataFrame) -> Iterator[Block]:
    yield Paragraph(
        (
            "Maps are enlarged to the image and scaled from their minimum to their maximum; "
            "masks are made by Otsu's threshold, or where the scaled map exceeds a threshold tuned "
            "for its label on other patients (Saporta 2022).",
            "IoU and hit rate are means over the images that show the finding. The published IoU "
            "leaves out maps that segment nothing; “all maps” counts them as 0.",
            "Precision, recall and specificity are of the pixels of all images together, with the "
            "images that do not show the finding.",
            "Chance: IoU with the segmentation moved to other places of the image; hit rate, the "
            "segmentation's share of the image; the others, a mask of the same size anywhere.",
            "Ceiling: the segmentation itself on the grid of the map, through the same steps. It "
            "is that of the grid as it was saved; a map that was enlarged before it was saved has "
            "a lower one, which is not known.",
        ),
        quiet=True,
    )
    yield Paragraph(
        ("Intervals (95%) are by patient.", *interval_notes(figures["interval_method"])),
        quiet=True,
    )
    files = phrase(
        "Every map: ", Link("rows.csv"), "; counts of pixels: ", Link("pixels.csv"), "; figures: "
    )
    yield Paragraph((phrase(files, Link("summary.csv"), "."),), quiet=True)


def _series_sections(figures: pd.DataFrame) -> Iterator[Section]:
    for number, (names, part) in enumerate(figures.groupby(SERIES, sort=False)):
        title = " · ".join(filter(None, map(str, names))) or "Scores"
        tables = [_table(number, part, name) for name in primary(part)]
        yield Section(f"scores-{number}", tuple(tables), title)


def _table(number: int, part: pd.DataFrame, segmentation: str) -> Table:
    """A line a label; the hit rate, which needs no mask, stands in the first table alone."""
    shown = [name for name in TITLES if name != "hit" or segmentation == OTSU]
    of_mask = part[part["segmentation"].isin([segmentation, ""])]
    cells = {(row["label"], row["metric"]): row for row in records_of(of_mask)}
    rows = []
    for label in dict.fromkeys(of_mask["label"]):
        of_label = [cells.get((label, metric)) for metric in shown]
        counts = _counts(cells.get((label, "iou_all")))
        rows.append((label, *counts, *map(_cell, of_label)))
    head = ("Label", "Positive images", "Patients", *(TITLES[name] for name in shown))
    caption = f"{SEGMENTATIONS[segmentation]}."
    return Table(f"scores-{number}-{segmentation}", caption, head, tuple(rows))


def _counts(row: Mapping[str, object] | None) -> tuple[object, object]:
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
    return Cell(estimate, note=f"chance {chance}, ceiling {ceiling}")


def _limits(figures: pd.DataFrame) -> Iterator[str]:
    without = figures[figures["interval_method"] == "none"]
    of_labels = without[without["patients"] > 0]
    if len(of_labels):
        labels = ", ".join(dict.fromkeys(of_labels["label"]))
        yield (
            f"No interval is given where fewer than 10 patients count ({labels}): such a figure "
            "says little."
        )
    silent = figures[(figures["metric"] == "iou") & (figures["without_value"] > 0)]
    if len(silent):
        shares = [
            f"{row['label']} {row['without_value']} of {row['without_value'] + row['images']}"
            for row in records_of(silent[silent["patients"] > 0])
        ]
        yield f"Maps of positive images that segment nothing: {', '.join(shares) or 'all'}."
    yield (
        "Overlap with a segmentation shows where a map is hot, not whether the model uses what is "
        "there; see the sanity check and faithfulness of camlucida evaluate."
    )
    yield "For research use only."
