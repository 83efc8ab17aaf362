"""Registration of two images of one patient, by shift, rotation and magnification.

The transform makes the grey levels of the two images agree.
"""

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
from camlucida.core.messages import Message, declare

declare(
    "alignment",
    {
        "not_requested": "no alignment was requested",
        "negative": (
            "one image looks like the negative of the other; their correlation is {correlation:.4f}"
        ),
        "unlike": "the images are not alike: at best their correlation is {correlation:.4f}",
        "at_edge": "the best alignment lies at the edge of the search range",
        "no_gain": (
            "no alignment raises the correlation of the images, {correlation:.4f}, by more than "
            "{gain}"
        ),
        "less_information": (
            "the alignment of the highest correlation lowers the mutual information of the "
            "images, {information:.4f}"
        ),
        "mirrored": (
            "the second image fits the first better when it is mirrored (correlation of small "
            "images {mirrored:.3f}, unmirrored {plain:.3f}): one of them may be mirrored, or they "
            "are of two patients"
        ),
    },
)

Floats = NDArray[np.float64]

COARSE, FINE = (48, 96), (192, 384)
"""Pixels on the longer side at which the images are compared, coarse to fine; never more than they
have."""

SHIFT, ROTATION, MAGNIFICATION = 0.2, 15.0, 1.2
"""Search range: share of the longer side, degrees either way, and from the inverse to itself."""

OVERLAP = 0.5
"""Smallest share of an image that must lie on the other."""

BINS = 32
"""Grey levels an image for the mutual information."""

GAIN = 1e-3
"""Smallest gain in correlation that counts: less is rounding and resampling."""

LEAST = 0.3
"""Smallest correlation of aligned images: below it one explains less than a tenth of the other's
variance."""


@dataclass(frozen=True)
class AlignmentQuality:
    """How alike two images are where they overlap.

    Attributes:
        correlation: Pearson, of grey levels.
        information: mutual information in nats, of 32 × 32 grey levels.
        overlap: share of the first image that lies on the second.
    """

    correlation: float
    information: float
    overlap: float


@dataclass(frozen=True)
class Mirror:
    """The best correlation of two small images, the second as it is and mirrored."""

    plain: float
    mirrored: float

    @property
    def suspected(self) -> bool:
        """The mirrored image fits better: one may be mirrored, or they are of two patients."""
        return self.mirrored > self.plain + GAIN

    @property
    def warning(self) -> Message | None:
        """What the reader should know; None where the second image fits best as it is."""
        if not self.suspected:
            return None
        return Message("alignment.mirrored", {"mirrored": self.mirrored, "plain": self.plain})


@dataclass(frozen=True)
class Alignment:
    """Where each point of the image before lies on the image after.

    ``after = matrix @ before + offset``, both (row, column), pixel centres at whole numbers: what
    ``scipy.ndimage`` takes to resample the image after in the pixels of the image before.

    Attributes:
        matrix: (2, 2).
        offset: (2,).
        size: (H, W) of the image before.
        rotation: degrees, clockwise on the screen, from before to after.
        magnification: from before to after, in their pixels, beyond the ratio of the sizes.
        shift: (rows, columns) by which the centre of the image before moves, in pixels of the image
            after.
        unaligned, aligned: how alike the images are centre over centre, and by this alignment.
        refused: why the images were not aligned; None if they were. The alignment is then centre
            over centre.
        mirror: whether the second image fits better mirrored; None where no alignment was searched.
    """

    matrix: Floats
    offset: Floats
    size: tuple[int, int]
    rotation: float
    magnification: float
    shift: tuple[float, float]
    unaligned: AlignmentQuality
    aligned: AlignmentQuality
    refused: Message | None = None
    mirror: Mirror | None = None

    @property
    def moved(self) -> bool:
        """Whether the images were aligned, beyond centre over centre."""
        return self.refused is None

    def carry(self, values: NDArray[Any], outside: float = np.nan) -> Floats:
        """Values of the image after, resampled linearly at the pixels of the image before.

        Args:
            values: (H', W') or (H', W', C).
            outside: value of pixels that do not lie on the image after.

        Returns:
            (H, W) or (H, W, C).
        """
        if values.ndim == 3:
            planes = [self.carry(values[..., i], outside) for i in range(values.shape[2])]
            return np.stack(planes, axis=-1)
        points = _points(self.size, self.matrix, self.offset)
        sampled = _sampled(values.astype(np.float64), points)
        inside = _inside(points, values.shape)
        return np.asarray(np.where(inside, sampled, outside))

    def back(self, values: NDArray[Any], size: tuple[int, int]) -> Floats:
        """Values of the image before, resampled linearly at the pixels of an image after.

        Args:
            values: (H, W).
            size: (H', W') of the image after.

        Returns:
            (H', W'); beyond the edge of the image before, the edge's value.
        """
        matrix = np.asarray(np.linalg.inv(self.matrix), np.float64)
        offset = -matrix @ self.offset
        points = _points(size, matrix, offset)
        return _sampled(values.astype(np.float64), points)


