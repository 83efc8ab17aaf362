"""The scores that targets make of a batch's logits."""

from __future__ import annotations

from torch import Tensor

from camlucida.attribution.explained_batch import ExplainedBatch
from camlucida.attribution.targets import Difference, Label, Target
from camlucida.core.errors import TargetError
from camlucida.models.outputs import on_host


def target_scores(explained: ExplainedBatch) -> list[list[float]]:
    """The score of each target of each image.

    Args:
        explained: the batch after its forward pass.

    Raises:
        TargetError: a target does not fit the model's output.
    """
    logits = explained.output.logits.detach()
    # One copy to the CPU for what is read number by number; a region is reduced where it is.
    host = on_host(logits)
    scores: list[list[float]] = []
    for i, targets in enumerate(explained.targets):
        here, there = host[i : i + 1], logits[i : i + 1]
        scores.append([])
        for target in targets:
            by_number = isinstance(target, (Label, Difference))
            scores[i].append(_score(target, here if by_number else there))
    return scores


def _score(target: Target, logits: Tensor) -> float:
    """The number that ``target`` makes of one image's logits (1, C, …)."""
    shape = tuple(logits.shape)
    try:
        score = target(logits)
    except (RuntimeError, LookupError, TypeError) as error:
        raise TargetError(
            f"target {target.name!r} does not fit an output of shape {shape}: {error}"
        ) from error
    if score.shape != (1,):
        raise TargetError(
            f"target {target.name!r} makes shape {tuple(score.shape)} of an output of shape "
            f"{shape}",
            "a target is one number an image, (B, C, …) → (B,)",
        )
    return float(score)
