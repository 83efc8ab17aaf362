"""One backward pass for several scores, which reads the weights of the model once."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from contextlib import suppress

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from camlucida.attribution.capture_errors import differentiating
from camlucida.attribution.graph_nodes import shape_at, users_of
from camlucida.core.tensors import weighted_gradients

ONE_BY_ONE = 4
"""So many scores have a backward pass each: a shared one is faster from three on, and imports sympy
first, half a second of a process."""

MOST_NUMBERS = 2**22
"""Of any tensor in a shared pass, 16 MiB in float32: fewer scores share one where one is larger."""


def gradients_together(
    outputs: Sequence[Tensor] | Sequence[GradientEdge],
    inputs: Sequence[Tensor] | Sequence[GradientEdge],
    by_outputs: Sequence[Tensor],
) -> Sequence[Tensor] | None:
    """The gradients of T scores in one backward pass; the graph is kept.

    Args:
        outputs: of a graph, or edges of it.
        inputs: of the same graph, or edges of it.
        by_outputs: (T, …) of each output, the scores' gradients by it.

    Returns:
        (T, …) of each input; None where an operation cannot be taken back for several at once, as
        one of the user's own that looks at the numbers, or an output does not depend on an input.

    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> gradients_together([x**2], [x], [torch.eye(2)])
    (tensor([[2., 0.],
            [0., 4.]]),)
    """

    def of_score(*by: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(outputs, inputs, by, retain_graph=True)

    # A backward function of the user's own may raise anything.
    with suppress(Exception), warnings.catch_warnings():
        # An operation without a rule for several gradients is taken back one by one inside.
        warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
        together: tuple[Tensor, ...] = torch.func.vmap(of_score)(*by_outputs)
        return together
    return None


def gradients_of_each(
    outputs: Sequence[Tensor] | Sequence[GradientEdge],
    inputs: Sequence[Tensor] | Sequence[GradientEdge],
    by_outputs: Sequence[Tensor],
) -> Sequence[Tensor]:
    """As :func:`gradients_together`, one by one where they are few or cannot be taken together.

    Args:
        outputs: one tensor of a graph, or edges of it.
        inputs, by_outputs: as of :func:`gradients_together`.

    Raises:
        ModelError: the graph cannot be differentiated.
    """
    many = len(by_outputs[0]) > ONE_BY_ONE
    together = gradients_together(outputs, inputs, by_outputs) if many else None
    if together is not None:
        return together
    with differentiating():
        each = [_of_one(outputs, inputs, by) for by in zip(*by_outputs)]
    return list(map(torch.stack, zip(*each)))


def _of_one(
    outputs: Sequence[Tensor] | Sequence[GradientEdge],
    inputs: Sequence[Tensor] | Sequence[GradientEdge],
    by: Sequence[Tensor],
) -> Sequence[Tensor]:
    if isinstance(outputs[0], Tensor):
        gradients = weighted_gradients(outputs[0], inputs, by[0])
        assert all(gradient is not None for gradient in gradients)
        return [gradient for gradient in gradients if gradient is not None]
    return torch.autograd.grad(outputs, inputs, by, retain_graph=True)


def sharing(output: Tensor, scores: int) -> int:
    """How many of several scores share a backward pass.

    Args:
        output: of a forward pass, with its graph.
        scores: that are to be differentiated.

    Returns:
        1 where a pass of its own for each is as good.

    >>> x = torch.ones(1, 2**19, requires_grad=True)
    >>> sharing(x.exp(), 5), sharing(x.exp(), 18), sharing(x.repeat(4, 1), 18), sharing(x.exp(), 3)
    (5, 6, 1, 1)
    """
    sizes = [math.prod(shape_at(place)) for place in users_of(output)]
    together = fitting(max(output.numel(), *sizes), scores) if scores > ONE_BY_ONE else 1
    return together if together > 2 else 1


def fitting(numbers: int, scores: int) -> int:
    """How many of several scores fit into memory together, in parts of about one size.

    Args:
        numbers: of the largest tensor that one of them has.
        scores: how many.

    >>> fitting(2**19, 3), fitting(2**19, 18), fitting(2**23, 2)
    (3, 6, 1)
    """
    most = max(1, MOST_NUMBERS // numbers)
    parts = math.ceil(scores / most)
    return math.ceil(scores / parts)
