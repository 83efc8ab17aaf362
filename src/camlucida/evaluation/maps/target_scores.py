"""Scores and probabilities of targets for model inputs that were altered."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from camlucida.attribution.explained_model import ExplainedModel, run_batch
from camlucida.attribution.targets import Target, probability_of

NAN = float("nan")


def target_scores(
    model: ExplainedModel, inputs: Tensor, targets: Sequence[Sequence[Target]]
) -> list[Tensor]:
    """One forward: of each input the score, then the probability, of each of its targets.

    Call it inside :func:`camlucida.models.state.frozen`.

    Args:
        model: that is run.
        inputs: (N, C, *spatial), prepared for the model.
        targets: of each input.

    Returns:
        N times (2 T,), T targets of the input; a probability is NaN where the model has none.
    """
    weight = next(model.module.parameters(), None)
    floating = weight is not None and weight.is_floating_point()
    like = weight if weight is not None and floating else torch.zeros(())
    output = run_batch(model, inputs.to(like))
    rows = []
    for i, of_input in enumerate(targets):
        logits = output.logits[i : i + 1]
        probabilities = output.probabilities
        of_image = None if probabilities is None else probabilities[i : i + 1]
        outputs = [target(logits) for target in of_input]
        outputs += [_probability(target, of_image, logits) for target in of_input]
        rows.append(torch.cat(outputs))
    return rows


def _probability(target: Target, probabilities: Tensor | None, logits: Tensor) -> Tensor:
    """(1,) the probability of a target of one image; NaN for a model without probabilities."""
    if probabilities is None:
        return logits.new_full((1,), NAN)
    return probability_of(target, probabilities).to(logits)
