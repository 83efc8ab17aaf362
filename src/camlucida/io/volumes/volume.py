"""One volume as read from files, and what its readers share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import ImageError
from camlucida.core.messages import Message, declare
from camlucida.core.orientation import Affine, axis_codes, spacing

declare(
    "volume",
    {
        "first_frame": "volume 0 of {frames} is read; choose another with a frame number",
        "no_directions": (
            "the file states no directions of the patient: left and right are as nibabel assumes "
            "them, and no picture names them"
        ),
        "two_forms": (
            "its qform and sform place it differently, by up to {distance:.1f} mm; "
            "the sform was followed"
        ),
        "copies": "{count} {count:|file is a copy|files are copies} of another, and left out",
        "uneven": (
            "distances of slices vary from {least:.3g} to {most:.3g} mm; their mean is used"
        ),
        "sheared": "its slices are shifted against each other (a tilted gantry) by {angle:.1f}°",
    },
)

MAX_VOXELS = 2**29
"""Most voxels of a volume: 2 GiB of float32. A larger claim is refused unread."""


@dataclass(frozen=True)
class Volume:
    """A volume in its own voxels, before any model's preprocessing.

    Attributes:
        values: (D, H, W) = (slices, rows, columns) float32 in the units of the file: Hounsfield
            units of a CT, whatever a scanner wrote of an MRI.
        affine: (4, 4), (slice, row, column, 1) → mm in the patient: x to the right, y to the front,
            z to the head.
        id: short name.
        oriented: whether the file states directions; without, ``affine`` is an assumption.
        window: (low, high) in the units of the file that it asks to be shown in; None without.
        source: {"path", "sha256", "format", "size" (D, H, W), "spacing_mm", "orientation", …}; no
            patient attributes.
        warnings: for the person who reads the result.
        synthetic: the file says that it was generated.
    """

    values: NDArray[np.float32]
    affine: Affine
    id: str
    oriented: bool = True
    window: tuple[float, float] | None = None
    source: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[Message, ...] = ()
    synthetic: bool = False


def placed(affine: Affine, size: tuple[int, ...]) -> dict[str, Any]:
    """What a record says of where a volume lies.

    Args:
        affine: (4, 4), (slice, row, column, 1) → mm.
        size: (D, H, W).

    >>> placed(np.diag([2.0, 1.0, 1.0, 1.0]), (4, 8, 8))["spacing_mm"]
    [2.0, 1.0, 1.0]
    """
    return {
        "size": list(size),
        "spacing_mm": [round(step, 6) for step in spacing(affine)],
        "orientation": axis_codes(affine),
        "affine": affine.tolist(),
    }


def check_voxels(path: Path, *size: int) -> None:
    """Refuse a volume that claims no voxels, or more than :data:`MAX_VOXELS`, unread.

    Args:
        path: for the message.
        size: of each axis.

    Raises:
        ImageError: no voxels, or too many.

    >>> check_voxels(Path("a.nii"), 300, 512, 512)
    """
    claimed = " × ".join(map(str, size))
    if min(size) < 1:
        raise ImageError(f"{path} claims {claimed} voxels: there is no image in it")
    voxels = 1
    for side in size:
        voxels *= int(side)
    if voxels > MAX_VOXELS:
        raise ImageError(
            f"{path} claims {claimed} voxels; the limit is {MAX_VOXELS:,}",
            "resample it or cut the region out first",
        )


def check_affine(path: Path, affine: Affine) -> None:
    """Refuse an affine that no voxels can be placed by.

    Args:
        path: for the message.
        affine: (4, 4), indices → mm.

    Raises:
        ImageError: a number that is not finite, or axes without length or in one plane.

    >>> check_affine(Path("a.nii"), np.eye(4))
    """
    is_finite = bool(np.isfinite(affine).all())
    lengths = spacing(affine) if is_finite else (0.0, 0.0, 0.0)
    volume = abs(float(np.linalg.det(affine[:3, :3]))) if is_finite else 0.0
    if min(lengths) <= 0 or volume < 1e-3 * np.prod(lengths):
        raise ImageError(
            f"{path} states axes that are no box: {_shown(lengths)} mm long, {volume:.3g} mm³",
            "write its affine again from the source",
        )


def check_finite(path: Path, values: NDArray[np.float32]) -> None:
    """Refuse values that are not finite: a network would make all of its output of them.

    Args:
        path: for the message.
        values: of any shape.

    Raises:
        ImageError: there is one.

    >>> check_finite(Path("a.nii"), np.zeros(3, np.float32))
    """
    count = int(values.size - np.count_nonzero(np.isfinite(values)))
    if count:
        raise ImageError(
            f"{path} holds {count:,} values that are not finite",
            "replace them as in training, for instance by the value of air",
        )


def _shown(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:.3g}" for number in numbers)
