"""Figures of a comparison: map series side by side, how much each two agree, verdicts, and cases
as every map series sees them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill, wrap
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camlucida.analysis.comparison.agreement import agreement_name
from camlucida.analysis.comparison.compare import Comparison
from camlucida.analysis.comparison.summary import RIGHT, by_verdict, choose, right_name
from camlucida.analysis.comparison.verdict import (
    ARTEFACT,
    CONSISTENT,
    NOT_COMPARED,
    REVIEW,
    verdict_name,
)
from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import Message
from camlucida.figures.evaluation import PALETTE
from camlucida.figures.grids import ALPHA, mark_synthetic
from camlucida.figures.overlay import (
    DEFAULT_COLORMAP,
    NOTICE,
    SIGNED_COLORMAP,
    as_rgb,
    blend,
    reduced,
)

GREY, INK = "#767676", "#333333"
COLOURS = {ARTEFACT: PALETTE[1], REVIEW: PALETTE[4], CONSISTENT: PALETTE[0], NOT_COMPARED: GREY}
"""Of the verdicts."""

BARS = "Bar: interval, patients resampled; hollow: too few patients for one."

MOST_PAIRS = 60
"""Pairs of one figure; the others are in the table."""

PANEL = 2.45
"""Inches on the longer side of a panel."""

PIXELS = 740
"""Longest side of a panel's picture: what 300 dpi can show."""

TITLES = {"auc": "AUC", "accuracy": "accuracy", "mae": "mean absolute error", "dice": "Dice"}
"""Of the figures that stand for how right a model is."""


def all_series_figure(comparison: Comparison) -> Figure:
    """How right each map series is, with interval and chance; beside it its heat on artefacts,
    with what a uniform map would have.
    """
    all_series = comparison.all_series
    metric = next((name for name in all_series["metric"] if name), "")
    figure, panels = _panels(2 if metric else 1, len(all_series), _longest(all_series["name"]))
    for place, series in enumerate(_records(all_series)):
        if metric:
            _dot(panels[0], place, series["value"], series["low"], series["high"], series["chance"])
        _dot(
            panels[-1],
            place,
            series["artefact_share"],
            series["artefact_low"],
            series["artefact_high"],
            series["artefact_area"],
        )
    if metric:
        panels[0].set_title(f"{TITLES[metric]}; dotted: chance", fontsize=9)
        panels[0].set_xlim(0 if metric == "mae" else -0.03, None if metric == "mae" else 1.03)
    panels[-1].set_title("heat on artefacts; dotted: their area", fontsize=9)
    panels[-1].set_xlim(-0.03, 1.03)
    names = [
        f"{fill(name, 34)} (n = {n})" for name, n in zip(all_series["name"], all_series["images"])
    ]
    for axes in panels:
        _names(axes, names if axes is panels[0] else [""] * len(names))
    note = f"n: images. Artefacts: border, burned-in text, outside the body. {BARS}"
    return _finish(figure, note, comparison.synthetic)


def consistency_figure(comparison: Comparison) -> Figure:
    """Each two map series, all labels together: what they say, how alike their maps are, maps of
    different patients, the excess.
    """
    pairs = comparison.pairs[comparison.pairs["label"] == ""]
    shown = pairs[:MOST_PAIRS]
    say = bool(shown["agreement"].notna().any())
    names = [_pair_name(row) for row in _records(shown)]
    figure, panels = _panels(
        3 if say else 2,
        len(shown),
        _longest("\n".join(names).splitlines()),
    )
    alike, excess = panels[-2:]
    for place, pair in enumerate(_records(shown)):
        if say:
            _dot(
                panels[0],
                place,
                pair["agreement"],
                pair["agreement_low"],
                pair["agreement_high"],
                pair["agreement_chance"],
            )
        if pair["identical"]:
            excess.annotate(
                "the same maps", (0.5, place), fontsize=8, color=GREY, ha="center", va="center"
            )
            continue
        _dot(alike, place, pair["similarity"], math.nan, math.nan, pair["null"], sure=True)
        _dot(excess, place, pair["excess"], pair["excess_low"], pair["excess_high"], math.nan)
    if say:
        panels[0].set_title(f"{agreement_name(comparison.kind)}; dotted: chance", fontsize=9)
    alike.set_title("similarity of maps (Pearson r)\ndotted: null", fontsize=9)
    excess.set_title("excess similarity", fontsize=9)
    excess.axvline(0, color=INK, linestyle=":", linewidth=1.3, zorder=0)
    excess.axvline(comparison.thresholds.excess, color=COLOURS[REVIEW], linewidth=1, zorder=0)
    for axes in panels:
        low = axes.get_xlim()[0]
        axes.set_xlim(min(-0.05, low), 1.05)
        _names(axes, names if axes is panels[0] else [""] * len(names))
    more = f"The first {MOST_PAIRS} of {len(pairs)} pairs. " if len(pairs) > MOST_PAIRS else ""
    note = (
        f"{more}Null: maps of different patients. Excess: (similarity − null) ÷ (1 − null), "
        "0 no more alike than those, 1 the same; orange line: "
        f"under {comparison.thresholds.excess:g} a case is to be reviewed. "
        f"{BARS} The null is taken as fixed."
    )
    return _finish(figure, note, comparison.synthetic)


