"""A training run explained: every validation image through its checkpoint, and whether that says what the run's file says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from camlucida.core.errors import UsageError
from camlucida.core.files import write_toml
from camlucida.core.messages import Message, prefixed
from camlucida.datasets.images import NO_PATIENTS
from camlucida.datasets.predictions import PROBABILITY
from camlucida.io.tables import write_table
from camlucida.models import Card, InputSpec
from camlucida.models.assumptions import RecognisedCard
from camlucida.models.card import is_factory
from camlucida.models.recognise import recognise
from camlucida.runs import Run, execute
from camlucida.workflows.training_runs.folders import SUMMARY, TrainingRun
from camlucida.workflows.training_runs.inputs import Validation
from camlucida.workflows.training_runs.measure import PredictionCheck

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
    """A run of a training run; ``failures``: a line for each image without an answer."""

    run: Run
    card: Card
    check: PredictionCheck
    failures: list[str] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)


def explain_training(
    training: TrainingRun,
    validation: Validation,
    asked: ExplainOptions,
    out: Path,
    about: Mapping[str, Any],
    progress: Progress,
) -> ExplainedTraining:
    """Explain all validation images into the run ``out``, or go on with it.

    Raises:
        UsageError, ModelError, LayerError: the checkpoint is not recognised or has other classes; the request is wrong.
    """
    recognised = _card(training, validation.predictions.labels, asked.model)
    card = recognised.card
    table = validation.table()
    cohort = _write_cohort(out / "inputs", training, card, table, asked)
    outcome = execute(
        cohort,
        out,
        resume=True,
        device=asked.device,
        batch_size=asked.batch_size,
        about=about,
        progress=progress,
    )
    run = Run.open(out)
    failures = [f"{training.key}: {line}" for _, line in outcome.failures]
    if not run.counts["done"]:
        raise UsageError(
            f"{training.folder}: no image could be explained", failures[0] if failures else ""
        )
    notes = [prefixed("model", note) for note in recognised.notes]
    notes += [
        note for note in outcome.notes if note != NO_PATIENTS
    ]  # the predictions file has said so
    return ExplainedTraining(run, card, check(run, table), failures, notes)


def check(run: Run, table: pd.DataFrame) -> PredictionCheck:
    """Compare what a run says with the rows of :meth:`Validation.table`."""
    said = run.predictions().pivot(index="path", columns="label", values="probability")
    rows = table[table["path"].isin(said.index)]
    classes = [
        name.removeprefix(PROBABILITY) for name in table.columns if name.startswith(PROBABILITY)
    ]
    own = said.loc[rows["path"], classes].to_numpy(np.float64)
    known = (rows["predicted"] != "").to_numpy()
    differ = np.array(classes, object)[own.argmax(1)] != rows["predicted"].to_numpy()
    apart = np.abs(own - rows[[PROBABILITY + name for name in classes]].to_numpy(np.float64)).max(1)
    measured = np.isfinite(apart)
    found = PredictionCheck(images=int(known.sum()), differ=int((differ & known).sum()))
    if not measured.any():
        return found
    largest, median, worst = (
        apart[measured].max(),
        np.median(apart[measured]),
        rows["image"].iloc[int(np.nanargmax(apart))],
    )
    return found.model_copy(
        update={"largest": float(largest), "median": float(median), "worst": str(worst)}
    )


def _card(training: TrainingRun, classes: tuple[str, ...], model: str | None) -> RecognisedCard:
    """Recognised, of the size and input that the summary states, with the classes as labels."""
    size = training.said(*SIZES)
    whole = size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None
    recognised = recognise(
        training.checkpoint, task="multiclass", outputs=len(classes), model=model, size=whole
    )
    labels = recognised.card.labels
    if len(labels) not in (0, len(classes)):
        raise UsageError(
            f"{model} has {len(labels)} labels for {len(classes)} classes",
            "is it the card of this model?",
        )
    recognised = recognised.update(labels=classes)
    stated = training.summary.get("input")
    if not isinstance(stated, Mapping) or not (model is None or is_factory(model)):
        return recognised
    try:
        spec = InputSpec.model_validate({**({} if whole is None else {"size": whole}), **stated})
    except ValidationError as error:
        what = f"{training.folder / SUMMARY}: input: {error.errors()[0]['msg']}"
        raise UsageError(what, "write it as [input] of a model card, or leave it out") from error
    return recognised.with_input(spec, SUMMARY)


def _write_cohort(
    folder: Path, training: TrainingRun, card: Card, table: pd.DataFrame, asked: ExplainOptions
) -> Path:
    """COHORT.toml, its table and its model's card."""
    known = bool((table["patient"] != "").any())
    write_table(
        table[["path", "truth", *(["patient"] if known else [])]], folder / "images.parquet"
    )
    write_toml(folder / "model.toml", card.model_dump(mode="json", exclude_unset=True))
    model = {
        "card": "model.toml",
        "name": training.key,
        "seed": training.seed,
        "fold": training.fold,
    }
    config = {
        "name": training.key,
        "table": "images.parquet",
        "models": [{key: value for key, value in model.items() if value is not None}],
        "columns": {"path": "path", "labels": "truth", "patient": "patient" if known else None},
        "explain": {"target": asked.target, "method": asked.method, "layer": list(asked.layers)},
    }
    write_toml(folder / "cohort.toml", config)
    return folder / "cohort.toml"
