"""PNG, read and, for generated images, written."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from camlucida.core.errors import ImageError
from camlucida.core.messages import Message, declare
from camlucida.io.raster.pillow import decode_pillow
from camlucida.io.raster.samples import SYNTHETIC_KEY, Frame, raster_reader

declare(
    "image",
    {"png_8_bits": "16-bit colour (or grey with transparency) PNG: read at 8 bits a channel"},
)

_WITH_COLOUR_OR_ALPHA = (2, 4, 6)
"""PNG's colour types RGB, grey with alpha and RGB with alpha."""

_WITH_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"fcTL", b"fdAT", b"IEND")
"""Chunks that the pixels depend on; text and colour profiles do not matter here."""

_DAMAGED = "copy or export it again"


def write_synthetic_png(
    path: str | Path, array: NDArray[np.uint8], text: Mapping[str, object] | None = None
) -> None:
    """Write a generated image that says so: its text chunk ``camlucida:synthetic`` is "true".

    Args:
        path: file to write.
        array: (H, W) or (H, W, 3) uint8, 0–255.
        text: further text chunks, name → value (written as text).

    Raises:
        OSError: the system refuses the file.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_synthetic_png(f"{folder}/a.png", np.zeros((4, 4), np.uint8))
    ...     b"camlucida:synthetic" in Path(folder, "a.png").read_bytes()
    True
    """
    chunks = PngImagePlugin.PngInfo()
    for key, value in {**(text or {}), SYNTHETIC_KEY: "true"}.items():
        chunks.add_text(key, str(value))
    Image.fromarray(array).save(path, format="PNG", pnginfo=chunks)


def _check_chunks(path: Path, data: bytes) -> None:
    """Refuse a file that is cut short, or whose pixels do not fit their checksums.

    Pillow checks neither those of the pixels nor whether the file has an end.
    """
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4])
        name = data[position + 4 : position + 8]
        end = position + 8 + length
        if name in _WITH_PIXELS and zlib.crc32(data[position + 4 : end]) != int.from_bytes(
            data[end : end + 4]
        ):
            raise ImageError(
                f"{path} is damaged: the checksum of its chunk {name.decode()} is wrong", _DAMAGED
            )
        if name == b"IEND":
            return
        position = end + 4
    raise ImageError(f"{path} is cut short: its last chunk is missing", _DAMAGED)


def _decode(path: Path, data: bytes, frame: int | None) -> Frame:
    decoded = decode_pillow(path, data, frame, "PNG")
    _check_chunks(path, data)
    # The header chunk comes first; Pillow keeps 16 bits of grey alone.
    sixteen_bits = data[12:16] == b"IHDR" and data[24] == 16
    if sixteen_bits and data[25] in _WITH_COLOUR_OR_ALPHA:
        return replace(decoded, notes=(*decoded.notes, Message("image.png_8_bits")))
    return decoded


READER = raster_reader(
    _decode, lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"), (".png", ".apng")
)
