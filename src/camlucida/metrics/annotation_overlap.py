"""Overlap of a thresholded map with the annotation: IoU and Dice, in original pixels.

A map is an array of any rank; the truth is an annotated mask of the same size. With an empty truth
every score is NaN. ``area`` is the share of pixels inside the truth. Scores without a threshold are
in :mod:`camlucida.metrics.localisation`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from camlucida.metrics.annotations import Mask, as_mask, as_pair
from camlucida.metrics.chance import MOVED, area_matched_iou, overlap_chance
from camlucida.metrics.chexlocalize import mask_iou, otsu_mask, unit
from camlucida.metrics.localisation import (
    NAN,
    localisation_metric,
    relevance_rank,
    threshold_curve,
)
from camlucida.metrics.overlap import mask_overlap


def _above(values: ArrayLike, threshold: float) -> Mask:
    return np.asarray(unit(values) > threshold)


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


@localisation_metric(
    "iou_otsu",
    "IoU at Otsu's threshold",
    MOVED,
    overlap_chance(otsu_mask, "iou"),
    "Otsu 1979, on 256 levels, strictly above",
)
def iou_otsu(values: ArrayLike, truth: ArrayLike) -> float:
    """IoU of the pixels above Otsu's threshold, in [0, 1]. A constant map segments nothing: 0.

    Args:
        values, truth: as for :func:`~camlucida.metrics.localisation.hit`.

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


@localisation_metric(
    "dice_otsu",
    "Dice at Otsu's threshold",
    MOVED,
    overlap_chance(otsu_mask, "dice"),
    "Dice 1945; Otsu 1979",
)
def dice_otsu(values: ArrayLike, truth: ArrayLike) -> float:
    """Dice of the pixels above Otsu's threshold, in [0, 1]. A constant map segments nothing: 0.

    Args:
        values, truth: as for :func:`~camlucida.metrics.localisation.hit`.

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


@localisation_metric(
    "iou_tuned",
    "IoU at a given threshold",
    MOVED,
    overlap_chance(_above, "iou"),
    "Saporta 2022; tuned on validation images only",
    options=("threshold",),
)
def iou_tuned(values: ArrayLike, truth: ArrayLike, threshold: float) -> float:
    """IoU of the pixels where (E − min)/(max − min) is above the threshold, in [0, 1].

    Args:
        values, truth: as for :func:`~camlucida.metrics.localisation.hit`.
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


@localisation_metric(
    "dice_tuned",
    "Dice at a given threshold",
    MOVED,
    overlap_chance(_above, "dice"),
    "Dice 1945; tuned on validation images only",
    options=("threshold",),
    counts_with="iou_tuned",
)
def dice_tuned(values: ArrayLike, truth: ArrayLike, threshold: float) -> float:
    """Dice of the pixels where (E − min)/(max − min) is above the threshold, in [0, 1].

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


@localisation_metric(
    "iou_area_matched",
    "IoU at the area-matched threshold",
    "area / (2 − area)",
    area_matched_iou,
    "IoU where as many pixels are taken as the truth has",
    counts_with="relevance_rank",
)
def iou_area_matched(values: ArrayLike, truth: ArrayLike) -> float:
    """r / (2 − r), r the relevance rank accuracy (and the Dice) of the |M| hottest pixels.

    Ties count in proportion.

    Args:
        values, truth: as for :func:`~camlucida.metrics.localisation.hit`.

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
        values, truth: as for :func:`~camlucida.metrics.localisation.hit`.

    Returns:
        In [0, 1]; NaN for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> iou_best([[3.0, 2.0, 1.0]], [[1, 1, 0]])
    1.0
    """
    heat, mask = as_pair(values, truth)
    inside_taken, taken = threshold_curve(heat, mask)
    inside = inside_taken[-1]
    return float((inside_taken / (taken + inside - inside_taken)).max()) if inside else NAN


def _masks(mask: ArrayLike, truth: ArrayLike) -> tuple[Mask, Mask]:
    inside = as_mask(truth, np.shape(truth))
    return as_mask(mask, inside.shape), inside
