"""Maps that know nothing of the model: what any method must beat."""

import torch
from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.core.tensors import resize

CONTROL_CELLS = 4
"""Random values an axis; interpolated to the grid, so that the map is as smooth as a real one."""


@method(
    "random",
    "Random smooth map",
    "baseline: no model",
    kind="activation",
    class_specific=False,
    unit="none",
    cost="none of its own",
    description="smooth noise, a baseline that does not depend on the model",
)
def random(activations: Tensor, gradients: Tensor | None = None, seed: int = 0) -> Tensor:
    """Smooth random map from a seed; the same for every image and label. A baseline, no explanation.

    Args:
        activations: (B, K, *grid); only the grid is used.
        gradients: not used.
        seed: of the generator.

    Returns:
        (B, *grid) in [0, 1].
    """
    grid = activations.shape[2:]
    generator = torch.Generator().manual_seed(seed)
    control = torch.rand((1, *(CONTROL_CELLS,) * len(grid)), generator=generator)
    return resize(control, grid).to(activations).expand(len(activations), *grid).clone()


@method(
    "center",
    "Centre Gaussian",
    "baseline: no model",
    kind="activation",
    class_specific=False,
    unit="none",
    cost="none of its own",
    description="a Gaussian in the middle of the image, a baseline that does not depend on the model",
)
def center(activations: Tensor, gradients: Tensor | None = None) -> Tensor:
    """Gaussian at the image centre, standard deviation a quarter of each side. A baseline, no explanation.

    Args:
        activations: (B, K, *grid); only the grid is used.
        gradients: not used.

    Returns:
        (B, *grid) in (0, 1].
    """
    grid = activations.shape[2:]
    squares = activations.new_zeros(grid)
    for axis, n in enumerate(grid):
        position = (
            torch.arange(n, device=activations.device, dtype=activations.dtype) + 0.5
        ) / n - 0.5
        shape = [-1 if i == axis else 1 for i in range(len(grid))]
        squares = squares + ((position / 0.25) ** 2).reshape(shape)
    return torch.exp(-squares / 2).expand(len(activations), *grid).clone()
