"""Slices of a DICOM series or of a multi-frame file: their order, and where the volume lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from camlucida.core.errors import ImageError
from camlucida.core.messages import Message
from camlucida.core.orientation import Affine
from camlucida.io.image import HeaderError
from camlucida.io.volumes.volume import check_affine

Vector = NDArray[np.float64]

SAME_PLACE = 1e-3
"""mm below which two slices lie at one place."""

UNEVEN = 0.02
"""Share of the mean distance of slices from which up their differences are said."""

GAP = 0.5
"""Share of the usual distance by which one may differ: beyond it a slice is missing."""

_STRAIGHT = 1e-3
"""Largest difference of two direction cosines that are the same but for rounding."""

_SHEARED = 0.5
"""Degrees between the slices' normal and the line through them from which up it is said."""


@dataclass(frozen=True)
class SlicePlane:
    """Where one slice lies.

    Attributes:
        position: (3,) of the centre of its first pixel, in mm of DICOM: to the left, to the back,
            to the head.
        across: (3,) unit vector along a row, towards higher columns.
        down: (3,) unit vector along a column, towards higher rows.
        row_mm, column_mm: distance of rows, and of columns.
    """

    position: Vector
    across: Vector
    down: Vector
    row_mm: float
    column_mm: float

    @property
    def normal(self) -> Vector:
        """(3,) unit vector out of the slice."""
        return np.cross(self.across, self.down)


def plane_of(position: Any, orientation: Any, pixel_spacing: Any) -> SlicePlane:
    """A slice's plane from the elements of its header.

    Args:
        position: ImagePositionPatient.
        orientation: ImageOrientationPatient.
        pixel_spacing: PixelSpacing, rows first.

    Raises:
        HeaderError: an element is missing, or is not as many numbers as it should be.

    >>> plane_of([0, 0, 5], [1, 0, 0, 0, 1, 0], [2, 3]).normal.tolist()
    [0.0, 0.0, 1.0]
    """
    where = _numbers(position, 3, "ImagePositionPatient")
    cosines = _numbers(orientation, 6, "ImageOrientationPatient")
    row_mm, column_mm = _numbers(pixel_spacing, 2, "PixelSpacing").tolist()
    across, down = cosines[:3], cosines[3:]
    lengths = np.linalg.norm(across), np.linalg.norm(down)
    is_square = abs(float(across @ down)) < 1e-2 and min(lengths) > 0.9 and max(lengths) < 1.1
    if not is_square:
        raise HeaderError("its ImageOrientationPatient is not two directions at a right angle")
    return SlicePlane(where, across / lengths[0], down / lengths[1], row_mm, column_mm)


def plane_of_dataset(path: Path, dataset: Dataset) -> SlicePlane:
    """The plane of a single-frame image.

    Args:
        path: of the file, for messages.
        dataset: its header.

    Raises:
        ImageError: it does not say where it lies, as a radiograph does not.
        HeaderError: as :func:`plane_of`.
    """
    keywords = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    absent = [keyword for keyword in keywords if dataset.get(keyword) in (None, "")]
    if absent:
        raise ImageError(
            f"{path} does not say its {', '.join(absent)}: it is no slice of a volume",
            "explain it as an image",
        )
    return plane_of(*(dataset.get(keyword) for keyword in keywords))


@dataclass(frozen=True)
class Stack:
    """Slices in order.

    Attributes:
        order: numbers of the slices, from one end to the other.
        affine: (4, 4), (slice, row, column, 1) → mm in the patient (RAS).
        notes: on uneven distances and a tilted gantry.
    """

    order: tuple[int, ...]
    affine: Affine
    notes: tuple[Message, ...] = ()


def stacked(path: Path, planes: Sequence[SlicePlane]) -> Stack:
    """Sort slices by their positions along the normal; the distances follow from the positions.

    Args:
        path: for messages.
        planes: of the slices, in any order.

    Raises:
        ImageError: one slice alone, several orientations or spacings, two slices at one place, or
            a slice that is missing.

    >>> planes = [plane_of([0, 0, z], [1, 0, 0, 0, 1, 0], [1, 1]) for z in (4, 0, 2)]
    >>> stack = stacked(Path("series"), planes)
    >>> stack.order, stack.affine[:3, 0].tolist()
    ((1, 2, 0), [0.0, 0.0, 2.0])
    """
    if len(planes) < 2:
        raise ImageError(f"{path} has 1 slice: a volume has several", "explain it as an image")
    _check_alike(path, planes)
    first = planes[0]
    heights = np.array([float(plane.position @ first.normal) for plane in planes])
    order = np.argsort(heights, kind="stable")
    steps = np.diff(heights[order])
    notes = _step_notes(path, steps)
    ends = planes[order[0]].position, planes[order[-1]].position
    along = (ends[1] - ends[0]) / (len(planes) - 1)
    affine = np.eye(4)
    affine[:3, 0] = along
    affine[:3, 1] = first.down * first.row_mm
    affine[:3, 2] = first.across * first.column_mm
    affine[:3, 3] = ends[0]
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # DICOM counts to the left and to the back
    check_affine(path, affine)
    cosine = float(along @ first.normal) / float(np.linalg.norm(along))
    angle = float(np.degrees(np.arccos(min(1.0, cosine))))
    if angle > _SHEARED:
        notes += (Message("volume.sheared", {"angle": angle}),)
    return Stack(tuple(order.tolist()), affine, notes)


def _check_alike(path: Path, planes: Sequence[SlicePlane]) -> None:
    first = planes[0]
    for plane in planes:
        turned = max(
            float(np.abs(plane.across - first.across).max()),
            float(np.abs(plane.down - first.down).max()),
        )
        if turned > _STRAIGHT:
            raise ImageError(
                f"{path} has slices of several orientations (a localiser among them?)",
                "put the slices of one orientation into a folder of their own",
            )
        ratio = plane.row_mm / first.row_mm, plane.column_mm / first.column_mm
        if max(abs(share - 1) for share in ratio) > 1e-3:
            raise ImageError(
                f"{path} has slices of different PixelSpacing: {first.row_mm:g} and "
                f"{plane.row_mm:g} mm between rows",
                "put the slices of one spacing into a folder of their own",
            )


def _step_notes(path: Path, steps: NDArray[np.float64]) -> tuple[Message, ...]:
    usual = float(np.median(steps))
    least, most = float(steps.min()), float(steps.max())
    if least < SAME_PLACE:
        count = int((steps < SAME_PLACE).sum())
        raise ImageError(
            f"{path} has {count} more slices than places (several times, echoes or phases)",
            "put one volume into a folder of its own",
        )
    if most > (1 + GAP) * usual or least < (1 - GAP) * usual:
        worst = int(np.argmax(np.abs(steps - usual)))
        raise ImageError(
            f"{path} has a gap: slices {worst + 1} and {worst + 2} are {steps[worst]:.3g} mm "
            f"apart, the others {usual:.3g} mm",
            "copy the missing slices, or resample the volume to even distances",
        )
    if most - least > UNEVEN * usual:
        return (Message("volume.uneven", {"least": least, "most": most}),)
    return ()


def _numbers(value: Any, count: int, keyword: str) -> Vector:
    if value is None:
        raise HeaderError(f"it has no {keyword}")
    try:
        numbers = np.array([float(each) for each in value], np.float64)
    except (TypeError, ValueError):
        # Not chained: the error of Python quotes the text.
        raise HeaderError(f"its {keyword} holds no numbers") from None
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise HeaderError(f"its {keyword} is not {count} finite numbers")
    return numbers
