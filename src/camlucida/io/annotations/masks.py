"""A mask from a file: PNG, TIFF, BMP or NumPy, where 0 is outside and one other value is inside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import ImageError
from camlucida.io.image import readable
from camlucida.io.read import read_image

MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".npy")
"""Kinds of file without loss: JPEG blurs the edge of a mask."""

BETWEEN = 0.25
"""Of a mask saved as JPEG: the share of its pixels that its blurred edge may make."""

_FIX = "save one mask a label, of 0 and one other value, and never as JPEG"


def read_mask(path: Path, where: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Read one mask.

    Of a JPEG, whose edges and corners are blurred, inside is from half of its largest value up.

    Args:
        path: the file; what is not ``.npy`` is read as an image, whatever its name.
        where: what to call it in an error.
        size: (H, W) of the image it belongs to.

    Returns:
        (H, W) bool, True where the file is not 0; all False for an empty mask.

    Raises:
        ImageError: missing or damaged, several pages, another size, or more than one value (or
            colour) beside 0; of a JPEG, more than :data:`BETWEEN` of its brighter pixels between a
            quarter and three quarters of its largest value.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.npy")
    ...     np.save(path, np.array([[0, 255], [0, 0]]))
    ...     read_mask(path, "mask a", (2, 2)).tolist()
    [[False, True], [False, False]]
    """
    is_array = path.suffix.lower() == ".npy"
    values = _array(path, where) if is_array else _picture(path, where)
    check_mask_size(where, values.shape[:2], size)
    cells = values.reshape(*size, -1)  # the last axis holds the colours
    mask: NDArray[np.bool_] = (cells != 0).any(-1)
    inside = cells[mask]
    # A comparison first: np.unique sorts every pixel of a large mask.
    if len(inside) and (inside != inside[0]).any():
        colours = np.unique(inside, axis=0)
        distinct = len(colours)
        raise ImageError(f"{where} holds {distinct} different values beside 0", _FIX)
    return mask


def check_mask_size(where: str, shape: Sequence[int], size: Sequence[int]) -> None:
    """Check that a mask is as large as its image.

    Args:
        where: names the mask.
        shape: (H, W) of the mask.
        size: (H, W) of the image.

    Raises:
        ImageError: it is not.

    >>> check_mask_size("mask a", (2, 3), (2, 3))
    """
    if tuple(shape) != tuple(size):
        of_mask = "×".join(map(str, shape))
        of_image = "×".join(map(str, size))
        what = f"{where} is {of_mask} for an image of {of_image}"
        raise ImageError(what, "bring it to the original pixels of the image, by nearest neighbour")


def mask_size(path: Path) -> tuple[int, int]:
    """(H, W) of a mask file.

    Args:
        path: the file; what is not ``.npy`` is read as an image, whatever its name.

    Returns:
        Height and width in pixels.

    Raises:
        ImageError: missing or damaged, or an array of another rank.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.npy")
    ...     np.save(path, np.zeros((2, 3)))
    ...     mask_size(path)
    (2, 3)
    """
    if path.suffix.lower() != ".npy":
        height, width = read_image(path).pixels.shape[:2]
        return int(height), int(width)
    with readable(path, "a NumPy array"):
        shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
    if len(shape) != 2:
        raise ImageError(f"{path} holds an array of shape {shape}", "a mask is (H, W)")
    return int(shape[0]), int(shape[1])


def _array(path: Path, where: str) -> NDArray[Any]:
    with readable(path, "a NumPy array"):
        values: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        if values.ndim != 2 or values.dtype.kind not in "biuf":
            raise ImageError(
                f"{where} holds {values.dtype} of shape {values.shape}",
                "a mask is (H, W) of bool or numbers",
            )
        if not np.isfinite(values).all():
            raise ImageError(
                f"{where} holds NaN or infinite values", "write 0 outside and 1 inside"
            )
    return values


def _picture(path: Path, where: str) -> NDArray[np.float32]:
    image = read_image(path)
    pages = image.source.get("frames", 1)
    if pages > 1:
        raise ImageError(f"{where} has {pages} pages", "save one mask a file")
    if image.source["format"] == "JPEG":
        return _sharp(image.pixels, where)
    return image.pixels


def _sharp(pixels: NDArray[np.float32], where: str) -> NDArray[np.float32]:
    """A mask that was saved as JPEG, of 0 and 1 again."""
    values = pixels.max(-1) if pixels.ndim == 3 else pixels
    largest = float(values.max()) or 1.0
    quarter = largest / 4
    bright = values >= quarter
    blurred = bright & (values < 3 * quarter)
    if blurred.sum() > BETWEEN * bright.sum():
        raise ImageError(f"{where} is a JPEG of more than two values", _FIX)
    return (values >= largest / 2).astype(np.float32)
