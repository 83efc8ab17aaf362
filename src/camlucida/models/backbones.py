"""Classifiers and regressors that a state dict can be recognised as: a backbone and its head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from camlucida.core.errors import ModelError
from camlucida.core.messages import Message
from camlucida.models.alternatives import Choice, bare, choose
from camlucida.models.assumptions import (
    ACTIVATION,
    IMAGENET,
    RecognisedCard,
    preprocessing_note,
    usual_input,
)
from camlucida.models.auxiliary import auxiliary_args, scaling_notes
from camlucida.models.card import Card
from camlucida.models.checkpoint import State
from camlucida.models.factory import build_unset, defaults
from camlucida.models.fingerprint import Style, named, styles
from camlucida.models.fusion import read_fusion
from camlucida.models.heads import Head, read_head
from camlucida.models.phantom_networks import REGRESSOR, SMALL_INPUT, SMALL_INPUT_NOTE
from camlucida.models.preprocessing.spec import InputSpec
from camlucida.models.shapes import Shapes, built_shapes, same_shapes, shapes_of
from camlucida.models.stated import Stated

_SMALL = "camlucida.phantom.nets:"
SMALL_STYLE = Style("features.0.0", ("fc",), ("features",))
SMALL_NETWORKS = ("small_resnet", "small_densenet", "small_mobilenet")


@dataclass(frozen=True)
class Body:
    """Networks whose body a state dict has.

    Attributes:
        names: their factories.
        style: that they have in common.
        prefix: of the body's keys; ends in a dot, or "".
    """

    names: tuple[str, ...]
    style: Style
    prefix: str

    @property
    def under(self) -> str:
        """Name that the backbone has in the model; "" for none."""
        return self.prefix.rstrip(".")


def classifiers(
    state: State, stated: Stated | None = None, only: str | None = None
) -> Iterator[RecognisedCard]:
    """Cards whose models have exactly the keys and shapes of a state dict.

    Args:
        state: the weights.
        only: the factory of the only network to try; None tries all.
        stated: what the file and its neighbours state; it decides between networks of the same
            keys and shapes.

    Raises:
        ModelError: networks with these keys and shapes compute different outputs.
    """
    for body in bodies(state):
        if only is not None:
            body = replace(body, names=tuple(name for name in body.names if name == only))
        card = _card(state, body, stated or Stated())
        if card is not None:
            yield card
    yield from REGRESSOR.cards(state)


def bodies(state: State) -> Iterator[Body]:
    """Networks whose body is in a state dict, under any prefix.

    Args:
        state: the weights.
    """
    shapes = shapes_of(state)
    for style in styles("classifier"):
        for prefix, inner in _inner(shapes, style):
            names = named("classifier", style, inner)
            if names:
                yield Body(names, style, prefix)
    for prefix, _ in _inner(shapes, SMALL_STYLE):
        for name in SMALL_NETWORKS:
            yield Body((f"{_SMALL}{name}",), SMALL_STYLE, prefix)


def _inner(shapes: Shapes, style: Style) -> Iterator[tuple[str, Shapes]]:
    """Prefix → keys and shapes behind it, wherever a network of this style may begin."""
    stem = f"{style.first}.weight"
    for key in shapes:
        prefix = key.removesuffix(stem)
        if key.endswith(stem) and (not prefix or prefix.endswith(".")):
            yield prefix, _behind(shapes, prefix)


def _behind(shapes: Shapes, prefix: str) -> Shapes:
    items = shapes.items()
    return {key.removeprefix(prefix): shape for key, shape in items if key.startswith(prefix)}


@dataclass(frozen=True)
class _Use:
    """How a model uses a backbone.

    Attributes:
        factory, args: that build the model.
        head: its layers and outputs.
        at: path of the head.
        under: name of the backbone; "" for none.
        beside: whether the head is beside the backbone.
        notes: on features that the head takes beside those of the image.
    """

    factory: str
    args: dict[str, Any]
    head: Head
    at: str
    under: str = ""
    beside: bool = False
    notes: tuple[Message, ...] = ()

    @property
    def has_prefix(self) -> bool:
        """Whether the model's keys have the prefix of the backbone."""
        return bool(self.args.get("under"))


def _card(state: State, body: Body, stated: Stated) -> RecognisedCard | None:
    first = state.get(f"{body.prefix}{body.style.first}.weight")
    if first is None or first.ndim < 2:
        return None
    fitting: dict[str, _Use] = {}
    for name in body.names:
        use = next(_uses(state, body, name, stated), None)
        if use is not None:
            fitting[name] = use
    if not fitting:
        return None
    choice = _choice(state, body, fitting, stated)
    return _recognised(state, body, fitting[choice.name], choice)


