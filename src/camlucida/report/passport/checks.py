"""The measurements of a passport, each beside its chance level and with its interval.

Every number comes from the run and its stored evaluation; no model is run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from math import isfinite
from typing import Any

import pandas as pd

from camlucida.core.messages import NAN, Estimate, Message, Value, declare
from camlucida.evaluation.maps.summary import headline, over_all_labels, title
from camlucida.metrics.multilabel import MEAN_ENOUGH
from camlucida.report.against_chance import (
    AgainstChance,
    annotated_against_area,
    predictions_against_chance,
)
from camlucida.report.data import ReportData, SeriesRows
from camlucida.report.estimates import figure_of, mean_of, metric_name
from camlucida.report.evaluations import Evaluation
from camlucida.report.findings import best_baseline, difference_from

declare(
    "passport_checks",
    {
        "performance": "Performance: {metric}",
        "performance_enough": "Performance: {metric}, mean of labels with an interval",
        "sanity": "Sanity: similarity of maps after randomisation of all weights ({labels})",
        "psc": "Prediction–saliency correlation",
        "mask": "Attribution inside the annotated mask",
        "box": "Attribution inside the annotated box",
        "artefact": "Attribution on artefacts",
        "consistency": "Consistency by {by}: excess similarity of {pair}",
        "chance": "chance {level}",
        "area": "area {level:.1%}",
        "ceiling": "area {level:.1%}, upper bound of the grid {ceiling:.1%}",
        "null": "different images {level:.2f}",
        "no_chance": "no chance level",
        "beside": "{level}; {baseline} {value:.3g}",
        "above": "above chance",
        "below": "below chance",
        "same": "not distinguishable from chance",
        "unsure": "too few patients to decide",
        "more_area": "more than the area",
        "less_area": "less than the area",
        "same_area": "not distinguishable from the area",
        "better": "better than the map without the model",
        "worse": "worse than the map without the model",
        "not_shown": "not shown to be better than the map without the model",
        "depends": "maps depend on the weights",
        "unclear": "unclear",
        "unchanged": "UNCHANGED by randomised weights",
    },
)

AREA = {"more": "more_area", "less": "less_area", "same": "same_area", "unsure": "unsure"}
CHANCE = {"more": "above", "less": "below", "same": "same", "unsure": "unsure"}
DIFFERENCE = {"more": "better", "less": "worse", "same": "not_shown", "unsure": "unsure"}


@dataclass(frozen=True)
class Check:
    """One measurement.

    Attributes:
        kind: what was measured: performance, sanity, psc, metric, localisation, artefact or
            consistency.
        name: of the metric, region or thing that varies, for programs.
        title: for people.
        series: whose maps; "" for predictions.
        value: with its 95% interval, NaN where there is none; its chance level where it has one.
        reference: what it is compared with, for people.
        patients: on which it rests; None where no one number holds.
        verdict: a code of ``passport_checks``.
    """

    kind: str
    name: str
    title: Message
    series: str
    value: Estimate
    reference: Message
    patients: int | None
    verdict: str


KINDS = ("performance", "sanity", "psc", "metric", "localisation", "artefact", "consistency")
"""In the order of the page."""


def checks(report: ReportData, model: str) -> list[Check]:
    """All measurements of a model and its maps.

    Args:
        report: of one run, with all its tables.
        model: its name in the run.

    Returns:
        In the order of :data:`KINDS`.
    """
    all_series = [series for series in report.all_series if series.model == model]
    evaluations = [each for each in report.evaluations if each.model == model]
    return [
        *_performance(report, model),
        *_of_evaluations(evaluations, _sanity),
        *_of_evaluations(evaluations, _prediction_saliency),
        *_of_evaluations(evaluations, _metrics),
        *_localisation(report, all_series),
        *_artefacts(report, all_series),
        *_consistency(report, model),
    ]


def _performance(report: ReportData, model: str) -> Iterator[Check]:
    for each in predictions_against_chance(report):
        if each.name == model:
            code = "performance_enough" if each.over == MEAN_ENOUGH else "performance"
            what = Message(f"passport_checks.{code}", {"metric": metric_name(each.quantity)})
            level = Message("passport_checks.chance", {"level": each.value.chance})
            verdict = CHANCE[each.difference.verdict]
            yield Check(
                "performance", each.quantity, what, "", each.value, level, each.patients, verdict
            )


def _of_evaluations(evaluations: Iterable[Evaluation], make: Any) -> Iterator[Check]:
    for evaluation in evaluations:
        yield from make(evaluation)


def _series_name(row: Any) -> str:
    return f"{row['method']} at {row['layer']}"


def maps_name(report: ReportData, series: SeriesRows) -> str:
    """The method and layer of a map series of one model.

    Args:
        report: that has the series.
        series: one of ``report.all_series``.
    """
    return _series_name(report.cases.loc[series.rows[0]])


def _sanity(evaluation: Evaluation) -> Iterator[Check]:
    """One line a method, layer and verdict: the mean over the labels that have it."""
    if evaluation.gate is None:
        return
    keys = ["method", "layer", "verdict"]
    for (method, layer, verdict), part in evaluation.gate.groupby(keys, sort=False):
        labels = list(dict.fromkeys(chain.from_iterable(part["labels"])))
        what = Message("passport_checks.sanity", {"labels": labels})
        similarity, null = float(part["similarity"].mean()), float(part["null"].mean())
        if isfinite(similarity) and isfinite(null):
            level = Message("passport_checks.null", {"level": null})
            name = _series_name({"method": method, "layer": layer})
            value = _sanity_interval(part, similarity, null)
            patients = int(part["patients"].min())
            yield Check(
                "sanity",
                "cascading_randomisation",
                what,
                name,
                value,
                level,
                patients,
                str(verdict),
            )


def _sanity_interval(part: pd.DataFrame, similarity: float, null: float) -> Estimate:
    """The interval of one test, that of its excess around the null; none over several."""
    if len(part) > 1:
        return Estimate(similarity)
    low, high = (float(part[end].iloc[0]) + null for end in ("low", "high"))
    return Estimate(similarity, low, high)


def _prediction_saliency(evaluation: Evaluation) -> Iterator[Check]:
    if evaluation.summary.empty:
        return
    table = over_all_labels(evaluation.summary)
    for row in _candidates(table[table["metric"] == "psc"]):
        value = figure_of(row)
        chance = value.chance if isfinite(value.chance) else 0.0
        level = Message("passport_checks.chance", {"level": chance})
        difference = Estimate(value.estimate - chance, value.low - chance, value.high - chance)
        verdict = CHANCE[difference.verdict]
        what = Message("passport_checks.psc")
        shown = replace(value, chance=chance)
        yield Check(
            "psc", "psc", what, _series_name(row), shown, level, int(row["patients"]), verdict
        )


def _candidates(table: pd.DataFrame) -> Iterator[Any]:
    """Rows of a summary over all labels that are of methods and have a value."""
    rows = table[~table["baseline"].astype(bool) & table["estimate"].notna()]
    yield from rows.to_dict("records")


def _metrics(evaluation: Evaluation) -> Iterator[Check]:
    """The main metrics of each method, beside the best map that is made without the model."""
    # The prediction–saliency correlation has lines of its own.
    summary = evaluation.summary[evaluation.summary["metric"] != "psc"]
    for metric, output in headline(summary) if len(summary) else ():
        table = over_all_labels(summary)
        table = table[(table["metric"] == metric) & (table["output"] == output)]
        for row in _candidates(table):
            blind = table[table["layer"] == row["layer"]]
            yield _metric_check(evaluation, blind, row)


def _metric_check(evaluation: Evaluation, rows: pd.DataFrame, row: Any) -> Check:
    value, level = figure_of(row), Message("passport_checks.no_chance")
    if isfinite(value.chance):
        level = Message("passport_checks.chance", {"level": value.chance})
    baseline = best_baseline(rows)
    verdict = "unsure"
    difference = difference_from(evaluation.differences, row, baseline)
    if difference is not None:
        mean = float(rows.loc[rows["method"] == baseline, "estimate"].iloc[0])
        named: dict[str, Value] = {"baseline": Message(f"findings.{baseline}"), "value": mean}
        level = Message("passport_checks.beside", {"level": level, **named})
        verdict = DIFFERENCE[difference.verdict]
    name, patients = _series_name(row), int(row["patients"])
    what = title(row["metric"], row["output"])
    quantity = " ".join(filter(None, (row["metric"], row["output"])))
    return Check("metric", quantity, what, name, value, level, patients, verdict)


def _localisation(report: ReportData, all_series: list[SeriesRows]) -> Iterator[Check]:
    names = {series.name: series for series in all_series}
    for each in annotated_against_area(report):
        if each.name in names:
            yield _localisation_check(report, names[each.name], each)


def _localisation_check(report: ReportData, series: SeriesRows, each: AgainstChance) -> Check:
    what = Message(f"passport_checks.{each.quantity}")
    rows = report.measured.loc[series.rows]
    ceiling = None
    if each.quantity == "mask":
        ceiling = mean_of(rows[rows["mask_share"].notna()], "mask_ceiling")
    level = Message("passport_checks.area", {"level": each.value.chance})
    if ceiling is not None:
        ends = {"level": each.value.chance, "ceiling": ceiling.estimate}
        level = Message("passport_checks.ceiling", ends)
    verdict = AREA[each.difference.verdict]
    name = maps_name(report, series)
    return Check(
        "localisation", each.quantity, what, name, each.value, level, each.patients, verdict
    )


def _artefacts(report: ReportData, all_series: list[SeriesRows]) -> Iterator[Check]:
    for series in all_series:
        rows = report.measured.loc[series.rows]
        value = mean_of(rows, "artefact_share", "artefact_area", percent=True)
        lift = mean_of(rows.assign(_lift=rows["artefact_share"] - rows["artefact_area"]), "_lift")
        if value is None or lift is None:
            continue
        level = Message("passport_checks.area", {"level": value.chance})
        patients = int(rows.loc[rows["artefact_share"].notna(), "patient"].nunique())
        what = Message("passport_checks.artefact")
        verdict = AREA[lift.verdict]
        name = maps_name(report, series)
        yield Check("artefact", "artefact_share", what, name, value, level, patients, verdict)


def _consistency(report: ReportData, model: str) -> Iterator[Check]:
    """Of each thing that varies, the pair of this model's map series that agrees least."""
    for comparison in report.comparisons:
        own = comparison.all_series.loc[comparison.all_series["model"] == model, "name"]
        pairs = comparison.pairs
        pairs = pairs[(pairs["label"] == "") & ~pairs["identical"].astype(bool)]
        pairs = pairs[pairs["first"].isin(own) | pairs["second"].isin(own)]
        pairs = pairs[pairs["excess"].notna()]
        if len(pairs):
            least = pairs.sort_values("excess", kind="stable").iloc[0]
            yield _pair_check(comparison.by, least)


def _pair_check(by: str, pair: pd.Series) -> Check:
    name = f"{pair['first']} – {pair['second']}"
    values: dict[str, Value] = {"by": Message(f"words.{by}"), "pair": name}
    what = Message("passport_checks.consistency", values)
    mean, low, high = (float(pair[f"excess{end}"]) for end in ("", "_low", "_high"))
    excess = Estimate(mean, low, high)
    level = Message("passport_checks.chance", {"level": 0.0})
    return Check("consistency", by, what, "", excess, level, None, CHANCE[excess.verdict])


def interval_or_none(value: Estimate) -> dict[str, float]:
    """The finite numbers of an estimate, by name.

    >>> interval_or_none(Estimate(0.5, 0.4, 0.6))
    {'estimate': 0.5, 'low': 0.4, 'high': 0.6}
    """
    names = ("estimate", "low", "high", "chance")
    numbers = {name: float(getattr(value, name, NAN)) for name in names}
    return {name: number for name, number in numbers.items() if isfinite(number)}
