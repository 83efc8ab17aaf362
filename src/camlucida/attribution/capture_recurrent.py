"""Recurrent layers in evaluation mode, whose gradient cuDNN does not give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle


def without_cudnn(module: nn.Module) -> Iterator[RemovableHandle]:
    """Hooks under which a recurrent layer on a GPU runs without cuDNN; none for other modules.

    cuDNN's backward pass of a recurrent layer exists in training mode alone. PyTorch's other
    kernels compute the same, and the rest of the model keeps cuDNN.

    Args:
        module: any.

    >>> list(without_cudnn(nn.Conv2d(1, 1, 1)))
    []
    """
    if not isinstance(module, nn.RNNBase) or not _on_gpu(module):
        return
    before: list[bool] = []

    def switch_off(module: nn.Module, args: Any) -> None:
        before.append(torch.backends.cudnn.enabled)
        torch.backends.cudnn.enabled = False

    def switch_back(module: nn.Module, args: Any, output: Any) -> None:
        torch.backends.cudnn.enabled = before.pop()

    yield module.register_forward_pre_hook(switch_off)
    # Called after an exception too.
    yield module.register_forward_hook(switch_back, always_call=True)


def _on_gpu(module: nn.Module) -> bool:
    return any(parameter.is_cuda for parameter in module.parameters())
