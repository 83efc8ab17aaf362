"""Does the heat lie where a reader marked the finding? In original pixels.

A map is (H, W), or any rank unless it says boxes; a truth is a mask of the same size. With an empty truth every score is NaN.
Ties are averaged over, never broken by position: a corner peak of a 7×7 map, upsampled to 224², has 256 equal maxima.
A score of a map that knows nothing is written as chance; ``area`` is the share of pixels inside the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from camlucida.io.annotations import as_boxes, boxes_of
from camlucida.metrics.annotations import Floats, Mask, as_map, as_pair, box_iou
from camlucida.metrics.base import metric
from camlucida.metrics.chexlocalize import mask_iou, otsu_mask, unit
from camlucida.metrics.regions import binary_mask
from camlucida.metrics.regions import boxes as component_boxes

Run = TypeVar("Run", bound=Callable[..., Any])
NAN = float("nan")
MOVED = "the same map, the truth moved elsewhere"

TOLERANCE = 15.0
"""Pixels around the truth that still count in the tolerant hit (Zhang 2018)."""

BOX_LEVELS = np.arange(0, 1, 0.01)
"""Thresholds on the map in [0, 1] at which MaxBoxAccV2 draws boxes."""

BOX_OVERLAPS = (0.3, 0.5, 0.7)
"""Intersections over union at which MaxBoxAccV2 counts a box as right."""


def _measured(
    name: str, title: str, chance: str, source: str, top: float | None = 1, low: float = 0
) -> Callable[[Run], Run]:
    return metric(
        name,
        title,
        "localisation",
        direction="higher",
        range=(low, top),
        chance=chance,
        source=source,
    )


# ---- where the peak is ------------------------------------------------------------------------------------------------------


@_measured(
    "hit", "Pointing game", "area", "Zhang 2018 (Excitation Backprop), section 4; ties averaged"
)
def hit(values: ArrayLike, truth: ArrayLike) -> float:
    """Share of the pixels at the maximum that lie in the truth; 0 or 1 without ties. A constant map scores the area share."""
    heat, mask = as_pair(values, truth)
    return float(mask[heat == heat.max()].mean()) if mask.any() else NAN


@_measured(
    "tolerant_hit",
    "Pointing game with tolerance",
    "area of the widened truth",
    "Zhang 2018 (Excitation Backprop)",
)
def tolerant_hit(values: ArrayLike, truth: ArrayLike, radius: float = TOLERANCE) -> float:
    """:func:`hit` where the truth is widened by ``radius`` pixels (Euclidean, centre to centre)."""
    heat, mask = as_pair(values, truth)
    return hit(heat, ndimage.distance_transform_edt(~mask) <= radius) if mask.any() else NAN


# ---- how much heat is inside ------------------------------------------------------------------------------------------------


@_measured(
    "relevance_mass",
    "Relevance mass accuracy",
    "area, for a uniform map",
    "Arras 2022 (CLEVR-XAI), eq. 2; Wang 2020, eq. 10",
)
def relevance_mass(values: ArrayLike, truth: ArrayLike) -> float:
    """Σ_M E⁺ / Σ E⁺: the share of positive heat inside the truth. NaN without positive heat.

    Also known as the energy-based pointing game (Score-CAM) and attribution localisation (Kohlbrenner 2020).
    """
    heat, mask = as_pair(values, truth)
    positive = np.maximum(heat, 0)
    peak = positive.max()
    if not (mask.any() and peak > 0):
        return NAN
    positive = positive / peak  # a sum of tiny numbers must not underflow
    return float(positive[mask].sum() / positive.sum())


@_measured(
    "attention_ratio",
    "Attention ratio",
    "1",
    "Mean positive heat in the truth over that of the image",
    None,
)
def attention_ratio(values: ArrayLike, truth: ArrayLike) -> float:
    """mean_M E⁺ / mean E⁺ = relevance mass / area, in [0, 1/area]. NaN without positive heat."""
    mask = np.asarray(truth)
    mass = relevance_mass(values, mask)
    return mass / float((mask != 0).mean()) if np.isfinite(mass) else NAN


@_measured(
    "relevance_rank",
    "Relevance rank accuracy",
    "area",
    "Arras 2022 (CLEVR-XAI), eq. 3; ties averaged",
)
def relevance_rank(values: ArrayLike, truth: ArrayLike) -> float:
    """|top-K ∩ M| / K, K = |M|: the share of the K hottest pixels inside the truth; a tie at the K-th counts in proportion.

    Also the Dice coefficient at the area-matched threshold (as many pixels as the truth has).
    """
    heat, mask = as_pair(values, truth)
    count = int(mask.sum())
    if not count:
        return NAN
    last = np.partition(heat, heat.size - count, axis=None)[heat.size - count]
    above, tied = heat > last, heat == last
    share = (count - above.sum()) / tied.sum()
    return float(((above & mask).sum() + share * (tied & mask).sum()) / count)


# ---- ranking of all pixels --------------------------------------------------------------------------------------------------


@_measured("roc_auc", "Pixel ROC-AUC", "0.5", "Hanley 1982; ties count a half")
def roc_auc(values: ArrayLike, truth: ArrayLike) -> float:
    """P(heat of a pixel inside > heat of one outside), ties a half. NaN where the truth is empty or everything."""
    heat, mask = as_pair(values, truth)
    found, taken = _curve(heat, mask)
    inside, outside = found[-1], taken[-1] - found[-1]
    if not (inside and outside):
        return NAN
    true, false = np.append(0, found) / inside, np.append(0, taken - found) / outside
    return float(np.diff(false) @ (true[1:] + true[:-1]) / 2)


@_measured(
    "average_precision",
    "Average precision",
    "area",
    "Everingham 2010 without interpolation, as scikit-learn",
)
def average_precision(values: ArrayLike, truth: ArrayLike) -> float:
    """Σ_n (R_n − R_{n−1}) P_n over the distinct values of the map, hottest first."""
    heat, mask = as_pair(values, truth)
    levels, counts = np.unique(
        heat[mask], return_counts=True
    )  # recall grows at these alone; a plain sort counts the rest
    if not len(levels):
        return NAN
    taken = heat.size - np.searchsorted(np.sort(heat, axis=None), levels)
    found = counts[::-1].cumsum()[::-1]
    return float(counts @ (found / taken) / found[0])


@_measured(
    "average_precision_lift",
    "Average precision over area",
    "1",
    "Average precision ÷ its chance level",
    None,
)
def average_precision_lift(values: ArrayLike, truth: ArrayLike) -> float:
    """Average precision / area, in (0, 1/area]: how many times better than a map that knows nothing."""
    precision = average_precision(values, truth)
    return precision / float((np.asarray(truth) != 0).mean()) if np.isfinite(precision) else NAN


@_measured(
    "class_specificity",
    "Class specificity",
    "area of own − area of other",
    "Average precision on two labels' truths",
    1,
    -1,
)
def class_specificity(values: ArrayLike, own: ArrayLike, other: ArrayLike) -> float:
    """AP(own mask) − AP(other label's mask) of one label's map; NaN if either mask is empty. 0 if the masks are the same."""
    return average_precision(values, own) - average_precision(values, other)


def _curve(heat: Floats, mask: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(pixels of the truth found, pixels taken) at each distinct threshold, hottest first."""
    order = np.argsort(heat, axis=None)[::-1]
    ranked = heat.reshape(-1)[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), ranked.size - 1)
    return np.cumsum(mask.reshape(-1)[order], dtype=np.int64)[last], last + 1


