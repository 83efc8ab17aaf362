"""The images of a cohort with everything that its table says of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare
from camlucida.datasets.cohort_file import CohortFile
from camlucida.datasets.images import LABEL_COLUMNS, LabelledImage, read_labelled_images
from camlucida.io import expand_paths
from camlucida.io.image import image_id
from camlucida.io.tables import count, find_column, flags, fold, listing, numbers, read_table, texts

declare(
    "notes",
    {
        "blank_truth": (
            "{count} {count:|image|images} with labels of which the table says "
            "nothing: their truth stays blank: {names}"
        ),
        "no_mask": "{count} {count:|image|images} without a mask: {names}",
    },
)

T = TypeVar("T")
PATH_COLUMNS = ("path", "file", "filename", "image")
"""Columns that hold the images' files where no images are given; folded."""

MASK_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class CohortImage(LabelledImage):
    """One image of a cohort, as one model's labels see it.

    Attributes:
        value: the true value of a regression; None if unknown.
        mask: where its mask should be; None if nothing says so.
        box: x, y, width, height in original pixels; None if unknown.
        groups: name → group, "" where the table is blank.
        unknown: labels of the model of which the table says nothing: no column, blank, or −1.
    """

    value: float | None = None
    mask: Path | None = None
    box: tuple[float, float, float, float] | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Cohort:
    """The images of a cohort, in the order of their files, (file, line) of each that is left out, and notes."""

    images: tuple[CohortImage, ...]
    problems: tuple[tuple[str, str], ...]
    notes: tuple[Message, ...]
    patients_known: bool


def read_cohort(file: CohortFile, labels: Sequence[str]) -> Cohort:
    """The images of a cohort.

    Args:
        file: the cohort.
        labels: the model's, in its order.

    Raises:
        UsageError: no image at all; a table, mask folder or table of boxes that is not there; whatever
            :func:`~camlucida.datasets.images.read_labelled_images` refuses.
    """
    config, columns = file.config, file.config.columns
    table = file.resolve(config.table) if config.table is not None else None
    for what, words, there in (
        ("masks", config.masks, Path.is_dir),
        ("boxes", config.boxes, Path.is_file),
    ):
        if words is not None and not there(file.resolve(words)):
            raise UsageError(
                f"{file.path.name}: {what}: {file.resolve(words)} does not exist",
                "correct the path",
            )
    frame = read_table(table) if table is not None else pd.DataFrame()
    if config.images is not None:
        paths, missing = expand_paths([str(file.resolve(words)) for words in config.images])
        id_column, problems = (
            columns.id or columns.path,
            [(error.what, str(error)) for error in missing],
        )
    else:
        paths, id_column, problems = _paths(file, frame, table)
    if not paths:
        raise UsageError(f"{file.path.name}: there is no image", problems[0][1] if problems else "")
    cohort = read_labelled_images(
        paths,
        table=table,
        id_column=id_column,
        patient_column=columns.patient,
        split_column=columns.split,
        label_column=columns.labels,
        split=config.split,
        labels=labels,
    )
    said = _Said.read(file, frame, table, labels)
    members, notes = [], list(cohort.notes)
    problems += cohort.problems
    for item in cohort.images:
        try:
            members.append(said.member(item))
        except UsageError as error:
            problems.append((str(item.path), str(error)))
    blank = [m.id for m in members if m.unknown]
    if blank:
        notes.append(Message("notes.blank_truth", {"count": len(blank), "names": listing(blank)}))
    folder = file.resolve(config.masks) if config.masks is not None else None
    notes += _mask_notes(members, folder, columns.mask is not None)
    return Cohort(tuple(members), tuple(problems), tuple(notes), cohort.patients_known)


def mask_beside(image: Path) -> Path | None:
    """Where ``…/Images/a/b.dcm`` has its mask: ``…/Masks/a/b.png``, ``.jpg`` or ``.jpeg``; None without a folder "Images"."""
    parts = list(image.parts)
    at = next((i for i in range(len(parts) - 2, -1, -1) if parts[i].casefold() == "images"), None)
    if at is None:
        return None
    names = [name for name in ("Masks", "masks") if Path(*parts[:at], name).is_dir()]
    return _mask_in(Path(*parts[:at], names[0] if names else "Masks", *parts[at + 1 : -1]), image)


def _mask_in(folder: Path, image: Path) -> Path:
    """The file of the image's stem that is there; the first suffix where none is."""
    known = [folder / f"{image_id(image, None)}{suffix}" for suffix in MASK_SUFFIXES]
    return next((path for path in known if path.is_file()), known[0])


def _mask_notes(members: Sequence[CohortImage], folder: Path | None, column: bool) -> list[Message]:
    """Which images have no mask, where masks are expected: some image has one, or a column or a folder of them is given."""
    stems = (
        {path.stem for path in folder.rglob("*") if path.is_file()} if folder is not None else set()
    )
    named = stems | {
        stem[:at] for stem in stems for at, sign in enumerate(stem) if sign == "_"
    }  # ID of ID_LABEL

    def masked(member: CohortImage) -> bool:
        return (member.mask is not None and member.mask.is_file()) or image_id(
            member.path, None
        ) in named

    missing = [m.id for m in members if not masked(m)]
    expected = folder is not None or column or len(missing) < len(members)
    return (
        [Message("notes.no_mask", {"count": len(missing), "names": listing(missing)})]
        if missing and expected
        else []
    )


