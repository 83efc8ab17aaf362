"""Grad-CAM++."""

import torch
from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.core.tensors import over_grid, spatial, weighted_sum


@method(
    "gradcam_pp",
    "Grad-CAM++",
    "Chattopadhay et al. 2018, WACV, Eq. 10, 11 and 19",
    relu=True,
    description=(
        "positive gradients weighted cell by cell before they are summed, then ReLU "
        "[@chattopadhay2018]"
    ),
)
def gradcam_pp(activations: Tensor, gradients: Tensor) -> Tensor:
    """Activations weighted by positive gradients, each cell by its share of the evidence.

    ``α_k(i, j) = g² / (2 g² + g³ Σ_ab A_k(a, b))`` (Eq. 19; 0 where g = 0), ``w_k = Σ_ij α_k
    ReLU(g)`` (Eq. 11), ``L = ReLU(Σ_k w_k A_k)`` (Eq. 10). The paper differentiates exp(y); its
    factor is one number an image, and left out. The sum of Eq. 19 runs over the activations alone,
    Σ A, not over g³A.

    Args:
        activations: (B, K, *grid).
        gradients: (B, K, *grid).

    Returns:
        (B, *grid); the weights are ≥ 0 where activations are.

    >>> activations = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]]]])
    >>> gradients = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    >>> gradcam_pp(activations, gradients)
    tensor([[[0.2222, 0.4444],
             [0.0000, 0.8889]]])
    """
    total = over_grid(activations.sum(spatial(activations)), activations)
    denominator = 2 + gradients * total  # Eq. 19 over g²: no power of a tiny gradient underflows
    defined = (gradients != 0) & (denominator != 0)
    alpha = torch.where(defined, 1 / torch.where(defined, denominator, 1.0), 0.0)
    weights = (alpha * gradients.relu()).sum(spatial(gradients))
    return weighted_sum(weights, activations)
