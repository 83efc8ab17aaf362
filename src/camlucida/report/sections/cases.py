"""Cases selected by declared rules: the model's output, the ground truth and the map."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
from matplotlib.figure import Figure

from camlucida.analysis.selection import Selected
from camlucida.analysis.selection.base import message_key
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.methods import METHODS
from camlucida.core.files import slug
from camlucida.core.messages import chain, declare
from camlucida.core.volume_scan import is_volume
from camlucida.figures.cases import boxes_on_image, label_comparison
from camlucida.figures.comparison import FINDING_COLOUR
from camlucida.figures.files import save_figure
from camlucida.figures.grids import GridRow, comparison_grid
from camlucida.figures.panels import three_panel
from camlucida.figures.volumes.explained import planes_figure
from camlucida.figures.volumes.shown import flat_map, in_one_plane
from camlucida.metrics.annotations import Mask
from camlucida.report.data import SERIES, ReportData
from camlucida.report.document import (
    Block,
    Message,
    Paragraph,
    Picture,
    Points,
    Section,
    Value,
    View,
)
from camlucida.report.sections.base import section
from camlucida.report.viewer.case_files import CaseFile, write_case
from camlucida.report.viewer.data import annotated_boxes, case_file, has_film, mask_outlines
from camlucida.report.viewer.volumes import volume_annotations

declare(
    "cases",
    {
        "rules": "Cases were selected by rules, not by inspection:",
        "rule": "{name} ({rule}): {words}.",
        "rule_of": "{name} ({rule}), {task}: {words}.",
        "more": "The rules selected {chosen} cases; the first {shown} are shown.",
        "caption": "{parts}",
        "two": "{first} {then}",
        "what": ("{target} in {image}, {model}, {method} at {layer}. Selected as: {roles}."),
        "confidence": "Probability {confidence:p}.",
        "confidence_of": "Probability of {label} {confidence:p}.",
        "classes": "Predicted {predicted}, true {truth}.",
        "outcome": "Outcome: {outcome}.",
        "outcome_of": "Outcome for {label}: {outcome}.",
        "value": "Predicted {value:.4g}.",
        "value_truth": "True {truth:.4g}, error {error:.3g}.",
        "dice": "Dice {dice:.3f}.",
        "nothing": "The annotated mask is empty.",
        "empty": "No evidence: {reason}.",
        "spread": (
            "Cells at or above half the maximum: {spread:.0%} (median of these maps {median:.0%})."
        ),
        "mask": "Inside the mask: {share:.0%} (area {area:.1%}).",
        "artefact": "On border, text or outside the body: {share:.0%} (area {area:.0%}).",
        "labels": "Maps of several targets in {image}: {labels}. Each has its own scale.",
        "boxes": (
            "{target} in {image}: {true} annotated {true:|box|boxes}, and the boxes "
            "around attribution of at least half the maximum, in original pixels."
        ),
        "best_worst": (
            "Smallest loss (top, {best_target} in {best_image}: {best:.3g}) and "
            "largest loss (bottom, {worst_target} in {worst_image}: {worst:.3g}), on "
            "one scale."
        ),
        "best_worst_apart": (
            "Smallest loss (top, {best_target} in {best_image}: {best:.3g}) and "
            "largest loss (bottom, {worst_target} in {worst_image}: {worst:.3g}), "
            "each on its own scale."
        ),
        "legend": (
            "Each figure shows the original image, the attribution map with its "
            "scale, and the overlay; an annotated mask is outlined. Percentages are "
            "shares of the positive attribution."
        ),
    },
)

declare(
    "roles",
    {
        "by_rule": "{rule}: {role}",
    },
)

Views: TypeAlias = "Mapping[Any, tuple[View, ...]]"
"""Row of a case → its film and map for the viewer."""

SHOWN = 10
"""Cases of a task that have a figure; the rules go on, and say so, where they chose more."""

NAMED_ROLES = ("per_class", "per_group", "disagreement")
"""Rules whose roles are names, such as a class, which do not say by which rule."""


@section("cases", "Cases", needs=("measured", "chosen"))
def cases(report: ReportData) -> Section | None:
    """The rules, a figure a case, the targets of one case side by side, best against worst."""
    if report.cases.empty:
        return None
    roles = _roles(report)
    shown: list[Any] = []
    for selected in report.chosen.values():
        shown += _rows(selected)[:SHOWN]
    blocks: list[Block] = [Paragraph((Message("cases.rules"),)), Points(tuple(_rules(report)))]
    if len(roles) > len(shown):
        counts = {"shown": len(shown), "chosen": len(roles)}
        blocks.append(Paragraph((Message("cases.more", counts),)))
    # One legend for all figures: repeated in each caption it would hide what differs.
    blocks.append(Paragraph((Message("cases.legend"),)))
    pictures = [_case(report, number, row, roles[row]) for number, row in enumerate(shown, 1)]
    blocks += pictures
    views = {row: picture.views for row, picture in zip(shown, pictures)}
    others = [_boxes(report, shown, views), _targets_of_one(report, shown)]
    others += [_best_and_worst(report, task, views) for task in report.chosen]
    blocks += [picture for picture in others if picture is not None]
    return Section("cases", tuple(blocks))


def _rules(report: ReportData) -> Iterator[Message]:
    """Each rule in words, with the task where there are several."""
    for task, selected in report.chosen.items():
        for chosen in selected:
            values: dict[str, Value] = {
                "rule": chosen.rule,
                "name": rule_name(chosen.rule),
                "words": chosen.description,
            }
            if len(report.chosen) > 1:
                yield Message("cases.rule_of", {**values, "task": Message(f"words.{task}")})
            else:
                yield Message("cases.rule", values)


def _rows(selected: Sequence[Selected]) -> list[Any]:
    """What the rules chose, each case once."""
    rows = itertools.chain.from_iterable(chosen.rows for chosen in selected)
    return list(dict.fromkeys(rows))


def rule_name(rule: str) -> Message:
    """The rule's name in the reader's language."""
    return Message(f"rules.{message_key(rule)}")


def _roles(report: ReportData) -> dict[Any, list[Message]]:
    """Row → the roles for which it was chosen, in the order of the rules."""
    roles: dict[Any, list[Message]] = {}
    for chosen in report.selected:
        key = message_key(chosen.rule)
        for row, role in zip(chosen.rows, chosen.roles):
            if key in NAMED_ROLES:
                role = Message("roles.by_rule", {"rule": Message(f"roles.{key}"), "role": role})
            roles.setdefault(row, []).append(role)
    return roles


def _case_file(report: ReportData, path: Path, row: Any, explanation: Explanation) -> CaseFile:
    """A map for the viewer, with its annotations."""
    label, mask = str(report.measured.loc[row]["target"]), report.mask(row)
    if is_volume(explanation.scan):
        annotations = volume_annotations(explanation.scan, label, mask)
        return case_file(path, [explanation], annotations=annotations)
    outlines, boxes = mask_outlines(label, mask), annotated_boxes(label, report.boxes(row))
    return case_file(path, [explanation], outlines=outlines, boxes=boxes)


def _case(report: ReportData, number: int, row: Any, roles: Sequence[Message]) -> Picture:
    case = report.measured.loc[row]
    mask = report.mask(row)
    explanation = report.map_of(row, levels=True)
    figure = _figure(explanation, mask)
    stem = f"figures/{slug(str(case['method']))}_{number}_{slug(str(case['target']))}"
    save_figure(figure, report.folder / stem)
    views: tuple[View, ...] = ()
    if has_film(explanation.scan):
        views = (View(f"{stem}.view.js", explanation.scan.id),)
        write_case(_case_file(report, report.folder / views[0].file, row, explanation))
    sentences = [_what(case, roles), *outcome_of(case), *_measures(report, case, mask)]
    caption = Message("cases.caption", {"parts": chain("cases.two", sentences)})
    return Picture(stem, caption, views=views)


def _figure(explanation: Explanation, mask: Mask | None) -> Figure:
    """Image, map and overlay; of a volume three planes, bare and overlaid."""
    if is_volume(explanation.scan):
        return planes_figure(explanation, mask)
    figure = three_panel(explanation)
    if mask is not None and mask.any():
        for axes in figure.axes[:3]:
            axes.contour(mask, [0.5], colors=[FINDING_COLOUR], linewidths=1.0)
    return figure


def _what(case: pd.Series, roles: Sequence[Message]) -> Message:
    """The first line of a caption: what is shown."""
    keys = ("target", "image", "model", "layer")
    values: dict[str, Value] = {key: str(case[key]) for key in keys}
    name = str(case["method"])
    method = METHODS[name].title if name in METHODS else name
    return Message("cases.what", {**values, "method": method, "roles": list(roles)})


def _measures(report: ReportData, case: pd.Series, mask: Mask | None) -> Iterator[Message]:
    """What was measured of the map."""
    if mask is not None and not mask.any():
        yield Message("cases.nothing")
    if case["empty_reason"]:
        yield Message("cases.empty", {"reason": Message.loads(case["empty_reason"])})
        return
    if isfinite(case["spread"]):
        median = float(report.measured.loc[_same_series(report, case), "spread"].median())
        yield Message("cases.spread", {"spread": float(case["spread"]), "median": median})
    for region in ("mask", "artefact"):
        share, area = float(case[f"{region}_share"]), float(case[f"{region}_area"])
        if isfinite(share) and isfinite(area):
            yield Message(f"cases.{region}", {"share": share, "area": area})


def outcome_of(case: pd.Series) -> Iterator[Message]:
    """The model's output for a case, and the ground truth."""
    if isfinite(case["value"]):
        yield from _value_of(case)
        return
    # "not sick" and "sick − well" have the probability and the outcome of "sick"; a region has a
    # probability of its own.
    of_label: dict[str, Value] = {}
    if case["task"] != "segmentation" and case["label"] != case["target"]:
        of_label = {"label": case["label"]}
    suffix = "_of" if of_label else ""
    if isfinite(case["probability"]):
        probability = {"confidence": float(case["probability"])}
        yield Message(f"cases.confidence{suffix}", {**of_label, **probability})
    if case["true_class"]:
        classes = {"predicted": case["predicted"], "truth": case["true_class"]}
        yield Message("cases.classes", classes)
    elif case["outcome"]:
        outcome = {"outcome": Message(f"words.{case['outcome']}")}
        yield Message(f"cases.outcome{suffix}", {**of_label, **outcome})
    if isfinite(case["dice"]):
        yield Message("cases.dice", {"dice": float(case["dice"])})


