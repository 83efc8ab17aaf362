"""KPCA-CAM."""

from __future__ import annotations

import torch
from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.core.errors import NoEvidenceError
from camlucida.core.messages import Message
from camlucida.core.tensors import SEPARATE, channel_sum, unsigned_component

MOST_CELLS = 4096
"""The kernel holds a number for each pair of cells: larger grids are refused."""


def undetermined_kernel(
    maps: Tensor, activations: Tensor, gradients: Tensor | None = None
) -> list[Message | None]:
    """As of Eigen-CAM: the kernel is centred, so that a map without a negative cell is a magnitude.

    Args:
        maps: (B, *grid).
        activations: (B, K, *grid).
        gradients: not used.
    """
    flat = maps.flatten(1)
    magnitudes = ((flat >= 0).all(1) & (flat > 0).any(1)).tolist()
    return [Message("caution.orientation") if item else None for item in magnitudes]


@method(
    "kpcacam",
    "KPCA-CAM",
    "Karmani et al. 2024, arXiv 2410.00267, Section III",
    unit="none",
    kind="activation",
    class_specific=False,
    description=(
        "the first component of a kernel PCA of the activations; it does not depend on the target "
        "[@karmani2024]"
    ),
    caution=undetermined_kernel,
    formula="first kernel component",
    use="structure of a layer that is not linear",
    avoid="any question on a label: one map for all",
)
def kpcacam(activations: Tensor, gradients: Tensor | None = None) -> Tensor:
    """First kernel principal component of the cells' activations; the same map for every label.

    Each cell is a point of K activations, less their mean over the cells. Its kernel with another
    is ``tanh(x·y / K + 1)``; the kernel is centred, and ``L = √λ₁ u₁`` with its first eigenvalue
    and eigenvector. The map is centred: its zero is the mean cell, not the absence of evidence. As
    in Eigen-CAM, L correlates with Σ_k A_k, and where it hardly does, |L| is returned.

    Args:
        activations: (B, K, *grid), of at most 4,096 cells.
        gradients: not used.

    Returns:
        (B, *grid), signed, without a unit.

    Raises:
        NoEvidenceError: the grid has more cells.

    >>> kpcacam(torch.tensor([[[[1.0, 0.0, 0.0, 0.0]]]])).round(decimals=3)
    tensor([[[ 0.4500, -0.1500, -0.1500, -0.1500]]])
    """
    component, separate = _first_kernel_component(activations)
    maps, _ = unsigned_component(component[:, None], channel_sum(activations))
    shape = (-1, *(1,) * (maps.ndim - 1))
    return torch.where(separate.reshape(shape), maps, maps.abs())


def _first_kernel_component(activations: Tensor) -> tuple[Tensor, Tensor]:
    """(B, *grid) √λ₁ u₁ of an arbitrary sign, and (B,) whether λ₁ is larger than λ₂."""
    grid = activations.shape[2:]
    cells = activations.flatten(2).mT.double()
    count, channels = cells.shape[1:]
    if count > MOST_CELLS:
        raise NoEvidenceError(
            f"kpcacam compares every cell with every other, and this layer has {count:,} of them",
            f"choose a later layer, of at most {MOST_CELLS:,} cells, or eigencam",
        )
    centred = cells - cells.mean(1, keepdim=True)
    kernel = torch.tanh(centred @ centred.mT / channels + 1)
    rows = kernel.mean(2, keepdim=True)
    kernel = kernel - rows - rows.mT + rows.mean(1, keepdim=True)
    values, vectors = torch.linalg.eigh(kernel)  # ascending: the largest is the last
    singular = values.clamp(min=0).sqrt()
    first = singular[:, -1]
    second = singular[:, -2] if count > 1 else torch.zeros_like(first)
    component = vectors[..., -1] * first[:, None]
    separate = (first - second > SEPARATE * first) | (first == 0)
    return component.to(activations.dtype).reshape(-1, *grid), separate
