"""Faithfulness by information curves: the score while the hottest pixels of a blurred image return.

The image begins as a linear interpolation of a few random pixels. The hottest pixels of the map are
revealed, and the rest is interpolated again. The axis is the information in the image (the size of
its lossless compression), not the area: a map that reveals much detail for a little score is not
rewarded (Kapishnikov 2019). The bytes of an altered image are kept with the image,
under the key of its step, and meet its score in ``measure``.

Where this differs from the authors' code: exactly k pixels are revealed, ties at random; the model
sees the interpolated image unrounded; the area is that of the points themselves, not of 1001
interpolated ones; and the evaluation averages areas over images, not curves.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from io import BytesIO

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy.ndimage import minimum_filter
from scipy.spatial import Delaunay
from torch import Tensor

from camlucida.core.errors import UsageError
from camlucida.core.messages import declare
from camlucida.core.tensors import full
from camlucida.metrics.base import metric
from camlucida.metrics.imputation import Bools, Integers, Perturbation, chosen, exact_count, is_grey
from camlucida.metrics.multilabel import DECISION_THRESHOLD
from camlucida.metrics.perturbation import (
    ORIGINAL,
    RANDOM,
    Floats,
    curve_area,
    original_step,
    plan_of,
)
from camlucida.metrics.queue import Plan, Step

REVEALED = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75)
"""Revealed shares of the pixels."""
START = 0.01
"""Share of random pixels that the most blurred image keeps; its corners are kept, too."""
CONFIDENT = 0.8
"""Least score of the whole image: below it a curve would follow noise."""

EDGE = 1e-9
"""Rounding of the place in a triangle, as a share of its sides."""

KAPISHNIKOV = "Kapishnikov 2019 (XRAI); the authors' code (pic.py)"
COST = f"{len(REVEALED) + 1} + the unaltered image"
Bytes = NDArray[np.int64]

declare(
    "no_value",
    {
        "unsure": f"the score of the whole image is below {CONFIDENT:g}",
        "undecided": "the whole image is not decided for the label",
        "decided": "the blurred image is decided for the label already",
        "no_rise": "the score of the whole image is not above that of the blurred one",
        "no_detail": "the blurred image is no smaller than the whole one when compressed",
    },
)


OF_DECISIONS = {
    "no_value.unsure": "no_value.undecided",
    "no_value.no_rise": "no_value.decided",
}
"""Why a curve of scores has no area → why one of decisions has none."""


def information_plan(perturbation: Perturbation, names: Collection[str] = ()) -> Plan:
    """The blurred image, and that with each share of REVEALED returned → aic, sic.

    For 2-D images.
    """
    image = perturbation.image.tensor
    if image.ndim != 3:
        raise UsageError(
            f"information curves of an image {tuple(image.shape)}", "give (C, H, W): 2-D images"
        )
    pixels = int(np.prod(image.shape[1:]))
    counts = [exact_count(share, pixels) for share in REVEALED]
    start = ("revealed", perturbation.seed)
    keys = [(*start, count, perturbation.token) for count in counts]

    def step(key: tuple[object, ...], count: int) -> Step:
        return Step(key, partial(_revealed, perturbation, key, count))

    revealing = [step(key, count) for key, count in zip(keys, counts)]
    blurred = step(start, 0)

    thresholds = perturbation.image.thresholds or DECISION_THRESHOLD

    def bytes_of() -> Bytes:
        sizes = perturbation.image.sizes
        if ORIGINAL not in sizes:
            sizes[ORIGINAL] = compressed_bytes(image)
        return np.array([sizes[key] for key in (ORIGINAL, start, *keys)])

    def measure(scores: Floats) -> dict[str, Floats]:
        sizes = bytes_of()
        return {"aic": aic(scores, sizes, thresholds), "sic": sic(scores, sizes)}

    def undefined(scores: Floats) -> dict[str, list[str]]:
        sizes = bytes_of()
        decisions = _undefined(correct(scores, thresholds), sizes)
        return {
            "aic": [OF_DECISIONS.get(code, code) for code in decisions],
            "sic": _undefined(scores, sizes),
        }

    steps = [original_step(perturbation), blurred, *revealing]
    return plan_of(perturbation, steps, measure, undefined=undefined)


def _revealed(perturbation: Perturbation, key: tuple[object, ...], count: int) -> Tensor:
    """The model's input with the ``count`` hottest pixels revealed; notes its bytes."""
    image = perturbation.image
    shape = tuple(image.tensor.shape[1:])
    known = random_pixels(shape, perturbation.seed)
    if count:
        known |= chosen(perturbation.order, count, shape)
    altered = interpolated(image.tensor, known)
    low, high = _range(image.tensor)
    image.sizes[key] = compressed_bytes(altered, low, high)
    return image.ready(altered)


