"""Where a map of a volume is highest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from camlucida.attribution.explanation import Explanation
from camlucida.core.volume_scan import VolumeScan


@dataclass(frozen=True)
class Peak:
    """A voxel of the file.

    Attributes:
        voxel: slice, row and column, from 0.
        mm: x to the right, y to the front, z to the head.
    """

    voxel: tuple[int, int, int]
    mm: tuple[float, float, float]


def map_peak(explanation: Explanation, scan: VolumeScan) -> Peak:
    """The middle of the highest cell of a map; of one that is nowhere above 0, of the largest
    magnitude. Of a map without evidence, the middle of what the model saw.

    Not the highest voxel: towards the border of the input an interpolated map stays level, and its
    first voxel there is a corner.

    Args:
        explanation: of a volume.
        scan: its volume.
    """
    cells = explanation.map(explanation.grid).numpy()
    cells = cells if cells.max() > 0 else np.abs(cells)
    cell = np.unravel_index(int(np.argmax(cells)), cells.shape)
    sizes = explanation.geometry().model
    on_model = [(i + 0.5) * n / count for i, n, count in zip(cell, sizes, cells.shape)]
    if explanation.is_empty:
        on_model = [n / 2 for n in sizes]
    whole = scan.whole
    if len(on_model) == 2:  # stacked slices: the middle of them
        on_model = [whole.model[0] / 2, *on_model]
    there = whole.to_original(on_model)
    ordered = []
    for edge, (first, end) in zip(there, whole.seen()):
        # Voxel i covers [i, i + 1]; a cell in padding has its middle outside of the volume.
        ordered.append(min(max(int(np.floor(edge)), first), max(first, end - 1)))
    d, h, w = (int(i) for i in scan.order.to_stored(tuple(ordered), scan.voxels.shape))
    x, y, z = (scan.affine @ [d, h, w, 1])[:3].tolist()
    return Peak((d, h, w), (x, y, z))
