"""Directions of a volume's axes in the patient, and their exact reordering.

An affine (4, 4) carries indices of an array, (i, j, k, 1), to millimetres in the patient: x to the
right, y to the front, z to the head (RAS, the convention of NIfTI). A code such as ``SPL`` names
where each axis of the array runs: the first to the head (superior), the second to the back
(posterior), the third to the left. Letters: R or L, A or P, S or I.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Affine = NDArray[np.float64]

_POSITIVE, _NEGATIVE = "RAS", "LPI"


def spacing(affine: Affine) -> tuple[float, float, float]:
    """Distance of neighbouring voxels along each axis of the array.

    Args:
        affine: (4, 4), indices → mm.

    Returns:
        Millimetres, an axis each.

    >>> spacing(np.diag([-2.0, 3.0, 4.0, 1.0]))
    (2.0, 3.0, 4.0)
    """
    first, second, third = np.linalg.norm(affine[:3, :3], axis=0).tolist()
    return first, second, third


def axis_codes(affine: Affine) -> str:
    """Where each axis of the array runs in the patient, to the nearest of the six directions.

    Args:
        affine: (4, 4), indices → mm; no axis has length 0.

    >>> axis_codes(np.diag([-1.0, 1.0, 1.0, 1.0]))
    'LAS'
    """
    cosines = _cosines(affine)
    world = _nearest(cosines)
    letters = [_letter(cosines[of, axis], of) for axis, of in enumerate(world)]
    return "".join(letters)


def tilt(affine: Affine) -> float:
    """The largest angle between an axis of the array and the direction that its code names.

    Args:
        affine: (4, 4), indices → mm.

    Returns:
        Degrees; 0 where the volume lies straight.

    >>> tilt(np.diag([-1.0, 1.0, 1.0, 1.0]))
    0.0
    """
    cosines = np.abs(_cosines(affine))
    along = [float(cosines[of, axis]) for axis, of in enumerate(_nearest(cosines))]
    return float(np.degrees(np.arccos(min(1.0, *along))))


def is_orientation(codes: str) -> bool:
    """Whether three letters name one direction of each axis of the patient.

    >>> is_orientation("RAS"), is_orientation("RLS"), is_orientation("ras")
    (True, False, False)
    """
    world = [_world(letter) for letter in codes]
    return sorted(world) == [0, 1, 2]


@dataclass(frozen=True)
class AxisOrder:
    """An exact reordering of a volume's voxels: axes change places, then some are turned round.

    Attributes:
        axes: which axis of the stored array each axis of the ordered one is.
        flipped: whether the ordered axis runs against it.

    >>> order = AxisOrder((2, 1, 0), (True, False, False))
    >>> values = np.arange(6.0).reshape(1, 2, 3)
    >>> order.apply(values)[:, 0, 0].tolist()
    [2.0, 1.0, 0.0]
    >>> bool((order.invert(order.apply(values)) == values).all())
    True
    """

    axes: tuple[int, int, int] = (0, 1, 2)
    flipped: tuple[bool, bool, bool] = (False, False, False)

    def apply(self, values: NDArray[Any]) -> NDArray[Any]:
        """Stored voxels in the new order.

        Args:
            values: three axes, as stored.
        """
        return self._turned(np.transpose(values, self.axes))

    def invert(self, values: NDArray[Any]) -> NDArray[Any]:
        """The inverse of :meth:`apply`.

        Args:
            values: three axes, in the new order.
        """
        back = np.argsort(self.axes)
        return np.transpose(self._turned(values), back)

    def affine(self, stored: Affine, size: tuple[int, ...]) -> Affine:
        """The affine of the ordered voxels.

        Args:
            stored: (4, 4), of the stored voxels.
            size: of the stored array.

        >>> AxisOrder(flipped=(True, False, False)).affine(np.eye(4), (5, 1, 1))[0].tolist()
        [-1.0, 0.0, 0.0, 4.0]
        """
        to_stored = np.zeros((4, 4))
        to_stored[3, 3] = 1.0
        for axis, (source, is_flipped) in enumerate(zip(self.axes, self.flipped)):
            to_stored[source, axis] = -1.0 if is_flipped else 1.0
            to_stored[source, 3] = size[source] - 1 if is_flipped else 0
        return np.asarray(stored @ to_stored, np.float64)

    def to_stored(self, index: tuple[float, ...], size: tuple[int, ...]) -> tuple[float, ...]:
        """A voxel's indices in the stored array.

        Args:
            index: of the voxel in the new order.
            size: of the stored array.

        >>> AxisOrder((2, 1, 0), (True, False, False)).to_stored((0, 1, 0), (1, 2, 3))
        (0, 1, 2)
        """
        stored = [0.0, 0.0, 0.0]
        for value, source, is_flipped in zip(index, self.axes, self.flipped):
            stored[source] = size[source] - 1 - value if is_flipped else value
        return tuple(stored)

    def _turned(self, values: NDArray[Any]) -> NDArray[Any]:
        steps = tuple(slice(None, None, -1 if each else 1) for each in self.flipped)
        return values[steps]


def order_to(affine: Affine, codes: str) -> AxisOrder:
    """How stored voxels are reordered so that their axes run as ``codes`` says.

    Args:
        affine: (4, 4), of the stored voxels.
        codes: such as ``RAS``, see :func:`is_orientation`.

    >>> order_to(np.diag([-1.0, 1.0, 1.0, 1.0]), "SAR")
    AxisOrder(axes=(2, 1, 0), flipped=(False, False, True))
    """
    stored = axis_codes(affine)
    worlds = [_world(letter) for letter in stored]
    first, second, third = (worlds.index(_world(letter)) for letter in codes)
    axes = first, second, third
    turned = [stored[axis] != letter for axis, letter in zip(axes, codes)]
    return AxisOrder(axes, (turned[0], turned[1], turned[2]))


def opposite(letter: str) -> str:
    """The other end of an axis of the patient.

    >>> opposite("R"), opposite("I")
    ('L', 'S')
    """
    of = _world(letter)
    return _NEGATIVE[of] if letter in _POSITIVE else _POSITIVE[of]


def _cosines(affine: Affine) -> NDArray[np.float64]:
    directions = affine[:3, :3]
    return np.asarray(directions / np.linalg.norm(directions, axis=0), np.float64)


def _nearest(cosines: NDArray[np.float64]) -> tuple[int, ...]:
    """The patient's axis of each array axis, as nibabel (and so MONAI) pairs them.

    Shears are removed; then the axes, the straightest first, take the largest cosine that is left.
    A volume that lies at 45° must be turned as it was in training.
    """
    left, _, right = np.linalg.svd(cosines)
    free = np.abs(left @ right)
    world = [0, 0, 0]
    for axis in np.argsort(-free.max(axis=0), kind="stable"):
        world[axis] = int(np.argmax(free[:, axis]))
        free[world[axis]] = -1.0
    return tuple(world)


def _letter(cosine: float, of: int) -> str:
    return _POSITIVE[of] if cosine > 0 else _NEGATIVE[of]


def _world(letter: str) -> int:
    """0 for right and left, 1 for front and back, 2 for head and feet; −1 for no direction."""
    return max(_POSITIVE.find(letter), _NEGATIVE.find(letter))
