"""Pascal VOC's XML: an image a file, with the boxes of its objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, ParseError, fromstring

import numpy as np

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, Value, declare
from camlucida.io.annotations.annotation import (
    AnnotatedImage,
    AnnotationSet,
    BoxAnnotation,
    Mask,
    Size,
    naming,
    union,
)
from camlucida.io.annotations.boxes import Floats
from camlucida.io.annotations.coco import outline_mask, roboflow_name

declare(
    "notes",
    {
        "voc_renamed": (
            "{count} {count:|XML file names|XML files name} another image inside than by "
            "{count:|its|their} file {count:|name|names}, which was followed: {names}"
        )
    },
)


def voc_root(path: Path, data: bytes) -> Element | None:
    """The root of a VOC file; None for any other content.

    Args:
        path: of the file, for messages.
        data: its content. A document type is refused: it can make a small file huge.

    Raises:
        UsageError: it begins as one and is damaged.

    >>> voc_root(Path("a.xml"), b"<annotation/>").tag
    'annotation'
    >>> voc_root(Path("a.xml"), b"<svg/>") is None
    True
    """
    if b"<annotation" not in data[:4096] or b"<!ENTITY" in data or b"<!DOCTYPE" in data:
        return None
    try:
        root = fromstring(data)
    except ParseError as error:
        raise UsageError(
            f"cannot read {path} as XML: {error}", "the file is damaged or cut short: copy it again"
        ) from error
    return root if root.tag == "annotation" else None


def read_voc(files: Mapping[str, tuple[Path, Element]]) -> AnnotationSet:
    """Annotations of VOC's files; corners are edge coordinates.

    Args:
        files: name of the image → its XML file and root.

    Returns:
        Boxes; outlines (``polygon``), where an object has one, as masks.

    Raises:
        UsageError: an object without name or numbers.

    >>> corners = "<xmin>1</xmin><ymin>0</ymin><xmax>3</xmax><ymax>1</ymax>"
    >>> item = f"<object><name>Mass</name><bndbox>{corners}</bndbox></object>"
    >>> root = fromstring(f"<annotation>{item}</annotation>")
    >>> (name, label, boxes), = read_voc({"a": (Path("a.xml"), root)}).boxed
    >>> name, label, boxes.rows.tolist()
    ('a', 'Mass', [[1.0, 0.0, 2.0, 1.0]])
    """
    result = AnnotationSet("Pascal VOC XML")
    renamed = []
    aliases: dict[str, list[str]] = defaultdict(list)
    for image, (path, root) in files.items():
        inside = (root.findtext("filename") or "").strip().replace("\\", "/")
        stem = PurePosixPath(image).name
        if inside and stem not in (PurePosixPath(inside).name, PurePosixPath(inside).stem):
            renamed.append(path.name)
        original = roboflow_name(image + ".xml")
        if original is not None:
            aliases[original].append(image)
        _add(result, image, path, root)
    result.aliases = {stem: names[0] for stem, names in aliases.items() if len(names) == 1}
    if renamed:
        values: dict[str, Value] = {"count": len(renamed), "names": ", ".join(renamed[:5])}
        result.notes.append(Message("notes.voc_renamed", values))
    return result


def _add(result: AnnotationSet, image: str, path: Path, root: Element) -> None:
    size = _size(root)
    objects: dict[str, list[Element]] = defaultdict(list)
    for item in root.iter("object"):
        objects[(item.findtext("name") or "").strip()].append(item)
    for label, items in objects.items():
        where = f"{path}: {label!r}"
        boxes = np.stack([_box(item, where) for item in items])
        of_label = BoxAnnotation(where, boxes, drawn_on=size)
        result.boxed.append((image, label, of_label))
        outlines = [outline for item in items if (outline := _outline(item)) is not None]
        if len(outlines) == len(items):
            parts = [partial(_from_outline, outline, size) for outline in outlines]
            result.drawn.append((image, label, replace(union(parts), where=where)))


def _size(root: Element) -> Size | None:
    sides = [root.findtext(f"size/{side}") or "" for side in ("height", "width")]
    numbers = [int(side) for side in sides if side.strip().isdecimal()]
    return (numbers[0], numbers[1]) if len(numbers) == 2 and min(numbers) > 0 else None


def _box(item: Element, where: str) -> Floats:
    try:
        left, top, right, bottom = (
            float(item.findtext(f"bndbox/{side}") or "")
            for side in ("xmin", "ymin", "xmax", "ymax")
        )
    except ValueError as error:
        raise UsageError(f"{where}: a box without its four numbers", "export it again") from error
    return np.array([left, top, right - left, bottom - top])


def _outline(item: Element) -> Floats | None:
    """(points, 2) of x, y; None where there are fewer than three points."""
    polygon = item.find("polygon")
    points: list[tuple[float, float]] = []
    while polygon is not None:
        number = len(points) + 1
        x, y = polygon.findtext(f"x{number}"), polygon.findtext(f"y{number}")
        if x is None or y is None:
            break
        points.append((float(x), float(y)))
    return np.array(points) if len(points) > 2 else None


def _from_outline(
    outline: Floats, drawn_on: Size | None, where: str, image: AnnotatedImage
) -> Mask:
    factors = (1.0, 1.0) if drawn_on is None else image.factors(where, drawn_on)
    with naming(where):
        return outline_mask(where, [outline * factors], image)
