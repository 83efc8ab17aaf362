"""Registration of two images of one patient, by shift, rotation and magnification.

The transform makes the grey levels of the two images agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from skimage.registration import phase_cross_correlation
from skimage.transform import resize

from camlucida.analysis.change.alignment import GAIN, Alignment, AlignmentQuality, Mirror
from camlucida.analysis.change.resampling import Floats, overlapping
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
    },
)

COARSE, FINE = (48, 96), (192, 384)
"""Pixels on the longer side at which the images are compared, coarse to fine; never more than they
have."""

SHIFT, ROTATION, MAGNIFICATION = 0.2, 15.0, 1.2
"""Search range: share of the longer side, degrees either way, and from the inverse to itself."""

OVERLAP = 0.5
"""Smallest share of an image that must lie on the other."""

BINS = 32
"""Grey levels an image for the mutual information."""

LEAST = 0.3
"""Smallest correlation of aligned images: below it one explains less than a tenth of the other's
variance."""


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
    best_correlation = max(before.correlation, after.correlation)
    if best_correlation < LEAST:
        if before.correlation < -LEAST:
            return Message("alignment.negative", {"correlation": before.correlation})
        return Message("alignment.unlike", {"correlation": best_correlation})
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


def _distance(x: Floats, first: Floats, second: Floats) -> float:
    """1 − correlation; 2 where the images hardly overlap."""
    matrix, offset = _similarity(x, first.shape, second.shape)
    a, b, overlap = overlapping(first, second, matrix, offset)
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
    a, b, overlap = overlapping(first, second, matrix, offset)
    counts, _, _ = np.histogram2d(a, b, BINS)
    joint = counts / counts.sum()
    of_first = joint.sum(1, keepdims=True)
    of_second = joint.sum(0, keepdims=True)
    independent = of_first * of_second
    filled = joint > 0
    ratio = np.log(joint[filled] / independent[filled])
    information = float((joint[filled] * ratio).sum())
    return AlignmentQuality(_correlation(a, b), information, overlap)
