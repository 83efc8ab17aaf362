"""What a model is built of, by its card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def architecture(card: Mapping[str, Any]) -> str:
    """The architecture of a model, by its card as a run keeps it.

    The name of its factory, or of the backbone under another head.

    >>> architecture({"factory": "torchvision:resnet50", "args": {}})
    'resnet50'
    """
    backbone = (
        card["args"].get("backbone")
        if card["factory"] == "camlucida.models.wrapped:build"
        else None
    )
    return str(backbone or card["factory"]).rpartition(":")[2]
