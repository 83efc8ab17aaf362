"""Which layers a score depends on: by its graph, and by gradients of the layers that matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from camlucida.core.tensors import weighted_gradients
from camlucida.models.families import Layout
from camlucida.models.firings import Firing, Survey, as_fired
from camlucida.models.layers import LayerRef

_LABELS = 8
"""That are tried, about, where labels may have branches of their own."""


class ScoreGradients:
    """The graph of a score, and its gradients by the outputs of layers.

    Args:
        score: with a graph.
        tensors: outputs of layers.
        layouts: of those with a grid.
    """

    def __init__(
        self,
        score: Tensor,
        tensors: Mapping[LayerRef, Tensor],
        layouts: Mapping[LayerRef, Layout],
    ) -> None:
        self._score, self._tensors, self._layouts = score, tensors, layouts
        # Weights drawn at random: the sum of a softmax has no gradient.
        generator = torch.Generator().manual_seed(0)
        self._weights = torch.randn(score.shape, generator=generator).to(score)
        edges = _edges(score)
        self._reached = {ref: _edge(tensor) in edges for ref, tensor in tensors.items()}

    def test_all(self, seen: Survey) -> Survey:
        """The survey with ``connected`` of every layer; None where no gradient can be taken."""
        refs = [ref for ref, reached in self._reached.items() if reached]
        nonzero = self._nonzero(refs)
        if nonzero is None:
            return seen
        # A saturated output has no gradient anywhere, which shows nothing.
        flags = {**self._reached, **nonzero} if any(nonzero.values()) else self._reached
        return _flagged(seen, flags, ())

    def test_candidates(self, seen: Survey, usual: LayerRef | None) -> Survey:
        """The survey with gradients of the layer of ``auto`` and of all that come after it alone.

        A backward pass goes no further back than the earliest layer it is wanted for. Candidates
        are taken last first, and twice as many layers each time one has no gradient.

        Args:
            seen: what is known without gradients.
            usual: the layer that ``auto`` takes in this family if the score depends on it.
        """
        flags = dict(self._reached)
        refs = [firing.ref for firing in seen.firings if flags.get(firing.ref)]
        start, step, any_nonzero = len(refs), 1, False
        while True:
            survey = _flagged(seen, flags, refs[:start])
            candidate = _candidate(survey, usual)
            if candidate not in refs[:start]:
                break
            before = max(0, min(refs.index(candidate), start - step))
            nonzero = self._nonzero(refs[before:start])
            if nonzero is None:
                return self.test_all(seen)
            flags |= nonzero
            any_nonzero |= any(nonzero.values())
            start, step = before, 2 * step
        return survey if any_nonzero else self.test_all(seen)

    def has_path_around(self, ref: LayerRef, image: Tensor) -> bool:
        """Whether the graph leads from the image to the score past a layer.

        Args:
            ref: a layer with a tensor.
            image: the leaf that the model was run on.
        """
        return id(image) in _edges(self._score, _edge(self._tensors[ref]))

    def shared(self, candidates: Sequence[Firing], chosen: Firing) -> Firing:
        """The last layer, not behind the chosen one, that every label of a score depends on.

        Args:
            candidates: layers that may be taken, in order of completion.
            chosen: one of them.

        Returns:
            The chosen one where labels have no branches of their own, or no layer is shared.
        """
        if self._score.ndim != 2 or self._of_all_labels([chosen.ref]):
            return chosen
        before = candidates[: candidates.index(chosen)]
        alike = [firing for firing in before if firing.cells == chosen.cells]
        common = self._of_all_labels([firing.ref for firing in alike])
        shared = [firing for firing in alike if firing.ref in common]
        return shared[-1] if shared else chosen

    def _of_all_labels(self, refs: Sequence[LayerRef]) -> set[LayerRef]:
        """Those layers on whose cells every label of a score (B, C) depends; some are tried."""
        common = set(refs)
        count = self._score.shape[1]
        for label in {*range(0, count, max(1, -(-count // _LABELS))), count - 1}:
            weights = torch.zeros_like(self._score)
            weights[:, label] = 1
            nonzero = self._nonzero(refs, weights)
            common &= {ref for ref in refs if nonzero is None or nonzero[ref]}
        return common

    def _nonzero(
        self, refs: Sequence[LayerRef], weights: Tensor | None = None
    ) -> dict[LayerRef, bool] | None:
        """Whether the gradient of the cells of each layer has a value; None if there is none."""
        tensors = [self._tensors[ref] for ref in refs]
        if not tensors:
            return {}
        try:
            by = self._weights if weights is None else weights
            gradients = weighted_gradients(self._score, tensors, by)
        except Exception:  # noqa: BLE001 (a backward function of the model's may raise anything)
            return None
        nonzero = {}
        for ref, gradient in zip(refs, gradients):
            layout = self._layouts.get(ref)
            if gradient is not None and layout is not None:
                gradient = layout.to_grid(gradient)
            nonzero[ref] = gradient is not None and bool(gradient.any())
        return nonzero


def _candidate(survey: Survey, usual: LayerRef | None) -> LayerRef | None:
    fired = None if usual is None else as_fired(usual, survey.firings)
    if fired is not None and fired.cells and fired.connected:
        return fired.ref
    return None if survey.auto is None else survey.auto.ref


def _flagged(
    seen: Survey, connected: Mapping[LayerRef, bool], untested: Sequence[LayerRef]
) -> Survey:
    firings = [replace(firing, connected=connected.get(firing.ref)) for firing in seen.firings]
    return replace(seen, firings=firings, untested=frozenset(untested))


def _edge(tensor: Tensor) -> object:
    """What identifies a tensor in a graph: the node that made it and which of its outputs it is."""
    return id(tensor) if tensor.grad_fn is None else (tensor.grad_fn, tensor.output_nr)


def _edges(score: Tensor, closed: object = None) -> set[object]:
    """The :func:`_edge` of every tensor that the graph of a score holds, not going through one."""
    edges: set[object] = {_edge(score)}
    seen, nodes = set(), [score.grad_fn]
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            edges.add(id(leaf))
        for following, output in node.next_functions:
            if following is not None and (following, output) != closed:
                edges.add((following, output))
                nodes.append(following)
    return edges
