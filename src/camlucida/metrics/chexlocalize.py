"""The protocol of CheXlocalize (Saporta 2022), as its code has it: Otsu's mask with filled contours, first-index hit, NaN rules.

Differences from :mod:`camlucida.metrics.localisation` are kept on purpose, so that numbers can stand beside published ones.
Maps are (H, W), in original pixels unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from camlucida.metrics.annotations import Mask, as_map, as_mask, as_pair
from camlucida.metrics.base import metric

SOURCE = "Saporta 2022 (CheXlocalize)"
FLT_EPSILON = float(np.finfo(np.float32).eps)


def upsample(values: ArrayLike, size: Sequence[int]) -> NDArray[np.float32]:
    """A map on its own grid, (h, w), to the original image's ``size`` (H, W): bilinear, half-pixel centres, float32."""
    import torch

    from camlucida.core.tensors import resize

    grid = torch.from_numpy(as_map(values).astype(np.float32))
    large: NDArray[np.float32] = resize(grid[None], size)[0].numpy()
    return large


def unit(values: ArrayLike) -> NDArray[np.floating]:
    """(E − min) / (max − min), in the precision given (float32 or float64); all 0 for a constant map."""
    as_map(values)
    given = np.asarray(values)
    heat = given if given.dtype == np.float32 else given.astype(np.float64)
    shifted = heat - heat.min()
    span = shifted.max()
    scaled: NDArray[np.floating] = shifted / span if span > 0 else np.zeros_like(heat)
    return scaled


def otsu_level(grey: NDArray[np.uint8]) -> int:
    """Otsu's threshold of 8-bit values: the first level t that maximises q₁q₂(μ₁ − μ₂)² between ≤ t and > t.

    In OpenCV's order of operations, so that exact ties fall on the same level.
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
    """Where ⌊255 · unit(E)⌋ is above Otsu's threshold; a constant map gives an empty mask."""
    grey = (255 * unit(values)).astype(np.uint8)
    return np.asarray(grey > otsu_level(grey))


def segment(values: ArrayLike, threshold: float | None = None) -> Mask:
    """The predicted mask of a map (H, W).

    Args:
        values: in original pixels, as from :func:`upsample`.
        threshold: None: Otsu, holes filled and isolated pixels dropped (a contour of one point is no polygon). A number: where
            ``unit(E) > threshold``, neither filled nor dropped.
    """
    if threshold is not None:
        return np.asarray(unit(values) > threshold)
    mask = ndimage.binary_fill_holes(otsu_mask(values))
    neighbours = ndimage.convolve(mask.astype(np.uint8), np.ones((3, 3), np.uint8), mode="constant")
    return np.asarray(mask & (neighbours > 1))


def mask_iou(mask: ArrayLike, truth: ArrayLike, true_positives_only: bool = True) -> float:
    """|P ∩ M| / |P ∪ M|; NaN for an empty truth and, with ``true_positives_only``, for an empty prediction (else 0)."""
    inside = as_mask(truth, np.shape(truth))
    found = as_mask(mask, inside.shape)
    if not inside.any() or (true_positives_only and not found.any()):
        return float("nan")
    return float((found & inside).sum() / (found | inside).sum())


@metric(
    "chexlocalize_iou",
    "CheXlocalize IoU",
    "localisation",
    direction="higher",
    range=(0, 1),
    chance="the same map, the truth moved elsewhere",
    source=SOURCE,
)
def chexlocalize_iou(
    values: ArrayLike,
    truth: ArrayLike,
    threshold: float | None = None,
    true_positives_only: bool = True,
) -> float:
    """:func:`mask_iou` of :func:`segment`; a constant map gives NaN in the true-positives-only mode."""
    as_pair(values, truth)
    return mask_iou(segment(values, threshold), truth, true_positives_only)


@metric(
    "chexlocalize_hit",
    "CheXlocalize hit",
    "localisation",
    direction="higher",
    range=(0, 1),
    chance="area",
    source=SOURCE,
)
def chexlocalize_hit(values: ArrayLike, truth: ArrayLike) -> float:
    """1 where the first pixel (row by row) at the maximum lies in the truth, else 0; NaN for an empty truth.

    On ties this depends on where the first one happens to be: see :func:`camlucida.metrics.localisation.hit`.
    """
    heat, mask = as_pair(values, truth)
    return float(mask.reshape(-1)[heat.argmax()]) if mask.any() else float("nan")


def pixel_counts(mask: ArrayLike, truth: ArrayLike) -> tuple[int, int, int, int]:
    """(true positive, false positive, true negative, false negative) pixels of one image; to be summed over a label's images."""
    inside = as_mask(truth, np.shape(truth))
    found = as_mask(mask, inside.shape)
    both, either = int((found & inside).sum()), int((found | inside).sum())
    return both, int(found.sum()) - both, found.size - either, int(inside.sum()) - both


def pixel_rates(counts: ArrayLike) -> dict[str, float]:
    """Precision, recall, specificity of (images, 4) :func:`pixel_counts`, pixels of all images pooled; NaN for 0/0."""
    tp, fp, tn, fn = np.asarray(counts, np.float64).reshape(-1, 4).sum(0).tolist()
    parts = {"precision": (tp, tp + fp), "recall": (tp, tp + fn), "specificity": (tn, tn + fp)}
    return {name: top / bottom if bottom else float("nan") for name, (top, bottom) in parts.items()}
