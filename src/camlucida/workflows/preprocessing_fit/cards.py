"""A card that can be written elsewhere, and with another preprocessing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from camlucida.models.card import Card, anchored_factory, factory_file
from camlucida.models.preprocessing.spec import InputSpec
from camlucida.workflows.preprocessing_fit.candidates import card_keys


def portable(card: Card, base: Path) -> Card:
    """The card with absolute paths.

    Args:
        card: as it was read.
        base: folder that its paths start from.
    """
    update: dict[str, Any] = {"factory": anchored_factory(card.factory, base)}
    if card.checkpoint is not None:
        update["checkpoint"] = str(base / Path(card.checkpoint).expanduser())
    transform = card.input.transform
    if transform is not None and factory_file(transform) is not None:
        update["input"] = card.input.model_copy(update={"transform": str(base / transform)})
    return card.model_copy(update=update)


def card_fields(card: Card, spec: InputSpec) -> dict[str, Any]:
    """A card with another preprocessing, as its file has it.

    Args:
        card: the card.
        spec: its preprocessing.
    """
    fields = card.model_dump(mode="json", exclude_unset=True)
    keys = card_keys(spec)
    # Size and channels are written even where they are the usual ones: nothing is left to guess.
    stated = {"size": list(spec.height_width), "channels": spec.channels}
    return {**fields, "input": {**stated, **keys, "size": stated["size"]}}
