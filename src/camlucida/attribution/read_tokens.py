"""Gradients behind a head that reads few tokens, as the class token, without the others' rows.

Of the last block of a ViT one row is read. The backward pass goes through this row alone as far as
the attention, for all labels at once. The gradient of a fused attention by all tokens is known by
factors; what is left before it, or before another attention, autograd does. The graph of the pass
itself shows whether it is so.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from camlucida.attribution.attention_factors import (
    Attention,
    Factors,
    Projection,
    find_attention,
    find_projections,
    is_fused,
)
from camlucida.attribution.graph_nodes import (
    Place,
    place_of,
    shape_at,
    users_before,
    users_of,
    weights_of,
)
from camlucida.attribution.row_walk import Rows, RowStep, RowWalk
from camlucida.attribution.shared_backward import fitting, gradients_of_each
from camlucida.attribution.token_rows import every_vector, reads_few
from camlucida.core.tensors import full

Dense = Callable[[slice], Tensor]
"""Numbers of scores → (T, …) their gradients by all that a node puts out."""

_DENSE = 4
"""So many times fewer numbers than fit are made at once of dense gradients: 4 MiB."""


@dataclass(frozen=True)
class ReadTokens:
    """The way from logits back to a layer, by few tokens.

    Attributes:
        logits: (B, C), with their graph.
        activations: (B, K, *grid) of the layer.
        reads: the nodes by which the head takes tokens.
        walk: back from there.
        attentions: of the walk's ends, with the projections before them.
        rest: where else the walk stopped.
    """

    logits: Tensor
    activations: Tensor
    reads: Sequence[Any]
    walk: RowWalk
    attentions: Sequence[tuple[Rows, Attention, dict[Place, Projection]]]
    rest: Sequence[Rows]

    def gradients(self, by_logits: Sequence[Tensor]) -> Iterator[Tensor]:
        """The gradients of scores by the activations.

        Args:
            by_logits: of each score, its gradient by the logits, (B, C).

        Yields:
            (B, K, *grid) each, in at least float32.

        Raises:
            ModelError: the head cannot be differentiated.
        """
        largest = self._largest()
        size = fitting(largest, len(by_logits))
        for start in range(0, len(by_logits), size):
            yield from self._of_part(by_logits[start : start + size], largest)

    def _largest(self) -> int:
        """Numbers of the largest gradient that is made for one score."""
        places = [rows.place for rows in self.rest]
        for _, attention, projections in self.attentions:
            places += _places(attention, projections)
        sizes = [math.prod(shape_at(place)) for place in places]
        for node, _ in places:
            sizes += (math.prod(shape_at(place)) for place in users_before(node))
        for step in self.walk.steps:
            sizes.append(len(step.rows.positions) * shape_at(step.rows.place)[-1])
        return max(sizes)

    def _of_part(self, by_logits: Sequence[Tensor], largest: int) -> Iterator[Tensor]:
        """As of :meth:`gradients`, of scores that fit into memory together."""
        values = self.walk.follow(self._read(by_logits))
        known: list[tuple[Place, Dense]] = []
        for rows, attention, projections in self.attentions:
            known += _before(attention.factors(rows.take(values)), projections)
        for rows in self.rest:
            known.append((rows.place, partial(_filled, rows, rows.take(values))))
        edges = [GradientEdge(*place) for place, _ in known]
        scores = range(len(by_logits))
        # Few: for larger tensors the system gives and takes memory each time.
        size = fitting(largest * _DENSE, len(scores))
        for start in scores[::size]:
            part = slice(start, start + size)
            by_edges = [dense(part) for _, dense in known]
            (gradients,) = gradients_of_each(edges, [self.activations], by_edges)
            yield from full(gradients)

    def _read(self, by_logits: Sequence[Tensor]) -> dict[Place, Tensor]:
        """(T, R, D) the gradients by the vectors that the head takes."""
        edges = [GradientEdge(node, 0) for node in self.reads]
        stacked = torch.stack([gradient.to(self.logits) for gradient in by_logits])
        of_reads = gradients_of_each([self.logits], edges, [stacked])
        return {
            (node, 0): gradients.flatten(1, -2) for node, gradients in zip(self.reads, of_reads)
        }


def _places(attention: Attention, projections: dict[Place, Projection]) -> list[Place]:
    """Where the gradients of :func:`_before` are."""
    given = [place for place in attention.node.next_functions if place[0] is not None]
    nodes = {projections[place].node for place in given if place in projections}
    return [*(place for place in given if place not in projections), *map(_given_to, nodes)]


def _given_to(node: Any) -> Place:
    """The only input of a node that is part of the graph."""
    (place,) = (place for place in node.next_functions if place[0] is not None)
    return cast(Place, place)


def _before(
    parts: Sequence[tuple[Place, Factors]], projections: dict[Place, Projection]
) -> Iterator[tuple[Place, Dense]]:
    """Before the projections of an attention; where there are none, before the attention."""
    of_nodes: defaultdict[Any, list[Factors]] = defaultdict(list)
    rows = {each.node: each.rows for each in projections.values()}
    for place, factors in parts:
        if place in projections:
            projection = projections[place]
            of_nodes[projection.node].append(projection.through(factors))
        else:
            yield place, factors.product
    for node, several in of_nodes.items():
        place = _given_to(node)
        tokens = torch.cat([factors.tokens for factors in several], -2)
        vectors = torch.cat([factors.vectors for factors in several], -2)
        order = rows[node].flatten().argsort()
        every = torch.arange(len(order), device=order.device)
        given = None if torch.equal(order, every) else order
        yield place, partial(_arranged, place, given, Factors(tokens, vectors))


def _arranged(place: Place, order: Tensor | None, factors: Factors, part: slice) -> Tensor:
    """(T, B, N, D) gradients in the order and the shape of a place; None: as they are."""
    vectors = factors.product(part).flatten(1, 2)
    in_order = vectors if order is None else vectors.index_select(1, order)
    return in_order.view(len(vectors), *shape_at(place))


def _filled(rows: Rows, values: Tensor, part: slice) -> Tensor:
    """(T, …) few vectors with a gradient among those without."""
    shape, values = shape_at(rows.place), values[part]
    flat = values.new_zeros(len(values), math.prod(shape[:-1]), shape[-1])
    return flat.index_add_(1, rows.positions, values).view(len(values), *shape)


def find_read_tokens(logits: Tensor, activations: Tensor) -> ReadTokens | None:
    """How a layer leads to logits, where the head takes few tokens behind products of all.

    Args:
        logits: (B, C) of a forward pass, with their graph.
        activations: (B, K, *grid) of the same graph.

    Returns:
        None where the layer leads to the logits in any other way, or in half precision.
    """
    exact = logits.dtype == activations.dtype and logits.dtype in (torch.float32, torch.float64)
    if logits.ndim != 2 or logits.grad_fn is None or not exact:
        return None
    users = users_of(logits)
    start = place_of(activations, users)
    reads = _reads(logits)
    if start not in users or not reads:
        return None
    try:
        return _back(logits, activations, users, reads)
    except RuntimeError:
        return None  # what the graph kept was overwritten: autograd words it


def _back(
    logits: Tensor, activations: Tensor, users: dict[Place, list[Place]], reads: list[Any]
) -> ReadTokens | None:
    """The way from what the head takes, if it spares a product most of its vectors."""
    start = place_of(activations, users)
    walk = RowWalk(users, start[0])
    walk.back_from({(node, 0): every_vector((node, 0)) for node in reads}, is_fused)
    attentions, rest = [], list(walk.rest)
    for rows in walk.ends:
        attention = _attention(rows, users)
        if attention is None:
            rest.append(rows)
        else:
            attentions.append(attention)
    if not any(map(_is_product_of_few, walk.steps)) or walk.reached.intersection(reads):
        return None
    stops = [rows.place for rows in (*walk.ends, *walk.rest)]
    if not any(place == start or start in users_before(place[0]) for place in stops):
        return None  # what is read does not depend on the cells
    return ReadTokens(logits, activations, reads, walk, attentions, rest)


def _is_product_of_few(step: RowStep) -> bool:
    """Whether a step spares most of a product's vectors."""
    node, _ = place = step.rows.place
    few = 2 * len(step.rows.positions) <= math.prod(shape_at(place)[:-1])
    return few and weights_of(node) is not None


def _attention(
    rows: Rows, users: dict[Place, list[Place]]
) -> tuple[Rows, Attention, dict[Place, Projection]] | None:
    node, _ = rows.place
    attention = find_attention(node, rows.positions)
    return None if attention is None else (rows, attention, find_projections(node, users))


def _reads(logits: Tensor) -> list[Any]:
    """The nodes by which alone a head takes tokens; [] where it has other ways to them."""
    reads: list[Any] = []
    pending, seen = [logits.grad_fn], {logits.grad_fn}
    while pending:
        node: Any = pending.pop()
        following = {other for other, _ in node.next_functions if other is not None}
        if not following:  # a layer, by itself
            return []
        if reads_few(node):
            reads.append(node)
            continue
        pending += following - seen
        seen |= following
    return reads
