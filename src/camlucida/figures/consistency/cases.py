"""The figure of a comparison's cases: each as every map series explains it.

Cases are chosen and read once (:func:`read_panel`), for the figure and for the viewer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from camlucida.analysis.comparison.compare import Comparison
from camlucida.analysis.comparison.summary import choose
from camlucida.analysis.comparison.verdict import verdict_name
from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import Message, declare
from camlucida.core.numbers import number
from camlucida.datasets.patients import stated_patient
from camlucida.figures.colours import colormap_name
from camlucida.figures.consistency.layout import name_in_group, table_rows, with_footer
from camlucida.figures.estimates import INK
from camlucida.figures.grids import ALPHA, bare, mark_synthetic
from camlucida.figures.overlay import as_rgb, marks_legend, reduced, reduced_overlay
from camlucida.figures.style import label_name, said, words, wrapped_text
from camlucida.figures.volumes.shown import in_one_plane

declare(
    "case_panels",
    {
        "one_scale": "The maps of a case share one scale where they have one unit.",
        "own_scales": "Each map is on its own scale.",
        "note": "{rule} {scale} {marks}",
        "of_group": "{group}. {note}",
        "title": "{label} – {verdict}: {reason}",
        "of_patient": "{image}, patient {patient}",
        "truth": "truth: {truth}",
        "no_truth": "truth unknown",
        "positive": "truth: {label} positive",
        "negative": "truth: {label} negative",
        "value": "value {value}",
        "predicted": "predicted {label}",
        "class_positive": "positive",
        "class_negative": "negative",
        "right": "predicted {label} (right)",
        "wrong": "predicted {label} (wrong)",
    },
)

PANEL = 2.45
"""Inches on the longer side of a panel."""

PIXELS = 740
"""Longest side of a panel's picture: what 300 dpi can show."""


@dataclass(frozen=True)
class CasePanel:
    """The chosen cases of a group, with their maps.

    Attributes:
        group: its name.
        rule: by which the cases were chosen.
        headings: of the columns: distinct map series → its name, and those with the same maps.
        cases: in order.
        one_unit: whether all map series are of one architecture, method and layer.
    """

    group: str
    rule: Message
    headings: Mapping[str, str]
    cases: Sequence[ShownCase]
    one_unit: bool


def read_panel(
    comparison: Comparison, group: str, read: Callable[[int, int], Explanation]
) -> CasePanel | None:
    """Choose cases of a group and read their maps; None where no case is shared.

    Map series whose maps are the same are read once.

    Args:
        comparison: of the map series.
        group: name of the group.
        read: (run, explanation) → the map.
    """
    cases = comparison.cases[comparison.cases["group"] == group]
    if cases.empty:
        return None
    all_series = comparison.all_series[comparison.all_series["group"] == group]
    distinct = all_series[all_series["same_as"] == ""]
    one_unit = len(distinct[["architecture", "method", "layer"]].drop_duplicates()) == 1
    headings = _headings(all_series, group)
    chosen, rule = choose(cases)
    shown = [_read_case(comparison, number, headings, read, one_unit) for number in chosen]
    return CasePanel(group, rule, headings, shown, one_unit)


def panel_figure(panel: CasePanel) -> Figure:
    """The cases of a group below each other, each with the map of every map series.

    The maps of a case share one scale where they are in the same unit: one architecture, method
    and layer. Otherwise each is on its own scale.

    Args:
        panel: of the group.
    """
    shown = panel.cases
    widest = max(case.sides[1] for case in shown)
    width = max(PANEL * widest, 1.9) * (len(panel.headings) + 1) + 0.3
    heights = [case.height(width) for case in shown]
    figure = Figure(figsize=(width, sum(heights) + 1.15), layout="constrained")
    rows = figure.subfigures(len(shown) + 1, 1, height_ratios=[*heights, 0.55])
    *case_rows, last_row = rows.flat  # type: ignore[union-attr]
    for row, case in zip(case_rows, shown):
        _draw_case(row, case, panel.headings, width)
    _colour_bar(last_row, any(case.signed for case in shown))
    scale = words("case_panels.one_scale" if panel.one_unit else "case_panels.own_scales")
    note = words("case_panels.note", rule=panel.rule, scale=scale, marks=marks_legend())
    if panel.group:
        note = words("case_panels.of_group", group=panel.group, note=note)
    return with_footer(figure, note, any(case.synthetic for case in shown))


def _headings(all_series: pd.DataFrame, group: str) -> dict[str, str]:
    """Distinct map series → the heading of its column: its name, and those with the same maps."""
    headings = {}
    for name in all_series["name"][all_series["same_as"] == ""]:
        twins = all_series["name"][all_series["same_as"] == name]
        names = " = ".join([name, *twins])
        headings[name] = name_in_group(names, group)
    return headings


@dataclass(frozen=True)
class ShownCase:
    """A case with its maps.

    Attributes:
        case: its row of the table of cases.
        rows: a row of the table of maps for each map series.
        stored: their maps, one a row of ``rows``, as they were read.
        maps: the same; of volumes, in one plane.
        one_unit: whether all map series are of one architecture, method and layer.
    """

    case: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    stored: Sequence[Explanation]
    maps: Sequence[Explanation]
    one_unit: bool

    @property
    def sides(self) -> tuple[float, float]:
        """Height and width of the image, the longer being 1."""
        height, width = self.maps[0].scan.geometry.original
        longest = max(height, width)
        return height / longest, width / longest

    @property
    def signed(self) -> bool:
        """Whether any of the maps has evidence against the label."""
        return any(explanation.signed for explanation in self.maps)

    @property
    def synthetic(self) -> bool:
        """Whether the image is synthetic."""
        return any(explanation.scan.synthetic for explanation in self.maps)

    @property
    def limit(self) -> float | None:
        """The value of full colour of all maps; None where each is on its own scale."""
        evident = [explanation for explanation in self.maps if not explanation.is_empty]
        units = {(map_.provenance.get("unit"), map_.signed) for map_ in evident}
        if not self.one_unit or len(units) != 1:
            return None
        return max(explanation.limit for explanation in self.maps)

    def title(self, width: float) -> str:
        """Label, verdict and reason, for a figure of this width in inches."""
        verdict = said(verdict_name(self.case["verdict"])).upper()
        reason = Message.loads(self.case["reason_code"])
        label = label_name(str(self.case["label"]))
        text = words("case_panels.title", label=label, verdict=verdict, reason=reason)
        return wrapped_text(text, int(width * 14))

    def height(self, width: float) -> float:
        """Inches of the row, in a figure of this width in inches."""
        further_lines = self.title(width).count("\n")
        return max(PANEL * self.sides[0], 1.2) + 0.15 * further_lines + 1.0


