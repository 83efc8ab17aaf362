"""The input of a model, as the checkpoint and the files beside it state it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from camlucida.core.messages import Message
from camlucida.models.card import Card
from camlucida.models.stated import Stated


def with_stated(
    card: Card, stated: Stated | None, known_fields: dict[str, Any]
) -> tuple[dict[str, Any], list[Message]]:
    """Defaults, with what the checkpoint and the files beside it state of the input.

    Args:
        card: as it was read; what it states has precedence.
        stated: None without a checkpoint.
        known_fields: fields of a card that its factory tells, with those of the input by name.

    Returns:
        The fields, and notes on what was taken.
    """
    if stated is None:
        return known_fields, []
    given = card.input.model_fields_set
    fields = dict(stated.input_fields)
    if given & {"steps", "transform"}:
        return known_fields, []
    if given & {"range", "mean", "std", "intensity"}:
        fields.pop("mean", None)
        fields.pop("std", None)
    fields = {name: value for name, value in fields.items() if name not in given}
    known_input = dict(known_fields.get("input", {}))
    channels = given_channels(card, known_input)
    fields.pop("channels", None)
    if len(fields.get("mean", ())) not in (0, channels):
        fields.pop("mean")
        fields.pop("std")
    if "mean" in fields:
        known_input.pop("range", None)
    kinds = [kind for kind in ("size", "mean", "std") if kind in fields]
    return {**known_fields, "input": {**known_input, **fields}}, stated.notes(kinds)


def given_channels(card: Card, known_input: Mapping[str, Any]) -> int:
    """Channels of a model's input.

    Args:
        card: as it was read.
        known_input: what its factory tells.
    """
    if "channels" in card.input.model_fields_set:
        return card.input.channels
    return int(known_input.get("channels", card.input.channels))
