"""The preprocessing of a training run, recovered from its stored predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from camlucida.core.errors import CamlucidaError
from camlucida.core.files import write_json
from camlucida.core.messages import Value
from camlucida.models.assumptions import (
    RecognisedCard,
    assumed_preprocessing,
    assumes_size,
)
from camlucida.models.load import load_model
from camlucida.models.preprocessing.spec import InputSpec
from camlucida.runs.identity import file_sha256
from camlucida.workflows.preprocessing_fit.agreement import stored_outputs
from camlucida.workflows.preprocessing_fit.candidates import described
from camlucida.workflows.preprocessing_fit.job import fit_stored
from camlucida.workflows.training_runs.folders import TrainingRun
from camlucida.workflows.training_runs.validation import Validation

IMAGES = 16
"""Images that the usual pipelines are tried on."""

SECONDS = 60.0
"""After this time no more pipelines are tried."""

RECORD = "fitted_input.json"


@dataclass(frozen=True)
class FittedInput:
    """The result of a search.

    Attributes:
        spec: the preprocessing that reproduces the stored predictions; None where none does.
        values: of the note: pipeline, error and images.
    """

    spec: InputSpec | None = None
    values: tuple[tuple[str, Value], ...] = ()


def with_fitted_input(
    recognised: RecognisedCard,
    training: TrainingRun,
    validation: Validation,
    device: str,
    work: Path,
    likely: Sequence[InputSpec] = (),
) -> tuple[RecognisedCard, bool]:
    """The card with the preprocessing that reproduces the stored predictions.

    A card whose preprocessing is stated is left as it is. What was found is kept in ``work``, so
    that the same call, when it resumes, explains with the same preprocessing.

    Args:
        recognised: the run's card.
        training: the run.
        validation: its stored predictions and their images.
        device: that the usual pipelines are tried on.
        work: folder of the run's inputs.
        likely: what other runs of the same project were recovered with.

    Returns:
        The card, and whether a search was made and no pipeline reproduces the predictions.
    """
    stored_scores = training.predictions is not None
    if not stored_scores or assumed_preprocessing(recognised.notes) is None:
        return recognised, False
    identity = _identity(recognised, training)
    fitted = _earlier(work / RECORD, identity)
    if fitted is None:
        open_size = assumes_size(recognised.notes)
        fitted = fit_input(recognised, validation, device, open_size, likely)
        spec = None if fitted.spec is None else fitted.spec.model_dump(mode="json")
        write_json(work / RECORD, {**identity, "input": spec, "values": dict(fitted.values)})
    if fitted.spec is None:
        return recognised, True
    if fitted.spec == recognised.card.input:
        return recognised, False
    return recognised.with_fitted(fitted.spec, dict(fitted.values)), False


def fit_input(
    recognised: RecognisedCard,
    validation: Validation,
    device: str,
    open_size: bool,
    likely: Sequence[InputSpec] = (),
) -> FittedInput:
    """Search for the preprocessing that reproduces stored predictions.

    Args:
        recognised: the model; its preprocessing is tried first.
        validation: the stored predictions and their images.
        device: of the model.
        open_size: whether the size is only assumed.
        likely: pipelines that are tried next.
    """
    try:
        model = load_model(recognised.card, device=device)
        stored = stored_outputs(validation.predictions, validation.files)
        if not np.isfinite(stored.scores).any():
            return FittedInput()  # classes alone distinguish too few pipelines
        fit = fit_stored(
            model,
            stored,
            open_size=open_size,
            most_images=IMAGES,
            seconds=SECONDS,
            keep_stated=True,
            likely=likely,
        )
    except CamlucidaError:
        return FittedInput()
    if fit.verdict != "same":
        return FittedInput()
    agreement = fit.best.agreement
    values: dict[str, Value] = {
        "pipeline": described(fit.best.keys),
        "error": f"{agreement.error:.2g}",
        "images": agreement.images,
    }
    return FittedInput(fit.best.spec, tuple(values.items()))


def _identity(recognised: RecognisedCard, training: TrainingRun) -> dict[str, Any]:
    assert training.predictions is not None
    return {
        "checkpoint": file_sha256(training.checkpoint),
        "predictions": file_sha256(training.predictions),
        "assumed": recognised.card.input.model_dump(mode="json"),
    }


def _earlier(file: Path, identity: dict[str, Any]) -> FittedInput | None:
    """What an earlier call found for the same files; None for no or another record."""
    try:
        record = json.loads(file.read_text("utf-8"))
        same = all(record[key] == value for key, value in identity.items())
        if not same:
            return None
        spec = record["input"]
        values = tuple(record["values"].items())
        return FittedInput(None if spec is None else InputSpec.model_validate(spec), values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError):
        return None
