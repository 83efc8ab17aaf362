"""YOLO's text files: a line an object, class number first, the rest as shares of the image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from camlucida.core.errors import UsageError
from camlucida.io.annotations.annotation import (
    AnnotatedImage,
    Annotation,
    AnnotationSet,
    BoxAnnotation,
    Mask,
    naming,
    nothing,
    union,
)
from camlucida.io.annotations.boxes import Floats
from camlucida.io.annotations.coco import outline_mask, roboflow_name

_BOX = 4
"""Numbers of a box after the class: centre x, centre y, width, height."""


def yolo_rows(text: str) -> list[tuple[int, Floats]] | None:
    """Class and numbers of each line; None for a text that is not YOLO's.

    A line with a sixth number is a prediction with its confidence, and no annotation.

    Args:
        text: content of a file; an empty one has no object.

    >>> [(number, row.tolist()) for number, row in yolo_rows("0 .5 .5 .2 .2")]
    [(0, [0.5, 0.5, 0.2, 0.2])]
    >>> yolo_rows("read me") is None
    True
    """
    rows = []
    for line in text.splitlines():
        cells = line.split()
        if not cells:
            continue
        if not cells[0].isdecimal() or len(cells) < 1 + _BOX:
            return None
        try:
            numbers = np.array([float(cell) for cell in cells[1:]])
        except ValueError:
            return None
        rows.append((int(cells[0]), numbers))
    return rows


def read_yolo(files: Mapping[str, Path], names: Mapping[int, str]) -> AnnotationSet:
    """Annotations of YOLO's files. An empty one has an empty mask of each class.

    Args:
        files: name of the image → its text file.
        names: class number → label.

    Returns:
        Outlines as masks; boxes as boxes, and as masks where an outline of the same label is there.

    Raises:
        UsageError: a class without a name, or a line that is neither a box nor an outline.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.txt")
    ...     _ = path.write_text("0 .5 .5 .5 1")
    ...     (name, label, boxes), = read_yolo({"a": path}, {0: "Mass"}).boxed
    >>> name, label, boxes.boxes(AnnotatedImage((10, 20))).tolist()
    ('a', 'Mass', [[5.0, 0.0, 10.0, 10.0]])
    """
    result = AnnotationSet("YOLO text files")
    for image, path in files.items():
        grouped: dict[str, list[Floats]] = defaultdict(list)
        for number, row in yolo_rows(path.read_text("utf-8-sig")) or ():
            grouped[_name(path, number, names)].append(_checked(path, row))
        for label, rows in grouped.items():
            _add(result, image, label, f"{path}: {label!r}", rows)
        for label in () if grouped else names.values():
            result.drawn.append((image, label, Annotation(f"{path}: {label!r}", nothing)))
    result.aliases = _aliases(files)
    return result


def _name(path: Path, number: int, names: Mapping[int, str]) -> str:
    if number not in names:
        raise UsageError(
            f"{path}: class {number} has no name",
            f"put data.yaml or classes.txt beside it, or give --mask-label {number}=NAME",
        )
    return names[number]


def _checked(path: Path, row: Floats) -> Floats:
    if len(row) == _BOX + 1:
        raise UsageError(
            f"{path} holds predictions: its boxes have a confidence", "give the readers' labels"
        )
    if len(row) != _BOX and (len(row) < 6 or len(row) % 2):
        raise UsageError(
            f"{path}: a line of {len(row)} numbers after the class",
            "a box has 4, an outline x and y of 3 points or more",
        )
    if not (np.isfinite(row).all() and row.min() > -0.01 and row.max() < 1.01):
        raise UsageError(
            f"{path}: numbers from {row.min():g} to {row.max():g}",
            "YOLO writes shares of width and height, from 0 to 1",
        )
    return row


def _add(result: AnnotationSet, image: str, label: str, where: str, rows: Sequence[Floats]) -> None:
    boxes = [_corner(row) for row in rows if len(row) == _BOX]
    if boxes:
        of_label = BoxAnnotation(where, np.stack(boxes), relative=True)
        if len(boxes) == len(rows):
            result.boxed.append((image, label, of_label))
            return
    parts = [partial(_from_row, row) for row in rows]
    result.drawn.append((image, label, replace(union(parts), where=where)))


def _corner(row: Floats) -> Floats:
    """x, y, width, height of a box that is given by its centre."""
    box: Floats = np.concatenate([row[:2] - row[2:] / 2, row[2:]])
    return box


def _from_row(row: Floats, where: str, image: AnnotatedImage) -> Mask:
    if len(row) == _BOX:
        return BoxAnnotation(where, _corner(row)[None], relative=True).mask(image)
    height, width = image.size
    with naming(where):
        return outline_mask(where, [row.reshape(-1, 2) * (width, height)], image)


def _aliases(files: Mapping[str, Path]) -> dict[str, str]:
    """Names before Roboflow's renaming, where only one image has them."""
    by_stem: dict[str, list[str]] = defaultdict(list)
    for image in files:
        stem = roboflow_name(image + ".txt")
        if stem is not None:
            by_stem[stem].append(image)
    return {stem: images[0] for stem, images in by_stem.items() if len(images) == 1}
