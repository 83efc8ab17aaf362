"""The measurements of a model as dots with intervals, each kind on an axis of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from camlucida.core.messages import declare
from camlucida.figures.estimates import Estimate, draw_estimate
from camlucida.figures.evaluation import PALETTE
from camlucida.figures.predictions.layout import with_footer
from camlucida.figures.style import words, wrapped_text

declare(
    "measurement_figure",
    {
        "note": (
            "Dot: estimate; bar: its 95% interval by patient, a hollow dot has none; dotted line: "
            "chance level. Each panel has its own scale."
        ),
    },
)

WIDTH, ROW, PANEL = 7.5, 0.42, 0.55
"""Inches: of the figure, of a row, and of a panel beside its rows."""

NAME_WIDTH = 46
"""Characters of a line of a row's name."""


@dataclass(frozen=True)
class Panel:
    """Measurements of one kind.

    Attributes:
        names: of the rows, from above.
        estimates: one for each row.
        percent: whether they are shares.
    """

    names: Sequence[str]
    estimates: Sequence[Estimate]
    percent: bool = False


def measurements_figure(panels: Sequence[Panel], synthetic: bool) -> Figure:
    """Draw panels below each other.

    Args:
        panels: at least one, each with a row.
        synthetic: whether any image is.
    """
    heights = [PANEL + ROW * len(panel.names) for panel in panels]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.7), layout="constrained")
    grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)
    for axes, panel in zip(grid[:, 0], panels):
        _draw(axes, panel)
    return with_footer(figure, words("measurement_figure.note"), synthetic)


def _draw(axes: Axes, panel: Panel) -> None:
    for position, estimate in enumerate(panel.estimates):
        draw_estimate(axes, position, estimate, PALETTE[0])
    names = [wrapped_text(name, NAME_WIDTH) for name in panel.names]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(panel.names) - 0.4, -0.6)
    axes.tick_params(labelsize=7.5)
    axes.spines[["top", "right"]].set_visible(False)
    low, high = _limits(panel)
    axes.set_xlim(low, high)
    if panel.percent:
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))


def _limits(panel: Panel) -> tuple[float, float]:
    """The range of all that is drawn, with 0 in it, and a margin."""
    numbers = [0.0]
    for each in panel.estimates:
        numbers += [each.value, each.low, each.high, each.chance]
    finite = [number for number in numbers if math.isfinite(number)]
    margin = 0.05 * (max(finite) - min(finite)) or 0.05
    return min(finite) - margin, max(finite) + margin
