"""Three planes through a voxel of a volume, as radiologists look at them, in square pixels.

Axial and coronal planes are seen from the feet and from the front: the patient's right is at the
left of the picture. A sagittal plane has the patient's front at its left. The head is up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from camlucida.core.orientation import AxisOrder, opposite, order_to, spacing
from camlucida.core.volume_scan import VolumeScan

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
PlaneName = Literal[
    "axial", "coronal", "sagittal", "across_slices", "across_rows", "across_columns"
]

SHOWN = "SPL"
"""Axes in which planes are cut: to the head, to the back, to the left."""

LARGEST = 700
"""Pixels of the longest side of a plane."""

NAMES: tuple[tuple[PlaneName, PlaneName], ...] = (
    ("axial", "across_slices"),
    ("coronal", "across_rows"),
    ("sagittal", "across_columns"),
)
"""Of the plane across each axis, with and without known directions."""


@dataclass(frozen=True)
class Plane:
    """One plane of a volume.

    Attributes:
        name: which.
        film: (h, w) grey.
        values: (h, w) of the map.
        truth: (h, w) of the annotation, 0 to 1; None without one.
        edges: the patient's direction at the left, right, top and bottom; "" where unknown.
        at: row and column of the voxel that all planes pass.
        axis: of the stored array that the plane lies across.
        number, count: of the plane among those of this axis, from 0.
    """

    name: PlaneName
    film: Pixels
    values: Floats
    edges: tuple[str, str, str, str]
    at: tuple[float, float]
    axis: int
    number: int
    count: int
    truth: Floats | None = None


@dataclass(frozen=True)
class Planes:
    """The three planes, in one scale.

    Attributes:
        planes: axial, coronal, sagittal; or across slices, rows, columns.
        mm: of one pixel.
    """

    planes: tuple[Plane, Plane, Plane]
    mm: float


def planes_through(
    scan: VolumeScan,
    values: Floats,
    voxel: tuple[int, int, int],
    window: tuple[float, float],
    truth: NDArray[np.bool_] | None = None,
) -> Planes:
    """The planes of a volume and its map through a voxel.

    Args:
        scan: the volume.
        values: (D, H, W), the map in the voxels of the file.
        voxel: slice, row and column.
        window: (low, high) of the volume's values that become black and white.
        truth: (D, H, W), the annotation in the voxels of the file; None without one.
    """
    order = order_to(scan.affine, SHOWN) if scan.oriented else AxisOrder()
    arrays = [order.apply(scan.voxels), order.apply(values)]
    if truth is not None:
        arrays.append(order.apply(truth.astype(np.float32)))
    marker = np.zeros(scan.voxels.shape, bool)
    marker[voxel] = True
    at = tuple(np.argwhere(order.apply(marker))[0].tolist())
    steps = np.array(spacing(scan.affine))[list(order.axes)]
    extent = steps * arrays[0].shape
    mm = float(extent.max()) / LARGEST
    first, second, third = (
        _plane(scan, order, arrays, at, (axis, steps, mm), window) for axis in range(3)
    )
    return Planes((first, second, third), mm)


def _plane(
    scan: VolumeScan,
    order: AxisOrder,
    arrays: Sequence[Floats],
    at: tuple[int, ...],
    about: tuple[int, NDArray[np.float64], float],
    window: tuple[float, float],
) -> Plane:
    axis, steps, mm = about
    down, across = (other for other in range(3) if other != axis)
    # The head is up; slices of unknown direction begin at the top.
    head_up = down == 0 and scan.oriented
    size = tuple(max(1, round(arrays[0].shape[each] * steps[each] / mm)) for each in (across, down))
    cut = [np.take(array, at[axis], axis=axis) for array in arrays]
    turned = [_resized(_turned(each, head_up), (size[0], size[1])) for each in cut]
    film, values = turned[0], turned[1]
    truth = turned[2] if len(turned) > 2 else None
    rows, columns = arrays[0].shape[down], arrays[0].shape[across]
    row = rows - 1 - at[down] if head_up else at[down]
    middle = (row + 0.5) * size[1] / rows - 0.5, (at[across] + 0.5) * size[0] / columns - 0.5
    stored = order.axes[axis]
    count = scan.voxels.shape[stored]
    number = count - 1 - at[axis] if order.flipped[axis] else at[axis]
    edges = edges_of(axis, scan.oriented)
    name = NAMES[axis][0 if scan.oriented else 1]
    return Plane(
        name, grey_levels(film, window), values, edges, middle, stored, number, count, truth
    )


def edges_of(axis: int, oriented: bool = True) -> tuple[str, str, str, str]:
    """The patient's directions at the left, right, top and bottom of a plane.

    Args:
        axis: of the shown voxels that the plane lies across.
        oriented: whether directions are known; "" each where they are not.

    >>> edges_of(0), edges_of(1)
    (('R', 'L', 'A', 'P'), ('R', 'L', 'S', 'I'))
    """
    if not oriented:
        return "", "", "", ""
    down, across = (other for other in range(3) if other != axis)
    right, bottom = SHOWN[across], SHOWN[down]
    if down == 0:  # turned so that the head is up
        bottom = opposite(bottom)
    return opposite(right), right, opposite(bottom), bottom


def _turned(plane: Floats, head_up: bool) -> Floats:
    return np.ascontiguousarray(plane[::-1] if head_up else plane, np.float32)


def _resized(plane: Floats, size: tuple[int, int]) -> Floats:
    """To width and height, linearly, without smoothing where it becomes smaller."""
    picture = Image.fromarray(plane)
    is_smaller = size[0] < picture.width or size[1] < picture.height
    kernel = Image.Resampling.BOX if is_smaller else Image.Resampling.BILINEAR
    return np.asarray(picture.resize(size, kernel), np.float32)


def grey_levels(plane: Floats, window: tuple[float, float]) -> Pixels:
    """Values as 8 bits.

    Args:
        plane: (h, w).
        window: (low, high) that become black and white; one grey where they are equal.

    >>> grey_levels(np.array([[0, 5, 10]], np.float32), (0, 10)).tolist()
    [[0, 128, 255]]
    """
    low, high = window
    if high <= low:
        return np.full(plane.shape, 128, np.uint8)
    unit = np.clip((plane - low) / (high - low), 0, 1)
    return np.asarray(np.rint(unit * 255), np.uint8)


PERCENTILES = (0.5, 99.5)
"""Of a volume of which no window is stated, the values that become black and white."""

SOFT_TISSUE = (-160.0, 240.0)
"""Hounsfield units that become black and white in a CT of which no window is stated: level 40,
width 400."""

_AIR = (-1100.0, -900.0)
_LEAST = 0.01
"""Share of the voxels of air, and of soft tissue, in values taken for Hounsfield units."""

WindowSource = Literal["file", "model", "tissue", "volume"]


def shown_window(scan: VolumeScan) -> tuple[tuple[float, float], WindowSource]:
    """(low, high) of what is shown, and where it is from: the file, the model's card, soft tissue
    in Hounsfield units, or the percentiles of the volume.

    Args:
        scan: the volume.
    """
    if scan.window is not None:
        return scan.window, "file"
    if scan.model_window is not None:
        return scan.model_window, "model"
    if _is_ct(scan):
        return SOFT_TISSUE, "tissue"
    low, high = np.percentile(scan.voxels, PERCENTILES)
    return (float(low), float(high)), "volume"


def _is_ct(scan: VolumeScan) -> bool:
    """Whether values are Hounsfield units: the file says so, or they are air and soft tissue."""
    if scan.source.get("unit") == "HU":
        return True
    return all(_share(scan.voxels, ends) >= _LEAST for ends in (_AIR, SOFT_TISSUE))


def _share(values: Floats, ends: tuple[float, float]) -> float:
    return float(((values >= ends[0]) & (values <= ends[1])).mean())
