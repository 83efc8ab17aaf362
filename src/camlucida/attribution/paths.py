"""Gradients integrated on straight lines that lead from references to what is explained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from camlucida.core.messages import Message, declare

TOLERATED = 0.05
"""A gap of the sum of a larger share of the difference in score is said."""

declare(
    "caution",
    {
        "completeness": (
            "the cells of the integrated gradients add up to {sum:.3g}, and the score differs from "
            "that of the reference by {difference:.3g}: the integral is not exact here"
        )
    },
)


def path_attributions(
    values: Tensor, references: Tensor, gradients: Callable[[Tensor], Tensor], nodes: int
) -> Tensor:
    """``(v − v') ⊙ ∫₀¹ ∂y/∂v (v' + α (v − v')) dα``, the mean over references v'.

    Args:
        values: (1, K, *grid), pixels or activations.
        references: (R, K, *grid), where the lines begin.
        gradients: (N, K, *grid) on the lines → (T, N, K, *grid).
        nodes: of the Gauss–Legendre rule on each line; exact for polynomials up to the degree
            2 nodes − 1 along it.

    Returns:
        (T, K, *grid), in the units of the score.

    The gradient of v² is 2v; its integral from 1 to 3 is 3² − 1² = 8:

    >>> three, one = torch.full((1, 1, 1), 3.0), torch.ones(1, 1, 1)
    >>> path_attributions(three, one, lambda v: (2 * v)[None], 2)
    tensor([[[8.]]])
    """
    points, weights = np.polynomial.legendre.leggauss(nodes)
    steps = torch.from_numpy((points + 1) / 2).to(values)
    shares = torch.from_numpy(weights / 2).to(values)
    along = steps.reshape(-1, *(1,) * (values.ndim - 1))
    total: Tensor | None = None
    for reference in references:
        difference = values[0] - reference
        at_nodes = gradients(reference + along * difference)
        integral = torch.einsum("n,tn...->t...", shares.to(at_nodes), at_nodes) * difference
        total = integral if total is None else total + integral
    assert total is not None
    return total / len(references)


def check_completeness(maps: Tensor, differences: Tensor, cautions: list[Message]) -> None:
    """Note where maps do not add up to what they have to.

    Args:
        maps: (T, *grid), each an integral.
        differences: (T,) of the scores of what is explained and of the references.
        cautions: takes the note.

    >>> cautions = []
    >>> check_completeness(torch.tensor([[1.0, 1.0]]), torch.tensor([4.0]), cautions)
    >>> [caution.code for caution in cautions]
    ['caution.completeness']
    """
    sums = maps.flatten(1).sum(1)
    scale = torch.maximum(differences.abs(), maps.abs().flatten(1).sum(1) * 1e-2)
    gaps = (sums - differences).abs()
    if bool((gaps > TOLERATED * scale).any()):
        worst = int(gaps.argmax())
        values = {"sum": float(sums[worst]), "difference": float(differences[worst])}
        cautions.append(Message("caution.completeness", values))
