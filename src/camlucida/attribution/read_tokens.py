"""Gradients behind a head that reads few tokens, as the class token, without the others' rows.

Of the last block of a ViT one row is read. The backward pass goes through this row alone as far as
the attention, whose gradient by all tokens is known by factors; for all labels at once. What is
left before it, autograd does. The graph of the pass itself shows whether it is so.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from camlucida.attribution.attention_factors import (
    Attention,
    Factors,
    Projection,
    find_attention,
    find_projections,
)
from camlucida.attribution.capture_errors import differentiating
from camlucida.attribution.graph_nodes import Place, place_of, shape_at, users_of
from camlucida.attribution.token_rows import Values, pulled, reads_few
from camlucida.core.tensors import full

Dense = Callable[[int], Tensor]
"""Number of a score → its gradient by all that a node puts out."""


@dataclass(frozen=True)
class Rows:
    """A place of the graph at which few vectors have a gradient.

    Attributes:
        place: where.
        positions: (R,) numbers of the vectors, the last axis.
        repeated: whether several users give gradients by the same vectors, which are added up, or
            by others, which are lined up.
    """

    place: Place
    positions: Tensor
    repeated: bool

    @classmethod
    def at(cls, place: Place, given: Sequence[Tensor]) -> Rows:
        """Of the vectors that each user gives a gradient."""
        first = given[0]
        repeated = all(torch.equal(first, positions) for positions in given[1:])
        return cls(place, first if repeated else torch.cat(list(given)), repeated)

    def take(self, values: dict[Place, list[Tensor]]) -> Tensor:
        """(T, R, D) the gradients of T scores by the vectors; removed from ``values``."""
        given = values.pop(self.place)
        return sum(given[1:], given[0]) if self.repeated else torch.cat(given, 1)


@dataclass(frozen=True)
class Step:
    """An operation on few vectors: where, and what leads back to each of its inputs."""

    rows: Rows
    pulls: Sequence[tuple[Place, Values]]


@dataclass(frozen=True)
class ReadTokens:
    """The way from logits back to a layer, by few tokens.

    Attributes:
        logits: (B, C), with their graph.
        activations: (B, K, *grid) of the layer.
        reads: the nodes by which the head takes tokens.
        steps: operations on these alone, from the last to the first.
        attentions: in which all tokens get a gradient, with the projections before them.
        rest: from where autograd goes on with few vectors.
    """

    logits: Tensor
    activations: Tensor
    reads: Sequence[Any]
    steps: Sequence[Step]
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
        values = self._read(by_logits)
        for step in self.steps:
            given = step.rows.take(values)
            for place, pull in step.pulls:
                values[place].append(pull(given))
        known: list[tuple[Place, Dense]] = []
        for rows, attention, projections in self.attentions:
            known += _before(attention.factors(rows.take(values)), projections)
        known += [(rows.place, partial(_filled, rows, rows.take(values))) for rows in self.rest]
        edges = [GradientEdge(*place) for place, _ in known]
        for score in range(len(by_logits)):
            by_edges = [dense(score) for _, dense in known]
            with differentiating():
                (gradient,) = torch.autograd.grad(
                    edges, [self.activations], by_edges, retain_graph=True
                )
            yield full(gradient)

    def _read(self, by_logits: Sequence[Tensor]) -> dict[Place, list[Tensor]]:
        """(T, R, D) the gradients by the vectors that the head takes."""
        edges = [GradientEdge(node, 0) for node in self.reads]
        of_scores = []
        for gradient in by_logits:
            with differentiating():
                of_scores.append(
                    torch.autograd.grad(
                        self.logits, edges, gradient.to(self.logits), retain_graph=True
                    )
                )
        values: defaultdict[Place, list[Tensor]] = defaultdict(list)
        for node, each in zip(self.reads, zip(*of_scores)):
            values[node, 0].append(torch.stack(each).flatten(1, -2))
        return values


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
            yield place, factors.of
    for node, several in of_nodes.items():
        (place,) = (place for place in node.next_functions if place[0] is not None)
        tokens = torch.cat([factors.tokens for factors in several], -2)
        vectors = torch.cat([factors.vectors for factors in several], -2)
        yield place, partial(_arranged, place, rows[node], Factors(tokens, vectors))


def _arranged(place: Place, rows: Tensor, factors: Factors, score: int) -> Tensor:
    """(B, N, D) gradients of a score in the order and the shape of a place."""
    in_order = factors.of(score).flatten(0, 1).index_select(0, rows.flatten().argsort())
    return in_order.view(shape_at(place))


def _filled(rows: Rows, values: Tensor, score: int) -> Tensor:
    """Few vectors with a gradient among those without."""
    shape = shape_at(rows.place)
    flat = values.new_zeros(math.prod(shape[:-1]), shape[-1])
    return flat.index_add_(0, rows.positions, values[score]).view(shape)


def find_read_tokens(logits: Tensor, activations: Tensor) -> ReadTokens | None:
    """How a layer leads to logits, where the head takes few tokens behind a fused attention.

    Args:
        logits: (B, C) of a forward pass, with their graph.
        activations: (B, K, *grid) of the same graph.

    Returns:
        None where the layer leads to the logits in any other way, in half precision, or where the
        graph shows an operation in between that is not known.
    """
    exact = logits.dtype == activations.dtype and logits.dtype in (torch.float32, torch.float64)
    if logits.ndim != 2 or logits.grad_fn is None or not exact:
        return None
    users = users_of(logits)
    start = place_of(activations, users)
    reads = _reads(logits)
    if start not in users or not reads:
        return None
    walk = _Walk(users, start[0])
    try:
        walk.back_from(reads)
    except RuntimeError:
        return None  # what the graph kept was overwritten: autograd words it
    if not walk.attentions or walk.reached.intersection(reads):
        return None
    return ReadTokens(logits, activations, reads, walk.steps, walk.attentions, walk.rest)


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


class _Walk:
    """Operation by operation from what a head takes back to a layer.

    Args:
        users: of the graph.
        start: the node of the layer.

    Attributes:
        steps, attentions, rest: as of :class:`ReadTokens`.
        reached: nodes that get a gradient by a step.
    """

    def __init__(self, users: dict[Place, list[Place]], start: Any) -> None:
        self.steps: list[Step] = []
        self.attentions: list[tuple[Rows, Attention, dict[Place, Projection]]] = []
        self.rest: list[Rows] = []
        self.reached: set[Any] = set()
        self._users = users
        self._given: defaultdict[Place, list[Tensor]] = defaultdict(list)
        self._taken: Counter[Any] = Counter()
        self._all: Counter[Any] = Counter({start: 1})  # beyond it no gradient is needed
        for (node, _), takers in users.items():
            self._all[node] += len(takers)

    def back_from(self, reads: Sequence[Any]) -> None:
        """Walk as far as the operations are known.

        Args:
            reads: the nodes by which the head takes tokens.
        """
        ready = list(reads)
        for node in reads:
            count = math.prod(shape_at((node, 0))[:-1])
            self._given[node, 0].append(torch.arange(count, device=node._input_metadata[0].device))
        while ready:
            node = ready.pop()
            rows = Rows.at((node, 0), self._given.pop((node, 0)))
            attention = find_attention(node, rows.positions)
            if attention is None:
                ready += self._step(rows)
            else:
                projections = find_projections(node, self._users)
                self.attentions.append((rows, attention, projections))
        self.rest += [Rows.at(*each) for each in self._given.items()]

    def _step(self, rows: Rows) -> Iterator[Any]:
        """Take one operation back; the nodes all of whose users are taken back by now."""
        node, _ = rows.place
        pulls = pulled(node, rows.positions)
        if pulls is None:
            self.rest.append(rows)
            return
        inputs = [(place, pull) for place, pull in zip(node.next_functions, pulls) if pull]
        self.steps.append(Step(rows, [(place, values) for place, (_, values) in inputs]))
        for place, (positions, _) in inputs:
            following, _ = place
            self.reached.add(following)
            self._given[place].append(positions)
            self._taken[following] += 1
            has_one = len(following._input_metadata) == 1
            if self._taken[following] == self._all[following] and has_one:
                yield following
