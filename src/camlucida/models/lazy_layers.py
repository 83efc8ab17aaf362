"""Lazy layers, whose sizes come with their first image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from camlucida.models.zoo import guard


def settle(module: nn.Module, shape: Sequence[int], name: str) -> None:
    """Give lazy layers their sizes, and the types that they have from then on.

    Args:
        module: in evaluation mode; run once where it has such layers.
        shape: (C, *spatial) of one image or volume.
        name: of the model, for a message.

    Raises:
        ModelError: it does not run on an image of this shape.

    >>> network = nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU())
    >>> settle(network, (2, 8, 8), "network")
    >>> network[0]
    Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1))
    """
    if not any(isinstance(part, LazyModuleMixin) for part in module.modules()):
        return
    size = " × ".join(map(str, shape))
    what = f"{name}: its lazy layers get no sizes from an image of {size}"
    with torch.no_grad(), guard(what, "state the size and channels of training under [input]"):
        module(torch.zeros(1, *shape))
