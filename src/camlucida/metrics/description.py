"""What a map looks like, not whether it is right: spread, place, number of parts. On the map's own grid, any rank.

Upsampling smooths and would change each number. "Heat" is the positive part of the map; only Gini and entropy take |E|, as their
sources do. None depends on the scale of the map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from camlucida.metrics.annotations import Floats, as_map
from camlucida.metrics.base import metric
from camlucida.metrics.regions import MASK_FRACTION, binary_mask

Run = TypeVar("Run", bound=Callable[..., Any])
NAN = float("nan")


def _described(
    name: str, title: str, top: float | None, uniform: str, source: str
) -> Callable[[Run], Run]:
    chance = f"{uniform}, for a uniform map"
    return metric(
        name, title, "description", direction="none", range=(0, top), chance=chance, source=source
    )


@_described("gini", "Gini index", 1, "0", "Hurley 2009; Chalasani 2020 (sparseness)")
def gini(values: ArrayLike) -> float:
    """Σ_i (2i − n − 1) a₍ᵢ₎ / (n Σ a), a = |E| ascending: 0 all equal, 1 − 1/n all in one cell. NaN for an all-zero map."""
    a = np.sort(_scaled(np.abs(as_map(values))), axis=None)
    total = a.sum()
    return (
        float((2 * np.arange(1, a.size + 1) - a.size - 1) @ a / (a.size * total))
        if total > 0
        else NAN
    )


@_described("entropy", "Entropy", None, "ln n", "Bhatt 2020 (complexity)")
def entropy(values: ArrayLike) -> float:
    """−Σ p ln p in nats, p = |E| / Σ|E|: 0 all in one cell, ln n all equal. NaN for an all-zero map."""
    a = _scaled(np.abs(as_map(values)))
    if not a.any():
        return NAN
    p = a[a > 0] / a.sum()
    return max(0.0, float(-(p * np.log(p)).sum()))


@_described(
    "area_above_half",
    "Area above half maximum",
    1,
    "1",
    f"Share of cells at {MASK_FRACTION:g} of the maximum or above",
)
def area_above_half(values: ArrayLike) -> float:
    """Share of cells with E ≥ half of the maximum; 0 for a map without positive heat."""
    return float(binary_mask(as_map(values)).mean())


@_described(
    "components",
    "Number of components",
    None,
    "1",
    "Connected components at half maximum, diagonals connect",
)
def components(values: ArrayLike) -> float:
    """Connected parts of the cells at half the maximum or above; 0 for a map without positive heat."""
    mask = binary_mask(as_map(values))
    return float(ndimage.label(mask, ndimage.generate_binary_structure(mask.ndim, mask.ndim))[1])


def centre_of_mass(values: ArrayLike) -> tuple[float, ...]:
    """Heat-weighted mean position, an axis each, as a share of the side: 0 first edge, ½ middle, 1 last. NaN without heat."""
    heat = _scaled(np.maximum(as_map(values), 0))
    total = heat.sum()
    if total == 0:
        return (NAN,) * heat.ndim
    weights = [
        heat.sum(tuple(i for i in range(heat.ndim) if i != axis)) for axis in range(heat.ndim)
    ]
    return tuple(float(w @ _position(len(w)) / total) for w in weights)


@_described("centre_row", "Centre of mass, down", 1, "0.5", "Heat-weighted mean row over height")
def centre_row(values: ArrayLike) -> float:
    """The last axis but one of :func:`centre_of_mass`: 0 top, 1 bottom."""
    return centre_of_mass(np.atleast_2d(values))[-2]


@_described(
    "centre_column", "Centre of mass, across", 1, "0.5", "Heat-weighted mean column over width"
)
def centre_column(values: ArrayLike) -> float:
    """The last axis of :func:`centre_of_mass`: 0 left, 1 right."""
    return centre_of_mass(values)[-1]


@_described(
    "border_distance",
    "Distance to border",
    0.5,
    "near 1/6 (2-D)",
    "Heat-weighted mean distance to the nearest edge over side",
)
def border_distance(values: ArrayLike) -> float:
    """Heat-weighted mean of a cell centre's distance to the nearest edge, in shares of that axis' side. NaN without heat.

    Not the distance of the centre of mass: a map that lights all four corners has its centre in the middle.
    """
    heat = _scaled(np.maximum(as_map(values), 0))
    if not heat.any():
        return NAN
    nearest = np.full(heat.shape, 0.5)
    for axis, length in enumerate(heat.shape):
        place = _position(length)
        shape = [-1 if i == axis else 1 for i in range(heat.ndim)]
        nearest = np.minimum(nearest, np.minimum(place, 1 - place).reshape(shape))
    return float((heat * nearest).sum() / heat.sum())


def _position(length: int) -> Floats:
    """Cell centres as shares of the side."""
    return (np.arange(length) + 0.5) / length


def _scaled(heat: Floats) -> Floats:
    """To a maximum of 1, so that sums of tiny or huge numbers neither underflow nor overflow."""
    peak = heat.max()
    return heat / peak if peak > 0 else heat
