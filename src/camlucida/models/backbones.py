"""Classifiers and regressors that a state dict can be recognised as: a backbone, wrapped or not, with a head or another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from camlucida.models.card import Card, InputSpec
from camlucida.models.heads import Head, read_head
from camlucida.models.wrapped import build

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation, red, green and blue."""

ACTIVATION = "what follows the last layer with weights cannot be known: taken for logits, or the value itself"


@dataclass(frozen=True)
class Backbone:
    """A network whose head may have been replaced.

    Attributes:
        factory: what builds it.
        first: path of its first convolution.
        at: path of its own head.
        own: the index of the Linear layer in its own head; None where the head is that layer.
        size: the input's height and width, where training was as usual.
        channels: that it is built for.
        note: what keys and shapes cannot tell.
    """

    factory: str
    first: str
    at: str
    own: int | None = None
    size: int = 224
    channels: int = 3
    note: str = ""

    def input(self, channels: int) -> tuple[InputSpec, str]:
        """The preprocessing that such networks are usually trained with, and a sentence that says it is assumed."""
        if self.channels == 1:
            spec, scale = InputSpec(size=self.size, channels=1, range=(-1, 1)), "black −1, white 1"
        elif channels == 3:
            spec, scale = InputSpec(size=self.size, mean=IMAGENET[0], std=IMAGENET[1]), "ImageNet mean and std"
        else:
            spec, scale = InputSpec(size=self.size, channels=1), "black 0, white 1"
        said = f"preprocessing ASSUMED, not known: {self.size} × {self.size}, {spec.channels} channels, {scale}"
        return spec, said.replace("1 channels", "1 channel")


def _small(name: str) -> Backbone:
    return Backbone(f"camlucida.phantom.nets:{name}", "features.0.0", "fc", size=128, channels=1)


_TF = "timm's tf_efficientnet_b0 has the same keys and shapes and pads otherwise: name it with --model if it was that"

BACKBONES = (
    *(Backbone(f"torchvision:resnet{depth}", "conv1", "fc") for depth in (18, 34, 50, 101)),
    Backbone("torchvision:densenet121", "features.conv0", "classifier"),
    Backbone("torchvision:efficientnet_b0", "features.0.0", "classifier", own=1),
    Backbone("timm:efficientnet_b0", "conv_stem", "classifier", note=_TF),
    *map(_small, ("small_resnet", "small_densenet", "small_mobilenet")),
)


def classifiers(state: Mapping[str, Tensor]) -> Iterator[tuple[Card, int]]:
    """Cards whose models have exactly the keys and shapes of a state dict, and their numbers of outputs."""
    for backbone in BACKBONES:
        for under in {"": None, **{key.partition(".")[0]: None for key in state}}:
            args = _args(state, backbone, under)
            if args is not None and _fits(state, args[0]):
                yield _card(backbone, *args), args[1].outputs


def _args(state: Mapping[str, Tensor], backbone: Backbone, under: str) -> tuple[dict[str, Any], Head] | None:
    """Arguments of the builder for this backbone under this name, if the keys look like it."""
    prefix = f"{under}." if under else ""
    first = state.get(f"{prefix}{backbone.first}.weight")
    if first is None or first.ndim != 4 or first.shape[1] not in (1, 3):
        return None
    others = {key.partition(".")[0] for key in state if not key.startswith(prefix)}
    if len(others) > 1:
        return None
    beside = next(iter(others), "")
    head = read_head(state, beside or f"{prefix}{backbone.at}")
    if head is None:
        return None
    args: dict[str, Any] = {"backbone": backbone.factory, "head": head.layers, "at": backbone.at}
    args |= {"first": backbone.first, "channels": int(first.shape[1])} if first.shape[1] != backbone.channels else {}
    return args | ({"under": under} if under else {}) | ({"beside": beside} if beside else {}), head


def _fits(state: Mapping[str, Tensor], args: Mapping[str, Any]) -> bool:
    with torch.device("meta"):
        own = build(**args).state_dict()
    return {key: tensor.shape for key, tensor in own.items()} == {key: tensor.shape for key, tensor in state.items()}


def _card(backbone: Backbone, args: dict[str, Any], head: Head) -> Card:
    spec, assumed = backbone.input(args.get("channels", backbone.channels))
    what = backbone.factory.partition(":")[2]
    where = [f"under {args['under']!r}"] if "under" in args else []
    where += [f"with its head {args['beside']!r} beside it" if "beside" in args else f"with its head at {backbone.at!r}"]
    said = f"recognised from its keys and shapes: {what} {' '.join(where)}, {head.outputs} outputs"
    notes = [said.replace(" 1 outputs", " 1 output"), backbone.note, *head.notes, ACTIVATION, assumed]
    if _is_own(args, head, backbone):
        factory, args = backbone.factory, {"num_classes": head.outputs}
    else:
        factory = "camlucida.models.wrapped:build"
    return Card(factory=factory, args=args, input=spec, description="; ".join(note for note in notes if note))


def _is_own(args: Mapping[str, Any], head: Head, backbone: Backbone) -> bool:
    """Whether the backbone's own factory builds this model."""
    own = 0 if backbone.own is None else backbone.own
    layers = [head.layers] if isinstance(head.layers, str) else head.layers
    usual = isinstance(head.layers, str) == (backbone.own is None) and len(layers) == own + 1
    return usual and not {"under", "beside", "channels"} & set(args)
