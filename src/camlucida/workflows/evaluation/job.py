"""Explanations evaluated, one model after the other, of images or of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.attribution.methods import method_names
from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.core.files import slug
from camlucida.core.output_spec import RegionScore
from camlucida.datasets.annotation_discovery import read_beside
from camlucida.datasets.annotation_names import with_names_of_images
from camlucida.datasets.ground_truth import (
    GroundTruth,
    ground_truth_of,
    read_ground_truth,
    read_regions,
)
from camlucida.datasets.images import LabelledImages, read_labelled_images
from camlucida.datasets.public_truth import read_public_truth
from camlucida.datasets.recorded_splits import SplitSource, find_recorded_split
from camlucida.datasets.splits import training_notes
from camlucida.evaluation.maps.choice import choose, choose_baselines
from camlucida.evaluation.maps.folder import Evaluated, describe, key_names, run, write
from camlucida.evaluation.maps.measurable import for_detector, for_model
from camlucida.evaluation.maps.measure import MetricSettings
from camlucida.evaluation.maps.of_run import RunModel, run_annotations, run_models, run_regions
from camlucida.evaluation.maps.readers import READERS
from camlucida.evaluation.maps.source import Source
from camlucida.figures.notice import stamped
from camlucida.io.tables import write_table
from camlucida.models import load_model
from camlucida.runs.keyed import GIVEN, IMAGE_NAMES, KEYED, is_keyed, keyed_file
from camlucida.runs.mismatch import any_mismatch
from camlucida.runs.read import Run, is_run
from camlucida.workflows.evaluation.folder import present
from camlucida.workflows.evaluation.public_facts import public_views, with_public_facts


@dataclass(frozen=True)
class AnnotationFiles:
    """Where the ground truth comes from; at most one of them is given.

    Attributes:
        masks: folder of ``LABEL/ID.png``, ``ID_LABEL.png`` or ``ID.png``.
        boxes: table of boxes.
        rle: CheXlocalize masks.
        polygons: CheXlocalize outlines.
        names: value → label of label maps, class → label of YOLO's files.
        public: a data set of :data:`~camlucida.datasets.public_truth.NAMES`, whose tables are
            joined by the images' names.
    """

    masks: Path | None = None
    boxes: Path | None = None
    rle: Path | None = None
    polygons: Path | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    public: str | None = None

    @property
    def given(self) -> bool:
        """Whether any is given."""
        return any((self.masks, self.boxes, self.rle, self.polygons, self.public))

    def read(self, labels: Sequence[str], id_column: str | None = None) -> GroundTruth | None:
        """The ground truth; None where no file is given.

        Args:
            labels: of the model.
            id_column: of the images in the table of boxes, if it has such a column.

        Raises:
            UsageError: a file cannot be read, or two are given.
        """
        files = (self.masks, self.boxes, self.rle, self.polygons)
        if self.public is not None and any(files):
            raise UsageError("--truth and a file of annotations are both given", "give one of them")
        if not any(files):
            return None
        return read_ground_truth(
            masks=self.masks,
            boxes=self.boxes,
            rle=self.rle,
            polygons=self.polygons,
            labels=labels,
            names=self.names,
            id_column=id_column,
        )


@dataclass(frozen=True)
class ImageTable:
    """A table of patients, labels and splits of images; columns are found by name where None.

    Attributes are the options of :func:`~camlucida.datasets.images.read_labelled_images`.
    """

    path: Path | None = None
    id_column: str | None = None
    patient_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    split: str | None = None
    sheet: str | None = None
    id_pattern: str | None = None
    class_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationRequest:
    """What is evaluated, and how.

    Attributes:
        images: image files; unused for a run.
        cards: model cards or factories; empty for a run.
        run: folder of ``camlucida run``, in place of images and cards.
        table: of the images.
        targets: None takes the run's, else annotated labels, else true ones, else the task's.
        methods, layers: empty takes the run's, else gradcam and the card's layer.
        annotations: ground truth; those of the run where none is given.
        regions: folder of masks of further places; those of the run where none is given.
        metrics: names, families, ``default`` or ``all``.
        threshold: of ``iou_tuned`` and ``dice_tuned``, in [0, 1].
        baselines: ``all``, ``none``, or names joined by commas.
        seed: of ties and noise.
        out: folder; None: ``evaluation``, in the run's folder if there is one.
        output, region_score: of the models of ``cards``, as in
            :func:`camlucida.models.load_model`.
        device, batch_size: as in :func:`camlucida.models.load_model`.
        frame: of files that have several; the first if None.
    """

    images: tuple[Path, ...] = ()
    cards: tuple[str, ...] = ()
    run: Path | None = None
    table: ImageTable = field(default_factory=ImageTable)
    targets: tuple[Any, ...] | None = None
    methods: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    annotations: AnnotationFiles = field(default_factory=AnnotationFiles)
    regions: Path | None = None
    metrics: tuple[str, ...] = ("default",)
    threshold: float | None = None
    baselines: str = "all"
    seed: int = 0
    out: Path | None = None
    output: str | None = None
    region_score: RegionScore | None = None
    device: str = "auto"
    batch_size: int | None = None
    frame: int | None = None

    @property
    def folder(self) -> Path:
        """Where the evaluation is written."""
        return self.out or (self.run or Path()) / "evaluation"

    def settings(self) -> MetricSettings:
        """The settings that are the same for every model.

        Raises:
            UsageError: unknown metric, baseline or method.
        """
        method_names(self.methods)
        return MetricSettings(
            metrics=choose(list(self.metrics), self.threshold),
            baselines=choose_baselines(self.baselines),
            threshold=self.threshold,
            batch_size=self.batch_size,
            seed=self.seed,
        )


@dataclass(frozen=True)
class EvaluationJob:
    """One model, evaluated into one folder.

    ``mismatch``: whether it is not that of the predictions which its training run stored;
    ``run``: ``run.json`` of the run whose maps are evaluated, empty where there is none.
    """

    name: str
    source: Source
    folder: Path
    regions: Path | None = None
    mismatch: bool = False
    run: Mapping[str, Any] = field(default_factory=dict)

    def regions_record(self) -> str | None:
        """What the record says of the folder of regions."""
        if self.regions is None:
            return None
        if is_keyed(self.run):
            return keyed_file(self.run, "regions", self.regions)
        return str(self.regions.absolute())


@dataclass
class EvaluationResult:
    """What was measured of a model; ``page`` and ``summary`` are None where no map was."""

    evaluated: Evaluated
    page: Path | None = None
    summary: pd.DataFrame | None = None


def evaluation_jobs(request: EvaluationRequest) -> Iterator[EvaluationJob]:
    """The models to evaluate; each is loaded when it is its turn.

    Raises:
        UsageError: the request is wrong.
    """
    if not request.cards and (request.run is None or not is_run(request.run)):
        raise UsageError(
            "there is no model to evaluate",
            "give --model CARD, or a folder that `camlucida run` or `camlucida evaluate` wrote",
        )
    settings = request.settings()
    models, annotations, count = _models(request)
    opened = [] if request.run is None else [Run.open(request.run)]
    if request.regions is None and opened:
        request = replace(request, regions=run_regions(opened[0]))
    for model in models:
        source = _source(request, settings, annotations, model)
        folder = request.folder / slug(model.name) if count > 1 else request.folder
        about = opened[0].about if opened else {}
        mismatch = any_mismatch(opened)
        yield EvaluationJob(model.name, source, folder, request.regions, mismatch, about)


def evaluate_job(
    job: EvaluationJob,
    about: Mapping[str, Any],
    failures: Sequence[Failure] = (),
    progress: Callable[[int], object] = lambda done: None,
) -> EvaluationResult:
    """Evaluate one model, and write tables, figures and page.

    Args:
        job: of :func:`evaluation_jobs`.
        about: ``command`` and ``versions``, for the record.
        failures: images that failed before.
        progress: called with the number of images done since the last call.
    """
    evaluated = run(job.source, progress=progress)
    evaluated.tables.failures[:0] = failures
    command = about["command"]
    if is_keyed(job.run):
        key_names(evaluated.tables, job.source.cohort)
        command = ""  # its words name files
    evaluated.about = describe(job.source, evaluated, command, about["versions"])
    evaluated.about["regions"] = job.regions_record()
    evaluated.about[IMAGE_NAMES] = KEYED if is_keyed(job.run) else GIVEN
    write(job.folder, evaluated)
    (job.folder / READERS).unlink(missing_ok=True)  # of an earlier evaluation
    if job.source.reader_rows:
        write_table(pd.DataFrame(job.source.reader_rows), job.folder / READERS)
    result = EvaluationResult(evaluated)
    if len(evaluated.tables.rows):
        with stamped(job.mismatch):
            result.page, result.summary = present(job.folder, evaluated, job.source)
    return result


def _models(request: EvaluationRequest) -> tuple[Iterator[RunModel], AnnotationFiles, int]:
    """The models with their images, the ground truth, and how many models there are."""
    if request.run is None:
        return _models_of_images(request), request.annotations, len(request.cards)
    opened = Run.open(request.run)
    annotations = request.annotations
    if not annotations.given:
        stored = run_annotations(opened)
        annotations = AnnotationFiles(stored["masks"], stored["boxes"], names=annotations.names)
    return run_models(opened, request.device), annotations, len(opened.about["models"])


def _models_of_images(request: EvaluationRequest) -> Iterator[RunModel]:
    """Each model, with the images as its labels see them."""
    table = request.table
    for card in request.cards:
        model = load_model(
            card,
            output=request.output,
            region_score=request.region_score,
            device=request.device,
        )
        recorded = (
            None if table.path is None else find_recorded_split(model.checkpoint, model.options)
        )
        images = read_labelled_images(
            list(request.images),
            table=table.path,
            labels=model.card.labels,
            id_column=table.id_column,
            patient_column=table.patient_column,
            label_column=table.label_column,
            split_column=table.split_column,
            split=table.split,
            sheet=table.sheet,
            id_pattern=table.id_pattern,
            class_names=table.class_names,
            split_source=SplitSource(recorded),
        )
        splits = [image.split for image in images.images]
        images = replace(images, notes=(*images.notes, *training_notes(splits, table.split)))
        yield RunModel(model.name, model, images, ("gradcam",), (), None)


def _source(
    request: EvaluationRequest,
    settings: MetricSettings,
    annotations: AnnotationFiles,
    model: RunModel,
) -> Source:
    """The images of a model with their ground truth, and what is measured of them."""
    of_model = replace(
        settings,
        targets=request.targets or model.targets,
        methods=tuple(method_names(request.methods or model.methods)),
        layers=request.layers or model.layers or None,
    )
    cohort, truth, readers, views = _with_truth(request, annotations, model)
    of_model, notes = for_model(of_model, model.model.card.volume)
    of_model, of_detector = for_detector(of_model, model.model.module)
    notes += of_detector
    cohort = replace(cohort, notes=(*cohort.notes, *notes))
    regions = read_regions(request.regions) if request.regions else None
    return Source(
        model.model,
        cohort,
        of_model,
        truth,
        regions,
        request.frame,
        model.maps,
        readers,
        views,
    )


def _with_truth(
    request: EvaluationRequest, annotations: AnnotationFiles, model: RunModel
) -> tuple[LabelledImages, GroundTruth | None, Mapping[str, Any], Mapping[str, str]]:
    """The images with what public tables know of them, their ground truth, readers and views."""
    labels = model.model.card.labels
    cohort = model.cohort
    truth = annotations.read(labels, request.table.id_column) or model.truth
    readers: Mapping[str, Any] = {}
    views: Mapping[str, str] = {}
    paths = [image.path for image in cohort.images]
    if annotations.public is not None:
        public = read_public_truth(annotations.public, paths, labels)
        truth, readers = ground_truth_of(public.join), public.readers
        cohort = with_public_facts(cohort, public)
        views = public_views(cohort, public)
    elif truth is None:
        ids = [image.known_as for image in cohort.images]
        truth, notes = read_beside(paths, ids, labels)
        cohort = replace(cohort, notes=(*cohort.notes, *notes))
    if truth is not None:
        images = [(image.known_as, str(image.path)) for image in cohort.images]
        truth = with_names_of_images(truth, images)
    return cohort, truth, readers, views
