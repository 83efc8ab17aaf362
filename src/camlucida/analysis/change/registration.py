"""Two films of one patient laid over each other: shift, rotation and magnification that make their grey levels agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize
from skimage.registration import phase_cross_correlation
from skimage.transform import resize

from camlucida.core.errors import UsageError

Floats = NDArray[np.float64]

COARSE, FINE = (48, 96), (192, 384)
"""Pixels on the longer side of the films at which they are compared, coarse to fine; never more than the film has."""

SHIFT, ROTATION, MAGNIFICATION = 0.2, 15.0, 1.2
"""How far is searched: share of the film's longer side, degrees either way, and its inverse to itself."""

OVERLAP = 0.5
"""Smallest share of the film that must lie on the other film."""

BINS = 32
"""Grey levels a film for the mutual information."""

GAIN = 1e-3
"""By how much the correlation must rise: less is rounding and resampling."""

LEAST = 0.3
"""Smallest correlation of aligned films: below it one film says less than a tenth of the other's variance."""


@dataclass(frozen=True)
class Quality:
    """How alike two films are where they overlap.

    Attributes:
        correlation: Pearson, of grey levels.
        information: mutual information in nats, of 32 × 32 grey levels.
        overlap: share of the first film that lies on the second.
    """

    correlation: float
    information: float
    overlap: float


@dataclass(frozen=True)
class Mirror:
    """The best correlation of two small films, the second as it is and with left and right exchanged."""

    plain: float
    mirrored: float

    @property
    def suspected(self) -> bool:
        """The mirrored film fits better: one film may be mirrored, or they are of two patients."""
        return self.mirrored > self.plain + GAIN


@dataclass(frozen=True)
class Alignment:
    """Where each point of the film before lies on the film after.

    ``after = matrix @ before + offset``, both (row, column), pixel centres at whole numbers: what ``scipy.ndimage`` takes to
    carry the film after into the pixels of the film before.

    Attributes:
        matrix: (2, 2).
        offset: (2,).
        size: (H, W) of the film before.
        rotation: degrees, clockwise on the screen, from before to after.
        magnification: from before to after, in their own pixels, beyond the ratio of the films' sizes.
        shift: (rows, columns) by which the centre of the film before moves, in pixels of the film after.
        unaligned, aligned: how alike the films are with their centres laid over each other, and by this alignment.
        refused: why the films were not aligned; "" if they were. The alignment is then that of their centres.
        mirror: whether the second film fits better mirrored; None where no alignment was looked for.
    """

    matrix: Floats
    offset: Floats
    size: tuple[int, int]
    rotation: float
    magnification: float
    shift: tuple[float, float]
    unaligned: Quality
    aligned: Quality
    refused: str = ""
    mirror: Mirror | None = None

    @property
    def moved(self) -> bool:
        """Whether anything but centres was laid over each other."""
        return not self.refused

    def carry(self, values: NDArray[Any], outside: float = np.nan) -> Floats:
        """Values in pixels of the film after, (H', W') or (H', W', C), at the pixels of the film before; linear.

        Args:
            outside: what pixels get that do not lie on the film after.
        """
        if values.ndim == 3:
            return np.stack(
                [self.carry(values[..., i], outside) for i in range(values.shape[2])], axis=-1
            )
        at = _points(self.size, self.matrix, self.offset)
        found = ndimage.map_coordinates(values.astype(np.float64), at, order=1, mode="nearest")
        return np.asarray(np.where(_inside(at, values.shape), found, outside))

    def back(self, values: NDArray[Any], size: tuple[int, int]) -> Floats:
        """Values in pixels of the film before, at the pixels of a film after of ``size``; beyond the edge, the edge's value."""
        matrix = np.asarray(np.linalg.inv(self.matrix), np.float64)
        at = _points(size, matrix, -matrix @ self.offset)
        return np.asarray(
            ndimage.map_coordinates(values.astype(np.float64), at, order=1, mode="nearest")
        )


