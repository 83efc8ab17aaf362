"""Maps of pixels as means over the layer's cells, so that they can be scored beside the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from camlucida.attribution.methods import Method
from camlucida.attribution.probe import Probe

_POOL: dict[int, Callable[..., Tensor]] = {2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}


def over_cells(method: Method) -> Method:
    """A method whose maps are means over the cells of the layer, with their sign.

    ROAD and the upper bound of the grid compare maps of one resolution alone; ranks, too.

    Args:
        method: of pixels, or one of a layer that makes a map of the pixels.

    >>> from camlucida.attribution.methods import METHODS
    >>> over_cells(METHODS["rise"]).at_layer
    True
    """

    def run(probe: Probe) -> Tensor:
        evidence: Any = probe.pixels if method.kind == "input" else probe
        maps: Tensor = method.run(evidence)
        grid = probe.activations.shape[2:]
        return _POOL[len(grid)](maps, tuple(grid))

    run.__doc__ = method.run.__doc__
    return replace(method, kind="probe", run=run)
