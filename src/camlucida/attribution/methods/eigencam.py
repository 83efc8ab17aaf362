"""Eigen-CAM."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from camlucida.attribution.methods.base import method
from camlucida.core.messages import Message, declare
from camlucida.core.tensors import channel_sum, unsigned_component

declare(
    "caution",
    {
        "orientation": (
            "the first principal component has no determined sign here: the map is its magnitude, "
            "and what it is for or against is not known"
        )
    },
)


_DETERMINED: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
"""Maps → (B,) bool, whether their sign and direction are determined: known once they are made."""


def oriented(features: Tensor) -> Tensor:
    """The first principal component, and for :func:`undetermined` whether it is determined.

    Args:
        features: (B, K, *grid), not centred.

    Returns:
        (B, *grid): with the sign that correlates with Σ_k; a magnitude where it is not determined.
    """
    maps, determined = unsigned_component(features, channel_sum(features))
    _DETERMINED[maps] = determined
    return maps


def undetermined(
    maps: Tensor, activations: Tensor, gradients: Tensor | None = None
) -> list[Message | None]:
    """What is to be said where the component's sign or direction is not determined.

    Args:
        maps: (B, *grid), of :func:`oriented`.
        activations, gradients: not used.

    Returns:
        A message an image; None where it is determined.
    """
    determined = _DETERMINED.get(maps, torch.ones(len(maps), dtype=torch.bool))
    return [None if good else Message("caution.orientation") for good in determined.tolist()]


@method(
    "eigencam",
    "Eigen-CAM",
    "Muhammad & Yeasin 2020, IJCNN, Eq. 2–4",
    unit="activation",
    kind="activation",
    class_specific=False,
    description=(
        "the first principal component of the activations; it does not depend on the "
        "target [@muhammad2020]"
    ),
    caution=undetermined,
    formula="A V₁",
    use="what is strong in a layer",
    avoid="any question on a label: one map for all",
)
def eigencam(activations: Tensor, gradients: Tensor | None = None) -> Tensor:
    """First principal component of the activations; the same map for every label.

    ``A = U Σ Vᵀ`` with A as (positions × channels), not centred, ``L = A V_1`` (Eq. 4). The sign of
    V_1 is arbitrary, and the paper does not choose one. Of activations ≥ 0, as after a ReLU, L can
    be ≥ 0 (Perron and Frobenius), and is. Otherwise L correlates with Σ_k A_k; where it hardly does
    (a correlation within ±0.1), or the first two singular values are equal, |L| is returned.

    Args:
        activations: (B, K, *grid).
        gradients: not used.

    Returns:
        (B, *grid), signed, in activation units.

    >>> import torch
    >>> activations = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]]]])
    >>> eigencam(activations)
    tensor([[[1., 2.],
             [0., 4.]]])
    """
    return oriented(activations)
