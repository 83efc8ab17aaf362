"""Images of a training run that stored no predictions: those of a table of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.core.files import without_dots
from camlucida.core.messages import Message, Value, declare
from camlucida.datasets.classes import class_names
from camlucida.datasets.columns import COLUMN_NAMES
from camlucida.datasets.prediction_tables import PROBABILITY
from camlucida.datasets.predictions import Predictions
from camlucida.datasets.recorded_splits import (
    RecordedSplit,
    RowSplits,
    SplitSource,
    TableRows,
    find_recorded_split,
    split_rows,
)
from camlucida.datasets.splits import SPLIT_COLUMNS
from camlucida.io.tables import count, find_column, listing, read_table, texts
from camlucida.workflows.training_runs.folders import (
    CV_SUMMARY,
    PREDICTIONS,
    TrainingRun,
    first_fold,
)
from camlucida.workflows.training_runs.image_finder import (
    ImageFinder,
    TableOptions,
    path_columns,
)
from camlucida.workflows.training_runs.validation import (
    Validation,
    numbered_classes,
    stated_classes,
)

declare(
    "table_validation",
    {
        "no_predictions": (
            "{folder} has no {file}: the {images} {images:|image|images} of {table} are explained, "
            "with the class in its column {column}. WHICH OF THEM THE MODEL WAS TRAINED ON IS "
            "UNKNOWN: its accuracy may be too high"
        ),
        "held_out": (
            "{folder} has no {file}: the {images} {images:|image|images} of {table} in the split "
            "{split} are explained, with the class in its column {column}"
        ),
    },
)

CLASS_COLUMNS = (
    *COLUMN_NAMES["truth"],
    "class",
    "label",
    "classification",
    "classificacao",
    "density",
    "breastdensity",
    "birads",
    "grade",
    "diagnosis",
)
"""Folded names that a column of classes usually has."""


def read_table_validation(
    training: TrainingRun,
    *,
    images: Path | None = None,
    table: Path | None = None,
    classes: Sequence[str] = (),
    options: TableOptions | None = None,
) -> Validation:
    """The images of a table, with their classes, for a run that stored no predictions.

    A row names an image, or an examination whose images lie in a folder of that name.

    Args:
        training: the run.
        images: folder of images; None takes the summary's.
        table: with the rows' images and classes; None takes the summary's.
        classes: in their order; else those of the summary, else those of the table.
        options: of the table, and names of classes.

    Raises:
        UsageError: no table; no column of classes or images; no row that leads to an image.
    """
    options = options or TableOptions()
    finder = ImageFinder(training, images, table, options)
    where = finder.table
    if where is None:
        what = f"{training.folder} has neither {PREDICTIONS} nor a table named in {CV_SUMMARY}"
        raise UsageError(what, "give --table FILE, and --images DIR, with the true classes")
    frame = read_table(where, sheet=options.sheet)
    column = find_column(frame, None, CLASS_COLUMNS, "class column", where)
    names = path_columns(frame)
    if column is None or not names:
        missing = "classes" if column is None else "images"
        what = f"no column of {where} holds the {missing}: it has {listing(frame.columns, 12)}"
        raise UsageError(what, "rename one to class, or to image")
    truth = [options.class_names.get(name, name) for name in class_names(frame[column])]
    files, name_notes = _files_of_rows(finder, frame, names, where)
    origin = SplitSource(recorded_of(training))
    rows, splits = _rows(frame, names, truth, files, finder, origin, column)
    members, failures = _images(rows, where)
    labels = _labels(training, classes, truth)
    predictions = Predictions("multiclass", _tidy(members, labels), labels, (), (), False)
    values: dict[str, Value] = {
        "folder": str(training.folder),
        "file": PREDICTIONS,
        "images": len(members),
        "table": str(where),
        "column": column,
    }
    note = Message("table_validation.no_predictions", values)
    if splits.split is not None:
        note = Message("table_validation.held_out", {**values, "split": splits.split})
    return Validation(
        predictions,
        files=tuple(image.file for image in members),
        patients=tuple(image.patient for image in members),
        splits=tuple(image.split for image in members),
        failures=tuple(failures),
        notes=(note, *name_notes, *splits.notes),
    )


def _rows(
    frame: pd.DataFrame,
    names: Sequence[str],
    truth: Sequence[str],
    files_of_row: Sequence[Sequence[Path]],
    finder: ImageFinder,
    recorded: SplitSource,
    column: str,
) -> tuple[list[_Row], RowSplits]:
    """The rows of the split that is evaluated, which may be all; ``column`` is that of truth."""
    where = finder.table
    assert where is not None  # the frame is read from it
    cells = list(zip(*(texts(frame[name]) for name in names)))
    files = list(map(tuple, files_of_row))
    patients = [next(finder.patients(row), "") for row in cells]
    usable = [row for row, of_row in enumerate(files) if of_row and truth[row]]
    split_column = find_column(frame, None, SPLIT_COLUMNS, "split column", where)
    split_cells = None if split_column is None else texts(frame[split_column])
    table_rows = TableRows(where, truth, patients, usable, repr(column))
    splits = split_rows(split_cells, recorded, table_rows, None)
    rows = []
    for row, split in enumerate(splits.cells):
        if splits.split in (None, split):
            rows.append(_Row(cells[row][0], files[row], truth[row], patients[row], split))
    return rows, splits


def _files_of_rows(
    finder: ImageFinder, frame: pd.DataFrame, names: Sequence[str], where: Path
) -> tuple[list[list[Path]], list[Message]]:
    """The images of each row, and how names were compared where they differ."""
    columns = [texts(frame[name]) for name in names]
    files = [list(map(without_dots, finder.all_named(row))) for row in zip(*columns)]
    notes: list[Message] = []
    for name in names:
        missing = {row for row, of_row in enumerate(files) if not of_row}
        matched, of_column = finder.matched(frame, name, where) if missing else ({}, ())
        notes += of_column
        for row in missing & set(matched):
            files[row] = list(map(without_dots, matched[row]))
    return files, notes


def recorded_of(training: TrainingRun) -> RecordedSplit | None:
    """The split that a training run records; of a fold the one that its folder is called after.

    Args:
        training: the run.
    """
    recorded = find_recorded_split(training.checkpoint, more=[(CV_SUMMARY, training.summary)])
    if recorded is None or training.fold is None or not recorded.record.folds:
        return recorded
    number = training.fold - first_fold(training)
    return replace(recorded, record=replace(recorded.record, fold=number))


@dataclass(frozen=True)
class _Row:
    """A row of the table.

    Attributes:
        name: its first cell that may name an image.
        files: the images that it names.
        truth, patient, split: "" where unknown.
    """

    name: str
    files: tuple[Path, ...]
    truth: str
    patient: str
    split: str


@dataclass(frozen=True)
class _Image:
    """An image of the table, with what its row says."""

    file: Path
    truth: str
    patient: str
    split: str


def _images(rows: Sequence[_Row], where: Path) -> tuple[list[_Image], list[Failure]]:
    """The images of rows, and failures."""
    of_file: dict[Path, list[_Row]] = {}
    for row in rows:
        for file in row.files:
            of_file.setdefault(file, []).append(row)
    missing = [row.name for row in rows if not row.files]
    torn = [file for file, named in of_file.items() if _disagree(named)]
    failures = []
    if missing:
        what = f"{where}: {count(missing, 'row')} without an image: {listing(missing)}"
        failures.append(Failure(str(where), "image_missing", what))
    if torn:
        names = listing(file.name for file in torn)
        what = f"{where}: {count(torn, 'image')} with more than one class: {names}"
        failures.append(Failure(str(where), "usage", what))
    images = []
    for file, named in of_file.items():
        row = named[-1]
        if file not in torn and row.truth:
            images.append(_Image(file, row.truth, row.patient, row.split))
    if not images:
        what = f"no row of {where} leads to an image; the first is {listing(missing, 1)}"
        raise UsageError(what, "give --images DIR")
    return images, failures


def _disagree(rows: Sequence[_Row]) -> bool:
    """Whether rows of one image have different classes."""
    return any(row.truth != rows[0].truth for row in rows)


def _labels(training: TrainingRun, given: Sequence[str], truth: Sequence[str]) -> tuple[str, ...]:
    """All classes in their order; numbers as numbers."""
    if names := tuple(given) or stated_classes(training):
        return names
    present = sorted({name for name in truth if name}, key=lambda name: (len(name), name))
    return numbered_classes(training, present) or tuple(present)


def _tidy(images: Sequence[_Image], labels: Sequence[str]) -> pd.DataFrame:
    """As :func:`~camlucida.datasets.predictions.read_predictions` has it, without predictions."""
    frame = pd.DataFrame(
        {
            "image": [str(image.file) for image in images],
            "patient": [image.patient for image in images],
            "model": "",
            "truth": [image.truth for image in images],
            "predicted": "",
        }
    )
    return frame.assign(**{PROBABILITY + label: np.nan for label in labels})
