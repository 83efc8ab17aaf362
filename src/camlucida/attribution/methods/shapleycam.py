"""ShapleyCAM."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from camlucida.attribution.capture_errors import differentiating
from camlucida.attribution.graph import Graph
from camlucida.attribution.methods.base import method
from camlucida.attribution.probe import Probe
from camlucida.core.tensors import full, mean_over_grid, weighted_sum


@method(
    "shapleycam",
    "ShapleyCAM",
    "Cai 2025, arXiv 2501.06261, Eq. 12–14",
    kind="probe",
    relu=True,
    cost="2 forwards",
    description=(
        "activations weighted by the mean gradient less half the Hessian times the activations, "
        "then ReLU [@cai2025]"
    ),
    formula="Σ_k mean(g − ½ H A)_k A_k",
    use="networks that bend: GELU, SiLU, attention",
    avoid="ReLU networks: it is Grad-CAM there",
)
def shapleycam(probe: Probe) -> Tensor:
    """Activations weighted by the gradient with a second-order term, a Shapley value's expansion.

    ``w_k = mean_ij (g − ½ H A)_k`` with H the Hessian of the score by the activations, ``L =
    ReLU(Σ_k w_k A_k)``. Behind a piecewise linear network H = 0, and this is Grad-CAM.

    Args:
        probe: one image.

    Returns:
        (T, *grid), signed, in score units.

    Raises:
        ModelError: a part of the model has no second derivative.

    The cells add up to a score that is a square, 4 below; those of Grad-CAM give twice as much:

    >>> from camlucida import explain
    >>> class Square(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x.mean((2, 3)) ** 2
    >>> net = torch.nn.Sequential(torch.nn.Identity(), Square())
    >>> image = torch.tensor([[[[1.0, 2.0], [0.0, 5.0]]]])
    >>> (explanation,) = explain(net, image, "output+", "gradcam", layer="0", task="regression")
    >>> explanation.raw.tolist()
    [[1.0, 2.0], [0.0, 5.0]]
    >>> (explanation,) = explain(net, image, "output+", "shapleycam", layer="0", task="regression")
    >>> explanation.raw.tolist()
    [[0.5, 1.0], [0.0, 2.5]]
    """
    # Fused attention has no second derivative.
    with sdpa_kernel(SDPBackend.MATH):
        graph = probe.graph(probe.inputs)
        weights = [_weights(graph, score) for score in graph.scores]
    activations = full(graph.leaf.detach())
    return torch.cat([weighted_sum(weight, activations) for weight in weights])


def _weights(graph: Graph, score: Tensor) -> Tensor:
    """(1, K) mean of g − ½ H A over the grid."""
    with differentiating():
        (gradient,) = torch.autograd.grad(
            score.sum(), [graph.leaf], create_graph=True, materialize_grads=True
        )
        product = None
        if gradient.requires_grad:
            direction = graph.leaf.detach()
            (product,) = torch.autograd.grad(
                gradient, [graph.leaf], direction, retain_graph=True, allow_unused=True
            )
    values = full(gradient.detach())
    if product is not None:
        values = values - full(product) / 2
    return mean_over_grid(values)
