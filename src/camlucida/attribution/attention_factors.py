"""The backward pass of an attention of which few rows are read, by factors of its gradients.

Behind one row of an attention the gradient by all keys of a head is an outer product: of a number a
token, and the query of this row. So is that by all values. A product of the second factor and the
weights of the projection takes the place of one of all tokens and these weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from camlucida.attribution.graph_nodes import Place, operation, shape_at, weights_of
from camlucida.attribution.graph_views import View, view_at

_FUSED = "ScaledDotProductFlashAttentionForCpuBackward0"


@dataclass(frozen=True)
class Factors:
    """Gradients of T scores by vectors of tokens, as sums of outer products.

    Attributes:
        tokens: (T, *, J, N) a number a token.
        vectors: (T, *, J, D) by which it multiplies.
    """

    tokens: Tensor
    vectors: Tensor

    def product(self, part: slice) -> Tensor:
        """(T, *, N, D) the gradients of some of the scores.

        Args:
            part: their numbers.
        """
        return self.tokens[part].mT @ self.vectors[part]


@dataclass(frozen=True)
class Attention:
    """A fused attention of which some rows are read.

    Attributes:
        node: of the graph.
        order: (B·H·R,) of the given vectors, image by image, head by head.
        rows: (B, H, R) number of the token of each.
    """

    node: Any
    order: Tensor
    rows: Tensor

    def factors(self, values: Tensor) -> list[tuple[Place, Factors]]:
        """The gradients by queries, keys and values, of those that are part of the graph.

        Args:
            values: (T, B·H·R, D) gradients of T scores by the vectors that are read.
        """
        node, rows = self.node, self.rows
        query, key, value = (
            node._saved_query.detach(),
            node._saved_key.detach(),
            node._saved_value.detach(),
        )
        scale = query.shape[-1] ** -0.5 if node._saved_scale is None else node._saved_scale
        count = len(values)
        read = values[:, self.order].reshape(count, *rows.shape, -1)
        asking = query.gather(2, rows[..., None].expand(*rows.shape, query.shape[-1]))
        attention = (asking @ key.mT * scale).softmax(-1)
        # Not by @, which would copy keys and values for each score.
        by_attention = torch.einsum("tbhre,bhne->tbhrn", read, value)
        inner = (by_attention * attention).sum(-1, keepdim=True)
        by_scores = attention * (by_attention - inner) * scale
        is_row = one_hot(rows, query.shape[2]).to(attention)
        every = (count, -1, -1, -1, -1)
        made = (
            Factors(is_row.expand(every), torch.einsum("tbhrn,bhne->tbhre", by_scores, key)),
            Factors(by_scores, asking.expand(every)),
            Factors(attention.expand(every), read),
        )
        places = zip(node.next_functions, made)
        return [(place, factors) for place, factors in places if place[0] is not None]


def is_fused(node: Any) -> bool:
    """Whether a node is an attention of the kind that is known here: fused, without a mask.

    Args:
        node: of a graph.

    Raises:
        RuntimeError: the model overwrote what the graph kept.
    """
    if operation(node) != _FUSED or node._saved_is_causal or node._saved_dropout_p:
        return False
    return node._saved_attn_mask is None and node._saved_query.ndim == 4


def find_attention(node: Any, positions: Tensor) -> Attention | None:
    """A fused attention whose result is read in some rows.

    Args:
        node: of a graph.
        positions: (R,) numbers of the vectors of its result that are read.

    Returns:
        None where not every head is read in as many rows.
    """
    found = rows_of_heads(positions, shape_at((node, 0)))
    return None if found is None else Attention(node, *found)


def rows_of_heads(positions: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor] | None:
    """Which tokens of each head are read.

    Args:
        positions: (B·H·R,) numbers of vectors of a tensor (B, H, N, D).
        shape: of this tensor.

    Returns:
        (B·H·R,) the order in which they are of one image and head after the other, and (B, H, R)
        numbers of their tokens; None where not every head is read in as many.

    >>> rows_of_heads(torch.tensor([5, 2]), (1, 2, 3, 8))
    (tensor([1, 0]), tensor([[[2],
             [2]]]))
    """
    images, heads, tokens, _ = shape
    order = positions.argsort()
    read = positions[order]
    count, rest = divmod(len(read), images * heads)
    every_head = torch.arange(images * heads, device=read.device).repeat_interleave(count)
    if rest or not torch.equal(read // tokens, every_head):
        return None
    return order, (read % tokens).reshape(images, heads, count)


@dataclass(frozen=True)
class Projection:
    """Where queries, keys or values come from: tokens times weights.

    Attributes:
        node: of the product.
        weights: (H, D of a head, D in).
        rows: (B, N) numbers of the vectors of the product.
    """

    node: Any
    weights: Tensor
    rows: Tensor

    def through(self, factors: Factors) -> Factors:
        """The gradients by the tokens before the projection.

        Args:
            factors: of (T, B, H, R, …), the gradients by what the projection gives the heads.

        Returns:
            Of (T, B, H·R, …).
        """
        vectors = torch.einsum("tbhre,hed->tbhrd", factors.vectors, self.weights)
        return Factors(factors.tokens.flatten(2, 3), vectors.flatten(2, 3))


def find_projections(node: Any, users: dict[Place, list[Place]]) -> dict[Place, Projection]:
    """The projections that give an attention its queries, keys and values.

    Args:
        node: of the attention.
        users: of the graph.

    Returns:
        One for each of its inputs that are part of the graph; nothing where there is no projection
        of one of them, or something else takes what one gives.

    Raises:
        RuntimeError: the model overwrote what the graph kept.
    """
    places = [place for place in node.next_functions if place[0] is not None]
    ways = [_way(place) for place in places]
    between = {node}
    for way in ways:
        between.update(giver for giver, _ in way)
    for (giver, _), takers in users.items():
        if giver in between and giver is not node and not between.issuperset(dict(takers)):
            return {}
    found = {place: _projection(way) for place, way in zip(places, ways)}
    projections = {place: each for place, each in found.items() if each is not None}
    return projections if len(projections) == len(places) else {}


def _way(place: Place) -> list[Place]:
    """The places from one back to the first that does more than arrange numbers."""
    places = [place]
    while _arranges(places[-1]):
        places.append(places[-1][0].next_functions[0])
    return places


def _arranges(place: Place) -> bool:
    return view_at(place) is not None or _adds_constant(place[0])


def _adds_constant(node: Any) -> bool:
    """Whether a node adds a bias."""
    inputs = [following for following, _ in node.next_functions]
    return operation(node) == "AddBackward0" and inputs[1] is None


def _projection(way: Sequence[Place]) -> Projection | None:
    """The projection at the end of a way, if its product is what the heads get."""
    *arranging, product = way
    weights = weights_of(product[0])
    views = tuple(view for place in arranging[::-1] if (view := view_at(place)) is not None)
    layout = None if weights is None else _layout(shape_at(product), views)
    if weights is None or layout is None:
        return None
    rows, columns = (numbers.to(weights.device) for numbers in layout)
    shape = rows.shape[0], columns.shape[0], rows.shape[1], columns.shape[1]
    if shape != shape_at(way[0]):  # a bias with axes of its own
        return None
    return Projection(product[0], weights[columns], rows)


@lru_cache(maxsize=32)
def _layout(shape: tuple[int, ...], views: tuple[View, ...]) -> tuple[Tensor, Tensor] | None:
    """Where the numbers that the heads get come from.

    Args:
        shape: of a product, with D out as the last axis.
        views: that arrange it to (B, H, N, D of a head).

    Returns:
        (B, N) the vectors of the product, by their numbers in the order of the other axes, and
        (H, D of a head) the numbers along the last axis; None where a token of a head is no part
        of one vector, or not every vector has the same parts.
    """
    count = math.prod(shape[:-1])
    numbers = torch.arange(math.prod(shape)).view(shape)
    for view in views:
        numbers = view.of(numbers)
    if numbers.ndim != 4:
        return None
    vectors, columns = numbers // shape[-1], numbers % shape[-1]
    rows, columns = vectors[:, 0, :, 0], columns[0, :, 0]
    alike = torch.equal(numbers, rows[:, None, :, None] * shape[-1] + columns[:, None])
    every = torch.equal(rows.flatten().sort().values, torch.arange(count))
    return (rows, columns) if alike and every else None
