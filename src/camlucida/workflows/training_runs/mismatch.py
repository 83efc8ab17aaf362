"""A model that does not reproduce the predictions that its training run stored."""

from __future__ import annotations

from camlucida.core.errors import ModelError
from camlucida.models.assumptions import RecognisedCard
from camlucida.workflows.training_runs.explain import ExplainedTraining
from camlucida.workflows.training_runs.fitted import fit_input
from camlucida.workflows.training_runs.validation import Validation

GO_ON = "--accept-mismatch goes on, with every figure stamped"

CAUSES = (
    "no usual preprocessing reproduces them; often they are of the last epoch and the checkpoint "
    "is the best one"
)


def mismatch_error(validation: Validation, explained: ExplainedTraining, device: str) -> ModelError:
    """Why a run is not packed, and which preprocessing would reproduce its predictions.

    Args:
        validation: its stored predictions and their images.
        explained: its maps, whose predictions differ.
        device: that the usual pipelines are tried on.
    """
    check = explained.check
    numbers = f"another class in {check.differ} of {check.images} images"
    if check.median is not None:
        numbers += f", probabilities differ by {check.median:.2g} in the median image"
    what = f"the model does not reproduce its stored predictions: {numbers}"
    return ModelError(what, f"{_suggestion(validation, explained, device)}; {GO_ON}")


def _suggestion(validation: Validation, explained: ExplainedTraining, device: str) -> str:
    if explained.searched:
        return CAUSES
    recognised = RecognisedCard(explained.card, None)
    open_size = "size" not in explained.card.input.model_fields_set
    fitted = fit_input(recognised, validation, device, open_size)
    if fitted.spec is None:
        return CAUSES
    return (
        f"this preprocessing does: {dict(fitted.values)['pipeline']}. camlucida fit-preprocessing "
        "writes its card, which --model names"
    )
