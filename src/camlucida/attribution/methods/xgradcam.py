"""XGrad-CAM."""

import torch
from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.attribution.methods.gradcam import vanishing
from camlucida.core.messages import Message
from camlucida.core.tensors import spatial, weighted_sum

RELATIVE_ZERO = 1e-8
"""Below this share of Σ|A|, ΣA is rounding noise."""


def without_shares(maps: Tensor, activations: Tensor, gradients: Tensor) -> list[Message | None]:
    """What is to be said where Σ_ij g_k A_k of every channel is nothing but rounding.

    Args:
        maps: not used.
        activations: (B, K, *grid).
        gradients: (B, K, *grid).

    Returns:
        A message an image; None where some channel has a weight, or all gradients are 0.
    """
    return vanishing(gradients * activations)


@method(
    "xgradcam",
    "XGrad-CAM",
    "Fu et al. 2020, BMVC, Eq. 7–8",
    relu=True,
    description=(
        "gradients weighted by each channel's share of its own activation, then ReLU [@fu2020]"
    ),
    caution=without_shares,
    formula="Σ_k (Σ g_k A_k / Σ A_k) A_k",
    use="layers behind a ReLU",
    avoid="signed activations: weights near 0/0",
)
def xgradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Activations weighted by gradients, each cell by its share of the channel's activation.

    ``w_k = Σ_ij (A_k(i, j) / Σ_ab A_k(a, b)) ∂y/∂A_k(i, j)`` (Eq. 8), ``L = ReLU(Σ_k w_k A_k)``.
    The denominator keeps its sign; a channel whose activations cancel to nothing has no defined
    weight and gets 0.

    Args:
        activations: (B, K, *grid).
        gradients: (B, K, *grid).

    Returns:
        (B, *grid), signed.

    >>> activations = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]]]])
    >>> gradients = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    >>> xgradcam(activations, gradients)
    tensor([[[0.4286, 0.8571],
             [0.0000, 1.7143]]])
    """
    axes = spatial(activations)
    total = activations.sum(axes)
    defined = total.abs() > RELATIVE_ZERO * activations.abs().sum(axes)
    weights = torch.where(
        defined, (gradients * activations).sum(axes) / torch.where(defined, total, 1.0), 0.0
    )
    return weighted_sum(weights, activations)