def _value_of(case: pd.Series) -> Iterator[Message]:
    """A regression's value and its error."""
    yield Message("cases.value", {"value": float(case["value"])})
    if isfinite(case["truth"]):
        values = {"truth": float(case["truth"]), "error": float(case["error"])}
        yield Message("cases.value_truth", values)


def _same_series(report: ReportData, case: pd.Series) -> pd.Series:
    return (report.cases[SERIES] == case[SERIES]).all(axis=1)


def _targets_of_one(report: ReportData, shown: Sequence[Any]) -> Picture | None:
    """The maps of the most targets that one of the shown cases has, side by side."""
    best: list[Any] = []
    for row in shown:
        case = report.cases.loc[row]
        of_image = report.cases["path"] == case["path"]
        same = report.cases[_same_series(report, case) & of_image]
        if len(same) > len(best):
            best = list(same.sort_values("probability", ascending=False).index[:4])
    if len(best) < 2:
        return None
    explanations = [report.map_of(row, levels=True) for row in best]
    stem = "figures/label_comparison"
    figure = label_comparison(in_one_plane(explanations), _truths(report.cases.loc[best]))
    save_figure(figure, report.folder / stem)
    labels = [explanation.target for explanation in explanations]
    caption = Message("cases.labels", {"image": explanations[0].scan.id, "labels": labels})
    return Picture(stem, caption, views=_views_of_labels(report, explanations, stem))


