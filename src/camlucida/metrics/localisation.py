"""Does the heat lie where a reader annotated the finding? In original pixels.

A map is (H, W), or of any rank unless it says boxes; the truth is an annotated mask of the same
size. With an empty truth every score is NaN. Ties are averaged over, never broken by position: a
corner peak of a 7×7 map, upsampled to 224², has 256 equal maxima. ``area`` is the share of pixels
inside the truth. Boxes are in :mod:`camlucida.metrics.boxes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from camlucida.metrics.annotations import Floats, Mask, as_mask, as_pair
from camlucida.metrics.base import Inputs, metric
from camlucida.metrics.chance import (
    MOVED,
    area_matched_iou,
    area_share,
    difference_of_areas,
    overlap_chance,
    same_for_all,
    widened_area,
)
from camlucida.metrics.chexlocalize import mask_iou, otsu_mask, unit
from camlucida.metrics.overlap import mask_overlap

Run = TypeVar("Run", bound=Callable[..., Any])
NAN = float("nan")

TOLERANCE = 15.0
"""Pixels around the truth that still count in the tolerant hit (Zhang 2018)."""


def _measured(
    name: str,
    title: str,
    chance: str,
    chance_level: Callable[..., float],
    source: str,
    range: tuple[float, float | None] = (0, 1),
    inputs: Inputs = "mask",
    options: tuple[str, ...] = (),
) -> Callable[[Run], Run]:
    return metric(
        name,
        title,
        "localisation",
        direction="higher",
        range=range,
        chance=chance,
        chance_level=chance_level,
        source=source,
        inputs=inputs,
        options=options,
    )


def _above(values: ArrayLike, threshold: float) -> Mask:
    return np.asarray(unit(values) > threshold)


# ---- where the peak is
# ----------------------------------------------------------------------------


@_measured(
    "hit",
    "Pointing game",
    "area",
    area_share,
    "Zhang 2018 (Excitation Backprop), section 4; ties averaged",
)
def hit(values: ArrayLike, truth: ArrayLike) -> float:
    """Share of the pixels at the maximum that lie in the truth; 0 or 1 without ties.

    Args:
        values: map, finite, in any unit.
        truth: mask of the same size.

    Returns:
        In [0, 1]; the area for a constant map, NaN for an empty truth.

    Raises:
        UsageError: the sizes differ. NoEvidenceError: the map is not finite.

    >>> hit([[0.0, 2.0, 2.0]], [[0, 0, 1]])
    0.5
    """
    heat, mask = as_pair(values, truth)
    return float(mask[heat == heat.max()].mean()) if mask.any() else NAN


@_measured(
    "tolerant_hit",
    "Pointing game with tolerance",
    "area of the widened truth",
    widened_area(TOLERANCE),
    "Zhang 2018 (Excitation Backprop)",
)
def tolerant_hit(values: ArrayLike, truth: ArrayLike, radius: float = TOLERANCE) -> float:
    """:func:`hit` where the truth is widened by ``radius`` pixels (Euclidean, centre to centre).

    Args:
        values, truth: as for :func:`hit`.
        radius: in original pixels, 0 or more.

    Returns:
        In [0, 1]; NaN for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> tolerant_hit([[0.0, 1.0, 0.0, 0.0]], [[1, 0, 0, 0]], radius=1)
    1.0
    """
    heat, mask = as_pair(values, truth)
    return hit(heat, ndimage.distance_transform_edt(~mask) <= radius) if mask.any() else NAN


# ---- the share of heat inside
# ---------------------------------------------------------------------


@_measured(
    "relevance_mass",
    "Relevance mass accuracy",
    "area, for a uniform map",
    area_share,
    "Arras 2022 (CLEVR-XAI), eq. 2; Wang 2020, eq. 10",
)
def relevance_mass(values: ArrayLike, truth: ArrayLike) -> float:
    """Σ_M E⁺ / Σ E⁺: the share of positive heat inside the truth M.

    Also known as the energy-based pointing game (Score-CAM) and attribution localisation
    (Kohlbrenner 2020).

    Args:
        values, truth: as for :func:`hit`.

    Returns:
        In [0, 1]; NaN without positive heat or for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> relevance_mass([[1.0, 3.0, -5.0]], [[0, 1, 1]])
    0.75
    """
    heat, mask = as_pair(values, truth)
    positive = np.maximum(heat, 0)
    peak = positive.max()
    if not (mask.any() and peak > 0):
        return NAN
    # Scaled first, for a sum of tiny numbers must not underflow.
    positive = positive / peak
    return float(positive[mask].sum() / positive.sum())


@_measured(
    "attention_ratio",
    "Attention ratio",
    "1",
    same_for_all(1.0),
    "Mean positive heat in the truth over that of the image",
    (0, None),
)
def attention_ratio(values: ArrayLike, truth: ArrayLike) -> float:
    """mean_M E⁺ / mean E⁺ = relevance mass / area, in [0, 1/area]. NaN without positive heat.

    Args:
        values, truth: as for :func:`hit`.

    Returns:
        0 or more; NaN without positive heat or for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> attention_ratio([[1.0, 3.0, 0.0, 0.0]], [[0, 1, 0, 0]])
    3.0
    """
    mask = np.asarray(truth)
    mass = relevance_mass(values, mask)
    return mass / float((mask != 0).mean()) if np.isfinite(mass) else NAN


@_measured(
    "relevance_rank",
    "Relevance rank accuracy",
    "area",
    area_share,
    "Arras 2022 (CLEVR-XAI), eq. 3; ties averaged",
)
def relevance_rank(values: ArrayLike, truth: ArrayLike) -> float:
    """|top-K ∩ M| / K, K = |M|: the share of the K hottest pixels inside the truth, in [0, 1].

    A tie at the K-th counts in proportion. Also the Dice coefficient at the area-matched threshold
    (as many pixels as the truth has).

    Args:
        values, truth: as for :func:`hit`.

    Returns:
        In [0, 1]; NaN for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> relevance_rank([[3.0, 2.0, 1.0, 0.0]], [[1, 0, 0, 1]])
    0.5
    """
    heat, mask = as_pair(values, truth)
    count = int(mask.sum())
    if not count:
        return NAN
    last = np.partition(heat, heat.size - count, axis=None)[heat.size - count]
    above, tied = heat > last, heat == last
    share = (count - above.sum()) / tied.sum()
    return float(((above & mask).sum() + share * (tied & mask).sum()) / count)


# ---- ranking of all pixels
# ------------------------------------------------------------------------


@_measured("roc_auc", "Pixel ROC-AUC", "0.5", same_for_all(0.5), "Hanley 1982; ties count a half")
def roc_auc(values: ArrayLike, truth: ArrayLike) -> float:
    """P(heat of a pixel inside > heat of one outside), ties a half, in [0, 1].

    Args:
        values, truth: as for :func:`hit`.

    Returns:
        NaN where the truth is empty or everything.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> roc_auc([[3.0, 2.0, 1.0]], [[1, 0, 1]])
    0.5
    """
    heat, mask = as_pair(values, truth)
    inside_taken, taken = _curve(heat, mask)
    inside, outside = inside_taken[-1], taken[-1] - inside_taken[-1]
    if not (inside and outside):
        return NAN
    true = np.append(0, inside_taken) / inside
    false = np.append(0, taken - inside_taken) / outside
    return float(np.diff(false) @ (true[1:] + true[:-1]) / 2)


@_measured(
    "average_precision",
    "Average precision",
    "area",
    area_share,
    "Everingham 2010 without interpolation, as scikit-learn",
)
def average_precision(values: ArrayLike, truth: ArrayLike) -> float:
    """Σ_n (R_n − R_{n−1}) P_n over the distinct values of the map, hottest first, in (0, 1].

    Args:
        values, truth: as for :func:`hit`.

    Returns:
        In (0, 1]; NaN for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> round(average_precision([[3.0, 2.0, 1.0]], [[1, 0, 1]]), 3)
    0.833
    """
    heat, mask = as_pair(values, truth)
    # Recall grows at the values inside the truth alone; a plain sort counts the other pixels.
    levels, counts = np.unique(heat[mask], return_counts=True)
    if not len(levels):
        return NAN
    taken = heat.size - np.searchsorted(np.sort(heat, axis=None), levels)
    inside_taken = counts[::-1].cumsum()[::-1]
    return float(counts @ (inside_taken / taken) / inside_taken[0])


@_measured(
    "average_precision_lift",
    "Average precision over area",
    "1",
    same_for_all(1.0),
    "Average precision ÷ its chance level",
    (0, None),
)
def average_precision_lift(values: ArrayLike, truth: ArrayLike) -> float:
    """Average precision ÷ area, in (0, 1/area].

    Average precision as a multiple of its chance level.

    Args:
        values, truth: as for :func:`hit`.

    Returns:
        1 at chance level; NaN for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> average_precision_lift([[3.0, 2.0, 1.0, 0.0]], [[1, 0, 0, 0]])
    4.0
    """
    precision = average_precision(values, truth)
    return precision / float((np.asarray(truth) != 0).mean()) if np.isfinite(precision) else NAN


@_measured(
    "class_specificity",
    "Class specificity",
    "area of own − area of other",
    difference_of_areas,
    "Average precision on two labels' truths",
    (-1, 1),
    "two masks",
)
def class_specificity(values: ArrayLike, own: ArrayLike, other: ArrayLike) -> float:
    """AP(mask of the label) − AP(mask of another label) of the map of one label, in [−1, 1].

    Args:
        values: map of the label.
        own: mask of the label, same size.
        other: mask of another label in the same image.

    Returns:
        NaN if either mask is empty; 0 if the masks are the same.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> class_specificity([[1.0, 0.0]], [[1, 0]], [[0, 1]])
    0.5
    """
    return average_precision(values, own) - average_precision(values, other)


def _curve(heat: Floats, mask: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(pixels of the truth taken, pixels taken) at each distinct threshold, hottest first."""
    order = np.argsort(heat, axis=None)[::-1]
    ranked = heat.reshape(-1)[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), ranked.size - 1)
    return np.cumsum(mask.reshape(-1)[order], dtype=np.int64)[last], last + 1


