"""The nodes of an autograd graph: their names, what they put out, and who takes it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor

from camlucida.core.tensors import full

Place = tuple[Any, int]
"""A node of a graph and the number of one of its outputs, or of one of its inputs."""


def users_of(output: Tensor, until: Collection[Any] = ()) -> dict[Place, list[Place]]:
    """Node and number of its output → nodes that take it, and as which of their inputs.

    Args:
        output: of a forward pass, with its graph.
        until: nodes of which it does not matter what they take.

    >>> x = torch.ones(2, requires_grad=True)
    >>> [operation(user) for ((user, _),) in users_of(x.exp().sum()).values()]
    ['SumBackward0', 'ExpBackward0']
    """
    return users_before(output.grad_fn, until)


def users_before(last: Any, until: Collection[Any] = ()) -> dict[Place, list[Place]]:
    """As :func:`users_of`, for the graph before a node.

    Args:
        last: the node.
        until: as of :func:`users_of`.
    """
    users: defaultdict[Place, list[Place]] = defaultdict(list)
    pending, seen = [last], {last, *until}
    while pending:
        node: Any = pending.pop()
        for index, (following, number) in enumerate(node.next_functions):
            if following is None:
                continue
            users[following, number].append((node, index))
            if following not in seen:
                seen.add(following)
                pending.append(following)
    return users


def may_hook(function: Callable[..., Any]) -> bool:
    """Whether a function puts a hook on a tensor, or hands out a node on which one can be put.

    A hook can change a gradient on its way, and no graph shows it.

    Args:
        function: as a function mode is given it.
    """
    return function in _MAY_HOOK


_MAY_HOOK = (Tensor.register_hook, vars(torch._C.TensorBase)["grad_fn"].__get__)


def place_of(tensor: Tensor, users: dict[Place, list[Place]]) -> Place:
    """The node that stands for a tensor in a graph; None where it is not in it.

    Args:
        tensor: a leaf, or inside of the graph.
        users: of this graph.
    """
    if tensor.grad_fn is not None:
        return tensor.grad_fn, tensor.output_nr
    leaves = (node for node, _ in users if getattr(node, "variable", None) is tensor)
    return next(leaves, None), 0


def operation(node: Any) -> str:
    """The name of a node, as in ``ReluBackward0``.

    Args:
        node: of a graph.
    """
    return str(node.name()).rpartition("::")[2]


def shape_at(place: Place) -> tuple[int, ...]:
    """The shape of what a node puts out.

    Args:
        place: the node and the number of its output.

    >>> shape_at((torch.ones(2, 3, requires_grad=True).mT.grad_fn, 0))
    (3, 2)
    """
    node, number = place
    return tuple(node._input_metadata[number].shape)


def signed(axis: int) -> int:
    """An axis as it was given: a graph keeps −1 as the largest number of 64 bits.

    Args:
        axis: as a node keeps it.

    >>> signed(2**64 - 1), signed(2)
    (-1, 2)
    """
    return axis - 2**64 if axis >= 2**63 else axis


def weights_of(node: Any) -> Tensor | None:
    """The weights by which a node multiplies vectors, the last axis of what it is given.

    Args:
        node: of a graph.

    Returns:
        (D out, D in), in at least float32; None where the node is no product of vectors on the
        graph and a matrix that is none of it.

    >>> x = torch.ones(2, 3, requires_grad=True)
    >>> weights_of((x @ torch.ones(3, 4)).grad_fn).shape
    torch.Size([4, 3])
    """
    name = operation(node)
    on_graph = [following is not None for following, _ in node.next_functions]
    if on_graph != _ON_GRAPH.get(name):
        return None
    matrix = node._saved_mat2.detach()
    if name == "BmmBackward0":
        if matrix.stride(0) != 0:
            return None
        matrix = matrix[0]  # the same for all
    weights, scale = full(matrix.mT), getattr(node, "_saved_alpha", 1)
    return weights if scale == 1 else weights * scale


_ON_GRAPH = {
    "AddmmBackward0": [False, True, False],
    "MmBackward0": [True, False],
    "BmmBackward0": [True, False],
}
"""Products by a matrix, and which of their inputs the vectors are."""


def _has_no_gradient(node: Any) -> bool:
    """Whether an operation has no derivative, as a quantised layer: what it is given gets none."""
    # Known operations have types of their own, of which the name need not be read: it takes long.
    return type(node).__name__ == "CppFunction" and operation(node) == "WarnNotImplemented"


def reaches(score: Tensor, activations: Tensor) -> bool:
    """Whether a gradient of ``score`` comes to ``activations`` by its graph.

    Args:
        score: of any shape.
        activations: a leaf, or part of a graph.

    >>> x = torch.ones(2, requires_grad=True)
    >>> reaches((2 * x).sum(), x), reaches(torch.ones(2), x)
    (True, False)
    """
    seen, nodes = set(), [score.grad_fn]
    while nodes:
        node = nodes.pop()
        if node is None or node in seen or _has_no_gradient(node):
            continue
        if node is activations.grad_fn or getattr(node, "variable", None) is activations:
            return True
        seen.add(node)
        nodes += [following for following, _ in node.next_functions]
    return False


def has_way_past(score: Tensor, stop: Any, nodes: Collection[Any]) -> bool:
    """Whether a score depends on one of several nodes by a way that does not pass another.

    Args:
        score: whose graph is searched.
        stop: the node that is not passed.
        nodes: that are looked for.

    >>> x = torch.ones(2, requires_grad=True)
    >>> first = x.exp()
    >>> second = first.sin()
    >>> has_way_past(second.sum(), second.grad_fn, {first.grad_fn})
    False
    >>> has_way_past(second.sum() + first.sum(), second.grad_fn, {first.grad_fn})
    True
    """
    seen, pending = {stop}, [score.grad_fn]
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        if node in nodes:
            return True
        seen.add(node)
        pending += [following for following, _ in node.next_functions]
    return False
