"""Figures of all map series together: their accuracy, the agreement of each pair, and verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camlucida.analysis.comparison.agreement import agreement_name
from camlucida.analysis.comparison.compare import Comparison
from camlucida.analysis.comparison.summary import RIGHT, by_verdict, right_name
from camlucida.analysis.comparison.verdict import (
    ARTEFACT,
    CONSISTENT,
    NOT_COMPARED,
    REVIEW,
    verdict_name,
)
from camlucida.core.messages import Message, declare
from camlucida.figures.consistency.layout import GREY, pair_name, table_rows, with_footer
from camlucida.figures.estimates import INK, Estimate, draw_estimate
from camlucida.figures.evaluation import PALETTE
from camlucida.figures.style import said, style, words, wrapped_text

COLOURS = {ARTEFACT: PALETTE[1], REVIEW: PALETTE[4], CONSISTENT: PALETTE[0], NOT_COMPARED: GREY}
"""Verdict → colour."""

declare(
    "consistency_figures",
    {
        "bars": "Bar: 95% interval by patient; hollow: too few patients for one.",
        "metric": "{metric}; dotted: chance",
        "artefacts": "heat on artefacts; dotted: their area",
        "sized": "{name} (n = {images})",
        "series_note": "n: images. Artefacts: border, burned-in text, outside the body.",
        "similarity": "similarity of maps (Pearson r)\ndotted: null",
        "excess": "excess similarity",
        "same_maps": "the same maps",
        "first_pairs": "The first {shown} of {pairs} pairs.",
        "pairs_note": (
            "Null: maps of different patients. Excess: (similarity − null) ÷ (1 − null), 0 no more "
            "alike than those, 1 the same; orange line: under {threshold:g} a case is to be "
            "reviewed."
        ),
        "fixed_null": "The null is taken as fixed.",
        "no_truth": "{metric}: no ground truth",
        "cases": "cases",
        "verdicts_note": "n: cases with a ground truth. Grey line: all cases.",
        "agreement_only": ("A verdict says how far the map series agree, not that they are right."),
    },
)

MOST_PAIRS = 60
"""Pairs of one figure; the others are in the table."""


def all_series_figure(comparison: Comparison) -> Figure:
    """Accuracy of each map series, with interval and chance level; beside it the share of its heat
    on artefacts, and the share that a uniform map would have.
    """
    all_series = comparison.all_series
    metric = next((name for name in all_series["metric"] if name), "")
    longest = _longest(all_series["name"].tolist())
    figure, panels = _panels(2 if metric else 1, len(all_series), longest)
    for position, series in enumerate(table_rows(all_series)):
        if metric:
            _draw_estimate(panels[0], position, series, "value", "low", "high", "chance")
        _draw_estimate(
            panels[-1],
            position,
            series,
            "artefact_share",
            "artefact_low",
            "artefact_high",
            "artefact_area",
        )
    if metric:
        name = said(Message(f"metrics.{metric}"))
        panels[0].set_title(words("consistency_figures.metric", metric=name), fontsize=9)
        limits = (0, None) if metric == "mae" else (-0.03, 1.03)
        panels[0].set_xlim(*limits)
    panels[-1].set_title(words("consistency_figures.artefacts"), fontsize=9)
    panels[-1].set_xlim(-0.03, 1.03)
    names = [wrapped_text(name, 34) for name in all_series["name"]]
    sized = [_sized(name, int(images)) for name, images in zip(names, all_series["images"])]
    _name_rows(panels, sized)
    note = _sentences("consistency_figures.series_note", "consistency_figures.bars")
    return with_footer(figure, note, comparison.synthetic)


def consistency_figure(comparison: Comparison) -> Figure:
    """Each pair of map series, over all labels: agreement of predictions, similarity of maps, that
    of maps of different patients (null), and the excess over it.
    """
    pairs = comparison.pairs[comparison.pairs["label"] == ""]
    shown = pairs[:MOST_PAIRS]
    has_agreement = bool(shown["agreement"].notna().any())
    rows = table_rows(shown)
    names = [pair_name(row) for row in rows]
    longest = _longest("\n".join(names).splitlines())
    figure, panels = _panels(3 if has_agreement else 2, len(shown), longest)
    for position, pair in enumerate(rows):
        _draw_pair(panels, position, pair)
    if has_agreement:
        name = said(agreement_name(comparison.kind))
        panels[0].set_title(words("consistency_figures.metric", metric=name), fontsize=9)
    similarity, excess = panels[-2:]
    similarity.set_title(words("consistency_figures.similarity"), fontsize=9)
    excess.set_title(words("consistency_figures.excess"), fontsize=9)
    excess.axvline(0, color=INK, linestyle=":", linewidth=1.3, zorder=0)
    threshold = comparison.thresholds.excess
    excess.axvline(threshold, color=COLOURS[REVIEW], linewidth=1, zorder=0)
    for axes in panels:
        lowest = axes.get_xlim()[0]
        axes.set_xlim(min(-0.05, lowest - 0.03), 1.05)  # a whole marker at the left end
    _name_rows(panels, names)
    note = _pairs_note(len(pairs), threshold)
    return with_footer(figure, note, comparison.synthetic)


def _draw_pair(panels: Sequence[Axes], position: int, pair: Mapping[str, Any]) -> None:
    """A pair's row; ``panels`` are agreement (only where there is one), similarity and excess."""
    similarity, excess = panels[-2:]
    if len(panels) > 2:
        _draw_estimate(
            panels[0],
            position,
            pair,
            "agreement",
            "agreement_low",
            "agreement_high",
            "agreement_chance",
        )
    if pair["identical"]:
        look: dict[str, Any] = {"fontsize": 8, "color": GREY, "ha": "center", "va": "center"}
        excess.annotate(words("consistency_figures.same_maps"), (0.5, position), **look)
        return
    alike = Estimate(pair["similarity"], chance=pair["null"])
    draw_estimate(similarity, position, alike, PALETTE[0], filled=True)
    _draw_estimate(excess, position, pair, "excess", "excess_low", "excess_high")


