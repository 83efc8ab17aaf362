"""Gradient-weighted attention rollout."""

import torch
from torch import Tensor

from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.methods.base import method
from camlucida.attribution.token_attention import self_attention


@method(
    "gradient_rollout",
    "Gradient-weighted attention rollout",
    "Chefer et al. 2021, ICCV, Eq. 5–6",
    kind="input",
    unit="none",
    cost="2 forwards",
    description=(
        "the attention of all layers of a transformer, weighted by the positive part of gradient "
        "times attention, added up layer by layer [@chefer2021]"
    ),
    formula="Π_l (I + mean_h relu(g A_l))",
    use="a label's evidence in a transformer",
    avoid="windowed attention: refused",
)
def gradient_rollout(probe: InputProbe) -> Tensor:
    """Attention weighted by its gradient, layer by layer; for transformers.

    ``Ā_l = mean_h ReLU(∂y/∂A_l ⊙ A_l)``, ``R ← R + Ā_l R`` from ``R = I``. The map is the row of
    the class token where the head reads that alone, else the mean of the rows of ``R − I`` that it
    reads: I would put the same on every cell. Class and register tokens are left out.

    Args:
        probe: one image.

    Returns:
        (T, *grid of the tokens), ≥ 0, without a unit.

    Raises:
        NoEvidenceError: the model has no self-attention of all tokens to all.
    """
    attention = self_attention(probe)
    probabilities = attention.probabilities()
    relevance = []
    for rows, gradients in zip(attention.read_by_score(), attention.gradients()):
        identity = torch.eye(len(rows)).to(rows)
        total = identity
        for layer, gradient in zip(probabilities, gradients):
            total = total + (gradient * layer).relu().mean(0) @ total
        relevance.append(rows @ (total - identity))
    return attention.cells(torch.stack(relevance))
