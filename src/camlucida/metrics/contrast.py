"""Heat inside a region against heat outside it, beside what maps score that know nothing of the
region.

A ratio above 1 proves little by itself: a map of large blobs on a region of large blobs reaches it
by luck, and one in the middle of the image because regions are there. So the same map is compared
with the region moved to every other place, random smooth maps and a bump in the middle of the image
with the region in its own place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import fft

from camlucida.attribution.explanation import Explanation
from camlucida.attribution.methods.center import center
from camlucida.attribution.methods.random import random
from camlucida.core.geometry import Geometry
from camlucida.core.tensors import resize
from camlucida.metrics.annotations import Floats, Mask, as_mask, as_pair

NAN = float("nan")

RANDOM_MAPS = 200
"""Random smooth maps behind a chance level; their seeds are 0, 1, …"""

RANGE = (2.5, 97.5)
"""Percentiles of a chance level's range."""

ROUNDING = 1e-9
"""Share of all heat that a Fourier transform may leave where there is none."""


@dataclass(frozen=True)
class Chance:
    """What knows nothing scores: the median, and the range that holds 95 % of it.

    A mean could be ∞: the ratio has no bound.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Contrast:
    """Heat of one map inside and outside of one region.

    Attributes:
        ratio: mean positive heat inside ÷ outside, in [0, ∞]; NaN without positive heat, or where
            nothing is inside or outside.
        share: of the positive heat, inside; chance is ``area``.
        area: the region's share of what the model saw.
        shifted: ``ratio`` of the same map, the region moved by every whole number of pixels,
            wrapped around the border.
        reached: share of these places, its own among them, where the ratio is at least as high:
            small where the place matters.
        random: ``ratio`` of :data:`RANDOM_MAPS` smooth random maps on the same grid.
        centre: ``ratio`` of a Gaussian in the middle of the image, on the same grid.
    """

    ratio: float
    share: float
    area: float
    shifted: Chance
    reached: float
    random: Chance
    centre: float


def contrast(explanation: Explanation, region: ArrayLike) -> Contrast:
    """Of the map in original pixels, where the model saw the image.

    Args:
        explanation: the map, with the geometry of its image.
        region: mask (H, W) in original pixels.

    Returns:
        The ratio and its chance levels; where the ratio is NaN, only ``area`` is known.

    Raises:
        UsageError: the sizes differ, or the region is not a mask.
        NoEvidenceError: the map is not finite.
    """
    geometry = explanation.scan.geometry
    mask = as_mask(region, geometry.original, "region")
    window = tuple(slice(*span) for span in geometry.seen())
    values, inside = explanation.numpy()[window], mask[window]
    ratio = inside_outside(values, inside)
    nothing = Contrast(ratio, NAN, float(inside.mean()) if inside.size else NAN, *_UNKNOWN)
    if not np.isfinite(ratio) and not np.isposinf(ratio):
        return nothing
    moved = shifted_ratios(values, inside)
    positive = np.maximum(values.astype(np.float64), 0)
    blank = torch.zeros(1, 1, *explanation.grid)
    ignorant = (random(blank, seed=seed)[0].numpy() for seed in range(RANDOM_MAPS))
    by_luck = grid_ratios(ignorant, explanation.grid, mask, geometry)
    return Contrast(
        ratio,
        float(positive[inside].sum() / positive.sum()),
        nothing.area,
        chance(moved),
        float((moved >= ratio * (1 - ROUNDING)).mean()),
        chance(by_luck),
        float(grid_ratios([center(blank)[0].numpy()], explanation.grid, mask, geometry)[0]),
    )


_UNKNOWN = (Chance(NAN, NAN, NAN), NAN, Chance(NAN, NAN, NAN), NAN)


def chance(ratios: ArrayLike) -> Chance:
    """Median and :data:`RANGE` of ratios.

    Args:
        ratios: of any shape, at least one, in [0, ∞].

    Returns:
        Each is one of the ratios: no value is interpolated between 1 and ∞.

    >>> chance([1.0, 2.0, 4.0])
    Chance(median=2.0, low=1.0, high=4.0)
    """
    values = np.asarray(ratios, np.float64).reshape(-1)
    low, median, high = np.percentile(
        values, (RANGE[0], 50, RANGE[1]), method="inverted_cdf"
    )  # no value between 1 and ∞
    return Chance(float(median), float(low), float(high))


def inside_outside(values: ArrayLike, region: ArrayLike) -> float:
    """mean_R E⁺ ÷ mean_¬R E⁺, in [0, ∞]; 1 for a constant map.

    NaN where R is empty or everything, or without positive heat.

    Args:
        values: map (*size), finite, in any unit.
        region: mask R of the same size.

    Returns:
        ∞ where all positive heat is inside.

    Raises:
        UsageError: the sizes differ, or the region is not a mask.
        NoEvidenceError: the map is not finite.

    >>> inside_outside([[1.0, 3.0]], [[0, 1]])
    3.0
    """
    heat, mask = as_pair(values, region)
    positive = np.maximum(heat, 0)
    if not mask.any() or mask.all() or not positive.any():
        return NAN
    return float(_divided(positive[mask].mean(), positive[~mask].mean()))


def shifted_ratios(values: ArrayLike, region: ArrayLike) -> Floats:
    """:func:`inside_outside` at every cyclic shift of the region, (*size).

    The first is its own place.

    All shifts at once, as a circular correlation: exact but for the rounding of a Fourier
    transform.

    Args:
        values: map (*size), finite, in any unit.
        region: mask of the same size.

    Returns:
        (*size) in [0, ∞]; NaN where the region is empty or everything, or without positive heat.

    Raises:
        UsageError: the sizes differ, or the region is not a mask.
        NoEvidenceError: the map is not finite.

    >>> shifted_ratios([1.0, 3.0], [0, 1]).round(3).tolist()
    [3.0, 0.333]
    """
    heat, mask = as_pair(values, region)
    positive = np.maximum(heat, 0)
    peak, count = positive.max(), int(mask.sum())
    if not (0 < count < mask.size and peak > 0):
        return np.full(heat.shape, np.nan)
    positive = positive / peak  # sums of tiny numbers would drown in the rounding
    total = float(positive.sum())
    spectrum = fft.rfftn(positive) * np.conj(fft.rfftn(mask.astype(np.float64)))
    inside = fft.irfftn(spectrum, s=heat.shape)
    outside = total - inside
    inside, outside = (np.where(part < ROUNDING * total, 0, part) for part in (inside, outside))
    return _divided(inside / count, outside / (mask.size - count))


def grid_ratios(
    maps: Iterable[ArrayLike], grid: Sequence[int], region: ArrayLike, geometry: Geometry
) -> Floats:
    """:func:`inside_outside` of each of ``maps`` (*grid), cells ≥ 0, as they lie on the original
    where the model saw it.

    Enlarging is linear, so that each cell has one weight inside the region and one outside: no map
    is enlarged.

    Args:
        maps: (*grid) each, at least one.
        grid: cells, an axis each.
        region: mask in original pixels.
        geometry: from original to model pixels.

    Returns:
        (maps,) in [0, ∞]; NaN without heat, or where nothing is inside or outside.

    Raises:
        UsageError: the region is not a mask of the size of the original.

    >>> grid_ratios([[[1.0, 3.0]]], (1, 2), [[0, 1]], Geometry.identity((1, 2))).round(6).tolist()
    [3.0]
    """
    mask = as_mask(region, geometry.original, "region")
    seen = np.zeros(geometry.original, np.bool_)
    seen[tuple(slice(*span) for span in geometry.seen())] = True
    inside, outside = (_weights(part, grid, geometry) for part in (mask & seen, ~mask & seen))
    means = []
    for heat in maps:
        cells = np.asarray(heat, np.float64)
        means.append((np.vdot(inside, cells), np.vdot(outside, cells)))
    return _divided(*np.transpose(means))


def _weights(part: Mask, grid: Sequence[int], geometry: Geometry) -> Floats:
    """(*grid): what each cell adds to the mean over ``part`` of the enlarged map.

    NaN where the part is empty.
    """
    cells = torch.zeros(1, *grid, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        enlarged = geometry.map_to_original(resize(cells, geometry.model))[0]
        (weights,) = torch.autograd.grad((enlarged * torch.from_numpy(part)).sum(), cells)
    with np.errstate(invalid="ignore"):
        return np.asarray(weights[0].numpy() / np.float64(part.sum()))


def _divided(inside: ArrayLike, outside: ArrayLike) -> Floats:
    """Quotient: ∞ where only the divisor is 0, NaN where both are."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.asarray(inside, np.float64) / np.asarray(outside, np.float64))
