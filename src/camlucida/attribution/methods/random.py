"""Random smooth map, a baseline."""

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
    cost="1 forward",
    description="smooth noise, a baseline that does not depend on the model",
    formula="smooth noise",
    use="a baseline of every score",
    avoid="anything else",
)
def random(activations: Tensor, gradients: Tensor | None = None, seed: int = 0) -> Tensor:
    """Smooth random map from a seed; the same for every image and label.

    A baseline, no explanation.

    Args:
        activations: (B, K, *grid); only the grid is used.
        gradients: not used.
        seed: of the generator.

    Returns:
        (B, *grid) in [0, 1].

    >>> heat = random(torch.zeros(2, 8, 7, 7))
    >>> heat.shape, bool((heat[0] == heat[1]).all())
    (torch.Size([2, 7, 7]), True)
    """
    grid = activations.shape[2:]
    generator = torch.Generator().manual_seed(seed)
    control = torch.rand((1, *(CONTROL_CELLS,) * len(grid)), generator=generator)
    return resize(control, grid).to(activations).expand(len(activations), *grid).clone()