# ---- overlap of masks
# -----------------------------------------------------------------------------


def dice(mask: ArrayLike, truth: ArrayLike) -> float:
    """2 |P ∩ M| / (|P| + |M|) of a predicted and an annotated mask, in [0, 1].

    Args:
        mask, truth: masks of one size, bool, 0/1 or 0/255.

    Returns:
        NaN for an empty truth.

    Raises:
        UsageError: the sizes differ, or an array is not a mask.

    >>> round(dice([[1, 1, 0]], [[0, 1, 0]]), 3)
    0.667
    """
    predicted, inside = _masks(mask, truth)
    return mask_overlap(predicted, inside).dice if inside.any() else NAN


@_measured(
    "iou_otsu",
    "IoU at Otsu's threshold",
    MOVED,
    overlap_chance(otsu_mask, "iou"),
    "Otsu 1979, on 256 levels, strictly above",
)
def iou_otsu(values: ArrayLike, truth: ArrayLike) -> float:
    """IoU of the pixels above Otsu's threshold, in [0, 1]. A constant map segments nothing: 0.

    Args:
        values, truth: as for :func:`hit`.

    Returns:
        In [0, 1]; NaN for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> iou_otsu([[0.0, 0.0, 5.0, 5.0]], [[0, 0, 0, 1]])
    0.5
    """
    heat, mask = as_pair(values, truth)
    return mask_iou(otsu_mask(heat), mask, true_positives_only=False)


