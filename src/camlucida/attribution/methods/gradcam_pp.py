"""Grad-CAM++."""

from __future__ import annotations

from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.core.messages import Message, declare
from camlucida.core.tensors import over_grid, spatial, weighted_sum

declare(
    "caution",
    {
        "pole": (
            "Grad-CAM++ divides by 2 + gΣA, which comes near 0 or below it in "
            "{channels} of {total} channels, whose activations sum to less than 0: "
            "such a sum counts as 0"
        )
    },
)

NEAR_POLE = 1.0
"""A denominator 2 + gΣA below this doubles a weight, or more, beside the largest of the paper's."""


def near_pole(maps: Tensor, activations: Tensor, gradients: Tensor) -> list[Message | None]:
    """What is to be said where the denominator of Eq. 19 comes near 0.

    Args:
        maps: not used.
        activations: (B, K, *grid).
        gradients: (B, K, *grid).

    Returns:
        A message an image; None where no denominator with a positive gradient is small.
    """
    axes = spatial(activations)
    denominator = 2 + gradients * over_grid(activations.sum(axes), activations)
    small = ((denominator < NEAR_POLE) & (gradients > 0)).flatten(2).any(2)
    total = activations.shape[1]
    counts = small.sum(1).tolist()
    return [
        Message("caution.pole", {"channels": count, "total": total}) if count else None
        for count in counts
    ]


@method(
    "gradcam_pp",
    "Grad-CAM++",
    "Chattopadhay et al. 2018, WACV, Eq. 10, 11 and 19",
    relu=True,
    description=(
        "positive gradients weighted cell by cell before they are summed, then ReLU "
        "[@chattopadhay2018]"
    ),
    caution=near_pole,
    formula="Σ_k (Σ α_k relu(g_k)) A_k",
    use="several lesions of one label",
    avoid="signed activations, scores of other units",
)
def gradcam_pp(activations: Tensor, gradients: Tensor) -> Tensor:
    """Activations weighted by positive gradients, each cell by its share of the evidence.

    ``α_k(i, j) = g² / (2 g² + g³ Σ_ab A_k(a, b))`` (Eq. 19; 0 where g = 0), ``w_k = Σ_ij α_k
    ReLU(g)`` (Eq. 11), ``L = ReLU(Σ_k w_k A_k)`` (Eq. 10). The paper differentiates exp(y); its
    factor is one number an image, and left out. The sum of Eq. 19 runs over the activations alone,
    Σ A, not over g³A.

    The paper's activations are those after a ReLU, ΣA ≥ 0, and where g > 0 the denominator is 2 g²
    or more. Of signed activations it can come to 0 and below: a weight without bound, or of the
    wrong sign. A sum below 0 therefore counts as 0, so that 0 ≤ α ≤ ½ always, as in the paper.

    α depends on the unit of the score, by 2 + gΣA: a score that is multiplied by c does not give a
    map multiplied by c. The sum of a region's logits and their mean give different maps.

    Args:
        activations: (B, K, *grid).
        gradients: (B, K, *grid).

    Returns:
        (B, *grid); the weights are ≥ 0 where activations are.

    >>> import torch
    >>> activations = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]]]])
    >>> gradients = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    >>> gradcam_pp(activations, gradients)
    tensor([[[0.2222, 0.4444],
             [0.0000, 0.8889]]])
    """
    axes = spatial(activations)
    total = over_grid(activations.sum(axes).relu(), activations)
    positive = gradients.relu()  # a cell of a negative gradient has no part in a weight
    # Eq. 19 over g²: no power of a tiny gradient underflows.
    alpha = 1 / (2 + positive * total)
    weights = (alpha * positive).sum(axes)
    return weighted_sum(weights, activations)
