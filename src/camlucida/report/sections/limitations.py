"""What these numbers cannot show, each point with the number that says so."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from statistics import median
from typing import Any

from camlucida.evaluation.predictions.tables import never_predicted
from camlucida.metrics.statistics import MIN_POSITIVES
from camlucida.models.families.unet import restates
from camlucida.report.document import Points, Section, Sentence, Value
from camlucida.report.measured import positive_patients
from camlucida.report.sections.data import losses
from camlucida.report.sections.evaluated import evaluations, sanity_gate
from camlucida.report.study import Judged, Study

OWN_REGION = r"(?<! true) region$| component \d+$"
"""Targets of a segmentation that it predicted itself."""


def limitations(study: Study) -> Section:
    """One list; a point whose number does not call for it is not in it."""
    points = (
        *_size(study),
        *_classes(study),
        *_resolution(study),
        *_evidence(study),
        *_checks(study),
        *_kind(study),
    )
    return Section("limitations", (Points(tuple(points)),))


def _size(study: Study) -> Iterator[Sentence]:
    images = study.images
    patients = images["patient"].nunique()
    counts: dict[str, Value] = {
        "images": len(images),
        **({"patients": patients} if study.patients_known else {}),
    }
    if patients < MIN_POSITIVES:
        key = "limitations.few_none" if study.patients_known else "limitations.few_unknown"
        yield Sentence(key, {**counts, "needed": MIN_POSITIVES})
    else:
        bounded = [row["high"] - row["low"] for found in study.judged for row in _bounded(found)]
        widths = [width for width in bounded if width > 0]
        if widths and study.patients_known:
            yield Sentence("limitations.width", {"patients": patients, "width": median(widths)})
        elif widths:
            yield Sentence(
                "limitations.width_unknown", {"images": len(images), "width": median(widths)}
            )
        if len(widths) < len(bounded):
            yield Sentence("limitations.constant", {"count": len(bounded) - len(widths)})
    if study.patients_known and patients < len(images):
        yield Sentence(
            "limitations.several", {**counts, "most": int(images["patient"].value_counts().max())}
        )
    if not study.patients_known:
        yield Sentence(
            "limitations.unknown_patients",
            {"images": len(images), "unknown": int(study.unowned.sum())},
        )
    failed = sum(run.counts["failed"] - len(losses(run)[1]) for run in study.runs)
    if failed:
        yield Sentence(
            "limitations.failed",
            {"failed": failed, "items": sum(sum(run.counts.values()) for run in study.runs)},
        )


def _bounded(found: Judged) -> list[dict[Any, Any]]:
    """Figures between 0 and 1 of everybody that have an interval."""
    figures = found.figures
    shares = figures["metric"].isin(["auc", "accuracy", "dice", "balanced_accuracy"]) | figures[
        "metric"
    ].str.startswith("within_")
    rows = figures[(figures["group"] == "") & (figures["how"] != "none") & shares]
    return [
        row for row in rows.to_dict("records") if isfinite(row["low"]) and isfinite(row["high"])
    ]


def _classes(study: Study) -> Iterator[Sentence]:
    positive = positive_patients(study)
    rare = [str(label) for label, patients in positive.items() if patients < MIN_POSITIVES]
    if (
        rare and study.images["patient"].nunique() >= MIN_POSITIVES
    ):  # else nothing has an interval, and that is said
        yield Sentence(
            "limitations.rare", {"labels": rare, "count": len(rare), "needed": MIN_POSITIVES}
        )
    if not study.truth["truth"].notna().any() and not study.judged:
        yield Sentence("summary.no_truth", {"images": len(study.images)})
    for found in study.judged:
        for model, figures in found.figures[found.figures["group"] == ""].groupby(
            "model", sort=False
        ):
            labels = never_predicted(figures)
            if not labels:
                continue
            values: dict[str, Value] = {"model": str(model), "labels": labels}
            maps = int(((study.cases["model"] == model) & study.cases["label"].isin(labels)).sum())
            if maps:
                yield Sentence(
                    "limitations.never_maps", {**values, "count": len(labels), "maps": maps}
                )
            else:
                yield Sentence("limitations.never", values)


def _resolution(study: Study) -> Iterator[Sentence]:
    for _, rows in study.cases.groupby(["grid", "layer"], sort=False):
        grid, layer = rows["grid"].iloc[0], rows["layer"].iloc[0]
        cells = study.cells.loc[rows.index]
        side = float(cells[["height", "width"]].max(axis=1).median())
        if not isfinite(side):
            continue
        values: dict[str, Value] = {
            "layer": str(layer),
            "grid": " × ".join(map(str, grid)),
            "side": side,
        }
        mm = float(cells["mm"].median())
        yield (
            Sentence("limitations.grid_mm", {**values, "mm": mm})
            if isfinite(mm)
            else Sentence("limitations.grid", values)
        )


def _evidence(study: Study) -> Iterator[Sentence]:
    empty = int((study.cases["empty_reason"] != "").sum())
    if empty:
        yield Sentence("limitations.empty", {"empty": empty, "maps": len(study.cases)})
    without = int(study.cases.attrs.get("without_map", 0))
    if without:
        yield Sentence("limitations.without", {"without": without})
    located = int(
        (study.measured["mask_share"].notna() | study.measured["box_share"].notna()).sum()
    )
    if not located and len(study.cases):
        yield Sentence("limitations.unlocated_all", {"maps": len(study.cases)})
    elif located < len(study.cases):
        yield Sentence("limitations.unlocated", {"located": located, "maps": len(study.cases)})
    unread = study.measured.attrs["problems"]
    if unread:
        yield Sentence("limitations.unread", {"count": len(unread), "first": unread[0]})


def _checks(study: Study) -> Iterator[Sentence]:
    gates = [
        (found, gate)
        for found in evaluations(study)
        if (gate := sanity_gate(found.tables)) is not None
    ]
    tested = {found.sha256 for found, _ in gates}
    models = dict.fromkeys(
        (model["name"], model["sha256"]) for run in study.runs for model in run.about["models"]
    )
    untested = list(dict.fromkeys(name for name, sha256 in models if sha256 not in tested))
    if untested:
        yield Sentence("limitations.no_sanity", {"models": untested, "count": len(untested)})
    for found, gate in gates:
        failed = gate[~gate["passed"].astype(bool)]
        if len(failed):
            names = list(
                dict.fromkeys(f"{m} ({mode})" for m, mode in zip(failed["method"], failed["mode"]))
            )
            yield Sentence(
                "limitations.sanity",
                {
                    "model": found.model,
                    "failed": len(failed),
                    "checks": len(gate),
                    "methods": names,
                },
            )


def _kind(study: Study) -> Iterator[Sentence]:
    regions = study.cases[
        (study.cases["task"] == "segmentation") & study.cases["target"].str.contains(OWN_REGION)
    ]
    circular = regions["layer"].map(lambda layer: restates(str(layer)))
    if circular.any():
        yield Sentence(
            "limitations.circular", {"circular": int(circular.sum()), "maps": len(regions)}
        )
    synthetic = int(study.cases["synthetic"].astype(bool).sum())
    if synthetic:
        yield Sentence("limitations.synthetic", {"synthetic": synthetic, "maps": len(study.cases)})
