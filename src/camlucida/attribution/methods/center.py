"""Gaussian at the image centre, a baseline."""

import torch
from torch import Tensor

from camlucida.attribution.methods.base import method

DEVIATION = 0.25
"""Standard deviation of the Gaussian, as a share of each side."""


@method(
    "center",
    "Centre Gaussian",
    "baseline: no model",
    kind="activation",
    class_specific=False,
    unit="none",
    cost="1 forward",
    description=(
        "a Gaussian in the middle of the image, a baseline that does not depend on the model"
    ),
    formula="a Gaussian",
    use="a baseline of every score",
    avoid="anything else",
)
def center(activations: Tensor, gradients: Tensor | None = None) -> Tensor:
    """Gaussian at the image centre, deviation a quarter of each side. A baseline, no explanation.

    Args:
        activations: (B, K, *grid); only the grid is used.
        gradients: not used.

    Returns:
        (B, *grid) in (0, 1].

    >>> center(torch.zeros(1, 8, 1, 3))
    tensor([[[0.4111, 1.0000, 0.4111]]])
    """
    grid = activations.shape[2:]
    squares = activations.new_zeros(grid)
    for axis, n in enumerate(grid):
        cells = torch.arange(n, device=activations.device, dtype=activations.dtype)
        position = (cells + 0.5) / n - 0.5
        shape = [1] * len(grid)
        shape[axis] = n
        squares = squares + ((position / DEVIATION) ** 2).reshape(shape)
    return torch.exp(-squares / 2).expand(len(activations), *grid).clone()
