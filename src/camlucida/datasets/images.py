"""Images with their patients, splits and labels: image files joined with a table."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

from camlucida.core.errors import ImageError, UsageError
from camlucida.core.failures import Failure
from camlucida.core.messages import Message, Value, declare
from camlucida.datasets.image_facts import Facts, differing_facts
from camlucida.datasets.image_names import image_ids
from camlucida.datasets.image_rows import ImageRows, images_named, match_images
from camlucida.datasets.patients import (
    NO_PATIENTS,
    Patients,
    dicom_notes,
    dicom_patients,
    find_patient_column,
    patient_of,
)
from camlucida.datasets.recorded_splits import RowSplits, SplitSource, TableRows, split_rows
from camlucida.datasets.splits import SPLIT_COLUMNS
from camlucida.datasets.table_labels import TableLabels
from camlucida.io.tables import find_column, listing, notes_of, read_table, texts

declare(
    "notes",
    {
        "idle_rows": (
            "{count} {count:|row|rows} of {where} without an image among those given: {names}"
        ),
        "merged_rows": (
            "{count} {count:|image|images} with several rows in {where} that agree, "
            "counted once: {names}"
        ),
        "no_split_left_out": (
            "{count} {count:|image|images} without a split in {where}, left out: {names}"
        ),
        "no_split": "{count} {count:|image|images} without a split in {where}: {names}",
        "torn_left_out": (
            "{patients} {patients:|patient|patients} ({images} "
            "{images:|image|images}) in more than one split of {where}, left out of "
            "{split}: {names}"
        ),
        "torn": (
            "{patients} {patients:|patient|patients} ({images} "
            "{images:|image|images}) in more than one split of {where}: {names}"
        ),
    },
)


@dataclass(frozen=True)
class LabelledImage:
    """One image.

    Attributes:
        path: the file.
        id: its stem, with as many parent folders before it (``study1/frontal``) as tell it from
            the other images.
        patient: from the table; see :func:`~camlucida.datasets.patients.patient_of`.
        split: from the table; None where the cell is blank.
        positives: the model's labels that are present, in the model's order; None where the table
            holds no labels.
        rows: of the table that name the image, from 0.
        original_id: the id before it was keyed; "" where it was not.
    """

    path: Path
    id: str
    patient: str
    split: str | None
    positives: tuple[str, ...] | None
    rows: tuple[int, ...] = ()
    original_id: str = ""

    @property
    def known_as(self) -> str:
        """The id by which annotations are looked up."""
        return self.original_id or self.id


@dataclass(frozen=True)
class LabelledImages:
    """Images with their patients, splits and labels.

    Attributes:
        images: in the order in which the files were given.
        problems: of each image that is left out.
        notes: what a reader must know.
        patients_known: False where each image counts as a patient of its own: intervals are then
            too narrow.
    """

    images: tuple[LabelledImage, ...]
    problems: tuple[Failure, ...]
    notes: tuple[Message, ...]
    patients_known: bool


def read_labelled_images(
    paths: Sequence[Path],
    *,
    table: Path | None = None,
    id_column: str | None = None,
    patient_column: str | None = None,
    split_column: str | None = None,
    label_column: str | None = None,
    split: str | None = None,
    labels: Sequence[str] = (),
    sheet: str | None = None,
    id_pattern: str | None = None,
    class_names: Mapping[str, str] | None = None,
    split_source: SplitSource | None = None,
) -> LabelledImages:
    """Join image files with a table of patients, splits and labels (CSV, TSV, XLSX, Parquet, JSON).

    A row belongs to the image whose stem, file name or trailing path
    (``valid/patient1/study1/frontal.jpg``) it names, or whose last three path parts joined by
    underscores, as in CheXlocalize; suffixes do not matter. The longest name decides. Names that
    differ in their root folder, in case or in leading zeros are compared as
    :func:`~camlucida.datasets.image_rows.match_images` tells, which also finds rows that each
    belong to several images. All that was done to names is in the notes.

    Labels stand in one column for each label, named as the model names it, with 1/true, 0/false,
    and blank or −1 for unknown, which counts as not positive; or in one column of names joined by
    ``|``, ``;`` or ``,``. Names are compared without case, spaces and underscores.

    What happens to bad input:

    - Left out, with a failure in ``problems``: an image without a row; rows that disagree on an
      image; a row that fits several images; two files that differ in nothing but their suffix.
    - A note: paths of another computer; rows without an image; rows that agree on one image
      (counted once); no patient column, or blank cells in it; a patient in several splits; images
      without a split (left out where one is requested); unknown labels (not positive); labels of
      the table that the model does not have; labels of the model without a column or a positive
      image.
    - ``split`` requested: a patient who is also in another split, by any row of the table, is left
      out, with a note.

    Args:
        paths: image files.
        table: without it, images have no labels, and DICOM headers alone tell patients apart.
        id_column, patient_column, split_column, label_column: of the table. If not given: the
            first of :data:`~camlucida.datasets.image_names.ID_COLUMNS` (that fits most images), of
            :data:`~camlucida.datasets.patients.PATIENT_COLUMNS`, of
            :data:`~camlucida.datasets.splits.SPLIT_COLUMNS`; columns named like labels, then
            :data:`~camlucida.datasets.table_labels.LABEL_COLUMNS`.
        split: take only this one; ``all`` takes all.
        labels: the model's label names.
        sheet: of a workbook: its name, or its number from 1. If not given, the one that names
            most images.
        id_pattern: how the id column names images: ``{id}_{n}``.
        class_names: cell of the label column → label of the model.
        split_source: where splits come from if the table has no split column.

    Raises:
        UsageError: an option that needs a table, an unreadable table, a column that is not there,
            no row that fits any image, a split that is not there, an unreadable label cell.
    """
    ids, problems = image_ids(paths)
    columns = _Columns(
        id_column, patient_column, split_column, label_column, split, sheet, id_pattern
    )
    if table is not None:
        origin = split_source or SplitSource()
        joined = _ImageTable.read(table, columns, labels, ids, class_names or {}, origin)
        return joined.join(ids, problems)
    needing = columns.names()
    if needing:
        raise UsageError(
            f"{', '.join(needing)} requested, but no table is given", "give the table too"
        )
    patients = dicom_patients(ids)
    images = [
        LabelledImage(path, id_, patient_of(patients.get(path, ""), id_), None, None)
        for path, id_ in ids.items()
    ]
    notes = dicom_notes(patients, len(ids)) if patients else [NO_PATIENTS]
    return LabelledImages(tuple(images), tuple(problems), tuple(notes), bool(patients))


@dataclass(frozen=True)
class _Columns:
    """The columns that the caller named, and the split that is requested."""

    id: str | None
    patient: str | None
    split: str | None
    label: str | None
    chosen_split: str | None
    sheet: str | None
    pattern: str | None

    def names(self) -> list[str]:
        """Those that are given, as the user knows them."""
        options = {
            "id column": self.id,
            "patient column": self.patient,
            "split column": self.split,
            "label column": self.label,
            "split": self.chosen_split,
            "sheet": self.sheet,
            "id pattern": self.pattern,
        }
        return [name for name, value in options.items() if value is not None]


@dataclass(frozen=True)
class _ImageTable:
    """A table, joined with image files.

    Attributes:
        where: its file.
        match: the rows of each image.
        patients: of the rows.
        splits: of the rows.
        labels: of the rows.
        hashes: image file → patient by its DICOM header, where the table has no patients.
        notes: how the table was read.
    """

    where: Path
    match: ImageRows
    patients: Patients
    splits: RowSplits
    labels: TableLabels
    hashes: Mapping[Path, str]
    notes: Sequence[Message]

    @classmethod
    def read(
        cls,
        where: Path,
        columns: _Columns,
        labels: Sequence[str],
        images: Collection[Path],
        class_names: Mapping[str, str],
        origin: SplitSource,
    ) -> _ImageTable:
        fits = images_named(images, columns.id, columns.pattern)
        frame = read_table(where, sheet=columns.sheet, fits=fits)
        match = match_images(frame, columns.id, images, where, columns.pattern)
        patient = find_patient_column(frame, columns.patient, where)
        split = find_column(frame, columns.split, SPLIT_COLUMNS, "split column", where)
        table_labels = TableLabels.read(frame, columns.label, labels, where, class_names)
        notes = [*notes_of(frame), *table_labels.reading]
        hashes: Mapping[Path, str] = {}
        if match.is_by_subject:
            # The images of one row are of one subject.
            patient = patient or match.column
        elif patient is None or (columns.patient is None and patient == match.column):
            # A column that names the images distinguishes no patients.
            hashes = dicom_patients(images)
            patient = None if hashes else patient
        patients = Patients.read(frame, patient)
        named = sorted({*chain.from_iterable(match.rows.values())})
        cells, title = table_labels.cells(frame), table_labels.title
        if origin.value_column is not None:
            cells, title = texts(frame[origin.value_column]), repr(origin.value_column)
        usable = [row for row in named if cells[row]]
        rows = TableRows(where, cells, patients.cells, usable, title)
        stated = None if split is None else texts(frame[split])
        splits = split_rows(stated, origin, rows, columns.chosen_split)
        return cls(where, match, patients, splits, table_labels, hashes, notes)

    @cached_property
    def fits(self) -> Counter[int]:
        """Row → number of images that it fits."""
        return Counter(chain.from_iterable(self.match.rows.values()))

    def join(self, ids: Mapping[Path, str], problems: Sequence[Failure]) -> LabelledImages:
        """The images with their entries in the table; those of a split, if one is given."""
        split = self.splits.split
        images: list[LabelledImage] = []
        failures = list(problems)
        for path, id_ in ids.items():
            try:
                images.append(self._image(path, id_))
            except ImageError as error:
                failures.append(Failure.of(str(path), error))
        kept, torn = self._choose(images, split)
        rows = [image.rows[0] for image in kept]
        notes = [
            *self.notes,
            *self._row_notes(kept, split),
            *self._patient_notes(kept, rows),
            *self._split_notes(images, torn, split),
            *self.splits.notes,
            *self.labels.notes(rows),
        ]
        has_patients = self.patients.column is not None or bool(self.hashes)
        return LabelledImages(tuple(kept), tuple(failures), tuple(notes), has_patients)

    def _patient_notes(
        self, images: Sequence[LabelledImage], rows: Sequence[int]
    ) -> Sequence[Message]:
        if self.hashes:
            paths = [image.path for image in images]
            of_images = {path: self.hashes[path] for path in paths if path in self.hashes}
            return dicom_notes(of_images, len(images))
        return self.patients.notes([image.id for image in images], rows, self.where)

    def _image(self, path: Path, id_: str) -> LabelledImage:
        """Raises ImageError where no row, or no single one, is about the image."""
        rows = self.match.rows[path]
        where = f"{self.where} (column {self.match.column!r})"
        if not rows:
            raise ImageError(
                f"{path}: no row in {where}",
                f"name it there {path.name} or {path.stem}, or leave it out",
            )
        # By a pattern, a row is of a subject, and belongs to each of its images.
        if not self.match.pattern and any(self.fits[row] > 1 for row in rows):
            name = self.match.names[rows[0]]
            raise ImageError(
                f"{path}: the row {name!r} of {where} fits other images too",
                "name the images there with their folders",
            )
        facts = {self._facts(row) for row in rows}
        if len(facts) > 1:
            differing = differing_facts(facts)
            what = f"{path}: {len(rows)} rows of {where} disagree on its {' and '.join(differing)}"
            raise ImageError(what, "keep one row an image")
        (fact,) = facts
        patient = patient_of(fact.patient or self.hashes.get(path, ""), id_)
        return LabelledImage(path, id_, patient, fact.split or None, fact.labels, tuple(rows))

    def _facts(self, row: int) -> Facts:
        patient = self.patients.cells[row]
        return Facts(patient, self.splits.cells[row], self.labels.positives(row))

    def _row_notes(self, images: Sequence[LabelledImage], split: str | None) -> Iterator[Message]:
        yield from self.match.notes
        idle = [
            name
            for row, name in enumerate(self.match.names)
            if row not in self.fits and split in (None, self.splits.cells[row])
        ]
        if idle:
            yield self._listed("idle_rows", idle)
        merged = [image.id for image in images if len(image.rows) > 1]
        if merged:
            yield self._listed("merged_rows", merged)

    def _listed(self, code: str, names: Sequence[str]) -> Message:
        values: dict[str, Value] = {
            "count": len(names),
            "where": str(self.where),
            "names": listing(names),
        }
        return Message(f"notes.{code}", values)

    def _choose(
        self, images: Sequence[LabelledImage], split: str | None
    ) -> tuple[list[LabelledImage], list[LabelledImage]]:
        """The images of a split without patients who are also in another; and those patients'."""
        splits: dict[str, set[str]] = defaultdict(set)
        for patient, name in zip(self.patients.cells, self.splits.cells):
            if patient and name:
                splits[patient].add(name)
        chosen = [image for image in images if split in (None, image.split)]
        torn = [image for image in chosen if len(splits.get(image.patient, ())) > 1]
        if split is None:
            return chosen, torn
        patients = {image.patient for image in torn}
        return [image for image in chosen if image.patient not in patients], torn

    def _split_notes(
        self, images: Sequence[LabelledImage], torn: Sequence[LabelledImage], split: str | None
    ) -> Iterator[Message]:
        without = [image.id for image in images if image.split is None]
        if without and any(self.splits.cells):
            yield self._listed("no_split" if split is None else "no_split_left_out", without)
        if torn:
            patients = list(dict.fromkeys(image.patient for image in torn))
            values: dict[str, Value] = {
                "patients": len(patients),
                "images": len(torn),
                "where": str(self.where),
                "names": listing(patients),
            }
            if split is None:
                yield Message("notes.torn", values)
            else:
                yield Message("notes.torn_left_out", values | {"split": split})