def _views_of_labels(
    report: ReportData, explanations: Sequence[Explanation], stem: str
) -> tuple[View, ...]:
    """Maps of several targets over one film."""
    if not has_film(explanations[0].scan):
        return ()
    file = f"{stem}.view.js"
    write_case(case_file(report.folder / file, explanations))
    return (View(file, explanations[0].scan.id),)


def _truths(cases: pd.DataFrame) -> list[bool | None] | None:
    """Whether each label is present; None where it is unknown, and for other tasks.

    Their ground truth is a number, or a mask.
    """
    if not cases["task"].isin(["multilabel", "binary", "multiclass"]).all():
        return None
    # The truth of "sick" is not that of "not sick".
    of_target = cases["truth"].where(cases["target"] == cases["label"])
    return [None if pd.isna(truth) else bool(truth) for truth in of_target]


def _ends(report: ReportData, task: str) -> dict[str, Any]:
    """ "best" and "worst" → the first case by that rule, where there are two different ones."""
    first: dict[str, Any] = {}
    for chosen in report.chosen[task]:
        if chosen.rows:
            first[message_key(chosen.rule)] = chosen.rows[0]
    names: tuple[str, ...] = ("best", "worst")
    ends = {name: first[name] for name in names if name in first}
    return ends if len(set(ends.values())) == 2 else {}


