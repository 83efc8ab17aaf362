"""Tables of boxes: one row a box, with image, label and four numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.messages import Message
from camlucida.io.annotations.boxes import Floats
from camlucida.io.tables import (
    find_column,
    fold,
    listing,
    notes_of,
    numbers,
    read_table,
    texts,
)

CORNERS = (
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x0", "y0", "x1", "y1"),
    ("left", "top", "right", "bottom"),
    ("bboxx1", "bboxy1", "bboxx2", "bboxy2"),
    ("bboxxmin", "bboxymin", "bboxxmax", "bboxymax"),
)
SIDES = (
    ("x", "y", "width", "height"),
    ("x", "y", "w", "h"),
    ("bbox[x", "y", "w", "h]"),
    ("left", "top", "width", "height"),
    ("xmin", "ymin", "width", "height"),
    ("bboxx", "bboxy", "bboxw", "bboxh"),
    ("bboxx", "bboxy", "bboxwidth", "bboxheight"),
)
CENTRES = (
    ("xcenter", "ycenter", "width", "height"),
    ("xcentre", "ycentre", "width", "height"),
    ("centerx", "centery", "width", "height"),
    ("cx", "cy", "w", "h"),
    ("xc", "yc", "w", "h"),
)
"""Columns of a table of boxes, folded: two corners, a corner and sides, or a centre and sides.
NIH's "Bbox [x,y,w,h]" becomes four columns in a CSV header."""

READER_COLUMNS = ("radid", "reader", "readerid", "radiologist", "annotator", "rater")
"""Names that the column of readers usually has, folded."""

_IMAGE_SIZE = (("imageheight", "imagewidth"), ("imgheight", "imgwidth"), ("height", "width"))
"""Columns of the size of the image, folded; the last only where boxes have corners."""


@dataclass(frozen=True)
class BoxTable:
    """The boxes of a table.

    Attributes:
        images, labels: of each box, as they are written; "" for a label that is not given.
        boxes: (N, 4) x, y, width, height.
        blank: number of rows without a box.
        relative: the numbers are shares of the image's width and height.
        sizes: (H, W) of each box's image, where the table has it.
        readers: of each box; empty where the table names none.
        notes: how the table was read.
    """

    images: tuple[str, ...]
    labels: tuple[str, ...]
    boxes: Floats
    blank: int = 0
    relative: bool = False
    sizes: tuple[tuple[int, int] | None, ...] = ()
    readers: tuple[str, ...] = ()
    notes: tuple[Message, ...] = ()


def read_box_table(
    path: Path,
    image_columns: Sequence[str],
    label_columns: Sequence[str],
    only_image: str | None = None,
    id_column: str | None = None,
) -> BoxTable:
    """Read a table of boxes.

    Args:
        path: the table; its columns of numbers are :data:`SIDES`, :data:`CORNERS` or
            :data:`CENTRES`. Where none is above 1, they are shares of width and height.
        image_columns, label_columns: usual names of these columns, folded; the label's may be
            missing.
        only_image: the image that the boxes belong to where no column names images.
        id_column: the column of images that the user named, for this table or another; it counts
            where this one has it.

    Returns:
        The rows that have a box, in pixels of the original image.

    Raises:
        UsageError: an unreadable table, one without these columns, or a row with one to three
            numbers.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "boxes.csv")
    ...     _ = path.write_text("image,label,x1,y1,x2,y2\\na.png,Mass,1,2,31,42\\n")
    ...     table = read_box_table(path, ["image"], ["label"])
    >>> table.images, table.labels, table.boxes.tolist()
    (('a.png',), ('Mass',), [[1.0, 2.0, 30.0, 40.0]])
    """
    frame = read_table(path)
    folded = {fold(str(name)) for name in frame.columns}
    requested = id_column if id_column and fold(id_column) in folded else None
    image_column = find_column(frame, requested, image_columns, "image column", path)
    label_column = find_column(frame, None, label_columns, "label column", path)
    names = _number_columns(frame)
    if names is None or (image_column is None and only_image is None):
        raise UsageError(
            f"{path} is not a table of boxes: its columns are {listing(frame.columns, 12)}",
            "name the columns image, label, x, y, width, height (or x1, y1, x2, y2), or that of "
            "the images by --id-column",
        )
    boxes = _boxes(frame, names, path)
    sizes = image_sizes(frame, names, path)
    reader_column = find_column(frame, None, READER_COLUMNS, "reader column", path)
    blank = np.isnan(boxes).any(axis=1)
    full = np.flatnonzero(~blank).tolist()
    return BoxTable(
        _cells(frame, image_column, full) or (only_image or "",) * len(full),
        _cells(frame, label_column, full) or ("",) * len(full),
        boxes[full],
        len(frame) - len(full),
        bool(full) and bool(np.abs(boxes[full]).max() <= 1),
        tuple(sizes[row] for row in full if sizes),
        _cells(frame, reader_column, full),
        tuple(notes_of(frame)),
    )


def _cells(frame: pd.DataFrame, column: str | None, rows: Sequence[int]) -> tuple[str, ...]:
    """Texts of some rows of a column; empty without one."""
    if not column:
        return ()
    cells = texts(frame[column])
    return tuple(cells[row] for row in rows)


