"""One frame of a DICOM file, decoded with one named decoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydicom import Dataset, uid
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import convert_color_space
from pydicom.pixels.utils import pixel_array

from camlucida.core.errors import ImageError
from camlucida.io.dicom.coded import check_coded, check_frames, check_native
from camlucida.io.dicom.header import bits_stored, number, photometric, syntax_name
from camlucida.io.dicom.jpeg import decode_jpeg, has_decoder

_MENDED_BY = "store it uncompressed first, for instance dcmdjpeg IN OUT"

_DAMAGED = "the file is damaged or its header was changed: export it again from the source"

_LOSSLESS = (uid.JPEGLossless, uid.JPEGLosslessSV1)

# One decoder a syntax, by name: pydicom would otherwise try whatever is installed, and gdcm aborts
# on damaged files.
_PLUGIN = {
    uid.JPEGBaseline8Bit: "pillow",
    uid.JPEGExtended12Bit: "pillow",
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
        ImageError: no decoder for the transfer syntax, or pixel data of another length, number of
            frames or size than the header's.
    """
    syntax = _transfer_syntax(path, dataset)
    if not syntax.is_encapsulated:
        check_native(path, dataset, frames)
        # The unused bits are dealt with in pixels.py: pydicom drops the high ones, which is wrong
        # for left-aligned values.
        return pixel_array(dataset, index=index, correct_unused_bits=False)
    in_child = syntax in _LOSSLESS or _has_12_bits(dataset, syntax)
    if in_child and not has_decoder():
        raise ImageError(
            f"{path} is coded as {syntax_name(syntax)}, and no decoder for it is installed",
            "pip install 'camlucida[dicom]' reads it",
        )
    plugin = "" if in_child else _plugin(path, dataset, syntax)
    check_frames(path, dataset, frames)
    coded = get_frame(dataset.PixelData, index, number_of_frames=frames)
    check_coded(path, dataset, coded)
    if in_child:
        return _decoded_in_child(path, dataset, coded)
    return pixel_array(dataset, index=index, decoding_plugin=plugin)


def _has_12_bits(dataset: Dataset, syntax: uid.UID) -> bool:
    """Whether it is a JPEG of more than the 8 bits that Pillow reads."""
    return syntax == uid.JPEGExtended12Bit and bits_stored(dataset) > 8


def _decoded_in_child(path: Path, dataset: Dataset, coded: bytes) -> NDArray[Any]:
    """A JPEG frame as pydicom would return it."""
    array = decode_jpeg(path, coded)
    samples = int(number(dataset, "SamplesPerPixel") or 1)
    expected = (int(dataset.Rows), int(dataset.Columns), samples)[: 2 + (samples > 1)]
    if array.shape != expected:
        raise ImageError(
            f"{path} says {expected} pixels in its header and {array.shape} are decoded", _DAMAGED
        )
    if number(dataset, "PixelRepresentation") == 1:
        array = array.view(array.dtype.str.replace("u", "i"))
    if samples == 3 and photometric(dataset).startswith("YBR_FULL"):
        return convert_color_space(array, "YBR_FULL", "RGB")
    return array


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
            f"{path} is coded as {syntax_name(syntax)}, which is not read here",
            "store it uncompressed first",
        )
    bits = bits_stored(dataset)
    if plugin not in get_decoder(syntax).available_plugins:
        coding = f"{syntax_name(syntax)} with {bits} bits"
        what = f"{path} is coded as {coding}, and no decoder for it is installed"
        raise ImageError(what, _MENDED_BY)
    return plugin
