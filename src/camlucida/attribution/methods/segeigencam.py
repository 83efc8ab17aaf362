"""Seg-Eigen-CAM."""

from __future__ import annotations

from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.core.messages import Message, declare
from camlucida.core.tensors import ORIENTED, first_component

declare(
    "caution",
    {
        "even_signs": (
            "the largest and the smallest value of the first principal component hardly differ in "
            "magnitude: which of them is for the score is not known"
        )
    },
)


def unclear_sign(maps: Tensor, activations: Tensor, gradients: Tensor) -> list[Message | None]:
    """What is to be said where the largest and the smallest value hardly differ in magnitude.

    Args:
        maps: (B, *grid).
        activations, gradients: (B, K, *grid), not used.
    """
    flat = maps.flatten(1)
    high, low = flat.amax(1), -flat.amin(1)
    clear = (high - low > ORIENTED * high) | (high == 0)
    return [None if good else Message("caution.even_signs") for good in clear.tolist()]


@method(
    "segeigencam",
    "Seg-Eigen-CAM",
    "Chung & Ying 2025, Applied Sciences 15(13):7562, Eq. 10–13",
    description=(
        "the first principal component of the activations times the magnitude of their gradient "
        "[@chung2025]"
    ),
    caution=unclear_sign,
    formula="(|g| A) V₁",
    use="segmentation, with evidence for and against",
    avoid="telling the two apart",
)
def segeigencam(activations: Tensor, gradients: Tensor) -> Tensor:
    """First principal component of |gradients| × activations, for segmentation networks.

    ``|g| ⊙ A = U Σ Vᵀ`` as (positions × channels) (Eq. 10–11), not centred, ``L = (|g| ⊙ A) V_1``
    with the sign that makes the value of the largest magnitude positive (Eq. 13). A gradient for
    and one against the score count alike.

    Args:
        activations: (B, K, *grid).
        gradients: (B, K, *grid).

    Returns:
        (B, *grid), signed, in score units.

    >>> import torch
    >>> activations = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]]]])
    >>> gradients = torch.tensor([[[[1.0, -1.0], [0.0, 0.0]]]])
    >>> segeigencam(activations, gradients)
    tensor([[[1., 2.],
             [0., 0.]]])
    """
    evidence = gradients.abs() * activations
    maps = first_component(evidence, evidence.sum(1))
    flat = maps.flatten(1)
    against = -flat.amin(1) > flat.amax(1)
    sign = 1 - 2 * against.to(maps.dtype)
    return maps * sign.reshape(-1, *(1,) * (maps.ndim - 1))
