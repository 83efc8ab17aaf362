"""Metrics of the maps of one image and of copies altered along the gradient and by noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from camlucida.attribution.explained_model import (
    ExplainedModel,
    ModelWithCard,
    explained_model,
    run_batch,
)
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.targets import Target
from camlucida.core.scan import Scan
from camlucida.evaluation.maps.choice import with_inputs
from camlucida.evaluation.maps.explained_again import key_of, of_copies
from camlucida.evaluation.maps.scores import NAN, Score
from camlucida.metrics import METRICS
from camlucida.metrics.prediction_saliency import altered_copies
from camlucida.models.state import frozen


def altered_scores(
    model: nn.Module | ModelWithCard,
    scan: Scan,
    explanations: Sequence[Explanation],
    names: Sequence[str],
    seed: int,
) -> Iterator[tuple[Explanation, str, Score]]:
    """The metrics of altered copies, target by target: each target has copies of its own.

    Args, Yields: as of :func:`~camlucida.evaluation.maps.stability.stability_scores`.
    """
    wanted = with_inputs("altered maps", among=names)
    if not wanted:
        return
    explained = explained_model(model)
    for target in dict.fromkeys(explanation.target for explanation in explanations):
        of_target = [e for e in explanations if e.target == target and e.explained is not None]
        if not of_target:
            continue
        gradient = input_gradient(explained, scan.tensor, of_target[0].explained)
        copies = altered_copies(scan.tensor, gradient, seed)
        again = of_copies(model, scan, of_target, list(copies))
        for explanation in of_target:
            of_map = again[key_of(explanation)]
            heat = explanation.map(explanation.grid)
            maps = [copy.map(copy.grid) for copy in of_map]
            scores = [_prediction(copy) for copy in of_map]
            for name in wanted:
                metric = METRICS[name]
                value = float(metric.run(heat, maps, _prediction(explanation), scores))
                level = NAN if metric.chance_level is None else metric.chance_level()
                yield explanation, name, Score(value, level)


def input_gradient(model: ExplainedModel, tensor: Tensor, target: Target | None) -> Tensor | None:
    """The gradient of a target's score by the image.

    Args:
        model: whose gradient it is.
        tensor: (C, *spatial).
        target: logits → score.

    Returns:
        (C, *spatial); None where the score has no gradient by the image.
    """
    weight = next(model.module.parameters(), None)
    floating = weight is not None and weight.is_floating_point()
    like = weight if weight is not None and floating else torch.zeros(())
    inputs = tensor[None].to(like).requires_grad_()
    if target is None:
        return None
    try:
        with frozen(model.module), torch.enable_grad():
            score = target(run_batch(model, inputs).logits).sum()
            (gradient,) = torch.autograd.grad(score, inputs)
    except RuntimeError:
        # Cut off, quantised, or a recurrent kernel without a backward pass: noise alone remains.
        return None
    return gradient[0].detach().cpu()


def _prediction(explanation: Explanation) -> float:
    """The probability where the model has one, else the score."""
    probability = explanation.probability
    return explanation.score if probability is None else probability
