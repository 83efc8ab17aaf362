"""Figures of the benchmark: the metrics on the ladder of known maps, and heat on the tag beside what the model owes to it."""

from __future__ import annotations

from itertools import cycle, product
from textwrap import fill

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from camlucida.figures.evaluation import DASHES, GREYS, PALETTE
from camlucida.figures.overlay import NOTICE
from camlucida.workflows.benchmark.meta import BLEND, BLUR, RUNGS, SHIFT
from camlucida.workflows.benchmark.tables import TAG

ACROSS = 6
KEPT, DROPPED = PALETTE[0], PALETTE[1]


def ladder_figure(meta: pd.DataFrame) -> Figure:
    """Mean score of each metric on each rung: a panel a metric, blue where it passed, orange where not."""
    down = -(-len(meta) // ACROSS)
    figure = Figure(figsize=(2.35 * ACROSS, 2.05 * down + 1.2), layout="constrained")
    grid = figure.subplots(down, ACROSS, squeeze=False)
    for axes, line in zip(grid.flat, meta.to_dict("records")):
        colour = KEPT if line["kept"] else DROPPED
        places = dict(zip(RUNGS, (*range(5), *range(6, 9), *range(10, 12))))
        for rungs, style in ((BLEND, "-"), (SHIFT, ":"), (BLUR, ":")):
            heights = [line[rung] for rung in rungs]
            axes.plot(
                [places[rung] for rung in rungs],
                heights,
                style,
                color=colour,
                marker="o",
                markersize=3.5,
                linewidth=1.3,
            )
        axes.axhline(line[BLEND[-1]], color="#00000030", linewidth=0.8)
        axes.set_title(
            f"{fill(line['title'], 30)}\n{line['direction']} is better", fontsize=7.5, color=colour
        )
        axes.set_xticks(
            list(places.values()), ["0", "", "½", "", "1", "1", "2", "4", "1", "2"], fontsize=6.5
        )
        _plain(axes, 6.5)
    for axes in grid.flat[len(meta) :]:
        axes.set_axis_off()
    handles = [
        Line2D([], [], color=KEPT, marker="o", label="kept"),
        Line2D([], [], color=DROPPED, marker="o", label="dropped"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=2, fontsize=8, frameon=False)
    return _finish(
        figure,
        "In each panel: α of the oracle in a random map, 0 to 1 · oracle shifted by 1, 2, 4 cells · blurred by 1, 2 cells.",
    )


def shortcut_figure(arms: pd.DataFrame) -> Figure:
    """Left: the fall of the logit without the tag, by arm. Right: share of heat on the tag, by arm and method."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.9))
    falls = arms[
        (arms["arm"] == "shortcut") & (arms["quantity"] == "fall of the logit without the tag")
    ]
    falls = falls.sort_values("part")
    left.errorbar(
        falls["part"], falls["estimate"], _reach(falls), color="#333333", marker="o", capsize=3
    )
    left.set_title("Fall of the logit when the tag is taken off", fontsize=9)
    shares = arms[
        (arms["arm"] == "shortcut")
        & (arms["quantity"] == "share of heat")
        & (arms["metric"] == TAG)
    ]
    kinds = dict(zip(shares["method"], shares["baseline"].astype(bool)))
    styles = zip((n for n, grey in kinds.items() if not grey), cycle(product(("-", "-."), PALETTE)))
    for method, (line, colour) in styles:
        _track(right, shares, method, colour, line)
    for method, grey, dashes in zip(
        (n for n, grey in kinds.items() if grey), cycle(GREYS), cycle(DASHES)
    ):
        _track(right, shares, method, grey, (0, dashes))
    area = shares.groupby("part", sort=True)["chance"].mean()
    right.plot(
        area.index, area.to_numpy(), ":", color="#000000", linewidth=1.8, label="the tag's area"
    )
    right.set_title("Share of the heat on the tag, label nodule", fontsize=9)
    right.legend(fontsize=7.5, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    for axes in (left, right):
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        _plain(axes, 8)
    return _finish(
        figure,
        "ρ: how closely the tag told the label in the model's training. Films with the tag on which the model says nodule.",
    )


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


def _finish(figure: Figure, words: str) -> Figure:
    figure.supxlabel(f"{words}\n{NOTICE} · SYNTHETIC images", fontsize=8)
    figure.text(
        0.5,
        0.5,
        "SYNTHETIC",
        fontsize=34,
        color="#8f8f8f",
        alpha=0.2,
        ha="center",
        va="center",
        rotation=20,
    )
    return figure
