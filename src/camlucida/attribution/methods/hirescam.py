"""HiResCAM."""

from torch import Tensor

from camlucida.attribution.methods.base import method


@method(
    "hirescam",
    "HiResCAM",
    "Draelos & Carin 2020, arXiv 2011.08891, Eq. 5",
    description=(
        "gradient times activation, cell by cell, summed over channels, signed [@draelos2020]"
    ),
    formula="Σ_k g_k A_k",
    use="what adds up to the score behind pooling and a linear head",
    avoid="a smooth picture",
)
def hirescam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Activations times gradients, cell by cell, summed over channels.

    ``L = Σ_k ∂y/∂A_k ⊙ A_k`` (Eq. 5), signed. Where global average pooling and a linear layer
    follow, its cells sum to the logit less the bias, and it equals Grad-CAM.

    Args:
        activations: (B, K, *grid).
        gradients: (B, K, *grid).

    Returns:
        (B, *grid), signed, in score units.

    >>> import torch
    >>> activations = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]]]])
    >>> gradients = torch.tensor([[[[1.0, 1.0], [1.0, -1.0]]]])
    >>> hirescam(activations, gradients)
    tensor([[[ 1.,  2.],
             [ 0., -4.]]])
    """
    return (gradients * activations).sum(1)
