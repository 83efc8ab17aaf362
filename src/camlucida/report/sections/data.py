"""The data: how many images of whom, what is known of them, and what could not be used."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from camlucida.core.messages import declare, quoted
from camlucida.metrics.statistics import mean_interval
from camlucida.report.data import ReportData
from camlucida.report.document import Block, Estimate, Message, Paragraph, Points, Section, Table
from camlucida.report.sections.base import section
from camlucida.runs import Run

declare(
    "data",
    {
        "patients": (
            "The cohort has {images} {images:|image|images} of {patients} "
            "{patients:|patient|patients}."
        ),
        "no_patients": (
            "The cohort has {images} {images:|image|images} without patient "
            "identifiers. Each counts as a patient, so intervals are too narrow if a "
            "patient has several images."
        ),
        "some_patients": (
            "The cohort has {images} images. {unknown} {unknown:|has|have} no "
            "patient identifier and {unknown:|counts|count} as one patient each, so "
            "intervals are too narrow if a patient has several of them; the others "
            "are of {patients} {patients:|patient|patients}."
        ),
        "synthetic": (
            "{synthetic} of {read} {read:|image|images} that were read {synthetic:|is|are} "
            "synthetic."
        ),
        "split": (
            "Split {split}: {images} {images:|image|images} of {patients} "
            "{patients:|patient|patients}."
        ),
        "masks": "Masks are available for {count} of {images} {images:|image|images}.",
        "boxes": "Boxes are available for {count} of {images} {images:|image|images}.",
        "values": (
            "True values are known for {known} of {images} {images:|image|images}: "
            "mean {mean}, range {low} to {high}."
        ),
        "runs": "Runs in this report.",
        "runs_run": "Run",
        "runs_cohort": "Cohort",
        "runs_images": "Images",
        "runs_done": "Done",
        "runs_failed": "Failed",
        "runs_pending": "Pending",
        "no_truth": "No ground truth is available, so accuracy cannot be assessed.",
        "labels": (
            "Label frequencies in the images read. Prevalence is the share of "
            "positive images among those with ground truth."
        ),
        "labels_label": "Label",
        "labels_positive": "Positive",
        "labels_positive_patients": "Positive patients",
        "labels_negative": "Negative",
        "labels_unknown": "Unknown",
        "labels_prevalence": "Prevalence",
        "never_positive": (
            "No image is positive for {labels}, so detection of {count:|this "
            "label|these labels} cannot be assessed."
        ),
        "groups": "Images and patients by {column}.",
        "groups_group": "Group",
        "groups_images": "Images",
        "groups_patients": "Patients",
        "groups_blank": "not recorded",
        "failed": ("Run “{run}”: {count} {count:|failure|failures}, excluded from all results."),
        "no_map": (
            "Run “{run}”: {count} {count:|image has|images have} a prediction, which is "
            "included in the results, but no map."
        ),
        "pending": "Run “{run}”: {count} of {items} {items:|item|items} not computed yet.",
        "notes": "Run “{run}”, notes:",
        "line": "{line}",
        "more": "… and {count} more.",
    },
)

LISTED = 20
"""Failures and notes printed of each run; the rest is counted."""


@section("data", "Data", needs=("performance",))
def data(report: ReportData) -> Section:
    """Counts of images, patients, splits, groups and labels; what failed."""
    blocks: list[Block] = [Paragraph(tuple(_cohort(report)))]
    if len(report.runs) > 1:
        blocks.append(_runs(report))
    blocks += _labels(report)
    blocks += [
        _groups(report, name) for name in map(str, report.images) if name.startswith("group_")
    ]
    for name, run in zip(report.names, report.runs):
        blocks += _failures(name, run)
    return Section("data", tuple(blocks))


def _cohort(report: ReportData) -> Iterator[Message]:
    images = report.images
    identified = images[images["patient_known"]]
    if len(identified) == len(images):
        yield Message(
            "data.patients", {"images": len(images), "patients": images["patient"].nunique()}
        )
    elif len(identified):
        counts = {
            "images": len(images),
            "unknown": len(images) - len(identified),
            "patients": identified["patient"].nunique(),
        }
        yield Message("data.some_patients", counts)
    else:
        yield Message("data.no_patients", {"images": len(images)})
    synthetic = report.truth.drop_duplicates(["image", "path"])["synthetic"].astype(bool)
    if synthetic.any():
        yield Message("data.synthetic", {"synthetic": int(synthetic.sum()), "read": len(synthetic)})
    for split, part in images.dropna(subset="split").groupby("split", sort=True):
        yield Message(
            "data.split",
            {"split": str(split), "images": len(part), "patients": part["patient"].nunique()},
        )
    for kind, key in (("mask", "masks"), ("box", "boxes")):
        expected = images[kind].notna().any() or any(run.about[key] for run in report.runs)
        if expected:
            yield Message(
                f"data.{key}",
                {"count": int(report.images[f"has_{kind}"].sum()), "images": len(images)},
            )
    yield from _values(report.truth[report.truth["task"] == "regression"])


def _values(truth: pd.DataFrame) -> Iterator[Message]:
    """The true values of a regression."""
    values = truth.drop_duplicates(["image", "path"])["truth"]
    if values.notna().any():
        summary = {
            "mean": float(values.mean()),
            "low": float(values.min()),
            "high": float(values.max()),
        }
        yield Message(
            "data.values", {"known": int(values.notna().sum()), "images": len(values), **summary}
        )


def _runs(report: ReportData) -> Table:
    head = tuple(
        Message(f"data.runs_{name}")
        for name in ("run", "cohort", "images", "done", "failed", "pending")
    )
    rows = tuple(
        (name, run.about["name"], run.about["images"], *run.counts.values())
        for name, run in zip(report.names, report.runs)
    )
    return Table("runs", Message("data.runs"), head, rows)


def _labels(report: ReportData) -> list[Block]:
    """How often each label is positive; a label of which nothing is known stands with a dash."""
    if not report.has_truth:
        return [Paragraph((Message("data.no_truth"),))]
    truth = report.truth[
        report.truth["task"].isin(["multilabel", "binary", "multiclass", "segmentation"])
    ]
    if not truth["truth"].notna().any():
        return []
    rows, never = [], []
    for label, part in truth.groupby("label", sort=False):
        truths = part["truth"].astype(float)
        share = mean_interval(truths.to_numpy(), part["patient"].tolist(), proportion=True)
        positive = part[truths == 1]
        if truths.notna().any() and not len(positive):
            never.append(str(label))
        counts = (
            len(positive),
            positive["patient"].nunique(),
            int((truths == 0).sum()),
            int(truths.isna().sum()),
        )
        rows.append(
            (str(label), *counts, Estimate(share.estimate, share.low, share.high, percent=True))
        )
    columns = ("label", "positive", "positive_patients", "negative", "unknown", "prevalence")
    head = tuple(Message(f"data.labels_{name}") for name in columns)
    blocks: list[Block] = [Table("labels", Message("data.labels"), head, tuple(rows))]
    if never:
        blocks.append(
            Paragraph((Message("data.never_positive", {"count": len(never), "labels": never}),))
        )
    return blocks


def _groups(report: ReportData, column: str) -> Table:
    name = column.removeprefix("group_")
    head = tuple(Message(f"data.groups_{key}") for key in ("group", "images", "patients"))
    counted = report.images.groupby(column, sort=True, dropna=False)["patient"].agg(
        ["size", "nunique"]
    )
    rows = tuple(
        (Message("data.groups_blank") if pd.isna(group) else str(group), int(size), int(patients))
        for group, size, patients in zip(counted.index, counted["size"], counted["nunique"])
    )
    return Table(f"groups_{name}", Message("data.groups", {"column": name}), head, rows)


def _failures(name: str, run: Run) -> list[Block]:
    """What a run lost, line by line, and what it noted when it read its table."""
    blocks: list[Block] = []
    failed, mapless = losses(run)
    # What leaves nothing to explain is no failure: its reason stands among the notes.
    without_map = len(mapless) + len(_nothing_to_explain(run))
    counted = ("failed", len(failed), failed), ("no_map", without_map, mapless)
    for key, count, lines in counted:
        if count:
            blocks.append(Paragraph((Message(f"data.{key}", {"run": name, "count": count}),)))
        if lines:
            blocks.append(_listed(list(map(quoted, lines))))
    if run.counts["pending"]:
        items = {"count": run.counts["pending"], "items": sum(run.counts.values())}
        blocks.append(Paragraph((Message("data.pending", {"run": name, **items}),)))
    if run.notes:
        blocks += [
            Paragraph((Message("data.notes", {"run": name}),)),
            _listed(run.notes),
        ]
    return blocks


def _nothing_to_explain(run: Run) -> set[tuple[str, str]]:
    """Image and model of what is done and has no map, because no region was predicted."""
    explanations = run.explanations()
    explained = set(zip(explanations["image"], explanations["model"]))
    return {entry.key for entry in run.entries if entry.nothing_to_explain} - explained


def losses(run: Run) -> tuple[list[str], list[str]]:
    """What failed altogether, and what failed without a map although its prediction counts."""
    predictions = run.predictions()
    predicted = set(zip(predictions["image"], predictions["model"]))
    mapless = [
        entry.failure
        for entry in run.entries
        if entry.failure is not None and entry.key in predicted
    ]
    failed = [failure for failure in run.failures if failure not in mapless]
    return list(map(str, failed)), list(map(str, mapless))


def _listed(lines: list[Message]) -> Points:
    shown = [Message("data.line", {"line": line}) for line in lines[:LISTED]]
    if len(lines) > LISTED:
        shown.append(Message("data.more", {"count": len(lines) - LISTED}))
    return Points(tuple(shown))