# ---- overlap of masks -------------------------------------------------------------------------------------------------------


def dice(mask: ArrayLike, truth: ArrayLike) -> float:
    """2 |P ∩ M| / (|P| + |M|) = 2 IoU / (1 + IoU) of two masks; NaN for an empty truth."""
    overlap = mask_iou(mask, truth, true_positives_only=False)
    return 2 * overlap / (1 + overlap)


@_measured("iou_otsu", "IoU at Otsu's threshold", MOVED, "Otsu 1979, on 256 levels, strictly above")
def iou_otsu(values: ArrayLike, truth: ArrayLike) -> float:
    """IoU of the pixels above Otsu's threshold. A constant map marks nothing: 0."""
    heat, mask = as_pair(values, truth)
    return mask_iou(otsu_mask(heat), mask, true_positives_only=False)


@_measured("dice_otsu", "Dice at Otsu's threshold", MOVED, "Dice 1945; Otsu 1979")
def dice_otsu(values: ArrayLike, truth: ArrayLike) -> float:
    """Dice of the pixels above Otsu's threshold. A constant map marks nothing: 0."""
    heat, mask = as_pair(values, truth)
    return dice(otsu_mask(heat), mask)


@_measured(
    "iou_tuned",
    "IoU at a given threshold",
    MOVED,
    "Saporta 2022; tuned on validation images only",
)
def iou_tuned(values: ArrayLike, truth: ArrayLike, threshold: float) -> float:
    """IoU of the pixels where (E − min)/(max − min) > ``threshold``. A constant map marks nothing: 0."""
    heat, mask = as_pair(values, truth)
    return mask_iou(unit(heat) > threshold, mask, true_positives_only=False)


