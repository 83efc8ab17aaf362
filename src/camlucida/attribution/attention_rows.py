"""Gradients by the attention of a layer, from the rows alone that a score reads behind its block.

A head on the class token reads one row of many. The rest of the block runs again for the rows that
are read, with their attention and all values as they were, and only this run is differentiated.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from camlucida.attribution.attention import Attentions
from camlucida.attribution.transformer_blocks import Block
from camlucida.models.state import main_tensor

TOLERANCE = 1e-4
"""Largest difference of the tokens behind the block when it runs again, as a share of them."""


def gradient_by_rows(
    module: nn.Module, block: Block, attention: Tensor, values: Tensor, by_tokens: Tensor
) -> Tensor | None:
    """The gradient of a score by the attention of a block.

    Args:
        module: the block itself, frozen.
        block: its call.
        attention: (B, heads, N, N) probabilities of this call.
        values: (B, heads, N, d) that they weigh.
        by_tokens: (B, N, D) the gradient of the score by the tokens behind the block.

    Returns:
        (B, heads, N, N); None where no row or most rows are read, or the block does not give the
        same tokens when it runs for these rows alone.
    """
    read = by_tokens.ne(0).any(-1).any(0)
    count = int(read.sum())
    shape = (len(attention), attention.shape[-1])
    if attention.ndim != 4 or tuple(block.given.shape[:2]) != shape:
        return None
    if count == 0 or 2 * count > len(read):
        return None
    rows = attention.detach()[:, :, read].requires_grad_()
    try:
        with torch.enable_grad(), _Given(rows, values.detach()):
            tokens = main_tensor(block.run(module, block.given.detach()[:, read]))
        if tokens is None or not _same(tokens, block.tokens[:, read]):
            return None
        (gradient,) = torch.autograd.grad(tokens, [rows], by_tokens[:, read])
    except (RuntimeError, TypeError, ValueError, IndexError):
        return None  # a block that needs all tokens at once, as with positions of its own
    made = torch.zeros_like(attention)
    made[:, :, read] = gradient
    return made


def _same(tokens: Tensor, expected: Tensor) -> bool:
    if tokens.shape != expected.shape:
        return False
    largest = expected.detach().abs().max()
    return bool((tokens - expected).detach().abs().max() <= TOLERANCE * largest)


class _Given(Attentions):
    """While it is active, an attention gives these rows of another's result."""

    def __init__(self, probabilities: Tensor, values: Tensor) -> None:
        super().__init__()
        self._given = probabilities, values

    def _scaled_dot_product(self, *args: Any, **kwargs: Any) -> Tensor:
        probabilities, values = self._given
        return probabilities @ values
