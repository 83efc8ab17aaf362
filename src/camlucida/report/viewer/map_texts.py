"""What the viewer says of a map, of an image or a volume."""

from __future__ import annotations

from math import isfinite
from typing import Any

from camlucida.attribution.explanation import Explanation
from camlucida.figures.overlay import scale_text
from camlucida.figures.style import label_name


def map_texts(explanation: Explanation, name: str) -> dict[str, Any]:
    """What the viewer says of a map.

    Args:
        explanation: of an image or a volume.
        name: unique among the maps of the image.
    """
    about = explanation.provenance
    return {
        "id": name,
        "target": label_name(explanation.target),
        "method": explanation.method,
        "layer": explanation.shown_layer,
        "score": explanation.score if isfinite(explanation.score) else None,
        "score_kind": str(about.get("score_kind", "score")),
        "probability": explanation.probability,
        "unit": str(about.get("unit", "none")),
        "relu": explanation.relu,
        "limit": explanation.limit,
        "empty": scale_text(explanation) if explanation.is_empty else None,
    }
