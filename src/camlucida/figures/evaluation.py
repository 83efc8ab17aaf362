"""Figures of an evaluation: perturbation curves, each method's scores with interval, chance and
ceiling, and the sanity check.

Colours are those of Okabe and Ito (distinct with any colour vision); baselines are grey and
dashed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from camlucida.core.messages import Message, Value, declare
from camlucida.evaluation.maps.row_tables import output_name
from camlucida.evaluation.maps.summary import about, headline, over_all_labels, title
from camlucida.figures.estimates import INK, Estimate, draw_estimate
from camlucida.figures.notice import notice_line, watermark
from camlucida.figures.style import joined_words, said, wrapped_text
from camlucida.metrics.bootstrap import MIN_POSITIVES

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREYS = ("#444444", "#6b6b6b", "#8a8a8a")
DASHES = ((4, 2), (1, 1.5), (6, 1.5, 1, 1.5), (2, 1), (8, 2))
NULL_COLOUR = "#0000001c"

PAIRS = {
    ("road_morf", "road_lerf"): ("road", "most_relevant", "least_relevant"),
    ("cell_deletion", "cell_insertion"): ("cells", "deletion", "insertion"),
    ("deletion", "insertion"): ("pixels", "deletion", "insertion"),
}
"""Curves drawn in one panel → its title, and what each is; of the first, a good map's falls
early.
"""

declare(
    "evaluation_figures",
    {
        "road": "ROAD",
        "cells": "By cells",
        "pixels": "By pixels",
        "most_relevant": "most relevant first",
        "least_relevant": "least relevant first",
        "deletion": "deletion",
        "insertion": "insertion",
        "at_layer": "{name} at {layer}",
        "altered": "share of the image altered",
        "score": "score",
        "mean_over_images": "{score}, mean over images",
        "band": "Band: 95% interval by patient; none under {needed} patients.",
        "grey_dashed": "Grey, dashed: baselines.",
        "grey": "Grey: baselines.",
        "layer": "Layer {layer}.",
        "is_better": "{direction} is better",
        "interval": "mean and 95% interval by patient",
        "no_interval": "mean, no interval",
        "chance": "chance",
        "ceiling": "ceiling of the grid",
        "similarity": "|similarity| with the trained model's map",
        "cascading": "cascading: this block and all before it",
        "independent": "independent: this block alone",
        "null": "up to the similarity of different images + margin",
        "randomised": "Block made random, from the logits down.",
        "dead_note": "Dead (constant) maps have no similarity.",
        "dead": "{share:.0%} dead",
    },
)


def curves_figure(means: pd.DataFrame, synthetic: bool) -> Figure:
    """Score over the altered share of the image: a column a pair of curves, a row a layer and
    score.

    Args:
        means: from :func:`~camlucida.evaluation.maps.summary.curve_means`; not empty. The band is
            the interval, where there is one.
        synthetic: mark it so.
    """
    pairs = [pair for pair in PAIRS if means["curve"].isin(pair).any()]
    rows = list(dict.fromkeys(zip(means["layer"], means["output"])))
    styles = _styles(means)
    figure = Figure(figsize=(4.3 * max(len(pairs), 2), 3.4 * len(rows) + 1.5), layout="constrained")
    grid = figure.subplots(len(rows), len(pairs), squeeze=False)
    for (layer, output), line in zip(rows, grid):
        for pair, axes in zip(pairs, line):
            here = means[(means["layer"] == layer) & (means["output"] == output)]
            for method, style in styles.items():
                for curve, marker in zip(pair, "v^"):
                    _curve(
                        axes,
                        here[(here["method"] == method) & (here["curve"] == curve)],
                        marker,
                        style,
                    )
            name, first, second = (_message(word) for word in PAIRS[pair])
            where = _text("at_layer", name=name, layer=str(layer))
            axes.set_title(f"{where}\n▼ {said(first)}   ▲ {said(second)}", fontsize=9)
            axes.set_xlabel(_text("altered"), fontsize=8)
            score = output_name(output) or _message("score")
            axes.set_ylabel(_text("mean_over_images", score=score), fontsize=8)
            _plain(axes)
    handles = [Line2D([], [], label=method, **style) for method, style in styles.items()]
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=min(len(handles), 3 * len(grid[0])),
        fontsize=8,
        frameon=False,
    )
    band = _message("band", needed=MIN_POSITIVES)
    return _finish(figure, [band, _message("grey_dashed")], synthetic)


def ranking_figure(summary: pd.DataFrame) -> Figure:
    """A row a method and layer, a column a metric shown first: mean, interval, chance level and
    ceiling.

    Args:
        summary: from :func:`~camlucida.evaluation.maps.summary.summarise`, with a metric that has
            a direction.
    """
    table = over_all_labels(summary)
    columns = headline(summary)
    table = table.assign(baseline=table["baseline"].astype(bool))
    ordered = table.drop_duplicates(["layer", "method"]).sort_values("baseline", kind="stable")
    contenders: list[tuple[Any, Any]] = []
    for layer in dict.fromkeys(table["layer"]):
        methods = ordered["method"][ordered["layer"] == layer]
        contenders += [(layer, method) for method in methods]
    styles = _styles(table)
    figure = Figure(
        figsize=(2.1 + 2.3 * max(len(columns), 2), 1.9 + 0.3 * len(contenders)),
        layout="constrained",
    )
    (grid,) = figure.subplots(1, len(columns), squeeze=False, sharey=True)
    for (name, output), axes in zip(columns, grid):
        here = table[(table["metric"] == name) & (table["output"] == output)].set_index(
            ["layer", "method"]
        )
        for place, contender in enumerate(contenders):
            if contender in here.index:
                row = here.loc[contender]
                levels = (row["chance"], row["ceiling"])
                estimate = Estimate(row["estimate"], row["low"], row["high"], *levels)
                draw_estimate(axes, place, estimate, styles[contender[1]]["color"])
        direction = Message(f"metric_directions.{about(name).direction}")
        better = _text("is_better", direction=direction)
        heading = wrapped_text(said(title(name, output)), 24)
        axes.set_title(f"{heading}\n{better}", fontsize=8.5)
        axes.grid(axis="y", color="#00000012")
        _plain(axes)
    several = table["layer"].nunique() > 1
    names = [_at_layer(method, layer) if several else method for layer, method in contenders]
    grid[0].set_yticks(range(len(contenders)), names, fontsize=8.5)
    grid[0].set_ylim(len(contenders) - 0.4, -0.6)
    for label, (_, method) in zip(grid[0].get_yticklabels(), contenders):
        label.set_color(styles[method]["color"])
    _legend(
        figure,
        [
            Line2D([], [], color=INK, marker="o", label=_text("interval")),
            Line2D(
                [],
                [],
                color=INK,
                marker="o",
                markerfacecolor="white",
                linestyle="",
                label=_text("no_interval"),
            ),
            Line2D([], [], color=INK, linestyle=":", label=_text("chance")),
            Line2D(
                [],
                [],
                color=INK,
                marker="D",
                markerfacecolor="none",
                linestyle="",
                markersize=5,
                label=_text("ceiling"),
            ),
        ],
        4,
    )
    notes = [] if several else [_message("layer", layer=str(contenders[0][0]))]
    notes.append(_message("grey"))
    return _finish(figure, notes, bool(table["synthetic"].any()))


def sanity_figure(gate: pd.DataFrame, synthetic: bool) -> Figure:
    """|Similarity| with the trained model's maps as blocks are made random, mean over labels: a
    panel a method and layer.

    Args:
        gate: from :func:`~camlucida.evaluation.maps.summary.gate_table`; not empty.
        synthetic: mark it so.
    """
    panels = list(dict.fromkeys(zip(gate["method"], gate["layer"])))
    across = min(len(panels), 4)
    down = -(-len(panels) // across)
    figure = Figure(figsize=(2.8 * max(across, 2) + 0.6, 2.7 * down + 1.3), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    low = -0.05
    for (method, layer), axes in zip(panels, grid.flat):
        here = gate[(gate["method"] == method) & (gate["layer"] == layer)]
        axes.fill_between(
            [0.5, gate["block"].max() + 1.5],
            low,
            (here["null"] + here["margin"]).mean(),
            color=NULL_COLOUR,
            linewidth=0,
        )
        for mode, colour, style in (
            ("cascading", PALETTE[0], "-"),
            ("independent", PALETTE[1], "--"),
        ):
            means = here[here["mode"] == mode].groupby("block", as_index=False)
            numbers = means[["similarity", "dead_rate"]].mean()
            _randomised(axes, numbers, colour, style)
        axes.set_title(f"{method}\n{layer}", fontsize=9)
        axes.set_ylim(low, 1.05)
        axes.set_xticks(range(1, int(gate["block"].max()) + 2))
        _plain(axes)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    figure.supylabel(_text("similarity"), fontsize=8.5)
    _legend(
        figure,
        [
            Line2D(
                [],
                [],
                color=PALETTE[0],
                marker="o",
                label=_text("cascading"),
            ),
            Line2D(
                [],
                [],
                color=PALETTE[1],
                marker="o",
                linestyle="--",
                label=_text("independent"),
            ),
            Patch(
                color=NULL_COLOUR,
                label=_text("null"),
            ),
        ],
        3 if across > 2 else 1,
    )
    return _finish(figure, [_message("randomised"), _message("dead_note")], synthetic)


def _message(name: str, /, **values: Value) -> Message:
    return Message(f"evaluation_figures.{name}", values)


def _text(name: str, /, **values: Value) -> str:
    """A text in the language of the figures."""
    return said(_message(name, **values))


def _at_layer(method: str, layer: str) -> str:
    return _text("at_layer", name=method, layer=layer)


Style = dict[str, Any]
"""Arguments of a matplotlib line."""


def _styles(table: pd.DataFrame) -> dict[str, Style]:
    """Method → line style; by name, so that a method has one colour in all figures. Baselines
    last.
    """
    kinds = dict(sorted(zip(table["method"], table["baseline"].astype(bool))))
    chosen = zip(
        (name for name, grey in kinds.items() if not grey), cycle(product(("-", "-."), PALETTE))
    )
    greys = zip((name for name, grey in kinds.items() if grey), cycle(GREYS), cycle(DASHES))
    lines: dict[str, Style] = {
        name: {"color": colour, "linewidth": 1.6, "linestyle": line}
        for name, (line, colour) in chosen
    }
    return lines | {
        name: {"color": colour, "linewidth": 1.1, "linestyle": (0, dashes)}
        for name, colour, dashes in greys
    }


def _curve(axes: Axes, points: pd.DataFrame, marker: str, style: Style) -> None:
    points = points.sort_values("share")
    every = max(1, len(points) // 5)
    axes.plot(
        points["share"], points["estimate"], marker=marker, markevery=every, markersize=4, **style
    )
    if not points["baseline"].any() and points["low"].notna().any():
        axes.fill_between(
            points["share"],
            points["low"],
            points["high"],
            color=style["color"],
            alpha=0.18,
            linewidth=0,
        )


def _randomised(axes: Axes, points: pd.DataFrame, colour: str, style: str) -> None:
    blocks = points["block"] + 1
    axes.plot(blocks, points["similarity"], color=colour, linestyle=style, marker="o", markersize=4)
    for block, alike, dead in zip(blocks, points["similarity"], points["dead_rate"]):
        if dead > 0 and np.isfinite(alike):
            axes.annotate(
                _text("dead", share=float(dead)),
                (block, alike),
                (6, 3),
                textcoords="offset points",
                fontsize=7,
                color=colour,
            )


def _legend(figure: Figure, handles: Sequence[Artist], columns: int) -> None:
    figure.legend(
        handles=handles, loc="outside upper center", ncols=columns, fontsize=8, frameon=False
    )


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _finish(figure: Figure, notes: Sequence[Message], synthetic: bool) -> Figure:
    """What every figure says: how to read it, and what it is not for."""
    figure.supxlabel(f"{joined_words(notes)}\n{notice_line(synthetic)}", fontsize=8)
    if synthetic:
        watermark(figure, 0.3)
    return figure
