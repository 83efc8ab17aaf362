"""Grad-CAM."""

from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.core.messages import Message, declare
from camlucida.core.tensors import mean_over_grid, spatial, weighted_sum

declare(
    "caution",
    {
        "weights": (
            "the weight of every channel is zero but for rounding, as it is before a normalisation "
            "or a softmax over places (InstanceNorm, attention), which no constant passes: explain "
            "the layer behind it, or use hirescam"
        )
    },
)

_ROUNDING = 1e-4
"""Share of Σ|x| below which the sum over places is rounding, or the ε of a normalisation."""


def without_weights(maps: Tensor, activations: Tensor, gradients: Tensor) -> list[Message | None]:
    """What is to be said where the mean gradient of every channel is nothing but rounding.

    What takes the mean over places away gives the same for A_k and for A_k + c, so that
    Σ_ij ∂y/∂A_k(i, j) = 0.

    Args:
        maps: not used.
        activations: not used.
        gradients: (B, K, *grid).

    Returns:
        A message an image; None where some channel has a weight, or all gradients are 0.
    """
    return vanishing(gradients)


def vanishing(terms: Tensor) -> list[Message | None]:
    """What is to be said where sums over places, of which weights are made, are rounding.

    Args:
        terms: (B, K, *grid) that are summed.

    Returns:
        A message an image; None where some channel has a sum, or all terms are 0.
    """
    axes = spatial(terms)
    if all(terms.stride(axis) == 0 for axis in axes):  # one value in all places, as behind pooling
        return [None] * len(terms)
    sums, sizes = terms.sum(axes).abs().amax(1), terms.abs().sum(axes).amax(1)
    small = (sums < _ROUNDING * sizes).tolist()
    return [Message("caution.weights") if each else None for each in small]


@method(
    "gradcam",
    "Grad-CAM",
    "Selvaraju et al. 2017, ICCV, Eq. 1–2",
    relu=True,
    description=(
        "activations weighted by the mean gradient of each channel, then ReLU [@selvaraju2017]"
    ),
    caution=without_weights,
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
    return weighted_sum(mean_over_grid(gradients), activations)
