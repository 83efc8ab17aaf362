"""Eigen-CAM."""

from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.core.tensors import first_component


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
)
def eigencam(activations: Tensor, gradients: Tensor | None = None) -> Tensor:
    """First principal component of the activations; the same map for every label.

    ``A = U Σ Vᵀ`` with A as (positions × channels), not centred, ``L = A V_1`` (Eq. 4). The sign of
    V_1 is arbitrary; it is chosen so that L correlates with Σ_k A_k.

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
    return first_component(activations, activations.sum(1))
