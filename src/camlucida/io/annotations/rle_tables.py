"""Tables of run lengths: a row an image, or an image and label, with its mask as a code.

A code is pairs of start and length. Data sets differ in where starts are counted from and in the
direction of the runs. The codes of the whole table tell the first; the second follows from the size
of the image, or from the column's name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlucida.core.errors import CamlucidaError, ImageError, UsageError
from camlucida.core.messages import Message, declare
from camlucida.io.annotations.annotation import AnnotatedImage, AnnotationSet, Mask, Size, union
from camlucida.io.annotations.box_tables import header_names, image_sizes
from camlucida.io.annotations.masks import resized
from camlucida.io.annotations.rle import MAX_PIXELS
from camlucida.io.tables import find_column, fold, notes_of, read_table, texts

declare(
    "notes",
    {
        "runs_absolute": "run lengths of {where}: starts are counted from {first}",
        "runs_relative": (
            "run lengths of {where}: each start is counted from the end of the run before"
        ),
        "runs_assumed": (
            "run lengths of {where}: starts are assumed to be counted from 1; each code has one "
            "run, which does not tell"
        ),
    },
)

CODE_COLUMNS = ("encodedpixels", "rle", "rlemask", "maskrle", "encoding", "segmentation")
"""Names that the column of run lengths usually has, folded; else every column of such codes is one,
named after its label."""

DOWN = ("encodedpixels",)
"""Columns whose runs go down the columns of the image by their data sets' convention, folded."""

LABEL_COLUMNS = ("label", "labelname", "class", "classname", "classid", "category", "finding")
"""Names that the column of labels usually has beside run lengths, folded."""

_BOTH = ("imageidclassid", "imageclassid")
"""Columns of image and label in one text, ``a.jpg_1``, folded."""

_CODE = re.compile(r"\d+ +\d+(?: +\d+ +\d+)*")
_EMPTY = ("", "-1")
_ORDER = re.compile(r"^(.+?)[ _](rows|columns)$", re.IGNORECASE)

_ENOUGH = 8
"""Runs from which their neighbours tell how long a line is."""

_TOUCHING = 0.5
"""Share of runs that touch one in the next line, at least, where lines have the right length."""

