"""What can be concluded: how many of the comparisons are decided, and for which side."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from camlucida.core.messages import declare
from camlucida.report.against_chance import (
    AgainstChance,
    annotated_against_area,
    extent_against_noise,
    predictions_against_chance,
    verdicts,
)
from camlucida.report.data import ReportData
from camlucida.report.document import Message, Points, Section, Value
from camlucida.report.estimates import metric_name
from camlucida.report.findings import against
from camlucida.report.sections.base import section

declare(
    "conclusion",
    {
        "performance": (
            "Predictions by {metric}, {all} {all:|model|models}: {more} better than chance, "
            "{less} worse, {open} undecided."
        ),
        "mask": (
            "Attribution inside the annotated masks, {all} map series: {more} more than chance, "
            "{less} less, {open} undecided."
        ),
        "box": (
            "Attribution inside the annotated boxes, {all} map series: {more} more than chance, "
            "{less} less, {open} undecided."
        ),
        "extent": (
            "Extent against independent random values, {all} map series: {less} focal, {more} "
            "broad, {open} undecided."
        ),
        "baselines": (
            "{all} {all:|comparison|comparisons} with an edge filter or a Gaussian at the image "
            "centre, after Holm's correction: {more} in favour of the method, {less} of the "
            "baseline, {open} undecided."
        ),
        "sanity": (
            "{checks} {checks:|sanity check|sanity checks} [@adebayo2018]: the maps depend on the "
            "weights in {depends}, are unchanged by randomisation in {unchanged}; {unclear} "
            "unclear."
        ),
        "nothing": (
            "Nothing was measured that has a chance level: from {images} {images:|image|images} "
            "of {patients} {patients:|patient|patients}, no conclusion about the model or its "
            "maps is drawn."
        ),
        "nothing_unknown": (
            "Nothing was measured that has a chance level: from {images} {images:|image|images}, "
            "no conclusion about the model or its maps is drawn."
        ),
    },
)


@section("conclusion", "Conclusion", needs=("measured", "performance", "evaluations"))
def conclusion(report: ReportData) -> Section:
    """A sentence for each question that was measured."""
    sentences = (
        *_performance(report),
        *_annotated(report),
        *_baselines(report),
        *_sanity(report),
        *_extent(report),
    )
    return Section("conclusion", (Points(sentences or (_nothing(report),)),))


def _counts(judged: list[AgainstChance]) -> dict[str, Value]:
    counts = verdicts(judged)
    undecided = counts["same"] + counts["unsure"]
    return {
        "more": counts["more"],
        "less": counts["less"],
        "open": undecided,
        "all": len(judged),
    }


def _performance(report: ReportData) -> Iterator[Message]:
    judged = list(predictions_against_chance(report))
    for metric in dict.fromkeys(each.quantity for each in judged):
        of_metric = [each for each in judged if each.quantity == metric]
        values = {"metric": metric_name(metric), **_counts(of_metric)}
        yield Message("conclusion.performance", values)


def _annotated(report: ReportData) -> Iterator[Message]:
    judged = list(annotated_against_area(report))
    for region in ("mask", "box"):
        of_region = [each for each in judged if each.quantity == region]
        if of_region:
            yield Message(f"conclusion.{region}", _counts(of_region))


def _extent(report: ReportData) -> Iterator[Message]:
    judged = list(extent_against_noise(report))
    if judged:
        yield Message("conclusion.extent", _counts(judged))


def _baselines(report: ReportData) -> Iterator[Message]:
    compared = list(chain.from_iterable(map(against, report.evaluations)))
    if compared:
        favours = [each.favours for each in compared]
        counts: dict[str, Value] = {
            "more": favours.count("method"),
            "less": favours.count("baseline"),
            "open": favours.count(""),
        }
        yield Message("conclusion.baselines", {"all": len(compared), **counts})


def _sanity(report: ReportData) -> Iterator[Message]:
    gates = [each.gate for each in report.evaluations if each.gate is not None]
    outcomes = list(chain.from_iterable(gate["verdict"] for gate in gates))
    if outcomes:
        counts: dict[str, Value] = {
            verdict: outcomes.count(verdict) for verdict in ("depends", "unchanged", "unclear")
        }
        yield Message("conclusion.sanity", {"checks": len(outcomes), **counts})


def _nothing(report: ReportData) -> Message:
    images = len(report.images)
    if not report.patients_known:
        return Message("conclusion.nothing_unknown", {"images": images})
    patients = int(report.images["patient"].nunique())
    return Message("conclusion.nothing", {"images": images, "patients": patients})
