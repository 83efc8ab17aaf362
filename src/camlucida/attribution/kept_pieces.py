"""Whether a layer's output can join the graph, and with it what the model kept of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor

from camlucida.core.errors import LayerError, ModelError
from camlucida.models.layers import LayerRef
from camlucida.models.state import items_of

_AMBIGUOUS = "modified inplace with grad mode enabled"
"""PyTorch of a view that cannot follow the tensor that it is a view of."""

_OF_SEVERAL = "returns multiple views"
"""PyTorch of one of several views that one operation made."""


def is_of_its_own(tensor: Tensor, before: Collection[Any]) -> bool:
    """Whether an output can join the graph in place.

    No graph leads to it, and it shares its numbers with nothing before the layer.

    Args:
        tensor: of the output of a module.
        before: what the module was called with, and its buffers: tensors, and containers of them.

    >>> rows, made = torch.zeros(2, 3), torch.zeros(2, 3)
    >>> is_of_its_own(made, [rows]), is_of_its_own(made[:, :2], [rows])
    (True, True)
    >>> is_of_its_own(rows, [rows]), is_of_its_own(rows[:, :2], [{"rows": rows}])
    (False, False)
    """
    made = whole(tensor)
    is_plain = type(tensor) is type(made) is Tensor and not tensor.is_inference()
    if not is_plain or tensor.requires_grad or not _can_be_written(tensor):
        return False
    return all(whole(other) is not made for other in _tensors(tuple(before)))


def _can_be_written(tensor: Tensor) -> bool:
    """Whether autograd follows numbers that are written into a tensor."""
    if tensor._base is None:
        return True
    repeats = 0 in tensor.stride()  # one number stands for several
    made = torch._C._autograd._get_creation_meta(tensor)
    return not repeats and made == torch._C._autograd.CreationMeta.DEFAULT


def whole(tensor: Tensor) -> Tensor:
    """The tensor of which a tensor is a view; itself if it is none.

    >>> rows = torch.zeros(2, 3)
    >>> whole(rows[0]) is whole(rows) is rows
    True
    """
    return tensor if tensor._base is None else tensor._base


def _tensors(item: Any) -> Iterator[Tensor]:
    """The tensors among what a module is called with."""
    if isinstance(item, Tensor):
        yield item
    elif isinstance(item, (list, tuple, dict)):
        for part in items_of(item):
            yield from _tensors(part)


def keeps_pieces(error: ModelError, layers: Collection[LayerRef]) -> bool:
    """Whether a pass failed for a view of a layer's output that the model keeps.

    Such a view was made under ``no_grad``, and no gradient comes by it: the pass works where the
    output does not join the graph.

    Args:
        error: of the pass.
        layers: whose output joined the graph.

    Raises:
        LayerError: the view is one of several that one operation made, and a gradient comes by it.
    """
    message = str(error.__cause__)
    if _AMBIGUOUS not in message:
        return False
    if _OF_SEVERAL in message:
        names = " or ".join(map(str, layers))
        raise LayerError(
            f"the model keeps pieces of what layer {names} returns (unbind, chunk or split) and "
            "uses them past it, so no gradient can be followed by them",
            "keep the whole output and take its pieces where they are used, or name another",
        ) from error
    return True
