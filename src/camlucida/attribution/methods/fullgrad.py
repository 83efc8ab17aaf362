"""FullGrad."""

from __future__ import annotations

import torch
from torch import Tensor

from camlucida.attribution.bias_gradients import Biases
from camlucida.attribution.capture_errors import differentiating
from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.methods.base import method
from camlucida.core.messages import Message, declare
from camlucida.core.tensors import full, resize

TOLERATED = 0.02
"""A gap of the sum of a larger share of the score is said."""

declare(
    "caution",
    {
        "full_gradients": (
            "input and bias gradients add up to {sum:.3g}, not to the score of {score:.3g}: the "
            "network has functions that are not piecewise linear, or biases that are not seen"
        )
    },
)


@method(
    "fullgrad",
    "FullGrad",
    "Srinivas & Fleuret 2019, NeurIPS, Eq. 4–5",
    kind="input",
    unit="none",
    cost="2 forwards + 1 backward pass",
    description=(
        "the magnitudes of input times gradient and of every bias times its gradient, each layer "
        "scaled to 1 and summed [@srinivas2019]"
    ),
    formula="magnitudes of input and bias gradients",
    use="piecewise linear networks: all of the score",
    avoid="GELU, SiLU, attention: terms are missing",
)
def fullgrad(probe: InputProbe) -> Tensor:
    """Magnitudes of input × gradient and of bias × gradient of every layer; a map of the pixels.

    ``L = ψ(Σ_c |x_c ⊙ ∂y/∂x_c|) + Σ_l Σ_k ψ(|b_lk ∂y/∂b_lk|)``, ψ scaling the magnitudes of a layer
    to [0, 1] over all of its channels and cells, and enlarging them. Biases are those of
    convolutions, linear layers with a grid, and what batch normalisation adds. In a network of
    piecewise linear functions the signed terms add up to the score; where they do not, the record
    warns. ≥ 0: for and against count alike.

    Args:
        probe: one image.

    Returns:
        (T, *spatial), ≥ 0, without a unit.

    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.AvgPool2d(2), torch.nn.Flatten())
    >>> image = torch.tensor([[[[1.0, 2.0], [0.0, -4.0]]]])
    >>> (explanation,) = explain(net, image, 0, "fullgrad")
    >>> explanation.raw.tolist()
    [[0.25, 0.5], [0.0, 1.0]]
    """
    with Biases() as biases:
        graph = probe.graph(probe.inputs)
    return torch.stack([_map(probe, graph.leaf, score, biases.leaves) for score in graph.scores])


def _map(probe: InputProbe, pixels: Tensor, score: Tensor, biases: list[Tensor]) -> Tensor:
    """(*spatial) of one target."""
    leaves = [pixels, *biases]
    if not score.requires_grad:
        return torch.zeros_like(full(pixels))[0, 0]
    with differentiating():
        gradients = torch.autograd.grad(
            score.sum(), leaves, retain_graph=True, materialize_grads=True
        )
    terms = [full(leaf.detach() * gradient) for leaf, gradient in zip(leaves, gradients)]
    _check_completeness(probe, float(sum(term.sum() for term in terms)), float(score.detach()))
    size = pixels.shape[2:]
    with_grid = (term for term in terms if term.ndim == pixels.ndim)
    return torch.stack([resize(_scaled(term)[None], size)[0] for term in with_grid]).sum(0)


def _scaled(term: Tensor) -> Tensor:
    """(*grid) Σ_k of the magnitudes of (1, K, *grid), the largest of which becomes 1."""
    magnitudes = term[0].abs()
    low, high = magnitudes.min(), magnitudes.max()
    scaled = (magnitudes - low) / (high - low) if high > low else torch.zeros_like(magnitudes)
    return scaled.sum(0)


def _check_completeness(probe: InputProbe, total: float, score: float) -> None:
    if abs(total - score) > TOLERATED * max(abs(score), abs(total), 1e-6):
        values = {"sum": total, "score": score}
        probe.cautions.append(Message("caution.full_gradients", values))
