"""Boxes found in a map against boxes that a reader drew, with what the same boxes score where the reader drew nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlucida.io.annotations import as_boxes, from_boxes
from camlucida.metrics.annotations import Floats, box_iou
from camlucida.metrics.regions import Box

LEVELS = (0.1, 0.3)
"""Intersections over union from which the finding counts as localised."""

PLACES = 16
"""Places a side to which the truth is moved for the chance level."""

NAN = float("nan")


def localisation(found: Sequence[Box], truth: ArrayLike, size: tuple[int, int]) -> dict[str, float]:
    """How well boxes meet true boxes, and what they would score by chance.

    Args:
        found: boxes of a map's connected components, highest peak first.
        truth: (N, 4) x, y, width, height in pixels of the image; N ≥ 1.
        size: (H, W) of the image.

    Returns:
        - ``iou``, ``dice``, ``pixel_accuracy``: of the area of all found boxes against that of all true boxes;
        - ``top_iou``: the largest intersection over union of the box with the highest peak with any true box;
        - ``localised_10``, ``localised_30``: 1 where ``top_iou`` is at least .1, .3, else 0;
        - each with ``_chance``: its mean with the true boxes moved together to a grid of places that covers the image;
        - ``pixel_accuracy_nothing``: the pixel accuracy of no box at all.
    """
    wanted = as_boxes(truth)
    boxes = np.array([(b.x, b.y, b.width, b.height) for b in found], float).reshape(-1, 4)
    inside = from_boxes(boxes, size) if len(boxes) else np.zeros(size, np.bool_)
    here = _scores(boxes, inside, wanted, size)
    moved = [_scores(boxes, inside, wanted + step, size) for step in _steps(wanted, size)]
    chance = {f"{name}_chance": float(np.mean([one[name] for one in moved])) for name in here}
    nothing = 1 - float(from_boxes(wanted, size).mean())
    return here | chance | {"pixel_accuracy_nothing": nothing}


def _scores(
    boxes: Floats, inside: NDArray[np.bool_], wanted: Floats, size: tuple[int, int]
) -> dict[str, float]:
    truth = from_boxes(wanted, size)
    window = _window(wanted, size)
    both = int(np.count_nonzero(inside[window] & truth[window]))
    one, other, pixels = int(np.count_nonzero(inside)), int(np.count_nonzero(truth)), truth.size
    top = float(box_iou(boxes[:1], wanted).max(initial=0))
    return {
        "iou": both / (one + other - both),
        "dice": 2 * both / (one + other),
        "pixel_accuracy": (pixels - one - other + 2 * both) / pixels,
        "top_iou": top,
        **{f"localised_{round(100 * level)}": float(top >= level) for level in LEVELS},
    }


def _window(boxes: Floats, size: tuple[int, int]) -> tuple[slice, slice]:
    """The part of the image that holds all the boxes."""
    low, high = np.floor(boxes[:, :2].min(0)), np.ceil((boxes[:, :2] + boxes[:, 2:]).max(0))
    return slice(max(0, int(low[1])), min(size[0], int(high[1]))), slice(
        max(0, int(low[0])), min(size[1], int(high[0]))
    )


def _steps(boxes: Floats, size: tuple[int, int]) -> Iterator[Floats]:
    """(4,) to add to every box: over a grid of places at which all of them are inside the image."""
    low, high = boxes[:, :2].min(0), (boxes[:, :2] + boxes[:, 2:]).max(0)
    columns = np.unique(np.round(np.linspace(-low[0], max(-low[0], size[1] - high[0]), PLACES)))
    rows = np.unique(np.round(np.linspace(-low[1], max(-low[1], size[0] - high[1]), PLACES)))
    for dy in rows:
        for dx in columns:
            yield np.array([dx, dy, 0.0, 0.0])
