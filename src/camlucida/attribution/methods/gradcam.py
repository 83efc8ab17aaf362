"""Grad-CAM."""

from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.core.tensors import spatial, weighted_sum


@method(
    "gradcam",
    "Grad-CAM",
    "Selvaraju et al. 2017, ICCV, Eq. 1–2",
    relu=True,
    description=(
        "activations weighted by the mean gradient of each channel, then ReLU [@selvaraju2017]"
    ),
    formula="Σ_k mean(g_k) A_k",
    use="a first look at a late layer of a CNN",
    avoid="early layers, where a mean gradient means little",
)
def gradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Activations weighted by the mean gradient of each channel.

    ``α_k = (1/N) Σ_ij ∂y/∂A_k(i, j)`` (Eq. 1), ``L = ReLU(Σ_k α_k A_k)`` (Eq. 2); the ReLU is left
    to ``Explanation.map()``.

    Args:
        activations: (B, K, *grid).
        gradients: (B, K, *grid).

    Returns:
        (B, *grid), signed.

    >>> import torch
    >>> activations = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]]]])
    >>> gradients = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    >>> gradcam(activations, gradients)
    tensor([[[0.5000, 1.0000],
             [0.0000, 2.0000]]])
    """
    return weighted_sum(gradients.mean(spatial(gradients)), activations)
