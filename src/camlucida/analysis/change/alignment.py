"""How two images lie on each other, as a registration found it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.analysis.change.resampling import Floats, is_inside, pixel_points, values_at
from camlucida.core.messages import Message, declare

declare(
    "alignment",
    {
        "mirrored": (
            "the second image fits the first better when it is mirrored (correlation of small "
            "images {mirrored:.3f}, unmirrored {plain:.3f}): one of them may be mirrored, or they "
            "are of two patients"
        ),
    },
)

GAIN = 1e-3
"""Smallest gain in correlation that counts: less is rounding and resampling."""


@dataclass(frozen=True)
class AlignmentQuality:
    """How alike two images are where they overlap.

    Attributes:
        correlation: Pearson, of grey levels.
        information: mutual information in nats, of 32 × 32 grey levels.
        overlap: share of the first image that lies on the second.
    """

    correlation: float
    information: float
    overlap: float


@dataclass(frozen=True)
class Mirror:
    """The best correlation of two small images, the second as it is and mirrored."""

    plain: float
    mirrored: float

    @property
    def suspected(self) -> bool:
        """The mirrored image fits better: one may be mirrored, or they are of two patients."""
        return self.mirrored > self.plain + GAIN

    @property
    def warning(self) -> Message | None:
        """What the reader should know; None where the second image fits best as it is."""
        if not self.suspected:
            return None
        return Message("alignment.mirrored", {"mirrored": self.mirrored, "plain": self.plain})


@dataclass(frozen=True)
class Alignment:
    """Where each point of the image before lies on the image after.

    ``after = matrix @ before + offset``, both (row, column), pixel centres at whole numbers: what
    ``scipy.ndimage`` takes to resample the image after in the pixels of the image before.

    Attributes:
        matrix: (2, 2).
        offset: (2,).
        size: (H, W) of the image before.
        rotation: degrees, clockwise on the screen, from before to after.
        magnification: from before to after, in their pixels, beyond the ratio of the sizes.
        shift: (rows, columns) by which the centre of the image before moves, in pixels of the image
            after.
        unaligned, aligned: how alike the images are centre over centre, and by this alignment.
        refused: why the images were not aligned; None if they were. The alignment is then centre
            over centre.
        mirror: whether the second image fits better mirrored; None where no alignment was searched.
    """

    matrix: Floats
    offset: Floats
    size: tuple[int, int]
    rotation: float
    magnification: float
    shift: tuple[float, float]
    unaligned: AlignmentQuality
    aligned: AlignmentQuality
    refused: Message | None = None
    mirror: Mirror | None = None

    @property
    def moved(self) -> bool:
        """Whether the images were aligned, beyond centre over centre."""
        return self.refused is None

    def carry(self, values: NDArray[Any], outside: float = np.nan) -> Floats:
        """Values of the image after, resampled linearly at the pixels of the image before.

        Args:
            values: (H', W') or (H', W', C).
            outside: value of pixels that do not lie on the image after.

        Returns:
            (H, W) or (H, W, C).
        """
        if values.ndim == 3:
            planes = [self.carry(values[..., i], outside) for i in range(values.shape[2])]
            return np.stack(planes, axis=-1)
        points = pixel_points(self.size, self.matrix, self.offset)
        sampled = values_at(values.astype(np.float64), points)
        inside = is_inside(points, values.shape)
        return np.asarray(np.where(inside, sampled, outside))

    def back(self, values: NDArray[Any], size: tuple[int, int]) -> Floats:
        """Values of the image before, resampled linearly at the pixels of an image after.

        Args:
            values: (H, W).
            size: (H', W') of the image after.

        Returns:
            (H', W'); beyond the edge of the image before, the edge's value.
        """
        matrix = np.asarray(np.linalg.inv(self.matrix), np.float64)
        offset = -matrix @ self.offset
        points = pixel_points(size, matrix, offset)
        return values_at(values.astype(np.float64), points)
