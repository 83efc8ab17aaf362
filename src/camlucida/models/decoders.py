"""Arguments of a decoder of segmentation-models-pytorch, read off the shapes of its weights."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from camlucida.core.messages import Message, declare
from camlucida.models.shapes import Shapes
from camlucida.models.stated import Stated
from camlucida.models.zoo.package import import_package

declare(
    "decoder",
    {
        "built": "its decoder is built with {options:,}, as its shapes are",
        "hidden": (
            "{options:,} taken for the decoder, as by default: no weight shows them; other values "
            "go into the args of the card"
        ),
        "classifies": "its second output, {count} {count:|class|classes}, is not explained",
    },
)

_BLOCKS = {
    "Unet": r"decoder\.blocks\.(\d+)\.conv2\.0\.weight",
    "UnetPlusPlus": r"decoder\.blocks\.x_0_(\d+)\.conv2\.0\.weight",
    "MAnet": r"decoder\.blocks\.(\d+)\.conv2\.0\.weight",
}
"""Architecture → the last convolution of each step up, whose rows are ``decoder_channels``."""

_STEPS = {
    **_BLOCKS,
    "Linknet": r"decoder\.blocks\.(\d+)\.block\.0\.0\.weight",
    "Segformer": r"decoder\.mlp_stage\.(\d+)\.linear\.weight",
    "DPT": r"decoder\.projection_blocks\.(\d+)\.",
}
"""Architecture → what it has once for each level of the encoder, ``encoder_depth``."""

_DEPTHS = (5, 4, 3)
"""Levels that are tried where no part of a decoder counts them."""

_ROWS = {
    "MAnet": {"decoder_pab_channels": "decoder.center.top_conv.weight"},
    "FPN": {
        "decoder_pyramid_channels": "decoder.p5.weight",
        "decoder_segmentation_channels": "decoder.seg_blocks.0.block.0.block.0.weight",
    },
    "PSPNet": {"psp_out_channels": "decoder.conv.0.weight"},
    "DeepLabV3": {"decoder_channels": "decoder.aspp.convs.0.0.weight"},
    "DeepLabV3Plus": {"decoder_channels": "decoder.aspp.0.convs.0.0.weight"},
    "PAN": {"decoder_channels": "decoder.fpa.branch1.1.conv.weight"},
    "UPerNet": {"decoder_channels": "decoder.psp.out_conv.0.weight"},
    "Segformer": {"decoder_segmentation_channels": "decoder.fuse_stage.0.weight"},
    "DPT": {"decoder_fusion_channels": "decoder.fusion_blocks.0.project.weight"},
}
"""Architecture → argument → the weight whose rows are its value."""

_SEPARABLE = {
    "DeepLabV3": "decoder.aspp.convs.1.0.0.weight",
    "DeepLabV3Plus": "decoder.aspp.0.convs.1.0.0.weight",
}
"""Architecture → a weight that separable convolutions alone have."""

_HIDDEN = ("decoder_interpolation", "decoder_atrous_rates", "encoder_output_stride", "upsampling")
"""Arguments that no weight shows."""

_POOLED = "classification_head.3.weight"

Args = dict[str, Any]


def decoder_args(architecture: str, shapes: Shapes) -> Iterator[Args]:
    """Arguments of a network that its shapes tell, the likely ones first.

    Args:
        architecture: its class in segmentation-models-pytorch.
        shapes: of its weights.

    Returns:
        Arguments beside encoder, channels and classes that differ from the default ones.

    >>> shapes = {f"decoder.blocks.{k}.conv2.0.weight": (8, 8, 3, 3) for k in range(3)}
    >>> next(decoder_args("Unet", {**shapes, "decoder.blocks.0.conv2.1.running_mean": (8,)}))
    {'encoder_depth': 3, 'decoder_channels': (8, 8, 8)}
    """
    read = {**_norm(shapes), **_of_blocks(architecture, shapes), **_of_rows(architecture, shapes)}
    usual = _defaults(architecture)
    for depth in _depths(architecture, shapes, usual["encoder_depth"]):
        args = {"encoder_depth": depth, **read}
        if architecture == "PSPNet":
            args["upsampling"] = 2**depth  # back to the size of the image
        yield {name: args[name] for name in args if args[name] != usual.get(name, args[name])}


def _norm(shapes: Shapes) -> Args:
    names = [name for name in shapes if name.startswith("decoder.")]
    if any(name.endswith("running_mean") for name in names):
        return {}
    # A convolution has a bias where no norm follows it.
    if any(name.endswith(".0.bias") for name in names):
        return {"decoder_use_norm": "identity"}
    return {"decoder_use_norm": {"type": "instancenorm", "affine": True}}


def _of_blocks(architecture: str, shapes: Shapes) -> Args:
    args: Args = {}
    if architecture in _BLOCKS:
        pattern = re.compile(_BLOCKS[architecture])
        rows = {}
        for name, shape in shapes.items():
            match = pattern.fullmatch(name)
            if match is not None:
                rows[int(match[1])] = shape[0]
        args["decoder_channels"] = tuple(rows[step] for step in sorted(rows))
    if any(".attention1.attention.cSE." in name for name in shapes):
        args["decoder_attention_type"] = "scse"
    return args


def _of_rows(architecture: str, shapes: Shapes) -> Args:
    args: Args = {}
    for argument, name in _ROWS.get(architecture, {}).items():
        if name in shapes:
            args[argument] = shapes[name][0]
    if architecture in _SEPARABLE:
        args["decoder_aspp_separable"] = _SEPARABLE[architecture] in shapes
    last = shapes.get("segmentation_head.0.weight", (0, 0))
    if architecture == "FPN" and last[1] == 4 * args.get("decoder_segmentation_channels", 0):
        args["decoder_merge_policy"] = "cat"
    if architecture == "DPT":
        args |= _of_transformer(shapes)
    if _POOLED in shapes:
        args["aux_params"] = {"classes": shapes[_POOLED][0]}
    return args


def _of_transformer(shapes: Shapes) -> Args:
    """Of DPT: the channels of each level."""
    channels: list[int] = []
    while (level := _reassembled(len(channels))) in shapes:
        channels.append(shapes[level][0])
    return {"decoder_intermediate_channels": tuple(channels)}


def _reassembled(level: int) -> str:
    return f"decoder.reassemble_blocks.{level}.project_to_out_channel.weight"


def _depths(architecture: str, shapes: Shapes, usual: int) -> list[int]:
    """Levels of the encoder: as the decoder counts them, else those that may be."""
    if architecture not in _STEPS:
        return list(dict.fromkeys([usual, *_DEPTHS]))
    matches = [re.match(_STEPS[architecture], name) for name in shapes]
    steps = len({match[1] for match in matches if match is not None})
    # An encoder may have a level without channels, which Segformer's decoder leaves out.
    depths = [steps, steps + 1] if architecture == "Segformer" else [steps]
    return [depth for depth in depths if 0 < depth <= max(_DEPTHS)]


@cache
def _defaults(architecture: str) -> Mapping[str, Any]:
    smp = import_package("segmentation_models_pytorch")
    parameters = inspect.signature(getattr(smp, architecture)).parameters
    return {name: parameter.default for name, parameter in parameters.items()}


def with_stated(architecture: str, args: Args, stated: Stated) -> tuple[Args, list[Message]]:
    """The arguments with what is stated of those that no weight shows, and the notes on all.

    Args:
        architecture: its class in segmentation-models-pytorch.
        args: that the shapes tell.
        stated: what the file and its neighbours state.
    """
    usual = _defaults(architecture)
    notes = []
    options = [f"{name} {_text(value)}" for name, value in args.items() if name != "aux_params"]
    if options:
        notes.append(Message("decoder.built", {"options": options}))
    if "aux_params" in args:
        notes.append(Message("decoder.classifies", {"count": args["aux_params"]["classes"]}))
    interpolation = stated.value("interpolation")
    if interpolation is not None and "decoder_interpolation" in usual:
        args = {**args, "decoder_interpolation": interpolation}
        notes += stated.notes(["interpolation"])
    hidden = [name for name in _HIDDEN if name in usual and name not in args]
    shown = [f"{name} {_text(usual[name])}" for name in hidden if usual[name] is not None]
    if shown:
        notes.append(Message("decoder.hidden", {"options": shown}))
    return args, notes


def _text(value: object) -> str:
    return str(value["type"] if isinstance(value, dict) else value)