def centred(
    before: NDArray[Any], after: NDArray[Any], refused: str = "no alignment was asked for"
) -> Alignment:
    """The films with their centres laid over each other; where their sizes differ, the second as large as fits into the first."""
    sizes = _sizes(before, after)
    matrix, offset = _similarity(np.zeros(4), *sizes)
    first, second = _grey(before, after)
    quality = _quality(first, second, matrix, offset)
    return Alignment(matrix, offset, sizes[0], 0.0, 1.0, (0.0, 0.0), quality, quality, refused)


def align(before: NDArray[Any], after: NDArray[Any]) -> Alignment:
    """Find the shift, rotation and magnification between two films.

    The Pearson correlation of grey levels where the films overlap is made as large as possible (Powell's method, from coarse to
    fine, from the shift that phase correlation finds and from none). Contrast and brightness may differ, positive and negative
    may not. That two films can be aligned does not show that they are of one patient.

    Args:
        before, after: (H, W) or (H, W, 3) grey levels of any range; sizes may differ.

    Returns:
        The alignment; refused, with the reason, where it does not improve both the correlation (by more than 0.001, to 0.3 or
        more) and the mutual information, or lies at the edge of what is searched.

    Raises:
        UsageError: a film without any contrast, or of another shape.
    """
    first, second = _grey(before, after)
    start = centred(before, after)
    coarse, plain = _search(first, second, COARSE)
    _, mirrored = _search(first, second[:, ::-1], COARSE)
    mirror = Mirror(plain, mirrored)
    best, _ = _search(first, second, FINE, coarse)
    matrix, offset = _similarity(best, *_sizes(before, after))
    quality = _quality(first, second, matrix, offset)
    refused = _refused(best, start.unaligned, quality)
    if refused:
        return replace(start, refused=refused, mirror=mirror)
    longest = max(second.shape)
    shift = (float(best[0] * longest), float(best[1] * longest))
    turned = float(np.degrees(best[2]))
    return Alignment(
        matrix,
        offset,
        start.size,
        turned,
        float(np.exp(best[3])),
        shift,
        start.unaligned,
        quality,
        mirror=mirror,
    )


def _search(
    first: Floats, second: Floats, levels: Sequence[int], start: Floats | None = None
) -> tuple[Floats, float]:
    """The best similarity from level to level, and its correlation at the last; the films themselves bound the levels."""
    best, found = start, float("nan")
    for side in levels:
        if best is not None and side > max(*first.shape, *second.shape) * 1.5:
            break
        small = (_reduced(first, side), _reduced(second, side))
        starts = [np.zeros(4), _shifted(*small)] if best is None else [best]
        results = [
            optimize.minimize(_distance, x, small, "Powell", bounds=_bounds(), tol=1e-5)
            for x in starts
        ]
        result = min(results, key=lambda result: float(result.fun))
        best, found = result.x, 1 - float(result.fun)
    return np.zeros(4) if best is None else best, found


def _refused(best: Floats, before: Quality, after: Quality) -> str:
    if after.correlation < LEAST:
        if before.correlation < -LEAST:
            return f"one film looks like the negative of the other, their correlation is {before.correlation:.4f}"
        return f"the films are not alike: at best their correlation is {after.correlation:.4f}"
    reach = np.array([high for _, high in _bounds()])
    if (np.abs(best) > 0.98 * reach).any():
        return "the best alignment lies at the edge of what is searched"
    if after.correlation <= before.correlation + GAIN:
        return f"no alignment raises the correlation of the films, {before.correlation:.4f}, by more than {GAIN}"
    if after.information <= before.information:
        return f"the alignment of the highest correlation lowers the mutual information of the films, {before.information:.4f}"
    return ""


def _bounds() -> list[tuple[float, float]]:
    reach = (SHIFT, SHIFT, float(np.radians(ROTATION)), float(np.log(MAGNIFICATION)))
    return [(-limit, limit) for limit in reach]


def _sizes(before: NDArray[Any], after: NDArray[Any]) -> tuple[tuple[int, int], tuple[int, int]]:
    return (before.shape[0], before.shape[1]), (after.shape[0], after.shape[1])