def _uses(state: State, body: Body, name: str, stated: Stated) -> Iterator[_Use]:
    """The ways to use a network that have exactly these keys and shapes."""
    fused = _fused(state, body, name, stated)
    for use in [fused] if fused is not None else _possible(state, body, name):
        present = shapes_of(state)
        if not use.has_prefix:
            present = _behind(present, body.prefix)
            if len(present) < len(state):
                continue
        try:
            built = built_shapes(use.factory, use.args)
        except ModelError:
            continue
        if same_shapes(built, present):
            yield use


def _possible(state: State, body: Body, name: str) -> Iterator[_Use]:
    style = body.style
    head_at = style.heads[0] if style.heads else ""
    layer = state.get(f"{body.prefix}{head_at}.weight")
    whole: list[_Use] = []
    if layer is not None and _channels(state, body) == _usual_channels(name):
        # Its head is another only in the number of outputs.
        args = {**_body_args(state, body, name), "num_classes": int(layer.shape[0])}
        whole.append(_Use(name, args, Head("", int(layer.shape[0])), head_at, body.under))
    if not body.under:
        yield from whole
    yield from _with_other_heads(state, body, name, head_at)
    if body.under:
        # Last, for layers then lose the name that the training script gave the backbone.
        yield from whole


def _with_other_heads(state: State, body: Body, name: str, head_at: str) -> Iterator[_Use]:
    """The network with other layers in the place of its head, or under another name."""
    others = _first_names(state, body)
    renamed = body.under or _goes_on_to_its_head(name)
    for at in dict.fromkeys((head_at, *body.style.roots)):
        if not others:
            head = read_head(state, f"{body.prefix}{at}")
            if head is not None:
                yield _with_head(state, body, name, head, at)
        elif len(others) == 1 and renamed:
            head = read_head(state, others[0])
            if head is not None and head.inputs == _features(name, head_at, head.inputs):
                yield _with_head(state, body, name, head, at, beside=others[0])


def _goes_on_to_its_head(name: str) -> bool:
    """Whether nothing but a mean over positions is between a network's layers and its head.

    A DenseNet has a ReLU there, of which nobody knows whether another class has it too.
    """
    return not bare(name).startswith("densenet")


def _fused(state: State, body: Body, name: str, stated: Stated) -> _Use | None:
    """The network with a head that takes more than the features of the image."""
    names = _first_names(state, body)
    if not names or not body.under or "." in body.under or not body.style.heads:
        return None
    at = body.style.heads[0]
    width = _features(name, at)
    fusion = read_fusion(state, names, width, stated) if width else None
    if fusion is None:
        return None
    plain = _with_head(state, body, name, fusion.head, body.style.roots[0], beside=fusion.at)
    args = {**plain.args, "features": list(fusion.values)}
    if fusion.branch:
        args |= {"branch": fusion.branch, "layers": list(fusion.layers)}
    factory = "camlucida.models.wrapped:build_fused"
    return replace(plain, factory=factory, args=args, notes=fusion.notes)


@cache
def _features(name: str, at: str, default: int | None = None) -> int | None:
    """Features that a network's own head takes; ``default`` where it is no linear layer."""
    try:
        with torch.device("meta"):
            module = build_unset(name, {}, Path())
        return getattr(module.get_submodule(at), "in_features", default)
    except (ModelError, RuntimeError, NotImplementedError, AttributeError):
        return default


def _first_names(state: State, body: Body) -> list[str]:
    """Names of what is beside the backbone; of a backbone without a name, of what is no part."""
    parts = {*body.style.parts, *body.style.roots}
    names = []
    for key in state:
        inside = key.startswith(body.prefix)
        first = key.removeprefix(body.prefix).partition(".")[0]
        if not inside or first not in parts:
            names.append(key.partition(".")[0])
    return list(dict.fromkeys(names))


