"""A map of a volume in the axes that people look at, and one plane of it as if it were an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from camlucida.attribution.explanation import Explanation
from camlucida.core.geometry import Geometry
from camlucida.core.messages import declare
from camlucida.core.orientation import AxisOrder, order_to, spacing
from camlucida.core.scan import Scan
from camlucida.core.volume_scan import VolumeScan, as_volume, is_volume
from camlucida.figures.style import words
from camlucida.figures.volumes.peak import map_peak
from camlucida.figures.volumes.planes import SHOWN, grey_levels, shown_window

Floats = NDArray[np.float32]

declare(
    "planes",
    {
        "id_axial": "{image}, axial, slice {slice}",
        "id_stored": "{image}, slice {slice}",
    },
)


@dataclass(frozen=True)
class ShownMap:
    """A map whose axes run to the head, to the back and to the left, or as stored.

    Attributes:
        cells: (*grid) after the method's ReLU.
        geometry: shown voxels ↔ the model's, an axis each.
        order: stored voxels → shown ones.
    """

    cells: Floats
    geometry: Geometry
    order: AxisOrder


def shown_order(scan: VolumeScan) -> AxisOrder:
    """Stored voxels → those whose axes run to the head, to the back and to the left.

    Args:
        scan: a volume; one without directions stays as it is stored.
    """
    return order_to(scan.affine, SHOWN) if scan.oriented else AxisOrder()


def shown_map(explanation: Explanation, scan: VolumeScan) -> ShownMap:
    """The cells of a map in the axes that people look at; nothing is interpolated.

    Args:
        explanation: of a volume.
        scan: its volume. The map of stacked slices has one cell across them.
    """
    cells = explanation.map(explanation.grid).numpy()
    cells = cells[None] if cells.ndim == 2 else cells
    order, whole = shown_order(scan), scan.whole
    axes = [scan.order.axes.index(stored) for stored in order.axes]
    sizes = [whole.original[axis] for axis in axes]
    scales, offsets = [], []
    for size, axis, is_flipped in zip(sizes, axes, order.flipped):
        scale, offset = whole.scale[axis], whole.offset[axis]
        if is_flipped != scan.order.flipped[axis]:  # counted from the other end
            scale, offset = -scale, offset + scale * size
        scales.append(scale)
        offsets.append(offset)
    model = tuple(whole.model[axis] for axis in axes)
    geometry = Geometry(tuple(sizes), model, tuple(scales), tuple(offsets))
    return ShownMap(np.ascontiguousarray(cells.transpose(axes)), geometry, order)


def in_one_plane(explanations: Sequence[Explanation]) -> list[Explanation]:
    """Maps of volumes as maps of images: the axial plane through the first map's peak, a volume
    each. Maps of images stay as they are.

    Args:
        explanations: of any images and volumes.

    Returns:
        One an explanation, in the same order. A plane is an image of square pixels, whose id names
        its slice; its map is that of the volume in this plane.
    """
    slices: dict[str, int] = {}
    flat = []
    for explanation in explanations:
        if not is_volume(explanation.scan):
            flat.append(explanation)
            continue
        scan = as_volume(explanation.scan)
        number = slices.setdefault(scan.id, _peak_slice(explanation, scan))
        flat.append(_plane(explanation, scan, number))
    return flat


def flat_map(
    explanation: Explanation, mask: NDArray[np.bool_] | None
) -> tuple[Explanation, NDArray[np.bool_] | None]:
    """A map with its annotation; of a volume those of the axial plane through the map's peak.

    Args:
        explanation: of an image or volume.
        mask: (*geometry.original); None without one.
    """
    (plane,) = in_one_plane([explanation])
    if mask is None or plane is explanation:
        return plane, mask
    return plane, _plane_mask(mask, explanation.scan, plane.scan)


def _plane_mask(mask: NDArray[np.bool_], volume: Scan, plane: Scan) -> NDArray[np.bool_]:
    """What an annotation is in a plane of :func:`in_one_plane`.

    Args:
        mask: (*geometry.original) of the volume.
        volume: the volume's scan.
        plane: that of its plane.
    """
    scan = as_volume(volume)
    shown = shown_order(scan).apply(scan.mask_to_stored(mask))
    height, width = plane.geometry.original
    film = Image.fromarray(shown[int(plane.source["shown_slice"])].astype(np.uint8))
    return np.asarray(film.resize((width, height), Image.Resampling.NEAREST)) > 0


def _peak_slice(explanation: Explanation, scan: VolumeScan) -> int:
    """Number of the axial plane through the peak, in the shown order."""
    order = shown_order(scan)
    stored = map_peak(explanation, scan).voxel[order.axes[0]]
    return scan.voxels.shape[order.axes[0]] - 1 - stored if order.flipped[0] else stored


def _plane(explanation: Explanation, scan: VolumeScan, number: int) -> Explanation:
    shown = shown_map(explanation, scan)
    weights = shown.geometry.interpolation(shown.cells.shape)[0][number]
    raw = torch.from_numpy(np.tensordot(weights, shown.cells, 1).astype(np.float32))
    values = shown.order.apply(scan.voxels)[number]
    steps = np.array(spacing(scan.affine))[list(shown.order.axes)][1:]
    film = grey_levels(values, shown_window(scan)[0])
    height, width = (max(1, round(n * s / steps.min())) for n, s in zip(film.shape, steps))
    picture = Image.fromarray(film).resize((width, height), Image.Resampling.BILINEAR)
    geometry = _of_pixels(shown.geometry, (height, width))
    last = shown.geometry.original[0]
    stored = last - 1 - number if shown.order.flipped[0] else number
    code = "id_axial" if scan.oriented else "id_stored"
    plane = Scan(
        torch.zeros(1, *geometry.model),
        np.asarray(picture),
        geometry,
        words(f"planes.{code}", image=scan.id, slice=stored),
        {**scan.source, "shown_slice": number},
        scan.preprocessing,
        scan.synthetic,
        scan.warnings,
    )
    return replace(explanation, raw=raw, scan=plane, no_picture=None)


def _of_pixels(geometry: Geometry, size: tuple[int, int]) -> Geometry:
    """The last two axes, between square pixels and the model's."""
    sizes = zip(geometry.scale[1:], geometry.original[1:], size)
    scale = tuple(each * voxels / pixels for each, voxels, pixels in sizes)
    return Geometry(size, geometry.model[1:], scale, geometry.offset[1:])
