"""Segmentation models that a state dict can be recognised as: an encoder and a decoder of smp."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from camlucida.core.errors import ModelError
from camlucida.core.messages import Message
from camlucida.models.alternatives import Choice, choose
from camlucida.models.assumptions import ACTIVATION, RecognisedCard, usual_input
from camlucida.models.backbones import UNET
from camlucida.models.card import Card
from camlucida.models.checkpoint import State
from camlucida.models.factory import build_unset
from camlucida.models.fingerprint import Style, named, style_of
from camlucida.models.shapes import same_shapes, shapes_of
from camlucida.models.stated import Stated

ARCHITECTURES = {
    "Unet": "decoder.blocks.0.conv1.0.weight",
    "UnetPlusPlus": "decoder.blocks.x_0_0.conv1.0.weight",
    "MAnet": "decoder.center.top_conv.weight",
    "Linknet": "decoder.blocks.0.block.0.0.weight",
    "FPN": "decoder.p5.weight",
    "PSPNet": "decoder.psp.blocks.0.pool.1.0.weight",
    "DeepLabV3": "decoder.0.convs.0.0.weight",
    "DeepLabV3Plus": "decoder.aspp.0.convs.0.0.weight",
    "PAN": "decoder.fpa.branch1.1.conv.weight",
    "UPerNet": "decoder.psp.blocks.0.1.0.weight",
    "Segformer": "decoder.fuse_stage.0.weight",
    "DPT": "decoder.projection_blocks.0.0.weight",
}
"""Architecture → a key that its decoder has; where a release names it otherwise, all are tried."""

_LAST = "segmentation_head.0.weight"
_ENCODER = "encoder."


def segmenters(
    state: State, encoder: str | None = None, stated: Stated | None = None
) -> Iterator[RecognisedCard]:
    """Cards whose models have exactly the keys and shapes of a state dict.

    Args:
        state: the weights.
        encoder: its name in segmentation-models-pytorch; None looks it up by its keys and shapes.
        stated: what the file and its neighbours state.

    Raises:
        ModelError: ``encoder`` is unknown there.
    """
    yield from UNET.cards(state)
    if _LAST not in state:
        return
    body = _encoder_body(state)
    first = None if body is None else state.get(f"{_ENCODER}{body[1].first}.weight")
    channels = int(first.shape[1]) if first is not None and first.ndim == 4 else 3
    classes = int(state[_LAST].shape[0])
    names = (encoder,) if encoder is not None else (body[0] if body else ())
    for architecture in sorted(ARCHITECTURES, key=lambda name: ARCHITECTURES[name] not in state):
        fitting = []
        for name in names:
            args = {"encoder_name": name, "in_channels": channels, "classes": classes}
            if _fits(state, f"smp:{architecture}", args, by_name=encoder is not None):
                fitting.append(name)
        if fitting:
            choice = _choice(architecture, fitting, channels, classes, state, stated or Stated())
            card = segmenter_card(architecture, choice.name, channels, classes, "encoder")
            notes = (card.notes[0], *choice.notes, *card.notes[1:])
            yield replace(card, notes=notes)
            return


def _encoder_body(state: State) -> tuple[tuple[str, ...], Style] | None:
    """Names of the encoders that have these keys and shapes, and their style."""
    inner = {}
    for key, tensor in state.items():
        if key.startswith(_ENCODER):
            inner[key.removeprefix(_ENCODER)] = tuple(tensor.shape)
    if not inner:
        return None
    style = style_of(inner)
    names = named("encoder", style, inner)
    return (names, style) if names else None


def _choice(
    architecture: str,
    names: Sequence[str],
    channels: int,
    classes: int,
    state: State,
    stated: Stated,
) -> Choice:
    def module(name: str) -> nn.Module:
        args = {"encoder_name": name, "in_channels": channels, "classes": classes}
        return build_unset(f"smp:{architecture}", args, Path())

    return choose(names, module, state, (channels, 64, 64), stated)


def _fits(state: State, factory: str, args: Mapping[str, object], *, by_name: bool) -> bool:
    try:
        with torch.device("meta"):
            built = build_unset(factory, args, Path()).state_dict()
    except ModelError:
        if by_name:  # an encoder that the caller named and the package does not know
            raise
        return False
    return same_shapes(shapes_of(built), shapes_of(state))


def segmenter_card(
    architecture: str, encoder: str, channels: int, classes: int, source: str = "named"
) -> RecognisedCard:
    """A card for a network of segmentation-models-pytorch.

    Args:
        architecture: its class there, such as UnetPlusPlus.
        encoder: its name there.
        channels: of the input, 1 or 3.
        classes: output channels.
        source: "named" by the user, or "encoder" where it was recognised.
    """
    values: dict[str, str | int] = {"network": architecture, "encoder": encoder}
    if source == "encoder":
        values["outputs"] = classes
    what = Message(f"recognised.{source}", values)
    spec, input_note = usual_input(channels)
    card = Card(
        factory=f"smp:{architecture}",
        args={"encoder_name": encoder, "in_channels": channels, "classes": classes},
        task="segmentation",
        input=spec,
        description=str(what),
    )
    return RecognisedCard(card, classes, (what, ACTIVATION, input_note))
