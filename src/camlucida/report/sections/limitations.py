"""Limitations, each point with the number on which it rests."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from math import isfinite
from statistics import median
from typing import Any

from camlucida.core.messages import declare
from camlucida.evaluation.predictions.tables import never_predicted
from camlucida.metrics.bootstrap import MIN_POSITIVES
from camlucida.models.families.unet import restates
from camlucida.report.data import Performance, ReportData
from camlucida.report.document import Message, Points, Section, Value
from camlucida.report.estimates import positive_patients
from camlucida.report.sections.base import section
from camlucida.report.sections.data import losses

declare(
    "limitations",
    {
        "few_none": (
            "{images} {images:|image|images} of {patients} "
            "{patients:|patient|patients}: fewer than {needed} patients, so no "
            "estimate has an interval or can be generalised to other patients."
        ),
        "few_unknown": (
            "{images} {images:|image|images}: fewer than {needed}, so no estimate has "
            "an interval or can be generalised to other images."
        ),
        "width": (
            "With {patients} patients, the intervals of the main metrics have a "
            "median width of {width:.2f}."
        ),
        "constant": (
            "{count} {count:|interval has|intervals have} no width, such as [1.000, "
            "1.000]: no resample of these patients gives another value, but other "
            "patients may."
        ),
        "width_unknown": (
            "With {images} images, the intervals of the main metrics have a median "
            "width of {width:.2f}."
        ),
        "several": (
            "{images} images come from {patients} {patients:|patient|patients}, up "
            "to {most} of one. Each image counts in an estimate, but images of one "
            "patient are not independent; intervals are by patient "
            "[@wilson1927][@efron1987][@hesterberg2015]."
        ),
        "unknown_patients": (
            "{unknown} of {images} {images:|image|images} {unknown:|has|have} no "
            "patient identifier. If patients have several images, the intervals are "
            "too narrow."
        ),
        "failed": (
            "{failed} of {items} items failed and {failed:|is|are} excluded from all results."
        ),
        "rare": (
            "Fewer than {needed} patients are positive for {labels}, so estimates "
            "that depend on {count:|its|their} positives, such as sensitivity and "
            "AUC, have no interval."
        ),
        "never": "{model} predicted {labels} for no image.",
        "never_maps": (
            "{model} predicted {labels} for no image; {maps} {maps:|map|maps} of "
            "{count:|it|them} {maps:|explains a score|explain scores} without a "
            "positive prediction."
        ),
        "grid": (
            "A map at {layer} has {grid} cells of about {side:.0f} pixels of the "
            "original image; smaller structures cannot be localised."
        ),
        "grid_mm": (
            "A map at {layer} has {grid} cells of about {side:.0f} pixels or "
            "{mm:.0f} mm; smaller structures cannot be localised."
        ),
        "empty": "{empty} of {maps} {maps:|map|maps} {empty:|shows|show} no evidence.",
        "without": (
            "{without} {without:|prediction has|predictions have} no map, because no "
            "region was predicted."
        ),
        "unlocated": (
            "{located} of {maps} {maps:|map|maps} {located:|has|have} an annotated "
            "mask or box; the localisation of the others was not assessed."
        ),
        "unlocated_all": (
            "None of the {maps} {maps:|map|maps} has an annotation by a reader, as "
            "in [@saporta2022], so localisation was not assessed."
        ),
        "unread": (
            "{count} {count:|mask or box|masks or boxes} could not be read; the first: {first}."
        ),
        "no_sanity": (
            "The sanity check [@adebayo2018] was not run for {models}, so it is unknown "
            "whether the maps depend on what {count:|the model|the models} learnt."
        ),
        "sanity": (
            "The maps of {model} are unchanged by randomisation of the weights in {unchanged} of "
            "{checks} {checks:|test|tests}: {methods}. It is not shown that these maps reflect "
            "what the model learnt."
        ),
        "circular": (
            "{circular} of {maps} {maps:|map|maps} of a predicted region "
            "{circular:|is|are} at a decoder or head layer, where attribution inside "
            "the region restates the prediction and is no evidence that it is right."
        ),
        "synthetic": (
            "{synthetic} of {maps} {maps:|map is|maps are} of SYNTHETIC images and "
            "{synthetic:|says|say} nothing about patients."
        ),
    },
)

OWN_REGION = r"(?<! true) region$| component \d+$"
"""Targets of a segmentation that it predicted itself."""


@section("limitations", "Limitations", needs=("measured", "cells", "performance", "evaluations"))
def limitations(report: ReportData) -> Section:
    """One list; a point whose number does not call for it is not in it."""
    points = (
        *_size(report),
        *_classes(report),
        *_resolution(report),
        *_evidence(report),
        *_checks(report),
        *_kind(report),
        *report.failures,
    )
    return Section("limitations", (Points(tuple(points)),))


def _size(report: ReportData) -> Iterator[Message]:
    images = report.images
    patients = images["patient"].nunique()
    counts: dict[str, Value] = {
        "images": len(images),
        **({"patients": patients} if report.patients_known else {}),
    }
    if patients < MIN_POSITIVES:
        key = "limitations.few_none" if report.patients_known else "limitations.few_unknown"
        yield Message(key, {**counts, "needed": MIN_POSITIVES})
    else:
        yield from _widths(report, patients)
    if report.patients_known and patients < len(images):
        yield Message(
            "limitations.several", {**counts, "most": int(images["patient"].value_counts().max())}
        )
    if not report.patients_known:
        yield Message(
            "limitations.unknown_patients",
            {"images": len(images), "unknown": int((~report.images["patient_known"]).sum())},
        )
    yield from _failed(report)


def _failed(report: ReportData) -> Iterator[Message]:
    """Images without a result; those lost for another reason are counted elsewhere."""
    failed = sum(run.counts["failed"] - len(losses(run)[1]) for run in report.runs)
    if failed:
        items = sum(chain.from_iterable(run.counts.values() for run in report.runs))
        yield Message("limitations.failed", {"failed": failed, "items": items})


def _widths(report: ReportData, patients: int) -> Iterator[Message]:
    """How wide the intervals are, and how many have no width."""
    bounded = chain.from_iterable(map(_bounded, report.performance))
    all_widths = [row["high"] - row["low"] for row in bounded]
    widths = [width for width in all_widths if width > 0]
    if widths and report.patients_known:
        yield Message("limitations.width", {"patients": patients, "width": median(widths)})
    elif widths:
        images = len(report.images)
        yield Message("limitations.width_unknown", {"images": images, "width": median(widths)})
    if len(widths) < len(all_widths):
        yield Message("limitations.constant", {"count": len(all_widths) - len(widths)})


def _bounded(performance: Performance) -> list[dict[Any, Any]]:
    """Figures between 0 and 1 of everybody that have an interval."""
    figures = performance.figures
    shares = figures["metric"].isin(["auc", "accuracy", "dice", "balanced_accuracy"]) | figures[
        "metric"
    ].str.startswith("within_")
    rows = figures[(figures["group"] == "") & (figures["interval_method"] != "none") & shares]
    return [
        row for row in rows.to_dict("records") if isfinite(row["low"]) and isfinite(row["high"])
    ]


def _classes(report: ReportData) -> Iterator[Message]:
    positive = positive_patients(report)
    rare = [str(label) for label, patients in positive.items() if patients < MIN_POSITIVES]
    # With fewer patients in all no estimate has an interval, which the first point states.
    if rare and report.images["patient"].nunique() >= MIN_POSITIVES:
        counts = {"count": len(rare), "needed": MIN_POSITIVES}
        yield Message("limitations.rare", {"labels": rare, **counts})
    if not report.has_truth:
        yield Message("summary.no_truth", {"images": len(report.images)})
    for performance in report.performance:
        everybody = performance.figures[performance.figures["group"] == ""]
        for model, figures in everybody.groupby("model", sort=False):
            labels = never_predicted(figures)
            if not labels:
                continue
            values: dict[str, Value] = {"model": str(model), "labels": labels}
            maps = int(
                ((report.cases["model"] == model) & report.cases["label"].isin(labels)).sum()
            )
            if maps:
                yield Message(
                    "limitations.never_maps", {**values, "count": len(labels), "maps": maps}
                )
            else:
                yield Message("limitations.never", values)


def _resolution(report: ReportData) -> Iterator[Message]:
    for _, rows in report.cases.groupby(["grid", "layer"], sort=False):
        grid, layer = rows["grid"].iloc[0], rows["layer"].iloc[0]
        cells = report.cells.loc[rows.index]
        side = float(cells[["depth", "height", "width"]].max(axis=1).median())
        if not isfinite(side):
            continue
        values: dict[str, Value] = {
            "layer": str(layer),
            "grid": " × ".join(map(str, grid)),
            "side": side,
        }
        mm = float(cells["mm"].median())
        yield (
            Message("limitations.grid_mm", {**values, "mm": mm})
            if isfinite(mm)
            else Message("limitations.grid", values)
        )


def _evidence(report: ReportData) -> Iterator[Message]:
    empty = int((report.cases["empty_reason"] != "").sum())
    if empty:
        yield Message("limitations.empty", {"empty": empty, "maps": len(report.cases)})
    without = int(report.cases.attrs.get("without_map", 0))
    if without:
        yield Message("limitations.without", {"without": without})
    located = int(
        (report.measured["mask_share"].notna() | report.measured["box_share"].notna()).sum()
    )
    if not located and len(report.cases):
        yield Message("limitations.unlocated_all", {"maps": len(report.cases)})
    elif located < len(report.cases):
        yield Message("limitations.unlocated", {"located": located, "maps": len(report.cases)})
    unread = report.problems
    if unread:
        yield Message("limitations.unread", {"count": len(unread), "first": unread[0]})


def _checks(report: ReportData) -> Iterator[Message]:
    gates = [(each, each.gate) for each in report.evaluations if each.gate is not None]
    untested = models_without(report, {evaluation.sha256 for evaluation, _ in gates})
    if untested:
        yield Message("limitations.no_sanity", {"models": untested, "count": len(untested)})
    for evaluation, gate in gates:
        unchanged = gate[gate["verdict"] == "unchanged"]
        if len(unchanged):
            labels = unchanged["labels"].map(" + ".join)
            pairs = zip(unchanged["method"], labels)
            names = list(dict.fromkeys(f"{method} ({label})" for method, label in pairs))
            values: dict[str, Value] = {"model": evaluation.model, "unchanged": len(unchanged)}
            values |= {"checks": len(gate), "methods": names}
            yield Message("limitations.sanity", values)


def models_without(report: ReportData, weights: Collection[str]) -> list[str]:
    """Names of the models of the runs whose weights are not among these SHA-256."""
    described = chain.from_iterable(run.about["models"] for run in report.runs)
    models = dict.fromkeys((model["name"], model["sha256"]) for model in described)
    return list(dict.fromkeys(name for name, sha256 in models if sha256 not in weights))


def _kind(report: ReportData) -> Iterator[Message]:
    regions = report.cases[
        (report.cases["task"] == "segmentation") & report.cases["target"].str.contains(OWN_REGION)
    ]
    circular = regions["layer"].map(lambda layer: restates(str(layer)))
    if circular.any():
        yield Message(
            "limitations.circular", {"circular": int(circular.sum()), "maps": len(regions)}
        )
    synthetic = int(report.cases["synthetic"].astype(bool).sum())
    if synthetic:
        yield Message("limitations.synthetic", {"synthetic": synthetic, "maps": len(report.cases)})
