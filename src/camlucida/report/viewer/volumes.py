"""Explanations of a volume as the data of the viewer: its voxels, and maps in the same axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.attribution.explanation import Explanation
from camlucida.core.film_units import FilmUnits
from camlucida.core.messages import declare
from camlucida.core.orientation import AxisOrder, spacing
from camlucida.core.scan import Scan
from camlucida.core.volume_scan import VolumeScan, as_volume
from camlucida.figures.style import words
from camlucida.figures.volumes.peak import map_peak
from camlucida.figures.volumes.planes import NAMES, edges_of, shown_window
from camlucida.figures.volumes.shown import ShownMap, shown_map, shown_order
from camlucida.report.viewer.encode import Samples, encode_floats
from camlucida.report.viewer.map_texts import map_texts

declare(
    "viewed_volume",
    {
        "axial": "Axial",
        "coronal": "Coronal",
        "sagittal": "Sagittal",
        "across_slices": "Across slices",
        "across_rows": "Across rows",
        "across_columns": "Across columns",
        "reduced": (
            "The volume is averaged for the viewer: {before} voxels became {after}; the maps are "
            "as they were."
        ),
    },
)

MOST_VOXELS = 2**22
"""Voxels in a page: 8 MiB of 16 bits before they are compressed. Larger volumes are averaged."""

_FLOOR = 1.5
"""Of the window's width: how much of the values on both sides of it keeps its own grey levels."""


@dataclass(frozen=True)
class ViewedVolume:
    """A volume for the viewer.

    Attributes:
        film: (D × H, W), the slices below each other, 16 bits.
        window: samples that are black and white.
        units: what the file calls a sample.
        about: the field ``volume`` of the viewer's data.
    """

    film: Samples
    window: tuple[float, float]
    units: FilmUnits
    about: dict[str, Any]


def viewed_volume(
    explanations: Sequence[Explanation], names: Sequence[str] | None = None
) -> ViewedVolume:
    """The voxels of a volume and its maps, in the axes that people look at.

    Args:
        explanations: of one volume.
        names: of the maps, unique; their numbers if None.
    """
    keys = names or [str(number) for number in range(len(explanations))]
    maps = [viewed_map(*pair) for pair in zip(explanations, keys)]
    alone = viewed_voxels(as_volume(explanations[0].scan))
    return replace(alone, about={**alone.about, "at": list(maps[0]["at"]), "maps": maps})


