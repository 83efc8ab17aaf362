"""An estimate with its interval, chance level and ceiling, drawn on a row of a panel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

INK = "#333333"
"""Colour of chance level and ceiling."""


@dataclass(frozen=True)
class Estimate:
    """A number in the unit of its axis; NaN where a part of it is not known.

    Attributes:
        value: the estimate itself.
        low, high: ends of its interval.
        chance, ceiling: levels that it lies between.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    chance: float = math.nan
    ceiling: float = math.nan


def draw_estimate(
    axes: Axes, position: float, estimate: Estimate, colour: str, *, filled: bool = False
) -> None:
    """Draw an estimate as a dot, its interval as a bar, chance level and ceiling beside it.

    Args:
        axes: a panel of rows.
        position: of the row, from above.
        estimate: what is drawn; parts that are NaN are left out.
        colour: of dot and bar.
        filled: fill the dot even without an interval; else it is hollow then.
    """
    if math.isfinite(estimate.chance):
        ends = (position - 0.4, position + 0.4)
        axes.vlines(estimate.chance, *ends, color=INK, linestyle=":", linewidth=1.4)
    if math.isfinite(estimate.ceiling):
        hollow: dict[str, Any] = {"markerfacecolor": "none", "linestyle": ""}
        axes.plot(estimate.ceiling, position, marker="D", markersize=5, color=INK, **hollow)
    has_interval = math.isfinite(estimate.low)
    if has_interval:
        axes.hlines(position, estimate.low, estimate.high, color=colour, linewidth=1.8)
    if math.isfinite(estimate.value):
        face = colour if has_interval or filled else "white"
        look: dict[str, Any] = {"color": colour, "markerfacecolor": face, "linestyle": ""}
        axes.plot(estimate.value, position, marker="o", markersize=5.5, **look)
