"""A table of values beside a folder of images, as training systems keep them: which row is which image, and its mask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.files import without_dots
from camlucida.core.messages import Message, quoted
from camlucida.datasets.cohort import MASK_SUFFIXES, mask_beside
from camlucida.datasets.columns import COLUMN_NAMES
from camlucida.datasets.images import PATIENT_COLUMNS, SPLIT_COLUMNS, bare_name, image_keys
from camlucida.io import expand_paths
from camlucida.io.image import image_id
from camlucida.io.tables import count, find_column, fold, listing, read_table, source, texts

VALUE_COLUMNS = (
    "age",
    "value",
    "target",
    "ageyears",
    "patientage",
    "boneage",
    "y",
    "groundtruth",
    "truth",
    "年龄",
)
"""Folded names that columns of true values usually have."""

OWN = (
    "path",
    "value",
    "mask",
    "image",
    "model",
    "index",
    "file",
    "truth",
    "error",
    "absolute_error",
)
"""Columns of what is written, beside patient and split; a group cannot be called so."""


@dataclass(frozen=True)
class SheetColumns:
    """What the user says of the table's columns; None where they are to be found."""

    value: str | None = None
    id: str | None = None
    patient: str | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """A row of the table whose image is there.

    Attributes:
        path: of the image.
        value: the true one.
        patient: "" where the table does not say.
        split: "" where the table does not say.
        mask: its file; None where there is none.
        groups: one a group column.
    """

    path: Path
    value: float
    patient: str
    split: str
    mask: Path | None
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """Rows in the order of the table; (row, line) of each that is left out; notes; names of columns, "" for none."""

    rows: tuple[Row, ...]
    problems: tuple[tuple[str, str], ...]
    notes: tuple[Message, ...]
    value_column: str
    patient_column: str
    split_column: str
    groups: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """As a cohort's table: path, value, mask, then patient and split if the table has them, then the groups."""
        columns: dict[str, list[object]] = {
            "path": [str(without_dots(row.path)) for row in self.rows],
            "value": [row.value for row in self.rows],
            "mask": ["" if row.mask is None else str(row.mask.absolute()) for row in self.rows],
        }
        columns |= {"patient": [row.patient for row in self.rows]} if self.patient_column else {}
        columns |= {"split": [row.split for row in self.rows]} if self.split_column else {}
        groups = {name: [row.groups[k] for row in self.rows] for k, name in enumerate(self.groups)}
        return pd.DataFrame({**groups, **columns})


def read_sheet(
    table: Path,
    images: Path,
    asked: SheetColumns,
    *,
    masks: Path | None = None,
    split: str | None = None,
) -> Sheet:
    """Find the image and the mask of each row.

    A row names its image by stem, file name or path; of a path that was another machine's, its end counts. Masks lie in
    ``masks``, or in the folder ``Masks`` beside the image's ``Images``: same stem, ``.png``, ``.jpg`` or ``.jpeg``.

    - Left out, with a line: a row without a name, without an image, with several, with a value that is no number; rows that say
      different things of one image.
    - A note: of a workbook with several sheets, which is read; rows without a value (left out); rows that repeat another;
      images without a row; with a split, patients who are also in another (left out).

    Args:
        table: CSV, TSV, XLSX, Parquet or JSON.
        images: a folder, searched with its subfolders.
        asked: columns.
        masks: folder of masks.
        split: take only this one.

    Raises:
        UsageError: no table, image or folder; a column that is not there, or cannot be told; no row that names an image.
    """
    if masks is not None and not masks.is_dir():
        raise UsageError(f"no folder of masks {masks}", "correct --mask-dir, or leave it out")
    frame = read_table(table)
    files, where = _Files.find(images, masks), source(table, frame)
    value = _value_column(frame, asked.value, where)
    names = _id_column(frame, asked.id, files, where, images)
    patient = find_column(frame, asked.patient, PATIENT_COLUMNS, "--patient-column", where) or ""
    splits = find_column(frame, None, SPLIT_COLUMNS, "split column", where) or ""
    groups = {
        str(find_column(frame, name, (), "--group-column", where)): None for name in asked.groups
    }
    kept = {"patient": patient, "split": splits}
    own = [name for name in groups if name in OWN or kept.get(name, name) != name]
    if own:
        raise UsageError(
            f"--group-column {own[0]!r} has a name that is used here", f"rename it in {table.name}"
        )
    columns = {"value": value, "name": names, "patient": patient, "split": splits}
    return _Table(table, frame, columns, tuple(groups), files).sheet(split)


