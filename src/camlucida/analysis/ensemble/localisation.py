"""Boxes of a map against boxes that a reader drew, beside what the same boxes score by chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlucida.core.regions import Box
from camlucida.io.annotations import as_boxes, from_boxes
from camlucida.metrics.annotations import Floats, box_iou

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
    covered = np.zeros(size, np.bool_)
    if len(boxes):
        covered = from_boxes(boxes, size)
    scores = _scores(boxes, covered, true_boxes, size)
    at_positions = []
    for step in _steps(true_boxes, size):
        moved = true_boxes + step
        at_positions.append(_scores(boxes, covered, moved, size))
    chance = {}
    for name in scores:
        values = [scores_there[name] for scores_there in at_positions]
        chance[f"{name}_chance"] = float(np.mean(values))
    true_share = float(from_boxes(true_boxes, size).mean())
    return scores | chance | {"pixel_accuracy_nothing": 1 - true_share}


def _scores(
    boxes: Floats, covered: NDArray[np.bool_], true_boxes: Floats, size: tuple[int, int]
) -> dict[str, float]:
    truth = from_boxes(true_boxes, size)
    # Nothing overlaps outside the window. It makes the many positions of the chance level cheap.
    window = _window(true_boxes, size)
    overlap = covered[window] & truth[window]
    both = int(np.count_nonzero(overlap))
    first = int(np.count_nonzero(covered))
    second = int(np.count_nonzero(truth))
    differing = first + second - 2 * both
    top = float(box_iou(boxes[:1], true_boxes).max(initial=0))
    scores = {
        "iou": both / (first + second - both),
        "dice": 2 * both / (first + second),
        "pixel_accuracy": (truth.size - differing) / truth.size,
        "top_iou": top,
    }
    for level in LEVELS:
        name = f"localised_{round(100 * level)}"
        scores[name] = float(top >= level)
    return scores


def _window(boxes: Floats, size: tuple[int, int]) -> tuple[slice, slice]:
    """The part of the image that holds all the boxes."""
    low, high = _extent(boxes)
    left, top = map(int, np.floor(low))
    right, bottom = map(int, np.ceil(high))
    height, width = size
    rows = slice(max(0, top), min(height, bottom))
    columns = slice(max(0, left), min(width, right))
    return rows, columns


def _extent(boxes: Floats) -> tuple[Floats, Floats]:
    """(x, y) of the corners of the smallest box around all boxes."""
    corners = boxes[:, :2]
    low = np.asarray(corners.min(0))
    high = np.asarray((corners + boxes[:, 2:]).max(0))
    return low, high


def _steps(boxes: Floats, size: tuple[int, int]) -> Iterator[Floats]:
    """(4,) to add to every box: over a grid of positions with all of them inside the image."""
    low, high = _extent(boxes)
    height, width = size
    for dy in _positions(low[1], high[1], height):
        for dx in _positions(low[0], high[0], width):
            yield np.array([dx, dy, 0.0, 0.0])


def _positions(low: float, high: float, length: int) -> Floats:
    """Whole pixels by which an extent can be moved along an axis, evenly spread."""
    first, last = -low, length - high
    # Boxes as long as the image leave no room: then there is the one position.
    moves = np.linspace(first, max(first, last), POSITIONS)
    return np.unique(np.round(moves))
