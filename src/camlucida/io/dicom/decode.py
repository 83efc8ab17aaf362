"""One frame of a DICOM file, decoded with one named decoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydicom import Dataset, uid
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import pixel_array

from camlucida.core.errors import ImageError
from camlucida.io.dicom.header import bits_stored

_MENDED_BY = (
    "store it uncompressed first, for instance dcmdjpeg IN OUT, or pip install pylibjpeg-libjpeg "
    "(GPLv3)"
)

# One decoder a syntax, by name: pydicom would otherwise try whatever is installed, and gdcm aborts
# on damaged files.
_PLUGIN = {
    uid.JPEGBaseline8Bit: "pillow",
    uid.JPEGExtended12Bit: "pillow",
    uid.JPEGLossless: "pylibjpeg",
    uid.JPEGLosslessSV1: "pylibjpeg",
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
    uid.HTJ2KLossless: "pylibjpeg",
    uid.HTJ2KLosslessRPCL: "pylibjpeg",
    uid.HTJ2K: "pylibjpeg",
    uid.RLELossless: "pylibjpeg",
}


def decode(path: Path, dataset: Dataset, index: int, frames: int) -> NDArray[Any]:
    """One frame.

    Args:
        path: of the file, for messages.
        dataset: of the file; a missing transfer syntax is filled in.
        index: number of the frame, from 0.
        frames: of the file.

    Returns:
        (rows, columns) stored values, or (rows, columns, 3) with YBR already turned to RGB.

    Raises:
        ImageError: no decoder for the transfer syntax, or a compressed frame of another size than
            the header's.
    """
    syntax = _transfer_syntax(path, dataset)
    if not syntax.is_encapsulated:
        # The unused bits are dealt with in pixels.py: pydicom drops the high ones, which is wrong
        # for left-aligned values.
        return pixel_array(dataset, index=index, correct_unused_bits=False)
    plugin = _plugin(path, dataset, syntax)
    claimed = (int(dataset.Rows), int(dataset.Columns))
    frame = get_frame(dataset.PixelData, index, number_of_frames=frames)
    coded = coded_size(frame)
    if coded is not None and coded != claimed:
        raise ImageError(
            f"{path} says {claimed} pixels in its header and {coded} in its compressed frame"
        )
    return pixel_array(dataset, index=index, decoding_plugin=plugin)


def _transfer_syntax(path: Path, dataset: Dataset) -> uid.UID:
    """How the pixels are coded; where the file does not say, as its elements were read."""
    meta = getattr(dataset, "file_meta", None)
    if meta is None:
        raise ImageError(
            f"{path} has no file header that says how its pixels are coded", "export it again"
        )
    if "TransferSyntaxUID" not in meta:
        implicit, little = dataset.original_encoding
        plain = uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian
        meta.TransferSyntaxUID = plain if little else uid.ExplicitVRBigEndian
    syntax: uid.UID = meta.TransferSyntaxUID
    return syntax


def _plugin(path: Path, dataset: Dataset, syntax: uid.UID) -> str:
    """pydicom's name of the decoder for a compressed frame."""
    plugin = _PLUGIN.get(syntax)
    if plugin is None:
        raise ImageError(
            f"{path} is coded as {syntax.name}, which is not read here",
            "store it uncompressed first",
        )
    bits = bits_stored(dataset)
    if syntax == uid.JPEGExtended12Bit and bits > 8:
        plugin = "pylibjpeg"  # Pillow reads 8 bits only
    if plugin not in get_decoder(syntax).available_plugins:
        what = (
            f"{path} is coded as {syntax.name} with {bits} bits, and no decoder for it is installed"
        )
        raise ImageError(what, _MENDED_BY)
    return plugin


_START_OF_FRAME = (set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {0xF7}
"""Markers of JPEG (SOF0 to SOF15) and JPEG-LS after which the size of the frame follows."""


def coded_size(frame: bytes) -> tuple[int, int] | None:
    """(rows, columns) that a JPEG, JPEG-LS or JPEG 2000 frame claims; None for others (RLE).

    Args:
        frame: the compressed frame.

    >>> coded_size(bytes.fromhex("ffd8 ffc0 000b 08 0010 0020 01"))
    (16, 32)
    """
    if frame[:4] == b"\xff\x4f\xff\x51":
        # JPEG 2000: SIZ follows; the image is the reference grid less its offset.
        starts = (8, 12, 16, 20)
        edges = [int.from_bytes(frame[start : start + 4]) for start in starts]
        right, bottom, left, top = edges
        return bottom - top, right - left
    position = 2
    while frame[:2] == b"\xff\xd8" and position + 9 <= len(frame) and frame[position] == 0xFF:
        marker = frame[position + 1]
        if marker in _START_OF_FRAME:
            rows = int.from_bytes(frame[position + 5 : position + 7])
            columns = int.from_bytes(frame[position + 7 : position + 9])
            return rows, columns
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        length = int.from_bytes(frame[position + 2 : position + 4])
        position += 2 + length
    return None