def centred(before: NDArray[Any], after: NDArray[Any]) -> Alignment:
    """The images centre over centre; the second is as large as fits into the first.

    Args:
        before, after: (H, W) or (H, W, 3) grey levels of any range; sizes may differ.

    Raises:
        UsageError: an image without any contrast, or of another shape.

    >>> image = np.eye(8)
    >>> centred(image, np.kron(image, np.ones((2, 2)))).offset.tolist()
    [0.5, 0.5]
    """
    sizes = _sizes(before, after)
    refused = Message("alignment.not_requested")
    matrix, offset = _similarity(np.zeros(4), *sizes)
    first, second = _grey(before, after)
    quality = _quality(first, second, matrix, offset)
    return Alignment(matrix, offset, sizes[0], 0.0, 1.0, (0.0, 0.0), quality, quality, refused)


def align(before: NDArray[Any], after: NDArray[Any]) -> Alignment:
    """Find the shift, rotation and magnification between two images.

    The Pearson correlation of grey levels where the images overlap is made as large as possible
    (Powell's method, from coarse to fine, from the shift that phase correlation finds and from
    none). Contrast and brightness may differ, positive and negative may not. That two images can be
    aligned does not show that they are of one patient.

    Args:
        before, after: (H, W) or (H, W, 3) grey levels of any range; sizes may differ.

    Returns:
        The alignment. It is refused, with the reason, where it does not improve both the
        correlation (by more than 0.001, to 0.3 or more) and the mutual information, or lies at the
        edge of the search range.

    Raises:
        UsageError: an image without any contrast, or of another shape.
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
    if refused is not None:
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
    """The best similarity from level to level, and its correlation at the last.

    Levels above the images' size are left out.
    """
    best, correlation = start, float("nan")
    for side in levels:
        if best is not None and side > max(*first.shape, *second.shape) * 1.5:
            break
        small = (_reduced(first, side), _reduced(second, side))
        starts = [best]
        if best is None:
            # Phase correlation sees a shift alone; a rotation can mislead it.
            starts = [np.zeros(4), _shifted(*small)]
        lowest = float("inf")
        for x in starts:
            result = optimize.minimize(_distance, x, small, "Powell", bounds=_bounds(), tol=1e-5)
            if float(result.fun) < lowest:
                lowest, best = float(result.fun), result.x
        correlation = 1 - lowest
    return np.zeros(4) if best is None else best, correlation


def _refused(best: Floats, before: AlignmentQuality, after: AlignmentQuality) -> Message | None:
    """Why an alignment is not to be used; None where it is."""
    if after.correlation < LEAST:
        if before.correlation < -LEAST:
            return Message("alignment.negative", {"correlation": before.correlation})
        return Message("alignment.unlike", {"correlation": after.correlation})
    reach = np.array([high for _, high in _bounds()])
    # Powell's method stops a little short of a bound.
    if (np.abs(best) > 0.98 * reach).any():
        return Message("alignment.at_edge")
    if after.correlation <= before.correlation + GAIN:
        return Message("alignment.no_gain", {"correlation": before.correlation, "gain": GAIN})
    if after.information <= before.information:
        return Message("alignment.less_information", {"information": before.information})
    return None


def _bounds() -> list[tuple[float, float]]:
    reach = (SHIFT, SHIFT, float(np.radians(ROTATION)), float(np.log(MAGNIFICATION)))
    return [(-limit, limit) for limit in reach]


def _sizes(before: NDArray[Any], after: NDArray[Any]) -> tuple[tuple[int, int], tuple[int, int]]:
    size = (before.shape[0], before.shape[1])
    other = (after.shape[0], after.shape[1])
    return size, other


def _similarity(x: Floats, size: tuple[int, int], other: tuple[int, int]) -> tuple[Floats, Floats]:
    """Matrix and offset of (rows, columns, radians clockwise, log magnification).

    Rows and columns are shares of the longer side.
    """
    fit = max(other[0] / size[0], other[1] / size[1])
    cosine, sine = np.cos(x[2]), np.sin(x[2])
    rotation = np.array([[cosine, sine], [-sine, cosine]])
    matrix = fit * np.exp(x[3]) * rotation
    centre = (np.array(size) - 1) / 2
    other_centre = (np.array(other) - 1) / 2
    shift = x[:2] * max(other)
    return matrix, other_centre + shift - matrix @ centre


def _grey(before: NDArray[Any], after: NDArray[Any]) -> list[Floats]:
    """Grey levels (H, W) of both images, checked."""
    images = []
    for name, image in (("before", before), ("after", after)):
        if image.ndim not in (2, 3) or min(image.shape[:2]) < 8:
            what = f"the image {name}, of shape {image.shape}, cannot be aligned"
            raise UsageError(what, "give (H, W) or (H, W, 3), 8 pixels a side or more")
        values = np.asarray(image, np.float64)
        grey = values.mean(2) if values.ndim == 3 else values
        is_finite = np.isfinite(values).all()
        if not is_finite or np.ptp(grey) == 0:
            what = f"the image {name} has no contrast at all and cannot be aligned"
            raise UsageError(what, "look at it: is it blank?")
        images.append(grey)
    return images


def _reduced(image: Floats, side: int) -> Floats:
    factor = min(1.0, side / max(image.shape))
    height, width = image.shape
    size = (max(8, round(height * factor)), max(8, round(width * factor)))
    return _resized(image, size)


def _resized(image: Floats, size: tuple[int, ...]) -> Floats:
    scale: Callable[..., Floats] = resize  # not typed in its package
    return scale(image, size, order=1, anti_aliasing=size[0] < image.shape[0])


def _shifted(first: Floats, second: Floats) -> Floats:
    """Where the second image lies by phase correlation, as a start for the search."""
    same_size = second if second.shape == first.shape else _resized(second, first.shape)
    # Not typed in its package.
    measure: Callable[..., tuple[Floats, float, float]] = phase_cross_correlation
    moved, _, _ = measure(first, same_size, normalization=None)
    shift = -np.asarray(moved) / max(first.shape)
    reach = 0.9 * np.array([SHIFT, SHIFT])
    return np.concatenate([np.clip(shift, -reach, reach), np.zeros(2)])


def _sampled(values: Floats, points: Floats) -> Floats:
    """Linear interpolation of (H, W) at points (2, …); beyond the edge, the edge's value."""
    return np.asarray(ndimage.map_coordinates(values, points, order=1, mode="nearest"))