def _with_head(state: State, body: Body, name: str, head: Head, at: str, beside: str = "") -> _Use:
    channels = _channels(state, body)
    args: dict[str, Any] = {"backbone": name, "head": head.layers, "at": at}
    if channels != _usual_channels(name):
        args |= {"first": body.style.first, "channels": channels}
    body_args = _body_args(state, body, name)
    if beside and len(body.style.heads) > 1:
        # Without classes none of its heads is left; one of them alone is replaced here.
        body_args = {**body_args, "num_classes": 0}
    if body_args:
        args["args"] = body_args
    if "." not in body.under:
        args |= {"under": body.under} if body.under else {}
    if beside:
        args |= {"under": body.under, "beside": beside}
    where = beside or at
    if head.inside:
        args["inside"] = head.inside
        where = f"{where}.{head.inside}"
    factory = "camlucida.models.wrapped:build"
    return _Use(factory, args, head, where, body.under, beside=bool(beside))


def _channels(state: State, body: Body) -> int:
    return int(state[f"{body.prefix}{body.style.first}.weight"].shape[1])


def _usual_channels(name: str) -> int:
    return 1 if name.startswith(_SMALL) else 3


def _body_args(state: State, body: Body, name: str) -> dict[str, Any]:
    """Arguments of the backbone that its weights show."""
    auxiliary = auxiliary_args(state, body.prefix, name, _channels(state, body))
    return auxiliary or _size_args(state, body, name)


def _size_args(state: State, body: Body, name: str) -> dict[str, Any]:
    """The image size of a transformer, which its positional embedding shows."""
    if not name.startswith("timm:"):
        return {}
    positions = state.get(f"{body.prefix}pos_embed")
    stem = state[f"{body.prefix}{body.style.first}.weight"]
    if positions is None or positions.ndim != 3 or stem.ndim != 4:
        return {}
    rows = int(positions.shape[1] ** 0.5)  # a class token and registers are few
    return {"img_size": rows * int(stem.shape[-1])}


def _choice(state: State, body: Body, fitting: Mapping[str, _Use], stated: Stated) -> Choice:
    def module(name: str) -> nn.Module:
        use = fitting[name]
        return build_unset(use.factory, use.args, Path())

    any_use = next(iter(fitting.values()))
    weights = state if any_use.has_prefix else _weights_behind(state, body.prefix)
    side = _size_args(state, body, body.names[0]).get("img_size", 128)
    return choose(list(fitting), module, weights, (_channels(state, body), side, side), stated)


def _weights_behind(state: State, prefix: str) -> dict[str, torch.Tensor]:
    items = state.items()
    return {key.removeprefix(prefix): value for key, value in items if key.startswith(prefix)}


def _recognised(state: State, body: Body, use: _Use, choice: Choice) -> RecognisedCard:
    channels = _channels(state, body)
    spec, input_note = _input(choice.name, use, channels)
    what = _what(choice.name, use)
    scaling = scaling_notes(choice.name, channels)
    between = (Message("assumed.mean"),) if use.beside and not use.under else ()
    of_parts = (*choice.notes, *use.notes, *between, *use.head.notes)
    notes = (what, *of_parts, *scaling, ACTIVATION, input_note)
    card = Card(factory=use.factory, args=use.args, input=spec, description=str(what))
    return RecognisedCard(card, use.head.outputs, notes)


def _input(name: str, use: _Use, channels: int) -> tuple[InputSpec, Message]:
    """The preprocessing that such networks are usually trained with, and the note of it."""
    if name.startswith(_SMALL):
        return SMALL_INPUT, SMALL_INPUT_NOTE
    spec, _ = usual_input(3 if channels == 3 else 1)
    size_args = use.args.get("args", use.args)
    size = size_args.get("img_size")
    with torch.device("meta"):
        known = _package_input(name)
    if size is None:
        size = known.get("size", 224)
    fields: dict[str, Any] = {"size": size}
    scale = "unit"
    if channels == 3:
        mean, std = known.get("mean", IMAGENET[0]), known.get("std", IMAGENET[1])
        fields |= {"mean": mean, "std": std}
        scale = "imagenet" if (mean, std) == IMAGENET else "package"
    spec = spec.model_copy(update=fields)
    return spec, preprocessing_note(spec, scale)


def _package_input(name: str) -> Mapping[str, Any]:
    """[input] as the package has it for its weights."""
    try:
        module = build_unset(name, {}, Path())
    except (ModelError, RuntimeError, NotImplementedError):
        return {}
    fields: Mapping[str, Any] = defaults(name, {}, False, module).get("input", {})
    return fields


def _what(name: str, use: _Use) -> Message:
    """Which network, under which name, with which head."""
    network: str | Message = bare(name)
    if use.under:
        network = Message("recognised.under", {"network": network, "name": use.under})
    code = "recognised.head_beside" if use.beside else "recognised.head_at"
    return Message(code, {"network": network, "head": use.at, "outputs": use.head.outputs})
