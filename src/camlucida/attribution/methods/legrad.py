"""LeGrad."""

import torch
from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.attribution.token_attention import TokenAttention


@method(
    "legrad",
    "LeGrad",
    "Bousselham et al. 2025, ICCV, Section 3.2",
    kind="attention",
    cost="1 forward + L − 1 replays of the head + L backward passes of a block",
    description=(
        "the positive gradient of the score that the head gives the tokens of each layer of a "
        "transformer by this layer's attention, averaged over layers [@bousselham2025]"
    ),
    formula="mean over layers of relu(∂y_l/∂A_l)",
    use="a label's evidence, layer by layer, in deep transformers",
    avoid="windowed attention: refused",
)
def legrad(attention: TokenAttention) -> Tensor:
    """Gradient of each layer's own score by its attention, averaged over layers; for transformers.

    ``E_l(j) = (1/hN) Σ_h Σ_i ReLU(∂y_l/∂A_l(h, i, j))``, the mean over all layers l, with y_l the
    score that the model's head gives the tokens behind block l. Class and register tokens are left
    out as j. The paper scales the map to [0, 1].

    Args:
        attention: of a batch of images.

    Returns:
        (B, *grid of the tokens), ≥ 0, in score units.

    Raises:
        NoEvidenceError: the blocks of the model are not modules that follow each other.
    """
    gradients = attention.gradients_of_own_scores()
    of_layers = [gradient.relu().mean((1, 2)) for gradient in gradients]
    return attention.cells(torch.stack(of_layers).mean(0))
