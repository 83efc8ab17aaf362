"""Segmentation models that a state dict can be recognised as: U-Net and U-Net++ of segmentation-models-pytorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from camlucida.core.errors import ModelError
from camlucida.models.backbones import ACTIVATION, IMAGENET, UNET, assumed
from camlucida.models.card import Card, InputSpec
from camlucida.models.factory import build

ARCHITECTURES = ("Unet", "UnetPlusPlus")

ENCODERS = {
    "encoder.conv1.weight": ("resnet18", "resnet34", "resnet50", "resnet101"),
    "encoder._conv_stem.weight": tuple(f"efficientnet-b{number}" for number in range(8)),
    "encoder.conv_stem.weight": tuple(f"timm-efficientnet-b{number}" for number in range(8)),
    "encoder.features.conv0.weight": ("densenet121",),
    "encoder.features.0.0.weight": ("mobilenet_v2",),
}
"""A key that tells the kind of the encoder → encoders of that kind."""

_LAST = "segmentation_head.0.weight"


def segmenters(
    state: Mapping[str, Tensor], encoder: str | None = None
) -> Iterator[tuple[Card, int]]:
    """Cards whose models have exactly the keys and shapes of a state dict, and their numbers of outputs.

    Args:
        encoder: its name in segmentation-models-pytorch; else those of :data:`ENCODERS` are tried.
    """
    yield from UNET.cards(state)
    first = next((key for key in ENCODERS if key in state), None)
    if _LAST not in state or (first is None and encoder is None):
        return
    channels = int(state[first].shape[1]) if first is not None else 3
    classes = int(state[_LAST].shape[0])
    names = (encoder,) if encoder is not None else ENCODERS[first or ""]
    for architecture in ARCHITECTURES:
        for name in names:
            args = {"encoder_name": name, "in_channels": channels, "classes": classes}
            if _fits(state, f"smp:{architecture}", args, named=encoder is not None):
                yield _card(architecture, args, channels), classes


def _fits(
    state: Mapping[str, Tensor], factory: str, args: Mapping[str, object], named: bool
) -> bool:
    try:
        with torch.device("meta"):
            own = build(factory, args, Path(), pretrained=False).state_dict()
    except ModelError:
        if named:  # an encoder that the caller named and the package does not know
            raise
        return False
    return {key: tensor.shape for key, tensor in own.items()} == {
        key: tensor.shape for key, tensor in state.items()
    }


def _card(architecture: str, args: Mapping[str, object], channels: int) -> Card:
    usual = channels == 3
    spec = InputSpec(mean=IMAGENET[0], std=IMAGENET[1]) if usual else InputSpec(channels=1)
    scale = "ImageNet mean and std" if usual else "black 0, white 1"
    plural = "output" if args["classes"] == 1 else "outputs"
    notes = [
        f"recognised from its keys and shapes: {architecture} with encoder {args['encoder_name']}, {args['classes']} {plural}",
        ACTIVATION,
        assumed(spec, scale),
    ]
    return Card(
        factory=f"smp:{architecture}", args=dict(args), input=spec, description="; ".join(notes)
    )
