"""Grad-CAM, element-wise."""

from torch import Tensor

from camlucida.attribution.methods.base import method


@method(
    "gradcam_elementwise",
    "Grad-CAM element-wise",
    "Gildenblat et al. 2021, pytorch-grad-cam (no paper): HiResCAM with a ReLU a channel",
    description=(
        "the positive part of gradient times activation of each channel, summed; it "
        "has no paper of its own"
    ),
    formula="Σ_k relu(g_k A_k)",
    use="evidence for the label alone, cell by cell",
    avoid="evidence against it",
)
def gradcam_elementwise(activations: Tensor, gradients: Tensor) -> Tensor:
    """HiResCAM of which each channel keeps only its positive part.

    ``L = Σ_k ReLU(∂y/∂A_k ⊙ A_k)``.

    Args:
        activations: (B, K, *grid).
        gradients: (B, K, *grid).

    Returns:
        (B, *grid), ≥ 0, in score units.

    >>> import torch
    >>> activations = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]]]])
    >>> gradients = torch.tensor([[[[1.0, 1.0], [1.0, -1.0]]]])
    >>> gradcam_elementwise(activations, gradients)
    tensor([[[1., 2.],
             [0., 0.]]])
    """
    return (gradients * activations).relu().sum(1)
