"""A backward pass on few vectors of each tensor, planned before any gradient is known."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from camlucida.attribution.graph_nodes import Place
from camlucida.attribution.token_rows import Pull, pulled


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
class RowStep:
    """An operation on few vectors: where, and what leads back to each of its inputs."""

    rows: Rows
    pulls: Sequence[tuple[Place, Pull]]


class RowWalk:
    """Operation by operation from few vectors back towards a layer.

    Args:
        users: of the graph.
        last: a node beyond which no gradient is needed.

    Attributes:
        steps: operations on the vectors alone, from the last to the first.
        ends: places at which the walk ends as intended, each with its whole gradient.
        rest: other places with a gradient, where an operation is not known, or other users of what
            it gives are not on the way.
        reached: nodes that get a gradient by a step.
    """

    def __init__(self, users: Mapping[Place, Sequence[Place]], last: Any = None) -> None:
        self.steps: list[RowStep] = []
        self.ends: list[Rows] = []
        self.rest: list[Rows] = []
        self.reached: set[Any] = set()
        self._given: defaultdict[Place, list[Tensor]] = defaultdict(list)
        self._taken: Counter[Any] = Counter()
        self._all: Counter[Any] = Counter({last: 1})
        for (node, _), takers in users.items():
            self._all[node] += len(takers)

    def back_from(self, given: Mapping[Place, Tensor], is_end: Callable[[Any], bool]) -> None:
        """Walk as far as the operations are known.

        Args:
            given: places whose whole gradient is known, and the (R,) numbers of their vectors that
                have one.
            is_end: whether the walk ends at a node.

        Raises:
            RuntimeError: the model overwrote what the graph kept.
        """
        for place, positions in given.items():
            self._given[place].append(positions)
        ready = [node for node, _ in given]
        while ready:
            node = ready.pop()
            places = [place for place in self._given if place[0] is node]
            outputs = [Rows.at(place, self._given.pop(place)) for place in places]
            if is_end(node):
                self.ends += outputs
            else:
                ready += self._take_back(node, outputs)
        self.rest += [Rows.at(*each) for each in self._given.items()]

    def _take_back(self, node: Any, outputs: Sequence[Rows]) -> Iterator[Any]:
        """Take one operation back; the nodes all of whose users are taken back by now."""
        steps: list[RowStep] = []
        for rows in outputs:
            pulls = pulled(rows.place, rows.positions)
            if pulls is None:
                self.rest += outputs
                return
            inputs = zip(node.next_functions, pulls)
            steps.append(RowStep(rows, [(place, pull) for place, pull in inputs if pull]))
        self.steps += steps
        for step in steps:
            for place, (positions, _) in step.pulls:
                self._given[place].append(positions)
        for following, _ in node.next_functions:
            if following is not None:
                self.reached.add(following)
                self._taken[following] += 1
                if self._taken[following] == self._all[following]:
                    yield following

    def follow(self, given: Mapping[Place, Tensor]) -> dict[Place, list[Tensor]]:
        """The gradients where the walk ended.

        Args:
            given: (T, R, D) gradients of T scores where it began.

        Returns:
            What :meth:`Rows.take` takes, at each of ``ends`` and ``rest``.
        """
        values: defaultdict[Place, list[Tensor]] = defaultdict(list)
        for place, gradients in given.items():
            values[place].append(gradients)
        for step in self.steps:
            gradients = step.rows.take(values)
            for place, (_, pull) in step.pulls:
                values[place].append(pull(gradients))
        return values