def verdicts_figure(comparison: Comparison) -> Figure:
    """How many cases have each verdict, and how right the map series are there: a row of panels a
    group.
    """
    table = by_verdict(comparison)
    groups = list(dict.fromkeys(table["group"]))
    column, title = RIGHT[comparison.kind], str(right_name(comparison.kind))
    height = 0.34 * max(3, table.groupby("group").size().max() - 1) + 0.95
    figure = Figure(figsize=(8.4, height * len(groups) + 0.85), layout="constrained")
    grid = figure.subplots(len(groups), 2, squeeze=False)
    for (bars, right), group in zip(grid, groups):
        part = table[table["group"] == group]
        whole, rows = (
            part[part["verdict"] == ""].iloc[0],
            part[part["verdict"] != ""].to_dict("records"),
        )
        for place, row in enumerate(rows):
            bars.barh(place, row["cases"], color=COLOURS[row["verdict"]], height=0.62)
            count = f"{row['cases']} ({row['share']:.0%})"
            bars.annotate(
                count,
                (row["cases"], place),
                (4, 0),
                textcoords="offset points",
                fontsize=8,
                va="center",
            )
            _dot(
                right,
                place,
                row["estimate"],
                row["low"],
                row["high"],
                math.nan,
                COLOURS[row["verdict"]],
            )
        bars.set_xlim(0, max(row["cases"] for row in rows) * 1.25)
        bars.set_xlabel("cases", fontsize=8)
        bars.set_title(fill(group, 50), fontsize=9)
        if np.isfinite(whole["estimate"]):
            right.axvline(whole["estimate"], color=GREY, linewidth=1, zorder=0)
        right.set_title(title if whole["judged"] else f"{title}: no ground truth", fontsize=9)
        right.set_xlim((-0.03, 1.03) if column != "error" else (0, None))
        for axes in (bars, right):
            _plain(axes)
        _names(bars, [str(verdict_name(row["verdict"])) for row in rows])
        _names(right, [f"n = {row['judged']}" for row in rows])
    note = f"n: cases with a ground truth. Grey line: all cases. {BARS}"
    return _finish(
        figure,
        f"{note} A verdict says how far the map series agree, not that they are right.",
        comparison.synthetic,
    )


def panel_figure(
    comparison: Comparison, group: str, read: Callable[[int, int], Explanation]
) -> Figure | None:
    """Cases of a group as each of its map series sees them; None where no case is shared.

    The maps of a case are on one scale where they are in the same unit: one architecture, method
    and layer. Else each is on its
    own. Map series whose maps are the same are shown once.

    Args:
        comparison: of the map series.
        group: name of it.
        read: (run, explanation) → the map.
    """
    cases = comparison.cases[comparison.cases["group"] == group]
    if cases.empty:
        return None
    all_series = comparison.all_series[comparison.all_series["group"] == group]
    distinct = all_series[all_series["same_as"] == ""]
    chosen, rule = choose(cases)
    one_unit = len(distinct[["architecture", "method", "layer"]].drop_duplicates()) == 1
    heads = _heads(all_series, group)
    shown = []
    for number in chosen:
        of_case = comparison.maps["case"] == number
        lines = _records(comparison.maps[of_case & comparison.maps["series"].isin(list(heads))])
        maps = [read(int(line["run"]), int(line["explanation"])) for line in lines]
        shown.append(_Shown(_records(cases[cases["case"] == number])[0], lines, maps, one_unit))
    widest = max(case.sides[1] for case in shown)
    width = max(PANEL * widest, 1.9) * (len(distinct) + 1) + 0.3
    heights = [case.height(width) for case in shown]
    figure = Figure(figsize=(width, sum(heights) + 1.15), layout="constrained")
    places = list(figure.subfigures(len(chosen) + 1, 1, height_ratios=[*heights, 0.55]).flat)  # type: ignore[union-attr]
    for place, case in zip(places, shown):
        _case_row(place, case, heads, width)
    _bar(places[-1], any(case.signed for case in shown))
    scale = (
        "The maps of a case share one scale where they have one unit"
        if one_unit
        else "Each map is on its own scale"
    )
    synthetic = any(case.synthetic for case in shown)
    return _finish(figure, f"{group + '. ' if group else ''}{rule} {scale}.", synthetic)


