"""What a map looks like, not whether it is right: spread, position, number of parts.

On the grid of the layer, any rank: upsampling smooths and would change each number. "Heat" is the
positive part of the map; only Gini and entropy take |E|, as their sources do. None depends on the
scale of the map. What a uniform map has stands as the chance level, in words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from camlucida.core.errors import UsageError
from camlucida.core.regions import MASK_FRACTION, binary_mask
from camlucida.metrics.annotations import Floats, as_map
from camlucida.metrics.base import metric

Run = TypeVar("Run", bound=Callable[..., Any])
NAN = float("nan")


def _described(
    name: str,
    title: str,
    top: float | None,
    uniform: str,
    source: str,
    only_images: bool = False,
) -> Callable[[Run], Run]:
    chance = f"{uniform}, for a uniform map"
    return metric(
        name,
        title,
        "description",
        direction="none",
        range=(0, top),
        chance=chance,
        source=source,
        only_images=only_images,
    )


@_described("gini", "Gini index", 1, "0", "Hurley 2009; Chalasani 2020 (sparseness)")
def gini(values: ArrayLike) -> float:
    """Σ_i (2i − n − 1) a₍ᵢ₎ / (n Σ a), a = |E| ascending: how concentrated the map is.

    Args:
        values: map (*grid).

    Returns:
        0 all cells equal, 1 − 1/n all in one cell; NaN for an all-zero map.

    Raises:
        NoEvidenceError: the map is not finite.

    >>> gini([0.0, 0.0, 0.0, 1.0])
    0.75
    """
    a = np.sort(_scaled(np.abs(as_map(values))), axis=None)
    total = a.sum()
    if total == 0:
        return NAN
    weights = 2 * np.arange(1, a.size + 1) - a.size - 1
    return float(weights @ a / (a.size * total))


@_described("entropy", "Entropy", None, "ln n", "Bhatt 2020 (complexity)")
def entropy(values: ArrayLike) -> float:
    """−Σ p ln p in nats, p = |E| / Σ|E|.

    Args:
        values: map (*grid).

    Returns:
        0 all in one cell, ln n all cells equal; NaN for an all-zero map.

    Raises:
        UsageError: an empty map.
        NoEvidenceError: the map is not finite.

    >>> entropy([0.0, 0.0, 1.0])
    0.0
    """
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
    """Share of cells with E ≥ half of the maximum, in [0, 1]; 0 for a map without positive heat.

    Args:
        values: map (*grid).

    Returns:
        In [0, 1].

    Raises:
        UsageError: an empty map.
        NoEvidenceError: the map is not finite.

    >>> area_above_half([0.0, 0.4, 0.6, 1.0])
    0.5
    """
    return float(binary_mask(as_map(values)).mean())


def area_above_half_of_noise(cells: int) -> float:
    """What :func:`area_above_half` is expected to be for independent uniform values, (n + 1) / 2n.

    Below a maximum M the other values are uniform in [0, M], so that half of them reach M / 2; the
    maximum itself always does. A map far above it is broad, one far below it focal.

    Args:
        cells: n, 1 or more.

    Returns:
        In (0.5, 1].

    Raises:
        UsageError: no cell.

    >>> area_above_half_of_noise(1), area_above_half_of_noise(50)
    (1.0, 0.51)
    """
    if cells < 1:
        raise UsageError(f"a map of {cells} cells", "give 1 or more")
    return (cells + 1) / (2 * cells)


@_described(
    "components",
    "Number of components",
    None,
    "1",
    "Connected components at half maximum, diagonals connect",
)
def components(values: ArrayLike) -> float:
    """Connected parts of the cells at half the maximum or above; 0 for a map without positive heat.

    Args:
        values: map (*grid).

    Returns:
        A whole number, 0 or more.

    Raises:
        UsageError: an empty map.
        NoEvidenceError: the map is not finite.

    >>> components([1.0, 0.0, 0.9])
    2.0
    """
    mask = binary_mask(as_map(values))
    return float(ndimage.label(mask, ndimage.generate_binary_structure(mask.ndim, mask.ndim))[1])


def centre_of_mass(values: ArrayLike) -> tuple[float, ...]:
    """Heat-weighted mean position, an axis each, as a share of the side.

    Args:
        values: map (*grid).

    Returns:
        0 first edge, ½ middle, 1 last edge; NaN without heat.

    Raises:
        UsageError: an empty map.
        NoEvidenceError: the map is not finite.

    >>> centre_of_mass([[0.0, 1.0]])
    (0.5, 0.75)
    """
    heat = _scaled(np.maximum(as_map(values), 0))
    total = heat.sum()
    if total == 0:
        return (NAN,) * heat.ndim
    sums = [_sum_over_others(heat, axis) for axis in range(heat.ndim)]
    return tuple(float(w @ _position(len(w)) / total) for w in sums)


def _sum_over_others(heat: Floats, axis: int) -> Floats:
    """(length of the axis,) heat summed over all other axes."""
    others = tuple(other for other in range(heat.ndim) if other != axis)
    return np.asarray(heat.sum(others))


@_described(
    "centre_row", "Centre of mass, down", 1, "0.5", "Heat-weighted mean row over height", True
)
def centre_row(values: ArrayLike) -> float:
    """How far down the centre of the heat is: 0 top, 1 bottom.

    Args:
        values: map (*grid).

    Returns:
        In (0, 1), 0 top, 1 bottom; ½ for a one-dimensional map; NaN without positive heat.

    Raises:
        UsageError: an empty map.
        NoEvidenceError: the map is not finite.

    >>> centre_row([[0.0], [1.0]])
    0.75
    """
    return centre_of_mass(np.atleast_2d(values))[-2]


@_described(
    "centre_column",
    "Centre of mass, across",
    1,
    "0.5",
    "Heat-weighted mean column over width",
    True,
)
def centre_column(values: ArrayLike) -> float:
    """How far to the right the centre of the heat is: 0 left, 1 right.

    Args:
        values: map (*grid).

    Returns:
        In (0, 1), 0 left, 1 right; NaN without positive heat.

    Raises:
        UsageError: an empty map.
        NoEvidenceError: the map is not finite.

    >>> centre_column([[0.0, 1.0]])
    0.75
    """
    return centre_of_mass(values)[-1]


@_described(
    "border_distance",
    "Distance to border",
    0.5,
    "near 1/6 (2-D)",
    "Heat-weighted mean distance to the nearest edge over side",
)
def border_distance(values: ArrayLike) -> float:
    """Heat-weighted mean distance of the cells to the nearest edge, as a share of that axis' side.

    Not the distance of the centre of mass: a map that lights all four corners has its centre in the
    middle.

    Args:
        values: map (*grid).

    Returns:
        In (0, ½]; NaN without heat.

    Raises:
        UsageError: an empty map.
        NoEvidenceError: the map is not finite.

    >>> border_distance([1.0, 0.0, 0.0, 0.0])
    0.125
    """
    heat = _scaled(np.maximum(as_map(values), 0))
    if not heat.any():
        return NAN
    nearest = np.full(heat.shape, 0.5)
    for axis, length in enumerate(heat.shape):
        position = _position(length)
        shape = [-1 if i == axis else 1 for i in range(heat.ndim)]
        nearest = np.minimum(nearest, np.minimum(position, 1 - position).reshape(shape))
    return float((heat * nearest).sum() / heat.sum())


def _position(length: int) -> Floats:
    """Cell centres as shares of the side."""
    return (np.arange(length) + 0.5) / length


def _scaled(heat: Floats) -> Floats:
    """To a maximum of 1, so that sums of tiny or huge numbers neither underflow nor overflow."""
    peak = heat.max()
    return heat / peak if peak > 0 else heat