def verdicts_figure(comparison: Comparison) -> Figure:
    """Number of cases of each verdict, and how accurate the map series are on them, if there is a
    ground truth: a row of panels a group.
    """
    table = by_verdict(comparison)
    groups = list(dict.fromkeys(table["group"]))
    is_judged = bool(table["judged"].any())
    height = 0.34 * max(3, table.groupby("group").size().max() - 1) + 0.95
    width = 8.4 if is_judged else 4.6
    figure = Figure(figsize=(width, height * len(groups) + 0.85), layout="constrained")
    grid = figure.subplots(len(groups), 2 if is_judged else 1, squeeze=False)
    for panels, group in zip(grid, groups):
        part = table[table["group"] == group]
        _draw_counts(panels[0], table_rows(part[part["verdict"] != ""]))
        panels[0].set_title(wrapped_text(group, 50), fontsize=9)
        if is_judged:
            _draw_accuracy(panels[1], part, comparison)
    codes = ("verdicts_note", "bars", "agreement_only") if is_judged else ("agreement_only",)
    note = _sentences(*(f"consistency_figures.{name}" for name in codes))
    return with_footer(figure, note, comparison.synthetic)


def _draw_accuracy(axes: Axes, table: pd.DataFrame, comparison: Comparison) -> None:
    """How accurate the map series are on the cases of each verdict, and on all of a group."""
    whole = table[table["verdict"] == ""].iloc[0]
    rows = table_rows(table[table["verdict"] != ""])
    for position, row in enumerate(rows):
        colour = COLOURS[row["verdict"]]
        _draw_estimate(axes, position, row, "estimate", "low", "high", colour=colour)
    if np.isfinite(whole["estimate"]):
        axes.axvline(whole["estimate"], color=GREY, linewidth=1, zorder=0)
    title = said(right_name(comparison.kind))
    if not whole["judged"]:
        title = words("consistency_figures.no_truth", metric=title)
    axes.set_title(title, fontsize=9)
    if RIGHT[comparison.kind] == "error":
        axes.set_xlim(left=0)
    else:
        axes.set_xlim(-0.03, 1.03)
    _plain(axes)
    _name_row(axes, [f"n = {row['judged']}" for row in rows])


def _draw_counts(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """A bar a verdict: its number of cases."""
    for position, row in enumerate(rows):
        cases = row["cases"]
        axes.barh(position, cases, color=COLOURS[row["verdict"]], height=0.62)
        axes.annotate(
            f"{cases} ({row['share']:.0%})",
            (cases, position),
            (4, 0),
            textcoords="offset points",
            fontsize=8,
            va="center",
        )
    # Room for the numbers right of the longest bar.
    axes.set_xlim(0, max(row["cases"] for row in rows) * 1.25)
    axes.set_xlabel(words("consistency_figures.cases"), fontsize=8)
    _plain(axes)
    _name_row(axes, [said(verdict_name(row["verdict"])) for row in rows])


def _sized(name: str, images: int) -> str:
    return words("consistency_figures.sized", name=name, images=images)


def _pairs_note(pairs: int, threshold: float) -> str:
    sentences = []
    if pairs > MOST_PAIRS:
        shown = Message("consistency_figures.first_pairs", {"shown": MOST_PAIRS, "pairs": pairs})
        sentences.append(shown)
    sentences.append(Message("consistency_figures.pairs_note", {"threshold": threshold}))
    sentences += [Message(f"consistency_figures.{name}") for name in ("bars", "fixed_null")]
    return _joined(sentences)


def _sentences(*codes: str) -> str:
    return _joined([Message(code) for code in codes])


def _joined(sentences: Sequence[Message]) -> str:
    # Chinese sentences follow each other without a space.
    space = "" if style().texts.language.startswith("zh") else " "
    return space.join(map(said, sentences))


def _panels(number: int, rows: int, longest: int) -> tuple[Figure, list[Axes]]:
    """Panels of dots side by side, with room on the left for names of ``longest`` characters."""
    width = 2.9 * number + 0.075 * min(longest, 44) + 0.3
    figure = Figure(figsize=(width, 0.42 * max(rows, 3) + 1.5), layout="constrained")
    panels = list(figure.subplots(1, number, squeeze=False)[0])
    for axes in panels:
        _plain(axes)
    return figure, panels


def _longest(names: Sequence[str]) -> int:
    return max(map(len, names), default=0)


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _name_rows(panels: Sequence[Axes], names: Sequence[str]) -> None:
    """Names left of the first panel; the others have the same rows without names."""
    _name_row(panels[0], names)
    for axes in panels[1:]:
        _name_row(axes, [""] * len(names))


def _name_row(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.4, -0.6)


def _draw_estimate(
    axes: Axes,
    position: int,
    row: Mapping[str, Any],
    value: str,
    low: str,
    high: str,
    chance: str = "",
    *,
    colour: str = PALETTE[0],
) -> None:
    """An estimate of a row, given by the names of its columns."""
    level = row[chance] if chance else math.nan
    draw_estimate(axes, position, Estimate(row[value], row[low], row[high], level), colour)
