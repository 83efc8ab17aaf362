"""The protocol of CheXlocalize (Saporta 2022), as in its code.

Otsu's mask with filled contours, the first index at the maximum for the hit, and its rules for NaN.

Differences from :mod:`camlucida.metrics.localisation` are kept on purpose, so that numbers can
stand beside published ones. Maps are (H, W), in original pixels unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from camlucida.metrics.annotations import Mask, as_map, as_mask, as_pair
from camlucida.metrics.base import metric
from camlucida.metrics.chance import MOVED, area_share, overlap_chance
from camlucida.metrics.overlap import mask_overlap

SOURCE = "Saporta 2022 (CheXlocalize)"
FLT_EPSILON = float(np.finfo(np.float32).eps)


def upsample(values: ArrayLike, size: Sequence[int]) -> NDArray[np.float32]:
    """A map on its own grid, (h, w), in original pixels, ``size`` (H, W).

    Bilinear, half-pixel centres, float32.

    >>> upsample([[0, 1]], (1, 4))
    array([[0.  , 0.25, 0.75, 1.  ]], dtype=float32)
    """
    import torch

    from camlucida.core.tensors import resize

    grid = torch.from_numpy(as_map(values).astype(np.float32))
    large: NDArray[np.float32] = resize(grid[None], size)[0].numpy()
    return large


def unit(values: ArrayLike) -> NDArray[np.floating]:
    """(E − min) / (max − min), in the precision given (float32 or float64).

    All 0 for a constant map.

    >>> unit([[1.0, 2.0, 3.0]])
    array([[0. , 0.5, 1. ]])
    """
    as_map(values)
    given = np.asarray(values)
    heat = given if given.dtype == np.float32 else given.astype(np.float64)
    shifted = heat - heat.min()
    span = shifted.max()
    scaled: NDArray[np.floating] = shifted / span if span > 0 else np.zeros_like(heat)
    return scaled


def otsu_level(grey: NDArray[np.uint8]) -> int:
    """Otsu's threshold of 8-bit values: the first level t that maximises q₁q₂(μ₁ − μ₂)².

    Class 1 are the values ≤ t, class 2 those above (Otsu 1979). In OpenCV's order of operations, so
    that exact ties fall on the same level.

    >>> otsu_level(np.array([10, 10, 200], np.uint8))
    10
    """
    share = np.bincount(grey.reshape(-1), minlength=256) / grey.size
    mean = float(share @ np.arange(256))
    below = mean_below = largest = 0.0
    best = 0
    for level, part in enumerate(share.tolist()):
        mean_below *= below
        below += part
        above = 1 - below
        if min(below, above) < FLT_EPSILON or max(below, above) > 1 - FLT_EPSILON:
            continue
        mean_below = (mean_below + level * part) / below
        mean_above = (mean - below * mean_below) / above
        between = below * above * (mean_below - mean_above) ** 2
        if between > largest:
            largest, best = between, level
    return best


def otsu_mask(values: ArrayLike) -> Mask:
    """Where ⌊255 · unit(E)⌋ is above Otsu's threshold; a constant map gives an empty mask.

    >>> otsu_mask([[0.0, 0.1, 0.9]])
    array([[False, False,  True]])
    """
    grey = (255 * unit(values)).astype(np.uint8)
    return np.asarray(grey > otsu_level(grey))


def segment(values: ArrayLike, threshold: float | None = None) -> Mask:
    """The predicted mask of a map (H, W).

    Args:
        values: in original pixels, as from :func:`upsample`.
        threshold: None: Otsu, holes filled and isolated pixels dropped (a contour of one point is
            no polygon). A number: where ``unit(E) > threshold``, neither filled nor dropped.

    >>> segment([[0.0, 0.9, 1.0]]).tolist()
    [[False, True, True]]
    """
    if threshold is not None:
        return np.asarray(unit(values) > threshold)
    mask = ndimage.binary_fill_holes(otsu_mask(values))
    neighbours = ndimage.convolve(mask.astype(np.uint8), np.ones((3, 3), np.uint8), mode="constant")
    return np.asarray(mask & (neighbours > 1))


def mask_iou(mask: ArrayLike, truth: ArrayLike, true_positives_only: bool = True) -> float:
    """|P ∩ M| / |P ∪ M| of a predicted mask P and an annotated mask M, in [0, 1].

    Args:
        mask, truth: masks of one size, bool, 0/1 or 0/255.
        true_positives_only: an empty prediction has no value (CheXlocalize's mode); else it is 0.

    Returns:
        NaN for an empty truth.

    >>> mask_iou([[1, 1, 0]], [[0, 1, 0]])
    0.5
    """
    inside = as_mask(truth, np.shape(truth))
    predicted = as_mask(mask, inside.shape)
    if not inside.any() or (true_positives_only and not predicted.any()):
        return float("nan")
    return mask_overlap(predicted, inside).iou


@metric(
    "chexlocalize_iou",
    "CheXlocalize IoU",
    "localisation",
    direction="higher",
    range=(0, 1),
    chance=MOVED,
    chance_level=overlap_chance(segment, "iou"),
    upsampling="chexlocalize",
    source=SOURCE,
    only_images=True,
)
def chexlocalize_iou(
    values: ArrayLike,
    truth: ArrayLike,
    threshold: float | None = None,
    true_positives_only: bool = True,
) -> float:
    """Overlap (IoU) of the truth and the map at Otsu's threshold, in [0, 1].

    Args:
        values: map (H, W) in original pixels, as from :func:`upsample`.
        truth: mask (H, W).
        threshold: as in :func:`segment`.
        true_positives_only: a map that segments nothing, such as a constant one, has no value.

    Returns:
        NaN for an empty truth.

    Raises:
        UsageError: the sizes differ. NoEvidenceError: the map is not finite.

    >>> chexlocalize_iou([[0, 0, 9, 9]] * 3, [[0, 0, 0, 1]] * 3)
    0.5
    """
    as_pair(values, truth)
    return mask_iou(segment(values, threshold), truth, true_positives_only)


@metric(
    "chexlocalize_hit",
    "CheXlocalize hit",
    "localisation",
    direction="higher",
    range=(0, 1),
    chance="area",
    chance_level=area_share,
    upsampling="chexlocalize",
    source=SOURCE,
    proportion=True,
    counts_with="hit",
    only_images=True,
)
def chexlocalize_hit(values: ArrayLike, truth: ArrayLike) -> float:
    """1 where the first pixel (row by row) at the maximum lies in the truth, else 0.

    On ties this depends on where the first one happens to be: see
    :func:`camlucida.metrics.localisation.hit`.

    Args:
        values: map (H, W) in original pixels.
        truth: mask (H, W).

    Returns:
        NaN for an empty truth.

    Raises:
        UsageError: the sizes differ. NoEvidenceError: the map is not finite.

    >>> chexlocalize_hit([[0.1, 0.9]], [[0, 1]])
    1.0
    """
    heat, mask = as_pair(values, truth)
    return float(mask.reshape(-1)[heat.argmax()]) if mask.any() else float("nan")


def pixel_counts(mask: ArrayLike, truth: ArrayLike) -> tuple[int, int, int, int]:
    """(true positive, false positive, true negative, false negative) pixels of one image.

    To be summed over the images of a label: see :func:`pixel_rates`.

    >>> pixel_counts([[1, 1, 0, 0]], [[0, 1, 1, 0]])
    (1, 1, 1, 1)
    """
    inside = as_mask(truth, np.shape(truth))
    predicted = as_mask(mask, inside.shape)
    overlap = mask_overlap(predicted, inside)
    false_positive = overlap.first - overlap.both
    false_negative = overlap.second - overlap.both
    return overlap.both, false_positive, predicted.size - overlap.either, false_negative


def pixel_rates(counts: ArrayLike) -> dict[str, float]:
    """Precision, recall and specificity over the pixels of all images together.

    Args:
        counts: (images, 4) from :func:`pixel_counts`.

    Returns:
        NaN for 0/0.

    >>> pixel_rates([(1, 1, 1, 1), (2, 0, 2, 0)])
    {'precision': 0.75, 'recall': 0.75, 'specificity': 0.75}
    """
    tp, fp, tn, fn = np.asarray(counts, np.float64).reshape(-1, 4).sum(0).tolist()
    parts = {"precision": (tp, tp + fp), "recall": (tp, tp + fn), "specificity": (tn, tn + fp)}
    return {name: top / bottom if bottom else float("nan") for name, (top, bottom) in parts.items()}
