"""A table of values beside a folder of images: which row is which image, and which mask is its."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.core.messages import Message, Value, declare
from camlucida.datasets.image_names import rows_without_image
from camlucida.datasets.image_rows import ImageRows, images_named, match_images
from camlucida.datasets.patients import find_patient_column
from camlucida.datasets.recorded_splits import (
    RecordedSplit,
    RowSplits,
    SplitSource,
    TableRows,
    split_rows,
)
from camlucida.datasets.splits import SPLIT_COLUMNS
from camlucida.io.tables import (
    comma_notes,
    find_column,
    listing,
    notes_of,
    read_table,
    source,
    texts,
    with_points,
)
from camlucida.workflows.regression.image_folder import ImageFolder
from camlucida.workflows.regression.sheet import Row, Sheet, SheetColumns
from camlucida.workflows.regression.sheet_columns import value_column

declare(
    "sheet",
    {
        "torn_patients": (
            "{count} {count:|patient|patients} in {split} and in another split of {table}, "
            "left out: {names}"
        ),
        "all_splits": "{table} has the splits {names}: all are evaluated; --split takes one",
        "no_value": (
            "{count} {count:|row|rows} without a value in column {column}, left out: {names}"
        ),
        "repeated": (
            "{count} {count:|image|images} with several rows in {table} that agree, "
            "taken once: {names}"
        ),
        "no_row": (
            "{count} {count:|image|images} of {folder} without a row in {table}, left out: {names}"
        ),
    },
)

RESERVED = (
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
"""Columns of the tables that are written, beside patient and split; no group may be called so."""


def read_sheet(
    table: Path,
    images: Path,
    columns: SheetColumns,
    *,
    masks: Path | None = None,
    split: str | None = None,
    recorded: RecordedSplit | None = None,
) -> Sheet:
    """Find the image and the mask of each row.

    A row names its image as :func:`~camlucida.datasets.image_rows.match_images` tells, or, by a
    pattern, each of its images. Masks lie in ``masks``, or in the folder ``Masks`` beside the
    image's ``Images``: same stem, ``.png``, ``.jpg`` or ``.jpeg``.

    - Failures: a row without a name, without an image, with several, with a value that is not a
      number; rows that disagree on one image.
    - Notes: the sheet that is read of a workbook with several; rows without a value (left out);
      rows that repeat another; images without a row; with a split, patients who are also in
      another (left out).

    Args:
        table: CSV, TSV, XLSX, Parquet or JSON.
        images: a folder, searched with its subfolders.
        columns: that the user names.
        masks: file or folder of annotations of any kind.
        split: take only this one; ``all`` takes all, if none is called so.
        recorded: of the checkpoint; it counts where the table has no split column.

    Raises:
        UsageError: no table, image or folder; a column that does not exist or is ambiguous; no
            row that names an image.
    """
    if masks is not None and not masks.exists():
        raise UsageError(f"no masks {masks}", "correct --mask-dir, or leave it out")
    folder = ImageFolder.read(images, masks)
    fits = images_named(folder.paths, columns.id, columns.id_pattern)
    frame = read_table(table, sheet=columns.sheet, fits=fits)
    where = source(table, frame)
    value = value_column(frame, columns.value, where)
    match = match_images(frame, columns.id, folder.paths, where, columns.id_pattern, "--id-column")
    patient = find_patient_column(frame, columns.patient, where, "--patient-column")
    if patient is None and match.is_by_subject:
        # The images of one row are of one subject.
        patient = match.column
    names = {
        "value": value,
        "name": match.column,
        "patient": patient or "",
        "split": find_column(frame, None, SPLIT_COLUMNS, "split column", where) or "",
    }
    groups = _group_columns(frame, columns.groups, names, table, where)
    return _Table(table, frame, names, groups, folder, match).sheet(recorded, split)


def _group_columns(
    frame: pd.DataFrame, requested: Sequence[str], names: Mapping[str, str], table: Path, where: str
) -> tuple[str, ...]:
    groups = [str(find_column(frame, name, (), "--group-column", where)) for name in requested]
    for group in groups:
        # A group may be the patient or split column itself, but no other column of that name.
        other = group in ("patient", "split") and names[group] != group
        if other or group in RESERVED:
            what = f"--group-column {group!r} has a name that is used here"
            raise UsageError(what, f"rename it in {table.name}")
    return tuple(dict.fromkeys(groups))


@dataclass(frozen=True)
class _Table:
    """The table with its cells as text.

    Attributes:
        path: of the file.
        frame: as read.
        columns: role → name; "" where there is no such column.
        groups: names of the group columns.
        images: that rows may name.
        match: the rows of each image.
    """

    path: Path
    frame: pd.DataFrame
    columns: Mapping[str, str]
    groups: tuple[str, ...]
    images: ImageFolder
    match: ImageRows

    @cached_property
    def images_of_rows(self) -> dict[int, list[Path]]:
        """Row, from 0 → the images that it names."""
        images: dict[int, list[Path]] = defaultdict(list)
        for path, rows in self.match.rows.items():
            for row in rows:
                images[row].append(path)
        return images

    @cached_property
    def values(self) -> list[str]:
        """The cells of the values, with decimal points."""
        return with_points(self.cells["value"])

    @cached_property
    def cells(self) -> dict[str, list[str]]:
        """Role → the cell of each row; "" where there is no such column."""
        blank = [""] * len(self.frame)
        return {
            role: texts(self.frame[name]) if name else blank for role, name in self.columns.items()
        }

    @cached_property
    def group_cells(self) -> list[list[str]]:
        return [texts(self.frame[name]) for name in self.groups]

    def sheet(self, recorded: RecordedSplit | None, requested: str | None) -> Sheet:
        """The usable rows, of one split if one is requested or recorded."""
        cells, rows = self.cells, range(len(self.frame))
        usable = [row for row in rows if self._fitting(row) and cells["value"][row]]
        split_cells = cells["split"] if self.columns["split"] else None
        table_rows = TableRows(
            self.path, cells["value"], cells["patient"], usable, repr(self.columns["value"])
        )
        splits = split_rows(split_cells, SplitSource(recorded), table_rows, requested)
        if split_cells is not None or not any(splits.cells):
            return self._sheet(splits)
        frame = self.frame.assign(split=splits.cells)
        return replace(self, frame=frame, columns={**self.columns, "split": "split"})._sheet(splits)

    def _sheet(self, splits: RowSplits) -> Sheet:
        """The usable rows of a split, which may be all."""
        split = splits.split
        chosen, torn = self._of_split(split)
        blank = [index for index in chosen if not self.cells["value"][index]]
        filled = sorted({*chosen} - {*blank})
        by_image, failures = self._rows(filled)
        rows: dict[Row, list[int]] = {}
        for path, numbers in by_image.items():
            if len(numbers) == 1:
                rows |= numbers
            else:
                failures.append(self._disagreement(path, numbers))
        if not rows:
            fix = str(failures[0]) if failures else "all are without a value"
            raise UsageError(f"no row of {self.path} can be used", fix)
        repeated = [row.path.name for row, numbers in rows.items() if len(numbers) > 1]
        notes = (
            *notes_of(self.frame),
            *self.match.notes,
            *comma_notes(self.frame, [self.columns["value"]], self.path),
            *self._split_notes(split, torn),
            *self._row_notes(blank, repeated),
            *self._image_notes(),
            *splits.notes,
        )
        return Sheet(
            tuple(rows),
            tuple(failures),
            notes,
            value_column=self.columns["value"],
            patient_column=self.columns["patient"],
            split_column=self.columns["split"],
            groups=self.groups,
        )

    def _rows(
        self, indices: Sequence[int]
    ) -> tuple[dict[Path, dict[Row, list[int]]], list[Failure]]:
        """Image → its different rows → their numbers in the table, from 1; and rows that fail."""
        by_image: dict[Path, dict[Row, list[int]]] = defaultdict(lambda: defaultdict(list))
        failures = list(self._missing(indices))
        for index in indices:
            if not self._fitting(index):
                continue
            try:
                rows = [self._row(index, image) for image in self._images(index)]
            except UsageError as error:
                failures.append(Failure.of(self._where(index), error))
                continue
            for row in rows:
                by_image[row.path][row].append(index + 1)
        return by_image, failures

    def _fitting(self, index: int) -> Sequence[Path]:
        return self.images_of_rows.get(index, ())

    def _missing(self, indices: Sequence[int]) -> Iterator[Failure]:
        """One failure for all rows without an image."""
        missing = [index for index in indices if not self._fitting(index)]
        if missing:
            names = [self.cells["name"][index] for index in missing]
            yield rows_without_image(self.path, self.columns["name"], names)

    def _disagreement(self, path: Path, rows: Mapping[Row, Sequence[int]]) -> Failure:
        numbers = sorted(chain.from_iterable(rows.values()))
        what = f"{path}: rows {listing(map(str, numbers), 6)} of {self.path} disagree on it"
        return Failure(str(path), "usage", what, "keep one row an image")

    def _where(self, index: int) -> str:
        return f"{self.path}, row {index + 1}"

    def _row(self, index: int, image: Path) -> Row:
        """Raises UsageError where the row cannot be used."""
        value = self.values[index]
        number = pd.to_numeric(value, errors="coerce")
        if not np.isfinite(number):
            what = f"{self._where(index)}: {value!r} in column {self.columns['value']!r}"
            raise UsageError(what, "write a number with a decimal point")
        return Row(
            image,
            float(number),
            self.cells["patient"][index],
            self.cells["split"][index],
            self.images.mask(image),
            tuple(cells[index] for cells in self.group_cells),
        )

    def _images(self, index: int) -> Sequence[Path]:
        """Raises UsageError where the row names several images without a pattern."""
        fitting = self._fitting(index)
        if len(fitting) > 1 and not self.match.pattern:
            name = self.cells["name"][index]
            files = listing(map(str, fitting))
            what = f"{self._where(index)}: {name!r} fits {len(fitting)} images: {files}"
            raise UsageError(what, "name it there with its folder or suffix")
        return fitting

    def _of_split(self, split: str | None) -> tuple[list[int], list[str]]:
        """Rows of the split, without patients who are also in another; and these patients."""
        splits, patients = self.cells["split"], self.cells["patient"]
        if split is None:
            return list(range(len(self.frame))), []
        pairs = list(zip(patients, splits))
        elsewhere = {patient for patient, part in pairs if patient and part not in ("", split)}
        of_split = [index for index, part in enumerate(splits) if part == split]
        kept = [index for index in of_split if patients[index] not in elsewhere]
        torn = {patients[index] for index in of_split if patients[index] in elsewhere}
        return kept, sorted(torn)

    def _split_names(self) -> list[str]:
        return sorted({part for part in self.cells["split"] if part})

    def _split_notes(self, split: str | None, torn: Sequence[str]) -> Iterator[Message]:
        table = str(self.path)
        if torn:
            values = _counted(torn)
            values |= {"split": split or "", "table": table}
            yield Message("sheet.torn_patients", values)
        names = self._split_names()
        if split is None and len(names) > 1:
            yield Message("sheet.all_splits", {"table": table, "names": listing(names, 12)})

    def _row_notes(self, blank: Sequence[int], repeated: Sequence[str]) -> Iterator[Message]:
        if blank:
            names = [self.cells["name"][index] for index in blank]
            values = _counted(names) | {"column": self.columns["value"]}
            yield Message("sheet.no_value", values)
        if repeated:
            yield Message("sheet.repeated", _counted(repeated) | {"table": str(self.path)})

    def _image_notes(self) -> Iterator[Message]:
        unnamed = [path.name for path in self.images.paths if not self.match.rows[path]]
        if unnamed:
            values = _counted(unnamed)
            values |= {"folder": str(self.images.folder), "table": str(self.path)}
            yield Message("sheet.no_row", values)


def _counted(names: Sequence[str]) -> dict[str, Value]:
    """The values of a message that counts and lists: how many, and the first names."""
    return {"count": len(names), "names": listing(names)}
