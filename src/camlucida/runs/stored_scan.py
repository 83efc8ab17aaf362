"""The image of a stored map again, prepared as it was; or its geometry alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from camlucida.core.errors import CamlucidaError
from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message, declare
from camlucida.core.scan import Scan
from camlucida.io import read_image
from camlucida.io.volumes import read_volume
from camlucida.models import Card
from camlucida.models.preprocessing import prepare, prepare_volume

declare(
    "image",
    {
        "gone": "the image is no longer there, or has changed: the map is shown without it",
    },
)

NO_PICTURE = Message("image.gone")


def stored_scan(
    row: Mapping[str, Any], provenance: Mapping[str, Any], card: Card, levels: bool = False
) -> Scan:
    """The image of a row of :meth:`Run.explanations`.

    Args:
        row: of the table.
        provenance: of its map.
        card: of the model, as it was when it ran.
        levels: whether all grey levels of a film of more than 8 bits are kept.

    Returns:
        The image, read again; without a picture, and with the warning :data:`NO_PICTURE`, where
        its file is gone or has changed.
    """
    geometry = stored_geometry(row)
    try:
        scan = _read(str(row["path"]), card, levels)
    except CamlucidaError:
        scan = None
    if scan is not None and scan.source["sha256"] == row["image_sha256"]:
        return replace(scan, id=row["image"], geometry=geometry)
    return Scan(
        tensor=torch.zeros(1, *geometry.model),
        display=None,
        geometry=geometry,
        id=row["image"],
        source={"path": row["path"], "sha256": row["image_sha256"]},
        preprocessing=tuple(provenance["preprocessing"]),
        synthetic=bool(row["synthetic"]),
        warnings=(*map(Message.loads, row["warnings"]), NO_PICTURE),
    )


def _read(path: str, card: Card, levels: bool) -> Scan:
    if card.volume is not None:
        return prepare_volume(read_volume(path), card.volume)
    return prepare(read_image(path), card.input, levels)


def stored_geometry(row: Mapping[Any, Any]) -> Geometry:
    """Original ↔ model pixels of a row of :meth:`Run.explanations`.

    Args:
        row: "original" and "model_size", sides in pixels; "scale" and "offset", one number an axis.

    >>> row = {"original": [64, 32], "model_size": [32, 16], "scale": [0.5, 0.5], "offset": [0, 0]}
    >>> stored_geometry(row).model
    (32, 16)
    """
    original, model = (tuple(map(int, row[name])) for name in ("original", "model_size"))
    scale, offset = (tuple(map(float, row[name])) for name in ("scale", "offset"))
    return Geometry(original, model, scale, offset)