def is_box_table(path: Path, image_columns: Sequence[str]) -> bool:
    """Whether a table has columns of images and of boxes.

    Args:
        path: of any file.
        image_columns: usual names of the image column, folded.
    """
    try:
        frame = read_table(path)
    except CamlucidaError:
        return False
    names = {fold(name) for name in frame.columns}
    return _number_columns(frame) is not None and not names.isdisjoint(image_columns)


def has_box_header(path: Path, image_columns: Sequence[str]) -> bool:
    """Whether the first line of a text table names images and boxes; the rest is not read.

    Args:
        path: of a CSV or TSV file.
        image_columns: usual names of the image column, folded.
    """
    names = set(map(fold, header_names(path)))
    known = (*CORNERS, *CENTRES, *SIDES)
    return not names.isdisjoint(image_columns) and any(map(names.issuperset, known))


def header_names(path: Path) -> list[str]:
    """The names in the first line of a text table; [] where it cannot be read.

    Args:
        path: of a CSV or TSV file.
    """
    try:
        with path.open("rb") as file:
            line = file.readline(4096).decode("utf-8-sig", "replace")
    except OSError:
        return []
    return [cell.strip().strip('"') for cell in re.split(r"[,;\t]", line.strip())]


def parse_box(text: str, where: str) -> BoxTable:
    """The box of a text ``Label,x,y,w,h``, of an image that is not named.

    Args:
        text: the label, which may be blank, then left, top, width and height in pixels.
        where: the text stands, for the message.

    Returns:
        A table of one box; its image is "".

    Raises:
        UsageError: not a label and four numbers.

    >>> parse_box("Mass, 1, 2, 30, 40", "--boxes").boxes.tolist()
    [[1.0, 2.0, 30.0, 40.0]]
    """
    label, *cells = (cell.strip() for cell in text.split(","))
    try:
        sides = [float(cell) for cell in cells]
        boxes = np.array(sides).reshape(1, 4)
    except ValueError as error:
        raise UsageError(
            f"{where}: {','.join(cells)} are not four numbers", "write Label,x,y,w,h in pixels"
        ) from error
    return BoxTable(("",), (label,), boxes)


def parse_sides(text: str, where: str) -> tuple[float, float, float, float]:
    """x, y, width, height of a text of four numbers.

    Args:
        text: separated by commas, blanks or semicolons, also in brackets.
        where: the text stands, for the message.

    Raises:
        UsageError: not four numbers.

    >>> parse_sides("[12, 40, 100, 80]", "row 1")
    (12.0, 40.0, 100.0, 80.0)
    """
    cells = re.split(r"[\s,;]+", text.strip(" []()"))
    try:
        x, y, width, height = map(float, cells)
    except ValueError as error:
        raise UsageError(
            f"{where}: {text!r} is not a box", "write x, y, width, height in pixels"
        ) from error
    return x, y, width, height


def _number_columns(frame: pd.DataFrame) -> tuple[str, ...] | None:
    """Folded names of the columns of numbers, the first of the known sets that is there."""
    present = {fold(name) for name in frame.columns}
    # Corners first: width and height beside them are those of the image.
    known = (*CORNERS, *CENTRES, *SIDES)
    return next((names for names in known if present.issuperset(names)), None)


def image_sizes(
    frame: pd.DataFrame, names: Sequence[str], path: Path
) -> list[tuple[int, int] | None]:
    """(H, W) of the image of each row of a table; empty where no columns give it.

    Args:
        frame: the table.
        names: columns that are of something else, folded.
        path: of the table, for messages.

    >>> frame = pd.DataFrame({"Height": [20], "Width": [30]})
    >>> image_sizes(frame, (), Path("a.csv"))
    [(20, 30)]
    """
    columns = {fold(name): name for name in reversed(list(frame.columns))}
    for pair in _IMAGE_SIZE:
        if not columns.keys() >= set(pair) or not set(pair).isdisjoint(names):
            continue
        sides = np.stack([numbers(frame[columns[side]], path) for side in pair], axis=1)
        sizes = [(int(height), int(width)) for height, width in np.nan_to_num(sides).tolist()]
        return [size if min(size) > 0 else None for size in sizes]
    return []


def _boxes(frame: pd.DataFrame, names: Sequence[str], path: Path) -> Floats:
    """(rows, 4) x, y, width, height; NaN throughout in a row without a box."""
    columns = {fold(name): name for name in reversed(list(frame.columns))}
    values = [numbers(frame[columns[name]], path) for name in names]
    boxes = np.stack(values, axis=1)
    blank = np.isnan(boxes).sum(axis=1)
    partly = np.flatnonzero((blank > 0) & (blank < 4)).tolist()
    if partly:
        row = partly[0] + 1
        raise UsageError(
            f"{path}, row {row}: a box without all four numbers",
            "fill them, or leave all four blank",
        )
    if tuple(names) in CORNERS:
        boxes[:, 2:] -= boxes[:, :2]
    if tuple(names) in CENTRES:
        boxes[:, :2] -= boxes[:, 2:] / 2
    return boxes
