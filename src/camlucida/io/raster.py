"""PNG, JPEG, JPEG 2000, BMP, GIF, WebP, PNM by Pillow.

TIFF by Pillow or tifffile, whichever keeps all its bits.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from camlucida.core.errors import ImageError
from camlucida.core.messages import Message, Value, declare
from camlucida.io.image import (
    RawImage,
    Reader,
    check_size,
    choose_frame,
    image_id,
    quiet,
    to_display,
)

declare(
    "image",
    {
        "dark": ("the brightest pixel is {brightest} of {white}: fewer bits in a {bits}-bit file?"),
        "png_8_bits": "16-bit colour (or grey with transparency) PNG: read at 8 bits a channel",
        "cmyk": "CMYK print colours converted to RGB without a colour profile",
        "transparent": "transparent pixels were laid over black",
        "exif_unreadable": "EXIF data unreadable ({error}): orientation not applied",
    },
)

SYNTHETIC_KEY = "camlucida:synthetic"
"""PNG text chunk that marks a generated image; its value is "true"."""

_ORIENTATION = 0x0112


@dataclass(frozen=True)
class _Samples:
    """Decoded samples, (H, W) or (H, W, 3); ``white``: value of full scale.

    Orientation as in EXIF (1 = upright).
    """

    values: NDArray[Any]
    white: float
    bits: int
    orientation: int = 1
    notes: tuple[Message, ...] = ()
    text: Mapping[Any, Any] | None = None


SUFFIXES = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "JPEG 2000": (".jp2", ".j2k"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "WebP": (".webp",),
    "PNM": (".pgm", ".ppm", ".pnm", ".pbm"),
    "TIFF": (".tif", ".tiff"),
}
"""Format → suffixes that its files usually have."""


def readers() -> dict[str, Reader]:
    """The raster formats, by name, for the registry."""
    kinds: dict[str, tuple[str, Callable[[bytes], bool]]] = {
        "PNG": ("PNG", lambda head: head.startswith(b"\x89PNG\r\n\x1a\n")),
        "JPEG": ("JPEG", lambda head: head.startswith(b"\xff\xd8\xff")),
        "JPEG 2000": (
            "JPEG2000",
            lambda head: head.startswith((b"\0\0\0\x0cjP  \r\n", b"\xff\x4f\xff\x51")),
        ),
        "BMP": ("BMP", lambda head: head.startswith(b"BM")),
        "GIF": ("GIF", lambda head: head.startswith((b"GIF87a", b"GIF89a"))),
        "WebP": ("WEBP", lambda head: head.startswith(b"RIFF") and head[8:12] == b"WEBP"),
        "PNM": (
            "PPM",
            lambda head: head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace(),
        ),
        "TIFF": ("TIFF", lambda head: head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))),
    }
    return {
        name: Reader(matches, partial(_read, plugin=plugin), SUFFIXES[name])
        for name, (plugin, matches) in kinds.items()
    }


def write_synthetic_png(
    path: str | Path, array: NDArray[np.uint8], text: Mapping[str, object] | None = None
) -> None:
    """Write a generated image that says so: its text chunk ``camlucida:synthetic`` is "true".

    Args:
        path: file to write.
        array: (H, W) or (H, W, 3) uint8.
        text: further text chunks, name → value (written as text).
    """
    chunks = PngImagePlugin.PngInfo()
    for key, value in {**(text or {}), SYNTHETIC_KEY: "true"}.items():
        chunks.add_text(key, str(value))
    Image.fromarray(array).save(path, format="PNG", pnginfo=chunks)


def _read(path: Path, data: bytes, frame: int | None, plugin: str) -> RawImage:
    # Remarks on metadata say nothing about the pixels; only the bomb warning matters.
    with quiet("PIL", "tifffile"):
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            read = _read_tiff if plugin == "TIFF" else partial(_read_pillow, plugin=plugin)
            samples, index, frames, notes = read(path, data, frame)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            fix = "if the file is genuine, scale it down or cut the region out first"
            raise ImageError(f"{path} claims more pixels than the limit: {error}", fix) from error
    values = oriented(samples.values, samples.orientation)
    pixels = np.clip(values.astype(np.float32) / np.float32(samples.white), 0, 1)
    shows_frame = frames > 1 or frame is not None
    return RawImage(
        pixels,
        to_display(pixels),
        image_id(path, index if shows_frame else None),
        source={
            "bits": samples.bits,
            "orientation": samples.orientation,
            "frame": index,
            "frames": frames,
        },
        warnings=(*notes, *samples.notes, *_dark(values, samples)),
        synthetic=str((samples.text or {}).get(SYNTHETIC_KEY, "")).strip().lower() == "true",
    )


def _dark(values: NDArray[Any], samples: _Samples) -> tuple[Message, ...]:
    """12-bit data in a 16-bit file are a common trap.

    To a model trained on full scale they are almost black.
    """
    brightest = float(values.max())
    if samples.bits <= 8 or not 0 < brightest <= samples.white / 8:
        return ()
    levels: dict[str, Value] = {
        "brightest": f"{brightest:g}",
        "white": f"{samples.white:g}",
        "bits": samples.bits,
    }
    return (Message("image.dark", levels),)


def oriented(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn an image upright: undo its EXIF or TIFF orientation.

    Args:
        values: (H, W, …).
        orientation: 1 to 8; 1, or any other number, leaves the image as it is.

    >>> oriented(np.array([[1, 2], [3, 4]]), 3)
    array([[4, 3],
           [2, 1]])
    """
    if orientation in (5, 6, 7, 8):
        values = np.swapaxes(values, 0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return np.ascontiguousarray(values)


def _read_pillow(
    path: Path, data: bytes, frame: int | None, plugin: str
) -> tuple[_Samples, int, int, tuple[Message, ...]]:
    with Image.open(BytesIO(data), formats=(plugin,)) as image:
        check_size(path, image.height, image.width)
        frames = int(getattr(image, "n_frames", 1))
        index, notes = choose_frame(path, frame, frames)
        image.seek(index)
        image.load()
        samples = _decoded(path, image)
    if data[12:16] == b"IHDR" and data[24] == 16 and data[25] in (2, 4, 6):
        notes += (Message("image.png_8_bits"),)
    return samples, index, frames, notes


def _decoded(path: Path, image: Image.Image) -> _Samples:
    """Samples of a loaded Pillow image; ``convert("L")`` would clip 16-bit values to 255."""
    orientation, notes = _exif_orientation(image)
    mode = image.mode
    keep = partial(_Samples, orientation=orientation, text=dict(image.info))
    if mode == "1":
        return keep(np.asarray(image, np.uint8), 1, 1, notes=notes)
    if mode.startswith("I;16"):
        return keep(np.asarray(image).astype(np.uint16), 65535, 16, notes=notes)
    if mode in ("I", "F"):
        # 16-bit PNM comes as "I", stretched to 65535 by Pillow; "F" is a float PNM (PFM).
        values = np.asarray(image)
        if mode == "I" and values.min() >= 0 and values.max() <= 65535:
            return keep(values, 65535, 16, notes=notes)
        return keep(_unit(path, values), 1, 32, notes=notes)
    transparent = "transparency" in image.info or mode in ("LA", "La", "PA", "RGBA", "RGBa")
    if transparent:
        grey = mode in ("L", "LA", "La")
        values, more = over_black(np.asarray(image.convert("LA" if grey else "RGBA")))
        return keep(values, 255, 8, notes=notes + more)
    if mode == "CMYK":
        notes += (Message("image.cmyk"),)
    plain = image if mode in ("L", "RGB") else image.convert("RGB")
    return keep(np.asarray(plain), 255, 8, notes=notes)


def over_black(values: NDArray[Any]) -> tuple[NDArray[Any], tuple[Message, ...]]:
    """Lay transparent pixels over black.

    Args:
        values: (H, W, 2) or (H, W, 4) of whole numbers, alpha last.

    Returns:
        (H, W) or (H, W, 3), and a note if any pixel was transparent.
    """
    top = np.iinfo(values.dtype).max
    colour, alpha = values[..., :-1], values[..., -1:]
    note: tuple[Message, ...] = ()
    if (alpha < top).any():
        colour = np.rint(colour * (alpha / top)).astype(values.dtype)
        note = (Message("image.transparent"),)
    return (colour[..., 0] if colour.shape[-1] == 1 else colour), note


def _exif_orientation(image: Image.Image) -> tuple[int, tuple[Message, ...]]:
    if image.format == "TIFF":
        return 1, ()  # Pillow has already turned it while loading
    try:
        return int(image.getexif().get(_ORIENTATION, 1)), ()
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError) as error:
        return 1, (Message("image.exif_unreadable", {"error": type(error).__name__}),)


