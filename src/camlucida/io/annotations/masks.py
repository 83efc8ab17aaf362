"""A mask from a file: PNG, TIFF, BMP or NumPy, where 0 is outside and one other value is inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import ImageError
from camlucida.io.annotations.annotation import AnnotatedImage
from camlucida.io.annotations.nifti import is_nifti, nifti_values
from camlucida.io.image import readable
from camlucida.io.read import read_image

MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".npy", ".nii", ".gz")
"""Kinds of file without loss: JPEG blurs the edge of a mask."""

BETWEEN = 0.25
"""Of a mask saved as JPEG: the share of its pixels that its blurred edge may make."""

_FIX = (
    "save one mask a label, of 0 and one other value, and never as JPEG; or name the values of a "
    "label map: --mask-label 1=NAME"
)

_BORDER = 255
"""Index that VOC's masks give the rim of objects, which belongs to none."""


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
    mask = _binary(_values(path, where), where)
    check_mask_size(where, mask.shape, size)
    return mask


def mask_of_image(path: Path, where: str, image: AnnotatedImage) -> NDArray[np.bool_]:
    """A mask, scaled to its image where it was drawn at another size of the same shape.

    Args:
        path, where: as of :func:`read_mask`.
        image: that it belongs to.

    Raises:
        ImageError: as :func:`read_mask`; a size that differs by more than a scale.
    """
    return resized(_binary(_values(path, where), where), where, image)


def label_of_image(
    path: Path, value: int, names: Mapping[int, str], where: str, image: AnnotatedImage
) -> NDArray[np.bool_]:
    """The mask of one value of a label map.

    Args:
        path: the file; of a picture with a palette the indices count, and 255 is its border.
        value: of the label.
        names: value → label, of all its labels.
        where, image: as of :func:`mask_of_image`.

    Raises:
        ImageError: as :func:`mask_of_image`; a value beside 0 that has no name.
    """
    values = _recent_label_map(path, path.stat().st_mtime_ns if path.exists() else 0)
    unnamed = sorted(set(np.unique(values).tolist()) - set(names) - {0})
    if unnamed:
        listed = ", ".join(f"{number:g}" for number in unnamed[:8])
        fix = f"give --mask-label {unnamed[0]:g}=NAME"
        raise ImageError(f"{where} holds values without a name: {listed}", fix)
    of_label: NDArray[np.bool_] = values == value
    return resized(of_label, where, image)


def label_values(path: Path, where: str) -> NDArray[Any]:
    """(H, W) whole numbers of a label map.

    Args:
        path, where: as of :func:`read_mask`.

    Raises:
        ImageError: missing or damaged, several pages, or in colours.
    """
    if is_nifti(path) or path.suffix.lower() == ".npy":
        values: NDArray[Any] = np.asarray(_values(path, where))
        return values
    image = read_image(path)
    pixels = image.pixels
    indices = _palette_indices(path)
    if indices is not None:
        return np.where(indices == _BORDER, 0, indices)
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    if pixels.ndim == 3:
        raise ImageError(f"{where} is in colours", "save numbers: one value a label")
    if image.source.get("frames", 1) > 1:
        raise ImageError(f"{where} has several pages", "save one label map a file")
    white = 2 ** int(image.source["bits"]) - 1
    numbers: NDArray[np.int64] = np.rint(pixels * white).astype(np.int64)
    return numbers


@lru_cache(maxsize=2)
def _recent_label_map(path: Path, changed: int) -> NDArray[Any]:
    """A label map; its labels are requested one after the other."""
    return label_values(path, f"mask {path}")


def _palette_indices(path: Path) -> NDArray[Any] | None:
    """Indices of a picture with a palette, as VOC's masks; None for any other."""
    from PIL import Image

    if path.suffix.lower() not in (".png", ".bmp", ".tif", ".tiff", ".gif"):
        return None
    try:
        with Image.open(path) as picture:
            return np.asarray(picture).astype(np.int64) if picture.mode == "P" else None
    except OSError:
        return None  # of a kind that Pillow does not read, and so without a palette


def resized(mask: NDArray[np.bool_], where: str, image: AnnotatedImage) -> NDArray[np.bool_]:
    """A mask in the pixels of its image, by nearest neighbour.

    Args:
        mask: (H, W), at any size of the image's shape.
        where: names the mask.
        image: that it belongs to.

    Raises:
        ImageError: its size differs by more than a scale.

    >>> mask = np.array([[True, False]])
    >>> resized(mask, "mask a", AnnotatedImage((2, 4))).astype(int).tolist()
    [[1, 1, 0, 0], [1, 1, 0, 0]]
    """
    if mask.shape == tuple(image.size):
        return mask
    image.factors(where, mask.shape)
    height, width = image.size
    rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(int)
    scaled: NDArray[np.bool_] = mask[rows][:, columns]
    return scaled


def _values(path: Path, where: str) -> NDArray[Any]:
    """(H, W) or (H, W, 3) values of a mask file of any kind."""
    if is_nifti(path):
        return nifti_values(path, where)
    if path.suffix.lower() == ".npy":
        return _array(path, where)
    return _picture(path, where)


def _binary(values: NDArray[Any], where: str) -> NDArray[np.bool_]:
    cells = values.reshape(*values.shape[:2], -1)  # the last axis holds the colours
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
    if is_nifti(path):
        height, width = nifti_values(path, f"mask {path}").shape
        return int(height), int(width)
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
