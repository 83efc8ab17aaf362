"""Does a box drawn around the heat match an annotated box? In original pixels, maps (H, W).

Boxes are x, y, width, height in edge coordinates: pixel i covers [i, i + 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from camlucida.core.regions import binary_mask
from camlucida.core.regions import boxes as component_boxes
from camlucida.io.annotations import as_boxes, boxes_of
from camlucida.metrics.annotations import Floats, as_map, box_iou
from camlucida.metrics.base import metric
from camlucida.metrics.chexlocalize import unit

NAN = float("nan")

BOX_LEVELS = np.arange(0, 1, 0.01)
"""Thresholds on the map in [0, 1] at which MaxBoxAccV2 draws boxes."""

BOX_OVERLAPS = (0.3, 0.5, 0.7)
"""Intersections over union at which MaxBoxAccV2 counts a box as right."""

CORLOC_OVERLAP = 0.5
"""Intersection over union at which CorLoc counts a box as right."""

CENTRE = "that of a centre Gaussian, measured"
"""No formula is known: the baseline "center" is measured in the same table."""


def box_accuracy(values: ArrayLike, boxes: ArrayLike, levels: ArrayLike = BOX_LEVELS) -> Floats:
    """At each threshold: does the box of any component reach this IoU with any annotated box?

    What :func:`max_box_acc_v2` needs of one image.

    Args:
        values: map (H, W).
        boxes: (N, 4) annotated boxes.
        levels: thresholds in [0, 1] on the map scaled to [0, 1].

    Returns:
        (levels, overlaps) of 0 and 1; NaN without an annotated box.

    >>> box_accuracy([[0.0, 1.0]], [[1, 0, 1, 1]], levels=[0.5])
    array([[1., 1., 1.]])
    """
    heat, annotated, steps = unit(as_map(values)), as_boxes(boxes), np.asarray(levels, float)
    if not len(annotated):
        return np.full((len(steps), len(BOX_OVERLAPS)), np.nan)
    best = [box_iou(boxes_of(heat > level), annotated).max(initial=0) for level in steps]
    return (np.array(best)[:, None] >= np.array(BOX_OVERLAPS)).astype(np.float64)


@metric(
    "max_box_acc_v2",
    "MaxBoxAccV2",
    "localisation",
    direction="higher",
    range=(0, 1),
    chance=CENTRE,
    inputs="all boxes",
    source="Choe 2020 (WSOL evaluation), section 4",
    only_images=True,
)
def max_box_acc_v2(tables: ArrayLike) -> float:
    """Mean over the overlaps (.3, .5, .7) of the best accuracy at one threshold for all images.

    Args:
        tables: (images, levels, overlaps), a :func:`box_accuracy` an image. Images without an
            annotated box are left out.

    Returns:
        In [0, 1]; NaN without an image.

    >>> max_box_acc_v2([[[1, 1, 0], [1, 0, 0]], [[0, 0, 0], [1, 1, 0]]])
    0.5
    """
    stacked = np.asarray(tables, np.float64)
    complete = stacked[~np.isnan(stacked).any((1, 2))]
    return float(complete.mean(0).max(0).mean()) if len(complete) else NAN


@metric(
    "corloc",
    "CorLoc",
    "localisation",
    direction="higher",
    range=(0, 1),
    chance=CENTRE,
    inputs="boxes",
    source="Deselaers 2012, at IoU ≥ 0.5",
    proportion=True,
    only_images=True,
)
def corloc(values: ArrayLike, boxes: ArrayLike) -> float:
    """1 where the box of the hottest component has IoU ≥ 0.5 with an annotated box, else 0.

    The component with the highest peak, at half maximum.

    Args:
        values: map (H, W).
        boxes: (N, 4) annotated boxes.

    Returns:
        NaN without an annotated box.

    >>> corloc([[0.0, 0.9, 1.0, 0.0]], [[1, 0, 2, 1]])
    1.0
    """
    predicted, annotated = heat_boxes(values)[:1, :4], as_boxes(boxes)
    if not len(annotated):
        return NAN
    return float(box_iou(predicted, annotated).max(initial=0) >= CORLOC_OVERLAP)


def heat_boxes(values: ArrayLike, probability: float = 1.0) -> Floats:
    """Boxes of the components above half maximum, highest peak first.

    Args:
        values: map (H, W).
        probability: of the finding by the model, in [0, 1].

    Returns:
        (N, 5) x, y, width, height, score: ``probability`` × mean heat of the component, with the
        positive part of the map scaled to a maximum of 1.

    >>> heat_boxes([[0.0, 1.0, 0.0]], probability=0.5)
    array([[1. , 0. , 1. , 1. , 0.5]])
    """
    positive = np.maximum(as_map(values), 0)
    heat = positive / max(positive.max(), np.finfo(float).tiny)
    parts = component_boxes(binary_mask(heat), heat)
    rows = [(b.x, b.y, b.width, b.height, probability * b.mean) for b in parts]
    return np.array(rows, float).reshape(-1, 5)


@metric(
    "box_ap30",
    "Box AP at IoU 0.3",
    "localisation",
    direction="higher",
    range=(0, 1),
    chance="near 0",
    inputs="all boxes",
    source="Everingham 2010 (VOC), all points",
    only_images=True,
)
def box_ap30(predicted: Sequence[ArrayLike], truth: Sequence[ArrayLike]) -> float:
    """Average precision of the boxes at IoU ≥ 0.3.

    Args:
        predicted, truth: as for :func:`box_ap`.

    Returns:
        In [0, 1]; NaN without any annotated box.

    Raises:
        ValueError: not one entry an image in both.

    Source: Everingham 2010 (VOC), all points.

    >>> box_ap30([[[0, 0, 2, 1, 0.9]]], [[[0, 0, 1, 1]]])
    1.0
    """
    return box_ap(predicted, truth, 0.3)


@metric(
    "box_ap50",
    "Box AP at IoU 0.5",
    "localisation",
    direction="higher",
    range=(0, 1),
    chance="near 0",
    inputs="all boxes",
    source="Everingham 2010 (VOC), all points",
    only_images=True,
)
def box_ap50(predicted: Sequence[ArrayLike], truth: Sequence[ArrayLike]) -> float:
    """Average precision of the boxes at IoU ≥ 0.5.

    Args:
        predicted, truth: as for :func:`box_ap`.

    Returns:
        In [0, 1]; NaN without any annotated box.

    Raises:
        ValueError: not one entry an image in both.

    Source: Everingham 2010 (VOC), all points.

    >>> box_ap50([[[0, 0, 3, 1, 0.9]]], [[[0, 0, 1, 1]]])
    0.0
    """
    return box_ap(predicted, truth, 0.5)


def box_ap(predicted: Sequence[ArrayLike], truth: Sequence[ArrayLike], overlap: float) -> float:
    """Area under the precision-recall curve of the boxes of all images (VOC, all points).

    Precision is made monotone.

    Args:
        predicted: an image each, (N, 5) of x, y, width, height, score, as from :func:`heat_boxes`.
        truth: an image each, (M, 4). An annotated box is matched once; a second box on it is false.
        overlap: smallest IoU of a right box, in (0, 1].

    Returns:
        In [0, 1]; NaN without any annotated box.

    Raises:
        ValueError: not one entry an image in both.

    >>> box_ap([[[0, 0, 1, 1, 0.9], [5, 0, 1, 1, 0.4]]], [[[0, 0, 1, 1], [9, 9, 1, 1]]], 0.5)
    0.5
    """
    scored: list[tuple[float, bool]] = []
    for boxes, annotated in zip(predicted, truth, strict=True):
        scored += _match(np.asarray(boxes, float).reshape(-1, 5), as_boxes(annotated), overlap)
    total = sum(len(as_boxes(annotated)) for annotated in truth)
    if not total:
        return NAN
    if not scored:
        return 0.0
    score, right = np.array(sorted(scored, key=lambda row: -row[0])).T
    # Boxes of equal score enter together.
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    correct = np.cumsum(right)[last]
    recall, precision = correct / total, correct / (last + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.diff(recall, prepend=0) @ envelope)


def _match(predicted: Floats, annotated: Floats, overlap: float) -> list[tuple[float, bool]]:
    """(score, right) of the boxes of one image, best score first.

    Each takes the free annotated box that it overlaps most.
    """
    predicted = predicted[np.argsort(-predicted[:, 4], kind="stable")]
    overlaps = box_iou(predicted[:, :4], annotated)
    rows: list[tuple[float, bool]] = []
    for row, box in zip(overlaps, predicted):
        best = int(row.argmax()) if len(annotated) else -1
        right = best >= 0 and row[best] >= overlap
        if right:
            overlaps[:, best] = -1
        rows.append((float(box[4]), bool(right)))
    return rows
