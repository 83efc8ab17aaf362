"""Segmentation models that a state dict can be recognised as.

U-Net and U-Net++ of segmentation-models-pytorch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from camlucida.core.errors import ModelError
from camlucida.core.messages import Message
from camlucida.models.assumptions import ACTIVATION, RecognisedCard, usual_input
from camlucida.models.backbones import UNET
from camlucida.models.card import Card
from camlucida.models.checkpoint import State
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


def segmenters(state: State, encoder: str | None = None) -> Iterator[RecognisedCard]:
    """Cards whose models have exactly the keys and shapes of a state dict.

    Args:
        state: the weights.
        encoder: its name in segmentation-models-pytorch; None tries those of :data:`ENCODERS`.

    Raises:
        ModelError: ``encoder`` is unknown there.
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
                yield segmenter_card(architecture, name, channels, classes, "encoder")


def _fits(state: State, factory: str, args: Mapping[str, object], named: bool) -> bool:
    try:
        with torch.device("meta"):
            built = build(factory, args, Path(), pretrained=False).state_dict()
    except ModelError:
        if named:  # an encoder that the caller named and the package does not know
            raise
        return False
    shapes = {key: tensor.shape for key, tensor in state.items()}
    return shapes == {key: tensor.shape for key, tensor in built.items()}


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
