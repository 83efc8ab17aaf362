"""Classifiers and regressors that a state dict can be recognised as: a backbone, wrapped or not, with a head or another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from camlucida.models.card import Card, InputSpec
from camlucida.models.factory import build as build_factory
from camlucida.models.heads import Head, read_head
from camlucida.models.wrapped import build

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation, red, green and blue."""

ACTIVATION = "what follows the last layer with weights cannot be known: taken for logits, or the value itself"

PREPROCESSING = "preprocessing "
"""How the last part of a recognised card's description begins."""


def assumed(spec: InputSpec, scale: str) -> str:
    """A sentence that says that a preprocessing is assumed."""
    size = " × ".join(map(str, spec.height_width))
    channels = f"{spec.channels} channel{'s' * (spec.channels != 1)}"
    return f"{PREPROCESSING}ASSUMED, not known: {size}, {channels}, {scale}"


def _small_input() -> tuple[InputSpec, str]:
    spec = InputSpec(size=128, channels=1, range=(-1, 1))
    return spec, assumed(spec, "black −1, white 1")


SMALL_INPUT = _small_input()
"""Of the networks of the phantom cohorts."""


@dataclass(frozen=True)
class Backbone:
    """A network whose head may have been replaced.

    Attributes:
        factory: what builds it.
        first: path of its first convolution.
        at: path of its own head.
        own: the index of the Linear layer in its own head; None where the head is that layer.
        channels: that it is built for.
        note: what keys and shapes cannot tell.
    """

    factory: str
    first: str
    at: str
    own: int | None = None
    channels: int = 3
    note: str = ""

    def input(self, channels: int) -> tuple[InputSpec, str]:
        """The preprocessing that such networks are usually trained with, and a sentence that says it is assumed."""
        if self.channels == 1:
            return SMALL_INPUT
        if channels == 3:
            spec, scale = InputSpec(mean=IMAGENET[0], std=IMAGENET[1]), "ImageNet mean and std"
        else:
            spec, scale = InputSpec(channels=1), "black 0, white 1"
        return spec, assumed(spec, scale)


def _small(name: str) -> Backbone:
    return Backbone(f"camlucida.phantom.nets:{name}", "features.0.0", "fc", channels=1)


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
    yield from REGRESSOR.cards(state)


@dataclass(frozen=True)
class Small:
    """A network of the phantom cohorts that is recognised as a whole, by a ``key`` of its own; ``last``: its last weight."""

    factory: str
    key: str
    last: str

    def cards(self, state: Mapping[str, Tensor]) -> Iterator[tuple[Card, int]]:
        """Its card, if the state is one of its own."""
        if self.key in state and self.last in state:
            outputs = int(state[self.last].shape[0])
            with torch.device("meta"):
                own = build_factory(
                    self.factory, {"num_classes": outputs}, Path(), pretrained=False
                ).state_dict()
            if _shapes(own) == _shapes(state):
                what = f"recognised from its keys and shapes: {self.factory.partition(':')[2]}"
                spec, said = SMALL_INPUT
                description = (
                    f"{what}, {outputs} output{'s' * (outputs != 1)}; {ACTIVATION}; {said}"
                )
                yield (
                    Card(
                        factory=self.factory,
                        args={"num_classes": outputs},
                        input=spec,
                        description=description,
                    ),
                    outputs,
                )


REGRESSOR = Small("camlucida.phantom.nets:small_regressor", "backbone.stem.0.weight", "head.weight")
UNET = Small(
    "camlucida.phantom.nets:small_unet", "encoder.stages.0.0.weight", "segmentation_head.0.weight"
)


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {key: tensor.shape for key, tensor in state.items()}


def _args(
    state: Mapping[str, Tensor], backbone: Backbone, under: str
) -> tuple[dict[str, Any], Head] | None:
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
    args |= (
        {"first": backbone.first, "channels": int(first.shape[1])}
        if first.shape[1] != backbone.channels
        else {}
    )
    return args | ({"under": under} if under else {}) | ({"beside": beside} if beside else {}), head


def _fits(state: Mapping[str, Tensor], args: Mapping[str, Any]) -> bool:
    with torch.device("meta"):
        own = build(**args).state_dict()
    return _shapes(own) == _shapes(state)


def _card(backbone: Backbone, args: dict[str, Any], head: Head) -> Card:
    spec, said_of_input = backbone.input(args.get("channels", backbone.channels))
    what = backbone.factory.partition(":")[2]
    where = [f"under {args['under']!r}"] if "under" in args else []
    where += [
        f"with its head {args['beside']!r} beside it"
        if "beside" in args
        else f"with its head at {backbone.at!r}"
    ]
    said = f"recognised from its keys and shapes: {what} {' '.join(where)}, {head.outputs} outputs"
    notes = [
        said.replace(" 1 outputs", " 1 output"),
        backbone.note,
        *head.notes,
        ACTIVATION,
        said_of_input,
    ]
    if _is_own(args, head, backbone):
        factory, args = backbone.factory, {"num_classes": head.outputs}
    else:
        factory = "camlucida.models.wrapped:build"
    return Card(
        factory=factory,
        args=args,
        input=spec,
        description="; ".join(note for note in notes if note),
    )


def _is_own(args: Mapping[str, Any], head: Head, backbone: Backbone) -> bool:
    """Whether the backbone's own factory builds this model."""
    own = 0 if backbone.own is None else backbone.own
    layers = [head.layers] if isinstance(head.layers, str) else head.layers
    usual = (
        isinstance(head.layers, str) == (backbone.own is None) and layers[:-1] == ["Identity"] * own
    )
    return usual and not {"under", "beside", "channels"} & set(args)
