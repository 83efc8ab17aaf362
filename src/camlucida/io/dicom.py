"""DICOM through pydicom: parsed within bounds, one frame decoded with a named decoder.

Then two pipelines that never mix.

The model's pixels are the stored values over their bit depth (no rescale, no window), MONOCHROME1
inverted: what models trained on plain exports saw. The display goes through rescale, window and
polarity (``dicom_display.py``). No patient attribute leaves this file; errors and warnings do not
quote the header's free text either.
"""

from __future__ import annotations

import re
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread, uid
from pydicom.encaps import get_frame
from pydicom.filereader import _read_file_meta_info, read_dataset, read_preamble
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array

from camlucida.core.errors import ImageError
from camlucida.core.messages import Message, declare
from camlucida.io.dicom_display import Grey, display_grey, look_up, number, table
from camlucida.io.image import (
    MAX_BYTES,
    RawImage,
    Reader,
    check_size,
    choose_frame,
    image_id,
    quiet,
    readable,
    to_display,
)

declare(
    "image",
    {
        "little_contrast": (
            "the pixels use {used:.1%} of the {bits}-bit scale: "
            "a model fed stored values sees almost no contrast"
        ),
        "clipped": "pixel values beyond the {bits} bits that the file declares were clipped",
        "for_processing": (
            "this image is FOR PROCESSING (raw detector data), not what a reader sees: "
            "prefer FOR PRESENTATION"
        ),
        "burned_in": (
            "text is burned into the pixels; it is not removed, "
            "and may name a person or mislead the model"
        ),
        "segmentation": "this is a segmentation, not an image",
    },
)

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


def readers() -> dict[str, Reader]:
    """The DICOM reader, for the registry."""
    return {"DICOM": Reader(_is_dicom, _read, (".dcm", ".dicom", ".dic"))}


def has_prefix(head: bytes) -> bool:
    """Whether a file's first 132 bytes end with the mark "DICM"."""
    return head[128:132] == b"DICM"


def _is_dicom(head: bytes) -> bool:
    # Old files have no preamble: they begin with an element of group 0002 or 0008, in either byte
    # order.
    bare = (
        head[:3] in (b"\x02\0\0", b"\x08\0\0", b"\x08\0\x05", b"\x08\0\x08", b"\x08\0\x16")
        and head[3:4] == b"\0"
    )
    return (
        has_prefix(head)
        or bare
        or head[:4] in (b"\0\x08\0\0", b"\0\x08\0\x05", b"\0\x08\0\x08", b"\0\x08\0\x16")
    )


def _read(path: Path, data: bytes, frame: int | None) -> RawImage:
    # pydicom warns of metadata that break the standard, and quotes the values; none of it changes
    # the pixels.
    with quiet("pydicom"):
        with readable(path, "a DICOM file", quote=False):
            dataset = _parse(path, data)
            _check_image(path, dataset)
            frames = int(number(dataset, "NumberOfFrames") or 1)
            samples = int(number(dataset, "SamplesPerPixel") or 1)
            check_size(path, int(dataset.Rows), int(dataset.Columns), samples)
        index, notes = choose_frame(path, frame, frames)
        with readable(path, "the pixels of a DICOM file"):
            array = _decode(path, dataset, index, frames)
            if array.ndim == 3 or _photometric(dataset) == "PALETTE COLOR":
                image = _colour(dataset, array)
            else:
                image = _grey(path, dataset, array, index)
    pixels, display, windowed, more, source = image
    return RawImage(
        pixels,
        display,
        image_id(path, index if frames > 1 or frame is not None else None),
        windowed=windowed,
        source={"frame": index, "frames": frames, **_described(dataset), **source},
        warnings=(*notes, *_remarks(dataset), *more),
        synthetic=str(dataset.get("SyntheticData", "")).strip().upper() == "YES",
    )


_Image = tuple[
    NDArray[np.float32],
    NDArray[np.uint8],
    NDArray[np.float32] | None,
    tuple[Message, ...],
    dict[str, Any],
]  # pixels, display, windowed, warnings, source