_SLOPE = 3.0
"""Pixels that a mask moves from line to line, at most: lines of a wrong length shear it."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class RunOrder:
    """How the runs of a column are to be read.

    Attributes:
        relative: each start is counted from the end of the run before; else from ``first``.
        first: number of the first pixel, 0 or 1.
        order: "columns" (down, then right), "rows" (right, then down), or "" where not stated.
        usual: the order is that of data sets with this name of column, not stated by the user.
    """

    relative: bool
    first: int
    order: str = ""
    usual: bool = False


def is_rle_table(path: Path, image_columns: Sequence[str]) -> bool:
    """Whether a table has a column of images and one of run lengths.

    Args:
        path: of any file.
        image_columns: usual names of the image column, folded.
    """
    try:
        frame = read_table(path)
    except CamlucidaError:
        return False
    has_images = any(fold(name) in (*image_columns, *_BOTH) for name in frame.columns)
    return has_images and bool(_code_columns(frame))


def has_rle_header(path: Path, image_columns: Sequence[str]) -> bool:
    """Whether the first line of a text table names images and run lengths.

    Args:
        path, image_columns: as of :func:`~camlucida.io.annotations.has_box_header`.
    """
    names = header_names(path)
    codes = {fold(_name_and_order(name)[0]) for name in names}
    images = {fold(name) for name in names}
    return not (codes.isdisjoint(CODE_COLUMNS) or images.isdisjoint((*image_columns, *_BOTH)))


def read_rle_table(
    path: Path, image_columns: Sequence[str], names: Mapping[int, str]
) -> AnnotationSet:
    """Annotations of a table of run lengths; a blank code or -1 is an empty mask.

    Args:
        path: the table: a column of images, or of images and labels (``a.jpg_1``), and either one
            column of codes named as in :data:`CODE_COLUMNS`, beside which a column may name the
            label, or a column of codes for each label. A name that ends with ``_rows`` or
            ``_columns`` states the direction of the runs. Columns of height and width, if there
            are any, are those of the mask.
        image_columns: usual names of the image column, folded.
        names: number → label, where the table numbers them.

    Raises:
        UsageError: an unreadable table, or a cell that is no run-length code.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "train.csv")
    ...     _ = path.write_text("ImageId,EncodedPixels\\na.png,1 2 4 1\\nb.png,-1\\n")
    ...     drawn = read_rle_table(path, ["imageid"], {}).drawn
    >>> drawn[0][2].mask(AnnotatedImage((3, 2))).astype(int).tolist()
    [[1, 1], [1, 0], [0, 0]]
    >>> int(drawn[1][2].mask(AnnotatedImage((3, 2))).sum())
    0
    """
    frame = read_table(path)
    images, labels = _images_and_labels(frame, path, image_columns, names)
    sizes = image_sizes(frame, (), path) or [None] * len(frame)
    result = AnnotationSet("run lengths", notes=notes_of(frame))
    for column in _code_columns(frame):
        name, order = _name_and_order(column)
        is_usual = fold(name) in CODE_COLUMNS
        of_label = labels if is_usual else [name] * len(frame)
        cells = enumerate(texts(frame[column]), 1)
        codes = [_numbers(cell, f"{path}, row {row}") for row, cell in cells]
        reading = _reading(codes, fold(name), order)
        result.notes.append(_note(reading, codes, path))
        rows: dict[tuple[str, str], list[int]] = defaultdict(list)
        for row, key in enumerate(zip(images, of_label)):
            rows[key].append(row)
        for (image, label), of_image in rows.items():
            where = f"{path}: run lengths of {label!r} in {image}"
            parts = [partial(_mask, codes[row], reading, sizes[row]) for row in of_image]
            result.drawn.append((image, label, replace(union(parts), where=where)))
    result.notes = list(dict.fromkeys(result.notes))
    return result


def _code_columns(frame: pd.DataFrame) -> list[str]:
    """The column of a usual name that holds codes, else every column of codes."""
    names = [str(name) for name in frame.columns]
    usual = [name for name in names if fold(_name_and_order(name)[0]) in CODE_COLUMNS]
    for candidates in (usual, names):
        columns = [name for name in candidates if _holds_codes(texts(frame[name]))]
        if columns:
            return columns
    return []


def _holds_codes(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell not in _EMPTY]
    return bool(filled) and all(map(_CODE.fullmatch, filled))


def _name_and_order(column: str) -> tuple[str, str]:
    """The name of a column, and the direction that it states: "rows", "columns" or ""."""
    match = _ORDER.match(column)
    return (match[1], match[2].lower()) if match else (column, "")


def _images_and_labels(
    frame: pd.DataFrame, path: Path, image_columns: Sequence[str], names: Mapping[int, str]
) -> tuple[list[str], list[str]]:
    """Image and label of each row; "" for a label that is not given."""
    both = find_column(frame, None, _BOTH, "image column", path)
    if both is not None:
        parts = [cell.rpartition("_") for cell in texts(frame[both])]
        return [image for image, _, _ in parts], [_label(label, names) for _, _, label in parts]
    image_column = find_column(frame, None, image_columns, "image column", path)
    label_column = find_column(frame, None, LABEL_COLUMNS, "label column", path)
    cells = texts(frame[label_column]) if label_column else [""] * len(frame)
    return texts(frame[image_column]), [_label(cell, names) for cell in cells]


def _label(cell: str, names: Mapping[int, str]) -> str:
    return names.get(int(cell), cell) if cell.isdecimal() else cell


def _numbers(cell: str, where: str) -> Ints:
    """(runs, 2) start and length of each run; none for an empty mask."""
    if cell in _EMPTY:
        return np.zeros((0, 2), np.int64)
    numbers = np.array(cell.split(), np.int64).reshape(-1, 2)
    if (numbers[:, 1] < 1).any():
        raise UsageError(f"{where}: a run without length", "the table is damaged")
    return numbers


def _reading(codes: Sequence[Ints], name: str, order: str) -> RunOrder:
    """What the numbers of a whole table tell: runs of one code that follow each other increase."""
    ends = [code[:-1].sum(axis=1) for code in codes]
    increasing = all((code[1:, 0] >= end).all() for code, end in zip(codes, ends))
    starts_at_zero = any((code[:, 0] == 0).any() for code in codes)
    usual = not order and name in DOWN
    if usual:
        order = "columns"
    return RunOrder(not increasing, 0 if starts_at_zero else 1, order, usual)


def _note(reading: RunOrder, codes: Sequence[Ints], path: Path) -> Message:
    if reading.relative:
        return Message("notes.runs_relative", {"where": str(path)})
    if max(map(len, codes), default=0) < 2:
        return Message("notes.runs_assumed", {"where": str(path)})
    return Message("notes.runs_absolute", {"where": str(path), "first": reading.first})


def _mask(
    code: Ints, reading: RunOrder, drawn_on: Size | None, where: str, image: AnnotatedImage
) -> Mask:
    """The mask of one code, in the pixels of its image."""
    size = drawn_on or image.size
    height, width = size
    if height * width > MAX_PIXELS:
        raise ImageError(f"{where} is of {height}×{width}", f"at most {MAX_PIXELS} pixels are read")
    starts, ends = _spans(code, reading)
    if len(ends) and ends.max() > height * width:
        raise ImageError(
            f"{where} reaches pixel {ends.max()} of {height}×{width} = {height * width}",
            "was it drawn at another size? add columns height and width of the mask",
        )
    order = _order(starts, ends, reading, size, where, sized=drawn_on is not None)
    changes = np.zeros(height * width + 1, np.int64)
    np.add.at(changes, starts, 1)
    np.add.at(changes, ends, -1)
    inside = np.cumsum(changes[:-1]) > 0
    mask = inside.reshape(size) if order == "rows" else inside.reshape(width, height).T
    return resized(np.ascontiguousarray(mask), where, image)


def _spans(code: Ints, reading: RunOrder) -> tuple[Ints, Ints]:
    """First pixel of each run, from 0, and the one after its last."""
    starts, lengths = code[:, 0], code[:, 1]
    if reading.relative:
        ends = np.cumsum(starts + lengths)
        return ends - lengths, ends
    return starts - reading.first, starts - reading.first + lengths


def _order(
    starts: Ints, ends: Ints, reading: RunOrder, size: Size, where: str, *, sized: bool
) -> str:
    """The direction of the runs: as stated, else as the lines of this size tell it."""
    stated = "" if reading.usual else reading.order
    if len(starts) == 0 or (stated and sized):
        return stated or "columns"
    seen = _seen_orders(starts, ends, size)
    if not seen and not sized:
        height, width = size
        raise ImageError(
            f"{where} does not fit an image of {height}×{width}, in either direction",
            "was it drawn at another size? add columns height and width of the mask",
        )
    return reading.order if reading.order in seen else _only(seen, reading.order, where)


def _only(seen: Sequence[str], usual: str, where: str) -> str:
    """The one direction that was seen; the usual one where the runs do not tell."""
    if len(seen) != 1 and usual:
        return usual
    if len(seen) != 1:
        raise ImageError(
            f"{where} does not tell whether its runs go down the columns or along the rows",
            "let the name of its column end with _columns or _rows",
        )
    if usual:
        raise ImageError(f"{where} has runs along the {seen[0]}", f"call the column rle_{seen[0]}")
    return seen[0]


def _seen_orders(starts: Ints, ends: Ints, size: Size) -> list[str]:
    """The directions whose lines fit the runs; both where there are too few to tell."""
    orders = ("columns", "rows")
    if len(starts) < _ENOUGH:
        return list(orders)
    # A line down a column is as long as the image is high.
    fitting = [order for order, line in zip(orders, size) if _fits(starts, ends, line)]
    return [] if _is_of_smaller_image(starts, ends, size) else fitting


def _is_of_smaller_image(starts: Ints, ends: Ints, size: Size) -> bool:
    """Whether the lines of a half, a third or a quarter of the size fit too, and all runs.

    Runs of every second line of the smaller image would lie beside each other in the larger one.
    """
    height, width = size
    for factor in (2, 3, 4):
        pixels = height * width // factor**2
        lines = (height // factor, width // factor)
        if ends.max() <= pixels and any(_fits(starts, ends, line) for line in lines):
            return True
    return False


def _fits(starts: Ints, ends: Ints, line: int) -> bool:
    """Whether the runs of each line lie beside those of the next, for lines of so many pixels."""
    order = np.argsort(starts)
    starts, ends = starts[order], ends[order]
    # Of each run the first one of the next line that does not end before it.
    following = np.searchsorted(ends, starts + line)
    index = np.minimum(following, len(starts) - 1)
    touching = (following < len(starts)) & (starts[index] <= ends + line)
    if touching.mean() < _TOUCHING:
        return False
    shifts = (starts + ends)[index] / 2 - (starts + ends) / 2 - line
    return abs(float(np.median(shifts[touching]))) <= _SLOPE