def _paths(
    file: CohortFile, frame: pd.DataFrame, table: Path | None
) -> tuple[list[Path], str | None, list[tuple[str, str]]]:
    """Image files that the table names, relative to COHORT.toml or else to the table; the column; lines for blank cells."""
    assert table is not None  # checked by CohortConfig
    column = find_column(frame, file.config.columns.path, PATH_COLUMNS, "path column", table)
    if column is None:
        fix = f'write images = "FOLDER", or [columns] path = one of: {listing(frame.columns, 12)}'
        raise UsageError(
            f"{file.path.name}: no images are given, and {table} has no path column", fix
        )
    paths, blank = [], []
    for number, cell in enumerate(texts(frame[column]), 1):
        if not cell:
            blank.append(
                (
                    f"{table}, row {number}",
                    f"{table}, row {number}: no path in column {column!r} (fill it)",
                )
            )
            continue
        places = [file.resolve(cell), table.parent / cell]
        paths.append(next((place for place in places if place.is_file()), places[0]))
    if paths and not any(path.exists() for path in paths):
        what = f"none of the {count(paths, 'file')} in column {column!r} of {table} is here, such as {paths[0]}"
        raise UsageError(f"{file.path.name}: {what}", 'write images = "FOLDER": where they lie now')
    return paths, column, blank


@dataclass(frozen=True)
class _Said:
    """What the table says, a list entry a row; an empty list where it has no such column."""

    file: CohortFile
    table: Path | None
    values: Sequence[float | None]
    masks: Sequence[str]
    boxes: Sequence[tuple[float, float, float, float] | None]
    groups: Mapping[str, Sequence[str]]
    unknown: Sequence[frozenset[str]]

    @classmethod
    def read(
        cls, file: CohortFile, frame: pd.DataFrame, table: Path | None, labels: Sequence[str]
    ) -> _Said:
        if table is None:
            return cls(file, None, (), (), (), {}, ())
        columns = file.config.columns

        def column(asked: str | None, option: str) -> pd.Series | None:
            name = find_column(frame, asked, (), option, table) if asked is not None else None
            return None if name is None else frame[name]

        value, mask, box = (column(asked, f"{name} column") for name, asked in _asked(file))
        found = {name: column(name, "group column") for name in columns.groups}
        return cls(
            file,
            table,
            ()
            if value is None
            else [None if number != number else float(number) for number in numbers(value, table)],
            () if mask is None else texts(mask),
            ()
            if box is None
            else [_box(cell, number, table) for number, cell in enumerate(texts(box), 1)],
            {name: texts(cells) for name, cells in found.items() if cells is not None},
            _unknown(frame, columns.labels, labels, table),
        )

    def member(self, item: LabelledImage) -> CohortImage:
        """Raises UsageError where rows of one image disagree."""
        mask = self._one(item, "mask", self.masks, "")
        return CohortImage(
            **vars(item),
            value=self._one(item, "value", self.values, None),
            mask=self.file.resolve(mask) if mask else self._found_mask(item),
            box=self._one(item, "box", self.boxes, None),
            groups={name: self._one(item, name, cells, "") for name, cells in self.groups.items()},
            unknown=self._one(item, "labels", self.unknown, frozenset()),
        )

    def _one(self, item: LabelledImage, what: str, cells: Sequence[T], blank: T) -> T:
        said = {cells[row] for row in item.rows} if cells else {blank}
        if len(said) > 1:
            where = f"{len(item.rows)} rows of {self.table} disagree on its {what}"
            raise UsageError(f"{item.path}: {where}", "keep one row an image")
        return said.pop() if said else blank

    def _found_mask(self, item: LabelledImage) -> Path | None:
        folder = self.file.config.masks
        return (
            mask_beside(item.path)
            if folder is None
            else _mask_in(self.file.resolve(folder), item.path)
        )


def _asked(file: CohortFile) -> tuple[tuple[str, str | None], ...]:
    columns = file.config.columns
    return ("value", columns.value), ("mask", columns.mask), ("box", columns.box)


def _box(cell: str, row: int, table: Path) -> tuple[float, float, float, float] | None:
    """ "12, 40, 100, 80" (also with blanks, semicolons or brackets) as x, y, width, height; None for a blank cell."""
    if not cell:
        return None
    words = re.split(r"[\s,;]+", cell.strip(" []()"))
    try:
        x, y, width, height = map(float, words)
    except ValueError as error:
        raise UsageError(
            f"{table}, row {row}: {cell!r} is not a box", "write x, y, width, height in pixels"
        ) from error
    return x, y, width, height


def _unknown(
    frame: pd.DataFrame, asked: str | None, labels: Sequence[str], table: Path
) -> Sequence[frozenset[str]]:
    """Row → labels of which it says nothing; found where :func:`read_labelled_images` looks for labels."""
    known = {fold(label): label for label in labels if label}
    own = (
        {known[fold(name)]: frame[name] for name in frame.columns if fold(name) in known}
        if asked is None
        else {}
    )
    if own:
        cells = {label: flags(column, table) for label, column in own.items()}
        always = frozenset(known.values()) - set(own)
        return [
            always | {label for label in cells if cells[label][row] is None}
            for row in range(len(frame))
        ]
    column = find_column(frame, asked, LABEL_COLUMNS, "label column", table)
    said = [""] * len(frame) if column is None else texts(frame[column])
    return [frozenset() if cell else frozenset(known.values()) for cell in said]