def _points(size: Sequence[int], matrix: Floats, offset: Floats) -> Floats:
    """(2, H, W): where each pixel of an image of ``size`` lies on the other."""
    rows, columns = np.indices(tuple(size[:2]), dtype=np.float64)
    axes = []
    for row, start in zip(matrix, offset):
        axes.append(row[0] * rows + row[1] * columns + start)
    return np.stack(axes)


def _inside(points: Floats, size: Sequence[int]) -> NDArray[np.bool_]:
    """Which points (2, …) lie on an image of ``size``; its outermost half pixel counts."""
    rows, columns = points
    in_height = (rows >= -0.5) & (rows <= size[0] - 0.5)
    in_width = (columns >= -0.5) & (columns <= size[1] - 0.5)
    return np.asarray(in_height & in_width)


def _overlap(
    first: Floats, second: Floats, matrix: Floats, offset: Floats
) -> tuple[Floats, Floats, float]:
    """Grey levels of both images where they overlap, and the share of the first that does."""
    points = _points(first.shape, matrix, offset)
    inside = _inside(points, second.shape)
    moved = _sampled(second, points)
    return first[inside], moved[inside], float(inside.mean())


def _distance(x: Floats, first: Floats, second: Floats) -> float:
    """1 − correlation; 2 where the images hardly overlap."""
    matrix, offset = _similarity(x, first.shape, second.shape)
    a, b, overlap = _overlap(first, second, matrix, offset)
    if overlap < OVERLAP:
        return 2.0
    return 1 - _correlation(a, b)


def _correlation(a: Floats, b: Floats) -> float:
    a = a - a.mean()
    b = b - b.mean()
    spread = float(np.sqrt((a @ a) * (b @ b)))
    if not spread > 0:
        return 0.0
    return float(a @ b) / spread


def _quality(first: Floats, second: Floats, matrix: Floats, offset: Floats) -> AlignmentQuality:
    a, b, overlap = _overlap(first, second, matrix, offset)
    counts, _, _ = np.histogram2d(a, b, BINS)
    joint = counts / counts.sum()
    of_first = joint.sum(1, keepdims=True)
    of_second = joint.sum(0, keepdims=True)
    independent = of_first * of_second
    filled = joint > 0
    ratio = np.log(joint[filled] / independent[filled])
    information = float((joint[filled] * ratio).sum())
    return AlignmentQuality(_correlation(a, b), information, overlap)
