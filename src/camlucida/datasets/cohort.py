"""The images of a cohort, with everything that its table says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from camlucida.core.errors import ImageError, UsageError
from camlucida.core.failures import Failure
from camlucida.core.messages import Message, declare
from camlucida.datasets.annotation_discovery import annotations_beside, unused_note
from camlucida.datasets.cohort_file import CohortConfig, CohortFile
from camlucida.datasets.image_files import ImageFiles, image_files
from camlucida.datasets.images import LabelledImage, read_labelled_images
from camlucida.datasets.mask_paths import (
    mask_beside,
    mask_in,
    mask_of_name,
    masks_beside,
    masks_note,
)
from camlucida.datasets.recorded_splits import RecordedSplit, SplitSource
from camlucida.datasets.splits import training_notes
from camlucida.datasets.table_labels import TableLabels
from camlucida.datasets.true_masks import TrueMasks
from camlucida.io.annotations import parse_sides
from camlucida.io.image import image_id
from camlucida.io.storage import fetch
from camlucida.io.tables import find_column, listing, numbers, texts

declare(
    "notes",
    {
        "blank_truth": (
            "{count} {count:|image|images} without ground truth for some labels, which stays "
            "unknown: {names}"
        ),
        "no_mask": "{count} {count:|image|images} without a mask: {names}",
    },
)

T = TypeVar("T")
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class CohortImage(LabelledImage):
    """One image of a cohort, as one model's labels see it.

    Attributes:
        value: the true value of a regression; None if unknown.
        mask: where its mask should be; None if nothing says so.
        box: x, y, width, height in original pixels; None if unknown.
        groups: name of each group column → group, "" where the table is blank.
        unknown: labels of the model of which the table says nothing: no column, blank, or −1.
        true_masks: of the cohort; None where it was not read from one.
        keyed: what outputs hold in place of its path; None where they hold the path.
    """

    value: float | None = None
    mask: Path | None = None
    box: Box | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    true_masks: TrueMasks | None = None
    keyed: Path | None = None


@dataclass(frozen=True)
class Cohort:
    """The images of a cohort, in the order of their files.

    Attributes:
        images: the images.
        problems: of each image that is left out.
        notes: what a reader must know.
        patients_known: as of :class:`~camlucida.datasets.images.LabelledImages`.
        masks: file or folder of annotations of any kind; None without one.
    """

    images: tuple[CohortImage, ...]
    problems: tuple[Failure, ...]
    notes: tuple[Message, ...]
    patients_known: bool
    masks: Path | None = None


def read_cohort(
    file: CohortFile,
    labels: Sequence[str],
    recorded: RecordedSplit | None = None,
    volumes: bool = False,
) -> Cohort:
    """The images of a cohort.

    Args:
        file: the cohort.
        labels: the model's, in its order.
        recorded: the split that the model's checkpoint records. It counts where the table has no
            split column, and leaves images out only if the cohort names a split.
        volumes: the model is of volumes, which ``images`` then lists.

    Raises:
        UsageError: no image at all; a table, mask folder or table of boxes that is not there;
            whatever :func:`~camlucida.datasets.images.read_labelled_images` refuses.
    """
    config = file.config
    _check_annotations(file)
    table = file.fetched(config.table) if config.table is not None else None
    listed = _listed_images(file, table, volumes)
    labelled = read_labelled_images(
        listed.paths,
        table=table,
        id_column=listed.id_column,
        patient_column=config.columns.patient,
        split_column=config.columns.split,
        label_column=config.columns.labels,
        split=config.split,
        labels=labels,
        sheet=config.sheet or listed.frame.attrs.get("title") or None,
        id_pattern=config.columns.id_pattern,
        class_names=config.columns.class_names,
        split_source=SplitSource(recorded, False, _value_column(listed.frame, config, table)),
    )
    masks = None if config.masks is None else file.resolve(config.masks)
    beside = None
    if masks is None and config.columns.mask is None:
        masks = beside = masks_beside(listed.paths)
    names = [(image.id, str(image.path)) for image in labelled.images]
    true_masks = TrueMasks(masks, tuple(labels), names)
    cells = _Cells.read(file, listed.frame, table, labels, true_masks)
    images, incomplete = cells.complete_all(labelled.images)
    problems = [*listed.problems, *labelled.problems, *incomplete]
    notes = [*masks_note(listed.masks), *labelled.notes]
    notes += [*_truth_notes(images), *_mask_notes(images, config, true_masks)]
    if beside is None:
        notes += _beside_notes(images, config)
    else:
        notes.append(Message("notes.annotations_beside", {"where": str(beside)}))
    if table is not None and _has_truth(images):
        splits = [image.split for image in images]
        notes += training_notes(splits, config.split, 'split = "{}" (cohort.toml)')
    known = labelled.patients_known
    return Cohort(tuple(images), tuple(problems), tuple(notes), known, masks)


def _listed_images(file: CohortFile, table: Path | None, volumes: bool) -> ImageFiles:
    """The files of the images; raises UsageError where there is none."""
    listed = image_files(file, table, volumes)
    if not listed.paths:
        reason = str(listed.problems[0]) if listed.problems else ""
        raise UsageError(f"{file.path.name}: there is no image", reason)
    return listed


def _check_annotations(file: CohortFile) -> None:
    """Raises UsageError where a folder of masks or the table of boxes is not there."""
    config = file.config
    for key, path, exists in (
        ("masks", config.masks, Path.exists),
        ("boxes", config.boxes, Path.exists),
        ("regions", config.regions, Path.is_dir),
    ):
        if path is None:
            continue
        resolved = file.fetched(path)
        if not exists(resolved):
            what = f"{file.path.name}: {key}: {resolved} does not exist"
            raise UsageError(what, "correct the path")


def _value_column(frame: pd.DataFrame, config: CohortConfig, table: Path | None) -> str | None:
    name = config.columns.value
    return None if name is None else find_column(frame, name, (), "value column", table)


def _has_truth(images: Sequence[CohortImage]) -> bool:
    return any(image.positives is not None or image.value is not None for image in images)


# ---- notes --------------------------------------------------------------------------------------


def _truth_notes(images: Sequence[CohortImage]) -> list[Message]:
    unknown = [image.id for image in images if image.unknown]
    if not unknown:
        return []
    return [Message("notes.blank_truth", {"count": len(unknown), "names": listing(unknown)})]


def _mask_notes(
    images: Sequence[CohortImage], config: CohortConfig, true_masks: TrueMasks
) -> list[Message]:
    """Images without a mask, where masks are expected.

    They are, if some image has one, or a column or a folder of them is given.
    """
    folder = true_masks.path
    named: set[str] = set()
    if folder is not None and folder.is_dir():
        named = _names_in(folder)
    missing = [image.id for image in images if not _has_mask(image, named, true_masks)]
    expected = folder is not None or config.columns.mask is not None
    if not missing or not (expected or len(missing) < len(images)):
        return []
    return [Message("notes.no_mask", {"count": len(missing), "names": listing(missing)})]


def _beside_notes(images: Sequence[CohortImage], config: CohortConfig) -> list[Message]:
    """Annotations that lie beside the images, where the cohort names none and uses none."""
    columns = config.columns
    if config.masks or config.boxes or columns.mask or columns.box:
        return []
    beside = annotations_beside([image.path for image in images])
    used: set[Path] = set()
    for image in images:
        if image.mask:
            used.update(image.mask.absolute().parents)
    unused = [path for path in beside if path not in used]
    return [unused_note(unused, 'masks = "PATH" (cohort.toml)')] if unused else []


def _names_in(folder: Path) -> set[str]:
    """Stems of the files in a folder, and each ID of ID_LABEL."""
    names: set[str] = set()
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        names.add(path.stem)
        for index, character in enumerate(path.stem):
            if character == "_":
                names.add(path.stem[:index])
    return names


def _has_mask(image: CohortImage, named: set[str], true_masks: TrueMasks) -> bool:
    has_file = image.mask is not None and image.mask.is_file()
    if has_file or image_id(image.path, None) in named:
        return True
    return bool(true_masks.truth.listed(image.id, str(image.path)))


# ---- cells of the table -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cells:
    """What the table says beside labels: a list entry a row; empty where it has no such column."""

    file: CohortFile
    table: Path | None
    values: Sequence[float | None]
    masks: Sequence[str]
    boxes: Sequence[Box | None]
    groups: Mapping[str, Sequence[str]]
    unknown: Sequence[frozenset[str]]
    true_masks: TrueMasks

    @classmethod
    def read(
        cls,
        file: CohortFile,
        frame: pd.DataFrame,
        table: Path | None,
        labels: Sequence[str],
        true_masks: TrueMasks,
    ) -> _Cells:
        if table is None:
            return cls(file, None, (), (), (), {}, (), true_masks)
        columns = file.config.columns

        def cells(name: str | None, option: str) -> pd.Series | None:
            column = None if name is None else find_column(frame, name, (), option, table)
            return None if column is None else frame[column]

        value = cells(columns.value, "value column")
        mask = cells(columns.mask, "mask column")
        box = cells(columns.box, "box column")
        groups = {}
        for name in columns.groups:
            column = cells(name, "group column")
            if column is not None:
                groups[name] = texts(column)
        table_labels = TableLabels.read(frame, columns.labels, labels, table, columns.class_names)
        return cls(
            file=file,
            table=table,
            values=() if value is None else _values(value, table),
            masks=() if mask is None else texts(mask),
            boxes=() if box is None else _boxes(texts(box), table),
            groups=groups,
            unknown=[table_labels.unknown(row) for row in range(len(frame))],
            true_masks=true_masks,
        )

    def complete_all(
        self, images: Iterable[LabelledImage]
    ) -> tuple[list[CohortImage], list[Failure]]:
        """The images with these cells, and those whose rows disagree."""
        complete, problems = [], []
        for image in images:
            try:
                complete.append(self.complete(image))
            except ImageError as error:
                problems.append(Failure.of(str(image.path), error))
        return complete, problems

    def complete(self, image: LabelledImage) -> CohortImage:
        """The image with these cells; ImageError where its rows disagree."""
        mask = self._one(image, "mask", self.masks, "")
        groups = {}
        for name, cells in self.groups.items():
            groups[name] = self._one(image, name, cells, "")
        return CohortImage(
            **vars(image),
            value=self._one(image, "value", self.values, None),
            mask=self._mask_of_cell(mask) if mask else self._usual_mask(image),
            box=self._one(image, "box", self.boxes, None),
            groups=groups,
            unknown=self._one(image, "labels", self.unknown, frozenset()),
            true_masks=self.true_masks,
        )

    def _one(self, image: LabelledImage, what: str, cells: Sequence[T], blank: T) -> T:
        distinct = {cells[row] for row in image.rows} if cells else {blank}
        if len(distinct) > 1:
            where = f"{len(image.rows)} rows of {self.table} disagree on its {what}"
            raise ImageError(f"{image.path}: {where}", "keep one row an image")
        return distinct.pop() if distinct else blank

    def _mask_of_cell(self, cell: str) -> Path:
        path = self.file.resolve(cell)
        with suppress(ImageError):  # a missing mask is noted
            fetch(path)
        return path

    def _usual_mask(self, image: LabelledImage) -> Path | None:
        folder = self.file.config.masks
        if folder is None:
            return mask_of_name(image.path) or mask_beside(image.path)
        resolved = self.file.resolve(folder)
        return None if resolved.is_file() else mask_in(resolved, image.path)


def _values(column: pd.Series, table: Path) -> list[float | None]:
    values = numbers(column, table)
    return [None if np.isnan(value) else float(value) for value in values]


def _boxes(cells: Sequence[str], table: Path) -> list[Box | None]:
    """The box of each cell; None for a blank one."""
    boxes: list[Box | None] = []
    for row, cell in enumerate(cells, 1):
        if not cell:
            boxes.append(None)
            continue
        boxes.append(parse_sides(cell, f"{table}, row {row}"))
    return boxes
