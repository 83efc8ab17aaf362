"""The models: task, labels, input and preprocessing."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from camlucida.analysis.cases.names import architecture
from camlucida.core.messages import chain, declare
from camlucida.report.data import ReportData
from camlucida.report.document import Block, Message, Paragraph, Points, Section, Table, Value
from camlucida.report.sections.base import section

declare(
    "model",
    {
        "models": "Models.",
        "head_model": "Model",
        "head_architecture": "Architecture",
        "head_task": "Task",
        "head_labels": "Labels",
        "head_input": "Input (height × width × channels)",
        "voxels": "{size} voxels",
        "head_seed": "Seed",
        "head_fold": "Fold",
        "preprocessing": "Preprocessing, as recorded:",
        "steps": "{model}: {steps}.",
        "cards": "Descriptions from the model cards, not verified here:",
        "card": "{model}: “{words}”",
        "chexnet": (
            "{models}: DenseNet-121 with one output per label, the design of CheXNet "
            "[@rajpurkar2017]. The published results of CheXNet are not those of "
            "{count:|this model|these models}."
        ),
    },
)

DENSENET = re.compile(r"\bdensenet121\b")
"""In the name of a factory."""

NAMED = 8
"""Labels named in the table; of more, how many there are."""


@section("model", "Models", needs=())
def model(report: ReportData) -> Section:
    """One row a model, and what is done to an image before it."""
    head = tuple(
        Message(f"model.head_{name}")
        for name in ("model", "architecture", "task", "labels", "input", "seed", "fold")
    )
    blocks: list[Block] = [Table("models", Message("model.models"), head, tuple(_rows(report)))]
    steps = [
        Message("model.steps", {"model": name, "steps": words})
        for name, words in _preprocessing(report).items()
    ]
    if steps:
        blocks += [Paragraph((Message("model.preprocessing"),)), Points(tuple(steps))]
    design = _chexnets(report)
    if design:
        blocks.append(
            Paragraph((Message("model.chexnet", {"models": design, "count": len(design)}),))
        )
    cards = [
        Message("model.card", {"model": name, "words": words})
        for name, words in _descriptions(report).items()
    ]
    if cards:
        blocks += [Paragraph((Message("model.cards"),)), Points(tuple(cards))]
    return Section("model", tuple(blocks))


def _rows(report: ReportData) -> Iterator[tuple[Value, ...]]:
    listed: set[str] = set()
    for run in report.runs:
        for described in run.about["models"]:
            if described["name"] + described["sha256"] in listed:  # in several runs
                continue
            listed.add(described["name"] + described["sha256"])
            card = described["resolved"]
            labels = [label for label in card["labels"] if label]
            yield (
                described["name"],
                architecture(card),
                Message(f"words.{card['task']}") if card["task"] else "",
                labels if 0 < len(labels) <= NAMED else len(labels),
                _input_size(card),
                *(_or_dash(described[key]) for key in ("seed", "fold")),
            )


def _or_dash(value: object) -> str:
    return "–" if value is None else str(value)


def _input_size(card: Mapping[str, Any]) -> Value:
    """Height, width and channels of an image; the voxels of a volume in the order of its axes."""
    volume = card.get("volume")
    if volume is None:
        size = card["input"]["size"]
        height, width = size if isinstance(size, (list, tuple)) else (size, size)
        return f"{height} × {width} × {card['input']['channels']}"
    sides = [*([volume["slices"]] if volume["slices"] else []), *volume["size"]]
    return Message("model.voxels", {"size": " × ".join(map(str, sides))})


def _preprocessing(report: ReportData) -> dict[str, Message]:
    """Model → what was done to its first image, as it was recorded."""
    firsts = report.cases.drop_duplicates("model")
    scans = [
        report.explanation(int(at), int(number)).scan
        for at, number in zip(firsts["run"], firsts["explanation"])
    ]
    steps = {str(model): list(scan.preprocessing) for model, scan in zip(firsts["model"], scans)}
    return {model: chain("words.clause", done) for model, done in steps.items() if done}


def _chexnets(report: ReportData) -> list[str]:
    """Multi-label models by a DenseNet-121."""
    cards = {model["name"]: model["resolved"] for model in _models(report)}
    return [
        name
        for name, card in cards.items()
        if card["task"] == "multilabel" and DENSENET.search(card["factory"])
    ]


def _models(report: ReportData) -> Iterator[Mapping[str, Any]]:
    """The record of each model of each run."""
    return itertools.chain.from_iterable(run.about["models"] for run in report.runs)


def _descriptions(report: ReportData) -> dict[str, str]:
    """Model → description, of those that have one."""
    described = {model["name"]: model["resolved"]["description"] for model in _models(report)}
    return {name: text for name, text in described.items() if text}
