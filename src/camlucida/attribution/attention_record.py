"""What is kept of the self-attention while a model runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

from camlucida.attribution.attention import Attentions, Weighted
from camlucida.attribution.transformer_blocks import Blocks


@dataclass(frozen=True)
class AttentionRecord:
    """The attention of forward passes.

    Attributes:
        attentions: in the order in which they ran, parts of the graph.
        blocks: the modules around them.
        start: number of the attention at which the graph starts, if not before.
    """

    attentions: Attentions
    blocks: Blocks
    start: int = 0

    @property
    def probabilities(self) -> Sequence[Tensor]:
        """Of each attention, in the order in which they ran; parts of the graph."""
        return self.attentions.probabilities

    def weighted(self, layer: Tensor) -> Weighted | None:
        """What an attention weighs.

        Args:
            layer: its probabilities.

        Returns:
            None where that is not seen, or the model may change gradients on their way.
        """
        if self.blocks.hooked:
            return None
        numbers = (n for n, other in enumerate(self.probabilities) if other is layer)
        return self.attentions.weighted.get(next(numbers, -1))


@contextmanager
def recording(module: nn.Module, start: int = 0) -> Iterator[AttentionRecord]:
    """The model runs inside. Its graph starts at its first attention, if not before.

    Args:
        module: the model.
        start: number of the attention at which the graph starts instead, if not before.

    >>> import torch
    >>> attention = nn.MultiheadAttention(4, 2, batch_first=True)
    >>> x = torch.rand(1, 3, 4)
    >>> with recording(attention) as record:
    ...     y, _ = attention(x, x, x)
    >>> [tuple(layer.shape) for layer in record.probabilities]
    [(2, 3, 3)]
    """
    attentions, blocks = Attentions(start), Blocks(module)
    with attentions, blocks.noted(attentions):
        yield AttentionRecord(attentions, blocks, start)