def _heads(all_series: pd.DataFrame, group: str) -> dict[str, str]:
    """Name of a distinct map series → the heading of its column, with those of the same maps."""
    heads = {}
    for name in all_series["name"][all_series["same_as"] == ""]:
        twins = all_series["name"][all_series["same_as"] == name]
        heads[name] = _without(" = ".join([name, *twins]), group)
    return heads


@dataclass(frozen=True)
class _Shown:
    """A case with its maps, in the order of ``lines``."""

    case: Mapping[str, Any]
    lines: Sequence[Mapping[str, Any]]
    seen: Sequence[Explanation]
    one_unit: bool

    @property
    def sides(self) -> tuple[float, float]:
        """Height and width of the film, the longer being 1."""
        rows, columns = self.seen[0].scan.geometry.original
        return rows / max(rows, columns), columns / max(rows, columns)

    @property
    def signed(self) -> bool:
        """Whether any of the maps has evidence against the label."""
        return any(explanation.signed for explanation in self.seen)

    @property
    def synthetic(self) -> bool:
        """Whether the image is synthetic."""
        return any(explanation.scan.synthetic for explanation in self.seen)

    @property
    def limit(self) -> float | None:
        """The value of full colour of all maps; None for each its own."""
        units = {(e.provenance.get("unit"), e.signed) for e in self.seen if not e.is_empty}
        return max(e.limit for e in self.seen) if self.one_unit and len(units) == 1 else None

    def words(self, width: float) -> str:
        """Above the row, for a figure of this width in inches."""
        verdict = str(verdict_name(self.case["verdict"])).upper()
        reason = Message.loads(self.case["reason_code"])
        words = f"{self.case['label']} – {verdict}: {reason}"
        return "\n".join(wrap(words, int(width * 14)))

    def height(self, width: float) -> float:
        """Inches of the row."""
        return max(PANEL * self.sides[0], 1.2) + 0.15 * self.words(width).count("\n") + 1.0


def _case_row(place: Any, shown: _Shown, heads: Mapping[str, str], width: float) -> None:
    """The film and one overlay a map series, under its prediction for the case."""
    panels = place.subplots(1, len(shown.lines) + 1)
    first = shown.seen[0]
    panels[0].imshow(reduced(as_rgb(first.scan.picture()), PIXELS))
    patient = f", patient {shown.case['patient']}" if shown.case["patient"] else ""
    panels[0].set_title(
        f"{fill(shown.case['image'] + patient, 34)}\n{_truth(shown.lines)}", fontsize=7.5
    )
    for axes, line, explanation in zip(panels[1:], shown.lines, shown.seen):
        axes.imshow(reduced(blend(explanation, alpha=ALPHA, limit=shown.limit), PIXELS))
        axes.set_title(f"{fill(heads[line['series']], 34)}\n{_prediction(line)}", fontsize=7.5)
        axes.set_xlabel(_scale(explanation, shown.limit), fontsize=7)
    for axes in panels:
        mark_synthetic(axes, first.scan.synthetic)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    place.suptitle(shown.words(width), fontsize=8.5, color=INK)


def _truth(lines: Sequence[Mapping[str, Any]]) -> str:
    """The ground truth of the film."""
    first = lines[0]
    if first["true_class"]:
        return f"truth: {first['true_class']}"
    if not np.isfinite(first["truth"]):
        return "truth unknown"
    if np.isfinite(first["value"]):
        return f"truth: {first['truth']:.4g}"
    return f"truth: {first['label']} {'positive' if first['truth'] else 'negative'}"