@_measured(
    "dice_tuned",
    "Dice at a given threshold",
    MOVED,
    "Dice 1945; tuned on validation images only",
)
def dice_tuned(values: ArrayLike, truth: ArrayLike, threshold: float) -> float:
    """Dice of the pixels where (E − min)/(max − min) > ``threshold``. A constant map marks nothing: 0."""
    heat, mask = as_pair(values, truth)
    return dice(unit(heat) > threshold, mask)


@_measured(
    "iou_area_matched",
    "IoU at the area-matched threshold",
    "area / (2 − area)",
    "IoU where as many pixels are taken as the truth has",
)
def iou_area_matched(values: ArrayLike, truth: ArrayLike) -> float:
    """r / (2 − r), r the relevance rank accuracy (and the Dice) of the |M| hottest pixels; ties count in proportion."""
    rank = relevance_rank(values, truth)
    return rank / (2 - rank)


def iou_best(values: ArrayLike, truth: ArrayLike) -> float:
    """The highest IoU of any threshold: a bound, not a score, for it looks at the truth."""
    heat, mask = as_pair(values, truth)
    found, taken = _curve(heat, mask)
    return float((found / (taken + found[-1] - found)).max()) if found[-1] else NAN


# ---- boxes ------------------------------------------------------------------------------------------------------------------


def box_accuracy(values: ArrayLike, boxes: ArrayLike, levels: ArrayLike = BOX_LEVELS) -> Floats:
    """(levels, overlaps) of 0/1: at this threshold, does any component's box reach this IoU with any true box? NaN without one.

    The row of one image that :func:`max_box_acc_v2` gathers.
    """
    heat, wanted, steps = unit(as_map(values)), as_boxes(boxes), np.asarray(levels, float)
    if not len(wanted):
        return np.full((len(steps), len(BOX_OVERLAPS)), np.nan)
    best = [box_iou(boxes_of(heat > level), wanted).max(initial=0) for level in steps]
    return (np.array(best)[:, None] >= np.array(BOX_OVERLAPS)).astype(np.float64)


