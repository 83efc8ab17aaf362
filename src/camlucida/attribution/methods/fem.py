"""FEM."""

from __future__ import annotations

import torch
from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.core.tensors import over_grid, spatial

DEVIATIONS = 2
"""A cell is rare where it exceeds its channel's mean by more than so many standard deviations."""


@method(
    "fem",
    "FEM",
    "Fuad et al. 2020, IPTA, Section III",
    unit="activation",
    kind="activation",
    class_specific=False,
    description=(
        "the sum over channels of their mean activation where a cell exceeds it by two standard "
        "deviations; it does not depend on the target [@fuad2020]"
    ),
    formula="Σ_k μ_k 1[A_k > μ_k + 2σ_k]",
    use="rare, strong activations",
    avoid="any question on a label; grids of few cells",
)
def fem(activations: Tensor, gradients: Tensor | None = None) -> Tensor:
    """Channels' means, summed where a cell is rare in its channel; the same map for every label.

    ``L = Σ_k μ_k · 1[A_k > μ_k + 2 σ_k]`` with mean μ_k and standard deviation σ_k of channel k
    over the grid. A grid of four cells or fewer has no cell so rare, and a map of zeros.

    Args:
        activations: (B, K, *grid).
        gradients: not used.

    Returns:
        (B, *grid), in activation units; ≥ 0 where activations are.

    >>> activations = torch.tensor([[[[0.0, 0.0, 0.0], [0.0, 0.0, 6.0]]]])
    >>> fem(activations)
    tensor([[[0., 0., 0.],
             [0., 0., 1.]]])
    """
    axes = spatial(activations)
    means = activations.mean(axes)
    deviations = activations.std(axes, correction=0)
    # A constant channel differs from its mean by rounding, and no cell of it is rare.
    rounding = 16 * torch.finfo(activations.dtype).eps * activations.abs().amax(axes)
    thresholds = means + DEVIATIONS * deviations + rounding
    rare = activations > over_grid(thresholds, activations)
    return (over_grid(means, activations) * rare).sum(1)
