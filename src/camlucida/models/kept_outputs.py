"""What a network keeps of a pass in its own attributes: an output, a list of attentions, a loss."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

_CONTAINERS = (list, tuple, dict)
_MOST = 256
"""Items of a container that is searched: more of them are data, and no outputs."""


@contextmanager
def kept_off_graph(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Tensors that passes inside leave in attributes are off the graph afterwards.

    Else the graph lives as long as they do, with all that it holds, and the network cannot be
    copied. What was there before stays as it is.

    Args:
        modules: of a network.

    >>> import torch
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
    holders = _holders(modules)
    before = {id(tensor) for holder in holders for tensor in _on_graph(holder)}
    try:
        yield
    finally:
        now = (tensor for holder in holders for tensor in _on_graph(holder))
        if any(id(tensor) not in before for tensor in now):
            for holder in holders:
                _detach(holder, before)


def _holders(modules: Sequence[nn.Module]) -> list[dict[str, Any]]:
    """The attributes of the modules in which a pass may leave something.

    Layers of PyTorch keep nothing by themselves; a forward hook may leave it anywhere.
    """
    hooked = any(module._forward_hooks for module in modules)
    own = (m for m in modules if hooked or not type(m).__module__.startswith("torch.nn.modules"))
    return [vars(module) for module in own]


def _on_graph(value: Any) -> Iterator[Tensor]:
    """The tensors of a graph in lists, tuples and dictionaries."""
    if type(value) is Tensor:
        if value.grad_fn is not None:
            yield value
    elif type(value) in _CONTAINERS and len(value) <= _MOST:
        for each in list(value.values()) if type(value) is dict else value:
            if type(each) is Tensor or type(each) in _CONTAINERS:
                yield from _on_graph(each)


def _detach(value: Any, before: Collection[int]) -> Any:
    """The same without graphs; lists and dictionaries are changed in place.

    Args:
        value: of :func:`_on_graph`.
        before: identities of tensors that stay.
    """
    if type(value) is Tensor:
        stays = value.grad_fn is None or id(value) in before
        return value if stays else value.detach()
    if type(value) not in _CONTAINERS or len(value) > _MOST:
        return value
    if type(value) is tuple:
        detached = tuple(_detach(each, before) for each in value)
        changes = any(new is not old for new, old in zip(detached, value))
        return detached if changes else value
    for key, each in list(value.items() if type(value) is dict else enumerate(value)):
        detached = _detach(each, before)
        if detached is not each:
            value[key] = detached
    return value
