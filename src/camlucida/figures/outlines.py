"""Outlines of masks on panels, a colour a name, and their legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from camlucida.figures.style import wrapped_lines
from camlucida.figures.texts import plain_texts, text_extent

Mask = NDArray[np.bool_]

COLOURS = ("#00e5ff", "#7dff5a", "#ff6ad5", "#ffd23f")
"""Of outlines, in order; they show on dark images and on the warm colours of a map."""


SHORTEST = 16
"""Letters that a line of a title has at least."""


def outline_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour of :data:`COLOURS` a name, in order of appearance."""
    distinct = dict.fromkeys(names)
    return dict(zip(distinct, cycle(COLOURS)))


def outline(axes: Axes, masks: Mapping[str, Mask], colours: Mapping[str, str]) -> None:
    """Draw the edge of each mask, name → (H, W), in the colour of its name; nothing for an empty
    one.
    """
    for name, mask in masks.items():
        if mask.any():
            padded = np.pad(mask, 1)  # an edge on the image's border is an edge too
            rows, columns = (np.arange(-1, n + 1) for n in mask.shape)
            axes.contour(columns, rows, padded, [0.5], colors=[colours[name]], linewidths=1.1)
            axes.set_xlim(-0.5, mask.shape[1] - 0.5)
            axes.set_ylim(mask.shape[0] - 0.5, -0.5)


def legend(figure: Figure, colours: Mapping[str, str]) -> Legend | None:
    """What the colours of :func:`outline` mean, at the top; nothing without outlines."""
    lines = []
    for name, colour in colours.items():
        lines.append(Line2D([], [], color=colour, linewidth=1.6, label=name))
    if not lines:
        return None
    style: dict[str, Any] = {"facecolor": "#555", "labelcolor": "white", "fontsize": 8}
    return figure.legend(handles=lines, loc="outside upper right", ncols=len(lines), **style)


def title_beside(figure: Figure, title: str, key: Legend | None, fontsize: float) -> None:
    """A title at the top left, broken into lines that end before the legend.

    Args:
        figure: to write on; its layout gives each line room.
        title: of the figure.
        key: of :func:`legend`.
        fontsize: of the title, in points.
    """
    text = figure.suptitle(title, fontsize=fontsize, x=0.02, ha="left")
    plain_texts(figure)  # measured as they are drawn
    taken = text_extent(figure, key).width if key is not None else 0
    room = 0.95 * figure.bbox.width - taken
    letters = 2 * len(title)  # Chinese signs are two letters wide
    # A line of wide letters is longer than the mean: measured, not computed.
    while text_extent(figure, text).width > room and letters > SHORTEST:
        letters -= 2
        text.set_text("\n".join(_lines(title, letters)))


def _lines(title: str, letters: int) -> list[str]:
    """Lines of at most ``letters``; a name without a gap is cut."""
    lines: list[str] = []
    for line in wrapped_lines(title, letters):
        lines += [line[start : start + letters] for start in range(0, len(line), letters)]
    return lines
