"""From a file of classifiers and images to a run.

Each classifier is a model of the run, its weight that of the cohort.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
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
from camlucida.core.failures import Failure
from camlucida.core.files import write_toml
from camlucida.core.messages import Message, Value, declare
from camlucida.datasets.classifiers import Classifier
from camlucida.io import expand_paths
from camlucida.io.keyed_files import inputs_folder
from camlucida.io.tables import fold
from camlucida.models import LoadedModel, load_model, of_images
from camlucida.runs import Run, execute
from camlucida.runs.compute import Worker
from camlucida.runs.identity import make_recipe
from camlucida.runs.keyed import kept_notes, keyed_folder

declare(
    "ensemble_notes",
    {
        "weight_zero": "{classifier} has weight 0 and is left out",
        "outputs": (
            "{classifier}: num_pathologies is {stated}, and the model has {outputs} outputs"
        ),
        "assumed": (
            "{classifier}: {file} is taken for a {factory}: architecture and labels are those"
        ),
        "same_weights": (
            "{first} and {second} have the same weights: they count twice, and that they agree "
            "is no evidence"
        ),
    },
)

TARGETS = ("all",)
"""Every label of every classifier, from one forward pass: other findings, weights or thresholds
need no new computation."""

TASKS = ("multilabel", "multiclass", "binary")
"""Of a classifier."""


@dataclass
class EnsembleRun:
    """What was run.

    Attributes:
        run: as it stands.
        titles: key of each classifier in the run → its name for people.
        unusable: classifiers that could not be loaded.
        failures: images that failed.
        notes: for the reader.
    """

    run: Run
    titles: dict[str, str]
    unusable: list[Failure] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)


@dataclass
class _Loaded:
    """The classifiers that can be used."""

    models: list[dict[str, Any]] = field(default_factory=list)
    labels: list[Sequence[str]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)


_OF_COHORTS = ("notes.no_mask", "notes.annotations_unused")
"""Notes on masks beside the images, which an ensemble ignores, and on options of cohorts."""


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
    deidentify: bool = False,
    progress: Callable[..., object] = lambda done=0, total=None: None,
) -> EnsembleRun:
    """Predict and explain every label of every image with every classifier, into ``out/run``.

    A run that is there is resumed.

    Args:
        classifiers: of ``read_classifiers``; those of weight 0 are left out.
        images: files, folders or globs.
        out: ``cohort.toml`` and ``cards/`` are written there, of a run with keyed names where
            :func:`~camlucida.io.keyed_files.inputs_folder` says.
        labels: that will be shown: one that no classifier has is refused before anything is
            computed.
        method: registry name.
        table: of patients, as a cohort's.
        device, deidentify, progress: as of :func:`camlucida.runs.execute`.
        about: further entries of ``run.json``.

    Raises:
        ModelError: no classifier can be loaded.
        UsageError: there is no image, no classifier has a label, or the request fits no image.
    """
    _check_images(images)
    method = METHODS.canonical(method)
    keyed = keyed_folder(out / "run", deidentify)
    inputs = inputs_folder(out, keyed)
    loaded = _load(classifiers, inputs, method, device)
    if not loaded.models:
        reasons = "; ".join(map(str, loaded.failures))
        raise ModelError(f"no classifier can be used: {reasons}")
    _check_labels(labels, loaded.labels)
    cohort = {
        "name": "ensemble",
        "images": [str(Path(item).expanduser().absolute()) for item in images],
        "table": None if table is None else str(table.expanduser().absolute()),
        "models": loaded.models,
        "explain": {"target": list(TARGETS), "method": method},
    }
    write_toml(inputs / "cohort.toml", cohort)
    outcome = execute(
        inputs / "cohort.toml",
        out / "run",
        resume=True,
        device=device,
        about=about,
        deidentify=keyed,
        progress=progress,
    )
    used = {model["name"] for model in loaded.models}
    titles = _titles([one for one in classifiers if one.key in used])
    run = Run.open(out / "run")
    notes = [note for note in outcome.notes if note.code not in _OF_COHORTS]
    of_models = [*loaded.notes, *_same_weights(run, titles)]
    notes += kept_notes(run.about, of_models, [one.title for one in classifiers])
    # An unreadable image fails once for each classifier.
    failed = list(dict.fromkeys(outcome.failures))
    return EnsembleRun(run, titles, loaded.failures, failed, notes)


def _load(classifiers: Sequence[Classifier], inputs: Path, method: str, device: str) -> _Loaded:
    """Load each classifier and write its card; one that cannot be used is a failure."""
    loaded = _Loaded()
    for classifier in classifiers:
        if not classifier.weight:
            values = {"classifier": classifier.title}
            loaded.notes.append(Message("ensemble_notes.weight_zero", values))
            continue
        try:
            model = of_images(load_model(classifier.card(), device=device))
            _check(classifier, model, method)
        except CamlucidaError as error:
            loaded.failures.append(Failure.of(classifier.key, error, named=True))
            continue
        loaded.notes += _notes(classifier, model)
        loaded.labels.append(model.card.labels)
        card = classifier.write_card(inputs / "cards").absolute()
        entry = {"card": str(card), "name": classifier.key, "weight": classifier.weight}
        loaded.models.append(entry)
    return loaded


def _titles(classifiers: Sequence[Classifier]) -> dict[str, str]:
    """Key → name for people; two of one name are distinguished by their keys."""
    names = [classifier.title for classifier in classifiers]
    titles = {}
    for classifier in classifiers:
        is_unique = names.count(classifier.title) == 1
        suffix = "" if is_unique else f" ({classifier.key})"
        titles[classifier.key] = f"{classifier.title}{suffix}"
    return titles


def _check_images(images: Sequence[str]) -> None:
    """UsageError where there is no image at all, as of a folder that is missing."""
    files, errors = expand_paths(images)
    if not files and errors:
        raise UsageError(errors[0].what, errors[0].fix)


def _check_labels(requested: Sequence[str], labels: Sequence[Sequence[str]]) -> None:
    """UsageError for a label that no classifier has, where all of them name theirs."""
    if not all(labels):
        return
    names = [label for label in chain.from_iterable(labels) if label]
    folded = set(map(fold, names))
    for label in requested:
        if fold(label) not in folded:
            what = f"no classifier has the label {label!r}"
            raise UsageError(what, did_you_mean(label, dict.fromkeys(names), limit=20))


def _check(classifier: Classifier, model: LoadedModel, method: str) -> None:
    """ModelMismatchError where the classifier cannot be part of an ensemble."""
    card, entry = model.card, classifier.entry
    if card.task not in TASKS:
        what = f"its task is {card.task}, and an ensemble is of classifiers"
        raise ModelMismatchError(what, f"tasks: {', '.join(TASKS)}")
    size = card.input.height_width
    if entry.input_size is not None and size != (entry.input_size,) * 2:
        what = f"input_size = {entry.input_size}, but its card states {size[0]} × {size[1]}"
        raise ModelMismatchError(what, "correct one of them")
    layers = (card.layer,) if isinstance(card.layer, str) else tuple(card.layer)
    Worker(model, "", make_recipe(model, TARGETS, (method,), layers)).check()


def _notes(classifier: Classifier, model: LoadedModel) -> Iterator[Message]:
    """What was assumed of a classifier."""
    entry, outputs = classifier.entry, len(model.card.labels)
    stated = entry.num_pathologies
    if stated is not None and stated != outputs:
        values: dict[str, Value] = {"classifier": classifier.title}
        values |= {"stated": stated, "outputs": outputs}
        yield Message("ensemble_notes.outputs", values)
    is_checkpoint = classifier.factory and classifier.file is not None
    if is_checkpoint and not isinstance(entry.default_weight, str):
        names = {"classifier": classifier.title, "factory": classifier.factory}
        file = "" if classifier.file is None else classifier.file.name
        yield Message("ensemble_notes.assumed", {**names, "file": file})


def _same_weights(run: Run, titles: Mapping[str, str]) -> Iterator[Message]:
    """Where two classifiers have the same weights, their agreement means nothing."""
    first_of: dict[str, str] = {}
    for model in run.about["models"]:
        first = first_of.setdefault(model["sha256"], model["name"])
        if first != model["name"]:
            names = {"first": titles[first], "second": titles[model["name"]]}
            yield Message("ensemble_notes.same_weights", names)
