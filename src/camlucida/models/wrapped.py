"""A backbone with another head, as training scripts write it.

In the place of its own, or beside it on a module around both.
"""

from __future__ import annotations

from collections import OrderedDict
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


class Elsewhere(nn.Module):
    """What stands in the place of a head that the network has under another name.

    The head is no child of it: its weights have one name, and it is copied with the network.
    """

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self._head = (head,)

    def forward(self, x: Tensor) -> Tensor:
        """(B, features) → (B, outputs)."""
        output: Tensor = self._head[0](x)
        return output


class Fused(nn.Module):
    """``head(cat(backbone(x), branch(features)))``: the features are held, every image has them.

    All parts have the names that the training script gave them.
    """

    def __init__(
        self,
        backbone: tuple[str, nn.Module],
        branch: tuple[str, nn.Module] | None,
        head: tuple[str, nn.Module],
        features: Sequence[float],
    ) -> None:
        super().__init__()
        self.add_module(*backbone)
        if branch is not None:
            self.add_module(*branch)
        self.add_module(*head)
        self._backbone, self._head = backbone[0], head[0]
        self._branch = "" if branch is None else branch[0]
        held = torch.tensor([list(features)], dtype=torch.float32)
        self.register_buffer("_features", held, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, outputs)."""
        image = self.get_submodule(self._backbone)(x)
        features = self.get_buffer("_features")
        if self._branch:
            features = self.get_submodule(self._branch)(features)
        both = torch.cat([image, features.expand(len(image), -1)], 1)
        output: Tensor = self.get_submodule(self._head)(both)
        return output


def build_fused(
    backbone: str,
    at: str,
    under: str,
    head: str | Sequence[str],
    beside: str,
    features: Sequence[float],
    branch: str = "",
    layers: Sequence[str] = (),
    first: str = "",
    channels: int = 3,
    args: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Build a network whose head takes further features beside those of the image.

    Args:
        backbone, at, under, first, channels, args: as of :func:`build`.
        head: its layers, as of :func:`build`.
        beside: name of the head.
        features: values of the further features, the same for every image.
        branch: name of the layers that they pass before the head; "" for none.
        layers: of the branch; one is a layer by itself, several are a Sequential.
    """
    module = build_backbone(backbone, args or {}, Path(), pretrained=False)
    if first:
        _set_channels(module, first, channels)
    module.set_submodule(at, nn.Identity())
    passed = None
    if branch:
        passed = branch, _head(layers[0] if len(layers) == 1 else layers)
    return Fused((under, module), passed, (beside, _head(head)), features)


def _sequential(layers: Sequence[str]) -> nn.Module:
    return nn.Sequential(*map(_layer, layers))


def build(
    backbone: str,
    head: str | Sequence[str],
    at: str,
    first: str = "",
    channels: int = 3,
    under: str = "",
    beside: str = "",
    args: Mapping[str, Any] | None = None,
    children: bool = False,
    inside: str = "",
) -> nn.Module:
    """Build a classifier or regressor around a known backbone.

    Args:
        backbone: a factory, such as ``torchvision:resnet50``.
        head: one layer, or the layers of a Sequential: ``Linear 2048 512`` (``Linear 2048 512 0``
            without bias), ``BatchNorm1d 512``, ``LayerNorm 512``, ``ReLU``, ``Identity``.
        at: name of the backbone's own head, which is replaced.
        first: path of the backbone's first convolution.
        channels: of the input; the first convolution is built again where it has others.
        under: name of the backbone in a module around it; "" where there is none.
        beside: name of the head beside the backbone, whose own head is then an identity; "" where
            it is ``at`` itself. Without ``under``, the name that it has in the backbone.
        args: of the backbone's factory.
        children: whether the backbone is a Sequential of its children, under their numbers; the
            mean over positions follows. The head is ``beside``, in the Sequential itself where
            there is no ``under``.
        inside: path of the layers in the head, where it is a module around them; "" elsewhere.
    """
    module = build_backbone(backbone, args or {}, Path(), pretrained=False)
    if first:
        _set_channels(module, first, channels)
    built = _head(head, inside)
    if beside and not under and not children:
        _rename(module, at, beside, built)
        return module
    module.set_submodule(at, nn.Identity() if beside else built)
    if children:
        module = _in_sequence(module)
    if beside and under:
        return Wrapped(under, module, beside, built)
    if beside:
        module.add_module(beside, built)
    return Wrapped(under, module) if under else module


def _head(head: str | Sequence[str], inside: str = "") -> nn.Module:
    """One layer or a Sequential, in modules around it that have these names."""
    built = _layer(head) if isinstance(head, str) else _sequential(head)
    for name in reversed(inside.split(".") if inside else []):
        built = nn.Sequential(OrderedDict({name: built}))
    return built


def _rename(module: nn.Module, at: str, name: str, head: nn.Module) -> None:
    """Put a head in the place of the network's own, under another name."""
    if hasattr(module, name):
        raise ModelError(f"head: the network has something else called {name!r}", "use a factory")
    module.set_submodule(at, Elsewhere(head))
    module.add_module(name, head)


def _in_sequence(network: nn.Module) -> nn.Sequential:
    """The children of a network up to the last with weights, then the mean over positions."""
    parts = list(network.children())
    while not any(True for _ in parts[-1].parameters()):
        parts.pop()
    sequence = nn.Sequential(*parts)
    # Names that no head has: a head in the Sequential is called by its number.
    sequence.add_module("pool", nn.AdaptiveAvgPool2d(1))
    sequence.add_module("flatten", nn.Flatten())
    return sequence


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
