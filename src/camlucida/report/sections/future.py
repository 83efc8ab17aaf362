"""What the runs lack, and what would supply it: each point rests on a number of the runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from camlucida.core.messages import declare
from camlucida.metrics.bootstrap import MIN_POSITIVES
from camlucida.report.against_chance import (
    AgainstChance,
    annotated_against_area,
    more_patients,
    predictions_against_chance,
)
from camlucida.report.data import ReportData
from camlucida.report.document import Message, Points, Section, Value
from camlucida.report.estimates import metric_name, positive_patients
from camlucida.report.findings import against
from camlucida.report.sections.base import section
from camlucida.report.sections.limitations import models_without

declare(
    "future",
    {
        "truth": (
            "No ground truth is available for the {images} {images:|image|images}: with it, "
            "accuracy can be assessed."
        ),
        "annotate": (
            "{missing} of {images} {images:|image|images} {missing:|has|have} no mask or box: "
            "annotating {missing:|it|them} permits measuring localisation there."
        ),
        "patients": (
            "{patients} {patients:|patient|patients}: {more} more {more:|is|are} needed for the "
            "first interval."
        ),
        "images": (
            "{images} {images:|image|images}: {more} more {more:|is|are} needed for the first "
            "interval."
        ),
        "label": "{label} ({more} more)",
        "positives": (
            "Positive patients that are needed for every metric to have an interval: {labels}."
        ),
        "more_performance": (
            "About {more:,} more {more:|patient|patients} would be needed to tell {metric} of "
            "{model} from chance, if the difference of {difference} holds."
        ),
        "more_mask": (
            "About {more:,} more {more:|patient|patients} with masks would be needed to tell the "
            "attribution of {series} inside them from chance, if the difference of {difference} "
            "holds."
        ),
        "more_box": (
            "About {more:,} more {more:|patient|patients} with boxes would be needed to tell the "
            "attribution of {series} inside them from chance, if the difference of {difference} "
            "holds."
        ),
        "more_baseline": (
            "About {more:,} more {more:|patient|patients} would be needed to tell {method} at "
            "{layer} ({model}) from {baseline} by {metric}, if the difference of "
            "{difference:.3g} holds."
        ),
        "power": (
            "Numbers of patients are planned with a power of 80% at a level of 5%; the measured "
            "differences on which they rest are uncertain."
        ),
        "seeds": (
            "{models}: no second seed or fold. Two or more further trainings "
            "{count:|of it|of each}, with other seeds, would show what changes with the training."
        ),
        "evaluate": (
            "The faithfulness of the {maps} {maps:|map|maps} of {models} was not measured: "
            "camlucida evaluate measures it beside baselines without the model."
        ),
        "sanity": (
            "The sanity check [@adebayo2018] of {models} is missing: camlucida evaluate "
            "--metrics sanity runs it."
        ),
        "sanity_more": (
            "{unclear} of {checks} {checks:|sanity check|sanity checks} of {model} "
            "{unclear:|is|are} unclear: about {more:,} more {more:|patient|patients} would decide "
            "{unclear:|it|all of them}."
        ),
        "grid": (
            "{small} of {maps} annotated {maps:|map|maps} at {layer} {small:|has|have} a "
            "mask that is smaller than a cell of the map: a layer with a finer grid, or a larger "
            "input, is needed to localise {small:|it|them}."
        ),
        "synthetic": (
            "{synthetic} of {maps} {maps:|map|maps} {synthetic:|is|are} of SYNTHETIC images: "
            "everything has to be measured again on images of patients."
        ),
    },
)

MOST = 3
"""Comparisons of each kind whose missing patients are named: those that need the fewest."""

TRAININGS = {"seed", "fold"}
"""What varies between trainings of one model."""


@section("future", "Future work", needs=("measured", "performance", "comparisons", "evaluations"))
def future(report: ReportData) -> Section | None:
    """One list; nothing where the runs lack nothing that is known here."""
    points = (
        *_missing_annotations(report),
        *_missing_positives(report),
        *_missing_patients(report),
        *_missing_trainings(report),
        *_missing_checks(report),
        *_missing_resolution(report),
        *_real_images(report),
    )
    return Section("future", (Points(points),)) if points else None


def _missing_annotations(report: ReportData) -> Iterator[Message]:
    images = report.images
    if not report.has_truth:
        yield Message("future.truth", {"images": len(images)})
    missing = int((~(images["has_mask"].astype(bool) | images["has_box"].astype(bool))).sum())
    if missing:
        yield Message("future.annotate", {"missing": missing, "images": len(images)})


def _missing_positives(report: ReportData) -> Iterator[Message]:
    patients = int(report.images["patient"].nunique())
    if patients < MIN_POSITIVES:
        name = "patients" if report.patients_known else "images"
        yield Message(f"future.{name}", {name: patients, "more": MIN_POSITIVES - patients})
    positive = positive_patients(report)
    rare = positive[positive < MIN_POSITIVES]
    labels = [
        Message("future.label", {"label": str(label), "more": MIN_POSITIVES - int(count)})
        for label, count in rare.items()
    ]
    if labels:
        yield Message("future.positives", {"labels": labels})


def _missing_patients(report: ReportData) -> Iterator[Message]:
    """How many more would decide what is undecided; nothing where all is decided."""
    planned = (
        *_planned(predictions_against_chance(report)),
        *_planned(annotated_against_area(report)),
        *_planned_baselines(report),
    )
    yield from planned
    if planned:
        yield Message("future.power")


def _planned(judged: Iterator[AgainstChance]) -> list[Message]:
    """Undecided comparisons with chance, those that need the fewest patients first."""
    needed: list[tuple[int, Message]] = []
    for each in judged:
        more = more_patients(each.difference, each.patients)
        if more is None:
            continue
        values: dict[str, Value] = {"more": more, "difference": each.difference}
        if each.quantity in ("mask", "box"):
            code = f"future.more_{each.quantity}"
            values["series"] = each.name
        else:
            code = "future.more_performance"
            values |= {"model": each.name, "metric": metric_name(each.quantity)}
        needed.append((more, Message(code, values)))
    return _fewest(needed)


def _planned_baselines(report: ReportData) -> list[Message]:
    needed: list[tuple[int, Message]] = []
    for each in chain.from_iterable(map(against, report.evaluations)):
        more = more_patients(each.difference, each.patients)
        if more is None:
            continue
        values: dict[str, Value] = {
            "more": more,
            "method": each.method,
            "layer": each.layer,
            "model": each.model,
            "baseline": Message(f"findings.{each.baseline}"),
            "metric": each.metric,
            "difference": each.difference,
        }
        needed.append((more, Message("future.more_baseline", values)))
    return _fewest(needed)


def _fewest(needed: list[tuple[int, Message]]) -> list[Message]:
    ordered = sorted(needed, key=lambda pair: pair[0])
    return [message for _, message in ordered[:MOST]]


def _missing_trainings(report: ReportData) -> Iterator[Message]:
    if TRAININGS & {comparison.by for comparison in report.comparisons}:
        return
    models = models_without(report, ())
    yield Message("future.seeds", {"models": models, "count": len(models)})


def _missing_checks(report: ReportData) -> Iterator[Message]:
    scored = {each.sha256 for each in report.evaluations if len(each.summary)}
    models = models_without(report, scored)
    maps = int(report.cases["model"].isin(models).sum())
    if models and maps:
        yield Message("future.evaluate", {"models": models, "maps": maps})
    gates = [(each, each.gate) for each in report.evaluations if each.gate is not None]
    untested = models_without(report, {evaluation.sha256 for evaluation, _ in gates})
    if untested:
        yield Message("future.sanity", {"models": untested})
    for evaluation, gate in gates:
        more = gate.loc[gate["verdict"] == "unclear", "more"].astype(float)
        if len(more) and bool(np.isfinite(more).all()):
            counts: dict[str, Value] = {"unclear": len(more), "checks": len(gate)}
            counts["more"] = int(more.max())
            yield Message("future.sanity_more", {"model": evaluation.model, **counts})


def _missing_resolution(report: ReportData) -> Iterator[Message]:
    """Masks under a cell of the grid: the grid covers what the model saw, as the area does."""
    annotated = report.measured[report.measured["mask_area"] > 0]
    for layer, rows in annotated.groupby("layer", sort=False):
        cell = 1 / rows["grid"].map(np.prod).astype(float)
        small = int((rows["mask_area"] < cell).sum())
        if small:
            values: dict[str, Value] = {"layer": str(layer), "small": small, "maps": len(rows)}
            yield Message("future.grid", values)


def _real_images(report: ReportData) -> Iterator[Message]:
    synthetic = int(report.cases["synthetic"].astype(bool).sum())
    if synthetic:
        counts: dict[str, Value] = {"synthetic": synthetic, "maps": len(report.cases)}
        yield Message("future.synthetic", counts)
