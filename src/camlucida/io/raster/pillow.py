"""Frames decoded by Pillow, with all the bits that it keeps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from camlucida.core.errors import ImageError
from camlucida.core.messages import Message, declare
from camlucida.io.image import Reader, check_size, choose_frame
from camlucida.io.raster.samples import Frame, Samples, over_black, raster_reader, unit_floats

declare(
    "image",
    {
        "cmyk": "CMYK print colours converted to RGB without a colour profile",
        "exif_unreadable": "EXIF data unreadable ({error}): orientation not applied",
    },
)

_RAW_BITS = {
    **dict.fromkeys(("1", "1;I", "P;1"), 1),
    **dict.fromkeys(("P;4",), 4),
    **dict.fromkeys(("L", "P"), 8),
    **dict.fromkeys(("I;16B", "BGR;15", "BGR;16"), 16),
    **dict.fromkeys(("RGB", "BGR"), 24),
    **dict.fromkeys(("BGRX", "BGRA", "XBGR", "ABGR", "RGBA"), 32),
}
"""Bits a pixel by Pillow's names of uncompressed layouts."""

_MOST_PADDING = 3
"""Bytes that may follow the pixels: a newline, or what some writers add to a bitmap."""

ORIENTATION = 0x0112
"""Tag of the orientation in EXIF and TIFF."""


def pillow_reader(
    plugin: str, matches: Callable[[bytes], bool], suffixes: tuple[str, ...]
) -> Reader:
    """The reader of a format that Pillow decodes.

    Args:
        plugin: Pillow's name of the format.
        matches: whether a file's first bytes are of this format.
        suffixes: that its files usually have, lower case with the dot.
    """
    return raster_reader(partial(decode_pillow, plugin=plugin), matches, suffixes)


def decode_pillow(path: Path, data: bytes, frame: int | None, plugin: str) -> Frame:
    """One frame, decoded by one plugin of Pillow and no other.

    Args:
        path: of the file, for messages.
        data: the file's bytes.
        frame: its number, from 0; None for the first.
        plugin: Pillow's name of the format.

    Raises:
        ImageError: no such frame, more pixels than the limit, or floats outside [0, 1].
    """
    with Image.open(BytesIO(data), formats=(plugin,)) as image:
        check_size(path, image.height, image.width)
        frames = int(getattr(image, "n_frames", 1))
        index, notes = choose_frame(path, frame, frames)
        image.seek(index)
        _check_length(path, image, len(data))
        image.load()
        samples = _samples(path, image)
    return Frame(samples, index, frames, notes)


def _check_length(path: Path, image: Image.Image, size: int) -> None:
    """Refuse an uncompressed bitmap (BMP, PNM) with more or fewer bytes than its header says.

    Read with a wrong width it would be sheared.
    """
    # Only an image that was read from a file has tiles.
    tiles: list[Any] = getattr(image, "tile", [])
    if image.format not in ("BMP", "PPM") or len(tiles) != 1 or tiles[0][0] != "raw":
        return
    _, _, start, layout = tiles[0]
    bits = _RAW_BITS.get(layout if isinstance(layout, str) else layout[0])
    if bits is None:
        return
    row = (image.width * bits + 7) // 8
    if image.format == "BMP":
        row = (row + 3) // 4 * 4  # rows end at multiples of four bytes
    expected = row * image.height
    if not expected <= size - start <= expected + _MOST_PADDING:
        raise ImageError(
            f"{path} holds {size - start:,} bytes of pixels where its header means {expected:,} "
            f"({image.height} × {image.width} pixels of {bits} bits)",
            "the file is damaged or its header was changed: export it again",
        )


def _samples(path: Path, image: Image.Image) -> Samples:
    """Samples of a loaded Pillow image; ``convert("L")`` would clip 16-bit values to 255."""
    orientation, notes = _exif_orientation(image)
    mode = image.mode
    keep = partial(Samples, orientation=orientation, text=dict(image.info))
    if mode == "1":
        return keep(np.asarray(image, np.uint8), 1, 1, notes=notes)
    if mode.startswith("I;16"):
        return keep(np.asarray(image).astype(np.uint16), 65535, 16, notes=notes)
    if mode in ("I", "F"):
        # 16-bit PNM comes as "I", stretched to 65535 by Pillow; "F" is a float PNM (PFM).
        values = np.asarray(image)
        if mode == "I" and values.min() >= 0 and values.max() <= 65535:
            return keep(values, 65535, 16, notes=notes)
        return keep(unit_floats(path, values), 1, 32, notes=notes)
    transparent = "transparency" in image.info or mode in ("LA", "La", "PA", "RGBA", "RGBa")
    if transparent:
        grey = mode in ("L", "LA", "La")
        with_alpha = image.convert("LA" if grey else "RGBA")
        values, more = over_black(np.asarray(with_alpha))
        return keep(values, 255, 8, notes=notes + more)
    if mode == "CMYK":
        notes += (Message("image.cmyk"),)
    plain = image if mode in ("L", "RGB") else image.convert("RGB")
    return keep(np.asarray(plain), 255, 8, notes=notes)


def _exif_orientation(image: Image.Image) -> tuple[int, tuple[Message, ...]]:
    if image.format == "TIFF":
        return 1, ()  # Pillow has already turned it while loading
    try:
        return int(image.getexif().get(ORIENTATION, 1)), ()
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError) as error:
        note = Message("image.exif_unreadable", {"error": type(error).__name__})
        return 1, (note,)
