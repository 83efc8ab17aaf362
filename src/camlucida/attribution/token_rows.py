"""Steps of a backward pass on some vectors alone: where the others' gradient is zero.

A head that reads the class token has a gradient at one row of many, and whatever works on each
token by itself leaves the others zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from camlucida.attribution.attention_factors import rows_of_heads
from camlucida.attribution.graph_nodes import Place, operation, shape_at, weights_of
from camlucida.attribution.graph_views import View, view_at

Values = Callable[[Tensor], Tensor]
"""(T, R, D) gradients of T scores by R vectors → those by vectors one operation earlier."""

Pull = tuple[Tensor, Values]
"""(R,) numbers of the vectors one operation earlier, and what gives their gradients.

A tensor's vectors are its last axis, numbered in the order of the other axes."""

_Step = Callable[[Any, Tensor], list[Pull | None] | None]


def pulled(place: Place, positions: Tensor) -> list[Pull | None] | None:
    """How gradients by some vectors that a node puts out lead to those by what it is given.

    Args:
        place: the node, and the number of its output.
        positions: (R,) numbers of the vectors.

    Returns:
        One an input, None for an input that is no part of the graph; None where the node is not
        known to work on each vector by itself, or to leave vectors as they are.

    Raises:
        RuntimeError: the model overwrote what the graph kept.

    >>> x = torch.ones(2, 5, 3, requires_grad=True)
    >>> ((positions, values),) = pulled((x[:, 4].grad_fn, 0), torch.tensor([0, 1]))
    >>> positions
    tensor([4, 9])
    """
    node, _ = place
    weights = weights_of(node)
    if weights is not None:
        pull = positions, _product(weights)
        return [None if following is None else pull for following, _ in node.next_functions]
    view = view_at(place)
    if view is not None:
        return _arranged(view, shape_at(_given(node)), positions)
    step = _STEPS.get(operation(node))
    return None if step is None or not shape_at(place) else step(node, positions)


def reads_few(node: Any) -> bool:
    """Whether a node takes few vectors of many, as a head takes the class token.

    Args:
        node: of a graph.
    """
    if operation(node) not in ("SelectBackward0", "SliceBackward0"):
        return False
    before, after = shape_at(_given(node)), shape_at((node, 0))
    if len(before) < 3 or not after or before[-1] != after[-1]:
        return False
    return 2 * math.prod(after) <= math.prod(before)


def every_vector(place: Place) -> Tensor:
    """The numbers of the vectors at a place of a graph.

    Args:
        place: a node and the number of its output.

    >>> every_vector((torch.ones(2, 3, requires_grad=True).exp().grad_fn, 0))
    tensor([0, 1])
    """
    node, number = place
    count = math.prod(shape_at(place)[:-1])
    return torch.arange(count, device=node._input_metadata[number].device)


def _given(node: Any) -> Place:
    """The place that a node of one input takes."""
    place: Place = node.next_functions[0]
    return place


def _product(weights: Tensor) -> Values:
    return lambda values: values @ weights


def _arranged(view: View, given: tuple[int, ...], positions: Tensor) -> list[Pull | None] | None:
    """Vectors in another order, or some of them; in a view of all numbers they can become several.

    Args:
        view: the operation.
        given: the shape of what it is given.
        positions: of vectors behind it.
    """
    if not given or not view.shape:
        return None
    *others, width = given
    if view.keeps_last_axis(len(given)):
        numbers = torch.arange(math.prod(others), device=positions.device).view(*others, 1)
        return [(view.of(numbers).flatten()[positions], lambda values: values)]
    if view.takes_of_last_axis(len(given)):
        numbers = torch.arange(width, device=positions.device).view(*(1,) * len(others), width)
        return [(positions, _among(view.of(numbers).flatten(), width))]
    if not view.keeps_order or view.shape[-1] % width:
        return None
    parts = view.shape[-1] // width
    earlier = positions[:, None] * parts + torch.arange(parts, device=positions.device)
    return [(earlier.flatten(), lambda values: values.reshape(len(values), -1, width))]


def _among(columns: Tensor, width: int) -> Values:
    """Parts of vectors among the others, which have no gradient."""

    def values(of_parts: Tensor) -> Tensor:
        whole = of_parts.new_zeros(*of_parts.shape[:-1], width)
        return whole.index_copy_(-1, columns, of_parts)

    return values


def _normalised(node: Any, positions: Tensor) -> list[Pull | None] | None:
    """Layer normalisation over the vectors."""
    width = shape_at((node, 0))[-1]
    on_graph = [following is not None for following, _ in node.next_functions]
    if tuple(node._saved_normalized_shape) != (width,) or on_graph != [True, False, False]:
        return None
    scale, mean = (_vectors(x, positions) for x in (node._saved_result2, node._saved_result1))
    centred = (_vectors(node._saved_input, positions) - mean) * scale
    weight = node._saved_weight

    def values(by_output: Tensor) -> Tensor:
        by_centred = by_output if weight is None else by_output * weight
        along = (by_centred * centred).mean(-1, keepdim=True)
        rest = by_centred - by_centred.mean(-1, keepdim=True) - centred * along
        return scale * rest

    return [(positions, values), None, None]


