"""Boxes of a map against boxes that a reader drew, beside what the same boxes score by chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlucida.io.annotations import as_boxes, from_boxes
from camlucida.metrics.annotations import Floats, box_iou
from camlucida.metrics.regions import Box

LEVELS = (0.1, 0.3)
"""Intersections over union from which the finding counts as localised."""

POSITIONS = 16
"""Positions a side to which the true boxes are moved for the chance level."""


def localisation(
    predicted: Sequence[Box], truth: ArrayLike, size: tuple[int, int]
) -> dict[str, float]:
    """How well boxes meet true boxes, and what they would score by chance.

    Args:
        predicted: boxes of a map's connected components, highest peak first.
        truth: (N, 4) x, y, width, height in pixels of the image; N ≥ 1.
        size: (H, W) of the image.

    Returns:
        - ``iou``, ``dice``, ``pixel_accuracy``: of the area of all predicted boxes against that of
          all true boxes;
        - ``top_iou``: the largest intersection over union of the box with the highest peak with any
          true box;
        - ``localised_10``, ``localised_30``: 1 where ``top_iou`` is at least .1, .3, else 0;
        - each with ``_chance``: its mean with the true boxes moved together to a grid of positions
          that covers the image;
        - ``pixel_accuracy_nothing``: the pixel accuracy of no box at all.

    >>> box = Box(0, 0, 4, 4, area=16, peak=1.0, mean=1.0)
    >>> scores = localisation([box], [[0, 0, 4, 4]], (8, 8))
    >>> scores["iou"], scores["localised_30"], scores["pixel_accuracy_nothing"]
    (1.0, 1.0, 0.75)
    """
    true_boxes = as_boxes(truth)
    rows = [(box.x, box.y, box.width, box.height) for box in predicted]
    boxes = np.array(rows, float).reshape(-1, 4)
    covered = from_boxes(boxes, size) if len(boxes) else np.zeros(size, np.bool_)
    scores = _scores(boxes, covered, true_boxes, size)
    steps = _steps(true_boxes, size)
    moved = [_scores(boxes, covered, true_boxes + step, size) for step in steps]
    chance = {}
    for name in scores:
        values = [moved_scores[name] for moved_scores in moved]
        chance[f"{name}_chance"] = float(np.mean(values))
    nothing = 1 - float(from_boxes(true_boxes, size).mean())
    return scores | chance | {"pixel_accuracy_nothing": nothing}


def _scores(
    boxes: Floats, covered: NDArray[np.bool_], true_boxes: Floats, size: tuple[int, int]
) -> dict[str, float]:
    truth = from_boxes(true_boxes, size)
    window = _window(true_boxes, size)  # nothing overlaps outside it
    both = int(np.count_nonzero(covered[window] & truth[window]))
    first, second = int(np.count_nonzero(covered)), int(np.count_nonzero(truth))
    top = float(box_iou(boxes[:1], true_boxes).max(initial=0))
    scores = {
        "iou": both / (first + second - both),
        "dice": 2 * both / (first + second),
        "pixel_accuracy": (truth.size - first - second + 2 * both) / truth.size,
        "top_iou": top,
    }
    for level in LEVELS:
        scores[f"localised_{round(100 * level)}"] = float(top >= level)
    return scores


def _window(boxes: Floats, size: tuple[int, int]) -> tuple[slice, slice]:
    """The part of the image that holds all the boxes."""
    low, high = np.floor(boxes[:, :2].min(0)), np.ceil((boxes[:, :2] + boxes[:, 2:]).max(0))
    rows = slice(max(0, int(low[1])), min(size[0], int(high[1])))
    return rows, slice(max(0, int(low[0])), min(size[1], int(high[0])))


def _steps(boxes: Floats, size: tuple[int, int]) -> Iterator[Floats]:
    """(4,) to add to every box: over a grid of positions with all of them inside the image."""
    low, high = boxes[:, :2].min(0), (boxes[:, :2] + boxes[:, 2:]).max(0)
    height, width = size
    for dy in _positions(low[1], high[1], height):
        for dx in _positions(low[0], high[0], width):
            yield np.array([dx, dy, 0.0, 0.0])


def _positions(low: float, high: float, length: int) -> Floats:
    """Whole pixels by which an extent can be moved along an axis, evenly spread."""
    return np.unique(np.round(np.linspace(-low, max(-low, length - high), POSITIONS)))
