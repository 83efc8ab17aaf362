"""EigenGrad-CAM."""

from __future__ import annotations

from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.attribution.methods.eigencam import oriented, undetermined


@method(
    "eigengradcam",
    "EigenGrad-CAM",
    "Gildenblat et al. 2021, pytorch-grad-cam (no paper): Eigen-CAM of gradient × activation",
    description=(
        "the first principal component of gradient times activation; it has no paper of its own"
    ),
    caution=undetermined,
    formula="(g A) V₁",
    use="a smoother picture of gradient × activation",
    avoid="a claim on size: the component has no score",
)
def eigengradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """First principal component of gradients × activations.

    ``g ⊙ A = U Σ Vᵀ`` as (positions × channels), not centred, ``L = (g ⊙ A) V_1``, with the sign
    that makes L correlate with Σ_k g_k A_k; |L| where that is not determined, as in Eigen-CAM.

    Args:
        activations: (B, K, *grid).
        gradients: (B, K, *grid).

    Returns:
        (B, *grid), signed.

    >>> import torch
    >>> activations = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]]]])
    >>> gradients = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    >>> eigengradcam(activations, gradients)
    tensor([[[1., 2.],
             [0., 0.]]])
    """
    return oriented(gradients * activations)
