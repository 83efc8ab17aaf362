"""Segmentation models that a state dict can be recognised as: an encoder and a decoder of smp."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from camlucida.core.errors import ModelError
from camlucida.core.messages import Message
from camlucida.models.alternatives import bare, choose
from camlucida.models.assumptions import ACTIVATION, RecognisedCard, usual_input
from camlucida.models.backbones import bodies
from camlucida.models.card import Card
from camlucida.models.checkpoint import State
from camlucida.models.decoders import Args, decoder_args, with_stated
from camlucida.models.factory import build_unset
from camlucida.models.fingerprint import Style, named, style_of
from camlucida.models.phantom_networks import UNET
from camlucida.models.shapes import Shapes, built_shapes, same_shapes, shapes_of
from camlucida.models.stated import Stated

ARCHITECTURES = {
    "Unet": "decoder.blocks.0.conv1.0.weight",
    "UnetPlusPlus": "decoder.blocks.x_0_0.conv1.0.weight",
    "MAnet": "decoder.center.top_conv.weight",
    "Linknet": "decoder.blocks.0.block.0.0.weight",
    "FPN": "decoder.p5.weight",
    "PSPNet": "decoder.psp.blocks.0.pool.1.0.weight",
    "DeepLabV3": "decoder.aspp.convs.0.0.weight",
    "DeepLabV3Plus": "decoder.aspp.0.convs.0.0.weight",
    "PAN": "decoder.fpa.branch1.1.conv.weight",
    "UPerNet": "decoder.psp.blocks.0.1.0.weight",
    "Segformer": "decoder.fuse_stage.0.weight",
    "DPT": "decoder.projection_blocks.0.project.0.weight",
}
"""Architecture → a key that its decoder has; all are tried where a release has none of these."""

_LASTS = ("segmentation_head.0.weight", "segmentation_head.head.4.weight")
"""Keys of the last weight; the second is that of DPT."""

_ENCODER = "encoder."


def segmenters(
    state: State, encoder: str | None = None, stated: Stated | None = None
) -> Iterator[RecognisedCard]:
    """Cards whose models have exactly the keys and shapes of a state dict, under any prefix.

    Args:
        state: the weights.
        encoder: its name in segmentation-models-pytorch; None looks it up by its keys and shapes,
            else by what is stated.
        stated: what the file and its neighbours state.

    Raises:
        ModelError: ``encoder`` is unknown there.
    """
    yield from UNET.cards(state)
    for network, last in _heads(state):
        yield from _cards(network, last, encoder, stated or Stated())


def _heads(state: State) -> Iterator[tuple[dict[str, Tensor], str]]:
    """The state dict without the prefix of a segmentation head, and the key of its last weight."""
    for last in _LASTS:
        for prefix in [key.removesuffix(last) for key in state if key.endswith(last)]:
            if not prefix or prefix.endswith("."):
                yield {key.removeprefix(prefix): tensor for key, tensor in state.items()}, last


def _cards(
    state: State, last: str, encoder: str | None, stated: Stated
) -> Iterator[RecognisedCard]:
    """At most one card, of the architecture that fits."""
    body = _encoder_body(state)
    names = (encoder,) if encoder is not None else (body[0] if body else _others(state, stated))
    stem = _stem(state, body)
    args = {"in_channels": stem.shape[1] if stem is not None and stem.ndim == 4 else 3}
    args["classes"] = int(state[last].shape[0])
    shapes = shapes_of(state)
    likely = [name for name, key in ARCHITECTURES.items() if key in state]
    for architecture in likely or ARCHITECTURES:
        for of_decoder in decoder_args(architecture, shapes):
            fitting = []
            for name in names:
                whole = {"encoder_name": name, **args, **of_decoder}
                if _fits(shapes, f"smp:{architecture}", whole, by_name=encoder is not None):
                    fitting.append(name)
            if fitting:
                of_decoder, notes = with_stated(architecture, of_decoder, stated)
                card = _card(architecture, fitting, {**args, **of_decoder}, state, stated)
                yield replace(card, notes=(*card.notes[:1], *notes, *card.notes[1:]))
                return


def _others(state: State, stated: Stated) -> tuple[str, ...]:
    """Encoders that the table has not: transformers of DPT, and the one that a file states.

    An encoder of few levels has fewer keys than the whole one.
    """
    transformers = {
        key: tensor for key, tensor in state.items() if key.startswith("encoder.model.")
    }
    stated_name = stated.value("encoder")
    names = [] if stated_name is None else [stated_name]
    for body in bodies(transformers):
        names += [f"tu-{bare(name)}" for name in body.names]
    return tuple(names)


def _stem(state: State, body: tuple[tuple[str, ...], Style] | None) -> Tensor | None:
    """The weight of the encoder's first convolution."""
    if body is not None:
        return state.get(f"{_ENCODER}{body[1].first}.weight")
    weights = [tensor for key, tensor in state.items() if key.startswith(_ENCODER)]
    return next((weight for weight in weights if weight.ndim == 4), None)


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


