"""Where the cells of a predictions file lead to: images, and the patients they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message
from camlucida.datasets.image_rows import match_images
from camlucida.datasets.patients import find_patient_column
from camlucida.io.image import known_suffixes
from camlucida.io.tables import fold, read_table, texts
from camlucida.workflows.training_runs.folders import TrainingRun

PATH_COLUMNS = (
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
    "imageid",
    "id",
    "accessionnumber",
    "accession",
)
"""Columns that may lead to an image, the most telling first; folded."""

PARENTS = 4
"""Folders above a run in which a bare file name may lie; a path may start at any parent."""

IMAGE_KEYS = (
    "images",
    "image_dir",
    "images_dir",
    "image_root",
    "archive",
    "dicom_root",
    "dicom_dir",
    "data_dir",
    "data_root",
)
TABLE_KEYS = ("metadata", "table", "csv", "csv_path", "data_csv", "labels_csv")
"""Where a summary may name the folder of images and the table."""


def path_columns(frame: pd.DataFrame) -> list[str]:
    """The columns of a table that may lead to an image, the most telling first.

    >>> path_columns(pd.DataFrame(columns=["Patient", "File Name", "path"]))
    ['path', 'File Name']
    """
    by_folded_name = {fold(name): name for name in reversed(list(frame.columns))}
    return [by_folded_name[name] for name in PATH_COLUMNS if name in by_folded_name]


@dataclass(frozen=True)
class TableOptions:
    """What the user says of the table of a training run.

    Attributes:
        sheet: of a workbook, by its name or number.
        id_pattern: how its ids name images: ``{id}_{n}``.
        class_names: class as the files call it → name for people.
    """

    sheet: str | None = None
    id_pattern: str | None = None
    class_names: Mapping[str, str] = field(default_factory=dict)


class ImageFinder:
    """Finds the images and patients of a training run.

    Args:
        training: the run.
        images: folder of images; None takes the one that the summary names.
        table: of images and patients; None takes the one that the summary names.
        options: of the table.

    Raises:
        UsageError: no such folder of images.
    """

    def __init__(
        self,
        training: TrainingRun,
        images: Path | None,
        table: Path | None,
        options: TableOptions | None = None,
    ) -> None:
        self._options = options or TableOptions()
        if images is not None and not images.is_dir():
            raise UsageError(f"no folder {images}", "--images is a folder of images")
        folder = training.folder.absolute()
        working = Path.cwd()
        above = list(dict.fromkeys([folder, *folder.parents, working, *working.parents]))
        summary = _flattened(training.summary)
        self._images = images or _existing(above, summary, IMAGE_KEYS, Path.is_dir)
        self._table = table or _existing(above, summary, TABLE_KEYS, Path.is_file)
        self._starts = list(above)
        self._near = [folder, *list(folder.parents)[:PARENTS], working]
        if self._images is not None:
            self._starts.insert(0, self._images.absolute())
            self._near.insert(0, self._images.absolute())
        if self._table is not None:
            self._starts.append(self._table.absolute().parent)
            self._near.append(self._table.absolute().parent)

    def find(self, cell: str) -> Path | None:
        """The image at the path that a cell names.

        A path from one of the starting folders; one in the table's row of that name; or the end of
        a path from another machine. Names that are no paths: :meth:`matched`.
        """
        if not cell:
            return None
        return self._direct(cell) or self._by_table(cell) or self._by_end(cell)

    @property
    def table(self) -> Path | None:
        """The table of images and patients; None where there is none."""
        return self._table

    def all_named(self, cells: Sequence[str]) -> list[Path]:
        """The images that a row names: by one of its cells, or as those of a folder called so.

        Args:
            cells: of the row, the most telling first.
        """
        for cell in filter(None, cells):
            image = self.find(cell)
            if image is not None:
                return [image]
            inside = self._images_by_folder.get(cell.casefold(), [])
            if inside:
                return inside
        return []

    def matched(
        self, frame: pd.DataFrame, column: str, where: Path
    ) -> tuple[dict[int, list[Path]], tuple[Message, ...]]:
        """The images of the folder that the rows of a table name, in other letters or zeros too.

        Args:
            frame: a table.
            column: that names the images.
            where: its file.

        Returns:
            Row, from 0 → its images, and how names were compared
            (:func:`~camlucida.datasets.image_rows.match_images`); nothing where none fits.
        """
        try:
            match = match_images(frame, column, self._image_files, where, self._options.id_pattern)
        except UsageError:
            return {}, ()
        images: dict[int, list[Path]] = {}
        for path, rows in match.rows.items():
            for row in rows:
                images.setdefault(row, []).append(path)
        return images, match.notes

    def patients(self, cells: Sequence[str]) -> Iterator[str]:
        """The patients that the table has for these cells.

        By the whole cell, by the name of the file it names, or by that of its folder.
        """
        names = list(cells)
        for cell in cells:
            path = Path(cell.replace("\\", "/"))
            names += [path.name, path.stem, path.parent.name]
        for name in names:
            patients = self._patients_by_cell.get(name, set())
            if len(patients) == 1:
                yield next(iter(patients))

    def _direct(self, cell: str) -> Path | None:
        relative = cell.replace("\\", "/")
        # Far above, a bare name may be that of an image of another project.
        for start in self._starts if "/" in relative else self._near:
            path = start / relative
            try:
                if path.is_file():
                    return path
                inside = (
                    [file for file in path.iterdir() if _is_image(file)] if path.is_dir() else []
                )
            except OSError:
                continue
            if len(inside) == 1:
                return inside[0]
        return None

    def _by_table(self, cell: str) -> Path | None:
        """The one image that the other cells of the table's row lead to."""
        paths = {self._direct(other) for other in self._cells_of_row.get(cell, ())}
        images = [path for path in paths if path is not None]
        return images[0] if len(images) == 1 else None

    def _by_end(self, cell: str) -> Path | None:
        parts = cell.replace("\\", "/").split("/")
        for start in range(1, len(parts) - 1):
            path = self._direct("/".join(parts[start:]))
            if path is not None:
                return path
        return None

    @cached_property
    def _frame(self) -> pd.DataFrame:
        if self._table is None:
            return pd.DataFrame()
        return read_table(self._table, sheet=self._options.sheet)

    @cached_property
    def _image_files(self) -> list[Path]:
        """The images of the folder of images."""
        if self._images is None:
            return []
        return list(filter(_is_image, sorted(self._images.rglob("*"))))

    @cached_property
    def _cells_of_row(self) -> dict[str, list[str]]:
        """Cell of the table → the cells of its rows that may be paths."""
        rows: dict[str, list[str]] = {}
        columns = [texts(self._frame[name]) for name in path_columns(self._frame)]
        for row in zip(*columns):
            for cell in filter(None, row):
                rows.setdefault(cell, []).extend(row)
        return rows

    @cached_property
    def _patients_by_cell(self) -> dict[str, set[str]]:
        """Cell of the table → patients of its rows."""
        owners: dict[str, set[str]] = {}
        column = find_patient_column(self._frame, None, self._table)
        if column is None:
            return owners
        patients = texts(self._frame[column])
        for name in path_columns(self._frame):
            for cell, patient in zip(texts(self._frame[name]), patients):
                if cell and patient:
                    owners.setdefault(cell, set()).add(patient)
        return owners

    @cached_property
    def _images_by_folder(self) -> dict[str, list[Path]]:
        """Name of a folder below the folder of images → the images in it, at any depth."""
        files: dict[str, list[Path]] = {}
        for file in self._image_files:
            assert self._images is not None
            for name in {part.casefold() for part in file.relative_to(self._images).parts[:-1]}:
                files.setdefault(name, []).append(file)
        return files


def _flattened(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a summary and of the tables in it; those of ``data``, then of the top, win."""
    flat: dict[str, Any] = {}
    for value in summary.values():
        flat |= value if isinstance(value, Mapping) else {}
    flat |= summary
    data = summary.get("data")
    return flat | (dict(data) if isinstance(data, Mapping) else {})


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in known_suffixes() and file.is_file()


def _existing(
    starts: Sequence[Path],
    summary: Mapping[str, Any],
    keys: Sequence[str],
    exists: Callable[[Path], bool],
) -> Path | None:
    """The first path under one of these keys that exists, from any of the starting folders."""
    for key in keys:
        value = summary.get(key)
        if isinstance(value, str):
            for start in starts:
                if exists(start / value):
                    return start / value
    return None