@dataclass(frozen=True)
class _Files:
    """The images of a folder; ``keys``: every name that a table may call one by → files."""

    folder: Path
    paths: Sequence[Path]
    keys: Mapping[str, Sequence[Path]]
    masks: Path | None

    @classmethod
    def find(cls, folder: Path, masks: Path | None) -> _Files:
        if not folder.is_dir():
            raise UsageError(f"no folder of images {folder}", "correct --image-dir")
        found, errors = expand_paths([folder])
        inside = None if masks is None else masks.absolute()

        def is_mask(path: Path) -> bool:
            parts = path.relative_to(folder).parts[:-1]
            return "masks" in map(str.casefold, parts) or (
                inside is not None and path.absolute().is_relative_to(inside)
            )

        paths = [path for path in found if not is_mask(path)]
        if not paths:
            raise UsageError(
                f"there is no image in {folder}",
                str(errors[0]) if errors else "its masks are not counted",
            )
        keys: dict[str, list[Path]] = defaultdict(list)
        for path in paths:
            for key in dict.fromkeys(image_keys(path.absolute())):
                keys[key].append(path)
        return cls(folder, paths, keys, masks)

    def of(self, name: str) -> Sequence[Path]:
        """Files that a row may mean by ``name``: by the longest end of it that fits any, then by its suffix."""
        parts = bare_name(name).split("/")
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        fitting = next((self.keys[end] for end in ends if end in self.keys), [])
        exact = [
            path for path in fitting if path.name == PurePosixPath(name.replace("\\", "/")).name
        ]
        return exact if len(exact) == 1 else fitting

    def mask(self, image: Path) -> Path | None:
        if self.masks is None:
            beside = mask_beside(image.absolute())
            return beside if beside is not None and beside.is_file() else None
        stem = image_id(image, None)
        known = [self.masks / f"{stem}{suffix}" for suffix in MASK_SUFFIXES]
        return next((path for path in known if path.is_file()), None)


def _value_column(frame: pd.DataFrame, asked: str | None, table: str) -> str:
    """The one asked for; else the one with a usual name; else the only one of numbers that does not name images or patients."""
    if asked is not None:
        name = str(find_column(frame, asked, (), "--value-column", table))
        if not _share_of_numbers(frame[name]):
            raise UsageError(
                f"--value-column {name!r} of {table} holds no number: {listing(dict.fromkeys(texts(frame[name])))}",
                "name another",
            )
        return name
    usual = [name for name in frame.columns if fold(name) in VALUE_COLUMNS]
    numeric = [
        name
        for name in frame.columns
        if _share_of_numbers(frame[name]) > 0.5 and not _is_name(str(name))
    ]
    candidates = usual or numeric
    if len(candidates) == 1:
        return str(candidates[0])
    what = f"{table} has {'several columns' if candidates else 'no column'} that may hold the true value"
    shown = candidates or list(frame.columns)
    raise UsageError(f"{what}: {listing(shown, 12)}", "say which: --value-column NAME")


def _share_of_numbers(column: pd.Series) -> float:
    """Of the cells that are not blank."""
    cells = [cell for cell in texts(column) if cell]
    return (
        float(np.isfinite(pd.to_numeric(pd.Series(cells, dtype=str), errors="coerce")).mean())
        if cells
        else 0.0
    )


def _is_name(column: str) -> bool:
    return fold(column) in {*COLUMN_NAMES["image"], *PATIENT_COLUMNS}


def _id_column(
    frame: pd.DataFrame, asked: str | None, files: _Files, table: str, folder: Path
) -> str:
    """The one asked for; else, of those with usual names, the one that names most images; else that of all columns."""
    if asked is not None:
        columns = [str(find_column(frame, asked, (), "--id-column", table))]
        found = _hits(frame, columns, files)
    else:
        usual = [str(name) for name in frame.columns if fold(name) in COLUMN_NAMES["image"]]
        found = _hits(frame, usual, files)
        columns = usual
        if not any(found.values()):
            columns = [str(name) for name in frame.columns]
            found = _hits(frame, columns, files)
    best = max(columns, key=lambda name: found[name])
    if not found[best]:
        said = (
            f": its column {best!r} says {listing(dict.fromkeys(texts(frame[best])))}"
            if asked is not None or len(columns) == 1
            else ""
        )
        what = f"no row of {table} names an image of {folder}{said}"
        raise UsageError(
            what,
            f"the images are {listing(path.name for path in files.paths)}; name the column: --id-column",
        )
    return best


def _hits(frame: pd.DataFrame, columns: Sequence[str], files: _Files) -> dict[str, int]:
    return {
        name: sum(len(files.of(cell)) == 1 for cell in texts(frame[name]) if cell)
        for name in columns
    }


