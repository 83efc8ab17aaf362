"""Classifiers and regressors that a state dict can be recognised as: a backbone and its head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from camlucida.core.messages import Message
from camlucida.models.assumptions import (
    ACTIVATION,
    RecognisedCard,
    preprocessing_note,
    usual_input,
)
from camlucida.models.card import Card
from camlucida.models.checkpoint import State
from camlucida.models.factory import build as build_factory
from camlucida.models.heads import Head, read_head
from camlucida.models.preprocessing.spec import InputSpec
from camlucida.models.wrapped import build

SMALL_INPUT = InputSpec(size=128, channels=1, range=(-1, 1))
"""Of the networks of the phantom cohorts."""

SMALL_INPUT_NOTE = preprocessing_note(SMALL_INPUT, "symmetric")


@dataclass(frozen=True)
class Backbone:
    """A network whose head may have been replaced.

    Attributes:
        factory: what builds it.
        first: path of its first convolution.
        at: path of the head that it is built with.
        linear: index of the Linear layer in that head; None where the head is that layer.
        channels: that it is built for.
        note: what keys and shapes cannot tell.
    """

    factory: str
    first: str
    at: str
    linear: int | None = None
    channels: int = 3
    note: Message | None = None

    def input(self, channels: int) -> tuple[InputSpec, Message]:
        """The preprocessing that such networks are usually trained with, and the note of it.

        Args:
            channels: of the input, 1 or 3.
        """
        if self.channels == 1:
            return SMALL_INPUT, SMALL_INPUT_NOTE
        return usual_input(channels)


def _small(name: str) -> Backbone:
    return Backbone(f"camlucida.phantom.nets:{name}", "features.0.0", "fc", channels=1)


BACKBONES = (
    *(Backbone(f"torchvision:resnet{depth}", "conv1", "fc") for depth in (18, 34, 50, 101)),
    Backbone("torchvision:densenet121", "features.conv0", "classifier"),
    Backbone("torchvision:efficientnet_b0", "features.0.0", "classifier", linear=1),
    Backbone("timm:efficientnet_b0", "conv_stem", "classifier", note=Message("assumed.tf_padding")),
    *map(_small, ("small_resnet", "small_densenet", "small_mobilenet")),
)


def classifiers(state: State) -> Iterator[RecognisedCard]:
    """Cards whose models have exactly the keys and shapes of a state dict.

    Args:
        state: the weights.
    """
    # A dict keeps the order: the backbone by itself is tried before one inside a module.
    wrappers = dict.fromkeys(["", *map(_first_name, state)])
    for backbone in BACKBONES:
        for under in wrappers:
            candidate = _candidate(state, backbone, under)
            if candidate is not None and _shapes(state) == _shapes_built(candidate):
                yield _card(backbone, candidate)
    yield from REGRESSOR.cards(state)


@dataclass(frozen=True)
class SmallNetwork:
    """A network of the phantom cohorts that is recognised as a whole.

    Attributes:
        factory: what builds it.
        key: that no other network has.
        last: key of its last weight.
    """

    factory: str
    key: str
    last: str

    def cards(self, state: State) -> Iterator[RecognisedCard]:
        """Its card, if the state dict is of this network.

        Args:
            state: the weights.
        """
        if self.key not in state or self.last not in state:
            return
        outputs = int(state[self.last].shape[0])
        args = {"num_classes": outputs}
        with torch.device("meta"):
            network = build_factory(self.factory, args, Path(), pretrained=False)
        if _shapes(network.state_dict()) != _shapes(state):
            return
        name = self.factory.partition(":")[2]
        what = Message("recognised.whole", {"network": name, "outputs": outputs})
        card = Card(factory=self.factory, args=args, input=SMALL_INPUT, description=str(what))
        yield RecognisedCard(card, outputs, (what, ACTIVATION, SMALL_INPUT_NOTE))


REGRESSOR = SmallNetwork(
    "camlucida.phantom.nets:small_regressor", "backbone.stem.0.weight", "head.weight"
)
UNET = SmallNetwork(
    "camlucida.phantom.nets:small_unet", "encoder.stages.0.0.weight", "segmentation_head.0.weight"
)


@dataclass(frozen=True)
class _Candidate:
    """A backbone as the keys suggest that it was used.

    Attributes:
        head: its layers and outputs.
        under: name that the backbone has in the model; "" for none.
        beside: name of a head beside the backbone; "" for none.
        args: of :func:`camlucida.models.wrapped.build`.
    """

    head: Head
    under: str
    beside: str
    args: dict[str, Any]


def _candidate(state: State, backbone: Backbone, under: str) -> _Candidate | None:
    """How this backbone is used under this name, if the keys look like it."""
    prefix = f"{under}." if under else ""
    first = state.get(f"{prefix}{backbone.first}.weight")
    if first is None or first.ndim != 4 or first.shape[1] not in (1, 3):
        return None
    others = {_first_name(key) for key in state if not key.startswith(prefix)}
    if len(others) > 1:
        return None
    beside = next(iter(others), "")
    head = read_head(state, beside or f"{prefix}{backbone.at}")
    if head is None:
        return None
    args: dict[str, Any] = {"backbone": backbone.factory, "head": head.layers, "at": backbone.at}
    channels = int(first.shape[1])
    if channels != backbone.channels:
        args |= {"first": backbone.first, "channels": channels}
    if under:
        args["under"] = under
    if beside:
        args["beside"] = beside
    return _Candidate(head, under, beside, args)


def _first_name(key: str) -> str:
    return key.partition(".")[0]


def _shapes(state: State) -> dict[str, torch.Size]:
    return {key: tensor.shape for key, tensor in state.items()}


def _shapes_built(candidate: _Candidate) -> dict[str, torch.Size]:
    with torch.device("meta"):
        return _shapes(build(**candidate.args).state_dict())


def _card(backbone: Backbone, candidate: _Candidate) -> RecognisedCard:
    head = candidate.head
    spec, input_note = backbone.input(candidate.args.get("channels", backbone.channels))
    what = _what(backbone, candidate)
    if _has_its_first_head(backbone, candidate):
        factory, args = backbone.factory, {"num_classes": head.outputs}
    else:
        factory, args = "camlucida.models.wrapped:build", candidate.args
    backbone_notes = () if backbone.note is None else (backbone.note,)
    notes = (what, *backbone_notes, *head.notes, ACTIVATION, input_note)
    card = Card(factory=factory, args=args, input=spec, description=str(what))
    return RecognisedCard(card, head.outputs, notes)


def _what(backbone: Backbone, candidate: _Candidate) -> Message:
    """Which network, under which name, with which head."""
    network: str | Message = backbone.factory.partition(":")[2]
    if candidate.under:
        network = Message("recognised.under", {"network": network, "name": candidate.under})
    code = "recognised.head_beside" if candidate.beside else "recognised.head_at"
    head = candidate.beside or backbone.at
    outputs = candidate.head.outputs
    return Message(code, {"network": network, "head": head, "outputs": outputs})


def _has_its_first_head(backbone: Backbone, candidate: _Candidate) -> bool:
    """Whether the backbone's factory builds this model as it is."""
    if {"under", "beside", "channels"} & set(candidate.args):
        return False
    layers = candidate.head.layers
    if isinstance(layers, str):
        return backbone.linear is None
    return backbone.linear is not None and layers[:-1] == ["Identity"] * backbone.linear
