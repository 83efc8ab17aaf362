"""Figures of the benchmark: metrics on maps of known merit; heat on the tag and reliance on it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle, product
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from camlucida.core.messages import Message, declare
from camlucida.evaluation.maps.row_tables import title
from camlucida.figures.evaluation import DASHES, GREYS, PALETTE
from camlucida.figures.notice import notice_line, watermark
from camlucida.figures.style import said, words, wrapped_text
from camlucida.workflows.benchmark.meta import BLEND, BLUR, ORACLE, RUNGS, SHIFT
from camlucida.workflows.benchmark.tables import LOGIT_DROP, SHARE, TAG

declare(
    "benchmark_figures",
    {
        "kept": "kept",
        "dropped": "dropped",
        "ladder": (
            "In each panel: α of the oracle in a random map, 0 to 1 · oracle shifted by 1, 2, 4 "
            "cells · blurred by 1, 2 cells."
        ),
        "is_better": "{direction} is better",
        "drop": "Drop of the logit when the tag is removed",
        "share": "Share of the heat on the tag, label nodule",
        "area": "area of the tag",
        "shortcut": (
            "ρ: how closely the tag followed the label in the model's training. Films with the "
            "tag on which the model predicts nodule."
        ),
    },
)

ACROSS = 6
"""Panels in a row."""
KEPT, DROPPED = PALETTE[0], PALETTE[1]
TICKS = dict(zip(RUNGS, (0, 1, 2, 3, 4, 6, 7, 8, 10, 11)))
"""Rung → x; gaps between blends, shifts and blurs."""
TICK_NAMES = ("0", "", "½", "", "1", "1", "2", "4", "1", "2")


def ladder_figure(meta: pd.DataFrame) -> Figure:
    """Mean score on each rung: a panel a metric, blue where kept, orange where dropped."""
    down = -(-len(meta) // ACROSS)
    figure = Figure(figsize=(2.35 * ACROSS, 2.05 * down + 1.2), layout="constrained")
    grid = figure.subplots(down, ACROSS, squeeze=False)
    for axes, line in zip(grid.flat, meta.to_dict("records")):
        _ladder_panel(axes, line)
    for axes in grid.flat[len(meta) :]:
        axes.set_axis_off()
    handles = [
        Line2D([], [], color=KEPT, marker="o", label=words("benchmark_figures.kept")),
        Line2D([], [], color=DROPPED, marker="o", label=words("benchmark_figures.dropped")),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=2, fontsize=8, frameon=False)
    return _finish(figure, "ladder")


def _ladder_panel(axes: Axes, line: Mapping[Any, Any]) -> None:
    colour = KEPT if line["kept"] else DROPPED
    for rungs, style in ((BLEND, "-"), (SHIFT, ":"), (BLUR, ":")):
        x = [TICKS[rung] for rung in rungs]
        heights = [line[rung] for rung in rungs]
        axes.plot(x, heights, style, color=colour, marker="o", markersize=3.5, linewidth=1.3)
    axes.axhline(line[ORACLE], color="#00000030", linewidth=0.8)
    name = wrapped_text(said(title(line["metric"], line["output"])), 30)
    direction = Message(f"metric_directions.{line['direction']}")
    better = words("benchmark_figures.is_better", direction=direction)
    axes.set_title(f"{name}\n{better}", fontsize=7.5, color=colour)
    axes.set_xticks(list(TICKS.values()), TICK_NAMES, fontsize=6.5)
    _plain(axes, 6.5)


def shortcut_figure(arms: pd.DataFrame) -> Figure:
    """Left: the drop of the logit without the tag, by arm. Right: share of heat on the tag."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.9))
    shortcut = arms[arms["arm"] == "shortcut"]
    drops = shortcut[shortcut["quantity"] == LOGIT_DROP].sort_values("part")
    shares = shortcut[(shortcut["quantity"] == SHARE) & (shortcut["metric"] == TAG)]
    reach = _reach(drops)
    left.errorbar(drops["part"], drops["estimate"], reach, color="#333333", marker="o", capsize=3)
    left.set_title(words("benchmark_figures.drop"), fontsize=9)
    baselines = shares["baseline"].astype(bool)
    methods = dict.fromkeys(shares.loc[~baselines, "method"])
    for method, (line, colour) in zip(methods, cycle(product(("-", "-."), PALETTE))):
        _track(right, shares, method, colour, line)
    grey = dict.fromkeys(shares.loc[baselines, "method"])
    for method, colour, dashes in zip(grey, cycle(GREYS), cycle(DASHES)):
        _track(right, shares, method, colour, (0, dashes))
    area = shares.groupby("part", sort=True)["chance"].mean()
    dotted = {"color": "#000000", "linewidth": 1.8, "label": words("benchmark_figures.area")}
    right.plot(area.index, area.to_numpy(), ":", **dotted)
    right.set_title(words("benchmark_figures.share"), fontsize=9)
    right.legend(fontsize=7.5, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    for axes in (left, right):
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        _plain(axes, 8)
    return _finish(figure, "shortcut")


def _track(axes: Axes, shares: pd.DataFrame, method: str, colour: str, line: object) -> None:
    part = shares[shares["method"] == method].sort_values("part")
    axes.plot(
        part["part"],
        part["estimate"],
        linestyle=line,
        color=colour,
        marker="o",
        markersize=3.5,
        linewidth=1.4,
        label=method,
    )


def _reach(table: pd.DataFrame) -> list[list[float]]:
    """Lengths of the bars below and above; none where there is no interval."""
    below, above = table["estimate"] - table["low"], table["high"] - table["estimate"]
    return [below.fillna(0).clip(lower=0).tolist(), above.fillna(0).clip(lower=0).tolist()]


def _plain(axes: Axes, size: float) -> None:
    axes.tick_params(labelsize=size)
    axes.spines[["top", "right"]].set_visible(False)


def _finish(figure: Figure, name: str) -> Figure:
    """The caption of this name and the notice below."""
    caption = words(f"benchmark_figures.{name}")
    figure.supxlabel(f"{caption}\n{notice_line(synthetic=True)}", fontsize=8)
    watermark(figure, 0.2)
    return figure
