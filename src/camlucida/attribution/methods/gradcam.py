"""Grad-CAM."""

from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.core.tensors import spatial, weighted_sum


@method(
    "gradcam",
    "Grad-CAM",
    "Selvaraju et al. 2017, ICCV, Eq. 1–2",
    relu=True,
    description="activations weighted by the mean gradient of each channel, then ReLU [@selvaraju2017]",
)
def gradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Activations weighted by the mean gradient of each channel.

    ``α_k = (1/N) Σ_ij ∂y/∂A_k(i, j)`` (Eq. 1), ``L = ReLU(Σ_k α_k A_k)`` (Eq. 2); the ReLU is left to ``Explanation.map()``.

    Args:
        activations: (B, K, *grid).
        gradients: (B, K, *grid).

    Returns:
        (B, *grid), signed.
    """
    return weighted_sum(gradients.mean(spatial(gradients)), activations)
