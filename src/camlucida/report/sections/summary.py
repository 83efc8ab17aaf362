"""The main numbers, first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from math import isfinite

import pandas as pd

from camlucida.analysis.comparison.verdict import VERDICTS
from camlucida.core.messages import declare
from camlucida.metrics.bootstrap import MIN_POSITIVES
from camlucida.metrics.multilabel import MEAN, MEAN_ENOUGH
from camlucida.report.against_chance import MAIN
from camlucida.report.data import ReportData
from camlucida.report.document import Block, Message, Paragraph, Points, Section, Value
from camlucida.report.estimates import figure_of, mean_of, metric_name, positive_patients
from camlucida.report.findings import findings
from camlucida.report.sections.base import section

declare(
    "summary",
    {
        "what": (
            "{count} {count:|model|models} ({models}) on {images} "
            "{images:|image|images} of {patients} {patients:|patient|patients}, with "
            "{maps} attribution {maps:|map|maps}."
        ),
        "what_unknown": (
            "{count} {count:|model|models} ({models}) on {images} "
            "{images:|image|images} ({unknown} of unknown patients), with {maps} "
            "attribution {maps:|map|maps}."
        ),
        "few": (
            "With fewer than {needed} patients, no estimate has an interval and "
            "nothing can be concluded about other patients."
        ),
        "few_unknown": (
            "With fewer than {needed} images, no estimate has an interval and nothing "
            "can be concluded about other images."
        ),
        "rare": (
            "{rare} of {labels} {labels:|label|labels} {rare:|has|have} fewer than "
            "{needed} positive patients; the most frequent label has {most}."
        ),
        "rare_never": (
            "{rare} of {labels} {labels:|label|labels} {rare:|has|have} fewer than "
            "{needed} positive patients, {never} of them none; the most frequent "
            "label has {most}."
        ),
        "no_truth": (
            "No ground truth is available for the {images} images, so accuracy cannot be assessed."
        ),
        "right": "{model}: {metric} {value}.",
        "mean": "{model}: mean {metric} of {labels} labels {value}.",
        "mean_some": (
            "{model}: mean {metric} of {known} {known:|label|labels} {value}; it "
            "cannot be computed for {rest} more, which {rest:|is|are} positive in no "
            "image or in all."
        ),
        "mean_sure": (
            "{model}: mean {metric} of the {labels} {labels:|label|labels} with an "
            "interval {value}."
        ),
        "mask": (
            "Positive attribution inside the annotated masks, {series}: {share}. The "
            "chance level is the area of the masks."
        ),
        "box": (
            "Positive attribution inside the annotated boxes, {series}: {share}. The "
            "chance level is the area of the boxes."
        ),
        "artefact": (
            "Positive attribution on the image border, on burned-in text or outside "
            "the body, {series}: {share}. The chance level is the area of these "
            "regions."
        ),
        "verdicts": (
            "Comparison by {by}, {cases} {cases:|case|cases}: {consistent} "
            "consistent, {review} to review, {artefact} with attribution on "
            "artefacts, {not_compared} not compared."
        ),
    },
)

MOST = 3
"""Models or map series that have a sentence here; all are in the tables."""


@section("summary", "Summary", needs=("performance", "measured", "comparisons", "evaluations"))
def summary(report: ReportData) -> Section:
    """Models, images and patients, and what their number permits; then the main results."""
    decisive = chain.from_iterable(map(findings, report.evaluations))
    numbers = (*_right(report), *decisive, *_heat(report), *_verdicts(report))
    blocks: tuple[Block, ...] = (Paragraph((*_what(report), *_little(report))),)
    return Section("summary", (*blocks, Points(numbers)) if numbers else blocks)


def _what(report: ReportData) -> Iterator[Message]:
    described = chain.from_iterable(run.about["models"] for run in report.runs)
    models = list(dict.fromkeys(model["name"] for model in described))
    values: dict[str, Value] = {
        "models": models,
        "count": len(models),
        "images": len(report.images),
        "maps": len(report.cases),
    }
    if report.patients_known:
        yield Message("summary.what", {**values, "patients": report.images["patient"].nunique()})
    else:
        yield Message(
            "summary.what_unknown",
            {**values, "unknown": int((~report.images["patient_known"]).sum())},
        )


def _little(report: ReportData) -> Iterator[Message]:
    """How little can be concluded: before any figure, so that nobody reads one without it."""
    if report.images["patient"].nunique() < MIN_POSITIVES:
        yield Message(
            "summary.few" if report.patients_known else "summary.few_unknown",
            {"needed": MIN_POSITIVES},
        )
    if not report.has_truth:
        yield Message("summary.no_truth", {"images": len(report.images)})
    positive = positive_patients(report)
    if len(positive) and positive.min() < MIN_POSITIVES:
        counts = {
            "labels": len(positive),
            "rare": int((positive < MIN_POSITIVES).sum()),
            "never": int((positive == 0).sum()),
        }
        if not counts["never"]:
            del counts["never"]
        key = "summary.rare_never" if "never" in counts else "summary.rare"
        yield Message(key, {**counts, "most": int(positive.max()), "needed": MIN_POSITIVES})


def _right(report: ReportData) -> Iterator[Message]:
    """The main metrics of each model."""
    for performance in report.performance:
        figures = performance.figures[performance.figures["group"] == ""]
        for model in list(dict.fromkeys(figures["model"]))[:MOST]:
            of_model = figures[figures["model"] == model]
            for metric in MAIN[performance.task]:
                yield from _main_metric(str(model), metric, of_model[of_model["metric"] == metric])


def _main_metric(model: str, metric: str, rows: pd.DataFrame) -> Iterator[Message]:
    """One metric of one model: of all images, or the mean of its labels."""
    whole = rows[rows["label"].isin(["", MEAN])]
    if whole.empty:
        whole = rows[:1]
    if whole.empty or not isfinite(whole["estimate"].iloc[0]):
        return
    estimate = figure_of(whole.iloc[0])
    values: dict[str, Value] = {"metric": metric_name(metric), "model": model, "value": estimate}
    by_label = rows[~rows["label"].isin(["", MEAN, MEAN_ENOUGH])]
    # The others are labels of another model, or without ground truth.
    by_label = by_label[by_label["n"] > 0]
    computed = int(by_label["estimate"].notna().sum())
    if whole["label"].iloc[0] != MEAN or len(by_label) < 2:
        yield Message("summary.right", values)
    elif computed == len(by_label):
        yield Message("summary.mean", {**values, "labels": computed})
    else:
        rest = len(by_label) - computed
        yield Message("summary.mean_some", {**values, "known": computed, "rest": rest})
    enough = rows[rows["label"] == MEAN_ENOUGH]
    if not estimate.has_interval and len(enough):
        values["value"] = figure_of(enough.iloc[0])
        values["labels"] = int((by_label["interval_method"] != "none").sum())
        yield Message("summary.mean_sure", values)


def _heat(report: ReportData) -> Iterator[Message]:
    for series in report.all_series[:MOST]:
        rows = report.measured.loc[series.rows]
        for region in ("mask", "box", "artefact"):
            share = mean_of(rows, f"{region}_share", f"{region}_area", percent=True)
            if share is not None:
                yield Message(f"summary.{region}", {"series": series.name, "share": share})


def _verdicts(report: ReportData) -> Iterator[Message]:
    for comparison in report.comparisons:
        counts = comparison.cases["verdict"].value_counts()
        if len(comparison.cases) and not bool(comparison.pairs["identical"].all()):
            numbers = {verdict: int(counts.get(verdict, 0)) for verdict in VERDICTS}
            by = Message(f"words.{comparison.by}")
            yield Message("summary.verdicts", {"by": by, "cases": len(comparison.cases), **numbers})
