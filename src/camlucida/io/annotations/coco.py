"""COCO's JSON: images, categories, and annotations as polygons, run-length codes or boxes."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from camlucida.core.errors import UsageError
from camlucida.io.annotations.annotation import (
    AnnotatedImage,
    Annotation,
    AnnotationSet,
    BoxAnnotation,
    Mask,
    Size,
    check_inside,
    naming,
    nothing,
    union,
)
from camlucida.io.annotations.boxes import as_boxes
from camlucida.io.annotations.masks import resized
from camlucida.io.annotations.polygons import fill_outlines
from camlucida.io.annotations.rle import from_rle

_Records = dict[Any, Mapping[str, Any]]
_Content = tuple[_Records, _Records, list[tuple[Any, str, Mapping[str, Any]]]]
"""Images and categories by id; the image, label and record of each annotation."""

_ROBOFLOW = re.compile(r"^(.+)_([A-Za-z0-9]{2,5})\.rf\.[A-Za-z0-9]{8,}$")
"""Roboflow exports ``a.png`` as ``a_png.rf.HASH.jpg``."""


def is_coco(document: Any) -> bool:
    """Whether a JSON document is COCO's.

    >>> is_coco({"images": [], "annotations": [], "categories": []}), is_coco({"a": {}})
    (True, False)
    """
    keys = ("images", "annotations", "categories")
    return isinstance(document, dict) and all(isinstance(document.get(k), list) for k in keys)


def read_coco(path: Path, document: Mapping[str, Any]) -> AnnotationSet:
    """Annotations of a COCO file.

    An annotation is its polygons or run-length code, else its box. All those of a label in an image
    are one mask; an image without annotations has an empty mask of each category. Vertices and
    boxes are edge coordinates.

    Args:
        path: of the file, for messages.
        document: its content.

    Returns:
        Masks, and the boxes as they are written.

    Raises:
        UsageError: an image, category or number that is missing, or an id that is used twice.

    >>> image = {"id": 1, "file_name": "a.png", "width": 3, "height": 2}
    >>> item = {"image_id": 1, "category_id": 7, "bbox": [1, 0, 2, 1]}
    >>> category = {"id": 7, "name": "Mass"}
    >>> content = {"images": [image], "annotations": [item], "categories": [category]}
    >>> (name, label, annotation), = read_coco(Path("a.json"), content).drawn
    >>> name, label, annotation.mask(AnnotatedImage((2, 3))).astype(int).tolist()
    ('a.png', 'Mass', [[0, 1, 1], [0, 0, 0]])
    """
    images, categories, items = _content(path, document)
    names = {key: str(image["file_name"]) for key, image in images.items()}
    duplicates = [name for name, times in Counter(names.values()).items() if times > 1]
    if duplicates:
        raise UsageError(f"{path} has the image {duplicates[0]} twice", "keep one of them")
    result = AnnotationSet("COCO JSON", aliases=_aliases(images, names))
    grouped: dict[tuple[Any, str], list[Mapping[str, Any]]] = defaultdict(list)
    for image, label, item in items:
        grouped[image, label].append(item)
    for (image, label), of_label in grouped.items():
        size = _size(images[image])
        where = f"{path}: {label!r} in {names[image]}"
        parts = [_part(item, size) for item in of_label]
        result.drawn.append((names[image], label, replace(union(parts), where=where)))
        boxes = [item["bbox"] for item in of_label if item.get("bbox")]
        if len(boxes) == len(of_label):
            box = BoxAnnotation(where, _checked(boxes, where), drawn_on=size)
            result.boxed.append((names[image], label, box))
    # Readers looked at an image that is listed: without annotations it has no finding.
    annotated = {image for image, _, _ in items}
    blank = [image for image in images if image not in annotated]
    for image, category in product(blank, categories.values()):
        label = str(category["name"])
        where = f"{path}: {label!r} in {names[image]}"
        result.drawn.append((names[image], label, Annotation(where, nothing)))
    return result


def _content(path: Path, document: Mapping[str, Any]) -> _Content:
    """Images and categories by id; the image, label and record of each annotation."""
    try:
        images = _by_id(path, document["images"], "image")
        if not all("file_name" in image for image in images.values()):
            raise KeyError("file_name")
        categories = _by_id(path, document["categories"], "category")
        items = [_item(path, item, images, categories) for item in document["annotations"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is not a whole COCO file: {type(error).__name__} {error}",
            "every image has id and file_name, every annotation image_id and category_id",
        ) from error
    return images, categories, items


def roboflow_name(name: str) -> str | None:
    """The stem that an image had before Roboflow renamed it; None for any other name.

    >>> roboflow_name("train/scan_1_png.rf.0a1b2c3d4e5f.jpg"), roboflow_name("scan.png")
    ('scan_1', None)
    """
    match = _ROBOFLOW.match(PurePosixPath(name).stem)
    return match[1] if match else None


def _by_id(path: Path, rows: list[Mapping[str, Any]], what: str) -> dict[Any, Mapping[str, Any]]:
    by_id = {row["id"]: row for row in rows}
    if len(by_id) < len(rows):
        raise UsageError(f"{path} has an {what} id twice", "export it again")
    return by_id


def _item(
    path: Path,
    item: Mapping[str, Any],
    images: Mapping[Any, Any],
    categories: Mapping[Any, Mapping[str, Any]],
) -> tuple[Any, str, Mapping[str, Any]]:
    image, category = item["image_id"], item["category_id"]
    if image not in images or category not in categories:
        kind = "image" if image not in images else "category"
        raise UsageError(f"{path}: an annotation is of an unlisted {kind}", "export it again")
    return image, str(categories[category]["name"]), item


def _aliases(images: Mapping[Any, Mapping[str, Any]], names: Mapping[Any, str]) -> dict[str, str]:
    """Names before Roboflow's renaming, where only one image has them."""
    originals = {}
    for key, name in names.items():
        extra = images[key].get("extra")
        original = roboflow_name(name)
        if isinstance(extra, dict) and isinstance(extra.get("name"), str):
            original = PurePosixPath(extra["name"]).stem
        if original is not None:
            originals[key] = original
    times = Counter(originals.values())
    return {stem: names[key] for key, stem in originals.items() if times[stem] == 1}


