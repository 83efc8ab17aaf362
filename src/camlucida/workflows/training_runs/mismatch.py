"""A model that does not reproduce the predictions that its training run stored."""

from __future__ import annotations

from camlucida.core.errors import CamlucidaError, ModelError
from camlucida.models.load import load_model
from camlucida.workflows.preprocessing_fit.agreement import stored_outputs
from camlucida.workflows.preprocessing_fit.candidates import described
from camlucida.workflows.preprocessing_fit.job import fit_stored
from camlucida.workflows.training_runs.explain import ExplainedTraining
from camlucida.workflows.training_runs.folders import TrainingRun
from camlucida.workflows.training_runs.validation import Validation

IMAGES = 16
"""Images that the usual pipelines are tried on."""

SECONDS = 60.0
"""After this time no more pipelines are tried."""

GO_ON = "--accept-mismatch goes on, with every figure stamped"

CAUSES = (
    "no usual preprocessing reproduces them; often they are of the last epoch and the checkpoint "
    "is the best one"
)


def mismatch_error(
    training: TrainingRun, validation: Validation, explained: ExplainedTraining, device: str
) -> ModelError:
    """Why a run is not packed, and which preprocessing would reproduce its predictions.

    Args:
        training: the run.
        validation: its stored predictions and their images.
        explained: its maps, whose predictions differ.
        device: that the usual pipelines are tried on.
    """
    check = explained.check
    numbers = f"another class in {check.differ} of {check.images} images"
    if check.median is not None:
        numbers += f", probabilities differ by {check.median:.2g} in the median image"
    what = f"{training.folder}: the model does not reproduce its stored predictions: {numbers}"
    return ModelError(what, f"{_suggestion(validation, explained, device)}; {GO_ON}")


def _suggestion(validation: Validation, explained: ExplainedTraining, device: str) -> str:
    try:
        model = load_model(explained.card, device=device)
        stored = stored_outputs(validation.predictions, validation.files)
        fit = fit_stored(model, stored, open_size=True, most_images=IMAGES, seconds=SECONDS)
    except CamlucidaError:
        return CAUSES
    if fit.verdict != "same":
        return CAUSES
    pipeline = described(fit.best.keys)
    return (
        f"this preprocessing does: {pipeline}. camlucida fit-preprocessing writes its card, "
        "which --model names"
    )