def _card(
    architecture: str, names: Sequence[str], args: Args, state: State, stated: Stated
) -> RecognisedCard:
    def module(name: str) -> nn.Module:
        return build_unset(f"smp:{architecture}", {"encoder_name": name, **args}, Path())

    side = _side(state)
    choice = choose(names, module, state, (args["in_channels"], side, side), stated)
    card = segmenter_card(architecture, choice.name, args, "encoder")
    notes = (card.notes[0], *choice.notes, *card.notes[1:])
    return replace(card, notes=notes)


def _side(state: State) -> int:
    """Of an image that the network takes: a transformer's is that of its positions."""
    positions = state.get("encoder.model.pos_embed")
    stem = state.get("encoder.model.patch_embed.proj.weight")
    if positions is None or stem is None or positions.ndim != 3:
        return 64
    patches = int(positions.shape[1] ** 0.5)  # a class token and registers are few
    return patches * int(stem.shape[-1])


def _fits(shapes: Shapes, factory: str, args: Mapping[str, object], *, by_name: bool) -> bool:
    try:
        built = built_shapes(factory, args)
    except ModelError:
        if by_name:  # an encoder that the caller named and the package does not know
            raise
        return False
    return same_shapes(built, shapes)


def named_segmenter(state: State, architecture: str, encoder: str) -> RecognisedCard:
    """The card of a network that the user names, its decoder as the weights have it.

    Args:
        state: the weights, under any prefix.
        architecture: its class in segmentation-models-pytorch, such as UnetPlusPlus.
        encoder: its name there.
    """
    network, last = next(_heads(state), (dict(state), ""))
    weights = (w for key, w in network.items() if _ENCODER in key and w.ndim == 4)
    first = next(weights, None)
    channels = int(first.shape[1]) if first is not None and first.shape[1] in (1, 3) else 3
    classes = int(network[last].shape[0]) if last else 1
    args: Args = {"in_channels": channels, "classes": classes}
    shapes = shapes_of(network)
    if architecture in ARCHITECTURES:
        for of_decoder in decoder_args(architecture, shapes):
            whole = {"encoder_name": encoder, **args, **of_decoder}
            if _fits(shapes, f"smp:{architecture}", whole, by_name=True):
                args |= of_decoder
                break
    return segmenter_card(architecture, encoder, args)


def segmenter_card(
    architecture: str, encoder: str, args: Args, source: str = "named"
) -> RecognisedCard:
    """A card for a network of segmentation-models-pytorch.

    Args:
        architecture: its class there, such as UnetPlusPlus.
        encoder: its name there.
        args: of its class; ``in_channels`` and ``classes`` at least.
        source: "named" by the user, or "encoder" where it was recognised.
    """
    values: dict[str, str | int] = {"network": architecture, "encoder": encoder}
    if source == "encoder":
        values["outputs"] = args["classes"]
    what = Message(f"recognised.{source}", values)
    spec, input_note = usual_input(args["in_channels"])
    card = Card(
        factory=f"smp:{architecture}",
        args={"encoder_name": encoder, **args},
        task="segmentation",
        input=spec,
        description=str(what),
    )
    return RecognisedCard(card, args["classes"], (what, ACTIVATION, input_note))
