"""The zones of the lungs in one image: from masks that are given, else detected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from camlucida.core.messages import Message, declare
from camlucida.io.tables import fold
from camlucida.metrics.annotations import Mask
from camlucida.metrics.lung_fields import (
    PHANTOM_ERROR,
    LungFields,
    lung_fields,
    lung_zones,
    split_lungs,
)

Origin = Literal["given", "detected", "none"]
"""Where the lung fields of an image come from."""

ZONE = "zone_share"
"""The metric of zones: written ``zone_share:NAME``."""

LATERAL = ("LL", "RL", "LLD", "RLD", "LATERAL")
"""View positions of DICOM in which no lung lies beside the other."""

declare(
    "zones",
    {
        "origin": (
            "Lung fields: detected automatically in {detected} of {images} images, given as masks "
            "in {given}, none detected in {none}. Dice of detected fields {dice:.2f} [{low:.2f}, "
            "{high:.2f}] on synthetic radiographs ({found} of {films} detected); not validated on "
            "patients. Right is the patient's right: the left of the image, unless the DICOM "
            "header says otherwise."
        ),
        "few": (
            "Lung fields were detected in only {detected} of {images} images, so attribution is "
            "not given by lung zone."
        ),
    },
)


def image_fields(
    picture: ArrayLike, source: Mapping[str, Any], regions: Mapping[str, Mask] | None = None
) -> tuple[LungFields | None, Origin]:
    """The lung fields of an image.

    Args:
        picture: (H, W) or (H, W, 3) as displayed.
        source: of the image: ``row_direction`` and ``view`` where a DICOM header has them.
        regions: name → mask: "right lung" and "left lung", or "lungs", are used where they are
            given.

    Returns:
        The fields, None where there are none; and where they come from.
    """
    mirrored = str(source.get("row_direction", "L")).startswith("R")
    given = _given(regions or {}, mirrored)
    if given is not None:
        return given, "given"
    if source.get("view") in LATERAL or str(source.get("row_direction", "L"))[0] not in "LR":
        return None, "none"
    detected = lung_fields(picture, mirrored)
    return detected, "none" if detected is None else "detected"


def image_zones(
    picture: ArrayLike, source: Mapping[str, Any], regions: Mapping[str, Mask] | None = None
) -> tuple[dict[str, Mask], Origin]:
    """The zones of an image by name, (H, W), and where they come from; {} where there are none.

    Args:
        picture, source, regions: as of :func:`image_fields`.
    """
    fields, origin = image_fields(picture, source, regions)
    return ({} if fields is None else lung_zones(fields)), origin


def origin_note(origins: Iterable[Origin]) -> list[Message]:
    """How many images have lung fields from where, with the error of the detector.

    Args:
        origins: of each image.

    Returns:
        Nothing where no image has any.
    """
    count = Counter(origins)
    images = sum(count.values())
    if not count["detected"] and not count["given"]:
        return []
    numbers = {name: count[name] for name in ("given", "detected", "none")}
    values = {**numbers, "images": images, **PHANTOM_ERROR._asdict()}
    return [Message("zones.origin", values)]


def _given(regions: Mapping[str, Mask], mirrored: bool) -> LungFields | None:
    by_name = {fold(name): np.asarray(mask) for name, mask in regions.items() if np.any(mask)}
    if "rightlung" in by_name and "leftlung" in by_name:
        return LungFields(by_name["rightlung"], by_name["leftlung"])
    for name in ("lungs", "lung", "lungfields"):
        if name in by_name:
            return split_lungs(by_name[name], mirrored)
    return None
