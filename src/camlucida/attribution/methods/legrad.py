"""LeGrad."""

import torch
from torch import Tensor

from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.methods.base import method
from camlucida.attribution.probe import replaced
from camlucida.attribution.token_attention import TokenAttention, gradients_by, self_attention
from camlucida.attribution.transformer_blocks import Blocks
from camlucida.core.errors import NoEvidenceError
from camlucida.core.tensors import full


@method(
    "legrad",
    "LeGrad",
    "Bousselham et al. 2025, ICCV, Section 3.2",
    kind="input",
    cost="2 forwards + a head a layer",
    description=(
        "the positive gradient of the score that the head gives the tokens of each layer of a "
        "transformer by this layer's attention, averaged over layers [@bousselham2025]"
    ),
    formula="mean over layers of relu(∂y_l/∂A_l)",
    use="a label's evidence, layer by layer, in deep transformers",
    avoid="windowed attention: refused",
)
def legrad(probe: InputProbe) -> Tensor:
    """Gradient of each layer's own score by its attention, averaged over layers; for transformers.

    ``E_l(j) = (1/hN) Σ_h Σ_i ReLU(∂y_l/∂A_l(h, i, j))``, the mean over all layers l, with y_l the
    score that the model's head gives the tokens behind block l. Class and register tokens are left
    out as j. The paper scales the map to [0, 1].

    Args:
        probe: one image.

    Returns:
        (T, *grid of the tokens), ≥ 0, in score units.

    Raises:
        NoEvidenceError: the model has no self-attention of all tokens to all, or its blocks are not
            modules that follow each other.
    """
    blocks = Blocks(probe.module)
    attention = self_attention(probe, blocks.noted)
    scores = _scores(probe, attention, blocks)
    maps = []
    for target in range(len(attention.scores)):
        of_layers = []
        for layer, own in zip(attention.layers, scores):
            (gradient,) = gradients_by(own[target], [layer])
            of_layers.append(full(gradient).relu().flatten(0, -3).mean((0, 1)))
        maps.append(torch.stack(of_layers).mean(0))
    return attention.cells(torch.stack(maps))


def _scores(probe: InputProbe, attention: TokenAttention, blocks: Blocks) -> list[Tensor]:
    """(T,) of each layer: what the head makes of the tokens behind it."""
    stubs = blocks.skipping(attention.layers)
    if stubs is None:
        raise NoEvidenceError(
            "legrad has the head read the tokens behind each block, and the blocks of this "
            "transformer are not modules that follow each other",
            "choose gradient_rollout",
        )
    scores = []
    for of_layer in stubs:
        with replaced(probe.module, of_layer):
            scores.append(probe.graph(probe.inputs).scores[:, 0])
    return [*scores, attention.scores]