def _prediction(line: Mapping[str, Any]) -> str:
    """Prediction, whether it is right, and probability."""
    if np.isfinite(line["value"]):
        return f"value {line['value']:.4g}"
    right = {True: " (right)", False: " (wrong)"}.get(line["correct"], "")
    predicted = line["predicted"]
    # The probability is that of the label, also for "not sick"; a region has one of its own.
    named = line["label"] if predicted else line["target"]
    probability = str(line["target"])
    if np.isfinite(line["probability"]):
        probability = f"{named} {line['probability']:.3f}"
    probability = fill(probability, 36)
    return f"predicted {predicted}{right}\n{probability}" if predicted else probability


def _scale(explanation: Explanation, limit: float | None) -> str:
    unit = str(explanation.provenance.get("unit", "")).replace("none", "")
    if explanation.is_empty:
        return "\n".join(wrap(f"no evidence: {explanation.empty_reason}", 34)[:2])
    if limit is not None:
        return f"strongest {explanation.limit:.3g} of {limit:.3g} {unit}"
    return f"full colour = {'±' if explanation.signed else ''}{explanation.limit:.3g} {unit}"


def _bar(place: Any, signed: bool) -> None:
    """What the colours mean, below the last row."""
    name, low = (SIGNED_COLORMAP, -1) if signed else (DEFAULT_COLORMAP, 0)
    axes = place.subplots(1, 3)[1]
    for side in place.axes[::2]:
        side.set_axis_off()
    axes.imshow(np.linspace(low, 1, 256)[None], cmap=name, aspect="auto", extent=(low, 1, 0, 1))
    axes.set_yticks([])
    axes.set_xticks([low, (low + 1) / 2, 1])
    axes.tick_params(labelsize=7)
    axes.set_xlabel(
        f"share of the full colour stated{'; < 0 speaks against' if signed else ''}", fontsize=7.5
    )


def _panels(many: int, rows: int, longest: int) -> tuple[Figure, list[Axes]]:
    """Panels of dots side by side, room for names on the left."""
    width = 2.9 * many + 0.075 * min(longest, 44) + 0.3
    figure = Figure(figsize=(width, 0.42 * max(rows, 3) + 1.5), layout="constrained")
    panels = list(figure.subplots(1, many, squeeze=False)[0])
    for axes in panels:
        _plain(axes)
    return figure, panels


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    named = table.rename(columns=str)
    return cast("list[dict[str, Any]]", named.to_dict("records"))


def _without(name: str, group: str) -> str:
    """A map series's name without its group."""
    return name.replace(f" · {group}", "") if group else name


def _pair_name(pair: Mapping[str, Any]) -> str:
    """Both map series, and their group below."""
    names = fill(
        " – ".join(_without(pair[place], pair["group"]) for place in ("first", "second")), 44
    )
    return "\n".join(filter(None, (names, fill(pair["group"], 44))))


def _longest(names: Sequence[str] | pd.Series) -> int:
    return max(map(len, names), default=0)


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _names(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.4, -0.6)


def _dot(
    axes: Axes,
    place: int,
    value: float,
    low: float,
    high: float,
    chance: float,
    colour: str = PALETTE[0],
    sure: bool = False,
) -> None:
    """An estimate with its interval, hollow without one, and its chance level."""
    known = bool(np.isfinite(low))
    if known:
        axes.hlines(place, low, high, color=colour, linewidth=1.8)
    if np.isfinite(chance):
        axes.vlines(chance, place - 0.4, place + 0.4, color=INK, linestyle=":", linewidth=1.4)
    if np.isfinite(value):
        face = colour if known or sure else "white"
        axes.plot(
            value,
            place,
            marker="o",
            markersize=5.5,
            color=colour,
            markerfacecolor=face,
            linestyle="",
        )


def _finish(figure: Figure, note: str, synthetic: bool) -> Figure:
    """What every figure says: how to read it, and what it is not for."""
    width = int(figure.get_figwidth() * 17)
    figure.supxlabel(
        f"{fill(note, width)}\n{NOTICE}{' · SYNTHETIC images' if synthetic else ''}", fontsize=7.5
    )
    return figure