def random_pixels(shape: tuple[int, ...], seed: int = 0) -> Bools:
    """(H, W) True at a share START of the pixels and at the corners.

    The same for all maps of all images of this size, so that they are compared from one start.

    Args:
        shape: (H, W).
        seed: of the draw.

    >>> int(random_pixels((10, 10)).sum()) in (4, 5)
    True
    """
    generator = np.random.default_rng(seed)
    known = np.zeros(int(np.prod(shape)), bool)
    known[generator.choice(known.size, exact_count(START, known.size), replace=False)] = True
    pixels = known.reshape(shape)
    pixels[np.ix_((0, -1), (0, -1))] = True
    return pixels


def interpolated(image: Tensor, known: Bools) -> Tensor:
    """The image with the pixels that are not known interpolated linearly between those that are.

    Over the triangles of a Delaunay triangulation.

    Args:
        image: (C, H, W), not changed.
        known: (H, W), the four corners among them.

    Returns:
        (C, H, W), dtype and device of ``image`` (at least float32).

    >>> ramp = torch.arange(4.0).expand(1, 4, 4)
    >>> corners = np.zeros((4, 4), bool)
    >>> corners[np.ix_((0, -1), (0, -1))] = True
    >>> interpolated(ramp, corners)[0, 1].tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    result = full(image.detach()).clone()
    if known.all():
        return result
    planes = result[:1] if is_grey(result) else result
    values = planes.cpu().double().numpy()
    # A pixel with known neighbours all around is no corner of a triangle with an unknown pixel.
    needed = known & ~minimum_filter(known, 3, mode="nearest")
    needed[np.ix_((0, -1), (0, -1))] = True
    between = torch.from_numpy(_on_triangles(values, needed)[:, ~known]).to(result)
    result[:, torch.from_numpy(~known).to(result.device)] = between.expand(len(result), -1)
    return result


def _on_triangles(values: Floats, known: Bools) -> Floats:
    """(C, H, W) of the known pixels, and linear on each triangle between them.

    All corners of triangles are pixels, so that integers tell exactly in which triangle a pixel
    lies; a search with floating-point numbers gets lost among pixels on an edge.
    """
    points = np.argwhere(known)
    corners = points[Delaunay(points).simplices]
    first, second, third = corners[:, 0], corners[:, 1], corners[:, 2]
    area = _cross(second - first, third - first)
    first, second, third, area = (part[area != 0] for part in (first, second, third, area))
    low = np.minimum(np.minimum(first, second), third)
    sides = np.maximum(np.maximum(first, second), third) - low + 1
    counts = sides.prod(1)
    # Each pixel of the box around each triangle.
    of = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(of)) - np.repeat(counts.cumsum() - counts, counts)
    pixel = low[of] + np.stack(np.divmod(number, sides[of, 1]), 1)
    toward_second = _cross(pixel - first[of], (third - first)[of]) / area[of]
    toward_third = _cross((second - first)[of], pixel - first[of]) / area[of]
    inside = (toward_second >= 0) & (toward_third >= 0) & (toward_second + toward_third <= 1 + EDGE)
    of, pixel = of[inside], pixel[inside]
    a, b, c = (values[:, part[of, 0], part[of, 1]] for part in (first, second, third))
    filled = np.where(known, values, np.nan)
    filled[:, pixel[:, 0], pixel[:, 1]] = (
        a + (b - a) * toward_second[inside] + (c - a) * toward_third[inside]
    )
    return filled


def _cross(a: Integers, b: Integers) -> Integers:
    """Twice the signed area of the triangles along ``a`` and ``b``, (n, 2) each."""
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def compressed_bytes(image: Tensor, low: float | None = None, high: float | None = None) -> int:
    """Size of an image by lossless WebP, on 256 levels of its range.

    Args:
        image: (C, H, W). Three channels that differ are one colour image, equal ones one grey
            image; other channels are compressed one by one.
        low, high: the values of level 0 and 255; by default 0 and 1, or the smallest and largest
            value of an image that leaves this range.

    >>> flat, noisy = torch.zeros(1, 32, 32), torch.rand(1, 32, 32)
    >>> compressed_bytes(flat) < compressed_bytes(noisy)
    True
    """
    if low is None or high is None:
        low, high = _range(image)
    scaled = (image.detach().cpu().double() - low) / max(high - low, 1e-12)
    levels = (scaled.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    if len(levels) == 3 and not is_grey(image):
        return _webp(np.moveaxis(levels, 0, 2))
    planes = levels[:1] if is_grey(image) else levels
    return sum(_webp(plane) for plane in planes)


def _range(image: Tensor) -> tuple[float, float]:
    """0 and 1 where the image lies between them, else its extremes."""
    low, high = float(image.min()), float(image.max())
    return (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)


def _webp(pixels: NDArray[np.uint8]) -> int:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="webp", lossless=True, quality=100)
    return buffer.tell()


@metric(
    "aic",
    "Accuracy information curve",
    "faithfulness",
    direction="higher",
    range=(0, 1),
    chance=RANDOM,
    cost=f"shared with sic: {COST}",
    plan=information_plan,
    only_probability=True,
    source=KAPISHNIKOV,
    counts_with="sic",
    only_images=True,
)
def aic(scores: ArrayLike, sizes: ArrayLike, thresholds: ArrayLike = DECISION_THRESHOLD) -> Floats:
    """Area under the decision over the information, while the hottest pixels return.

    As :func:`sic`, with f 1 where the probability reaches the decision threshold, else 0. For a
    softmax, ½ is sufficient for the label to be the prediction, not necessary.

    Args:
        scores, sizes: as for :func:`sic`.
        thresholds: of the decision, one or (S,): ½, or the operating points of the model.

    Returns:
        (S,), in [0, 1]; NaN where the whole image is not decided for the label, or the blurred one
        is already.

    >>> aic([[0.9], [0.1], [0.4], [0.6]], [100, 20, 40, 60])
    array([0.625])
    """
    return sic(correct(scores, thresholds), sizes)


def correct(scores: ArrayLike, thresholds: ArrayLike = DECISION_THRESHOLD) -> Floats:
    """1 where a probability reaches its decision threshold, else 0; NaN stays.

    Args:
        scores: (…, S).
        thresholds: one or (S,).

    >>> correct([0.4, 0.5, float("nan")])
    array([ 0.,  1., nan])
    """
    values = np.asarray(scores, np.float64)
    return np.where(np.isnan(values), np.nan, values >= np.asarray(thresholds))


@metric(
    "sic",
    "Softmax information curve",
    "faithfulness",
    direction="higher",
    range=(0, 1),
    chance=RANDOM,
    cost=COST,
    plan=information_plan,
    only_probability=True,
    source=KAPISHNIKOV,
    only_images=True,
)
def sic(scores: ArrayLike, sizes: ArrayLike) -> Floats:
    """Area under the probability over the information, while the hottest pixels return.

    x = (b − b_blurred) / (b_whole − b_blurred) and y = (f − f_blurred) / (f_whole − f_blurred),
    both clipped to [0, 1], y the largest so far; from (0, 0) to (1, 1).

    Args:
        scores: (steps, S) f of the whole image, of the blurred one, and with more and more pixels
            revealed.
        sizes: (steps,) b, bytes of these images.

    Returns:
        (S,), in [0, 1]; NaN where f_whole is below 0.8 or not above f_blurred, or b_whole not above
        b_blurred.

    >>> sic([[0.9], [0.1], [0.5], [0.9]], [100, 20, 40, 60])
    array([0.75])
    """
    f, b = np.asarray(scores, np.float64), np.asarray(sizes, np.float64)
    reasons = _undefined(f, np.asarray(sizes))
    areas = np.full(f.shape[1], np.nan)
    for column, reason in enumerate(reasons):
        if not reason and np.isfinite(f[:, column]).all():
            areas[column] = _area(f[:, column], b)
    return areas


def _area(f: Floats, b: Floats) -> float:
    """Area of one curve whose ends differ."""
    x = np.clip((b[2:] - b[1]) / (b[0] - b[1]), 0, 1)
    y = np.maximum.accumulate(np.clip((f[2:] - f[1]) / (f[0] - f[1]), 0, 1))
    order = np.lexsort((y, x))
    shares = np.concatenate([[0.0], x[order], [1.0]])
    return float(curve_area(np.concatenate([[0.0], y[order], [1.0]]), shares))


def _undefined(scores: ArrayLike, sizes: Bytes) -> list[str]:
    """For each of S scores why it has no area, as a code of "no_value"; "" where it has one."""
    whole, blurred = np.asarray(scores, np.float64)[:2]
    if sizes[0] <= sizes[1]:
        return ["no_value.no_detail"] * len(whole)
    reasons = []
    for f_whole, f_blurred in zip(whole, blurred):
        reason = "no_value.no_rise" if f_whole <= f_blurred else ""
        reasons.append("no_value.unsure" if f_whole < CONFIDENT else reason)
    return reasons
