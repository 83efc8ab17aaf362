"""The rows of a table that name each image file."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, Value, declare
from camlucida.datasets.id_patterns import IdPattern, described, find_pattern, pattern_rows
from camlucida.datasets.image_names import ID_COLUMNS, image_keys
from camlucida.datasets.name_matching import NameMatch, Rows, match_names
from camlucida.datasets.patients import PATIENT_COLUMNS
from camlucida.io.tables import Fits, find_column, fold, listing, texts

declare(
    "notes",
    {
        "other_computer": (
            "{where} (column {column}) holds paths of another computer; they are compared "
            "from {folder} on"
        ),
        "other_root": (
            "{where} (column {column}) names files in the folder {folder}, which is left out of "
            "account: {name} is {file}"
        ),
        "file_names_alone": (
            "the folders in {where} (column {column}) are not those of the images, which are "
            "compared by the file's name alone, because no two have the same: {name} is {file}"
        ),
        "id_column": "the column {column} of {where} names the images: {name} is {file}",
        "id_case": (
            "{count} {count:|name|names} of {where} (column {column}) {count:|differs|differ} "
            "from the image's in case only: {name} is {file}"
        ),
        "id_zeros": (
            "{where} (column {column}) holds numbers without leading zeros, as a spreadsheet "
            "leaves them; {count} {count:|image was|images were} matched where only one has the "
            "number: {name} is {file}"
        ),
        "id_pattern": (
            "a row of {where} belongs to every image that the column {column} names by the "
            "pattern {pattern}: {rows} {rows:|row|rows} for {count} {count:|image|images}, for "
            "instance {name} for {file}"
        ),
    },
)


EXAMINATION_COLUMNS = (
    *("accessionnumber", "accession", "studyinstanceuid", "studyuid", "studyid", "study"),
    *("examination", "examinationid", "exam", "examid"),
)
"""Names that a column of examinations usually has, folded; each may have several images."""


@dataclass(frozen=True)
class ImageRows:
    """The column of a table that names the images, and the rows of each image.

    Attributes:
        column: that names the images.
        names: the cells of that column, one a row, as the table has them.
        rows: image file → the rows that name it, from 0; [] where none does.
        notes: how names were compared, where they are not those of the images.
        pattern: by which one row belongs to several images; "" where a row is an image.
    """

    column: str
    names: Sequence[str]
    rows: Mapping[Path, Sequence[int]]
    notes: tuple[Message, ...] = ()
    pattern: str = ""

    @property
    def is_by_subject(self) -> bool:
        """Whether the images of one row are all that there are of a subject.

        A subject may have several examinations.
        """
        return bool(self.pattern) and fold(self.column) not in EXAMINATION_COLUMNS


def match_images(
    frame: pd.DataFrame,
    requested: str | None,
    images: Collection[Path],
    where: object,
    pattern: str | None = None,
    option: str = "id column",
) -> ImageRows:
    """Find the column that names the images, and the rows of each image.

    Names are compared as :func:`~camlucida.datasets.name_matching.match_names` does. If no column
    of a usual name fits any image, any column whose names are all different may. If none does,
    rows may each belong to several images (:func:`~camlucida.datasets.id_patterns.find_pattern`).

    Args:
        frame: the table.
        requested: its column of image names; None for the column among
            :data:`~camlucida.datasets.image_names.ID_COLUMNS` that fits most images.
        images: image files.
        where: the table's file, for messages.
        pattern: how images are named by the column, if the user says so: ``{id}_{n}``.
        option: how the user names the column, for messages.

    Raises:
        UsageError: no such column; no row that names any of the images; columns or patterns that
            fit equally well and lead to different rows.

    >>> table = pd.DataFrame({"image": ["a.png", "b.png", "a.png"]})
    >>> match = match_images(table, None, [Path("radiographs/a.jpg")], Path("labels.csv"))
    >>> match.column, list(match.rows.values())
    ('image', [[0, 2]])
    """
    keys = {path: image_keys(path.absolute()) for path in images}
    usual = _id_columns(frame, requested, where, option)
    if pattern is not None:
        return _by_pattern_of_user(frame, usual, keys, where, pattern, option)
    cells = {name: texts(frame[name]) for name in usual}
    chosen = _best_column(cells, keys, where, option)
    if chosen is None and requested is None:
        chosen = _best_other_column(frame, usual, keys, where, option)
    if chosen is not None:
        return _of_column(frame, *chosen, usual, where)
    if not images:
        column = usual[0] if usual else str(frame.columns[0])
        return ImageRows(column, texts(frame[column]), {})
    if requested is None:
        several = _usual_columns(frame, (*EXAMINATION_COLUMNS, *PATIENT_COLUMNS))
        cells.update((name, texts(frame[name])) for name in several)
    by_pattern = find_pattern(cells, keys, where)
    if by_pattern is None:
        raise _no_row(frame, usual, images, where)
    return _of_pattern(by_pattern, cells[by_pattern.column], where)


def _of_column(
    frame: pd.DataFrame, column: str, match: NameMatch, usual: Sequence[str], where: object
) -> ImageRows:
    names = texts(frame[column])
    notes = _match_notes(column, names, match, where)
    if column not in usual:
        notes = (_example("id_column", column, names, match.rows, where), *notes)
    return ImageRows(column, names, match.rows, notes)


def images_named(images: Collection[Path], requested: str | None, pattern: str | None) -> Fits:
    """How many images a table names: by it, one of several sheets is chosen.

    Args:
        images: image files.
        requested, pattern: as of :func:`match_images`.

    >>> fits = images_named([Path("a.png")], None, None)
    >>> fits(pd.DataFrame({"image": ["a"]})), fits(pd.DataFrame({"note": ["b"]}))
    (1, 0)
    """

    def fits(frame: pd.DataFrame) -> int:
        try:
            match = match_images(frame, requested, images, "", pattern)
        except UsageError:
            return 0
        return sum(bool(rows) for rows in match.rows.values())

    return fits


def _id_columns(
    frame: pd.DataFrame, requested: str | None, where: object, option: str
) -> list[str]:
    """Columns that may name the images."""
    if requested is not None:
        return [str(find_column(frame, requested, (), option, where))]
    return _usual_columns(frame, ID_COLUMNS)


def _usual_columns(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    by_fold = {fold(str(name)): str(name) for name in reversed(list(frame.columns))}
    return [by_fold[name] for name in names if name in by_fold]


def _best_column(
    cells: Mapping[str, Sequence[str]],
    keys: Mapping[Path, Sequence[str]],
    where: object,
    option: str,
    *,
    exact_only: bool = False,
) -> tuple[str, NameMatch] | None:
    """The column that fits most images; None where none fits any."""
    matches = {
        column: match_names(names, keys, exact_only=exact_only) for column, names in cells.items()
    }
    fitting = {column: match for column, match in matches.items() if match.count}
    if not fitting:
        return None
    # max takes the first of equals: the columns stand in the order of ID_COLUMNS.
    best = max(fitting, key=lambda column: fitting[column].count)
    for column, match in fitting.items():
        if match.count == fitting[best].count and match.rows != fitting[best].rows:
            raise UsageError(
                f"the columns {best!r} and {column!r} of {where} name as many images, in "
                "different rows",
                f"say which: the {option} is {best} or {column}",
            )
    return best, fitting[best]


def _best_other_column(
    frame: pd.DataFrame,
    usual: Sequence[str],
    keys: Mapping[Path, Sequence[str]],
    where: object,
    option: str,
) -> tuple[str, NameMatch] | None:
    """The column of any name whose cells, all different, name most images exactly."""
    cells: dict[str, Sequence[str]] = {}
    for name in map(str, frame.columns):
        names = [cell for cell in texts(frame[name]) if cell]
        if name not in usual and names and len(set(names)) == len(names):
            cells[name] = texts(frame[name])
    return _best_column(cells, keys, where, option, exact_only=True)


def _by_pattern_of_user(
    frame: pd.DataFrame,
    usual: Sequence[str],
    keys: Mapping[Path, Sequence[str]],
    where: object,
    text: str,
    option: str,
) -> ImageRows:
    several = _usual_columns(frame, (*EXAMINATION_COLUMNS, *PATIENT_COLUMNS))
    columns = [*usual, *several] or list(map(str, frame.columns))
    patterns = [
        pattern_rows(text, column, texts(frame[column]), keys) for column in dict.fromkeys(columns)
    ]
    best = max(patterns, key=IdPattern.count)
    if not best.count():
        raise UsageError(
            f"no image is named {text} by the {option} of {where}",
            f"the ids are {listing(texts(frame[best.column]))}; the images are "
            f"{listing(path.name for path in keys)}",
        )
    return _of_pattern(best, texts(frame[best.column]), where)


def _of_pattern(pattern: IdPattern, names: Sequence[str], where: object) -> ImageRows:
    used = [rows for rows in pattern.rows.values() if rows]
    values: dict[str, Value] = {
        "where": str(where),
        "column": repr(pattern.column),
        "pattern": pattern.text,
        "rows": pattern.distinct(),
        "count": pattern.count(),
        "name": names[used[0][0]],
        "file": described(pattern),
    }
    note = Message("notes.id_pattern", values)
    return ImageRows(pattern.column, names, pattern.rows, (note,), pattern.text)


# ---- what was chosen ----------------------------------------------------------------------------


def _match_notes(
    column: str, names: Sequence[str], match: NameMatch, where: object
) -> tuple[Message, ...]:
    notes: list[Message] = []
    if match.folder.startswith("/") or re.match("[A-Za-z]:", match.folder):
        values: dict[str, Value] = {
            "where": str(where),
            "column": repr(column),
            "folder": match.folder,
        }
        notes.append(Message("notes.other_computer", values))
    elif match.folder:
        example = _example("other_root", column, names, match.rows, where)
        notes.append(Message(example.code, {**example.values, "folder": match.folder}))
    if match.by_file_name:
        notes.append(_example("file_names_alone", column, names, match.rows, where))
    for code, paths in (("id_case", match.by_case), ("id_zeros", match.by_number)):
        if paths:
            of_paths = {path: match.rows[path] for path in paths}
            example = _example(code, column, names, of_paths, where)
            notes.append(Message(example.code, {**example.values, "count": len(paths)}))
    return tuple(notes)


def _example(code: str, column: str, names: Sequence[str], rows: Rows, where: object) -> Message:
    """A note with the first image that has a row, and its name in the table."""
    path, of_path = next((path, of_path) for path, of_path in rows.items() if of_path)
    values: dict[str, Value] = {
        "where": str(where),
        "column": repr(column),
        "name": names[of_path[0]],
        "file": path.name,
    }
    return Message(f"notes.{code}", values)


def _no_row(
    frame: pd.DataFrame, usual: Sequence[str], images: Collection[Path], where: object
) -> UsageError:
    if not usual:
        return UsageError(
            f"{where} has no column that usually names images",
            f"say which: {listing(map(str, frame.columns), 12)}",
        )
    column = usual[0]
    cells = texts(frame[column])
    fix = (
        f"the images are {listing(path.name for path in images)}; name the column, or another table"
    )
    remark = next(_spoilt(cells), "")
    return UsageError(
        f"no row of {where} fits any image: its column {column!r} has {listing(cells)}{remark}", fix
    )


def _spoilt(cells: Sequence[str]) -> Iterator[str]:
    """That a spreadsheet may have made ids into something else."""
    if any(re.fullmatch(r"\d+([.,]\d+)?E\+?\d+", cell) for cell in cells):
        yield " (a spreadsheet shortened long ids, which cannot be restored: export them as text)"
    if any(re.fullmatch(r"\d{4}-\d\d-\d\d", cell) for cell in cells):
        yield " (dates, which a spreadsheet may have made of ids: export them as text)"
