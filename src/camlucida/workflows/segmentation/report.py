"""The report of a segmentation: messages filled from its numbers.

What was not measured is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from camlucida.core.messages import Estimate, Message, Value, chain, declare, quoted
from camlucida.core.numbers import number_or_dash
from camlucida.io.records import records_of
from camlucida.io.tables import listing
from camlucida.metrics.segmentation import ALL_LABELS
from camlucida.models.assumptions import RecognisedCard
from camlucida.runs.keyed import is_keyed, kept_notes
from camlucida.workflows.segmentation.image_choice import Images
from camlucida.workflows.segmentation.inputs import input_of
from camlucida.workflows.segmentation.numbers import is_missing, percent
from camlucida.workflows.segmentation.run_view import SegmentationRun, target_name
from camlucida.workflows.segmentation.sheet import behind, circular_region
from camlucida.workflows.segmentation.statistics import BEYOND, KEYS

declare(
    "segmentation_report",
    {
        "weights": "{name}, weights sha256 {sha256}.",
        "model_note": "The model: {note}.",
        "input": "Input: {input}.",
        "layer": "{name} is {path}: {shape}.",
        "chosen": "Chosen: {rule}.",
        "with_map": "{count} of {total} {total:|image|images} {count:|has|have} a map.",
        "no_patients": "The patients are unknown: each image counts as a patient of its own.",
        "with_mask": "{count} of {total} {total:|image|images} {count:|has|have} a true mask.",
        "with_mask_of": (
            "{count} of {total} {total:|image|images} {count:|has|have} a true mask, from {folder}."
        ),
        "mask_label": (
            "A mask names no label: it is taken for the truth of every label that was explained."
        ),
        "dice": "Dice",
        "iou": "IoU",
        "component_sensitivity": "Share of true components hit",
        "false_components": "False components an image",
        "empty_agreement": "Empty true masks in which nothing is predicted",
        "agreement": "{metric} ({label}): {value:.3g}, {images} {images:|image|images}.",
        "nothing_predicted": (
            "Nothing is predicted in {count} of {total} {total:|image|images}: {names}."
        ),
        "truth_of_nothing": (
            "Nothing is predicted in {count} of {total} {total:|image|images}: {names}. In {empty} "
            "of the {masks} with a true mask, that mask is empty too."
        ),
        "overlap": (
            "{metric} ({label}): {value:.3g}, {images} {images:|image|images}; the prediction "
            "displaced at random reaches {chance}."
        ),
        "overlap_all": (
            "{metric} ({label}): {value:.3g}, {images} images × labels; the prediction "
            "displaced at random reaches {chance}."
        ),
        "of_target": "{layer}, {method}, target {target}: {facts}.",
        "no_ratio": "no map has a ratio in {region}",
        "region": "the region explained",
        "true_region": "the true region",
        "ratio": (
            "mean heat inside ÷ outside of {region} is {value:.3g} on average over {images} "
            "{images:|image|images}, median {median}"
        ),
        "moved": "with the region moved to every position of the image, its median is {chance}",
        "share": "{share} of the heat lies on {area} of the area",
        "beyond": (
            "in {count} of {maps} {maps:|map|maps} at most {limit} of all positions reach the ratio"
        ),
        "left_out": ("{count} left out, without heat, without a region or without heat outside"),
        "no_evidence": "{count} of {maps} {maps:|map|maps} show no evidence",
        "behind": "Circular: {reason}.",
        "no_map": "{image}: {note}",
    },
)

HEAD = (
    "layer",
    "method",
    "target",
    "in ÷ out",
    "at all positions",
    "in the true region",
    "at all positions",
    "images",
)
"""Of :func:`map_lines`."""

OVERLAPS = ("dice", "iou", "component_sensitivity", "false_components", "empty_agreement")

Row = Mapping[str, Any]


def model_messages(run: SegmentationRun, recognised: RecognisedCard) -> Iterator[Message]:
    """The model, what is assumed of it, its input and the layers that were explained."""
    model = run.run.about["models"][0]
    values = {"name": model["name"], "sha256": str(model["sha256"])}
    yield Message("segmentation_report.weights", values)
    for note in kept_notes(run.run.about, recognised.notes):
        yield Message("segmentation_report.model_note", {"note": note})
    description = recognised.card.description
    if description and not recognised.notes:
        # The sentence has a full stop of its own.
        note = quoted(description.rstrip().removesuffix("."))
        yield Message("segmentation_report.model_note", {"note": note})
    yield Message("segmentation_report.input", {"input": input_of(recognised.card)})
    for layer in run.layers:
        shape = " × ".join(map(str, layer.shape))
        values = {"name": layer.name, "path": layer.path, "shape": shape}
        yield Message("segmentation_report.layer", values)


def image_messages(run: SegmentationRun, images: Images) -> Iterator[Message]:
    """Which images were chosen, and how many have a map and a true mask."""
    about = run.run.about
    (rule,) = kept_notes(about, [images.rule])
    yield Message("segmentation_report.chosen", {"rule": rule})
    with_map = sum(bool(case.maps) for case in run.cases)
    total = about["images"]
    yield Message("segmentation_report.with_map", {"count": with_map, "total": total})
    if not about["patients_known"]:
        yield Message("segmentation_report.no_patients")
    with_mask = sum(bool(case.truths) for case in run.cases)
    values: dict[str, Value] = {"count": with_mask, "total": len(run.cases)}
    if images.masks is None or is_keyed(about):
        yield Message("segmentation_report.with_mask", values)
    else:
        values["folder"] = str(images.masks)
        yield Message("segmentation_report.with_mask_of", values)
    notes = (*images.notes, *run.true_masks.notes, *run.true_masks.truth.scaled_notes())
    yield from kept_notes(about, notes)
    if len(run.labels) > 1 and any("" in case.truths for case in run.cases):
        yield Message("segmentation_report.mask_label")


def overlap_messages(figures: pd.DataFrame) -> Iterator[Message]:
    """How well the model segments, one message a figure.

    Args:
        figures: of :func:`~camlucida.workflows.segmentation.statistics.agreement`.
    """
    for row in records_of(figures):
        if row["metric"] not in OVERLAPS or is_missing(row["estimate"]):
            continue
        values: dict[str, Value] = {
            "metric": Message(f"segmentation_report.{row['metric']}"),
            "label": str(row["label"]),
            "value": _estimate(row),
            "images": int(row["n"]),
        }
        code = "agreement"
        if row["metric"] != "empty_agreement":
            code = "overlap_all" if row["label"] == ALL_LABELS else "overlap"
            values["chance"] = number_or_dash(row["chance"])
        yield Message(f"segmentation_report.{code}", values)


def empty_messages(run: SegmentationRun) -> Iterator[Message]:
    """Images in which nothing is predicted, and whether their true masks are empty too."""
    empty = [case for case in run.cases if case.predicts_nothing]
    if not empty:
        return
    masks = [case for case in empty if case.truths]
    values: dict[str, Value] = {"count": len(empty), "total": len(run.cases)}
    values["names"] = listing(case.image for case in empty)
    if not masks:
        yield Message("segmentation_report.nothing_predicted", values)
        return
    values |= {"masks": len(masks), "empty": sum(case.truth_is_empty for case in masks)}
    yield Message("segmentation_report.truth_of_nothing", values)


def map_messages(summary: pd.DataFrame, rows: pd.DataFrame) -> Iterator[Message]:
    """One message a layer, method and target, and one on the true region where it is known.

    Args:
        summary: of :func:`~camlucida.workflows.segmentation.statistics.summarise`.
        rows: of ``statistics.csv``.
    """
    with_label = summary["label"].nunique() > 1
    for key, part in summary.groupby(list(KEYS), sort=False):
        layer, method, label, target = map(str, key)
        about = {"layer": layer, "method": method}
        about["target"] = target_name(label, target, with_label)
        means = _by_metric(part)
        of_key = rows[(rows[list(KEYS)] == list(key)).all(axis=1)]
        facts = [_contrast(means, "", "region")]
        of_truth = means.get("truth_ratio")
        if target != "true" and of_truth is not None and of_truth["images"]:
            facts.append(_contrast(means, "truth_", "true_region"))
        empty = int((of_key["empty_reason_code"] != "").sum())
        if empty:
            values = {"count": empty, "maps": len(of_key)}
            facts.append(Message("segmentation_report.no_evidence", values))
        for fact in facts:
            yield Message("segmentation_report.of_target", {**about, "facts": fact})


def circular_messages(rows: pd.DataFrame) -> Iterator[Message]:
    """What the ratios of this run cannot show.

    Args:
        rows: of ``statistics.csv``.
    """
    layers = list(dict.fromkeys(rows["layer"][rows["circular"] == "yes"]))
    if layers:
        yield Message("segmentation_report.behind", {"reason": behind(layers)})
    partly = rows[rows["circular"] == "partly"]
    targets_of_reason: dict[Message, dict[str, None]] = {}
    for target, source in zip(partly["target"], partly["target_source"]):
        targets_of_reason.setdefault(circular_region(source), {})[target] = None
    for reason, targets in targets_of_reason.items():
        yield Message("circular.of_target", {"targets": list(targets), "reason": reason})


def missing_messages(run: SegmentationRun, failures: Sequence[object]) -> Iterator[Message]:
    """Images without a map, and maps that are missing of an image that has others."""
    for failure in failures:
        yield quoted(str(failure))
    for case in run.cases:
        if case.note is not None and case.maps:
            yield Message("segmentation_report.no_map", {"image": case.image, "note": case.note})


def map_lines(summary: pd.DataFrame) -> list[tuple[str, ...]]:
    """The average ratios as a table, a line a layer, method and target; columns :data:`HEAD`."""
    with_label = summary["label"].nunique() > 1
    lines = []
    for (layer, method, label, target), part in summary.groupby(list(KEYS), sort=False):
        means = _by_metric(part)
        true = means.get("truth_ratio", {"estimate": None, "chance": None})
        numbers = (
            means["ratio"]["estimate"],
            means["ratio"]["chance"],
            true["estimate"],
            true["chance"],
        )
        name = target_name(label, target, with_label)
        images = str(means["ratio"]["images"])
        lines.append((str(layer), str(method), name, *map(number_or_dash, numbers), images))
    return lines


def _by_metric(part: pd.DataFrame) -> dict[str, Row]:
    return {str(row["metric"]): row for row in records_of(part)}


def _contrast(means: Mapping[str, Row], prefix: str, region_code: str) -> Message:
    """Ratio, chance level, share of heat, and how many maps are beyond chance."""
    ratio, share, beyond = means[f"{prefix}ratio"], means[f"{prefix}share"], means["beyond_chance"]
    region = Message(f"segmentation_report.{region_code}")
    if not ratio["images"]:
        return Message("segmentation_report.no_ratio", {"region": region})
    values: dict[str, Value] = {"region": region, "value": _estimate(ratio)}
    values |= {"images": int(ratio["images"]), "median": number_or_dash(ratio["median"])}
    area = {"share": percent(share["estimate"]), "area": percent(share["chance"])}
    facts = [
        Message("segmentation_report.ratio", values),
        Message("segmentation_report.moved", {"chance": number_or_dash(ratio["chance"])}),
        Message("segmentation_report.share", area),
    ]
    if not prefix:
        maps = int(beyond["images"])
        counts = {"count": round(beyond["estimate"] * maps), "maps": maps}
        limit = percent(BEYOND)
        facts.append(Message("segmentation_report.beyond", {**counts, "limit": limit}))
    if ratio["left_out"]:
        left_out = {"count": int(ratio["left_out"])}
        facts.append(Message("segmentation_report.left_out", left_out))
    return chain("words.clause", facts)


def _estimate(row: Row) -> Estimate:
    return Estimate(float(row["estimate"]), float(row["low"]), float(row["high"]))
