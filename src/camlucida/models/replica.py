"""A second copy of a model for another thread, with the same weights in memory."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from camlucida.models.state import instance_forward

_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


def replica(model: nn.Module) -> nn.Module | None:
    """A copy that shares the memory of all weights; its modules are its own.

    So two threads can run the model at once, each with hooks on its own modules. The weights must
    stay as they are meanwhile.

    Args:
        model: a plain module, in evaluation mode.

    Returns:
        None where a copy could lead back to the model itself, through a hook or a ``forward`` that
        was put on one of its modules, or cannot be made.

    >>> model = nn.Sequential(nn.Linear(3, 2), nn.ReLU()).eval()
    >>> twin = replica(model)
    >>> twin[0] is model[0], twin[0].weight.data_ptr() == model[0].weight.data_ptr()
    (False, True)
    """
    if not all(map(_is_plain, model.modules())):
        return None
    # What the memo holds counts as copied already.
    shared: dict[int, object] = {id(tensor): tensor.detach() for tensor in _buffers(model)}
    for parameter in model.parameters():
        shared[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False)
    try:
        return copy.deepcopy(model, shared)
    except Exception:  # noqa: BLE001  a part of the user's own may raise anything
        return None


def _is_plain(module: nn.Module) -> bool:
    if isinstance(module, torch.jit.ScriptModule) or instance_forward(module) is not None:
        return False
    return not any(getattr(module, name, None) for name in _HOOKS)


def _buffers(model: nn.Module) -> Iterator[Tensor]:
    for module in model.modules():
        yield from (tensor for tensor in module._buffers.values() if tensor is not None)
