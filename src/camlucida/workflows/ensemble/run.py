"""From a file of classifiers and images to a run: each classifier a model of the run, its weight the cohort's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from camlucida.attribution.methods import METHODS
from camlucida.core.errors import (
    CamlucidaError,
    ModelError,
    ModelMismatchError,
    UsageError,
    did_you_mean,
)
from camlucida.core.files import write_toml
from camlucida.core.messages import Message, quoted
from camlucida.datasets.classifiers import Classifier
from camlucida.io.tables import fold
from camlucida.models import LoadedModel, load_model
from camlucida.runs import Run, execute
from camlucida.runs.compute import Worker
from camlucida.runs.identity import make_recipe

TARGETS = ("all",)
"""Every label of every classifier, from one forward pass: other findings, weights or thresholds need no new computation."""

LABELLED = ("multilabel", "multiclass", "binary")


@dataclass
class EnsembleRun:
    """What was run.

    Attributes:
        run: as it stands.
        titles: key of each classifier in the run → what to call it.
        failures: (key or image, line) of classifiers that could not be loaded and of images that failed.
        notes: one line each.
    """

    run: Run
    titles: dict[str, str]
    failures: list[tuple[str, str]] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)


def run_ensemble(
    classifiers: Sequence[Classifier],
    images: Sequence[str],
    out: Path,
    *,
    labels: Sequence[str] = (),
    method: str = "gradcam",
    table: Path | None = None,
    device: str = "auto",
    about: Mapping[str, Any] | None = None,
    progress: Callable[..., object] = lambda done=0, total=None: None,
) -> EnsembleRun:
    """Predict and explain every label of every image with every classifier, into ``out/run``; goes on with a run that is there.

    Args:
        classifiers: of ``read_classifiers``; those of weight 0 are not asked.
        images: files, folders or globs.
        out: ``cohort.toml`` and ``cards/`` are written there.
        labels: that will be looked at: one that no classifier has is refused before anything is computed.
        method: registry name.
        table: of patients, as a cohort's.
        about: further entries of ``run.json``.
        progress: as of :func:`camlucida.runs.execute`.

    Raises:
        ModelError: no classifier can be loaded.
        UsageError: there is no image, no classifier has a label, or the request fits no image.
    """
    METHODS[method]
    failures: list[tuple[str, str]] = []
    notes = [
        quoted(f"{one.title} has weight 0 and is not asked")
        for one in classifiers
        if not one.weight
    ]
    models: list[dict[str, Any]] = []
    known: list[Sequence[str]] = []
    for one in classifiers:
        try:
            if one.weight:
                model = load_model(one.card(), device=device)
                notes += _try(one, model, method)
                known.append(model.card.labels)
                card = one.write_card(out / "cards").absolute()
                models.append({"card": str(card), "name": one.key, "weight": one.weight})
        except CamlucidaError as error:
            failures.append((one.key, f"{one.key}: {error}"))
    if not models:
        raise ModelError(f"no classifier can be used: {'; '.join(line for _, line in failures)}")
    _check_labels(labels, known)
    cohort = {
        "name": "ensemble",
        "images": [str(Path(item).expanduser().absolute()) for item in images],
        "table": None if table is None else str(table.expanduser().absolute()),
        "models": models,
        "explain": {"target": list(TARGETS), "method": method},
    }
    write_toml(out / "cohort.toml", cohort)
    outcome = execute(
        out / "cohort.toml", out / "run", resume=True, device=device, about=about, progress=progress
    )
    titles = _titles([one for one in classifiers if one.key in {model["name"] for model in models}])
    run = Run.open(out / "run")
    # A folder called "images" makes the cohort look for masks beside it, and an ensemble has no use for them.
    notes += [note for note in outcome.notes if note.code != "notes.no_mask"]
    # an image that cannot be read fails once for each classifier
    failures += dict.fromkeys((each.image, str(each)) for each in outcome.failures)
    return EnsembleRun(run, titles, failures, [*notes, *_twins(run, titles)])


def _titles(classifiers: Sequence[Classifier]) -> dict[str, str]:
    """Key → what to call it; two of one name are told apart by their keys."""
    names = [one.title for one in classifiers]
    return {
        one.key: one.title if names.count(one.title) == 1 else f"{one.title} ({one.key})"
        for one in classifiers
    }


def _check_labels(asked: Sequence[str], known: Sequence[Sequence[str]]) -> None:
    """UsageError for a label that no classifier has, where all of them name theirs."""
    names = [label for labels in known for label in labels if label]
    for label in asked if all(known) else ():
        if fold(label) not in map(fold, names):
            what = f"no classifier has the label {label!r}"
            raise UsageError(what, did_you_mean(label, dict.fromkeys(names), limit=20))


def _try(one: Classifier, model: LoadedModel, method: str) -> list[Message]:
    """Notes on a classifier that can be asked.

    Raises:
        CamlucidaError: it cannot.
    """
    card, entry = model.card, one.entry
    if card.task not in LABELLED:
        raise ModelMismatchError(
            f"its task is {card.task}, and an ensemble is of classifiers",
            f"tasks: {', '.join(LABELLED)}",
        )
    size = card.input.height_width
    if entry.input_size is not None and size != (entry.input_size,) * 2:
        raise ModelMismatchError(
            f"input_size = {entry.input_size}, but its card says {size[0]} × {size[1]}",
            "correct one of them",
        )
    layers = (card.layer,) if isinstance(card.layer, str) else tuple(card.layer)
    Worker(model, "", make_recipe(model, TARGETS, (method,), layers)).check()
    notes = []
    if entry.num_pathologies is not None and entry.num_pathologies != len(card.labels):
        notes.append(
            quoted(
                f"{one.title}: num_pathologies is {entry.num_pathologies}, and the model has {len(card.labels)} outputs"
            )
        )
    if one.factory and one.file is not None and not isinstance(entry.default_weight, str):
        notes.append(
            quoted(
                f"{one.title}: {one.file.name} is taken for a {one.factory}: architecture and labels are those"
            )
        )
    return notes


def _twins(run: Run, titles: Mapping[str, str]) -> list[Message]:
    """A note where two classifiers have the same weights: that they agree means nothing."""
    first: dict[str, str] = {}
    notes = []
    for model in run.about["models"]:
        other = first.setdefault(model["sha256"], model["name"])
        if other != model["name"]:
            same = f"{titles[other]} and {titles[model['name']]} have the same weights"
            notes.append(quoted(f"{same}: they count twice, and that they agree is no evidence"))
    return notes