def _size(image: Mapping[str, Any]) -> Size | None:
    height, width = image.get("height"), image.get("width")
    return (int(height), int(width)) if height and width else None


def _checked(boxes: list[Any], where: str) -> Any:
    try:
        return np.asarray(boxes, np.float64).reshape(-1, 4)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where}: a box is not four numbers", "export it again") from error


def _part(item: Mapping[str, Any], drawn_on: Size | None) -> Callable[[str, AnnotatedImage], Mask]:
    """Reader of one annotation."""
    shape = item.get("segmentation")
    if isinstance(shape, dict):
        return partial(_from_code, shape)
    if isinstance(shape, list) and shape:
        return partial(_from_outline, shape, drawn_on)
    return partial(_from_box, item.get("bbox"), drawn_on)


def _from_code(code: Mapping[str, Any], where: str, image: AnnotatedImage) -> Mask:
    with naming(where):
        mask = from_rle(code)
    return resized(mask, where, image)


def _from_outline(
    polygons: list[Any], drawn_on: Size | None, where: str, image: AnnotatedImage
) -> Mask:
    factors = (1.0, 1.0) if drawn_on is None else image.factors(where, drawn_on)
    with naming(where):
        points = [np.asarray(polygon, np.float64).reshape(-1, 2) for polygon in polygons]
        return outline_mask(where, [vertices * factors for vertices in points], image)


def outline_mask(where: str, outlines: list[Any], image: AnnotatedImage) -> Mask:
    """Filled outlines, checked to lie inside the image.

    Args:
        where: names the annotation.
        outlines: each (points, 2) of x, y, edge coordinates.
        image: that they are of.

    Raises:
        ImageError: a vertex outside the image.
        UsageError: fewer than three vertices, or one that is not finite.
    """
    for vertices in outlines:
        corners = (*vertices.min(0).tolist(), *vertices.max(0).tolist())
        check_inside(where, corners, image.size)
    return fill_outlines(outlines, image.size)


def _from_box(box: Any, drawn_on: Size | None, where: str, image: AnnotatedImage) -> Mask:
    with naming(where):
        rows = as_boxes([box])
    return BoxAnnotation(where, rows, drawn_on=drawn_on).mask(image)
