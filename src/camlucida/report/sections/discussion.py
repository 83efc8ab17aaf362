"""What the measurements say together: against chance, edges and the centre, and between labels."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from camlucida.core.messages import declare
from camlucida.metrics.multilabel import MEAN, MEAN_ENOUGH
from camlucida.metrics.statistics import mean_interval
from camlucida.report.against_chance import (
    AgainstChance,
    LabelContrast,
    annotated_against_area,
    extent_against_noise,
    label_contrasts,
    predictions_against_chance,
)
from camlucida.report.data import ReportData, SeriesRows
from camlucida.report.document import Block, Estimate, Message, Points, Section, Value
from camlucida.report.estimates import metric_name
from camlucida.report.findings import AgainstBaseline, against
from camlucida.report.sections.base import section

declare(
    "discussion",
    {
        "metric": "{metric}",
        "metric_mean": "mean {metric} of the labels",
        "metric_enough": "mean {metric} of the labels with an interval",
        "performance_more": "{model} predicts better than chance by {metric}: {value}.",
        "performance_less": "{model} predicts worse than chance by {metric}: {value}.",
        "performance_same": (
            "{model} is not shown to predict better than chance by {metric}: {value}."
        ),
        "performance_unsure": (
            "{model}, {metric}: {value}. Without an interval it cannot be said whether this is "
            "better than chance."
        ),
        "mask": "masks",
        "box": "boxes",
        "inside_more": (
            "The attribution of {series} lies inside the annotated {region} more than chance: "
            "{share}; difference {difference}."
        ),
        "inside_less": (
            "The attribution of {series} lies inside the annotated {region} less than chance: "
            "{share}; difference {difference}."
        ),
        "inside_same": (
            "The attribution of {series} is not shown to prefer the annotated {region}: {share}; "
            "difference {difference}."
        ),
        "inside_unsure": (
            "Attribution of {series} inside the annotated {region}: {share}. Without an interval "
            "it cannot be said whether this is more than chance."
        ),
        "baseline_more": (
            "{method} at {layer} ({model}) is better than {baseline} by {metric}: difference "
            "{difference:.3g}."
        ),
        "baseline_less": (
            "{method} at {layer} ({model}) is worse than {baseline} by {metric}: difference "
            "{difference:.3g}."
        ),
        "baseline_same": (
            "{method} at {layer} ({model}) is not distinguishable from {baseline} by {metric}: "
            "difference {difference:.3g}."
        ),
        "baseline_unsure": (
            "{method} at {layer} ({model}) against {baseline} by {metric}: difference "
            "{difference:.3g}; without an interval it cannot be said which is better."
        ),
        "baselines_more": (
            "{count} further {count:|comparison|comparisons} with these baselines "
            "{count:|is|are} in the tables of the evaluation."
        ),
        "extent_more": (
            "The maps of {series} are broad: cells at or above half the maximum {share}; "
            "difference from independent random values {difference}."
        ),
        "extent_less": (
            "The maps of {series} are focal: cells at or above half the maximum {share}; "
            "difference from independent random values {difference}."
        ),
        "extent_same": (
            "The maps of {series} are neither broad nor focal: cells at or above half the "
            "maximum {share}; difference from independent random values {difference}."
        ),
        "extent_unsure": (
            "Cells at or above half the maximum in the maps of {series}: {share}; chance is that "
            "of independent random values. Without an interval the maps cannot be called broad "
            "or focal."
        ),
        "label_mask": "attribution inside the mask, less the area of the mask",
        "label_box": "attribution inside the box, less the area of the box",
        "label_spread": "cells at or above half the maximum",
        "label": (
            "{series}, {label} against the other labels of the same patients, {quantity}: "
            "difference {difference}, p = {p:.2g} after Holm's correction for {tests} "
            "{tests:|test|tests}."
        ),
        "labels_same": (
            "{series}: no label is shown to differ from the other labels of the same patients in "
            "extent or localisation (smallest p = {p:.2g} after Holm's correction for {tests} "
            "{tests:|test|tests})."
        ),
        "consistent": (
            "By {by}, {share} of {cases} {cases:|case|cases} {cases:|is|are} consistent."
        ),
    },
)

MOST = 3
"""Map series of which there are sentences; all are in the tables."""

MOST_BASELINES = 12
"""Sentences about baselines."""

SIGNIFICANT = 0.05
"""A Holm-adjusted p-value under this one makes labels differ."""

MEANS = {"": "metric", MEAN: "metric_mean", MEAN_ENOUGH: "metric_enough"}


@section(
    "discussion", "Discussion", needs=("measured", "performance", "comparisons", "evaluations")
)
def discussion(report: ReportData) -> Section | None:
    """One point a measured comparison; nothing where nothing was compared."""
    points = (
        *map(performance_point, predictions_against_chance(report)),
        *_of_first_series(report, annotated_against_area(report), "inside"),
        *_baselines(report),
        *_of_first_series(report, extent_against_noise(report), "extent"),
        *chain.from_iterable(_labels(report, each) for each in report.all_series[:MOST]),
        *_consistency(report),
    )
    blocks: tuple[Block, ...] = (Points(points),) if points else ()
    return Section("discussion", blocks) if blocks else None


def performance_point(judged: AgainstChance) -> Message:
    """A model against chance, in a sentence."""
    name: Value = metric_name(judged.quantity)
    values: dict[str, Value] = {"model": judged.name, "value": judged.value}
    values["metric"] = Message(f"discussion.{MEANS[judged.over]}", {"metric": name})
    return Message(f"discussion.performance_{judged.difference.verdict}", values)


def _of_first_series(
    report: ReportData, judged: Iterator[AgainstChance], kind: str
) -> Iterator[Message]:
    """A sentence for each comparison of the first map series."""
    names = [series.name for series in report.all_series[:MOST]]
    for each in judged:
        if each.name not in names:
            continue
        verdict = each.difference.verdict
        values: dict[str, Value] = {"series": each.name, "share": each.value}
        if verdict != "unsure":
            values["difference"] = each.difference
        if kind == "inside":
            values["region"] = Message(f"discussion.{each.quantity}")
        yield Message(f"discussion.{kind}_{verdict}", values)


def _baselines(report: ReportData) -> Iterator[Message]:
    """Each method against an edge filter and the image centre."""
    compared = list(chain.from_iterable(map(against, report.evaluations)))
    yield from map(_baseline, islice(compared, MOST_BASELINES))
    if len(compared) > MOST_BASELINES:
        yield Message("discussion.baselines_more", {"count": len(compared) - MOST_BASELINES})


def _baseline(compared: AgainstBaseline) -> Message:
    values: dict[str, Value] = {
        "method": compared.method,
        "layer": compared.layer,
        "model": compared.model,
        "metric": compared.metric,
        "baseline": Message(f"findings.{compared.baseline}"),
        "difference": compared.difference,
    }
    return Message(f"discussion.baseline_{compared.difference.verdict}", values)


def _labels(report: ReportData, series: SeriesRows) -> Iterator[Message]:
    """Labels whose maps differ from those of the other labels; that none does, where tested."""
    contrasts = label_contrasts(report, series)
    different = [each for each in contrasts if each.p < SIGNIFICANT]
    yield from map(_label, different)
    tested = [each.p for each in contrasts if each.p == each.p]
    if tested and not different:
        values: dict[str, Value] = {"p": min(tested), "tests": len(tested)}
        yield Message("discussion.labels_same", {"series": series.name, **values})


def _label(contrast: LabelContrast) -> Message:
    values: dict[str, Value] = {"series": contrast.series, "label": contrast.label}
    values["quantity"] = Message(f"discussion.label_{contrast.quantity}")
    values |= {"difference": contrast.difference, "p": contrast.p, "tests": contrast.tests}
    return Message("discussion.label", values)


def _consistency(report: ReportData) -> Iterator[Message]:
    """The share of consistent cases by each thing that varies."""
    for comparison in report.comparisons:
        cases = comparison.cases
        cases = cases[cases["verdict"] != "not_compared"]
        if cases.empty or bool(comparison.pairs["identical"].all()):
            continue
        consistent = (cases["verdict"] == "consistent").to_numpy(float)
        interval = mean_interval(consistent, cases["patient"].tolist(), proportion=True)
        share = Estimate(interval.estimate, interval.low, interval.high, percent=True)
        by = Message(f"words.{comparison.by}")
        yield Message("discussion.consistent", {"by": by, "share": share, "cases": len(cases)})
