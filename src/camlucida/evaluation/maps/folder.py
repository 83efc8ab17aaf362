"""``camlucida evaluate``: images and their truth in, a folder of tables out. One bad image costs that image alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.files import write_json
from camlucida.core.messages import Message, prefixed, quoted
from camlucida.datasets.ground_truth import GroundTruth
from camlucida.datasets.images import LabelledImage, LabelledImages
from camlucida.evaluation.maps.baselines import Atlas, add_to_atlas
from camlucida.evaluation.maps.choice import BOX_METRICS
from camlucida.evaluation.maps.measure import (
    FAITHFUL,
    MASKING,
    MetricSettings,
    Sample,
    Tables,
    measure,
)
from camlucida.evaluation.maps.randomisation import IMAGES, randomisation_table
from camlucida.io.tables import listing, read_table, write_table
from camlucida.metrics import faithfulness
from camlucida.metrics.imputation import Perturbation, PerturbedImage
from camlucida.metrics.queue import Count, forwards_needed
from camlucida.models import LoadedModel
from camlucida.models.preprocessing import unit_scale

ROWS, CURVES, SANITY, BOXES = "rows.parquet", "curves.parquet", "sanity.parquet", "boxes.parquet"
ABOUT = "evaluation.json"
TABLES = (ROWS, CURVES, SANITY, BOXES)


@dataclass(frozen=True)
class Cost:
    """What a run will take, before it starts.

    Attributes:
        a_map: altered images of one map; those that maps of an image share are counted once.
        maps: at most, of methods and baselines.
        images: to evaluate.
        seconds: of one altered image in a full batch, measured.
    """

    a_map: int
    maps: int
    images: int
    seconds: float

    def __str__(self) -> str:
        total = self.images * self.maps * self.a_map
        minutes = total * self.seconds / 60
        return (
            f"cost: {self.images} images × at most {self.maps} maps (methods and baselines, each label and layer) × {self.a_map} "
            f"altered images = at most {total:,} forward passes, {minutes:.1f} minutes here"
        )


@dataclass
class Evaluated:
    """What a run measured, and what is said of it.

    Attributes:
        tables: rows, curves, boxes, failures, notes, count.
        sanity: see :func:`randomisation_table`.
        seconds: of all of it.
        about: for the record, JSON.
    """

    tables: Tables
    sanity: pd.DataFrame
    seconds: float
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """Where samples come from: images with their truth, read as they are needed."""

    model: LoadedModel
    cohort: LabelledImages
    settings: MetricSettings
    truth: GroundTruth | None = None
    regions: GroundTruth | None = None
    frame: int | None = None

    def sample(self, item: LabelledImage) -> Sample:
        """One image with its truth.

        Raises:
            CamlucidaError: the image or its truth cannot be read: it is left out.
        """
        scan = replace(self.model.read(item.path, self.frame), id=item.id)
        height, width = scan.geometry.original
        size = (height, width)
        masks = self.truth.masks(item.id, str(item.path), size) if self.truth is not None else {}
        boxes = self.truth.boxes(item.id, str(item.path), size) if self.truth is not None else {}
        regions = (
            self.regions.masks(item.id, str(item.path), size) if self.regions is not None else {}
        )
        return Sample(scan, item.patient, masks, boxes, regions, item.positives)

    def samples(self, failures: list[tuple[str, str]]) -> Iterator[Sample]:
        """All that can be read; a line in ``failures`` for each that cannot."""
        for item in self.cohort.images:
            try:
                sample = self.sample(item)
            except UsageError:
                raise
            except CamlucidaError as error:
                failures.append((str(item.path), str(error)))
                continue
            yield sample

    def atlas(self) -> Atlas | None:
        """Mean truths, for the baseline that knows where findings usually are."""
        if self.truth is None:
            return None
        sums: dict[str, dict[str, Any]] = {}
        for sample in self.samples([]):
            add_to_atlas(sums, sample.patient, sample.masks)
        return Atlas(sums)


def estimate(source: Source) -> Cost:
    """The cost of a run; times one batch of the model."""
    settings, spec = source.settings, source.model.card.input
    weight = next(source.model.module.parameters())
    image = torch.zeros(spec.channels, *spec.height_width)
    faithful = [name for name in settings.metrics if name in FAITHFUL]
    case = Perturbation(PerturbedImage("image", image, (False,)), torch.arange(49.0).reshape(7, 7))
    a_map = forwards_needed(faithfulness.plans(case, faithful, 1.0)) if faithful else 0
    labels = _labels_an_image(source)
    masking_alone = all(name in MASKING for name in faithful)
    baselines = [name for name in settings.baselines if name != "fake_cam" or masking_alone]
    maps = (
        labels
        * (len(settings.methods) + len(baselines))
        * len(settings.layers or (source.model.card.layer,))
    )
    batch = torch.zeros(settings.batch_size or 8, *image.shape).to(weight)
    with torch.inference_mode():
        source.model.module(batch)
        start = time.perf_counter()
        source.model.module(batch)
        seconds = (time.perf_counter() - start) / len(batch)
    return Cost(a_map, maps, len(source.cohort.images), seconds)


def _labels_an_image(source: Source) -> int:
    """Most labels of any image: those asked for, else marked or true; else the task's default."""
    if source.settings.targets is not None:
        return len(source.settings.targets)
    marked = [
        len(source.truth.has(item.id, str(item.path))) if source.truth else 0
        for item in source.cohort.images
    ]
    true = [len(item.positives or ()) for item in source.cohort.images]
    return max([1, *marked, *(true if not any(marked) else [])])


