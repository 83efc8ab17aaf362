"""Gradients behind a convolution whose kernel is the whole map, as the first of a VGG's head.

It is a product by a matrix. As a convolution its backward pass takes ten times as long.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from camlucida.attribution.graph_nodes import Place, operation, place_of, shape_at, users_before
from camlucida.attribution.shared_backward import gradients_of_each, sharing
from camlucida.core.tensors import full


@dataclass(frozen=True)
class WholeKernel:
    """The convolution by which alone a layer leads to logits.

    Attributes:
        logits: (B, C), with their graph.
        activations: (B, K, *grid) of the layer.
        node: of the convolution.
        given: what it takes, as a place in the graph.
        start: the layer, as a place in the graph.
        weights: (K out, K in, *kernel).
    """

    logits: Tensor
    activations: Tensor
    node: Any
    given: Place
    start: Place
    weights: Tensor

    def gradients(self, by_logits: Sequence[Tensor]) -> Iterator[Tensor]:
        """The gradients of scores by the activations.

        Args:
            by_logits: of each score, its gradient by the logits, (B, C).

        Yields:
            (B, K, *grid) each, in at least float32.

        Raises:
            ModelError: the graph cannot be differentiated.
        """
        size = sharing(self.logits, len(by_logits))
        for start in range(0, len(by_logits), size):
            part = torch.stack(list(by_logits[start : start + size])).to(self.logits)
            made = GradientEdge(self.node, 0)
            (by_made,) = gradients_of_each([self.logits], [made], [part])
            by_given = self._before(by_made)
            if self.given != self.start:
                edge = GradientEdge(*self.given)
                (by_given,) = gradients_of_each([edge], [self.activations], [by_given])
            yield from full(by_given)

    def _before(self, by_made: Tensor) -> Tensor:
        """(T, B, K in, *kernel) from (T, B, K out, 1, …)."""
        # In the order of memory, in which the weights of some machines have their channels last.
        axes = sorted(range(1, self.weights.ndim), key=self.weights.stride, reverse=True)
        ordered = self.weights.permute(0, *axes)
        product = by_made.flatten(2) @ ordered.flatten(1)
        back = [axes.index(axis) + 2 for axis in range(1, self.weights.ndim)]
        by_given: Tensor = product.unflatten(2, ordered.shape[1:]).permute(0, 1, *back)
        return by_given


def find_whole_kernel(logits: Tensor, activations: Tensor) -> WholeKernel | None:
    """The convolution of the whole map by which a layer leads to logits.

    Behind it there may be any operations, one after the other.

    Args:
        logits: (B, C) of a forward pass, with their graph.
        activations: (B, K, *grid) of the same graph.

    Returns:
        None where the layer leads to the logits in any other way.

    >>> layer = torch.rand(1, 2, 4, 4, requires_grad=True)
    >>> logits = torch.conv2d(layer, torch.ones(3, 2, 4, 4)).flatten(1)
    >>> way = find_whole_kernel(logits, layer)
    >>> next(way.gradients([torch.tensor([[5.0, 0.0, 0.0]])]))[0, :, 3, 3]
    tensor([5., 5.])
    """
    if logits.ndim != 2:
        return None
    try:
        node = _covering(logits.grad_fn)
    except RuntimeError:
        return None  # what the graph kept was overwritten: autograd words it
    if node is None:
        return None
    given: Place = node.next_functions[0]
    before = users_before(node)
    start = place_of(activations, before)
    if start not in before:
        return None
    return WholeKernel(logits, activations, node, given, start, node._saved_weight.detach())


def _covering(node: Any) -> Any:
    """The last such convolution among operations one after the other, from a node back."""
    while node is not None and not _covers(node):
        inputs = [following for following, _ in node.next_functions if following is not None]
        node = inputs[0] if len(inputs) == 1 else None
    return node


def _covers(node: Any) -> bool:
    """Whether a node is a convolution that makes one cell of a whole map."""
    on_graph = [following is not None for following, _ in node.next_functions]
    if operation(node) != "ConvolutionBackward0" or on_graph != [True, False, False]:
        return False
    kernel = tuple(node._saved_weight.shape[2:])
    if shape_at(node.next_functions[0])[2:] != kernel or math.prod(kernel) == 1:
        return False
    plain = node._saved_groups == 1 and not node._saved_transposed
    return plain and not any(node._saved_padding)
