"""``camlucida evaluate``: images and their annotations in, a folder of tables out.

An image that cannot be evaluated costs that image alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.core.files import write_json
from camlucida.core.messages import Message, Value, declare, prefixed
from camlucida.datasets.image_names import is_of_image
from camlucida.datasets.images import LabelledImages
from camlucida.datasets.keyed_names import keyed_message, keyed_problem, known_names
from camlucida.evaluation.maps.choice import with_inputs
from camlucida.evaluation.maps.few_images import FewImages
from camlucida.evaluation.maps.measure import Sample, Tables, measure
from camlucida.evaluation.maps.randomisation import COLUMNS, randomisation_table
from camlucida.evaluation.maps.readers import reader_notes
from camlucida.evaluation.maps.source import Source
from camlucida.evaluation.maps.stored import StoredMaps
from camlucida.io.tables import listing, read_table, write_table
from camlucida.metrics import METRICS
from camlucida.metrics.queue import Count
from camlucida.models.preprocessing import no_unit_scale, unit_scale

declare(
    "evaluation_notes",
    {
        "no_truth": (
            "No ground truth is given (--masks, --boxes, --rle, --polygons), so localisation "
            "is not measured."
        ),
        "not_annotated": (
            "{labels}: not annotated in any image, so {count:|its|their} localisation is not "
            "measured."
        ),
        "empty_masks": (
            "{count} empty {count:|mask|masks} ({names}): no localisation value, counted as "
            "missing."
        ),
        "explained_again": (
            "{count} {count:|image|images} explained again, because the run does not store all "
            "requested maps of the same file: {names}."
        ),
        "left_out": (
            "methods left out, because the run could not apply them, with the number of images: "
            "{methods:,}; camlucida show has the reasons."
        ),
    },
)

ROWS, CURVES, SANITY, BOXES = "rows.parquet", "curves.parquet", "sanity.parquet", "boxes.parquet"
ABOUT = "evaluation.json"
TABLES = (ROWS, CURVES, SANITY, BOXES)
BOX_COLUMNS = ("found", "truth", "accuracy")
"""Columns of the table of boxes that hold lists, which are written as JSON."""


@dataclass
class Evaluated:
    """What was measured of one model.

    Attributes:
        tables: rows, curves, boxes, failures, notes, count.
        sanity: see :func:`~camlucida.evaluation.maps.randomisation.randomisation_table`.
        seconds: of all of it.
        about: for the record, JSON.
    """

    tables: Tables
    sanity: pd.DataFrame
    seconds: float
    about: dict[str, Any] = field(default_factory=dict)


def run(source: Source, *, progress: Callable[[int], object] = lambda done: None) -> Evaluated:
    """Measure everything, the sanity check last.

    Args:
        source: model, images and settings.
        progress: called with the number of images done since the last call.

    Raises:
        UsageError, LayerError: the request fits no image at all.
    """
    start, settings = time.perf_counter(), source.settings
    unreadable = list(source.cohort.problems)
    few = FewImages[Sample]()

    def kept(samples: Iterable[Sample]) -> Iterator[Sample]:
        for sample in samples:
            few.add(sample, sample.patient)
            yield sample

    tables = measure(
        source.model,
        kept(source.samples(unreadable)),
        settings,
        maps=source.map_source,
        atlas=source.atlas() if "average_mask" in settings.baselines else None,
        unit=unit_scale(source.model.card.volume or source.model.card.input),
        progress=progress,
    )
    if source.views:
        tables.rows["view"] = tables.rows["image"].map(source.views).fillna("")
    tables.failures[:0] = unreadable
    tables.notes[:0] = source.cohort.notes
    tables.notes += _notes_of_annotations(source, tables)
    tables.notes += _notes_of_maps(source)
    tables.notes += reader_notes(pd.DataFrame(source.reader_rows))
    no_unit = no_unit_scale(source.model.card.volume or source.model.card.input)
    if no_unit is not None:
        tables.notes.append(no_unit)
    sanity = randomisation_table(source.model, list(few), settings, maps=source.map_source)
    return Evaluated(tables, sanity, time.perf_counter() - start)


def _notes_of_annotations(source: Source, tables: Tables) -> list[Message]:
    """Annotations that were not used, and labels and images without one."""
    images = [(item.known_as, str(item.path)) for item in source.cohort.images]
    notes = [] if source.truth is None else list(source.truth.unused(images))
    if source.regions is not None:
        notes += [prefixed("regions", note) for note in source.regions.unused(images)]
    families = {METRICS[name].family for name in source.settings.metrics}
    if source.truth is None and families != {"faithfulness"}:
        notes.append(Message("evaluation_notes.no_truth"))
    if source.truth is not None:
        notes += _not_annotated(source)
    return [*notes, *_empty_masks(tables)]


def _not_annotated(source: Source) -> list[Message]:
    annotated: set[str] = set()
    for item in source.cohort.images:
        annotated |= source.annotated_labels(item)
    without = [label for label in source.model.card.labels if label and label not in annotated]
    if not without or "" in annotated:
        return []
    return [
        Message(
            "evaluation_notes.not_annotated", {"labels": ", ".join(without), "count": len(without)}
        )
    ]


def _empty_masks(tables: Tables) -> list[Message]:
    """Images and labels with an empty mask: no map of theirs has a hit."""
    hits = tables.rows[tables.rows["metric"] == "hit"]
    missing = hits["value"].isna().groupby([hits["image"], hits["label"]]).all()
    empty = [f"{image} {label}" for image, label in missing[missing].index]
    if not empty:
        return []
    return [Message("evaluation_notes.empty_masks", {"count": len(empty), "names": listing(empty)})]


def _notes_of_maps(source: Source) -> list[Message]:
    maps = source.map_source
    if not isinstance(maps, StoredMaps):
        return []
    notes = []
    if again := maps.explained_again:
        values: dict[str, Value] = {"count": len(again), "names": listing(again)}
        notes.append(Message("evaluation_notes.explained_again", values))
    if maps.left_out:
        methods = [f"{method} ({images})" for method, images in maps.left_out.items()]
        notes.append(Message("evaluation_notes.left_out", {"methods": methods}))
    return notes


def key_names(tables: Tables, cohort: LabelledImages) -> None:
    """Take the names of files out of the failures and notes of an evaluation.

    Args:
        tables: of images that have keyed names; changed.
        cohort: these images, whose own failures and notes are keyed already.
    """
    names = known_names(cohort.images)
    tables.failures[:] = [
        failure if failure in cohort.problems else keyed_problem(failure, names)
        for failure in tables.failures
    ]
    tables.notes[:] = [
        note if note in cohort.notes else keyed_message(note, names) for note in tables.notes
    ]


def write(out: Path, evaluated: Evaluated) -> None:
    """The measured tables and ``evaluation.json``; everything else is made of them."""
    tables = evaluated.tables
    as_text = {key: tables.boxes[key].map(json.dumps) for key in BOX_COLUMNS}
    boxes = tables.boxes.assign(**as_text)
    for name, frame in zip(TABLES, (tables.rows, tables.curves, evaluated.sanity, boxes)):
        write_table(frame, out / name)
    write_table(tables.rows, out / "rows.csv")
    write_json(out / ABOUT, evaluated.about)


def read(out: Path) -> Evaluated:
    """What :func:`write` wrote.

    Raises:
        UsageError: not such a folder, or one of an earlier version.
    """
    missing = [name for name in (*TABLES, ABOUT) if not (out / name).is_file()]
    if missing:
        raise UsageError(
            f"{out} lacks {', '.join(missing)}",
            "give a folder that `camlucida evaluate` wrote, or images and --model",
        )
    rows = read_table(out / ROWS)
    curves, sanity, boxes = (pd.read_parquet(out / name) for name in (CURVES, SANITY, BOXES))
    older = [name for name in COLUMNS if name not in sanity]
    if len(sanity) and older:
        raise UsageError(
            f"{out / SANITY} lacks {', '.join(older)}: an earlier version wrote it",
            "evaluate again into this folder: camlucida evaluate",
        )
    for key in BOX_COLUMNS:
        boxes[key] = boxes[key].map(json.loads)
    about = json.loads((out / ABOUT).read_text("utf-8"))
    failures = [Failure(**failure) for failure in about["failures"]]
    notes = [Message.from_json(note) for note in about["notes"]]
    # One of an earlier version has none.
    shown = {(method, layer): name for method, layer, name in about.get("shown_layers", ())}
    tables = Tables(rows, curves, boxes, failures, notes, Count(**about["count"]), shown)
    return Evaluated(tables, sanity, about["seconds"], about)


def describe(
    source: Source, evaluated: Evaluated, command: str, versions: dict[str, str]
) -> dict[str, Any]:
    """The content of ``evaluation.json``.

    Args:
        source: what was evaluated.
        evaluated: what was measured.
        command: the command line.
        versions: package → version.
    """
    model, settings, tables = source.model, source.settings, evaluated.tables
    targets = None if settings.targets is None else list(map(str, settings.targets))
    return {
        "model": {
            "name": model.name,
            "description": model.card.description,
            "sha256": model.sha256,
            "card": model.card.model_dump(),
        },
        "settings": {**asdict(replace(settings, targets=None)), "targets": targets},
        "images": len(source.cohort.images) + sum(map(is_of_image, source.cohort.problems)),
        "patients_known": source.cohort.patients_known,
        "count": vars(tables.count),
        "seconds": evaluated.seconds,
        "command": command,
        "versions": versions,
        "device": str(next(model.module.parameters()).device),
        "failures": [failure.to_json() for failure in tables.failures],
        "notes": tables.notes,
        "shown_layers": [[*place, shown] for place, shown in tables.shown_layers.items()],
        "box_metrics": list(with_inputs("all boxes", among=settings.metrics)),
        "notice": "Research use only",
    }
