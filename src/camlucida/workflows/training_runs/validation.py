"""What a training run was validated on: its predictions file, with the image of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.core.files import without_dots
from camlucida.core.messages import Message, prefixed
from camlucida.datasets.classes import class_names, numeric
from camlucida.datasets.columns import choose_columns, read_records
from camlucida.datasets.image_names import MISSING
from camlucida.datasets.patients import NO_PATIENTS, stated_patient
from camlucida.datasets.prediction_splits import split_of_name
from camlucida.datasets.predictions import Predictions, read_predictions
from camlucida.datasets.splits import SPLIT_COLUMNS
from camlucida.io.tables import count, find_column, listing, texts
from camlucida.workflows.training_runs.folders import PREDICTIONS, TrainingRun
from camlucida.workflows.training_runs.image_finder import (
    ImageFinder,
    TableOptions,
    path_columns,
)


@dataclass(frozen=True)
class Validation:
    """The rows of a predictions file.

    Attributes:
        predictions: as the file has them.
        files: the image of each row; None where it was not found, or an earlier row has it.
        patients: of each row; "" where unknown.
        splits: of each row; "" where unknown.
        failures: rows without an image.
        notes: for the reader.
    """

    predictions: Predictions
    files: tuple[Path | None, ...]
    patients: tuple[str, ...]
    splits: tuple[str, ...]
    failures: tuple[Failure, ...]
    notes: tuple[Message, ...]

    def table(self) -> pd.DataFrame:
        """One row an image that was found.

        Columns path, patient, split, truth, predicted, and ``probability:CLASS`` of each class.
        """
        paths = [None if file is None else str(file) for file in self.files]
        frame = self.predictions.frame.reset_index(drop=True).assign(
            path=pd.Series(paths, dtype=object),
            patient=list(self.patients),
            split=list(self.splits),
        )
        return frame[frame["path"].notna()].reset_index(drop=True)


def read_validation(
    training: TrainingRun,
    *,
    images: Path | None = None,
    table: Path | None = None,
    classes: Sequence[str] = (),
    options: TableOptions | None = None,
) -> Validation:
    """Read the predictions of a training run with their images.

    Paths may start from ``images``, from the run's folder or one of the four above it, from the
    table's folder, or from the folder of images that the summary names; of a path from another
    machine the end counts. Where a row only has a name, the table (or the summary's) leads to its
    path, or the folder of images is searched for that name.

    Args:
        training: the run.
        images: folder of images.
        table: with the rows' images and patients; None takes the summary's, if it names one.
        classes: in their order; else those of the summary, else those of the file.
        options: of the table, and names of classes.

    Raises:
        UsageError: no column leads to images, or none of the images exists; whatever
            :func:`~camlucida.datasets.predictions.read_predictions` refuses.
    """
    where = _stored(training)
    raw = read_records(where)
    columns = path_columns(raw)
    if not columns:
        what = f"no column of {where} names images: it has {listing(raw.columns, 12)}"
        raise UsageError(what, "add a column path")
    image_column = choose_columns(raw, ("image", "patient"), {}, where)["image"] or columns[0]
    options = options or TableOptions()
    predictions = _read_predictions(training, classes, image_column, options)
    raw = raw.drop_duplicates(image_column)
    if len(raw) != len(predictions.frame):
        what = f"{where}: several rows have the same {image_column!r}"
        raise UsageError(what, "keep one row an image")
    finder = ImageFinder(training, images, table, options)
    raw = raw[columns].reset_index(drop=True)
    found_by = {column: _find_all(finder, raw, column, where) for column in columns}
    by_column = [files for files, _ in found_by.values()]
    files, failures = _find_images(predictions, by_column, where)
    patients = _patients(predictions, finder, _rows_of_cells(raw))
    notes = [note for note in predictions.notes if note != NO_PATIENTS]
    for _, of_column in found_by.values():
        notes += of_column
    if not any(patients):
        notes.append(prefixed(str(where), NO_PATIENTS))
    splits = _splits(raw, where)
    return Validation(predictions, files, tuple(patients), splits, tuple(failures), tuple(notes))


def _splits(frame: pd.DataFrame, where: Path) -> tuple[str, ...]:
    """The split of each row: of its column, else that of the file's name."""
    column = find_column(frame, None, SPLIT_COLUMNS, "split column", where)
    if column is None:
        return (split_of_name(where) or "",) * len(frame)
    return tuple(texts(frame[column]))


def _stored(training: TrainingRun) -> Path:
    """The run's predictions file.

    Raises:
        UsageError: it stored none.
    """
    if training.predictions is None:
        what = f"{training.folder} has no {PREDICTIONS}"
        raise UsageError(what, "it lists the images to explain, with their true classes")
    return training.predictions


def _find_images(
    predictions: Predictions, by_column: Sequence[list[Path | None]], where: Path
) -> tuple[tuple[Path | None, ...], list[Failure]]:
    """The image of each row, and a failure for the missing and one for the repeated ones."""
    names = predictions.frame["image"].tolist()
    files = _first_of_each_row(by_column)
    missing = [name for name, file in zip(names, files) if file is None]
    if len(missing) == len(files):
        what = f"none of the {len(files)} images of {where} was found; the first is {missing[0]!r}"
        raise UsageError(what, "give --images DIR or --table FILE")
    failures: list[Failure] = []
    if missing:
        what = f"{where}: {count(missing, 'image')} not found: {listing(missing)}"
        fix = "give --images DIR, or --table FILE that leads to them"
        failures.append(Failure(str(where), MISSING, what, fix))
    again = pd.Series(files, dtype=object).duplicated() & pd.Series(files, dtype=object).notna()
    kept = tuple(None if twice else file for file, twice in zip(files, again))
    repeated = [name for name, twice in zip(names, again) if twice]
    if repeated:
        rows = count(repeated, "row")
        what = f"{where}: {rows} of an image that an earlier row has, left out: {listing(repeated)}"
        failures.append(Failure(str(where), "image_repeated", what))
    return kept, failures


def _rows_of_cells(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    columns = [texts(frame[name]) for name in frame.columns]
    return list(zip(*columns))


def _find_all(
    finder: ImageFinder, frame: pd.DataFrame, column: str, where: Path
) -> tuple[list[Path | None], tuple[Message, ...]]:
    """The image of each row by one column, and how names were compared where they differ.

    Without ``..``: an image that two rows name in two ways is one image.
    """
    files = list(map(finder.find, texts(frame[column])))
    notes: tuple[Message, ...] = ()
    if None in files:
        # All rows take part: what folders they share shows only on the whole table.
        matched, notes = finder.matched(frame, column, where)
        for row, images in matched.items():
            if files[row] is None and len(images) == 1:
                files[row] = images[0]
    return [None if file is None else without_dots(file) for file in files], notes


def _first_of_each_row(by_column: Sequence[list[Path | None]]) -> list[Path | None]:
    """Of each row the first file that a column leads to; the column with most files goes first."""
    columns = sorted(by_column, key=lambda files: files.count(None))
    return [next(filter(None, row), None) for row in zip(*columns)]


def _read_predictions(
    training: TrainingRun, given: Sequence[str], image_column: str, options: TableOptions
) -> Predictions:
    """The file, with all classes of the model, whether they occur or not."""
    where = _stored(training)

    def read(labels: Sequence[str], names: Mapping[str, str] | None = None) -> Predictions:
        return read_predictions(
            where,
            "multiclass",
            columns={"image": image_column},
            labels=labels,
            class_names=names,
            split="all",
        )

    names = tuple(given) or stated_classes(training)
    predictions = read(names)
    if not names:
        names = numbered_classes(training, predictions.labels)
    if names or options.class_names:
        predictions = read(names, options.class_names)
    barred = [name for name in predictions.labels if "|" in name]
    if barred:
        what = f"{where}: a class is called {barred[0]!r}"
        raise UsageError(what, "remove the vertical bar from its name")
    return predictions


def stated_classes(training: TrainingRun) -> tuple[str, ...]:
    """The classes that the summary lists; () where it lists none.

    Args:
        training: the run.
    """
    for key in ("classes", "class_names"):
        stated = training.stated(key)
        if isinstance(stated, list) and len(stated) > 1:
            return tuple(class_names(pd.Series([str(name) for name in stated], dtype=object)))
    return ()


def numbered_classes(training: TrainingRun, labels: Sequence[str]) -> tuple[str, ...]:
    """All numbered classes, where the summary states more than occur in the file; else ().

    Args:
        training: the run.
        labels: that occur.
    """
    total = training.stated("num_classes", "n_classes")
    if not isinstance(total, int) or total <= len(labels) or not numeric(labels):
        return ()
    first = 0 if "0" in labels else 1
    return tuple(str(first + offset) for offset in range(total))


def _patients(
    predictions: Predictions, finder: ImageFinder, rows: Sequence[Sequence[str]]
) -> list[str]:
    """From the file, else from the table by whatever names a row; "" where unknown."""
    patients = []
    for patient, cells in zip(predictions.frame["patient"], rows):
        patients.append(stated_patient(patient) or next(finder.patients(cells), ""))
    return patients
