"""Which images are evaluated, of which patients, with which labels: image files joined with a table."""

from __future__ import annotations

import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare
from camlucida.io.image import image_id, known_suffixes
from camlucida.io.tables import find_column, flags, fold, listing, read_table, texts

declare(
    "notes",
    {
        "no_patients": "no patient column: each image counts as a patient of its own",
        "another_place": (
            "{where} (column {column}) names files of another place: what follows {place} counts"
        ),
        "idle_rows": "{count} {count:|row|rows} of {where} without an image among those given: {names}",
        "merged_rows": (
            "{count} {count:|image|images} with several rows in {where} that say the "
            "same, taken once: {names}"
        ),
        "no_split_left_out": "{count} {count:|image|images} without a split in {where}, left out: {names}",
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
        "blank_cells": (
            "{count} {count:|label cell|label cells} of {where} blank or -1 "
            "(unknown), counted as not positive"
        ),
        "blank_names": (
            "{count} {count:|image|images} with a blank label cell in {where}, "
            "counted as without a finding"
        ),
        "no_column": (
            "no column of {where} for {count} {count:|label|labels}, counted as not "
            "positive: {names}"
        ),
        "strange_labels": "{count} {count:|label|labels} in {where} that the model does not have: {names}",
        "no_labels": "no labels in {where}: nothing is known of what is present",
        "absent_labels": "{count} {count:|label|labels} without a positive image: {names}",
    },
)

ID_COLUMNS = ("image", "id", "imageid", "filename", "file", "path", "imageindex")
PATIENT_COLUMNS = ("patient", "patientid", "subject", "subjectid")
SPLIT_COLUMNS = ("split", "subset", "partition")
LABEL_COLUMNS = ("labels", "label", "finding", "findinglabels")
"""Columns that are looked for, in this order, where none is named; without case, spaces and underscores."""

NO_PATIENTS = Message("notes.no_patients")


@dataclass(frozen=True)
class LabelledImage:
    """One image.

    Attributes:
        path: the file.
        id: its stem, with as many parent folders before it (``study1/frontal``) as tell it from the other images.
        patient: from the table; where the table does not say, the image stands for a patient of its own.
        split: from the table; None where it does not say.
        positives: the model's labels that are present, in the model's order; None where nothing is known of labels.
        rows: of the table that speak of it, from 0.
    """

    path: Path
    id: str
    patient: str
    split: str | None
    positives: tuple[str, ...] | None
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class LabelledImages:
    """The images to evaluate.

    Attributes:
        images: in the order in which the files were given.
        problems: (file, one line) of each image that is left out.
        notes: one line each, for the person who reads the result.
        patients_known: False where every image stands for a patient of its own: intervals are then too narrow.
    """

    images: tuple[LabelledImage, ...]
    problems: tuple[tuple[str, str], ...]
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
) -> LabelledImages:
    """Join image files with a table of patients, splits and labels (CSV, TSV, XLSX, Parquet, JSON).

    A row belongs to the image whose stem, file name or trailing path (``valid/patient1/study1/frontal.jpg``) it names, or
    whose last three path parts joined by underscores, as CheXlocalize does; suffixes do not matter. The longest name decides.
    Where no row does, and all name absolute paths, of another machine, only what follows their common folder counts.
    Labels stand in one column a label, named as the model names it, with 1/true, 0/false, and blank or −1 for unknown, which
    counts as not positive; or in one column of names joined by ``|``, ``;`` or ``,``. Names are compared without case, spaces
    and underscores.

    What happens to bad input:

    - Left out, with a line in ``problems``: an image without a row; rows that disagree on an image; a row that fits several
      images; two files that differ in nothing but their suffix.
    - A note: paths of another machine; rows without an image; rows that say the same of one image (taken once); no patient
      column, or blank cells in it (own patients); a patient in several splits; images without a split (left out where one is
      asked for); unknown labels (not positive); labels of the table that the model does not have; labels of the model without a
      column or a positive image.
    - ``split`` asked for: a patient who is also in another split, by any row of the table, is left out, with a note.

    Args:
        paths: image files.
        table: without it, every image is a patient of its own and nothing is known of labels.
        id_column, patient_column, split_column, label_column: of the table; else the first of :data:`ID_COLUMNS` (that fits most
            images), :data:`PATIENT_COLUMNS`, :data:`SPLIT_COLUMNS`; columns named like labels, then :data:`LABEL_COLUMNS`.
        split: take only this one.
        labels: the model's label names.

    Raises:
        UsageError: an option that needs a table, an unreadable table, a column that is not there, no row that fits any image, a
            split that is not there, a label cell that is none of the above.
    """
    named, problems = _ids(paths)
    asked = {"id column": id_column, "patient column": patient_column, "split column": split_column}
    asked |= {"label column": label_column, "split": split}
    if table is None:
        needy = [name for name, value in asked.items() if value is not None]
        if needy:
            raise UsageError(
                f"{', '.join(needy)} asked for, but no table is given", "give the table too"
            )
        items = tuple(LabelledImage(path, name, name, None, None) for path, name in named.items())
        return LabelledImages(items, tuple(problems), (NO_PATIENTS,), False)
    return _Table.read(table, asked, labels, named).cohort(named, problems, split)


