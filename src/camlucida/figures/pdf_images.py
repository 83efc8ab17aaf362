"""The pictures within a PDF, made small enough to send: matplotlib stores every pixel as it is."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST = 1_000_000
"""Bytes of a figure's PDF that are aimed at."""

SMALLEST = 64
"""Pixels of a side up to which a picture stays as it is: colour bars and legends."""

PICTURES = 0.85
"""Share of these bytes that pictures may take; the rest is for fonts and text."""

STEPS = ((92, 1.0), (80, 1.0), (80, 0.67), (70, 0.5), (60, 0.33))
"""JPEG quality and scale that are tried in turn."""


def compressed(pdf: bytes, largest: int = LARGEST) -> bytes:
    """The same page, compressed; with its pictures as JPEG where it would be larger than wanted.

    A picture with transparency stays as it is. The first of :data:`STEPS` that makes the file
    small enough is taken, else the last.

    Args:
        pdf: the file, uncompressed: pypdf takes seconds for what matplotlib compressed.
        largest: bytes.
    """
    from pypdf import PdfWriter

    writer = PdfWriter(clone_from=io.BytesIO(pdf))
    if len(zlib.compress(pdf)) > largest:
        _to_jpeg(writer, round(PICTURES * largest))
    _compress(writer)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def _to_jpeg(writer: Any, largest: int) -> None:
    pictures = list(chain.from_iterable(map(_opaque, writer.pages)))
    originals = [image.image.convert("RGB") for image in pictures]
    for quality, scale in STEPS:
        scaled = [_scaled(original, scale) for original in originals]
        if sum(_jpeg_size(picture, quality) for picture in scaled) <= largest:
            break
    for image, picture in zip(pictures, scaled):
        image.replace(picture, quality=quality, subsampling=0)


def _jpeg_size(picture: Image, quality: int) -> int:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, subsampling=0)
    return len(buffer.getvalue())


def _compress(writer: Any) -> None:
    """Compress what is not: lines, text, fonts and the pictures with transparency."""
    for number, stored in enumerate(writer._objects):
        if hasattr(stored, "flate_encode") and "/Filter" not in stored:
            writer._objects[number] = stored.flate_encode()


def _opaque(page: Any) -> Iterator[Any]:
    """The pictures of a page that are large and have no transparency."""
    for image in page.images:
        stored = image.indirect_reference.get_object()
        sides = (stored["/Width"], stored["/Height"])
        if min(sides) > SMALLEST and "/SMask" not in stored:
            yield image


def _scaled(image: Image, scale: float) -> Image:
    if scale == 1:
        return image
    width, height = (max(round(side * scale), 1) for side in image.size)
    return image.resize((width, height))
