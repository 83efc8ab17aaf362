"""Backbones saved as a Sequential of a network's children, whose names have become numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from camlucida.core.errors import ModelError
from camlucida.core.messages import Message
from camlucida.models.alternatives import bare
from camlucida.models.assumptions import RecognisedCard
from camlucida.models.backbones import classifiers
from camlucida.models.checkpoint import State
from camlucida.models.shapes import built_shapes, same_shapes, shapes_of
from camlucida.models.stated import Stated


@dataclass(frozen=True)
class _Family:
    """Networks whose forward is that of their children, one after the other.

    Attributes:
        anchor: end of a key that shows where the Sequential begins.
        names: number → name of each child with weights.
        starts: of the names of the networks; "" for all.
    """

    anchor: str
    names: Mapping[str, str]
    starts: tuple[str, ...] = ("",)


_RESNETS = _Family(
    "4.0.conv1.weight",
    {"0": "conv1", "1": "bn1", **{str(stage + 3): f"layer{stage}" for stage in range(1, 5)}},
)
# DenseNet has a ReLU between its children that a Sequential loses, VGG a grid before its head.
_FEATURES = _Family("0.0.0.weight", {"0": "features"}, ("efficientnet_", "mobilenet_"))

_INSIDE = "sequence"
"""Name that a Sequential at the top gets while its network is looked up."""

_BUILD = "camlucida.models.wrapped:build"


def numbered_classifiers(
    state: State, stated: Stated | None = None, only: str | None = None
) -> Iterator[RecognisedCard]:
    """Cards of ``nn.Sequential(*list(net.children())[:-1])`` and a head beside or behind it.

    Args:
        state: the weights.
        stated, only: as of :func:`~camlucida.models.backbones.classifiers`.
    """
    for family in (_RESNETS, _FEATURES):
        for prefix in _prefixes(state, family.anchor):
            for recognised in classifiers(_with_names(state, prefix, family), stated, only):
                card = _numbered(recognised, family, at_top=not prefix)
                if card is not None and _fits(card, state):
                    yield card


def _prefixes(state: State, anchor: str) -> list[str]:
    prefixes = [key.removesuffix(anchor) for key in state if key.endswith(anchor)]
    return [prefix for prefix in prefixes if not prefix or prefix.endswith(".")]


def _with_names(state: State, prefix: str, family: _Family) -> dict[str, Tensor]:
    """The state dict with the names that the children have in their network."""
    named = {}
    for key, tensor in state.items():
        number, _, rest = key.removeprefix(prefix).partition(".")
        name = family.names.get(number) if key.startswith(prefix) else None
        if name is not None:
            key = f"{prefix or f'{_INSIDE}.'}{name}.{rest}"
        named[key] = tensor
    return named


def _numbered(
    recognised: RecognisedCard, family: _Family, *, at_top: bool
) -> RecognisedCard | None:
    """The card that builds the Sequential; None where the network is used in another way."""
    args = dict(recognised.card.args)
    if recognised.card.factory != _BUILD or "beside" not in args:
        return None
    network = bare(str(args["backbone"]))
    if not network.startswith(family.starts):
        return None
    if at_top:
        del args["under"]
    values = {"network": network, "head": args["beside"], "outputs": recognised.outputs or 0}
    what = Message("recognised.children", values)
    update = {"args": {**args, "children": True}, "description": str(what)}
    card = recognised.card.model_copy(update=update)
    notes = (what, Message("assumed.mean"), *recognised.notes[1:])
    return replace(recognised, card=card, notes=notes)


def _fits(recognised: RecognisedCard, state: State) -> bool:
    try:
        built = built_shapes(recognised.card.factory, recognised.card.args)
    except ModelError:
        return False
    return same_shapes(built, shapes_of(state))