def _similarity(x: Floats, size: tuple[int, int], other: tuple[int, int]) -> tuple[Floats, Floats]:
    """(rows, columns as shares of the longer side; radians clockwise; log magnification) → matrix and offset."""
    fit = max(b / a for a, b in zip(size, other))
    cosine, sine = np.cos(x[2]), np.sin(x[2])
    matrix = fit * np.exp(x[3]) * np.array([[cosine, sine], [-sine, cosine]])
    centres = [(np.array(film) - 1) / 2 for film in (size, other)]
    return matrix, centres[1] + x[:2] * max(other) - matrix @ centres[0]


def _grey(*films: NDArray[Any]) -> list[Floats]:
    found = []
    for name, film in zip(("before", "after"), films):
        if film.ndim not in (2, 3) or min(film.shape[:2]) < 8:
            raise UsageError(
                f"the film {name}, of shape {film.shape}, cannot be aligned",
                "give (H, W) or (H, W, 3), 8 pixels a side or more",
            )
        grey = np.asarray(film, np.float64)
        found.append(grey.mean(2) if grey.ndim == 3 else grey)
        if not np.isfinite(grey).all() or np.ptp(found[-1]) == 0:
            raise UsageError(
                f"the film {name} has no contrast at all and cannot be aligned",
                "look at it: is it blank?",
            )
    return found


def _reduced(film: Floats, side: int) -> Floats:
    factor = min(1.0, side / max(film.shape))
    size = tuple(max(8, round(n * factor)) for n in film.shape)
    return _resized(film, size)


def _resized(film: Floats, size: tuple[int, ...]) -> Floats:
    scale: Callable[..., Floats] = resize  # not typed in its package
    return scale(film, size, order=1, anti_aliasing=size[0] < film.shape[0])


def _shifted(first: Floats, second: Floats) -> Floats:
    """Where phase correlation says that the second film lies, as a start for the search."""
    same = second if second.shape == first.shape else _resized(second, first.shape)
    measure: Callable[..., tuple[Floats, float, float]] = (
        phase_cross_correlation  # not typed in its package
    )
    moved, _, _ = measure(first, same, normalization=None)
    reach = np.array([SHIFT, SHIFT])
    return np.concatenate(
        [np.clip(-np.asarray(moved) / max(first.shape), -0.9 * reach, 0.9 * reach), np.zeros(2)]
    )


def _points(size: Sequence[int], matrix: Floats, offset: Floats) -> Floats:
    """(2, H, W): where each pixel of a film of ``size`` lies on the other."""
    rows, columns = np.indices(tuple(size[:2]), dtype=np.float64)
    return np.stack([matrix[i, 0] * rows + matrix[i, 1] * columns + offset[i] for i in (0, 1)])


def _inside(at: Floats, size: Sequence[int]) -> NDArray[np.bool_]:
    """Which points lie on a film of ``size``; its outermost half pixel counts."""
    return np.asarray(
        (at[0] >= -0.5) & (at[1] >= -0.5) & (at[0] <= size[0] - 0.5) & (at[1] <= size[1] - 0.5)
    )


def _overlap(
    first: Floats, second: Floats, matrix: Floats, offset: Floats
) -> tuple[Floats, Floats, float]:
    at = _points(first.shape, matrix, offset)
    inside = _inside(at, second.shape)
    moved = ndimage.map_coordinates(second, at, order=1, mode="nearest")
    return first[inside], moved[inside], float(inside.mean())


def _distance(x: Floats, first: Floats, second: Floats) -> float:
    """1 − correlation; 2 where the films hardly overlap."""
    a, b, overlap = _overlap(first, second, *_similarity(x, first.shape, second.shape))
    return 1 - _correlation(a, b) if overlap >= OVERLAP else 2.0


def _correlation(a: Floats, b: Floats) -> float:
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / spread if spread > 0 else 0.0


def _quality(first: Floats, second: Floats, matrix: Floats, offset: Floats) -> Quality:
    a, b, overlap = _overlap(first, second, matrix, offset)
    joint, _, _ = np.histogram2d(a, b, BINS)
    p = joint / joint.sum()
    product = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)
    filled = p > 0
    return Quality(
        _correlation(a, b), float((p[filled] * np.log(p[filled] / product[filled])).sum()), overlap
    )
