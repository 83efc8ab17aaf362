"""What a training run was validated on: its predictions file, and where the images of its rows are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.files import without_dots
from camlucida.core.messages import Message, prefixed
from camlucida.datasets.classes import class_names, numeric
from camlucida.datasets.columns import choose_columns, read_records
from camlucida.datasets.images import NO_PATIENTS, PATIENT_COLUMNS
from camlucida.datasets.predictions import Predictions, read_predictions
from camlucida.io.image import KNOWN_SUFFIXES
from camlucida.io.tables import count, find_column, fold, listing, read_table, texts
from camlucida.workflows.training_runs.folders import TrainingRun

PATH_COLUMNS = (
    *(
        "path",
        "imagepath",
        "filepath",
        "dicompath",
        "dcmpath",
        "file",
        "filename",
        "image",
        "imagename",
        "imagefile",
    ),
    *("imageid", "id", "accessionnumber", "accession"),
)
"""Columns that may lead to an image, the most telling first; folded."""

PARENTS = 4
"""Folders above a run from which relative paths may start."""


@dataclass(frozen=True)
class Validation:
    """The rows of a predictions file.

    Attributes:
        predictions: as the file has them.
        files: the image of each row; None where it was not found, or a row before has it.
        patients: of each row; "" where nobody says.
        problems, notes: lines.
    """

    predictions: Predictions
    files: tuple[Path | None, ...]
    patients: tuple[str, ...]
    problems: tuple[str, ...]
    notes: tuple[Message, ...]

    def table(self) -> pd.DataFrame:
        """One row an image that was found: path, patient, truth, predicted, ``probability:CLASS``."""
        paths = pd.Series(
            [None if file is None else str(file) for file in self.files], dtype=object
        )
        frame = self.predictions.frame.reset_index(drop=True).assign(
            path=paths, patient=list(self.patients)
        )
        return frame[frame["path"].notna()].reset_index(drop=True)


def read_validation(
    training: TrainingRun,
    *,
    images: Path | None = None,
    table: Path | None = None,
    classes: Sequence[str] = (),
) -> Validation:
    """The predictions of a training run with their images.

    Paths may start from ``images``, from the run's folder or one of the four above it, from the table's folder, or from the
    folder of images that the summary names; of a path from another machine the end counts. Where a row only has a name, the
    table (or the summary's) leads to its path, or the folder of images is searched for that name.

    Args:
        training: the run.
        images: folder of images.
        table: with the rows' images and patients; None takes the summary's, if it names one.
        classes: in their order; else those of the summary, else those of the file.

    Raises:
        UsageError: no column leads to images, or none of the images is there; whatever
            :func:`~camlucida.datasets.predictions.read_predictions` refuses.
    """
    where = training.predictions
    raw = read_records(where)
    columns = _path_columns(raw)
    if not columns:
        what = f"no column of {where} names images: it has {listing(raw.columns, 12)}"
        raise UsageError(what, "add a column path")
    named = choose_columns(raw, ("image", "patient"), {}, where)["image"] or columns[0]
    predictions = _predictions(training, classes, named)
    raw = raw.drop_duplicates(named)
    if len(raw) != len(predictions.frame):
        raise UsageError(f"{where}: several rows have the same {named!r}", "keep one row an image")
    finder = _Finder(training, images, table)
    files = _best(
        [[_plain(finder.find(cell)) for cell in texts(raw[column])] for column in columns]
    )
    missing = [image for image, file in zip(predictions.frame["image"], files) if file is None]
    if len(missing) == len(files):
        what = f"none of the {len(files)} images of {where} was found; the first is called {missing[0]!r}"
        raise UsageError(what, "say where they are: --images DIR, or --table FILE")
    problems = (
        [f"{where}: {count(missing, 'image')} not found: {listing(missing)}"] if missing else []
    )
    again = pd.Series(files, dtype=object).duplicated().to_numpy() & [
        file is not None for file in files
    ]
    if again.any():
        names = predictions.frame["image"][again].tolist()
        problems.append(
            f"{where}: {count(names, 'row')} of an image that a row before has, left out: {listing(names)}"
        )
        files = [None if twice else file for file, twice in zip(files, again)]
    rows: list[dict[str, str]] = [
        dict(zip(columns, cells)) for cells in zip(*(texts(raw[column]) for column in columns))
    ]
    patients = _patients(predictions, finder, rows)
    notes = [note for note in predictions.notes if note != NO_PATIENTS]
    notes += [prefixed(str(where), NO_PATIENTS)] if not any(patients) else []
    return Validation(predictions, tuple(files), tuple(patients), tuple(problems), tuple(notes))


def _predictions(training: TrainingRun, asked: Sequence[str], image: str) -> Predictions:
    """The file, with all classes of the model, whether they occur or not; ``image`` is the column that names images."""
    names = tuple(asked)
    for key in ("classes", "class_names"):
        known = training.said(key)
        if not names and isinstance(known, list) and len(known) > 1:
            names = tuple(class_names(pd.Series([str(name) for name in known], dtype=object)))
    found = read_predictions(
        training.predictions, "multiclass", columns={"image": image}, labels=names
    )
    many = training.said("num_classes", "n_classes")
    if not names and isinstance(many, int) and many > len(found.labels) and numeric(found.labels):
        first = 0 if "0" in found.labels else 1
        names = tuple(str(first + place) for place in range(many))
        found = read_predictions(
            training.predictions, "multiclass", columns={"image": image}, labels=names
        )
    odd = [name for name in found.labels if "|" in name]
    if odd:
        raise UsageError(
            f"{training.predictions}: a class is called {odd[0]!r}",
            "take the vertical bar out of its name",
        )
    return found


def _path_columns(frame: pd.DataFrame) -> list[str]:
    known = {fold(name): name for name in reversed(list(frame.columns))}
    return [known[name] for name in PATH_COLUMNS if name in known]


def _plain(file: Path | None) -> Path | None:
    """Without ``..``: an image that two rows name in two ways is one image."""
    return None if file is None else without_dots(file)


def _best(found: Sequence[list[Path | None]]) -> list[Path | None]:
    """Of each row the first file that any column leads to, beginning with the column that leads to most."""
    order = sorted(found, key=lambda files: files.count(None))
    return [next((file for file in row if file is not None), None) for row in zip(*order)]


def _patients(
    predictions: Predictions, finder: _Finder, rows: Sequence[Mapping[str, str]]
) -> list[str]:
    """From the file, else from the table by whatever names a row; "" for each unknown."""
    own = [
        "" if patient.startswith("image:") else patient for patient in predictions.frame["patient"]
    ]
    return [
        patient or next(finder.patients(list(row.values())), "") for patient, row in zip(own, rows)
    ]


class _Finder:
    """Where the cells of a predictions file lead to."""

    def __init__(self, training: TrainingRun, images: Path | None, table: Path | None) -> None:
        folder = training.folder.absolute()
        above = [folder, *list(folder.parents)[:PARENTS]]
        if images is not None and not images.is_dir():
            raise UsageError(f"no folder {images}", "--images is a folder of images")
        data = training.summary.get("data")
        said: Mapping[str, Any] = data if isinstance(data, Mapping) else training.summary
        found = _there(
            above, said, ("images", "image_dir", "images_dir", "archive", "dicom_root"), Path.is_dir
        )
        self._images = images or found
        self._table = table or _there(
            above, said, ("metadata", "table", "csv", "data_csv"), Path.is_file
        )
        beside = [self._table.absolute().parent] if self._table is not None else []
        self._places = [*([self._images.absolute()] if self._images else []), *above, *beside]

    def find(self, cell: str) -> Path | None:
        """The image that a cell names."""
        if not cell:
            return None
        direct = self._direct(cell)
        if direct is not None:
            return direct
        led = {
            file
            for other in self._lookup.get(cell, ())
            if (file := self._direct(other)) is not None
        }
        if len(led) == 1:
            return led.pop()
        parts = cell.replace("\\", "/").split("/")
        named = self._index.get(parts[-1].casefold(), [])
        if len(named) == 1:
            return named[0]
        ends = (
            "/".join(parts[place:]) for place in range(1, len(parts) - 1)
        )  # of a path from another machine
        return next((file for end in ends if (file := self._direct(end)) is not None), None)

    def patients(self, cells: Sequence[str]) -> Iterator[str]:
        """Patients that the table knows of these cells: by the whole, by the file's name, or by its folder's."""
        paths = [Path(cell.replace("\\", "/")) for cell in cells]
        for name in (
            *cells,
            *(word for path in paths for word in (path.name, path.stem, path.parent.name)),
        ):
            known = self._owners.get(name, set())
            if len(known) == 1:
                yield next(iter(known))

    def _direct(self, cell: str) -> Path | None:
        for place in self._places:
            path = place / cell.replace("\\", "/")
            try:
                if path.is_file():
                    return path
                inside = [file for file in path.iterdir() if _image(file)] if path.is_dir() else []
            except OSError:
                continue
            if len(inside) == 1:
                return inside[0]
        return None

    @cached_property
    def _frame(self) -> pd.DataFrame:
        return read_table(self._table) if self._table is not None else pd.DataFrame()

    @cached_property
    def _lookup(self) -> dict[str, list[str]]:
        """Cell of the table → the cells of its rows that may be paths."""
        found: dict[str, list[str]] = {}
        columns = [texts(self._frame[name]) for name in _path_columns(self._frame)]
        for row in zip(*columns):
            for cell in filter(None, row):
                found.setdefault(cell, []).extend(row)
        return found

    @cached_property
    def _owners(self) -> dict[str, set[str]]:
        """Cell of the table → patients of its rows."""
        column = find_column(self._frame, None, PATIENT_COLUMNS, "patient column", self._table)
        found: dict[str, set[str]] = {}
        if column is not None:
            for name in _path_columns(self._frame):
                for cell, patient in zip(texts(self._frame[name]), texts(self._frame[column])):
                    if cell and patient:
                        found.setdefault(cell, set()).add(patient)
        return found

    @cached_property
    def _index(self) -> dict[str, list[Path]]:
        """Name with and without suffix → images of the folder of images."""
        found: dict[str, list[Path]] = {}
        for file in sorted(self._images.rglob("*")) if self._images is not None else []:
            if _image(file):
                for name in {file.name.casefold(), file.stem.casefold()}:
                    found.setdefault(name, []).append(file)
        return found


def _image(file: Path) -> bool:
    return file.suffix.lower() in KNOWN_SUFFIXES and file.is_file()


def _there(
    places: Sequence[Path], said: Mapping[str, Any], keys: Sequence[str], kind: Any
) -> Path | None:
    """The first path of these keys that exists."""
    words = [said[key] for key in keys if isinstance(said.get(key), str)]
    return next((place / word for word in words for place in places if kind(place / word)), None)
