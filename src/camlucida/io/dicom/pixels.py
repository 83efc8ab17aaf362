"""A decoded DICOM frame as an image: the model's pixels, and the display beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut

from camlucida.core.errors import ImageError
from camlucida.core.messages import Message, declare
from camlucida.io.dicom.display import Grey, display_grey, value_scale
from camlucida.io.dicom.header import bits_stored, number, photometric
from camlucida.io.dicom.lookup import look_up, table
from camlucida.io.image import HeaderError, to_display

declare(
    "image",
    {
        "little_contrast": (
            "the pixels use {used:.1%} of the {bits}-bit scale: "
            "a model fed stored values sees almost no contrast"
        ),
        "clipped": "pixel values beyond the {bits} bits that the file declares were clipped",
    },
)

LITTLE_CONTRAST = 1 / 8
"""A smaller share of the grey scale is warned of: 12-bit values in 16 bits use a sixteenth."""


@dataclass(frozen=True)
class FrameImage:
    """One frame as an image.

    Attributes:
        pixels: (H, W) or (H, W, 3) in [0, 1], for the model.
        display: the same shape, 0–255, for people.
        windowed: (H, W) in [0, 1], the display before it is cut to 8 bits; None for colour.
        window: what window the display used.
        notes: warnings.
        units: how values of the file follow from ``pixels``: "lowest" stored value where it is
            below 0, and :func:`~camlucida.io.dicom.display.value_scale`.
    """

    pixels: NDArray[np.float32]
    display: NDArray[np.uint8]
    windowed: NDArray[np.float32] | None
    window: dict[str, Any] | str
    notes: tuple[Message, ...] = ()
    units: dict[str, Any] = field(default_factory=dict)


def grey_image(path: Path, dataset: Dataset, array: NDArray[Any], index: int) -> FrameImage:
    """A frame of one sample a pixel.

    Args:
        path: of the file, for messages.
        dataset: its header.
        array: (H, W) stored values.
        index: number of the frame, from 0.

    Raises:
        ImageError: a photometric interpretation that is not grey.
        ValueError: a lookup table or a number of the header cannot be used.
    """
    interpretation, bits = photometric(dataset), bits_stored(dataset)
    if interpretation not in ("MONOCHROME1", "MONOCHROME2"):
        raise ImageError(
            f"{path} has one sample a pixel but is neither MONOCHROME1, MONOCHROME2 nor PALETTE "
            "COLOR"
        )
    signed = array.dtype.kind == "i"
    stored, notes = stored_values(dataset, array, bits, signed)
    inverted = interpretation == "MONOCHROME1"
    white = 2**bits - 1
    level = stored + 2 ** (bits - 1) if signed else stored
    shown_level = white - level if inverted else level
    pixels = (shown_level / white).astype(np.float32)
    lowest = int(stored.min() - level.min())
    grey = Grey(stored, inverted, padding=_padding(dataset, stored), full_scale=(lowest, white))
    unit, window, more = display_grey(dataset, index, grey)
    used = float(pixels.max() - pixels.min())
    if used < LITTLE_CONTRAST:
        notes += (Message("image.little_contrast", {"used": used, "bits": bits}),)
    units: dict[str, Any] = {"lowest": lowest} if lowest else {}
    units |= value_scale(dataset, index)
    windowed = unit.astype(np.float32)
    return FrameImage(pixels, to_display(unit), windowed, window, notes + more, units)


def stored_values(
    dataset: Dataset, array: NDArray[Any], bits: int, signed: bool
) -> tuple[NDArray[np.int64], tuple[Message, ...]]:
    """Stored values within ``bits``.

    Shifted down to bit 0, and without whatever else shares their cells.

    Args:
        dataset: its header.
        array: (H, W) as decoded.
        bits: of a stored value.
        signed: whether values may be below 0.

    Returns:
        (H, W) values, and warnings.
    """
    values = array.astype(np.int64)
    top = 2**bits - 1
    native = not dataset.file_meta.TransferSyntaxUID.is_encapsulated
    shift = int(number(dataset, "HighBit") or 0) + 1 - bits
    if native and 0 < shift <= int(dataset.BitsAllocated) - bits:
        values >>= shift
    if signed:  # not every writer extends the sign through the unused bits
        sign_bit = 2 ** (bits - 1)
        unsigned = values & top
        return (unsigned ^ sign_bit) - sign_bit, ()
    if values.max() <= top:
        return values, ()
    overlays = (e for e in dataset.group_dataset(0x6000) if e.tag.element == 0x0102)
    if any(overlay.value for overlay in overlays):
        # An overlay is drawn in the unused high bits.
        return values & top, ()
    return np.minimum(values, top), (Message("image.clipped", {"bits": bits}),)


def _padding(dataset: Dataset, stored: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    value = number(dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = number(dataset, "PixelPaddingRangeLimit")
    low, high = sorted((value, value if limit is None else limit))
    mask = (stored >= low) & (stored <= high)
    return mask if mask.any() and not mask.all() else None


def colour_image(dataset: Dataset, array: NDArray[Any]) -> FrameImage:
    """A frame in RGB, already converted from YBR, or looked up in the palette.

    Args:
        dataset: its header.
        array: (H, W, 3) values, or (H, W) indices of the palette.

    Raises:
        ValueError: another number of samples, or signed ones.
    """
    bits = bits_stored(dataset)
    if array.ndim == 2:
        array, bits = _palette(dataset, array)
    if array.shape[-1] != 3 or array.dtype.kind == "i":
        raise HeaderError(f"{array.shape[-1]} samples a pixel of type {array.dtype}")
    white = 2.0**bits - 1
    pixels = np.clip(array / white, 0, 1)
    return FrameImage(pixels.astype(np.float32), to_display(pixels), None, "none (colour)")


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
