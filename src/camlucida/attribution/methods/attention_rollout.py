"""Attention rollout."""

from torch import Tensor

from camlucida.attribution.methods.base import method
from camlucida.attribution.token_attention import TokenAttention


@method(
    "attention_rollout",
    "Attention rollout",
    "Abnar & Zuidema 2020, ACL, Eq. 1",
    kind="attention",
    class_specific=False,
    unit="none",
    cost="1 forward + 1 backward pass of a block",
    description=(
        "the attention of all layers of a transformer multiplied, half of each layer passing by "
        "it; the same for every target [@abnar2020]"
    ),
    formula="Π_l (½ A_l + ½ I)",
    use="where a transformer mixes its tokens from",
    avoid="any question on a label: one map for all",
)
def attention_rollout(attention: TokenAttention) -> Tensor:
    """Attention of all layers, multiplied; the same map for every target.

    ``Ã_l = (½ A_l + ½ I) Ã_{l−1}`` with A_l the mean over the heads. The map is the row of the
    class token where the head reads that alone, else the mean of the rows that it reads; class and
    register tokens are left out.

    Args:
        attention: of a batch of images.

    Returns:
        (B, *grid of the tokens), in [0, 1], without a unit.
    """
    rows = attention.read_by_score[:, None]
    for layer in reversed(attention.probabilities):
        rows = (rows @ layer.mean(1) + rows) / 2
    return attention.cells(rows[:, 0])
