"""The models: what each answers, what goes in, which weights."""

from __future__ import annotations

import re
from collections.abc import Iterator

from camlucida.analysis.cases.names import architecture
from camlucida.core.messages import chain
from camlucida.core.recorded import heard
from camlucida.report.document import Block, Paragraph, Points, Section, Sentence, Table, Value
from camlucida.report.study import Study

DENSENET = re.compile(r"\bdensenet121\b")
"""In the name of a factory."""

NAMED = 8
"""Labels named in the table; of more, how many there are."""


def model(study: Study) -> Section:
    """One row a model, and what is done to an image before it."""
    head = tuple(
        Sentence(f"model.head_{name}")
        for name in ("model", "architecture", "task", "labels", "input", "seed", "fold")
    )
    blocks: list[Block] = [Table("models", Sentence("model.models"), head, tuple(_rows(study)))]
    steps = [
        Sentence("model.steps", {"model": name, "steps": words})
        for name, words in _preprocessing(study).items()
    ]
    if steps:
        blocks += [Paragraph((Sentence("model.preprocessing"),)), Points(tuple(steps))]
    design = _chexnets(study)
    if design:
        blocks.append(
            Paragraph((Sentence("model.chexnet", {"models": design, "count": len(design)}),))
        )
    cards = [
        Sentence("model.card", {"model": name, "words": words})
        for name, words in _descriptions(study).items()
    ]
    if cards:
        blocks += [Paragraph((Sentence("model.cards"),)), Points(tuple(cards))]
    return Section("model", tuple(blocks))


def _rows(study: Study) -> Iterator[tuple[Value, ...]]:
    said: set[str] = set()
    for run in study.runs:
        for described in run.about["models"]:
            if described["name"] + described["sha256"] in said:  # in several runs
                continue
            said.add(described["name"] + described["sha256"])
            card = described["resolved"]
            labels = [label for label in card["labels"] if label]
            size = card["input"]["size"]
            height, width = size if isinstance(size, (list, tuple)) else (size, size)
            yield (
                described["name"],
                architecture(card),
                Sentence(f"words.{card['task']}") if card["task"] else "",
                labels if 0 < len(labels) <= NAMED else len(labels),
                f"{height} × {width} × {card['input']['channels']}",
                *(
                    "" if described[key] is None else str(described[key])
                    for key in ("seed", "fold")
                ),
            )


def _preprocessing(study: Study) -> dict[str, Sentence]:
    """Model → what was done to its first image, as it was recorded."""
    firsts = study.cases.drop_duplicates("model")
    scans = [
        study.explanation(int(at), int(number)).scan
        for at, number in zip(firsts["run"], firsts["explanation"])
    ]
    steps = {
        str(model): [heard(step, "preprocessing") for step in scan.preprocessing]
        for model, scan in zip(firsts["model"], scans)
    }
    return {model: chain("words.clause", done) for model, done in steps.items() if done}


def _chexnets(study: Study) -> list[str]:
    """Multi-label models by a DenseNet-121."""
    models = [described for run in study.runs for described in run.about["models"]]
    cards = {described["name"]: described["resolved"] for described in models}
    return [
        name
        for name, card in cards.items()
        if card["task"] == "multilabel" and DENSENET.search(card["factory"])
    ]


def _descriptions(study: Study) -> dict[str, str]:
    models = (described for run in study.runs for described in run.about["models"])
    return {
        described["name"]: words
        for described in models
        if (words := described["resolved"]["description"])
    }
