"""HiResCAM."""

from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.core.messages import Message, declare

declare(
    "caution",
    {
        "cancels": (
            "the channels of HiResCAM cancel in every cell, as they do before a normalisation over "
            "channels (LayerNorm), which no scale passes: what is left is rounding; explain the "
            "layer behind the normalisation, or use gradcam"
        )
    },
)

RELATIVE_ROUNDING = 1e-4
"""Share of Σ_k |g_k A_k| below which the sum over channels is rounding, or the ε of a LayerNorm."""


def cancelled(maps: Tensor, activations: Tensor, gradients: Tensor) -> list[Message | None]:
    """What is to be said where nothing but rounding is left of the sum over channels.

    A LayerNorm over channels gives the same for A and for cA, so that Σ_k g_k A_k = 0 in each cell
    (Euler's theorem for functions of degree 0).

    Args:
        maps: (B, *grid).
        activations: (B, K, *grid).
        gradients: (B, K, *grid).

    Returns:
        A message an image; None where some cell is more than rounding, or all gradients are 0.
    """
    terms = (gradients * activations).abs().sum(1).flatten(1).amax(1)
    left = maps.abs().flatten(1).amax(1)
    small = (left < RELATIVE_ROUNDING * terms).tolist()
    return [Message("caution.cancels") if each else None for each in small]


@method(
    "hirescam",
    "HiResCAM",
    "Draelos & Carin 2020, arXiv 2011.08891, Eq. 5",
    description=(
        "gradient times activation, cell by cell, summed over channels, signed [@draelos2020]"
    ),
    caution=cancelled,
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
