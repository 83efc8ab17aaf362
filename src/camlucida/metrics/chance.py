"""Chance levels: the score of a map that carries no information about the finding.

The level of a metric is a function of the metric's own arguments, mostly of the annotation alone.
Where the score depends on the shape of the map (an overlap at a threshold), the same map is scored
with the annotation moved to other places in the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from camlucida.metrics.annotations import Mask, as_map, as_mask

NAN = float("nan")

MOVED = "the same map, the truth moved elsewhere"
"""The words of :func:`shifted_chance` and :func:`shifted_overlap`."""

SHIFTS = 64
"""Largest number of positions of the moved annotation over which a chance level is averaged."""


def constant(level: float) -> Callable[..., float]:
    """A chance level that depends on nothing.

    >>> constant(0.5)("any map", "any mask")
    0.5
    """

    def chance(*_: Any, **__: Any) -> float:
        return level

    return chance


def area_share(values: ArrayLike, truth: ArrayLike) -> float:
    """|M| / n: the share of the image inside the annotation M, in (0, 1]; NaN where it is empty.

    The expected score of independent random pixels for the pointing game, relevance mass and rank,
    and (in the limit of many pixels) for average precision.

    Args:
        values: the map; it does not matter.
        truth: mask (*original).

    >>> area_share(None, [[1, 0], [0, 0]])
    0.25
    """
    mask = as_mask(truth, np.shape(truth))
    return float(mask.mean()) if mask.any() else NAN


def region_area(values: ArrayLike, region: ArrayLike) -> float:
    """The share of the image inside a region, in [0, 1]: the share of heat of a uniform map.

    >>> region_area(None, [[1, 0, 0, 0]])
    0.25
    """
    return float(as_mask(region, np.shape(region)).mean())


def same_for_all(level: float) -> Callable[[ArrayLike, ArrayLike], float]:
    """A level that does not depend on the annotation, but is NaN where the annotation is empty.

    >>> same_for_all(1.0)(None, [[1, 0]]), same_for_all(1.0)(None, [[0, 0]])
    (1.0, nan)
    """

    def chance(values: ArrayLike, truth: ArrayLike) -> float:
        mask = as_mask(truth, np.shape(truth))
        return level if mask.any() else NAN

    return chance


def area_matched_iou(values: ArrayLike, truth: ArrayLike) -> float:
    """a / (2 − a), a the share of the image inside the annotation: IoU of |M| random pixels.

    >>> round(area_matched_iou(None, [[1, 0], [0, 0]]), 3)
    0.143
    """
    area = area_share(values, truth)
    return area / (2 - area)


def widened_area(radius: float) -> Callable[[ArrayLike, ArrayLike], float]:
    """The share of the image within ``radius`` pixels of the annotation.

    >>> widened_area(1)(None, [[1, 0, 0, 0]])
    0.5
    """

    def chance(values: ArrayLike, truth: ArrayLike) -> float:
        mask = as_mask(truth, np.shape(truth))
        if not mask.any():
            return NAN
        distance = ndimage.distance_transform_edt(~mask)
        return float((distance <= radius).mean())

    return chance


def shifted_chance(
    metric: Callable[[ArrayLike, ArrayLike], float],
    values: ArrayLike,
    truth: ArrayLike,
    positions: int = SHIFTS,
) -> float:
    """Mean score of the same map with the annotation moved to other positions in the image.

    Args:
        metric: of a map and a mask.
        values: the map, (*original).
        truth: mask (*original). It is moved as a whole, over an even lattice of at most
            ``positions`` positions where it fits; its true position is left out.
        positions: upper bound of their number.

    Returns:
        NaN where the mask is empty or leaves no room. Positions where the score is NaN are left
        out.

    >>> from camlucida.metrics.localisation import hit
    >>> shifted_chance(hit, [[1.0, 2.0, 3.0]], [[1, 0, 0]])
    0.5
    """
    heat = as_map(values)
    mask = as_mask(truth, heat.shape)
    if not mask.any():
        return NAN
    scores = [metric(heat, moved) for moved in moved_elsewhere(mask, positions)]
    finite = [score for score in scores if np.isfinite(score)]
    return float(np.mean(finite)) if finite else NAN


def moved_elsewhere(mask: Mask, positions: int = SHIFTS) -> Iterator[Mask]:
    """The mask moved as a whole to other positions in the image, on an even lattice.

    Args:
        mask: (*original), not empty.
        positions: upper bound of their number. None fits where the mask spans the image.

    >>> [mask.tolist() for mask in moved_elsewhere(np.array([True, False, False]), 2)]
    [[False, False, True]]
    """
    for corner in _positions(mask, positions):
        yield _moved(mask, corner)


def placed_at_random(mask: Mask, count: int, field: Mask, seed: int = 0) -> Iterator[Mask]:
    """The mask moved as a whole to random other positions inside a field, each at most once.

    All positions are equally probable; the moved mask may overlap the mask.

    Args:
        mask: (*original), not empty.
        count: upper bound of their number. None fits where the mask spans the field.
        field: (*original), a box in which the moved mask has to lie, such as the film without its
            padding.
        seed: of the positions.

    >>> mask, field = np.array([True, False, False, False]), np.array([True, True, True, False])
    >>> sorted(moved.tolist().index(True) for moved in placed_at_random(mask, 5, field))
    [1, 2]
    """
    lengths = [part.stop - part.start for part in _window(mask)]
    inside = _window(field)
    room = [max(0, part.stop - part.start - length + 1) for part, length in zip(inside, lengths)]
    true_corner = tuple(part.start for part in _window(mask))
    # One position more than wanted, where the true one is among them.
    total = int(np.prod(room))
    drawn = np.random.default_rng(seed).choice(total, min(count + 1, total), replace=False)
    corners = np.stack(np.unravel_index(drawn, room), axis=1) + [part.start for part in inside]
    others = [corner for corner in map(tuple, corners.tolist()) if corner != true_corner]
    for corner in others[:count]:
        yield _moved(mask, corner)


def shifted_overlap(
    predicted: Mask, truth: ArrayLike, positions: int = SHIFTS
) -> tuple[float, float]:
    """Mean IoU and mean Dice of a predicted mask and the annotation moved elsewhere.

    :func:`shifted_chance` for a fixed mask; only the bounding box of the annotation is looked at,
    so that large images cost little.

    Args:
        predicted: bool (*original).
        truth: mask (*original).
        positions: as in :func:`shifted_chance`.

    Returns:
        (IoU, Dice), NaN where the annotation is empty or leaves no room.

    >>> shifted_overlap(np.array([[False, True, True]]), [[1, 0, 0]])
    (0.5, 0.6666666666666666)
    """
    mask = as_mask(truth, np.shape(truth))
    if not mask.any():
        return NAN, NAN
    window = _window(mask)
    piece = mask[window]
    shared = []
    for corner in _positions(mask, positions):
        beneath = predicted[_slices(corner, piece.shape)]
        shared.append(int((beneath & piece).sum()))
    if not shared:
        return NAN, NAN
    both = np.array(shared, np.float64)
    sizes = int(predicted.sum()) + int(piece.sum())
    iou = both / (sizes - both)
    dice = 2 * both / sizes
    return float(iou.mean()), float(dice.mean())


def overlap_chance(segmented: Callable[..., Mask], kind: str) -> Callable[..., float]:
    """The chance level of the IoU or Dice of the mask that a metric makes of a map.

    Args:
        segmented: of the map and the metric's options → mask (*original).
        kind: "iou" or "dice".
    """
    which = ("iou", "dice").index(kind)

    def chance(values: ArrayLike, truth: ArrayLike, **options: Any) -> float:
        return shifted_overlap(segmented(values, **options), truth)[which]

    return chance


def _window(mask: Mask) -> tuple[slice, ...]:
    """The bounding box of a non-empty mask."""
    spans = [(int(index.min()), int(index.max())) for index in np.nonzero(mask)]
    return tuple(slice(first, last + 1) for first, last in spans)


def _slices(start: tuple[int, ...], size: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(first, first + length) for first, length in zip(start, size))


def _positions(mask: Mask, positions: int) -> list[tuple[int, ...]]:
    """First corners of the bounding box on an even lattice, the mask's true position left out."""
    window = _window(mask)
    lengths = [part.stop - part.start for part in window]
    room = np.array(mask.shape) - lengths
    free = max(1, int((room > 0).sum()))
    # The root of a whole power may fall short of it by rounding: 64 ** (1 / 3) < 4.
    side = max(2, int(positions ** (1 / free) + 1e-9))
    axes = []
    for last in room:
        steps = np.linspace(0, last, min(side, last + 1))
        axes.append(np.unique(steps.round().astype(int)))
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, mask.ndim)
    true_corner = tuple(part.start for part in window)
    return [corner for corner in map(tuple, lattice.tolist()) if corner != true_corner]


def _moved(mask: Mask, start: tuple[int, ...]) -> Mask:
    """The mask with the first corner of its bounding box at ``start``."""
    window = _window(mask)
    moved = np.zeros_like(mask)
    moved[_slices(start, mask[window].shape)] = mask[window]
    return moved
