"""A backbone with another head, as training scripts write it.

In the place of its own, or beside it on a module around both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.core.errors import ModelError
from camlucida.models.factory import build as build_backbone


class Wrapped(nn.Module):
    """``head(backbone(x))``.

    Backbone and head have the names that the training script gave them.
    """

    def __init__(
        self, under: str, backbone: nn.Module, name: str = "", head: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.add_module(under, backbone)
        if head is not None:
            self.add_module(name, head)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, outputs)."""
        for module in self.children():
            x = module(x)
        return x


def build(
    backbone: str,
    head: str | Sequence[str],
    at: str,
    first: str = "",
    channels: int = 3,
    under: str = "",
    beside: str = "",
    args: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Build a classifier or regressor around a known backbone.

    Args:
        backbone: a factory, such as ``torchvision:resnet50``.
        head: one layer, or the layers of a Sequential: ``Linear 2048 512``, ``BatchNorm1d 512``,
            ``LayerNorm 512``, ``ReLU``, ``Identity``.
        at: name of the backbone's own head, which is replaced.
        first: path of the backbone's first convolution.
        channels: of the input; the first convolution is built again where it has others.
        under: name of the backbone in a module around it; "" where there is none.
        beside: name of the head beside the backbone, whose own head is then an identity; "" where
            it is ``at`` itself.
        args: of the backbone's factory.
    """
    module = build_backbone(backbone, args or {}, Path(), pretrained=False)
    if first:
        _set_channels(module, first, channels)
    built = _layer(head) if isinstance(head, str) else nn.Sequential(*map(_layer, head))
    module.set_submodule(at, nn.Identity() if beside else built)
    if beside:
        return Wrapped(under, module, beside, built)
    return Wrapped(under, module) if under else module


def _set_channels(module: nn.Module, first: str, channels: int) -> None:
    conv = module.get_submodule(first)
    assert isinstance(conv, nn.Conv2d)  # the table of backbones names it
    if conv.in_channels != channels:
        weight = conv.weight
        conv.in_channels = channels
        conv.weight = nn.Parameter(
            torch.zeros(len(weight), channels, *weight.shape[2:], device=weight.device)
        )


_LAYERS: dict[str, Callable[..., nn.Module]] = {
    "Linear": nn.Linear,
    "BatchNorm1d": nn.BatchNorm1d,
    "LayerNorm": nn.LayerNorm,
}
_PLAIN = {"ReLU": nn.ReLU, "Identity": nn.Identity}


def _layer(words: str) -> nn.Module:
    """``Linear 2048 512`` as a module."""
    kind, *numbers = words.split()
    try:
        return _LAYERS[kind](*map(int, numbers)) if numbers else _PLAIN[kind]()
    except (KeyError, ValueError, TypeError) as error:
        known = "Linear IN OUT, BatchNorm1d N, LayerNorm N, ReLU, Identity"
        raise ModelError(f"head: {words!r} is not a layer", f"known: {known}") from error
