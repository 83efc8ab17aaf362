"""Gradients behind global pooling, without a backward pass through the grid.

Where a layer leads to the logits by the mean over its grid alone, every cell of a channel has the
same gradient: that of the channel's mean, divided by the number of cells; 0 where a ReLU between
the two is closed. Behind a linear head the gradients of all labels are one product of matrices.

The graph of the pass itself shows whether it is so: nothing is guessed of a model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from camlucida.attribution.graph_nodes import (
    operation,
    place_of,
    shape_at,
    signed,
    users_of,
    weights_of,
)
from camlucida.attribution.shared_backward import gradients_of_each
from camlucida.core.tensors import full, over_grid


@dataclass(frozen=True)
class Pooling:
    """The mean, or the sum, over the grid by which alone a layer leads to logits.

    Attributes:
        logits: (B, C), with their graph.
        activations: (B, K, *grid) of the layer, without it.
        mean: what the pooling puts out, as a place in the graph.
        share: of each cell in what is put out: 1 over the number of cells; 1 for a sum.
        open: (B, K, *grid) where the ReLUs between the two let a gradient through; None without.
        weights: (C, K) of a linear head; None for any other.
    """

    logits: Tensor
    activations: Tensor
    mean: GradientEdge
    share: float
    open: Tensor | None
    weights: Tensor | None

    def gradients(self, by_logits: Sequence[Tensor]) -> Iterator[Tensor]:
        """The gradients of scores by the activations.

        Args:
            by_logits: of each score, its gradient by the logits, (B, C).

        Yields:
            (B, K, *grid) each, in at least float32; one number in memory for all cells of a channel
            where all have the same.

        Raises:
            ModelError: the head cannot be differentiated.
        """
        if self.weights is not None:
            by_means = torch.stack(list(by_logits)).to(self.weights) @ self.weights
            yield from map(self._over_grid, by_means)
            return
        stacked = torch.stack([gradient.to(self.logits) for gradient in by_logits])
        (by_means,) = gradients_of_each([self.logits], [self.mean], [stacked])
        for by_mean in by_means:
            yield self._over_grid(full(by_mean).reshape(self.activations.shape[:2]))

    def _over_grid(self, by_mean: Tensor) -> Tensor:
        activations = full(self.activations)
        each = over_grid((by_mean * self.share).to(activations), activations)
        return each.expand_as(activations) if self.open is None else each * self.open


def find_pooling(logits: Tensor, activations: Tensor) -> Pooling | None:
    """How a layer leads to logits, where that is by a mean over its grid alone.

    Between layer and mean there may be ReLUs, copies and permutations of axes, and the cells may
    become tokens, with others beside them; behind the mean there may be any operations.

    Args:
        logits: (B, C) of a forward pass, with their graph.
        activations: (B, K, *grid) of the same graph.

    Returns:
        None where the layer leads to the logits in any other way.

    >>> layer = torch.rand(1, 2, 4, 4, requires_grad=True)
    >>> pooling = find_pooling(layer.mean((2, 3)), layer)
    >>> next(pooling.gradients([torch.tensor([[16.0, 0.0]])]))[0, :, 0, 0]
    tensor([1., 0.])
    >>> find_pooling(layer.amax((2, 3)), layer) is None
    True
    """
    if logits.ndim != 2 or logits.grad_fn is None or activations.ndim < 3:
        return None
    users = users_of(logits)
    place = place_of(activations, users)
    way: _Way | None = _Way(tuple(activations.shape), tuple(range(activations.ndim)))
    try:
        while way is not None and way.share is None:
            # The only user of what a node puts out; another would be another way to the logits.
            if len(users.get(place, ())) != 1:
                return None
            ((node, index),) = users[place]
            step = _STEPS.get(operation(node))
            way = None if step is None else step(way, node, index)
            place = node, 0
        if way is None or way.share is None:
            return None
        edge = GradientEdge(*place)
        weights = _linear(logits, edge, way.shape[1])
    except RuntimeError:
        return None  # what the graph kept was overwritten: autograd words it
    return Pooling(logits, activations.detach(), edge, way.share, way.open, weights)


@dataclass(frozen=True)
class _Way:
    """From a layer to some place between it and the pooling.

    Attributes:
        shape: of the activations, (B, K, *grid).
        axes: of the place, by their numbers among those of the activations; where the grid is one
            axis, its number is 2.
        open: as of :class:`Pooling`.
        flat: whether the axes of the grid are one.
        before, behind: where they are, other tokens on that axis.
        share: as of :class:`Pooling`; None before the pooling.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    open: Tensor | None = None
    flat: bool = False
    before: int = 0
    behind: int = 0
    share: float | None = None

    @property
    def cells(self) -> int:
        """Of the grid."""
        return math.prod(self.shape[2:])

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the place."""
        tokens = self.before + self.cells + self.behind
        sizes = (*self.shape[:2], tokens) if self.flat else self.shape
        return tuple(sizes[axis] for axis in self.axes)


_Step = Callable[[_Way, Any, int], _Way | None]
"""The way with one more operation, by its node and the number of the input; None: it ends here."""


def _same(way: _Way, node: Any, index: int) -> _Way | None:
    return way


def _sum_with_constant(way: _Way, node: Any, index: int) -> _Way | None:
    return way if index == 0 else None


def _overwriting(way: _Way, node: Any, index: int) -> _Way | None:
    """A copy into another tensor: of its two inputs the second alone counts."""
    return way if index == 1 else None


def _relu(way: _Way, node: Any, index: int) -> _Way | None:
    result = node._saved_result
    if way.flat or tuple(result.shape) != way.sizes:
        return None
    back = [way.axes.index(axis) for axis in range(len(way.axes))]
    opened = (result.detach() > 0).permute(back)
    return replace(way, open=opened if way.open is None else way.open & opened)


def _permuted(way: _Way, node: Any, index: int) -> _Way | None:
    return replace(way, axes=tuple(way.axes[axis] for axis in map(signed, node._saved_dims)))


def _transposed(way: _Way, node: Any, index: int) -> _Way | None:
    axes = list(way.axes)
    first, second = signed(node._saved_dim0), signed(node._saved_dim1)
    axes[first], axes[second] = axes[second], axes[first]
    return replace(way, axes=tuple(axes))


def _viewed(way: _Way, node: Any, index: int) -> _Way | None:
    """A view of the grid as one axis."""
    in_order = way.axes == tuple(range(len(way.axes)))
    is_flat = shape_at((node, 0)) == (*way.shape[:2], way.cells)
    if way.flat or not in_order or not is_flat:
        return None
    return replace(way, flat=True, axes=(0, 1, 2))


def _among_others(way: _Way, node: Any, index: int) -> _Way | None:
    """The cells as tokens with others, which are no part of the graph, before or behind them."""
    axis, sizes = signed(node._saved_dim), shape_at((node, 0))
    if not way.flat or way.axes[axis] != 2:
        return None
    # What the node hands back of the numbers of all tokens are those of the cells'.
    shape = [1] * len(sizes)
    shape[axis] = -1
    device = node._input_metadata[0].device
    numbers = torch.arange(sizes[axis], dtype=torch.float64, device=device)
    before = int(node(numbers.view(shape).expand(sizes))[index].flatten()[0])
    behind = sizes[axis] - before - way.sizes[axis]
    return replace(way, before=way.before + before, behind=way.behind + behind)


def _cut_out(way: _Way, node: Any, index: int) -> _Way | None:
    """A part of the tokens that has all cells."""
    axis, step = signed(node._saved_dim), node._saved_step
    size = way.sizes[axis]
    bounds = [node._saved_start, node._saved_end]
    signs = (None if bound is None else signed(bound) for bound in bounds)
    start, end, _ = slice(*signs).indices(size)
    if (start, end, step) == (0, size, 1):
        return way
    before, behind = way.before - start, way.behind - (size - end)
    if not way.flat or way.axes[axis] != 2 or step != 1 or before < 0 or behind < 0:
        return None
    return replace(way, before=before, behind=behind)


def _reduced(way: _Way, node: Any, index: int) -> _Way | None:
    """The mean or the sum over all axes of the grid."""
    if node._saved_dim is None:  # all axes, the images among them
        return None
    sizes = tuple(node._saved_self_sym_sizes)
    axes = {signed(axis) % len(sizes) for axis in node._saved_dim}
    left = [axis for place, axis in enumerate(way.axes) if place not in axes]
    if sizes != way.sizes or left != [0, 1]:
        return None
    return replace(way, share=1 / (way.before + way.cells + way.behind))


def _summed(way: _Way, node: Any, index: int) -> _Way | None:
    reduced = _reduced(way, node, index)
    return None if reduced is None else replace(reduced, share=1.0)


def _windowed(way: _Way, node: Any, index: int) -> _Way | None:
    """Average pooling by one window, which is the whole grid."""
    in_order = way.axes == tuple(range(len(way.axes)))
    same_grid = in_order and not way.flat and tuple(node._saved_self.shape) == way.sizes
    whole = tuple(node._saved_kernel_size) == way.shape[2:] and not any(node._saved_padding)
    plain = same_grid and whole and node._saved_divisor_override is None
    return replace(way, share=1 / way.cells) if plain else None


_STEPS: dict[str, _Step] = {
    "CloneBackward0": _same,
    "AliasBackward0": _same,
    "AddBackward0": _sum_with_constant,
    "CopyBackwards": _overwriting,
    "ReluBackward0": _relu,
    "PermuteBackward0": _permuted,
    "TransposeBackward0": _transposed,
    "ViewBackward0": _viewed,
    "ReshapeAliasBackward0": _viewed,
    "CatBackward0": _among_others,
    "SliceBackward0": _cut_out,
    "MeanBackward1": _reduced,
    "SumBackward1": _summed,
    "AvgPool2DBackward0": _windowed,
    "AvgPool3DBackward0": _windowed,
}
"""Operations that lead to the pooling."""

_RESHAPES_NAMES = """
ViewBackward0 UnsafeViewBackward0 ReshapeAliasBackward0 AliasBackward0 CloneBackward0
ToCopyBackward0 SqueezeBackward0 SqueezeBackward1 SqueezeBackward2
UnsqueezeBackward0
"""
_RESHAPES = frozenset(_RESHAPES_NAMES.split())
"""Operations that leave numbers in their order."""


def _linear(logits: Tensor, edge: GradientEdge, channels: int) -> Tensor | None:
    """(C, K) the weights of a head that is one linear layer; None for any other head."""
    node: Any = logits.grad_fn
    weights: Tensor | None = None
    while node is not edge.node:
        inputs = [following for following, _ in node.next_functions if following is not None]
        if len(inputs) != 1:
            return None
        name = operation(node)
        if name in ("AddmmBackward0", "MmBackward0") and weights is None:
            weights = weights_of(node)
        elif name not in _RESHAPES and not _restates(node):
            return None
        node = inputs[0]
    return weights if weights is not None and weights.shape == (logits.shape[1], channels) else None


def _restates(node: Any) -> bool:
    """Whether a node states means (B, K, 1, …) anew in their own order of memory.

    Global pooling does so where images lie pixel by pixel.
    """
    if not operation(node).startswith("AsStridedBackward"):
        return False
    sizes, strides = node._saved_size, node._saved_stride
    ((before, number),) = node.next_functions
    own = node._saved_storage_offset in (None, 0) and shape_at((before, number)) == tuple(sizes)
    return own and tuple(strides[:2]) == (sizes[1], 1) and set(sizes[2:]) <= {1}
