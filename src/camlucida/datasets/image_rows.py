"""The rows of a table that name each image file."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.datasets.image_names import ID_COLUMNS, bare_name, image_keys
from camlucida.io.tables import find_column, listing, texts

_Rows = dict[Path, list[int]]
"""Image file → rows that name it, from 0."""


@dataclass(frozen=True)
class ImageRows:
    """The column of a table that names the images, and the rows of each image.

    Attributes:
        column: that names the images.
        names: the cells of that column, one a row, as the table has them.
        rows: image file → the rows that name it, from 0; [] where none does.
        folder: common folder of the names, of another computer, which was ignored; "" for none.
    """

    column: str
    names: Sequence[str]
    rows: Mapping[Path, Sequence[int]]
    folder: str


def match_images(
    frame: pd.DataFrame, requested: str | None, images: Collection[Path], where: Path
) -> ImageRows:
    """Find the column that names the images, and the rows of each image.

    Where no name fits any image, the table may come from another computer: then the part of each
    name after their common folder is compared.

    Args:
        frame: the table.
        requested: its column of image names; None for the column among
            :data:`~camlucida.datasets.image_names.ID_COLUMNS` that fits most images.
        images: image files.
        where: the table's file, for messages.

    Raises:
        UsageError: no such column; no row that names any of the images.

    >>> table = pd.DataFrame({"image": ["a.png", "b.png", "a.png"]})
    >>> match = match_images(table, None, [Path("radiographs/a.jpg")], Path("labels.csv"))
    >>> match.column, list(match.rows.values())
    ('image', [[0, 2]])
    """
    cells = {}
    for name in _id_columns(frame, requested, where):
        cells[name] = texts(frame[name])
    keys = {path: image_keys(path.absolute()) for path in images}
    column, rows = _best_column(cells, keys)
    folder = ""
    if images and not any(rows.values()):
        shortened: dict[str, list[str]] = {}
        folders: dict[str, str] = {}
        for name, names in cells.items():
            shortened[name], folders[name] = _relative(names)
        column, rows = _best_column(shortened, keys)
        folder = folders[column]
    if images and not any(rows.values()):
        names_in_table = listing(cells[column])
        names_of_images = listing(path.name for path in images)
        raise UsageError(
            f"no row of {where} fits any image: its column {column!r} has {names_in_table}",
            f"the images are {names_of_images}; name the column, or another table",
        )
    return ImageRows(column, cells[column], rows, folder)


def _id_columns(frame: pd.DataFrame, requested: str | None, where: Path) -> list[str]:
    """Columns that may name the images."""
    if requested is not None:
        return [str(find_column(frame, requested, (), "id column", where))]
    columns = []
    for name in ID_COLUMNS:
        column = find_column(frame, None, (name,), "id column", where)
        if column is not None:
            columns.append(column)
    if not columns:
        listed = listing(frame.columns, 12)
        raise UsageError(
            f"{where} has no column that usually names images",
            f"say which: {listed}",
        )
    return columns


def _best_column(
    cells: Mapping[str, Sequence[str]], keys: Mapping[Path, Sequence[str]]
) -> tuple[str, _Rows]:
    """The column that fits most images, and the rows of each image by it."""
    by_column = {column: _rows_of(names, keys) for column, names in cells.items()}
    fitting = {column: _count_filled(rows.values()) for column, rows in by_column.items()}
    # max takes the first of equals: the columns stand in the order of ID_COLUMNS.
    best = max(fitting, key=lambda column: fitting[column])
    return best, by_column[best]


def _count_filled(rows_of_images: Iterable[Sequence[int]]) -> int:
    return sum(bool(rows) for rows in rows_of_images)


def _rows_of(names: Sequence[str], keys: Mapping[Path, Sequence[str]]) -> _Rows:
    index: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        index[bare_name(name)].append(row)
    rows: _Rows = {}
    for path, keys_of_image in keys.items():
        # The keys stand longest first, so that ``p1/view1`` wins over a bare ``view1``.
        rows[path] = []
        for key in keys_of_image:
            if key in index:
                rows[path] = index[key]
                break
    return rows


def _relative(names: Sequence[str]) -> tuple[list[str], str]:
    """Absolute paths without their common folder, and that folder.

    Names that are not all absolute paths stay as they are; the folder is then "".
    """
    paths = [name.replace("\\", "/") for name in names]
    folders = {posixpath.dirname(path) for path in paths if path}
    absolute = all(folder.startswith("/") for folder in folders)
    # pathlib on Linux does not recognise a drive, so the letter is matched by hand.
    on_drive = all(re.match("[A-Za-z]:", folder) for folder in folders)
    if not folders or not (absolute or on_drive):
        return list(names), ""
    common = posixpath.commonpath(folders)
    return [path.removeprefix(common).lstrip("/") for path in paths], common
