"""Decoded samples of a raster image, and how they become a :class:`RawImage`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from camlucida.core.errors import ImageError
from camlucida.core.messages import Message, Value, declare
from camlucida.io.image import RawImage, Reader, image_id, quiet, to_display

declare(
    "image",
    {
        "dark": ("the brightest pixel is {brightest} of {white}: fewer bits in a {bits}-bit file?"),
        "transparent": "transparent pixels were laid over black",
    },
)

SYNTHETIC_KEY = "camlucida:synthetic"
"""PNG text chunk that marks a generated image; its value is "true"."""


@dataclass(frozen=True)
class Samples:
    """Decoded samples of one frame.

    Attributes:
        values: (H, W) or (H, W, 3).
        white: value of full scale.
        bits: a sample.
        orientation: as in EXIF, 1 to 8; 1 is upright.
        notes: what the decoder had to do to them.
        text: text chunks of the file, name → value.
    """

    values: NDArray[Any]
    white: float
    bits: int
    orientation: int = 1
    notes: tuple[Message, ...] = ()
    text: Mapping[Any, Any] | None = None


@dataclass(frozen=True)
class Frame:
    """One frame of a file.

    Attributes:
        samples: of the frame.
        index: its number, from 0.
        frames: of the file.
        notes: on the file.
    """

    samples: Samples
    index: int
    frames: int
    notes: tuple[Message, ...] = ()


Decoder = Callable[[Path, bytes, int | None], Frame]
"""(path, the file's bytes, frame or None) → frame."""


def raster_reader(
    decode: Decoder, matches: Callable[[bytes], bool], suffixes: tuple[str, ...]
) -> Reader:
    """The reader of a raster format.

    Args:
        decode: of such files.
        matches: whether a file's first bytes are of this format.
        suffixes: that its files usually have, lower case with the dot.
    """
    return Reader(matches, partial(_read, decode=decode), suffixes)


def _read(path: Path, data: bytes, frame: int | None, decode: Decoder) -> RawImage:
    # Remarks on metadata say nothing about the pixels; only the bomb warning matters.
    with quiet("PIL", "tifffile"):
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            decoded = decode(path, data, frame)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            fix = "if the file is genuine, scale it down or cut the region out first"
            raise ImageError(f"{path} claims more pixels than the limit: {error}", fix) from error
    samples = decoded.samples
    values = oriented(samples.values, samples.orientation)
    scaled = values.astype(np.float32) / np.float32(samples.white)
    pixels = np.clip(scaled, 0, 1)
    shows_frame = decoded.frames > 1 or frame is not None
    source = {
        "bits": samples.bits,
        "orientation": samples.orientation,
        "frame": decoded.index,
        "frames": decoded.frames,
    }
    return RawImage(
        pixels,
        to_display(pixels),
        image_id(path, decoded.index if shows_frame else None),
        source=source,
        warnings=(*decoded.notes, *samples.notes, *_dark(values, samples)),
        synthetic=_is_synthetic(samples.text or {}),
    )


def _is_synthetic(text: Mapping[Any, Any]) -> bool:
    value = text.get(SYNTHETIC_KEY, "")
    return str(value).strip().lower() == "true"


def _dark(values: NDArray[Any], samples: Samples) -> tuple[Message, ...]:
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

    Returns:
        (H, W, …), or (W, H, …) for 5 to 8; contiguous.

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


def over_black(values: NDArray[Any]) -> tuple[NDArray[Any], tuple[Message, ...]]:
    """Lay transparent pixels over black.

    Args:
        values: (H, W, 2) or (H, W, 4) of whole numbers, alpha last.

    Returns:
        (H, W) or (H, W, 3), and a note if any pixel was transparent.

    >>> values, notes = over_black(np.array([[[200, 255], [200, 51]]], np.uint8))
    >>> values
    array([[200,  40]], dtype=uint8)
    >>> str(notes[0])
    'transparent pixels were laid over black'
    """
    top = np.iinfo(values.dtype).max
    colour, alpha = values[..., :-1], values[..., -1:]
    notes: tuple[Message, ...] = ()
    if (alpha < top).any():
        opacity = alpha / top
        colour = np.rint(colour * opacity).astype(values.dtype)
        notes = (Message("image.transparent"),)
    if colour.shape[-1] == 1:
        colour = colour[..., 0]
    return colour, notes


def unit_floats(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    """Float samples, which have no bit depth to scale by: they must be in [0, 1] already.

    Args:
        path: of the file, for the message.
        values: of any shape.

    Raises:
        ImageError: NaN, or a value outside [0, 1].

    >>> unit_floats(Path("a.tif"), np.array([0.0, 0.5, 1.0])).tolist()
    [0.0, 0.5, 1.0]
    """
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