def run(source: Source, *, progress: Callable[[int], object] = lambda done: None) -> Evaluated:
    """Measure everything, the sanity check last."""
    start, settings = time.perf_counter(), source.settings
    unreadable: list[tuple[str, str]] = [
        (problem.image, str(problem)) for problem in source.cohort.problems
    ]
    few: list[Sample] = []

    def kept(samples: Iterable[Sample]) -> Iterator[Sample]:
        for sample in samples:
            if len(few) < IMAGES:
                few.append(sample)
            yield sample

    atlas = source.atlas() if "average_mask" in settings.baselines else None
    unit = unit_scale(source.model.card.input)
    tables = measure(
        source.model,
        kept(source.samples(unreadable)),
        settings,
        atlas=atlas,
        unit=unit,
        progress=progress,
    )
    tables.failures[:0] = unreadable
    tables.notes[:0] = source.cohort.notes
    tables.notes += _notes_of_truth(source, tables)
    sanity = randomisation_table(source.model, few, settings)
    return Evaluated(tables, sanity, time.perf_counter() - start)


def _notes_of_truth(source: Source, tables: Tables) -> list[Message]:
    notes = []
    for kind, truth in (("", source.truth), ("regions", source.regions)):
        if truth is not None:
            notes += [
                prefixed(kind, note) if kind else note
                for note in truth.unused(
                    [(item.id, str(item.path)) for item in source.cohort.images]
                )
            ]
    if source.truth is None and any(name not in FAITHFUL for name in source.settings.metrics):
        notes.append(
            quoted(
                "no truth is given (--masks, --boxes, --rle, --polygons): "
                "localisation is not measured"
            )
        )
    elif source.truth is not None:
        marked = {
            label
            for item in source.cohort.images
            for label in source.truth.has(item.id, str(item.path))
        }
        without = [label for label in source.model.card.labels if label and label not in marked]
        if without and "" not in marked:
            notes.append(
                quoted(
                    f"labels without a mark in any image: {', '.join(without)}: their localisation is not measured"
                )
            )
    empty = (
        tables.rows[tables.rows["metric"] == "hit"]
        .groupby(["image", "label"])["value"]
        .apply(lambda v: bool(v.isna().all()))
    )
    if len(empty) and bool(empty.any()):
        names = listing([f"{image} {label}" for image, label in empty[empty].index])
        notes.append(
            quoted(
                f"{int(empty.sum())} empty masks ({names}): no localisation value, counted as missing"
            )
        )
    return notes


def write(out: Path, evaluated: Evaluated) -> None:
    """The measured tables and ``evaluation.json``; everything else is made of them."""
    tables = evaluated.tables
    boxes = tables.boxes.assign(
        **{key: tables.boxes[key].map(json.dumps) for key in ("found", "truth", "accuracy")}
    )
    for name, frame in zip(TABLES, (tables.rows, tables.curves, evaluated.sanity, boxes)):
        write_table(frame, out / name)
    write_table(tables.rows, out / "rows.csv")
    write_json(out / ABOUT, evaluated.about)


def read(out: Path) -> Evaluated:
    """What :func:`write` wrote.

    Raises:
        UsageError: not such a folder.
    """
    missing = [name for name in (*TABLES, ABOUT) if not (out / name).is_file()]
    if missing:
        raise UsageError(
            f"{out} lacks {', '.join(missing)}",
            "give a folder that `camlucida evaluate` wrote, or images and --model",
        )
    rows, curves, sanity, boxes = (
        pd.read_parquet(out / name) if name != ROWS else read_table(out / name) for name in TABLES
    )
    for key in ("found", "truth", "accuracy"):
        boxes[key] = boxes[key].map(json.loads)
    about = json.loads((out / ABOUT).read_text("utf-8"))
    failures = [(entry["image"], entry["error"]) for entry in about["failures"]]
    tables = Tables(
        rows,
        curves,
        boxes,
        failures,
        list(map(Message.from_json, about["notes"])),
        Count(**about["count"]),
    )
    return Evaluated(tables, sanity, about["seconds"], about)


def describe(
    source: Source, evaluated: Evaluated, command: str, versions: dict[str, str]
) -> dict[str, Any]:
    """The content of ``evaluation.json``."""
    model, settings, tables = source.model, source.settings, evaluated.tables
    return {
        "model": {
            "name": model.name,
            "description": model.card.description,
            "sha256": model.sha256,
            "card": model.card.model_dump(),
        },
        "settings": {
            **asdict(replace(settings, targets=None)),
            "targets": [str(target) for target in settings.targets]
            if settings.targets
            else "what is marked or true, else the default",
        },
        "images": len(source.cohort.images) + len(source.cohort.problems),
        "patients_known": source.cohort.patients_known,
        "count": vars(tables.count),
        "seconds": evaluated.seconds,
        "command": command,
        "versions": versions,
        "device": str(next(model.module.parameters()).device),
        "failures": [{"image": image, "error": error} for image, error in tables.failures],
        "notes": tables.notes,
        "box_metrics": [name for name in settings.metrics if name in BOX_METRICS],
        "notice": "Research use only",
    }
