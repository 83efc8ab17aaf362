"""From a numeric map to a binary mask and its boxes, in the map's own pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

MASK_FRACTION = 0.5
"""Half of the maximum: the usual definition of a peak's extent, and stated wherever a mask is
shown.
"""


WHOLE_IMAGE = 0.8
"""Share of the image from which up a box says nothing of where the map is high."""


@dataclass(frozen=True)
class Box:
    """The bounding box of one connected component, in pixels of the image.

    ``x``, ``y`` is the upper left corner.

    Attributes:
        x, y, width, height: whole pixels.
        area: pixels of the component, not of the box.
        peak: largest value of the map in it.
        mean: mean value of the map over the component.
    """

    x: int
    y: int
    width: int
    height: int
    area: int
    peak: float
    mean: float

    def covers(self, size: tuple[int, int]) -> bool:
        """Whether the box covers nearly all of the image, and so locates nothing.

        Args:
            size: (H, W) of the image.

        >>> Box(0, 0, 9, 10, area=80, peak=1.0, mean=0.9).covers((10, 10))
        True
        """
        height, width = size
        return self.width * self.height >= WHOLE_IMAGE * height * width


def binary_mask(values: NDArray[np.floating], fraction: float = MASK_FRACTION) -> NDArray[np.bool_]:
    """Where the map is at least ``fraction`` of its maximum.

    Nowhere if the maximum is not above zero.

    Args:
        values: (H, W).
        fraction: in (0, 1].
    """
    peak = float(values.max(initial=0.0))
    return (values >= fraction * peak) if peak > 0 else np.zeros(values.shape, bool)


def boxes(mask: NDArray[np.bool_], values: NDArray[np.floating]) -> list[Box]:
    """One box a connected component (8-neighbourhood) of ``mask`` (H, W), highest peak first."""
    parts, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    drawn = []
    for number, window in enumerate(ndimage.find_objects(parts), start=1):
        inside = values[window][parts[window] == number]
        rows, columns = window
        drawn.append(
            Box(
                columns.start,
                rows.start,
                columns.stop - columns.start,
                rows.stop - rows.start,
                inside.size,
                float(inside.max()),
                float(inside.mean()),
            )
        )
    return sorted(drawn, key=lambda box: -box.peak)
