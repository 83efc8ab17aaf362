"""Explain a training run, and check its model against the predictions that the run stored.

Every validation image goes through the checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.core.files import write_toml
from camlucida.core.messages import Message, prefixed
from camlucida.datasets.patients import NO_PATIENTS
from camlucida.datasets.prediction_tables import PROBABILITY
from camlucida.io.keyed_files import actual_path, inputs_folder
from camlucida.io.tables import write_table
from camlucida.models import Card, InputSpec, load_model
from camlucida.models.assumptions import RecognisedCard
from camlucida.models.card import is_factory
from camlucida.models.layers import resolve
from camlucida.models.recognise import recognise
from camlucida.models.state import unwrap
from camlucida.runs import Run, execute
from camlucida.runs.keyed import is_keyed, kept_notes, keyed_folder
from camlucida.runs.mismatch import mark_mismatch
from camlucida.workflows.training_runs.fitted import with_fitted_input
from camlucida.workflows.training_runs.folders import SUMMARY, TrainingRun
from camlucida.workflows.training_runs.results import PredictionCheck
from camlucida.workflows.training_runs.validation import Validation

SIZES = ("img_size", "image_size", "input_size")

Progress = Callable[..., object]


@dataclass(frozen=True)
class ExplainOptions:
    """How to explain.

    Attributes:
        model: card or factory; None recognises the checkpoint.
        method: of the maps.
        layers: the first is that of the class grids.
        target: ``predicted``, ``truth`` or a class.
        device, batch_size: as in :func:`camlucida.runs.execute`.
    """

    model: str | None = None
    method: str = "gradcam"
    layers: tuple[str, ...] = ("auto",)
    target: str = "predicted"
    device: str = "auto"
    batch_size: int | None = None


@dataclass
class ExplainedTraining:
    """The maps of a training run.

    Attributes:
        run: of the maps.
        card: of the model.
        check: of the model against the stored predictions.
        failures: images without a map.
        notes: for the reader.
        searched: whether a preprocessing that reproduces the stored predictions was looked for,
            in vain.
    """

    run: Run
    card: Card
    check: PredictionCheck
    failures: list[Failure] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)
    searched: bool = False


def explain_training(
    training: TrainingRun,
    validation: Validation,
    options: ExplainOptions,
    out: Path,
    about: Mapping[str, Any],
    progress: Progress,
    likely: Sequence[InputSpec] = (),
    deidentify: bool = False,
) -> ExplainedTraining:
    """Explain all validation images into the run ``out``, or resume it.

    Args:
        training: the run whose checkpoint is explained.
        validation: its images.
        options: how to explain.
        out: folder of the maps.
        about, progress: as in :func:`camlucida.runs.execute`.
        likely: preprocessing of the other runs of the pack.
        deidentify: as in :func:`camlucida.runs.execute`.

    Raises:
        UsageError, ModelError, LayerError: the checkpoint is not recognised or has other classes;
            the request is wrong.
    """
    recognised = _recognise(training, validation.predictions.labels, options.model)
    _check_layers(recognised.card, options)
    keyed = keyed_folder(out, deidentify)
    inputs = inputs_folder(out, keyed) / "inputs"
    recognised, searched = with_fitted_input(
        recognised, training, validation, options.device, inputs, likely
    )
    table = validation.table()
    outcome = execute(
        _write_cohort(inputs, training, recognised.card, table, options),
        out,
        resume=True,
        device=options.device,
        batch_size=options.batch_size,
        about=about,
        deidentify=keyed,
        progress=progress,
    )
    run = Run.open(out)
    failures = [
        replace(failure, what=f"{training.key}: {failure.what}") for failure in outcome.failures
    ]
    if not run.counts["done"]:
        fix = str(failures[0]) if failures else ""
        raise UsageError(f"{training.folder}: no image could be explained", fix)
    notes = [prefixed("model", note) for note in kept_notes(run.about, recognised.notes)]
    # The predictions file has noted already that patients are unknown.
    notes += [_without_name(note, training) for note in outcome.notes if note != NO_PATIENTS]
    check = check_predictions(run, table)
    mark_mismatch(out, check.wrong)
    return ExplainedTraining(Run.open(out), recognised.card, check, failures, notes, searched)


def _check_layers(card: Card, options: ExplainOptions) -> None:
    """LayerError for a layer that the model lacks, before a search that may take a minute."""
    named = [layer for layer in options.layers if layer != "auto"]
    if not named:
        return
    module = unwrap(load_model(card, device=options.device).module)
    for layer in named:
        resolve(module, layer)


def _without_name(note: Message, training: TrainingRun) -> Message:
    """The note without the name of the run, which the pack puts before all of them."""
    line = note.values.get("line")
    named = note.code == "words.of" and note.values.get("of") == training.key
    return line if named and isinstance(line, Message) else note


def check_predictions(run: Run, table: pd.DataFrame) -> PredictionCheck:
    """Compare the predictions of a run with those of the file.

    Args:
        run: of the maps.
        table: of :meth:`Validation.table`.
    """
    predictions = run.predictions()
    predictions["path"] = predictions["path"].map(actual_path).map(str)
    computed = predictions.pivot(index="path", columns="label", values="probability")
    rows = table[table["path"].isin(computed.index)]
    columns = [name for name in table.columns if name.startswith(PROBABILITY)]
    classes = [name.removeprefix(PROBABILITY) for name in columns]
    probabilities = computed.loc[rows["path"], classes].to_numpy(np.float64)
    predicted = np.array(classes, object)[probabilities.argmax(1)]
    stated = (rows["predicted"] != "").to_numpy()
    differ = stated & (predicted != rows["predicted"].to_numpy())
    check = PredictionCheck(images=int(stated.sum()), differ=int(differ.sum()))
    distance = np.abs(probabilities - rows[columns].to_numpy(np.float64)).max(1)
    measured = distance[np.isfinite(distance)]
    if not len(measured):
        return check
    worst = _name_in(run, rows.iloc[int(np.nanargmax(distance))], predictions)
    largest, median = float(measured.max()), float(np.median(measured))
    return check.model_copy(update={"largest": largest, "median": median, "worst": worst})


def _name_in(run: Run, row: pd.Series, predictions: pd.DataFrame) -> str:
    """What the file calls the image of a row; its id in a run with keyed names."""
    if not is_keyed(run.about):
        return str(row["image"])
    return str(predictions["image"][predictions["path"] == row["path"]].iloc[0])


def _recognise(
    training: TrainingRun, classes: tuple[str, ...], model: str | None
) -> RecognisedCard:
    """Recognise the checkpoint; its input as the summary states it, its labels the classes."""
    size = _stated_size(training)
    recognised = recognise(
        training.checkpoint, task="multiclass", outputs=len(classes), model=model, size=size
    )
    labels = recognised.card.labels
    if len(labels) not in (0, len(classes)):
        what = f"{model} has {len(labels)} labels for {len(classes)} classes"
        raise UsageError(what, "is it the card of this model?")
    recognised = recognised.update(labels=classes)
    # A card that was named states its input itself; a factory does not.
    stated = training.summary.get("input")
    if not isinstance(stated, Mapping) or not (model is None or is_factory(model)):
        return recognised
    return recognised.with_input(_stated_input(training, stated, size), SUMMARY)


def _stated_size(training: TrainingRun) -> int | None:
    size = training.stated(*SIZES)
    whole = isinstance(size, int) and not isinstance(size, bool)
    return size if whole and size > 0 else None


def _stated_input(training: TrainingRun, stated: Mapping[str, Any], size: int | None) -> InputSpec:
    fields = dict(stated)
    if size is not None:
        fields.setdefault("size", size)
    try:
        return InputSpec.model_validate(fields)
    except ValidationError as error:
        what = f"{training.folder / SUMMARY}: input: {error.errors()[0]['msg']}"
        raise UsageError(what, "write it as [input] of a model card, or leave it out") from error


def _write_cohort(
    folder: Path, training: TrainingRun, card: Card, table: pd.DataFrame, options: ExplainOptions
) -> Path:
    """COHORT.toml, its table and its model's card; the path of the first."""
    patients_known = bool((table["patient"] != "").any())
    splits_known = bool((table["split"] != "").any())
    known = {"patient": patients_known, "split": splits_known}
    columns = ["path", "truth", *(name for name, is_known in known.items() if is_known)]
    write_table(table[columns], folder / "images.parquet")
    write_toml(folder / "model.toml", card.model_dump(mode="json", exclude_unset=True))
    model: dict[str, str | int] = {"card": "model.toml", "name": training.key}
    if training.seed is not None:
        model["seed"] = training.seed
    if training.fold is not None:
        model["fold"] = training.fold
    cohort = {
        "name": training.key,
        "table": "images.parquet",
        "models": [model],
        "columns": {
            "path": "path",
            "labels": "truth",
            "patient": "patient" if patients_known else None,
            "split": "split" if splits_known else None,
        },
        "explain": {
            "target": options.target,
            "method": options.method,
            "layer": list(options.layers),
        },
    }
    write_toml(folder / "cohort.toml", cohort)
    return folder / "cohort.toml"
