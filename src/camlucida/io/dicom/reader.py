"""The DICOM reader: from a file's bytes to one image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from camlucida.io.dicom.decode import decode
from camlucida.io.dicom.header import code, described, number, photometric, remarks
from camlucida.io.dicom.parse import check_image, parse
from camlucida.io.dicom.pixels import colour_image, grey_image
from camlucida.io.image import RawImage, Reader, check_size, choose_frame, image_id, quiet, readable

_GROUP_2 = b"\x02\0\0\0"
_GROUP_8 = (b"\x08\0\0\0", b"\x08\0\x05\0", b"\x08\0\x08\0", b"\x08\0\x16\0")
_BIG_ENDIAN_GROUP_8 = (b"\0\x08\0\0", b"\0\x08\0\x05", b"\0\x08\0\x08", b"\0\x08\0\x16")
"""How a file begins that has no preamble: group, then element."""


def has_prefix(head: bytes) -> bool:
    """Whether a file's first 132 bytes end with the mark "DICM".

    Args:
        head: the first bytes of the file, of any number.

    >>> has_prefix(bytes(128) + b"DICM"), has_prefix(b"DICM")
    (True, False)
    """
    return head[128:132] == b"DICM"


def _matches(head: bytes) -> bool:
    # Old files have no preamble: they begin with an element of group 0002 or 0008, in either byte
    # order.
    return has_prefix(head) or head.startswith((_GROUP_2, *_GROUP_8, *_BIG_ENDIAN_GROUP_8))


def _read(path: Path, data: bytes, frame: int | None) -> RawImage:
    # pydicom warns of metadata that break the standard, and quotes the values; none of it changes
    # the pixels.
    with quiet("pydicom"):
        with readable(path, "a DICOM file", quote=False):
            dataset = parse(path, data)
            check_image(path, dataset)
            frames = int(number(dataset, "NumberOfFrames") or 1)
            samples = int(number(dataset, "SamplesPerPixel") or 1)
            bits = int(number(dataset, "BitsAllocated") or 8)
            check_size(path, int(dataset.Rows), int(dataset.Columns), samples, bits)
        index, notes = choose_frame(path, frame, frames)
        with readable(path, "the pixels of a DICOM file", quote=False):
            array = decode(path, dataset, index, frames)
            if array.ndim == 3 or photometric(dataset) == "PALETTE COLOR":
                image = colour_image(dataset, array)
            else:
                image = grey_image(path, dataset, array, index)
    shows_frame = frames > 1 or frame is not None
    with readable(path, "a DICOM file", quote=False):
        source: dict[str, Any] = {"frame": index, "frames": frames, **described(dataset)}
    source["window"] = image.window
    source |= image.units
    return RawImage(
        image.pixels,
        image.display,
        image_id(path, index if shows_frame else None),
        windowed=image.windowed,
        source=source,
        warnings=(*notes, *remarks(dataset), *image.notes),
        synthetic=code(dataset, "SyntheticData") == "YES",
    )


READER = Reader(_matches, _read, (".dcm", ".dicom", ".dic"))
