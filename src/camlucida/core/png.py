"""PNG files, written fast: pictures of explanations are many, and read once."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from camlucida.core.deflate import deflate

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2}
"""Channels → PNG's colour type: grey, RGB."""

_UP = 2
"""The filter "up": each byte less the one above it. A search for the best filter of each row takes
three times as long, and saves no bytes of a radiograph."""

METRES_PER_INCH = 0.0254


def png_bytes(
    pixels: NDArray[np.uint8],
    dpi: int | None = None,
    texts: Mapping[str, str] | None = None,
    rows: bytes | None = None,
) -> bytes:
    """A picture as a PNG file.

    Args:
        pixels: (H, W) grey or (H, W, 3) colour.
        dpi: pixels an inch, for print; None leaves it out.
        texts: chunks of text, keyword → text in Latin-1.
        rows: of :func:`png_rows`, where they are there already.

    >>> png_bytes(np.zeros((2, 3), np.uint8))[:4]
    b'\\x89PNG'
    """
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    sizes = width.to_bytes(4) + height.to_bytes(4)
    chunks = [_chunk(b"IHDR", sizes + bytes((8, _COLOUR_TYPES[channels], 0, 0, 0)))]
    if dpi is not None:
        density = round(dpi / METRES_PER_INCH).to_bytes(4)
        chunks.append(_chunk(b"pHYs", density + density + b"\x01"))
    for key, text in (texts or {}).items():
        chunks.append(_chunk(b"tEXt", f"{key}\0{text}".encode("latin-1")))
    data = png_rows(pixels) if rows is None else rows
    chunks += [_chunk(b"IDAT", data), _chunk(b"IEND", b"")]
    return _SIGNATURE + b"".join(chunks)


def png_rows(pixels: NDArray[np.uint8]) -> bytes:
    """The rows of a picture as a PNG file holds them: filtered, then compressed by zlib.

    Args:
        pixels: (H, W) grey or (H, W, 3) colour.

    >>> list(zlib.decompress(png_rows(np.array([[7, 7], [9, 6]], np.uint8))))
    [2, 7, 7, 2, 2, 255]
    """
    rows = pixels.reshape(len(pixels), -1)
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    return deflate(filtered)


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(name))
    return len(data).to_bytes(4) + name + data + checksum.to_bytes(4)