def _best_and_worst(report: ReportData, task: str, views: Views) -> Picture | None:
    """The best and the worst case under each other, on one scale if their maps have one unit."""
    ends = _ends(report, task)
    maps = {name: report.map_of(row) for name, row in ends.items()}
    shown = [explanation for explanation in maps.values() if not explanation.is_empty]
    if not shown:
        return None  # each case has a figure that states it
    lines: list[GridRow] = []
    values: dict[str, Value] = {}
    for name, explanation in maps.items():
        case, mask = report.cases.loc[ends[name]], report.mask(ends[name])
        plane, mask = flat_map(explanation, mask)
        outlines = {"truth": mask} if mask is not None and mask.any() else {}
        title = f"{name}: {case['target']} in {case['image']}, loss {case['loss']:.3g}"
        lines.append(GridRow(title, [plane], outlines))
        values[name] = float(case["loss"])
        values[f"{name}_image"] = case["image"]
        values[f"{name}_target"] = case["target"]
    units = {(explanation.provenance.get("unit"), explanation.signed) for explanation in shown}
    one_scale = len(units) == 1
    method = str(maps["best"].provenance.get("method", maps["best"].method))
    stem = "figures/best_worst" if len(report.chosen) == 1 else f"figures/best_worst_{task}"
    figure = comparison_grid(lines, [method], shared="all" if one_scale else "none")
    save_figure(figure, report.folder / stem)
    caption = Message("cases.best_worst" if one_scale else "cases.best_worst_apart", values)
    both = itertools.chain.from_iterable(views.get(row, ()) for row in ends.values())
    return Picture(stem, caption, views=tuple(both))


def _boxes(report: ReportData, shown: Sequence[Any], views: Views) -> Picture | None:
    """The first shown case with an annotated box, and the boxes around its attribution."""
    for row in shown:
        case = report.cases.loc[row]
        boxes = report.boxes(row)
        if boxes is not None and len(boxes) and not case["empty_reason"]:
            stem = "figures/boxes"
            save_figure(boxes_on_image(report.map_of(row), boxes), report.folder / stem)
            values = {"image": case["image"], "target": case["target"], "true": len(boxes)}
            return Picture(stem, Message("cases.boxes", values), views=views.get(row, ()))
    return None