@_measured(
    "dice_otsu",
    "Dice at Otsu's threshold",
    MOVED,
    overlap_chance(otsu_mask, "dice"),
    "Dice 1945; Otsu 1979",
)
def dice_otsu(values: ArrayLike, truth: ArrayLike) -> float:
    """Dice of the pixels above Otsu's threshold, in [0, 1]. A constant map segments nothing: 0.

    Args:
        values, truth: as for :func:`hit`.

    Returns:
        In [0, 1]; NaN for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> round(dice_otsu([[0.0, 0.0, 5.0, 5.0]], [[0, 0, 0, 1]]), 3)
    0.667
    """
    heat, mask = as_pair(values, truth)
    return dice(otsu_mask(heat), mask)


@_measured(
    "iou_tuned",
    "IoU at a given threshold",
    MOVED,
    overlap_chance(_above, "iou"),
    "Saporta 2022; tuned on validation images only",
    options=("threshold",),
)
def iou_tuned(values: ArrayLike, truth: ArrayLike, threshold: float) -> float:
    """IoU of the pixels where (E − min)/(max − min) > ``threshold``, in [0, 1].

    Args:
        values, truth: as for :func:`hit`.
        threshold: in [0, 1], tuned on other images. A constant map segments nothing: 0.

    Returns:
        In [0, 1]; NaN for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> iou_tuned([[0.0, 0.4, 0.8, 1.0]], [[0, 0, 1, 1]], 0.3)
    0.6666666666666666
    """
    heat, mask = as_pair(values, truth)
    return mask_iou(_above(heat, threshold), mask, true_positives_only=False)


