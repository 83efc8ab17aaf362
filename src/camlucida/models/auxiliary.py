"""Inception and GoogLeNet of torchvision: heads that only training uses, and a second scaling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from camlucida.core.messages import Message
from camlucida.models.alternatives import bare
from camlucida.models.checkpoint import State

_AUXILIARY = {
    "torchvision:inception_v3": "AuxLogits.fc",
    "torchvision:googlenet": "aux1.fc2",
}
"""Network → the first of its auxiliary heads."""


def is_auxiliary(path: str) -> bool:
    """Whether a layer belongs to an auxiliary head, which is no explained output.

    Args:
        path: of the layer.

    >>> is_auxiliary("AuxLogits.fc"), is_auxiliary("aux1.fc2"), is_auxiliary("fc")
    (True, True, False)
    """
    return path.casefold().startswith("aux")


def has_auxiliary(name: str) -> bool:
    """Whether a network may have auxiliary heads, so that its checkpoint decides how it is built.

    Args:
        name: factory of the network.
    """
    return name in _AUXILIARY


def auxiliary_args(state: State, prefix: str, name: str, channels: int) -> dict[str, Any]:
    """Arguments that build a network with the auxiliary heads of a state dict, or without.

    Args:
        state: the weights.
        prefix: of the network's keys; ends in a dot, or "".
        name: factory of the network.
        channels: of its input.

    Returns:
        Nothing for a network that has none. ``num_classes`` is that of the auxiliary heads, which
        may differ from the network's own.
    """
    head = _AUXILIARY.get(name)
    if head is None:
        return {}
    weight = state.get(f"{prefix}{head}.weight")
    # The second scaling reads three channels.
    args: dict[str, Any] = {"aux_logits": weight is not None, "transform_input": channels == 3}
    return args if weight is None else {"num_classes": int(weight.shape[0]), **args}


def scaling_notes(name: str, channels: int) -> tuple[Message, ...]:
    """What the weights of such a network do not show and is assumed.

    Args:
        name: factory of the network.
        channels: of its input.
    """
    if name not in _AUXILIARY or channels != 3:
        return ()
    return (Message("assumed.transform_input", {"network": bare(name)}),)


def scaling_of_card(factory: str, args: Mapping[str, Any]) -> tuple[Message, ...]:
    """What a card with weights of its own leaves open of such a network.

    Args:
        factory, args: of the card.

    >>> [note.code for note in scaling_of_card("torchvision:inception_v3", {})]
    ['assumed.no_transform_input']
    >>> scaling_of_card("torchvision:inception_v3", {"transform_input": True})
    ()
    """
    if factory not in _AUXILIARY or "transform_input" in args:
        return ()
    return (Message("assumed.no_transform_input", {"network": bare(factory)}),)
