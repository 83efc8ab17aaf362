"""Masks of volumes: NIfTI and DICOM SEG, on the voxels of the volume that they annotate."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import ImageError
from camlucida.core.orientation import Affine
from camlucida.io.annotations.annotation import Mask, VoxelGrid
from camlucida.io.annotations.nifti import is_nifti
from camlucida.io.volumes import Volume, read_volume

SAME_PLACE = 0.1
"""Voxels by which a corner of the mask may lie off that of its volume; affines are rounded."""

MOST_OUTSIDE = 0.05
"""Share of an annotation that may lie outside the volume. More is that of another volume."""

_FIX = "give the mask of this volume, on its voxels or in the same coordinates of the patient"


def volume_mask(path: Path, where: str, grid: VoxelGrid) -> Mask:
    """A mask of one label, from a NIfTI file.

    Args:
        path: of the file; 0 is outside and one other value inside.
        where: names the mask.
        grid: voxels of the volume that it is of.

    Returns:
        (D, H, W) bool on the voxels of the volume, by nearest neighbour where the mask has others.

    Raises:
        ImageError: no NIfTI file, more than one value beside 0, or it lies elsewhere.
    """
    volume = _recent(path, where)
    values = np.unique(volume.values)
    distinct = len(values[values != 0])
    if distinct > 1:
        raise ImageError(
            f"{where} holds {distinct} different values beside 0",
            "save one mask a label, or name the values of a label map: --mask-label 1=NAME",
        )
    return _on_grid(volume.values != 0, volume, where, grid)


def volume_label(
    path: Path, value: int, names: Mapping[int, str], where: str, grid: VoxelGrid
) -> Mask:
    """The mask of one value of a label map, from a NIfTI file.

    Args:
        path, where, grid: as of :func:`volume_mask`.
        value: of the label.
        names: value → label, of all its labels.

    Raises:
        ImageError: as :func:`volume_mask`; a value beside 0 that has no name.
    """
    volume = _recent(path, where)
    unnamed = sorted(set(np.unique(volume.values).tolist()) - set(names) - {0})
    if unnamed:
        listed = ", ".join(f"{number:g}" for number in unnamed[:8])
        fix = f"give --mask-label {unnamed[0]:g}=NAME"
        raise ImageError(f"{where} holds values without a name: {listed}", fix)
    return _on_grid(volume.values == value, volume, where, grid)


def segment_mask(segmentation: Any, number: int, where: str, grid: VoxelGrid) -> Mask:
    """The mask of one segment of a DICOM segmentation.

    Args:
        segmentation: of highdicom.
        number: of the segment.
        where, grid: as of :func:`volume_mask`.

    Raises:
        ImageError: its frames are no regular volume, or it lies elsewhere.
    """
    try:
        volume = segmentation.get_volume(segment_numbers=[number])
    except (ValueError, RuntimeError, AttributeError) as error:
        raise ImageError(f"{where}: its frames are no volume", "export it on all slices") from error
    values = np.asarray(volume.array)
    mask: Mask = values.reshape(values.shape[:3]) >= 0.5
    # DICOM's x runs to the left and y to the back.
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(volume.affine, np.float64)
    return on_voxels(mask, affine, where, grid)


def map_values(path: Path) -> set[float]:
    """The distinct values of a label map in NIfTI.

    Args:
        path: of the file.

    Raises:
        ImageError: it cannot be read.
    """
    return set(np.unique(_recent(path, f"mask {path}").values).tolist())


def on_voxels(mask: Mask, affine: Affine, where: str, grid: VoxelGrid) -> Mask:
    """A mask on the voxels of a volume, by nearest neighbour through the patient's coordinates.

    Args:
        mask: (d, h, w).
        affine: (4, 4), its indices → mm in the patient.
        where: names the mask.
        grid: voxels of the volume.

    Raises:
        ImageError: more than :data:`MOST_OUTSIDE` of it lies outside the volume, or no voxel is
            left.

    >>> mask = np.ones((1, 2, 2), bool)
    >>> grid = VoxelGrid((1, 4, 4), np.diag([1.0, 0.5, 0.5, 1.0]))
    >>> int(on_voxels(mask, np.eye(4), "mask a", grid).sum())
    9
    """
    from scipy import ndimage

    if mask.shape == grid.size and _is_same_place(affine, grid):
        return mask
    to_mask = np.linalg.inv(affine) @ grid.affine
    to_grid = np.asarray(np.linalg.inv(to_mask), np.float64)
    outside = _share_outside(mask, to_grid, grid.size)
    if outside > MOST_OUTSIDE:
        raise ImageError(f"{where}: {outside:.0%} of it lies outside the volume", _FIX)
    placed: Mask = ndimage.affine_transform(
        mask, to_mask[:3, :3], to_mask[:3, 3], output_shape=grid.size, order=0
    )
    if mask.any() and not placed.any():
        raise ImageError(f"{where}: no voxel of the volume lies in it", _FIX)
    return placed


def _on_grid(mask: Mask, volume: Volume, where: str, grid: VoxelGrid) -> Mask:
    if volume.oriented and grid.oriented:
        return on_voxels(mask, volume.affine, where, grid)
    if mask.shape != grid.size:
        sizes = (" × ".join(map(str, size)) for size in (mask.shape, grid.size))
        of_mask, of_volume = sizes
        raise ImageError(
            f"{where} is {of_mask} for a volume of {of_volume}, and one of them states no place "
            "in the patient",
            "bring it to the voxels of the volume, by nearest neighbour",
        )
    return mask


def _is_same_place(affine: Affine, grid: VoxelGrid) -> bool:
    last = np.array(grid.size) - 1.0
    corners = np.array([[*(last * corner), 1] for corner in np.ndindex(2, 2, 2)])
    apart = corners @ (np.linalg.inv(grid.affine) @ affine).T - corners
    return bool(np.abs(apart).max() < SAME_PLACE)


def _share_outside(mask: Mask, to_grid: NDArray[np.float64], size: tuple[int, ...]) -> float:
    """Share of the mask's voxels whose centre is in no voxel of the grid."""
    inside = np.argwhere(mask)
    if not len(inside):
        return 0.0
    there = inside @ to_grid[:3, :3].T + to_grid[:3, 3]
    held = ((there > -0.5) & (there < np.array(size) - 0.5)).all(1)
    return 1.0 - float(held.mean())


def _recent(path: Path, where: str) -> Volume:
    if not is_nifti(path):
        raise ImageError(f"{where} annotates an image, not a volume", "give NIfTI or DICOM SEG")
    return _read(path, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=2)
def _read(path: Path, changed: int) -> Volume:
    """A mask file; its labels are requested one after the other."""
    return read_volume(path)
