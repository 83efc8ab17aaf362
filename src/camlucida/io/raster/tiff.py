"""TIFF and BigTIFF: up to 8 bits by Pillow, more by tifffile."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import ImageError
from camlucida.core.messages import Message
from camlucida.io.image import check_size, choose_frame
from camlucida.io.raster.pillow import ORIENTATION, decode_pillow
from camlucida.io.raster.samples import Frame, Samples, over_black, raster_reader, unit_floats

if TYPE_CHECKING:
    from tifffile import TiffPage

_UNCOMPRESSED = 1
_YCBCR = 6
"""Values of TIFF's tags Compression and PhotometricInterpretation."""


def _decode(path: Path, data: bytes, frame: int | None) -> Frame:
    import tifffile

    with tifffile.TiffFile(BytesIO(data)) as tiff:
        frames = len(tiff.pages)
        index, notes = choose_frame(path, frame, frames)
        page = tiff.pages[index].aspage()
        rows = page.imagelength * page.imagedepth
        check_size(path, rows, page.imagewidth, page.samplesperpixel, int(page.bitspersample))
        _check_strips(path, page)
        # Pillow reads every compression but cuts colour to 8 bits and leaves 16-bit MINISWHITE
        # negative.
        if page.bitspersample <= 8:
            return replace(decode_pillow(path, data, index, "TIFF"), notes=notes)
        values, orientation = _page_values(path, data, index, page)
        inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        planes_first = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
        bits = int(page.bitspersample)
    if planes_first and values.ndim == 3:
        values = np.moveaxis(values, 0, -1)
    values, white, more = _checked(path, values)
    if inverted:
        values = (white - values).astype(values.dtype)
    return Frame(Samples(values, white, bits, orientation, more), index, frames, notes)


def _check_strips(path: Path, page: TiffPage) -> None:
    """Refuse an uncompressed page with more or fewer bytes than its tags say: it would be sheared.

    Tiles are padded to their size and are left to the decoder.
    """
    subsampled = page.photometric == _YCBCR
    if page.compression != _UNCOMPRESSED or page.is_tiled or subsampled:
        return
    planes, samples = page.samplesperpixel, 1
    if page.planarconfig == 1:
        planes, samples = 1, page.samplesperpixel
    row = (page.imagewidth * samples * page.bitspersample + 7) // 8
    expected = row * page.imagelength * page.imagedepth * planes
    stored = sum(page.databytecounts)
    # A pad byte for each strip.
    if not expected <= stored <= expected + len(page.databytecounts):
        raise ImageError(
            f"{path} holds {stored:,} bytes of pixels where its tags mean {expected:,} "
            f"({page.imagelength} × {page.imagewidth} pixels of {page.samplesperpixel} × "
            f"{page.bitspersample} bits)",
            "the file is damaged or its tags were changed: export it again",
        )


def _page_values(path: Path, data: bytes, index: int, page: TiffPage) -> tuple[NDArray[Any], int]:
    """Samples of a page, and the orientation that they still have."""
    try:
        return page.asarray(maxworkers=1), int(page.tags.valueof(ORIENTATION, 1))
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        # Of the pages that tifffile decodes with that package alone, Pillow keeps 16-bit grey.
        if page.samplesperpixel != 1 or page.dtype != np.uint16:
            fix = "save it uncompressed or with Deflate, or pip install imagecodecs"
            raise ImageError(
                f"{path} is a {page.dtype} TIFF with compression {page.compression!r}", fix
            ) from error
    return decode_pillow(path, data, index, "TIFF").samples.values, 1


def _checked(path: Path, values: NDArray[Any]) -> tuple[NDArray[Any], float, tuple[Message, ...]]:
    """(samples, value of white, notes) of a TIFF page with more than 8 bits a sample."""
    channels = values.shape[-1] if values.ndim == 3 else 1
    if values.ndim not in (2, 3) or channels not in (1, 2, 3, 4):
        raise ImageError(
            f"{path} has samples of shape {values.shape}",
            "expected (H, W) grey or (H, W, 3) colour",
        )
    if values.dtype.kind not in "uf":
        fix = "shift it so that 0 is black and save as 16-bit unsigned"
        raise ImageError(
            f"{path} holds {values.dtype} pixels, whose black and white are not defined", fix
        )
    floats = values.dtype.kind == "f"
    white = 1.0 if floats else float(np.iinfo(values.dtype).max)
    notes: tuple[Message, ...] = ()
    if floats:
        values = unit_floats(path, values)
    if channels in (2, 4):
        if floats:
            raise ImageError(
                f"{path} holds float pixels with transparency", "remove the alpha channel"
            )
        values, notes = over_black(values)
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    return values, white, notes


READER = raster_reader(
    _decode,
    lambda head: head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    (".tif", ".tiff"),
)
