"""A second copy of a model for another thread, with the same weights in memory."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from camlucida.models.shared_state import held, writes_elsewhere
from camlucida.models.state import instance_forward

_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


def replica(model: nn.Module) -> nn.Module | None:
    """A copy that shares the memory of all weights; its modules and buffers are its own.

    So two threads can run the model at once, each with hooks on its own modules. The weights must
    stay as they are meanwhile.

    Args:
        model: a plain module, in evaluation mode.

    Returns:
        None where an image's output depends on the others of its batch, which copies would divide;
        where a copy could lead back to the model itself, through a hook or a ``forward`` that
        was put on one of its modules, or by what both hold; where its code keeps state outside of
        its modules; or where a copy cannot be made.

    >>> model = nn.Sequential(nn.Linear(3, 2), nn.ReLU()).eval()
    >>> twin = replica(model)
    >>> twin[0] is model[0], twin[0].weight.data_ptr() == model[0].weight.data_ptr()
    (False, True)
    """
    if not all(map(_is_plain, model.modules())) or writes_elsewhere(model):
        return None
    # What the memo holds counts as copied already. A forward pass may write to a buffer.
    shared: dict[int, object] = {}
    for parameter in model.parameters():
        shared[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False)
    try:
        twin = copy.deepcopy(model, shared)
    except Exception:  # noqa: BLE001  a part of the user's own may raise anything
        return None
    both = held(model).keys() & held(twin).keys()
    return None if both else twin


def _is_plain(module: nn.Module) -> bool:
    if isinstance(module, torch.jit.ScriptModule) or instance_forward(module) is not None:
        return False
    if isinstance(module, _BatchNorm) and (module.training or module.running_mean is None):
        return False  # it normalises by the batch
    return not any(getattr(module, name, None) for name in _HOOKS)
