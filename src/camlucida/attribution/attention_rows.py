"""Gradients by the attention of a layer, from the rows alone that a score reads behind its block.

A head on the class token reads one row of many, and behind the attention a block works on each row
by itself: the gradient by the others is zero on the whole way back.
"""

from __future__ import annotations

import torch
from torch import Tensor

from camlucida.attribution.attention import Weighted
from camlucida.attribution.attention_factors import rows_of_heads
from camlucida.attribution.graph_nodes import place_of, shape_at, users_of
from camlucida.attribution.row_walk import RowWalk
from camlucida.core.tensors import full


def gradient_by_rows(
    tokens: Tensor, given: Tensor, attention: Tensor, weighted: Weighted, by_tokens: Tensor
) -> Tensor | None:
    """The gradient of a score by the attention of a block.

    Args:
        tokens: (B, N, D) behind the block, part of a graph.
        given: the tokens before it.
        attention: (B, heads, N, N) probabilities in it.
        weighted: what they weigh.
        by_tokens: (B, N, D) the gradient of the score by the tokens behind the block.

    Returns:
        (B, heads, N, N), in at least float32; None where no row or most rows are read, or the graph
        does not show that the block works on each row by itself.
    """
    read = by_tokens.ne(0).any(-1).any(0)
    numbers = read.nonzero()[:, 0]
    of_each_image = attention.ndim == 4 and tokens.shape[:2] == attention.shape[:3:2]
    if tokens.grad_fn is None or not of_each_image or not 0 < 2 * len(numbers) <= len(read):
        return None
    first = torch.arange(len(tokens), device=numbers.device)[:, None] * len(read)
    users = users_of(tokens, {weighted.node, given.grad_fn})
    place, walk = place_of(tokens, users), RowWalk(users)
    try:
        walk.back_from({place: (first + numbers).flatten()}, lambda node: node is weighted.node)
    except RuntimeError:
        return None  # what the graph kept was overwritten
    if not walk.ends:
        return None
    (end,) = walk.ends
    rows = rows_of_heads(end.positions, shape_at(end.place))
    if rows is None:
        return None
    values = walk.follow({place: full(by_tokens[:, read]).flatten(0, 1)[None]})
    (of_score,) = end.take(values)
    order, places = rows
    by_rows = of_score[order].view(*places.shape, -1) @ full(weighted.values).mT
    made = torch.zeros_like(full(attention))
    return made.scatter_(2, places[..., None].expand_as(by_rows), by_rows)
