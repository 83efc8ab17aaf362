"""Cases, chosen by declared rules: what the model said, what is true, and the map, whatever it shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

import pandas as pd

from camlucida.analysis.selection import Selected
from camlucida.analysis.selection.base import message_key
from camlucida.core.files import slug
from camlucida.core.messages import chain, declare
from camlucida.figures.cases import boxes_on_film, label_comparison
from camlucida.figures.comparison import FINDING_COLOUR
from camlucida.figures.files import save_figure
from camlucida.figures.grids import GridRow, comparison_grid
from camlucida.figures.panels import three_panel
from camlucida.metrics.annotations import Mask
from camlucida.report.data import ReportData
from camlucida.report.document import Block, Message, Paragraph, Picture, Points, Section, Value
from camlucida.report.sections.base import section

declare(
    "cases",
    {
        "rules": "Which cases are shown was decided by rules, not by eye:",
        "rule": "{name} ({rule}): {words}.",
        "rule_of": "{name} ({rule}), {task}: {words}.",
        "more": "The rules chose {chosen} cases; the first {shown} have a figure.",
        "caption": "{parts}",
        "two": "{first} {then}",
        "what": "{target} in {image}, by {model}; shown as: {roles}.",
        "confidence": "Confidence {confidence:.3f}.",
        "confidence_of": "Confidence in {label}: {confidence:.3f}.",
        "classes": "Predicted {predicted}, true {truth}.",
        "outcome": "A {outcome}.",
        "outcome_of": "A {outcome} of {label}.",
        "value": "Predicted {value:.4g}.",
        "value_truth": "True {truth:.4g}, error {error:.3g}.",
        "dice": "Dice {dice:.3f}.",
        "panels": (
            "Left: the original. Middle: the heat map by {method} at {layer}, with "
            "its scale. Right: the overlay."
        ),
        "outline": "Outlined: the true mask.",
        "nothing": "The true mask is empty.",
        "empty": "No evidence: {reason}.",
        "spread": (
            "{spread:.0%} of the map's cells are at half its maximum or above "
            "(median of these maps: {median:.0%})."
        ),
        "mask": (
            "{share:.0%} of its heat lies inside the true mask, which is {area:.1%} of the area."
        ),
        "artefact": (
            "{share:.0%} of its heat lies on the border, on text or outside the "
            "body, which are {area:.0%} of the area."
        ),
        "labels": (
            "The maps of several targets of {image} side by side: {labels}. Each on "
            "its own scale, as stated."
        ),
        "boxes": (
            "{target} in {image}: {true} true {true:|box|boxes}, and those around "
            "the heat of at least half its maximum, in pixels of the original."
        ),
        "best_worst": (
            "The case with the smallest loss ({best_target} in {best_image}: "
            "{best:.3g}) above the one with the largest ({worst_target} in "
            "{worst_image}: {worst:.3g}), on one scale."
        ),
        "best_worst_apart": (
            "The case with the smallest loss ({best_target} in {best_image}: "
            "{best:.3g}) above the one with the largest ({worst_target} in "
            "{worst_image}: {worst:.3g}), each on its own scale, as stated."
        ),
    },
)

declare(
    "roles",
    {
        "by_rule": "{rule}: {role}",
    },
)

SHOWN = 10
"""Cases of a task that have a figure; the rules go on, and say so, where they chose more."""


@section("cases", "Cases")
def cases(report: ReportData) -> Section | None:
    """The rules, a figure for each case, the labels of one case side by side, and best against worst."""
    if report.cases.empty:
        return None
    blocks: list[Block] = [Paragraph((Message("cases.rules"),)), Points(tuple(_rules(report)))]
    roles = _roles(report)
    shown = [row for chosen in report.chosen.values() for row in _rows(chosen)[:SHOWN]]
    if len(roles) > len(shown):
        blocks.append(
            Paragraph((Message("cases.more", {"shown": len(shown), "chosen": len(roles)}),))
        )
    for number, row in enumerate(shown, 1):
        blocks.append(_case(report, number, row, roles[row]))
    side = [
        _boxes(report, shown),
        _labels_of_one(report, shown),
        *(_best_and_worst(report, task) for task in report.chosen),
    ]
    return Section("cases", (*blocks, *(block for block in side if block is not None)))


def _rules(report: ReportData) -> Iterator[Message]:
    """Each rule in words, with the task where there are several."""
    for task, selected in report.chosen.items():
        of_task: dict[str, Value] = (
            {} if len(report.chosen) == 1 else {"task": Message(f"words.{task}")}
        )
        for chosen in selected:
            values: dict[str, Value] = {
                "rule": chosen.rule,
                "name": rule_name(chosen.rule),
                "words": chosen.description,
            }
            yield Message("cases.rule_of" if of_task else "cases.rule", {**values, **of_task})


def _rows(selected: Sequence[Selected]) -> list[Any]:
    """What the rules chose, each case once."""
    return list(dict.fromkeys(row for chosen in selected for row in chosen.rows))


def rule_name(rule: str) -> Message:
    """The rule's name in the reader's language."""
    return Message(f"rules.{message_key(rule)}")


def _roles(report: ReportData) -> dict[Any, list[Message]]:
    """Row → the roles for which it was chosen, in the order of the rules; a role that does not name its rule, with it."""
    found: dict[Any, list[Message]] = {}
    for chosen in report.selected:
        for row, role in zip(chosen.rows, chosen.roles):
            if message_key(chosen.rule) in (
                "per_class",
                "per_group",
                "disagreement",
            ):  # whose roles are names
                role = Message(
                    "roles.by_rule",
                    {"rule": Message(f"roles.{message_key(chosen.rule)}"), "role": role},
                )
            found.setdefault(row, []).append(role)
    return found


def _case(report: ReportData, number: int, row: Any, roles: Sequence[Message]) -> Picture:
    case = report.measured.loc[row]
    explanation = report.explanation(int(case["run"]), int(case["explanation"]))
    mask = report.mask(row)
    figure = three_panel(explanation)
    if mask is not None and mask.any():
        for axes in figure.axes[:3]:
            axes.contour(mask, [0.5], colors=[FINDING_COLOUR], linewidths=1.0)
    stem = f"figures/{slug(str(case['method']))}_{number}_{slug(str(case['target']))}"
    save_figure(figure, report.folder / stem)
    return Picture(
        stem,
        Message(
            "cases.caption",
            {"parts": chain("cases.two", list(_caption(report, case, roles, mask)))},
        ),
    )


def _caption(
    report: ReportData, case: pd.Series, roles: Sequence[Message], mask: Mask | None
) -> Iterator[Message]:
    """What the figure shows, what was said, what is true, and what was measured of this map."""
    yield Message(
        "cases.what",
        {
            "target": case["target"],
            "image": case["image"],
            "model": case["model"],
            "roles": list(roles),
        },
    )
    yield from said(case)
    yield Message("cases.panels", {"method": case["method"], "layer": case["layer"]})
    if mask is not None:
        yield Message("cases.outline" if mask.any() else "cases.nothing")
    if case["empty_reason"]:
        yield Message("cases.empty", {"reason": Message.loads(case["empty_reason"])})
        return
    if isfinite(case["spread"]):
        peers = report.measured.loc[_same_series(report, case), "spread"]
        yield Message(
            "cases.spread", {"spread": float(case["spread"]), "median": float(peers.median())}
        )
    for region in ("mask", "artefact"):
        if isfinite(case[f"{region}_share"]) and isfinite(case[f"{region}_area"]):
            shares = {
                "share": float(case[f"{region}_share"]),
                "area": float(case[f"{region}_area"]),
            }
            yield Message(f"cases.{region}", shares)


def said(case: pd.Series) -> Iterator[Message]:
    """What the model said of a case, and what is true of it."""
    if isfinite(case["value"]):
        yield Message("cases.value", {"value": float(case["value"])})
        if isfinite(case["truth"]):
            yield Message(
                "cases.value_truth", {"truth": float(case["truth"]), "error": float(case["error"])}
            )
        return
    # "not sick" and "sick − well" have the probability and the outcome of "sick"; a region has its own probability
    of = (
        {"label": case["label"]}
        if case["task"] != "segmentation" and case["label"] != case["target"]
        else {}
    )
    if isfinite(case["probability"]):
        confidence: dict[str, Value] = {**of, "confidence": float(case["probability"])}
        yield Message("cases.confidence_of" if of else "cases.confidence", confidence)
    if case["true_class"]:
        yield Message(
            "cases.classes", {"predicted": case["predicted"], "truth": case["true_class"]}
        )
    elif case["outcome"]:
        outcome: dict[str, Value] = {**of, "outcome": Message(f"words.{case['outcome']}")}
        yield Message("cases.outcome_of" if of else "cases.outcome", outcome)
    if isfinite(case["dice"]):
        yield Message("cases.dice", {"dice": float(case["dice"])})


def _same_series(report: ReportData, case: pd.Series) -> pd.Series:
    keys = ["run", "model", "method", "layer"]
    return (report.cases[keys] == case[keys]).all(axis=1)


def _labels_of_one(report: ReportData, shown: Sequence[Any]) -> Picture | None:
    """The maps of the most labels that one of the shown cases has, side by side, on one scale each."""
    best: list[Any] = []
    for row in shown:
        case = report.cases.loc[row]
        same = report.cases[_same_series(report, case) & (report.cases["path"] == case["path"])]
        if len(same) > len(best):
            best = list(same.sort_values("probability", ascending=False).index[:4])
    if len(best) < 2:
        return None
    explanations = [report.map_of(row) for row in best]
    chosen = report.cases.loc[best]
    judged = (
        chosen["task"].isin(["multilabel", "binary", "multiclass"]).all()
    )  # others' truth is a number, or a mask
    known = chosen["truth"].where(
        chosen["target"] == chosen["label"]
    )  # the truth of "sick" is not that of "not sick"
    truths = [None if pd.isna(truth) else bool(truth) for truth in known] if judged else None
    stem = "figures/label_comparison"
    save_figure(label_comparison(explanations, truths), report.folder / stem)
    values = {"image": explanations[0].scan.id, "labels": [e.target for e in explanations]}
    return Picture(stem, Message("cases.labels", values))


def _best_and_worst(report: ReportData, task: str) -> Picture | None:
    """The best and the worst case under each other, on one scale if their maps are in one unit."""
    names = ("best", "worst")
    ends = {
        chosen.rule.partition(":")[0].strip(): chosen.rows[0]
        for chosen in report.chosen[task]
        if chosen.rows
    }
    if not set(names) <= set(ends) or ends["best"] == ends["worst"]:
        return None
    maps = {name: report.map_of(ends[name]) for name in names}
    if all(found.is_empty for found in maps.values()):
        return None  # each has its own figure, which says so
    lines = []
    values: dict[str, Value] = {}
    for name, found in maps.items():
        mask = report.mask(ends[name])
        outlines = {"truth": mask} if mask is not None and mask.any() else {}
        case = report.cases.loc[ends[name]]
        lines.append(
            GridRow(
                f"{name}: {case['target']} in {case['image']}, loss {case['loss']:.3g}",
                [found],
                outlines,
            )
        )
        values |= {
            name: float(case["loss"]),
            f"{name}_image": case["image"],
            f"{name}_target": case["target"],
        }
    one_unit = (
        len(
            {
                (found.provenance.get("unit"), found.signed)
                for found in maps.values()
                if not found.is_empty
            }
        )
        == 1
    )
    method = str(maps["best"].provenance.get("method", maps["best"].method))
    stem = "figures/best_worst" if len(report.chosen) == 1 else f"figures/best_worst_{task}"
    save_figure(
        comparison_grid(lines, [method], shared="all" if one_unit else "none"), report.folder / stem
    )
    return Picture(
        stem, Message("cases.best_worst" if one_unit else "cases.best_worst_apart", values)
    )


def _boxes(report: ReportData, shown: Sequence[Any]) -> Picture | None:
    """The first shown case that has a true box, with the boxes that its heat marks."""
    for row in shown:
        case = report.cases.loc[row]
        true = report.boxes(row)
        if true is not None and len(true) and not case["empty_reason"]:
            stem = "figures/boxes"
            save_figure(boxes_on_film(report.map_of(row), true), report.folder / stem)
            return Picture(
                stem,
                Message(
                    "cases.boxes",
                    {"image": case["image"], "target": case["target"], "true": len(true)},
                ),
            )
    return None
