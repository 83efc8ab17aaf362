"""What a record says of the layer of a map."""

from __future__ import annotations

from typing import Any

from camlucida.attribution.watch import Captured
from camlucida.core.messages import Message, Value


def layer_provenance(captured: Captured, several: bool) -> dict[str, Any]:
    """What a record says of the layer of a map.

    Args:
        captured: the layer.
        several: whether the model takes several images.

    Returns:
        ``activation`` and ``activation_note`` of a layer that is explained after its activation;
        ``image_inputs``, the images that it saw, of a model of several.
    """
    about: dict[str, Any] = {}
    if captured.activation:
        values: dict[str, Value] = {"layer": captured.name, "activation": captured.activation}
        about["activation"] = captured.activation
        about["activation_note"] = Message("activation.rectified", values)
    if several:
        about["image_inputs"] = list(captured.images)
    return about
