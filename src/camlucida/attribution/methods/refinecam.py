"""RefineCAM."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from camlucida.attribution.graph import Graph
from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.methods.base import method
from camlucida.attribution.methods.gradcam_pp import gradcam_pp
from camlucida.core.errors import NoEvidenceError
from camlucida.core.tensors import full, resize

GRIDS = 4
"""The coarsest grids of a network: of a ResNet ``layer1`` to ``layer4``, as its authors take it."""


@method(
    "refinecam",
    "RefineCAM",
    "Domeniconi et al. 2026, arXiv 2605.14641",
    kind="input",
    unit="none",
    cost="2 forwards + 4 backward passes",
    description=(
        "the product of Grad-CAM++ over the last layers of the four coarsest grids, each map "
        "divided by its maximum [@domeniconi2026]"
    ),
    formula="Π_l relu(M_l) / max M_l",
    use="a finer picture of what all layers of a CNN agree on",
    avoid="evidence that one layer alone shows; networks of one grid: refused",
)
def refinecam(probe: InputProbe) -> Tensor:
    """The product of the Grad-CAM++ maps of a network's coarsest grids, on the finest of these.

    ``L = Π_l Up(relu(M_l) / max M_l)``, M_l the Grad-CAM++ map of the last layer of each of the
    four coarsest grids; a layer without evidence makes the whole map 0.

    Args:
        probe: one image.

    Returns:
        (T, *finest grid), in [0, 1], without a unit.

    Raises:
        NoEvidenceError: the network has one grid alone.
        LayerError: the map of a layer lies over no image.

    >>> from torch import nn
    >>> from camlucida import explain
    >>> parts = nn.ReLU(), nn.AvgPool2d(2, 1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()
    >>> image = torch.tensor([[[[0.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 8.0, 0.0]]]])
    >>> (explanation,) = explain(nn.Sequential(*parts), image, 0, "refinecam")
    >>> explanation.grid, explanation.raw[2].tolist()
    ((3, 3), [0.0, 1.0, 0.0])
    """
    graphs = probe.coarsest_layers(GRIDS)
    if len(graphs) < 2:
        raise NoEvidenceError(
            "refinecam multiplies the maps of several grids, and this network has one",
            "choose gradcam_pp",
        )
    probe.product = tuple(graphs)
    maps = [_positive_shares(graph) for graph in graphs.values()]
    finest = max((each.shape[1:] for each in maps), key=math.prod)
    return torch.stack([resize(each, finest) for each in maps]).prod(0)


def _positive_shares(graph: Graph) -> Tensor:
    """(T, *grid) of one layer's maps, in [0, 1]."""
    gradients = graph.gradients()[:, 0]
    activations = full(graph.leaf.detach()).expand(gradients.shape)
    positive = gradcam_pp(activations, gradients).relu()
    largest = positive.flatten(1).amax(1).reshape(-1, *(1,) * (positive.ndim - 1))
    return torch.where(largest > 0, positive / largest, 0)