def _unit(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    """Float samples, which have no bit depth to scale by, must be in [0, 1] already."""
    if not np.isfinite(values).all():
        raise ImageError(
            f"{path} holds NaN or infinite pixels", "replace them, then scale to [0, 1]"
        )
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise ImageError(
            f"{path} holds {values.dtype} pixels from {low:g} to {high:g}, a scale without a "
            "black and a white",
            "divide by the full scale of the detector so that 0 is black and 1 is white, or "
            "save as 16-bit unsigned",
        )
    return values


def _read_tiff(
    path: Path, data: bytes, frame: int | None
) -> tuple[_Samples, int, int, tuple[Message, ...]]:
    import tifffile

    with tifffile.TiffFile(BytesIO(data)) as tiff:
        index, notes = choose_frame(path, frame, len(tiff.pages))
        page = tiff.pages[index].aspage()
        check_size(path, page.imagelength * page.imagedepth, page.imagewidth, page.samplesperpixel)
        # Pillow reads every compression but cuts colour to 8 bits and leaves 16-bit MINISWHITE
        # negative.
        deep = page.bitspersample > 8
        if not deep:
            return *_read_pillow(path, data, index, "TIFF")[:3], notes
        inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        orientation = int(page.tags.valueof(_ORIENTATION, 1))
        try:
            values = page.asarray(maxworkers=1)
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            if page.samplesperpixel != 1 or page.dtype != np.uint16:
                fix = "save it uncompressed or with Deflate, or pip install imagecodecs"
                raise ImageError(
                    f"{path} is a {page.dtype} TIFF with compression {page.compression!r}", fix
                ) from error
            values, orientation = _read_pillow(path, data, index, "TIFF")[0].values, 1
    if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and values.ndim == 3:
        values = np.moveaxis(values, 0, -1)
    values, white, more = _tiff_samples(path, values)
    if inverted:
        values = (white - values).astype(values.dtype)
    return (
        _Samples(values, white, int(page.bitspersample), orientation, more),
        index,
        len(tiff.pages),
        notes,
    )


def _tiff_samples(
    path: Path, values: NDArray[Any]
) -> tuple[NDArray[Any], float, tuple[Message, ...]]:
    """(samples, value of white, notes) of a TIFF page with more than 8 bits a sample."""
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[-1] not in (1, 2, 3, 4)):
        raise ImageError(
            f"{path} has samples of shape {values.shape}",
            "expected (H, W) grey or (H, W, 3) colour",
        )
    if values.dtype.kind not in "uf":
        fix = "shift it so that 0 is black and save as 16-bit unsigned"
        raise ImageError(
            f"{path} holds {values.dtype} pixels, whose black and white are not defined", fix
        )
    white = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
    note: tuple[Message, ...] = ()
    if values.dtype.kind == "f":
        values = _unit(path, values)
    if values.ndim == 3 and values.shape[-1] in (2, 4):
        if values.dtype.kind == "f":
            raise ImageError(
                f"{path} holds float pixels with transparency", "remove the alpha channel"
            )
        values, note = over_black(values)
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    return values, white, note