def _parse(path: Path, data: bytes) -> Dataset:
    """The data set; a deflated one is inflated here, because pydicom does it without a limit."""
    file = BytesIO(data)
    read_preamble(file, True)
    meta = _read_file_meta_info(file)
    if meta.get("TransferSyntaxUID") != uid.DeflatedExplicitVRLittleEndian:
        return dcmread(BytesIO(data), force=True)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(data[file.tell() :], MAX_BYTES // 8)
    if inflater.unconsumed_tail:
        raise ImageError(
            f"{path} inflates to more than {MAX_BYTES // 8:,} bytes",
            "store it without deflate, if it is genuine",
        )
    if not inflater.eof:
        raise ImageError(f"{path} is cut short inside its deflated data", "copy or export it again")
    dataset = read_dataset(BytesIO(inflated), is_implicit_VR=False, is_little_endian=True)
    dataset.file_meta = meta
    return dataset


def _check_image(path: Path, dataset: Dataset) -> None:
    kind = dataset.get("SOPClassUID")
    name = kind.name if isinstance(kind, uid.UID) and kind.name != kind else "a DICOM file"
    if "EncapsulatedDocument" in dataset:
        raise ImageError(
            f"{path} holds a document ({name}), not an image", "export the image it was made from"
        )
    if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
        raise ImageError(
            f"{path} holds floating-point pixels ({name}), which have no black and white"
        )
    if "PixelData" not in dataset:
        raise ImageError(
            f"{path} has no pixel data ({name})", "choose an image object of the study"
        )
    absent = [
        word
        for word in ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation")
        if dataset.get(word) in (None, "")
    ]
    if absent:
        raise ImageError(
            f"{path} does not say its {', '.join(absent)}", "export it again from the source"
        )


def _photometric(dataset: Dataset) -> str:
    return str(dataset.PhotometricInterpretation).strip().upper()


def _bits(dataset: Dataset) -> int:
    return int(number(dataset, "BitsStored") or dataset.BitsAllocated)


def _decode(path: Path, dataset: Dataset, index: int, frames: int) -> NDArray[Any]:
    """One frame.

    (rows, columns) stored values, or (rows, columns, 3) with YBR already turned to RGB.
    """
    meta = getattr(dataset, "file_meta", None)
    if meta is None:
        raise ImageError(
            f"{path} has no file header that says how its pixels are coded", "export it again"
        )
    if "TransferSyntaxUID" not in meta:
        implicit, little = dataset.original_encoding
        plain = uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian
        meta.TransferSyntaxUID = plain if little else uid.ExplicitVRBigEndian
    syntax = meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        # The unused bits are dealt with in _stored: pydicom drops the high ones, which is wrong for
        # left-aligned values.
        return pixel_array(dataset, index=index, correct_unused_bits=False)
    plugin = _PLUGIN.get(syntax)
    if plugin is None:
        raise ImageError(
            f"{path} is coded as {syntax.name}, which is not read here",
            "store it uncompressed first",
        )
    if syntax == uid.JPEGExtended12Bit and _bits(dataset) > 8:
        plugin = "pylibjpeg"  # Pillow reads 8 bits only
    if plugin not in get_decoder(syntax).available_plugins:
        what = (
            f"{path} is coded as {syntax.name} with {_bits(dataset)} bits, and no decoder for it "
            "is installed"
        )
        raise ImageError(what, _MENDED_BY)
    claimed = (int(dataset.Rows), int(dataset.Columns))
    coded = coded_size(get_frame(dataset.PixelData, index, number_of_frames=frames))
    if coded is not None and coded != claimed:
        raise ImageError(
            f"{path} says {claimed} pixels in its header and {coded} in its compressed frame"
        )
    return pixel_array(dataset, index=index, decoding_plugin=plugin)


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


def _grey(path: Path, dataset: Dataset, array: NDArray[Any], index: int) -> _Image:
    photometric, bits = _photometric(dataset), _bits(dataset)
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise ImageError(
            f"{path} has one sample a pixel but is neither MONOCHROME1, MONOCHROME2 nor PALETTE "
            "COLOR"
        )
    signed = array.dtype.kind == "i"
    stored, notes = _stored(dataset, array, bits, signed)
    inverted = photometric == "MONOCHROME1"
    white = 2**bits - 1
    level = stored + 2 ** (bits - 1) if signed else stored
    pixels = ((white - level if inverted else level) / white).astype(np.float32)
    grey = Grey(
        stored,
        inverted,
        padding=_padding(dataset, stored),
        full_scale=(int(stored.min() - level.min()), white),
    )
    unit, window, more = display_grey(dataset, index, grey)
    used = float(pixels.max() - pixels.min())
    if used < 1 / 8:
        notes += (Message("image.little_contrast", {"used": used, "bits": bits}),)
    return pixels, to_display(unit), unit.astype(np.float32), notes + more, {"window": window}


def _stored(
    dataset: Dataset, array: NDArray[Any], bits: int, signed: bool
) -> tuple[NDArray[np.int64], tuple[Message, ...]]:
    """Stored values within ``bits``.

    Shifted down to bit 0, and without whatever else shares their cells.
    """
    values = array.astype(np.int64)
    native = not dataset.file_meta.TransferSyntaxUID.is_encapsulated
    shift = int(number(dataset, "HighBit") or 0) + 1 - bits
    if native and 0 < shift <= int(dataset.BitsAllocated) - bits:
        values >>= shift
    if signed:  # not every writer extends the sign through the unused bits
        sign_bit = 2 ** (bits - 1)
        unsigned = values & (2**bits - 1)
        return (unsigned ^ sign_bit) - sign_bit, ()
    if values.max() < 2**bits:
        return values, ()
    overlays = (e for e in dataset.group_dataset(0x6000) if e.tag.element == 0x0102)
    if any(overlay.value for overlay in overlays):
        # An overlay is drawn in the unused high bits.
        return values & (2**bits - 1), ()
    return np.minimum(values, 2**bits - 1), (Message("image.clipped", {"bits": bits}),)


def _padding(dataset: Dataset, stored: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    value = number(dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = number(dataset, "PixelPaddingRangeLimit")
    low, high = sorted((value, value if limit is None else limit))
    mask = (stored >= low) & (stored <= high)
    return mask if mask.any() and not mask.all() else None


def _colour(dataset: Dataset, array: NDArray[Any]) -> _Image:
    """RGB, already converted from YBR, or looked up in the palette."""
    bits = _bits(dataset)
    if array.ndim == 2:
        array, bits = _palette(dataset, array)
    if array.shape[-1] != 3 or array.dtype.kind == "i":
        raise ValueError(f"{array.shape[-1]} samples a pixel of type {array.dtype}")
    pixels = np.clip(array / (2.0**bits - 1), 0, 1)
    return pixels.astype(np.float32), to_display(pixels), None, (), {"window": "none (colour)"}


def _palette(dataset: Dataset, array: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """(H, W) indices → (H, W, 3) colours and their bits."""
    if "SegmentedRedPaletteColorLookupTableData" in dataset:
        colours = apply_color_lut(array, dataset)[..., :3]
        bits = int(dataset.RedPaletteColorLookupTableDescriptor[2])
    else:
        # Not by pydicom, which reads a big-endian palette with its bytes swapped.
        little = dataset.original_encoding[1] is not False
        tables = []
        for colour in ("Red", "Green", "Blue"):
            name = f"{colour}PaletteColorLookupTable"
            descriptor, data = dataset[f"{name}Descriptor"].value, dataset[f"{name}Data"].value
            tables.append(table(descriptor, data, little))
        planes = [look_up(array, entries, first) for entries, first, _ in tables]
        colours = np.stack(planes, axis=-1).astype(np.uint16)
        bits = tables[0][2]
    # 8-bit entries may be kept in the high byte of 16.
    return colours, 16 if colours.max() > 2**bits - 1 else bits


def _described(dataset: Dataset) -> dict[str, Any]:
    """What a reader of the result may need of the header.

    Codes and numbers about the image, nothing about a person.
    """
    words = {
        "modality": "Modality",
        "photometric": "PhotometricInterpretation",
        "view": "ViewPosition",
    }
    described: dict[str, Any] = {"bits": _bits(dataset)}
    for name, keyword in {**words, "laterality": "ImageLaterality"}.items():
        value = str(dataset.get(keyword) or "").strip()
        # A code string; anything else may be somebody's free text.
        if re.fullmatch(r"[A-Z0-9_ ]{1,16}", value):
            described[name] = value
    syntax = dataset.file_meta.TransferSyntaxUID
    described["transfer_syntax"] = syntax.name if syntax.name != syntax else str(syntax)
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        spacing = dataset.get(keyword)
        if spacing and len(spacing) == 2:
            described["spacing_mm"] = [float(step) for step in spacing]
            described["spacing_from"] = keyword
            break
    return described


def _remarks(dataset: Dataset) -> tuple[Message, ...]:
    notes = []
    if str(dataset.get("PresentationIntentType") or "").strip().upper() == "FOR PROCESSING":
        notes.append(Message("image.for_processing"))
    if str(dataset.get("BurnedInAnnotation") or "").strip().upper() == "YES":
        notes.append(Message("image.burned_in"))
    if dataset.get("Modality") == "SEG":
        notes.append(Message("image.segmentation"))
    return tuple(notes)