def viewed_voxels(scan: VolumeScan) -> ViewedVolume:
    """The voxels of a volume without a map, in the axes that people look at.

    Args:
        scan: the volume. Its middle is shown first.
    """
    order = shown_order(scan)
    voxels = order.apply(scan.voxels)
    steps, block = _steps(scan, order)
    reduced = _averaged(voxels, block)
    samples, window, units = _samples(reduced, shown_window(scan)[0])
    units = replace(units, name=str(scan.source.get("unit", "")))
    depth, height, width = samples.shape
    oriented = 0 if scan.oriented else 1
    about = {
        "size": [depth, height, width],
        "spacing": (steps * block).tolist(),
        "oriented": scan.oriented,
        "names": [words(f"viewed_volume.{pair[oriented]}") for pair in NAMES],
        "edges": [list(edges_of(axis, scan.oriented)) for axis in range(3)],
        "numbering": [_numbering(axis, scan, order, block) for axis in range(3)],
        "at": [depth // 2, height // 2, width // 2],
        "maps": [],
        "annotations": [],
        "note": _note(voxels.shape, samples.shape),
    }
    return ViewedVolume(samples.reshape(depth * height, width), window, units, about)


def volume_annotations(
    scan: Scan, label: str, mask: NDArray[np.bool_] | None
) -> list[dict[str, Any]]:
    """An annotated mask in the voxels of :func:`viewed_voxels`; none without a mask.

    Args:
        scan: a volume.
        label: of the annotation.
        mask: (*geometry.original) bool.

    Returns:
        At most one: ``label``, and ``runs``, lengths of voxels outside and inside by turns, row by
        row. A voxel of the viewer has what any of the voxels has that it is averaged of.
    """
    if mask is None or not mask.any():
        return []
    volume = as_volume(scan)
    order = shown_order(volume)
    shown = order.apply(volume.mask_to_stored(mask))
    _, block = _steps(volume, order)
    for axis, count in enumerate(block):
        shown = np.logical_or.reduceat(shown, np.arange(0, shown.shape[axis], count), axis)
    flat = np.concatenate([[False], shown.ravel()])
    ends = [0, *(np.flatnonzero(flat[1:] != flat[:-1])).tolist(), shown.size]
    return [{"label": label, "runs": np.diff(ends).tolist()}]


def viewed_map(explanation: Explanation, name: str) -> dict[str, Any]:
    """A map of a volume for the viewer, in the axes of :func:`viewed_voxels`.

    Args:
        explanation: of a volume.
        name: unique among the maps of the volume.
    """
    scan = as_volume(explanation.scan)
    _, block = _steps(scan, shown_order(scan))
    return _map(explanation, name, scan, block)


def _steps(scan: VolumeScan, order: AxisOrder) -> tuple[NDArray[np.float64], tuple[int, int, int]]:
    """Spacing in the shown axes, and how many voxels are averaged to one."""
    steps = np.array(spacing(scan.affine))[list(order.axes)]
    size = [scan.voxels.shape[axis] for axis in order.axes]
    return steps, _block(size, steps)


def _block(size: Sequence[int], steps: NDArray[np.float64]) -> tuple[int, int, int]:
    """Voxels an axis that are averaged to one: the shortest first, until they are few enough."""
    block = [1, 1, 1]
    while np.prod([-(-n // b) for n, b in zip(size, block)]) > MOST_VOXELS:
        lengths = [step * b if n > b else np.inf for n, step, b in zip(size, steps, block)]
        block[int(np.argmin(lengths))] += 1
    return block[0], block[1], block[2]


def _averaged(voxels: NDArray[np.float32], block: Sequence[int]) -> NDArray[np.float32]:
    """Means of blocks; those at the end are of the voxels that are there."""
    values: NDArray[np.floating] = voxels
    for axis, count in enumerate(block):
        if count == 1:
            continue
        starts = np.arange(0, values.shape[axis], count)
        sizes = np.diff([*starts, values.shape[axis]])
        shape = [-1 if each == axis else 1 for each in range(3)]
        values = np.add.reduceat(values, starts, axis) / sizes.reshape(shape)
    return np.asarray(values, np.float32)


def _samples(
    values: NDArray[np.float32], window: tuple[float, float]
) -> tuple[Samples, tuple[float, float], FilmUnits]:
    """16 bits of what lies in the window and on both sides of it, the window in samples, units."""
    low, high = window
    width = max(high - low, 1e-6)
    first = max(float(values.min()), low - _FLOOR * width)
    last = min(float(values.max()), high + _FLOOR * width)
    if last <= first:  # all values lie far outside of the window
        first, last = min(float(values.min()), low), max(float(values.max()), high)
    scale = 65535 / max(last - first, 1e-6)
    samples = np.rint((np.clip(values, first, last) - first) * scale).astype(np.uint16)
    ends = (float(np.clip((each - first) * scale, 0, 65535)) for each in (low, high))
    black, white = ends
    return samples, (black, max(white, black + 1)), FilmUnits(first, 1 / scale)


def _map(
    explanation: Explanation, name: str, scan: VolumeScan, block: Sequence[int]
) -> dict[str, Any]:
    shown = shown_map(explanation, scan)
    geometry = shown.geometry
    return {
        **map_texts(explanation, name),
        "grid": list(shown.cells.shape),
        "values": encode_floats(shown.cells),
        "geometry": {
            "model": list(geometry.model),
            "scale": [scale * count for scale, count in zip(geometry.scale, block)],
            "offset": list(geometry.offset),
        },
        "signed": explanation.signed,
        "top": float(max(shown.cells.max(), 0)),
        "at": _peak(explanation, scan, shown, block),
    }


def _peak(
    explanation: Explanation, scan: VolumeScan, shown: ShownMap, block: Sequence[int]
) -> list[int]:
    """The voxel of the viewer that holds the peak."""
    voxel = map_peak(explanation, scan).voxel
    at = []
    for axis, (stored, is_flipped) in enumerate(zip(shown.order.axes, shown.order.flipped)):
        size = scan.voxels.shape[stored]
        index = size - 1 - voxel[stored] if is_flipped else voxel[stored]
        at.append(index // block[axis])
    return at


def _numbering(
    axis: int, scan: VolumeScan, order: AxisOrder, block: Sequence[int]
) -> dict[str, Any]:
    """What the file calls the planes across an axis of the viewer."""
    stored = order.axes[axis]
    count = scan.voxels.shape[stored]
    if order.flipped[axis]:
        return {"axis": stored, "first": count, "step": -block[axis], "count": count}
    return {"axis": stored, "first": 0, "step": block[axis], "count": count}


def _note(before: Sequence[int], after: Sequence[int]) -> str:
    if tuple(before) == tuple(after):
        return ""
    sizes = {"before": _times(before), "after": _times(after)}
    return words("viewed_volume.reduced", **sizes)


def _times(size: Sequence[int]) -> str:
    return " × ".join(map(str, size))
