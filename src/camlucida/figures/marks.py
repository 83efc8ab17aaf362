"""The peak of a map and the contour of half its maximum, drawn to show on black and on white."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from skimage.measure import find_contours

from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import declare
from camlucida.metrics.regions import MASK_FRACTION

Points = NDArray[np.float64]

declare(
    "marks",
    {
        "legend": "Line: {fraction:.0%} of the map's maximum; cross: the maximum.",
    },
)

FINEST = 512
"""Pixels on the longer side on which the contour is computed: finer than any grid of cells."""

SMALLEST = 64
"""Pixels on the longer side of an image from which lines are drawn into its pixels."""

WEAKEST = 0.1
"""Share of a shared full colour below which a map is not marked: there is next to nothing to see.
"""

LIGHT, DARK = "white", "black"


def mark(axes: Axes, explanation: Explanation, limit: float | None = None) -> None:
    """Draw the marks of a map into a panel in original pixels.

    Args:
        axes: of the panel.
        explanation: the map; one without evidence for its target has no marks.
        limit: full colour of the panel; a map far below it has no marks.
    """
    if not is_marked(explanation, limit):
        return
    mark_values(axes, explanation.numpy(), limit)


def mark_values(axes: Axes, values: NDArray[np.floating], limit: float | None = None) -> None:
    """As :func:`mark`, for a map in pixels.

    Args:
        axes: of the panel.
        values: (H, W); nothing is marked where it is nowhere above 0, or far below ``limit``.
        limit: full colour of the panel.
    """
    top = float(values.max(initial=0.0))
    if top <= 0 or (limit is not None and top < WEAKEST * limit):
        return
    height, width = values.shape
    for line in half_maximum(values):
        (drawn,) = axes.plot(line[:, 1], line[:, 0], color=LIGHT, linewidth=0.6)
        drawn.set_path_effects(_two_tone(1.5))
    row, column = peak(values)
    (cross,) = axes.plot([column], [row], "+", color=LIGHT, markersize=6, markeredgewidth=0.8)
    cross.set_path_effects(_two_tone(2.0))
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)


def marked_picture(
    picture: Image.Image, explanation: Explanation, limit: float | None = None
) -> Image.Image:
    """A copy of an overlay with the marks in its pixels.

    Args:
        picture: of the whole image, at any size.
        explanation: the map.
        limit: as in :func:`mark`.
    """
    longest = max(picture.size)
    if longest < SMALLEST or not is_marked(explanation, limit):
        return picture
    values = explanation.numpy()
    scale = picture.height / values.shape[0], picture.width / values.shape[1]
    marked = picture.copy()
    draw = ImageDraw.Draw(marked)
    thin = max(1, round(longest / 600))
    lines = [_pixels(line, scale) for line in half_maximum(values)]
    lines += _cross(*_pixels(np.array([peak(values)]), scale)[0], longest / 70)
    for colour, width in ((DARK, 3 * thin), (LIGHT, thin)):
        for line in lines:
            draw.line(line, fill=colour, width=width)
    return marked


def is_marked(explanation: Explanation, limit: float | None = None) -> bool:
    """Whether a map has a peak that can be seen.

    Args:
        explanation: the map.
        limit: full colour of the panel; None for the map's own maximum.
    """
    if explanation.is_empty or float(explanation.map(explanation.grid).max()) <= 0:
        return False
    return limit is None or explanation.limit >= WEAKEST * limit


def peak(values: NDArray[np.floating]) -> tuple[float, float]:
    """Row and column of the maximum; of a flat top, its middle.

    Args:
        values: (H, W).

    >>> peak(np.array([[0.0, 0.0, 0.0], [0.0, 2.0, 2.0]]))
    (1.0, 1.5)
    """
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    is_top = values >= values[row, column] * (1 - 1e-6)
    down = _run(is_top[:, column], int(row))
    across = _run(is_top[round(down)], int(column))
    return down, across


def half_maximum(values: NDArray[np.floating]) -> list[Points]:
    """Closed lines round the parts of a map that are at least half of its maximum.

    Args:
        values: (H, W); its maximum is above 0.

    Returns:
        (N, 2) rows and columns of each line, in pixels.

    >>> square = np.zeros((5, 5))
    >>> square[2, 2] = 1.0
    >>> [line.shape for line in half_maximum(square)]
    [(5, 2)]
    """
    step = max(1, -(-max(values.shape) // FINEST))
    coarse = values[::step, ::step]
    padded = np.pad(coarse, 1)  # a part at the border is closed there
    contours: Any = find_contours  # untyped
    lines = contours(padded, MASK_FRACTION * float(coarse.max()))
    high = np.array(values.shape) - 0.5
    return [np.clip((line - 1) * step, -0.5, high) for line in lines]


def _run(is_top: NDArray[np.bool_], start: int) -> float:
    """The middle of the run of True that ``start`` is in."""
    before = np.flatnonzero(~is_top[:start])
    after = np.flatnonzero(~is_top[start:])
    first = int(before[-1]) + 1 if before.size else 0
    last = start + int(after[0]) - 1 if after.size else len(is_top) - 1
    return (first + last) / 2


def _two_tone(width: float) -> list[effects.AbstractPathEffect]:
    """A line on a wider dark one."""
    return [effects.Stroke(linewidth=width, foreground=DARK), effects.Normal()]


def _pixels(line: Points, scale: tuple[float, float]) -> list[tuple[float, float]]:
    """(row, column) of the original as (x, y) of a picture of another size."""
    scaled = (line + 0.5) * np.array(scale) - 0.5
    return [(float(column), float(row)) for row, column in scaled]


def _cross(x: float, y: float, arm: float) -> Iterator[list[tuple[float, float]]]:
    yield [(x - arm, y), (x + arm, y)]
    yield [(x, y - arm), (x, y + arm)]