@_measured(
    "dice_tuned",
    "Dice at a given threshold",
    MOVED,
    overlap_chance(_above, "dice"),
    "Dice 1945; tuned on validation images only",
    options=("threshold",),
)
def dice_tuned(values: ArrayLike, truth: ArrayLike, threshold: float) -> float:
    """Dice of the pixels where (E − min)/(max − min) > ``threshold``, in [0, 1].

    Args:
        values, truth, threshold: as for :func:`iou_tuned`.

    Returns:
        In [0, 1]; NaN for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> dice_tuned([[0.0, 0.4, 0.8, 1.0]], [[0, 0, 1, 1]], 0.3)
    0.8
    """
    heat, mask = as_pair(values, truth)
    return dice(_above(heat, threshold), mask)


@_measured(
    "iou_area_matched",
    "IoU at the area-matched threshold",
    "area / (2 − area)",
    area_matched_iou,
    "IoU where as many pixels are taken as the truth has",
)
def iou_area_matched(values: ArrayLike, truth: ArrayLike) -> float:
    """r / (2 − r), r the relevance rank accuracy (and the Dice) of the |M| hottest pixels.

    Ties count in proportion.

    Args:
        values, truth: as for :func:`hit`.

    Returns:
        In [0, 1]; NaN for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> iou_area_matched([[3.0, 2.0, 1.0, 0.0]], [[1, 0, 0, 1]])
    0.3333333333333333
    """
    rank = relevance_rank(values, truth)
    return rank / (2 - rank)


def iou_best(values: ArrayLike, truth: ArrayLike) -> float:
    """The highest IoU of any threshold, in [0, 1]: a bound, not a score, for it looks at the truth.

    Args:
        values, truth: as for :func:`hit`.

    Returns:
        In [0, 1]; NaN for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> iou_best([[3.0, 2.0, 1.0]], [[1, 1, 0]])
    1.0
    """
    heat, mask = as_pair(values, truth)
    inside_taken, taken = _curve(heat, mask)
    inside = inside_taken[-1]
    return float((inside_taken / (taken + inside - inside_taken)).max()) if inside else NAN


def _masks(mask: ArrayLike, truth: ArrayLike) -> tuple[Mask, Mask]:
    inside = as_mask(truth, np.shape(truth))
    return as_mask(mask, inside.shape), inside
