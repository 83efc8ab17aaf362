"""Gradient-weighted attention rollout."""

import torch
from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.attribution.token_attention import TokenAttention


@method(
    "gradient_rollout",
    "Gradient-weighted attention rollout",
    "Chefer et al. 2021, ICCV, Eq. 5–6",
    kind="attention",
    unit="none",
    cost="1 forward + 1 backward pass",
    description=(
        "the attention of all layers of a transformer, weighted by the positive part of gradient "
        "times attention, added up layer by layer [@chefer2021]"
    ),
    formula="Π_l (I + mean_h relu(g A_l))",
    use="a label's evidence in a transformer",
    avoid="windowed attention: refused",
)
def gradient_rollout(attention: TokenAttention) -> Tensor:
    """Attention weighted by its gradient, layer by layer; for transformers.

    ``Ā_l = mean_h ReLU(∂y/∂A_l ⊙ A_l)``, ``R ← R + Ā_l R`` from ``R = I``. The map is the row of
    the class token where the head reads that alone, else the mean of the rows of ``R − I`` that it
    reads: I would put the same on every cell. Class and register tokens are left out.

    Args:
        attention: of a batch of images.

    Returns:
        (B, *grid of the tokens), ≥ 0, without a unit.
    """
    weighted = [
        (gradient * layer).relu().mean(1)
        for layer, gradient in zip(attention.probabilities, attention.gradients)
    ]
    rows = attention.read_by_score[:, None]
    # Rows of Π (I + Ā_l) − I, from the last layer to the first: no product of matrices.
    relevance = torch.zeros_like(rows)
    for layer in reversed(weighted):
        relevance = relevance + (rows + relevance) @ layer
    return attention.cells(relevance[:, 0])
