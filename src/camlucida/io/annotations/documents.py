"""JSON files of annotations, by image and label: run-length codes and polygons of CheXlocalize."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from camlucida.core.errors import UsageError
from camlucida.io.annotations.annotation import (
    AnnotatedImage,
    Annotation,
    Mask,
    NamedAnnotation,
    check_inside,
    naming,
)
from camlucida.io.annotations.masks import resized
from camlucida.io.annotations.polygons import from_polygons
from camlucida.io.annotations.rle import from_rle

_SIZE = "img_size"


def read_rle_file(path: Path) -> Iterator[NamedAnnotation]:
    """Annotations of a file of run-length codes.

    Args:
        path: JSON, {image: {label: {"size": [H, W], "counts": …}}}; see
            :func:`~camlucida.io.annotations.from_rle`.

    Yields:
        Image, label and annotation; its mask is decoded when it is needed.

    Raises:
        UsageError: the file is missing, damaged or of another structure.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "masks.json")
    ...     _ = path.write_text('{"a": {"Mass": {"size": [1, 3], "counts": [1, 2]}}}')
    ...     (image, label, annotation), = read_rle_file(path)
    >>> image, label, annotation.mask(AnnotatedImage((1, 3))).tolist()
    ('a', 'Mass', [[False, True, True]])
    """
    for image, label, code in _entries(path):
        where = f"{path}: mask of {label!r} in {image}"
        yield image, label, Annotation(where, partial(_from_code, code))


def read_polygon_file(path: Path) -> Iterator[NamedAnnotation]:
    """Annotations of a file of polygons.

    Args:
        path: JSON, {image: {label: [[[x, y], …], …], "img_size": [H, W]}}; see
            :func:`~camlucida.io.annotations.from_polygons`.

    Yields:
        Image, label and annotation; its mask is drawn when it is needed.

    Raises:
        UsageError: as :func:`read_rle_file`.
    """
    entries = list(_entries(path))
    sizes = {image: value for image, label, value in entries if label == _SIZE}
    for image, label, polygons in entries:
        if label != _SIZE:
            where = f"{path}: outline of {label!r} in {image}"
            yield (
                image,
                label,
                Annotation(where, partial(_from_outline, polygons, sizes.get(image))),
            )


def holds_outlines(path: Path) -> bool:
    """Whether a JSON file of annotations holds polygons, else run-length codes.

    Args:
        path: of :func:`read_polygon_file` or :func:`read_rle_file`.

    Raises:
        UsageError: as :func:`read_rle_file`.
    """
    return any(label == _SIZE for _, label, _ in _entries(path))


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Args:
        path: of the file.

    Raises:
        UsageError: missing, or damaged.
    """
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"cannot open {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"cannot read {path} as JSON: {error}",
            "the file is damaged or cut short: copy it again",
        ) from error


def json_kind(document: Any) -> str:
    """What annotations a JSON document by image and label holds.

    Args:
        document: its content.

    Returns:
        "rle", "polygons", or "" for anything else.

    >>> json_kind({"a": {"Mass": {"size": [1, 1], "counts": [1]}}})
    'rle'
    """
    if not document or not _is_by_image(document):
        return ""
    pairs = list(chain.from_iterable(of_image.items() for of_image in document.values()))
    shapes = [value for label, value in pairs if label != _SIZE]
    if shapes and all(map(_is_rle, shapes)):
        return "rle"
    if len(shapes) < len(pairs) and all(isinstance(shape, list) for shape in shapes):
        return "polygons"
    return ""


def _is_by_image(document: Any) -> bool:
    if not isinstance(document, dict):
        return False
    return all(isinstance(of_image, dict) for of_image in document.values())


def _is_rle(shape: Any) -> bool:
    return isinstance(shape, dict) and "counts" in shape


def _entries(path: Path) -> Iterator[tuple[str, str, Any]]:
    """(image, label, value) of a JSON file {image: {label: value}}."""
    document = read_json(path)
    if not _is_by_image(document):
        raise UsageError(
            f"{path} holds no annotations by image and label",
            "write {image: {label: …}}, as CheXlocalize does",
        )
    for image, of_image in document.items():
        for label, value in of_image.items():
            yield image, label, value


def _from_code(code: Any, where: str, image: AnnotatedImage) -> Mask:
    with naming(where):
        mask = from_rle(code)
    return resized(mask, where, image)


def _from_outline(polygons: Any, drawn_on: Any, where: str, image: AnnotatedImage) -> Mask:
    with naming(where):
        if not isinstance(drawn_on, list) or len(drawn_on) != 2:
            raise UsageError(
                "its image has no img_size", 'write "img_size": [height, width] beside its labels'
            )
        factors = image.factors(where, drawn_on)
        vertices = [np.asarray(polygon, np.float64).reshape(-1, 2) for polygon in polygons]
        # A vertex names a pixel: its centre, not its corner, is scaled.
        scaled = [(polygon + 0.5) * factors - 0.5 for polygon in vertices]
        if factors == (1.0, 1.0):
            scaled = vertices
        points = np.concatenate([np.zeros((0, 2)), *scaled])
        if len(points):
            check_inside(where, (*points.min(0).tolist(), *points.max(0).tolist()), image.size)
        return from_polygons(scaled, image.size)
