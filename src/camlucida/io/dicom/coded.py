"""Whether a DICOM file's pixel data is as long, and its frames are as large, as its header says.

A decoder given a wrong number of rows, columns or bits returns a sheared picture without a word.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pydicom import Dataset, uid
from pydicom.encaps import generate_fragments, parse_basic_offsets

from camlucida.core.errors import ImageError
from camlucida.io.dicom.header import bits_stored, number, photometric

_FIX = "the file is damaged or its header was changed: export it again from the source"
_JPEG_START = b"\xff\xd8\xff"
_JPEG_2000_START = b"\xff\x4f\xff\x51"
_START_OF_FRAME = (set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {0xF7}
"""Markers of JPEG (SOF0 to SOF15) and JPEG-LS after which the size of the frame follows."""


class CodedFrame(NamedTuple):
    """What a compressed frame says of itself.

    Attributes:
        rows: in pixels.
        columns: in pixels.
        samples: numbers a pixel.
        bits: a sample.
    """

    rows: int
    columns: int
    samples: int
    bits: int


def coded_frame(frame: bytes) -> CodedFrame | None:
    """What a JPEG, JPEG-LS or JPEG 2000 frame claims; None for others (RLE).

    Args:
        frame: the compressed frame.

    >>> coded_frame(bytes.fromhex("ffd8 ffc0 000b 08 0010 0020 01 00000000"))
    CodedFrame(rows=16, columns=32, samples=1, bits=8)
    """
    if frame.startswith(_JPEG_2000_START) and len(frame) > 42:
        # SIZ follows; the image is the reference grid less its offset.
        starts = (8, 12, 16, 20)
        right, bottom, left, top = (int.from_bytes(frame[start : start + 4]) for start in starts)
        samples = int.from_bytes(frame[40:42])
        return CodedFrame(bottom - top, right - left, samples, (frame[42] & 0x7F) + 1)
    position = 2
    while frame[:2] == _JPEG_START[:2] and position + 10 <= len(frame) and frame[position] == 0xFF:
        marker = frame[position + 1]
        if marker in _START_OF_FRAME:
            rows = int.from_bytes(frame[position + 5 : position + 7])
            columns = int.from_bytes(frame[position + 7 : position + 9])
            return CodedFrame(rows, columns, frame[position + 9], frame[position + 4])
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        length = int.from_bytes(frame[position + 2 : position + 4])
        position += 2 + length
    return None


def native_length(dataset: Dataset, frames: int) -> int:
    """Bytes that uncompressed pixels take by the header, without the byte that makes them even.

    Samples of 1 bit are packed over all frames; YBR_FULL_422 keeps two samples a pixel.

    Args:
        dataset: its header.
        frames: of the file.

    >>> dataset = Dataset()
    >>> dataset.Rows, dataset.Columns, dataset.BitsAllocated = 3, 5, 16
    >>> dataset.PhotometricInterpretation = "MONOCHROME2"
    >>> native_length(dataset, 2)
    60
    """
    samples = int(number(dataset, "SamplesPerPixel") or 1)
    if samples == 3 and photometric(dataset) == "YBR_FULL_422":
        samples = 2
    bits = int(dataset.Rows) * int(dataset.Columns) * samples * int(dataset.BitsAllocated) * frames
    return -(-bits // 8)


def check_native(path: Path, dataset: Dataset, frames: int) -> None:
    """Refuse uncompressed pixel data of another length than the header's.

    Args:
        path: of the file, for the message.
        dataset: of the file.
        frames: that its header claims.

    Raises:
        ImageError: longer by more than one pad byte, or shorter.
    """
    expected = native_length(dataset, frames)
    stored = len(dataset.PixelData)
    if stored in (expected, expected + 1):
        return
    samples = int(number(dataset, "SamplesPerPixel") or 1)
    shape = f"{dataset.Rows} × {dataset.Columns} pixels of {samples} × {dataset.BitsAllocated} bits"
    many = f", {frames} frames" if frames > 1 else ""
    raise ImageError(
        f"{path} holds {stored:,} bytes of pixel data where its header means {expected:,} "
        f"({shape}{many})",
        _FIX,
    )


def check_frames(path: Path, dataset: Dataset, frames: int) -> None:
    """Refuse compressed pixel data with another number of frames than the header's.

    Args:
        path: of the file, for the message.
        dataset: of the file.
        frames: that its header claims.

    Raises:
        ImageError: more frames, or fewer.
    """
    counted = _frames_in(dataset, frames)
    if counted != frames:
        raise ImageError(
            f"{path} claims {frames} frame{'s' * (frames > 1)} in its header and holds {counted}",
            _FIX,
        )


def _frames_in(dataset: Dataset, claimed: int) -> int:
    """Frames by the offset table, by the fragments (RLE) or by how the fragments begin."""
    data = dataset.PixelData
    extended = dataset.get("ExtendedOffsetTable")
    if extended:
        return len(extended) // 8
    offsets = parse_basic_offsets(data)
    if len(offsets) > 1:
        return len(offsets)
    pixels = list(generate_fragments(data))[1:]  # the first item is the offset table
    if dataset.file_meta.TransferSyntaxUID == uid.RLELossless:
        return len(pixels)
    starts = [part.startswith((_JPEG_START, _JPEG_2000_START)) for part in pixels]
    return sum(starts) or min(claimed, len(pixels))


def check_coded(path: Path, dataset: Dataset, frame: bytes) -> None:
    """Refuse a compressed frame of another size, other samples or other bits than the header's.

    Args:
        path: of the file, for the message.
        dataset: of the file.
        frame: the compressed frame; of RLE nothing is known before it is decoded.

    Raises:
        ImageError: they differ.
    """
    coded = coded_frame(frame)
    if coded is None:
        return
    samples = int(number(dataset, "SamplesPerPixel") or 1)
    claimed = (int(dataset.Rows), int(dataset.Columns))
    if coded[:2] != claimed:
        raise ImageError(
            f"{path} says {claimed} pixels in its header and {coded[:2]} in its compressed frame",
            _FIX,
        )
    if coded.samples != samples:
        raise ImageError(
            f"{path} says {samples} samples a pixel in its header and {coded.samples} in its "
            "compressed frame",
            _FIX,
        )
    allocated, stored = int(dataset.BitsAllocated), bits_stored(dataset)
    # Fewer bits than stored are common (12 in 16), but 8 bits in the place of more are another
    # scale.
    if coded.bits > allocated or coded.bits <= 8 < stored:
        raise ImageError(
            f"{path} says {stored} of {allocated} bits in its header and {coded.bits} in its "
            "compressed frame",
            _FIX,
        )