@dataclass(frozen=True)
class _Table:
    """The table, a list entry a row; "" where there is no such column."""

    where: Path
    frame: pd.DataFrame
    columns: Mapping[str, str]
    groups: tuple[str, ...]
    files: _Files

    @cached_property
    def cells(self) -> dict[str, list[str]]:
        blank = [""] * len(self.frame)
        return {
            role: texts(self.frame[name]) if name else blank for role, name in self.columns.items()
        }

    @cached_property
    def group_cells(self) -> list[list[str]]:
        return [texts(self.frame[name]) for name in self.groups]

    def sheet(self, asked: str | None) -> Sheet:
        chosen, torn = self._chosen(asked)
        blank = [i for i in chosen if not self.cells["value"][i]]
        problems: list[tuple[str, str]] = []
        said: dict[Path, dict[Row, list[int]]] = defaultdict(lambda: defaultdict(list))
        for i in sorted({*chosen} - {*blank}):
            try:
                row = self._row(i)
            except UsageError as error:
                problems.append((f"{self.where}, row {i + 1}", str(error)))
            else:
                said[row.path][row].append(i + 1)
        for path, rows in said.items():
            if len(rows) == 1:
                continue
            numbers = sorted(number for of_row in rows.values() for number in of_row)
            what = f"{path}: rows {listing(map(str, numbers), 6)} of {self.where} disagree on it"
            problems.append((str(path), str(UsageError(what, "keep one row an image"))))
        kept = {
            next(iter(rows)): numbers
            for rows in said.values()
            if len(rows) == 1
            for numbers in rows.values()
        }
        if not kept:
            raise UsageError(
                f"no row of {self.where} can be used",
                problems[0][1] if problems else "all are without a value",
            )
        twice = [row.path.name for row, numbers in kept.items() if len(numbers) > 1]
        notes = [*self._row_notes(asked, torn, blank, twice), *self._image_notes()]
        value, patient, split = (self.columns[role] for role in ("value", "patient", "split"))
        return Sheet(tuple(kept), tuple(problems), tuple(notes), value, patient, split, self.groups)

    def _row(self, i: int) -> Row:
        """Raises UsageError where the row cannot be used."""
        where, name, value = (
            f"{self.where}, row {i + 1}",
            self.cells["name"][i],
            self.cells["value"][i],
        )
        if not name:
            raise UsageError(f"{where}: no name in column {self.columns['name']!r}", "fill it")
        fitting = self.files.of(name)
        if not fitting:
            raise UsageError(
                f"{where}: no image {name!r} in {self.files.folder}",
                "correct the name, or leave the row out",
            )
        if len(fitting) > 1:
            what = f"{where}: {name!r} fits {len(fitting)} images: {listing(map(str, fitting))}"
            raise UsageError(what, "name it there with its folder or suffix")
        number = pd.to_numeric(value, errors="coerce")
        if not np.isfinite(number):
            what = f"{where}: {value!r} in column {self.columns['value']!r}"
            raise UsageError(what, "write a number with a decimal point")
        path, groups = fitting[0], tuple(cells[i] for cells in self.group_cells)
        return Row(
            path,
            float(number),
            self.cells["patient"][i],
            self.cells["split"][i],
            self.files.mask(path),
            groups,
        )

    def _chosen(self, asked: str | None) -> tuple[list[int], list[str]]:
        """Rows of the split that is asked for, without patients who are also in another; and these patients."""
        splits, patients = self.cells["split"], self.cells["patient"]
        if asked is None:
            return list(range(len(self.frame))), []
        if asked not in splits:
            known = sorted({part for part in splits if part})
            fix = (
                f"its splits: {listing(known, 12)}"
                if known
                else "it has no split column: leave --split out"
            )
            raise UsageError(f"no split {asked!r} in {self.where}", fix)
        elsewhere = {
            patient for patient, part in zip(patients, splits) if patient and part and part != asked
        }
        chosen = [
            i for i, part in enumerate(splits) if part == asked and patients[i] not in elsewhere
        ]
        torn = {
            patients[i]
            for i, part in enumerate(splits)
            if part == asked and patients[i] in elsewhere
        }
        return chosen, sorted(torn)

    def _row_notes(
        self, asked: str | None, torn: Sequence[str], blank: Sequence[int], twice: Sequence[str]
    ) -> Iterator[Message]:
        if "sheet" in self.frame.attrs:
            yield quoted(f"of {self.where} {self.frame.attrs['sheet']}, is read")
        if torn:
            yield quoted(
                f"{count(torn, 'patient')} in {asked} and in another split of {self.where}, left out: {listing(torn)}"
            )
        known = sorted({part for part in self.cells["split"] if part})
        if asked is None and len(known) > 1:
            yield quoted(
                f"{self.where} has the splits {listing(known, 12)}: all are evaluated; --split takes one"
            )
        if blank:
            names = [self.cells["name"][i] for i in blank]
            yield quoted(
                f"{count(blank, 'row')} without a value in column {self.columns['value']!r}, left out: {listing(names)}"
            )
        if twice:
            yield quoted(
                f"{count(twice, 'image')} with several rows in {self.where} that say the same, taken once: {listing(twice)}"
            )

    def _image_notes(self) -> Iterator[Message]:
        named = {path for name in self.cells["name"] if name for path in self.files.of(name)}
        idle = [path.name for path in self.files.paths if path not in named]
        if idle:
            yield quoted(
                f"{count(idle, 'image')} of {self.files.folder} without a row in {self.where}, left out: {listing(idle)}"
            )
