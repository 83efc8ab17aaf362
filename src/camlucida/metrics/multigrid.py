"""Fast imputation of large regions: conjugate gradients with a multigrid preconditioner.

Solves the equations of :func:`~camlucida.metrics.imputation.impute`, whose direct solution takes
longer than in proportion to the number of pixels. A V-cycle in single precision (Jacobi smoothing,
bilinear transfer) is enough as a preconditioner; the iteration itself is in float64.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Kind = TypeVar("Kind", bound=np.generic)
Real = TypeVar("Real", np.float32, np.float64)

TOLERANCE = 1e-9
"""Of the residual, as a share of the right-hand side: below the rounding of a float32 image."""
ITERATIONS = 100
"""About 20 are needed. Masks of scattered pixels may need more: then the answer is none."""
COARSEST = 16
"""The image is padded to a multiple of this, so that it can be halved to its coarsest level."""
DAMPING = 0.8
"""Of the Jacobi step."""
SMOOTHING = 6
"""Jacobi steps on the coarsest level."""


def multigrid_solution(image: Floats, removed: Bools) -> Floats | None:
    """Values (C, N) of the N removed pixels of ``image`` (C, H, W), in row order.

    Args:
        image: (C, H, W).
        removed: (H, W); at least one pixel is not.

    Returns:
        None where ITERATIONS do not reach TOLERANCE.

    >>> removed = np.zeros((3, 3), bool)
    >>> removed[1, 1] = True
    >>> answer = multigrid_solution(np.arange(9.0).reshape(1, 3, 3), removed)
    >>> answer.round(6).tolist()
    [[4.0]]
    """
    rows, columns = removed.shape
    inside = _padded(np.ones_like(removed))
    unknown = _padded(removed)
    levels = _levels(unknown, inside)
    mask = unknown.astype(np.float64)
    total = np.where(unknown, neighbour_sum(inside.astype(np.float64)), 1.0)
    planes = []
    for plane in image:
        known = _padded(np.where(removed, 0.0, plane))
        start = mask * plane[~removed].mean()
        solved = _conjugate_gradients(levels, mask, total, known, start)
        if solved is None:
            return None
        planes.append(solved[:rows, :columns][removed])
    return np.stack(planes)


def neighbour_sum(values: NDArray[Real]) -> NDArray[Real]:
    """Σ of the weighted 8 neighbours, 1/6 beside and 1/12 across; outside is 0.

    Args:
        values: (H, W).

    >>> neighbour_sum(np.ones((3, 3)))[1, 1].round(9).item()
    1.0
    """
    half, third = values.dtype.type(1 / 2), values.dtype.type(1 / 3)
    framed = np.pad(values, 1)
    # The weights are those of (½, 1, ½) down times (½, 1, ½) right, less the middle, over 3.
    down = framed[:-2] + framed[2:]
    down *= half
    down += framed[1:-1]
    both: NDArray[Real] = down[:, :-2] + down[:, 2:]
    both *= half
    both += down[:, 1:-1]
    both -= values
    both *= third
    return both


def _padded(values: NDArray[Kind]) -> NDArray[Kind]:
    rows, columns = (-size % COARSEST for size in values.shape)
    return np.pad(values, ((0, rows), (0, columns)))


@dataclass(frozen=True)
class _Level:
    """The equations on one grid, (H, W) each: which cells are unknown, and Σ of their weights."""

    mask: Singles
    total: Singles
    step: Singles = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", np.float32(DAMPING) * self.mask / self.total)

    def residual(self, right: Singles, x: Singles) -> Singles:
        """What is left of the right-hand side."""
        left = neighbour_sum(x)
        left += right
        left -= self.total * x
        left *= self.mask
        return left


def _levels(unknown: Bools, inside: Bools) -> list[_Level]:
    """The image's grid and coarser ones: a cell is unknown if all four below it are."""
    levels = []
    while unknown.any():
        total = np.where(unknown, neighbour_sum(inside.astype(np.float32)), np.float32(1))
        levels.append(_Level(unknown.astype(np.float32), total))
        if unknown.shape[0] % 2 or unknown.shape[1] % 2:
            break
        unknown = np.asarray(_quads(unknown).all((1, 3)))
        inside = np.asarray(_quads(inside).any((1, 3)))
    return levels


def _quads(cells: Bools) -> Bools:
    """(H/2, 2, W/2, 2) of (H, W)."""
    return cells.reshape(cells.shape[0] // 2, 2, cells.shape[1] // 2, 2)


def _conjugate_gradients(
    levels: list[_Level], mask: Floats, total: Floats, known: Floats, start: Floats
) -> Floats | None:
    """The unknown values, 0 elsewhere; None without convergence."""

    def applied(x: Floats) -> Floats:
        return mask * (total * x - neighbour_sum(x))

    right = mask * neighbour_sum(known)
    x = start
    residual = right - applied(x)
    goal = TOLERANCE * np.linalg.norm(right)
    direction, length = np.zeros_like(x), 1.0
    for _ in range(ITERATIONS):
        if np.linalg.norm(residual) <= goal:
            return x
        better = _cycle(levels, residual.astype(np.float32)).astype(np.float64)
        previous, length = length, float(np.vdot(residual, better))
        direction *= length / previous
        direction += better
        image = applied(direction)
        step = length / float(np.vdot(direction, image))
        x = x + step * direction
        residual -= step * image
    return None


def _cycle(levels: list[_Level], right: Singles) -> Singles:
    """One V-cycle from 0: about the solution of the first level's equations."""
    level, *coarser = levels
    x = level.step * right
    if not coarser:
        for _ in range(SMOOTHING):
            x += level.step * level.residual(right, x)
        return x
    below = coarser[0].mask * _restricted(level.residual(right, x))
    x += level.mask * _prolonged(_cycle(coarser, below))
    x += level.step * level.residual(right, x)
    return x


def _restricted(fine: Singles) -> Singles:
    """(H/2, W/2) of (H, W): the transpose of :func:`_prolonged`."""
    return _halved(_halved(fine).T).T


def _halved(fine: Singles) -> Singles:
    first, second = fine[0::2], fine[1::2]
    coarse = first + second
    coarse *= np.float32(0.75)
    coarse[1:] += np.float32(0.25) * second[:-1]
    coarse[:-1] += np.float32(0.25) * first[1:]
    return coarse


def _prolonged(coarse: Singles) -> Singles:
    """(2 H, 2 W) of (H, W), bilinear, 0 beyond the border."""
    return _doubled(_doubled(coarse).T).T


def _doubled(coarse: Singles) -> Singles:
    near, far = np.float32(0.75) * coarse, np.float32(0.25) * coarse
    fine = np.repeat(near, 2, axis=0)
    fine[2::2] += far[:-1]
    fine[1:-1:2] += far[1:]
    return fine
