"""The peak of a map and the contour of half its maximum, drawn to show on black and on white."""

from __future__ import annotations

from typing import Any

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import declare
from camlucida.figures.contours import DARK, LIGHT, draw_box, draw_marks, half_maximum, peak

declare(
    "marks",
    {
        "legend": "Line: {fraction:.0%} of the map's maximum; cross: the maximum.",
        "box": "Dashed: the detector's box, of score {score:.2f}.",
    },
)

WEAKEST = 0.1
"""Share of a shared full colour below which a map is not marked: there is next to nothing to see.
"""


def mark(axes: Axes, explanation: Explanation, limit: float | None = None) -> None:
    """Draw the marks of a map into a panel in original pixels.

    Args:
        axes: of the panel.
        explanation: the map; one without evidence for its target has no marks.
        limit: full colour of the panel; a map far below it has no marks.
    """
    if explanation.detection is not None:
        left, top, right, bottom = explanation.detection.box
        dashes: dict[str, Any] = {"fill": False, "linestyle": "--", "color": LIGHT}
        frame = Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, **dashes)
        frame.set_path_effects(_two_tone(2.0))
        axes.add_patch(frame)
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
    marked = picture.copy()
    if explanation.detection is not None:
        draw_box(marked, explanation.scan.geometry.original, explanation.detection.box)
    if not is_marked(explanation, limit):
        return marked
    values = explanation.numpy()
    draw_marks(marked, values.shape, half_maximum(values), peak(values))
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


def _two_tone(width: float) -> list[effects.AbstractPathEffect]:
    """A line on a wider dark one."""
    return [effects.Stroke(linewidth=width, foreground=DARK), effects.Normal()]
