"""What the best and the most ignorant map would score: the bound of a coarse grid, and chance. Printed beside each score.

A 7×7 map cannot outline a 16-pixel nodule. Score ÷ ceiling separates "the method is wrong" from "the grid is coarse".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import ndimage

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.geometry import Geometry
from camlucida.core.tensors import resize
from camlucida.metrics import localisation as score
from camlucida.metrics.annotations import Floats, Mask, as_map, as_mask

Score = Callable[[ArrayLike, ArrayLike], float]

SHIFTS = 64
"""Most positions of the shifted truth over which a chance level is averaged."""

BOUNDED: dict[str, Score] = {
    "hit": score.hit,
    "tolerant_hit": score.tolerant_hit,
    "relevance_mass": score.relevance_mass,
    "attention_ratio": score.attention_ratio,
    "relevance_rank": score.relevance_rank,
    "roc_auc": score.roc_auc,
    "average_precision": score.average_precision,
    "average_precision_lift": score.average_precision_lift,
    "iou_otsu": score.iou_otsu,
    "dice_otsu": score.dice_otsu,
    "iou_area_matched": score.iou_area_matched,
    "iou_best": score.iou_best,
}
"""The scores of one map and one mask, by the name of their metric; ``iou_best`` (any threshold) exists as a bound only."""


def area_average(truth: ArrayLike, grid: Sequence[int], geometry: Geometry | None = None) -> Floats:
    """The truth on a map's grid: each cell's exact share of area inside the truth, in [0, 1].

    Args:
        truth: mask in original pixels, any rank; cell edges may cut pixels.
        grid: cells, an axis each.
        geometry: from original to model pixels, which the grid divides evenly; None: the grid divides the original. What lies
            outside the original (padding) counts as outside the truth.
    """
    array = np.asarray(truth)
    cells = as_mask(array, array.shape).astype(np.float64)
    geometry = _fitting(geometry, cells.shape)
    if len(grid) != cells.ndim or min(grid) < 1:
        raise UsageError(
            f"a grid of {tuple(grid)} for a mask of {cells.shape}",
            "give a number of cells for each axis",
        )
    for axis, (count, length) in enumerate(zip(grid, geometry.model)):
        model = np.linspace(0, length, count + 1)
        edges = (model - geometry.offset[axis]) / geometry.scale[axis]
        cells = np.moveaxis(
            np.tensordot(coverage(edges, cells.shape[axis]), cells, (1, axis)), 0, axis
        )
    return cells


def best_map(truth: ArrayLike, grid: Sequence[int], geometry: Geometry | None = None) -> Floats:
    """:func:`area_average`, carried back to original pixels as any map of that grid is: linear, half-pixel centres."""
    cells = area_average(truth, grid, geometry)
    geometry = _fitting(geometry, np.shape(truth))
    large = geometry.map_to_original(resize(torch.from_numpy(cells)[None], geometry.model))[0]
    return np.asarray(large.numpy(), np.float64)


def ceilings(
    truth: ArrayLike,
    grid: Sequence[int],
    geometry: Geometry | None = None,
    names: Sequence[str] | None = None,
) -> dict[str, float]:
    """Score of :func:`best_map` by each metric of ``BOUNDED`` (or ``names``); NaN for an empty truth, or one the model never saw.

    The ceiling of the area-average, not a mathematical maximum: a map that puts all heat in one cell may hit a small lesion
    that the area-average, spread over several, misses.
    """
    wanted = list(BOUNDED if names is None else names)
    for name in wanted:
        if name not in BOUNDED:
            raise UsageError(f"no ceiling for {name!r}", did_you_mean(name, BOUNDED))
    best = best_map(truth, grid, geometry)
    return {name: BOUNDED[name](best, truth) if best.any() else float("nan") for name in wanted}


def over_ceiling(value: float, ceiling: float) -> float:
    """Score ÷ ceiling; NaN where the ceiling is 0 or unknown. Above 1 is possible, see :func:`ceilings`."""
    return value / ceiling if ceiling > 0 else float("nan")


def chance_levels(truth: ArrayLike, tolerant: bool = True) -> dict[str, float]:
    """Expected score of a map that knows nothing (independent random pixels), for the metrics where the truth alone sets it.

    ``tolerant`` False leaves out "tolerant_hit", whose distance transform costs more than all others.

    Area share for hit, relevance mass and rank, average precision; ½ for ROC-AUC; 1 for the ratios. For average precision it is
    the limit of many pixels. All NaN for an empty truth. Overlaps at a threshold depend on the map: :func:`shifted_chance`.
    """
    mask = as_mask(truth, np.shape(truth))
    area = float(mask.mean()) if mask.any() else float("nan")
    by_area = dict.fromkeys(
        ("hit", "chexlocalize_hit", "relevance_mass", "relevance_rank", "average_precision"), area
    )
    by_ratio = dict.fromkeys(("attention_ratio", "average_precision_lift"), area / area)
    levels = {
        **by_area,
        **by_ratio,
        "roc_auc": 0.5 * area / area,
        "iou_area_matched": area / (2 - area),
    }
    if tolerant:
        widened = ndimage.distance_transform_edt(~mask) <= score.TOLERANCE
        levels["tolerant_hit"] = float(widened.mean()) if mask.any() else float("nan")
    return levels


def shifted_chance(
    metric: Score, values: ArrayLike, truth: ArrayLike, positions: int = SHIFTS
) -> float:
    """Mean score of the same map against the truth moved elsewhere in the image: what its position alone is worth.

    The truth is shifted whole, over an even lattice of at most ``positions`` places where it still fits; its own place is left
    out. NaN where the truth is empty or leaves no room. Positions where the score is NaN are left out.
    """
    heat = as_map(values)
    mask = as_mask(truth, heat.shape)
    if not mask.any():
        return float("nan")
    scores = [metric(heat, _place(mask, start)) for start in _places(mask, positions)]
    known = [value for value in scores if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def shifted_overlap(found: Mask, truth: ArrayLike, positions: int = SHIFTS) -> tuple[float, float]:
    """Mean IoU and mean Dice of a predicted mask against the truth moved elsewhere: :func:`shifted_chance` for a fixed mask.

    Only the truth's bounding box is looked at, so that large images cost little. NaN as there.
    """
    mask = as_mask(truth, np.shape(truth))
    if not mask.any():
        return float("nan"), float("nan")
    window = _window(mask)
    piece = mask[window]
    taken, inside = int(found.sum()), int(piece.sum())
    overlaps = [
        int((found[tuple(slice(at, at + n) for at, n in zip(start, piece.shape))] & piece).sum())
        for start in _places(mask, positions)
    ]
    if not overlaps:
        return float("nan"), float("nan")
    shared = np.array(overlaps, np.float64)
    return float((shared / (taken + inside - shared)).mean()), float(
        (2 * shared / (taken + inside)).mean()
    )


def _fitting(geometry: Geometry | None, size: Sequence[int]) -> Geometry:
    if geometry is None:
        return Geometry.identity(size)
    if geometry.original != tuple(size):
        raise UsageError(
            f"mask of {tuple(size)} for an image of {geometry.original}",
            "give the mask in original pixels",
        )
    return geometry


def coverage(edges: Floats, length: int) -> Floats:
    """(cells, length): the share of each cell, between two ``edges``, that each unit pixel covers."""
    low, high = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
    pixel = np.arange(length)
    overlap = np.minimum(high[:, None], pixel + 1) - np.maximum(low[:, None], pixel)
    return np.asarray(np.maximum(overlap, 0) / (high - low)[:, None])


def _window(mask: Mask) -> tuple[slice, ...]:
    """The bounding box of a non-empty mask."""
    return tuple(slice(int(index.min()), int(index.max()) + 1) for index in np.nonzero(mask))


def _places(mask: Mask, positions: int) -> list[tuple[int, ...]]:
    """First corners of the bounding box on an even lattice of at most ``positions``, the mask's own left out."""
    window = _window(mask)
    room = np.array([n - (part.stop - part.start) for n, part in zip(mask.shape, window)])
    free = room[room > 0]
    side = max(2, int(positions ** (1 / max(1, len(free))) + 1e-9))
    axes = [np.unique(np.linspace(0, r, min(side, r + 1)).round().astype(int)) for r in room]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, mask.ndim)
    own = tuple(part.start for part in window)
    return [place for place in map(tuple, lattice.tolist()) if place != own]


def _place(mask: Mask, start: tuple[int, ...]) -> Mask:
    window = _window(mask)
    moved = np.zeros_like(mask)
    moved[tuple(slice(at, at + part.stop - part.start) for at, part in zip(start, window))] = mask[
        window
    ]
    return moved
