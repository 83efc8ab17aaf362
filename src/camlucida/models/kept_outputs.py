"""What a network keeps of a pass in its own attributes: an output, a list of attentions, a loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_SEARCHED = frozenset((Tensor, list, tuple, dict))
_TABLES = frozenset(vars(nn.Module())) - {"_buffers"}
"""A module's own tables: of hooks, parameters and parts."""

_MOST = 256
"""Items of a container that is searched: more of them are data, and no outputs."""


@contextmanager
def kept_off_graph(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Tensors that passes inside leave in attributes are off the graph afterwards.

    Else the graph lives as long as they do, with all that it holds, and the network cannot be
    copied. What was there before stays as it is.

    Args:
        modules: of a network.

    >>> class Keeps(nn.Module):
    ...     def forward(self, x):
    ...         self.seen = [x * 2]
    ...         return self.seen[0]
    >>> net = Keeps()
    >>> with kept_off_graph([net]):
    ...     net(torch.ones(1, requires_grad=True)).requires_grad
    True
    >>> net.seen
    [tensor([2.])]
    """
    earliest = _next_node()
    try:
        yield
    finally:
        for holder in _holders(modules):
            for name in holder.keys() - _TABLES:
                if type(holder[name]) in _SEARCHED:
                    holder[name] = _detached(holder[name], earliest)


def _next_node() -> int:
    """The number of a node of a graph that is made now: those of earlier ones are less."""
    node: Any = torch.ones((), requires_grad=True).clone().grad_fn
    return int(node._sequence_nr())


def _holders(modules: Sequence[nn.Module]) -> list[dict[str, Any]]:
    """The attributes of the modules in which a pass may leave something.

    Layers of PyTorch keep nothing by themselves; a forward hook may leave it anywhere.
    """
    hooked = any(module._forward_hooks for module in modules)
    own = (m for m in modules if hooked or not type(m).__module__.startswith("torch.nn.modules"))
    return [vars(module) for module in own]


def _detached(value: Any, earliest: int) -> Any:
    """The same without graphs; lists and dictionaries are changed in place.

    Args:
        value: an attribute.
        earliest: number of the first node of the graphs that are meant.
    """
    if type(value) is Tensor:
        return value.detach() if _is_later(value, earliest) else value
    if type(value) not in _SEARCHED or len(value) > _MOST:
        return value
    items = dict(value if type(value) is dict else enumerate(value))
    changed = _changed(items, earliest)
    if changed and type(value) is tuple:
        return tuple({**items, **changed}.values())
    for key, new in changed.items():
        value[key] = new
    return value


def _is_later(tensor: Tensor, earliest: int) -> bool:
    """Whether a tensor is on one of the graphs that are meant."""
    try:
        node: Any = tensor.grad_fn
    except RuntimeError:  # a view that could not follow what was written into its base
        return True
    return node is not None and bool(node._sequence_nr() >= earliest)


def _changed(items: dict[Any, Any], earliest: int) -> dict[Any, Any]:
    changed = {}
    for key, value in items.items():
        if type(value) in _SEARCHED:
            detached = _detached(value, earliest)
            if detached is not value:
                changed[key] = detached
    return changed