def _elementwise(node: Any, positions: Tensor) -> list[Pull | None] | None:
    """A function of each number by itself: the node gives its derivative."""
    shape = shape_at((node, 0))
    metadata = node._input_metadata[0]
    made = node(torch.ones(shape, dtype=metadata.dtype, device=metadata.device))
    derivatives = made if isinstance(made, tuple) else (made,)
    pulls: list[Pull | None] = []
    for (following, number), derivative in zip(node.next_functions, derivatives, strict=True):
        if following is None:
            pulls.append(None)
        elif derivative is None or shape_at((following, number)) != shape:
            return None
        else:
            pulls.append((positions, _times(_vectors(derivative, positions))))
    return pulls


def _of_gelu(node: Any, positions: Tensor) -> list[Pull | None]:
    given = _vectors(node._saved_self, positions)
    approximate = node._saved_approximate
    factors = torch.ops.aten.gelu_backward(torch.ones_like(given), given, approximate=approximate)
    return [(positions, _times(factors))]


def _of_silu(node: Any, positions: Tensor) -> list[Pull | None]:
    given = _vectors(node._saved_self, positions)
    factors = torch.ops.aten.silu_backward(torch.ones_like(given), given)
    return [(positions, _times(factors))]


def _put_together(node: Any, positions: Tensor) -> list[Pull | None] | None:
    """Vectors beside others, or with constants round them."""
    *others, width = shape_at((node, 0))
    places = [place for place in node.next_functions if place[0] is not None]
    if any(shape_at(place)[-1:] != (width,) for place in places):
        return None
    # What the node hands back of the numbers of all vectors are those of each input's.
    count = math.prod(others)
    numbers = torch.arange(count, dtype=torch.float64, device=positions.device)
    returned = node(numbers.view(*others, 1).expand(*others, width))
    of_inputs = returned if isinstance(returned, tuple) else (returned,)
    return [None if of is None else _those_of(of, count, positions) for of in of_inputs]


def _those_of(numbers: Tensor, count: int, positions: Tensor) -> Pull | None:
    """Of vectors those that came from one input; None where none did.

    Args:
        numbers: (…, D) at each vector of the input its number behind the node.
        count: of the vectors behind the node.
        positions: of those that have a gradient.
    """
    behind = numbers[..., 0].flatten().long()
    earlier = positions.new_full((count,), -1)
    earlier[behind] = torch.arange(len(behind), device=positions.device)
    among = (earlier[positions] >= 0).nonzero().flatten()
    if not len(among):
        return None
    return earlier[positions[among]], lambda values: values[:, among]


def _matrices(node: Any, positions: Tensor) -> list[Pull | None] | None:
    """A product of matrices: few rows of the first give all rows of the second a gradient."""
    found = rows_of_heads(positions, (1, *shape_at((node, 0))))
    if found is None:
        return None
    order, (rows,) = found

    def read(values: Tensor) -> Tensor:
        of_matrices: Tensor = values[:, order].unflatten(1, rows.shape)
        return of_matrices

    def by_first(values: Tensor) -> Tensor:
        matrices = node._saved_mat2.detach()
        made: Tensor = torch.einsum("tbrm,bkm->tbrk", read(values), matrices)
        return made.flatten(1, 2)

    def by_second(values: Tensor) -> Tensor:
        given = node._saved_self.detach()
        taken = given.gather(1, rows[..., None].expand(*rows.shape, given.shape[-1]))
        made: Tensor = torch.einsum("brk,tbrm->tbkm", taken, read(values))
        return made.flatten(1, 2)

    first, second = node.next_functions
    return [
        None if first[0] is None else (positions[order], by_first),
        None if second[0] is None else (every_vector(second), by_second),
    ]


def _vectors(x: Tensor, positions: Tensor) -> Tensor:
    return x.detach().reshape(-1, x.shape[-1])[positions]


def _times(factors: Tensor) -> Values:
    return lambda values: values * factors


_OF_NUMBERS = """
Add Sub Mul Div Neg Exp Log Sqrt Pow Relu Sigmoid Tanh Elu LeakyRelu Hardswish Hardtanh Mish
Softplus Erf
"""
_ELEMENTWISE = [f"{name}Backward0" for name in _OF_NUMBERS.split()]
_STEPS: dict[str, _Step] = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    "GeluBackward0": _of_gelu,
    "SiluBackward0": _of_silu,
    "NativeLayerNormBackward0": _normalised,
    "CatBackward0": _put_together,
    "ConstantPadNdBackward0": _put_together,
    "BmmBackward0": _matrices,
}