def _read_case(
    comparison: Comparison,
    number: int,
    headings: Mapping[str, str],
    read: Callable[[int, int], Explanation],
    one_unit: bool,
) -> ShownCase:
    """A case with the maps of the map series that have a heading."""
    is_case = comparison.maps["case"] == number
    is_distinct = comparison.maps["series"].isin(list(headings))
    rows = table_rows(comparison.maps[is_case & is_distinct])
    stored = [read(int(row["run"]), int(row["explanation"])) for row in rows]
    (case,) = table_rows(comparison.cases[comparison.cases["case"] == number])
    return ShownCase(case, rows, stored, in_one_plane(stored), one_unit)


def _draw_case(row: Any, shown: ShownCase, headings: Mapping[str, str], width: float) -> None:
    """The image with its truth, and an overlay with its prediction for each map series."""
    panels = row.subplots(1, len(shown.rows) + 1)
    scan = shown.maps[0].scan
    panels[0].imshow(reduced(as_rgb(scan.picture()), PIXELS))
    image = str(shown.case["image"])
    if patient := stated_patient(str(shown.case["patient"])):
        image = words("case_panels.of_patient", image=image, patient=patient)
    name = wrapped_text(image, 34)
    panels[0].set_title(f"{name}\n{_truth_text(shown.rows[0])}", fontsize=7.5)
    for axes, map_row, explanation in zip(panels[1:], shown.rows, shown.maps):
        axes.imshow(reduced_overlay(explanation, PIXELS, ALPHA, shown.limit))
        heading = wrapped_text(headings[map_row["series"]], 34)
        axes.set_title(f"{heading}\n{_prediction_text(map_row)}", fontsize=7.5)
        axes.set_xlabel(_scale_text(explanation, shown.limit), fontsize=7)
    for axes in panels:
        mark_synthetic(axes, scan.synthetic)
        bare(axes)
    row.suptitle(shown.title(width), fontsize=8.5, color=INK)


def _truth_text(row: Mapping[str, Any]) -> str:
    """The ground truth of the image."""
    if row["true_class"]:
        return words("case_panels.truth", truth=label_name(row["true_class"]))
    if not np.isfinite(row["truth"]):
        return words("case_panels.no_truth")
    if np.isfinite(row["value"]):
        return words("case_panels.truth", truth=f"{row['truth']:.4g}")
    sign = "positive" if row["truth"] else "negative"
    return words(f"case_panels.{sign}", label=label_name(row["label"]))


def _prediction_text(row: Mapping[str, Any]) -> str:
    """Prediction, whether it is right, and probability."""
    if np.isfinite(row["value"]):
        return words("case_panels.value", value=f"{row['value']:.4g}")
    predicted = row["predicted"]
    probability = str(row["target"])
    if np.isfinite(row["probability"]):
        # The probability is that of the label, also for "not sick"; a region has one of its own.
        name = row["label"] if predicted else row["target"]
        probability = f"{label_name(name)} {number(row['probability'], 'p')}"
    probability = wrapped_text(probability, 36)
    if not predicted:
        return probability
    kind = {True: "right", False: "wrong"}.get(row["correct"], "predicted")
    name = label_name(predicted)
    if predicted in ("positive", "negative"):
        name = words(f"case_panels.class_{predicted}")
    return f"{words(f'case_panels.{kind}', label=name)}\n{probability}"


def _scale_text(explanation: Explanation, limit: float | None) -> str:
    """What stands below a map: its scale, or how strong it is on the shared one."""
    if explanation.is_empty:
        reason = explanation.empty_reason or ""
        lines = wrapped_text(words("overlay.empty", reason=reason), 34).splitlines()
        return "\n".join(lines[:2])
    unit = str(explanation.provenance.get("unit", "")).replace("none", "")
    strongest = number(explanation.limit, ".3g")
    if limit is not None:
        return words("grids.strongest", peak=strongest, limit=number(limit, ".3g"), unit=unit)
    sign = "±" if explanation.signed else ""
    return words("grids.full_colour", limit=f"{sign}{strongest}", unit=unit)


def _colour_bar(row: Any, signed: bool) -> None:
    """What the colours mean, below the last row of cases."""
    name, low = colormap_name(None, signed), -1 if signed else 0
    left, axes, right = row.subplots(1, 3)
    left.set_axis_off()
    right.set_axis_off()
    ramp = np.linspace(low, 1, 256)[None]
    axes.imshow(ramp, cmap=name, aspect="auto", extent=(low, 1, 0, 1))
    axes.set_yticks([])
    axes.set_xticks([low, (low + 1) / 2, 1])
    axes.tick_params(labelsize=7)
    meaning = words("grids.share")
    if signed:
        meaning = words("grids.against", meaning=meaning)
    axes.set_xlabel(meaning, fontsize=7.5)
