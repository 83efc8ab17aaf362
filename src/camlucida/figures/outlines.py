"""Outlines of masks on panels, a colour a name, and their legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

COLOURS = ("#00e5ff", "#7dff5a", "#ff6ad5", "#ffd23f")
"""Of outlines, in order; they show on dark images and on the warm colours of a map."""


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


def legend(figure: Figure, colours: Mapping[str, str]) -> None:
    """What the colours of :func:`outline` mean, at the top; nothing without outlines."""
    lines = []
    for name, colour in colours.items():
        lines.append(Line2D([], [], color=colour, linewidth=1.6, label=name))
    if lines:
        style: dict[str, Any] = {"facecolor": "#555", "labelcolor": "white", "fontsize": 8}
        figure.legend(handles=lines, loc="outside upper right", ncols=len(lines), **style)