# ---- names of images --------------------------------------------------------------------------------------------------------


def image_keys(path: Path, shortest: int = 1) -> list[str]:
    """Names by which a table or an annotation may call an image, without suffix, the longest first.

    Ends of the path of at least ``shortest`` parts, joined by "/"; then the last three joined by "_", as CheXlocalize names
    ``patient64541/study1/view1_frontal.jpg``.
    """
    parts = _parts(path)
    keys = ["/".join(parts[-n:]) for n in range(len(parts), shortest - 1, -1)]
    return [*keys, "_".join(parts[-3:])] if len(parts) > 2 and shortest <= 3 else keys


def bare_name(name: str) -> str:
    """What somebody wrote for an image, as :func:`image_keys` has it: "/" between folders, no suffix of an image."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part != "/"]
    if parts and PurePosixPath(parts[-1]).suffix.lower() in known_suffixes():
        parts[-1] = PurePosixPath(parts[-1]).stem
    return "/".join(parts)


def _parts(path: Path) -> tuple[str, ...]:
    return (*path.parts[bool(path.anchor) : -1], image_id(path, None))


def _ids(paths: Sequence[Path]) -> tuple[dict[Path, str], list[tuple[str, str]]]:
    """File → the shortest end of its path, without suffix, that no other has; and a line for each file that has none."""
    places = {
        path: _parts(full) for full, path in {path.absolute(): path for path in paths}.items()
    }
    named: dict[Path, str] = {}
    for length in range(1, 1 + max(map(len, places.values()), default=0)):
        ends = {
            path: "/".join(parts[-length:]) for path, parts in places.items() if path not in named
        }
        often = Counter(ends.values())
        named |= {path: end for path, end in ends.items() if often[end] == 1}
    line = "another image has the same name but for its suffix (keep one of them, or rename it)"
    lines = [(str(path), f"{path}: {line}") for path in places if path not in named]
    return {path: named[path] for path in places if path in named}, lines


# ---- the table --------------------------------------------------------------------------------------------------------------

_Facts = tuple[
    str, str, tuple[str, ...] | None
]  # patient, split, positives; "" where the table does not say


@dataclass(frozen=True)
class _Table:
    """A table, a list entry a row; ``rows``: image file → its rows. ``column`` names the images, in the folder ``elsewhere``."""

    where: Path
    column: str
    names: Sequence[str]
    rows: Mapping[Path, Sequence[int]]
    elsewhere: str
    patients: Sequence[str]
    splits: Sequence[str]
    patients_known: bool
    labels: _Labels

    @classmethod
    def read(
        cls,
        where: Path,
        asked: Mapping[str, str | None],
        labels: Sequence[str],
        images: Iterable[Path],
    ) -> _Table:
        frame = read_table(where)
        column, rows, elsewhere = _match(frame, asked["id column"], list(images), where)
        patient = find_column(
            frame, asked["patient column"], PATIENT_COLUMNS, "patient column", where
        )
        split = find_column(frame, asked["split column"], SPLIT_COLUMNS, "split column", where)
        if asked["split"] is not None:
            _check_split(asked["split"], texts(frame[split]) if split else [], where)
        patients, splits = (
            texts(frame[name]) if name else [""] * len(frame) for name in (patient, split)
        )
        said = _labels(frame, asked["label column"], labels, where)
        return cls(
            where,
            column,
            texts(frame[column]),
            rows,
            elsewhere,
            patients,
            splits,
            patient is not None,
            said,
        )

    @cached_property
    def claims(self) -> Counter[int]:
        """Row → how many images it fits."""
        return Counter(row for rows in self.rows.values() for row in rows)

    def cohort(
        self, named: Mapping[Path, str], problems: Sequence[tuple[str, str]], split: str | None
    ) -> LabelledImages:
        items: list[LabelledImage] = []
        lines = list(problems)
        for path, name in named.items():
            facts: set[_Facts] = {
                (self.patients[i], self.splits[i], self.labels.positives(i))
                for i in self.rows[path]
            }
            line = self._problem(path, facts)
            if line:
                lines.append((str(path), str(line)))
                continue
            patient, part, positives = facts.pop()
            items.append(
                LabelledImage(
                    path,
                    name,
                    patient or f"image:{name}",
                    part or None,
                    positives,
                    tuple(self.rows[path]),
                )
            )
        kept, notes = self._choose(items, split)
        used = [self.rows[item.path][0] for item in kept]
        notes = [*self._notes(kept, split), *notes, *self.labels.notes(used)]
        return LabelledImages(tuple(kept), tuple(lines), tuple(notes), self.patients_known)

    def _problem(self, path: Path, facts: Iterable[_Facts]) -> UsageError | None:
        rows, where = self.rows[path], f"{self.where} (column {self.column!r})"
        if not rows:
            return UsageError(
                f"{path}: no row in {where}",
                f"name it there {path.name} or {path.stem}, or leave it out",
            )
        if any(self.claims[row] > 1 for row in rows):
            what = f"{path}: the row {self.names[rows[0]]!r} of {where} fits other images too"
            return UsageError(what, "name the images there with their folders")
        differ = [
            name
            for name, said in zip(("patient", "split", "labels"), zip(*facts))
            if len(set(said)) > 1
        ]
        if differ:
            what = f"{path}: {len(rows)} rows of {where} disagree on its {' and '.join(differ)}"
            return UsageError(what, "keep one row an image")
        return None

    def _notes(self, items: Sequence[LabelledImage], split: str | None) -> Iterator[Message]:
        if self.elsewhere:
            column = repr(self.column)
            yield Message(
                "notes.another_place",
                {"where": str(self.where), "column": column, "place": self.elsewhere},
            )
        idle = [
            name
            for i, name in enumerate(self.names)
            if i not in self.claims and split in (None, self.splits[i])
        ]
        if idle:
            yield self._line("idle_rows", idle)
        merged = [item.id for item in items if len(self.rows[item.path]) > 1]
        if merged:
            yield self._line("merged_rows", merged)
        alone = [item.id for item in items if not self.patients[self.rows[item.path][0]]]
        if not self.patients_known:
            yield NO_PATIENTS
        elif alone:
            yield self._line("no_patient", alone)

    def _line(self, key: str, names: Sequence[str]) -> Message:
        return Message(
            f"notes.{key}", {"count": len(names), "where": str(self.where), "names": listing(names)}
        )

    def _choose(
        self, items: Sequence[LabelledImage], split: str | None
    ) -> tuple[list[LabelledImage], list[Message]]:
        """The items of a split, without patients who are also in another; and what is to be said of it."""
        parts: dict[str, set[str]] = defaultdict(set)
        for patient, part in zip(self.patients, self.splits):
            if patient and part:
                parts[patient].add(part)
        chosen = [item for item in items if split in (None, item.split)]
        torn = [item for item in chosen if len(parts.get(item.patient, ())) > 1]
        patients = dict.fromkeys(item.patient for item in torn)
        notes = []
        without = [item.id for item in items if item.split is None] if any(self.splits) else []
        if without:
            notes.append(self._line("no_split" if split is None else "no_split_left_out", without))
        if torn:
            key, out = (
                ("notes.torn", {}) if split is None else ("notes.torn_left_out", {"split": split})
            )
            counts = {"patients": len(patients), "images": len(torn)}
            notes.append(
                Message(
                    key, {**counts, **out, "where": str(self.where), "names": listing(patients)}
                )
            )
        return [item for item in chosen if split is None or item.patient not in patients], notes


def _match(
    frame: pd.DataFrame, asked: str | None, images: Sequence[Path], where: Path
) -> tuple[str, dict[Path, list[int]], str]:
    """The column that names the images, the rows of each image, and the folder of another machine that was left off the names."""
    usual = [
        name
        for word in ID_COLUMNS
        if (name := find_column(frame, None, (word,), "id column", where))
    ]
    columns = usual if asked is None else [str(find_column(frame, asked, (), "id column", where))]
    if not columns:
        raise UsageError(
            f"{where} has no column that usually names images",
            f"say which: {listing(frame.columns, 12)}",
        )
    keys = {path: image_keys(path.absolute()) for path in images}
    named = {column: (texts(frame[column]), "") for column in columns}
    best, found = _best(named, keys)
    if images and not any(found[best].values()):
        named = {column: _relative(names) for column, (names, _) in named.items()}
        best, found = _best(named, keys)
    if images and not any(found[best].values()):
        what = f"no row of {where} fits any image: its column {best!r} says {listing(texts(frame[best]))}"
        raise UsageError(
            what,
            f"the images are {listing(path.name for path in images)}; name the column, or another table",
        )
    return best, found[best], named[best][1]


_Found = dict[Path, list[int]]


def _best(
    named: Mapping[str, tuple[Sequence[str], str]], keys: Mapping[Path, Sequence[str]]
) -> tuple[str, dict[str, _Found]]:
    """The column that fits most images, and the rows of each image by every column."""
    found: dict[str, _Found] = {}
    for column, (names, _) in named.items():
        index: dict[str, list[int]] = defaultdict(list)
        for row, name in enumerate(names):
            index[bare_name(name)].append(row)
        found[column] = {
            path: next((index[key] for key in known if key in index), [])
            for path, known in keys.items()
        }
    return max(found, key=lambda column: sum(map(bool, found[column].values()))), found


def _relative(names: Sequence[str]) -> tuple[list[str], str]:
    """Absolute paths from their common folder on, and that folder; names that are no such paths as they are, and ""."""
    paths = [name.replace("\\", "/") for name in names]
    places = {posixpath.dirname(path) for path in paths if path}
    if not places or not (
        all(place.startswith("/") for place in places)
        or all(re.match("[A-Za-z]:", p) for p in places)
    ):
        return list(names), ""
    common = posixpath.commonpath(places)
    return [path.removeprefix(common).lstrip("/") for path in paths], common


def _check_split(asked: str, splits: Sequence[str], where: Path) -> None:
    known = sorted({part for part in splits if part})
    if not known:
        raise UsageError(
            f"split {asked!r} asked for, but {where} has no split column", "say which column it is"
        )
    if asked not in known:
        raise UsageError(f"no split {asked!r} in {where}", f"its splits: {listing(known, 12)}")


# ---- labels -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Labels:
    """What the rows of a table say of the model's labels; ``known``: folded name → label.

    ``columns``: label → cells of its own column; ``named``: row → names in the column that joins them. One of them, or none.
    """

    known: Mapping[str, str]
    columns: Mapping[str, Sequence[bool | None]]
    named: Sequence[Sequence[str]] | None
    where: Path

    def positives(self, row: int) -> tuple[str, ...] | None:
        """The model's labels that are present, in its order; None where nothing is known."""
        if self.columns:
            return tuple(
                label
                for label in self.known.values()
                if label in self.columns and self.columns[label][row]
            )
        if self.named is None or not self.known:
            return None
        present = {fold(name) for name in self.named[row]}
        return tuple(label for name, label in self.known.items() if name in present)

    def notes(self, rows: Sequence[int]) -> Iterator[Message]:
        """What a reader must know of the labels of these rows."""
        if not self.known:
            return
        where, missing = str(self.where), list[str]()
        if self.columns:
            blank = [row for row in rows for cells in self.columns.values() if cells[row] is None]
            if blank:
                yield Message("notes.blank_cells", {"count": len(blank), "where": where})
            missing = [label for label in self.known.values() if label not in self.columns]
            if missing:
                yield Message(
                    "notes.no_column",
                    {"where": where, "count": len(missing), "names": listing(missing, 20)},
                )
        elif self.named is not None:
            empty = [row for row in rows if not self.named[row]]
            if empty:
                yield Message("notes.blank_names", {"count": len(empty), "where": where})
            strange = sorted(
                {name for row in rows for name in self.named[row] if fold(name) not in self.known}
            )
            if strange:
                yield Message(
                    "notes.strange_labels",
                    {"count": len(strange), "where": where, "names": listing(strange, 20)},
                )
        else:
            yield Message("notes.no_labels", {"where": where})
            return
        present = {label for row in rows for label in self.positives(row) or ()}
        absent = [
            label for label in self.known.values() if label not in present and label not in missing
        ]
        if absent:
            yield Message(
                "notes.absent_labels", {"count": len(absent), "names": listing(absent, 20)}
            )


def _labels(frame: pd.DataFrame, asked: str | None, labels: Sequence[str], where: Path) -> _Labels:
    known = {fold(label): label for label in labels if label}
    if asked is None:
        own = [column for column in frame.columns if fold(column) in known]
        twice = [column for column in own if [fold(name) for name in own].count(fold(column)) > 1]
        if twice:
            raise UsageError(
                f"{where} has several columns for one label: {listing(twice)}", "keep one"
            )
        if own:
            columns = {known[fold(column)]: flags(frame[column], where) for column in own}
            return _Labels(known, columns, None, where)
    column = find_column(frame, asked, LABEL_COLUMNS, "label column", where)
    return _Labels(
        known, {}, [_names(cell, known) for cell in texts(frame[column])] if column else None, where
    )


def _names(cell: str, known: Mapping[str, str]) -> list[str]:
    """The names joined by | or else ; or else a comma; a label that holds one of these itself stays whole."""
    separator = next((sign for sign in "|;," if sign in cell), None)
    if separator is None or fold(cell) in known:
        return [cell] if cell else []
    return [name for part in cell.split(separator) for name in _names(part.strip(), known)]
