"""From a numeric map of a volume to the parts of it that are high, in the map's own voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class VolumeRegion:
    """One connected component of a mask (26-neighbourhood), in voxels of the volume.

    Attributes:
        first, last: slice, row and column of the corners of its bounding box, both in it.
        voxels: of the component, not of the box.
        peak: largest value of the map in it.
    """

    first: tuple[int, int, int]
    last: tuple[int, int, int]
    voxels: int
    peak: float


def volume_regions(mask: NDArray[np.bool_], values: NDArray[np.floating]) -> list[VolumeRegion]:
    """One region a connected component of a mask, highest peak first.

    Args:
        mask: (D, H, W).
        values: (D, H, W), the map.

    >>> mask = np.zeros((2, 2, 3), bool)
    >>> mask[0, 0, 0] = mask[1, 1, 2] = mask[0, 1, 2] = True
    >>> [(region.first, region.voxels) for region in volume_regions(mask, mask * 1.0)]
    [((0, 0, 0), 1), ((0, 1, 2), 2)]
    """
    from scipy import ndimage

    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3), bool))
    numbers = range(1, count + 1)
    regions = []
    for number, box in zip(numbers, ndimage.find_objects(labels)):
        inside = labels[box] == number
        d, h, w = ((side.start, side.stop - 1) for side in box)
        top = float(values[box][inside].max())
        first, last = (d[0], h[0], w[0]), (d[1], h[1], w[1])
        regions.append(VolumeRegion(first, last, int(inside.sum()), top))
    return sorted(regions, key=lambda region: -region.peak)
