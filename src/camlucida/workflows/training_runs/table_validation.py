"""Images of a training run that stored no predictions: those of a table of classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.core.files import without_dots
from camlucida.core.messages import Message, declare
from camlucida.datasets.classes import class_names
from camlucida.datasets.columns import COLUMN_NAMES
from camlucida.datasets.prediction_tables import PROBABILITY
from camlucida.datasets.predictions import Predictions
from camlucida.io.tables import count, find_column, listing, read_table, texts
from camlucida.workflows.training_runs.folders import CV_SUMMARY, PREDICTIONS, TrainingRun
from camlucida.workflows.training_runs.image_finder import ImageFinder, path_columns
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
) -> Validation:
    """The images of a table, with their classes, for a run that stored no predictions.

    A row names an image, or an examination whose images lie in a folder of that name.

    Args:
        training: the run.
        images: folder of images; None takes the summary's.
        table: with the rows' images and classes; None takes the summary's.
        classes: in their order; else those of the summary, else those of the table.

    Raises:
        UsageError: no table; no column of classes or images; no row that leads to an image.
    """
    finder = ImageFinder(training, images, table)
    where = finder.table
    if where is None:
        what = f"{training.folder} has neither {PREDICTIONS} nor a table named in {CV_SUMMARY}"
        raise UsageError(what, "give --table FILE, and --images DIR, with the true classes")
    frame = read_table(where)
    column = find_column(frame, None, CLASS_COLUMNS, "class column", where)
    names = path_columns(frame)
    if column is None or not names:
        missing = "classes" if column is None else "images"
        what = f"no column of {where} holds the {missing}: it has {listing(frame.columns, 12)}"
        raise UsageError(what, "rename one to class, or to image")
    truth = class_names(frame[column])
    rows, failures = _rows(finder, frame, names, truth, where)
    labels = _labels(training, classes, truth)
    predictions = Predictions("multiclass", _tidy(rows, labels), labels, (), (), False)
    note = Message(
        "table_validation.no_predictions",
        {
            "folder": str(training.folder),
            "file": PREDICTIONS,
            "images": len(rows),
            "table": str(where),
            "column": column,
        },
    )
    files = tuple(row[0] for row in rows)
    patients = tuple(row[2] for row in rows)
    return Validation(predictions, files, patients, tuple(failures), (note,))


def _rows(
    finder: ImageFinder, frame: pd.DataFrame, names: Sequence[str], truth: list[str], where: Path
) -> tuple[list[tuple[Path, str, str]], list[Failure]]:
    """Image, class and patient of each image; and failures."""
    classes_of: dict[Path, set[str]] = {}
    patient_of: dict[Path, str] = {}
    missing: list[str] = []
    cells = zip(*(texts(frame[name]) for name in names))
    for row, name in zip(cells, truth):
        files = [without_dots(file) for file in finder.all_named(row)]
        if not files:
            missing.append(row[0])
        patient = next(finder.patients(row), "")
        for file in files:
            classes_of.setdefault(file, set()).add(name)
            patient_of[file] = patient
    torn = [file.name for file, found in classes_of.items() if len(found) > 1]
    failures = []
    if missing:
        what = f"{where}: {count(missing, 'row')} without an image: {listing(missing)}"
        failures.append(Failure(str(where), "image_missing", what))
    if torn:
        what = f"{where}: {count(torn, 'image')} with more than one class: {listing(torn)}"
        failures.append(Failure(str(where), "usage", what))
    rows = [
        (file, next(iter(names_of)), patient_of[file])
        for file, names_of in classes_of.items()
        if len(names_of) == 1 and "" not in names_of
    ]
    if not rows:
        what = f"no row of {where} leads to an image; the first is {listing(missing, 1)}"
        raise UsageError(what, "give --images DIR")
    return rows, failures


def _labels(training: TrainingRun, given: Sequence[str], truth: Sequence[str]) -> tuple[str, ...]:
    """All classes in their order; numbers as numbers."""
    if names := tuple(given) or stated_classes(training):
        return names
    present = sorted({name for name in truth if name}, key=lambda name: (len(name), name))
    return numbered_classes(training, present) or tuple(present)


def _tidy(rows: Sequence[tuple[Path, str, str]], labels: Sequence[str]) -> pd.DataFrame:
    """As :func:`~camlucida.datasets.predictions.read_predictions` has it, without predictions."""
    frame = pd.DataFrame(
        {
            "image": [str(file) for file, _, _ in rows],
            "patient": [patient for _, _, patient in rows],
            "model": "",
            "truth": [name for _, name, _ in rows],
            "predicted": "",
        }
    )
    return frame.assign(**{PROBABILITY + label: np.nan for label in labels})