@_measured(
    "max_box_acc_v2",
    "MaxBoxAccV2",
    "that of a centre Gaussian, measured",
    "Choe 2020 (WSOL evaluation), section 4",
)
def max_box_acc_v2(tables: ArrayLike) -> float:
    """Mean over the overlaps (.3, .5, .7) of the best accuracy at one threshold shared by all images.

    Args:
        tables: (images, levels, overlaps), a :func:`box_accuracy` an image; images without a true box are left out.
    """
    stacked = np.asarray(tables, np.float64)
    known = stacked[~np.isnan(stacked).any((1, 2))]
    return float(known.mean(0).max(0).mean()) if len(known) else NAN


@_measured(
    "corloc", "CorLoc", "that of a centre Gaussian, measured", "Deselaers 2012, at IoU ≥ 0.5"
)
def corloc(values: ArrayLike, boxes: ArrayLike) -> float:
    """1 where the box of the component with the highest peak (at half maximum) has IoU ≥ 0.5 with a true box, else 0."""
    found, wanted = heat_boxes(values)[:1, :4], as_boxes(boxes)
    return float(box_iou(found, wanted).max(initial=0) >= 0.5) if len(wanted) else NAN


def heat_boxes(values: ArrayLike, probability: float = 1.0) -> Floats:
    """(N, 5) x, y, width, height, score of the components above half maximum; highest peak first.

    The score is ``probability`` × mean heat of the component, the map's positive part scaled to a maximum of 1.
    """
    positive = np.maximum(as_map(values), 0)
    heat = positive / max(positive.max(), np.finfo(float).tiny)
    found = component_boxes(binary_mask(heat), heat)
    return np.array(
        [(b.x, b.y, b.width, b.height, probability * b.mean) for b in found], float
    ).reshape(-1, 5)


@_measured("box_ap30", "Box AP at IoU 0.3", "near 0", "Everingham 2010 (VOC), all points")
def box_ap30(found: Sequence[ArrayLike], truth: Sequence[ArrayLike]) -> float:
    """:func:`box_ap` at IoU ≥ 0.3."""
    return box_ap(found, truth, 0.3)


@_measured("box_ap50", "Box AP at IoU 0.5", "near 0", "Everingham 2010 (VOC), all points")
def box_ap50(found: Sequence[ArrayLike], truth: Sequence[ArrayLike]) -> float:
    """:func:`box_ap` at IoU ≥ 0.5."""
    return box_ap(found, truth, 0.5)


def box_ap(found: Sequence[ArrayLike], truth: Sequence[ArrayLike], overlap: float) -> float:
    """Area under the precision-recall curve of boxes over all images, precision made monotone (all points).

    Args:
        found: an image each, (N, 5) of x, y, width, height, score, as from :func:`heat_boxes`.
        truth: an image each, (M, 4). A true box is found once; a second box on it is false. NaN without any true box.
        overlap: smallest IoU of a right box.
    """
    scored: list[tuple[float, bool]] = []
    for boxes, wanted in zip(found, truth, strict=True):
        scored += _match(np.asarray(boxes, float).reshape(-1, 5), as_boxes(wanted), overlap)
    total = sum(len(as_boxes(wanted)) for wanted in truth)
    if not total:
        return NAN
    if not scored:
        return 0.0
    score, right = np.array(sorted(scored, key=lambda row: -row[0])).T
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)  # equal scores enter together
    recall, precision = np.cumsum(right)[last] / total, np.cumsum(right)[last] / (last + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.diff(recall, prepend=0) @ envelope)


def _match(found: Floats, wanted: Floats, overlap: float) -> list[tuple[float, bool]]:
    """(score, right) of one image's boxes, best score first; each takes the free true box it overlaps most."""
    found = found[np.argsort(-found[:, 4], kind="stable")]
    overlaps = box_iou(found[:, :4], wanted)
    rows: list[tuple[float, bool]] = []
    for row, box in zip(overlaps, found):
        best = int(row.argmax()) if len(wanted) else -1
        right = best >= 0 and row[best] >= overlap
        if right:
            overlaps[:, best] = -1
        rows.append((float(box[4]), bool(right)))
    return rows
