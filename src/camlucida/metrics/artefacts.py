"""The share of heat where no finding can be: on the border, on burned-in text, outside the body.

Regions are masks in original pixels. A share is the positive heat in the region over all positive
heat; its chance level is the area of the region, which a uniform map would score. A small share is
no proof that a shortcut is not used (Adebayo 2022).

A new artefact metric names its region in the registration (``region=``, grey picture → mask).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from camlucida.metrics.annotations import Mask, as_map
from camlucida.metrics.base import metric
from camlucida.metrics.burned_in import as_grey, text_region
from camlucida.metrics.chance import region_area
from camlucida.metrics.localisation import relevance_mass

BORDER = 0.05
"""Width of the border, as a share of each side."""

DARK = 0.1
"""Air outside the body: at most this share of the way from the darkest pixel to the 99th
percentile.
"""


@metric(
    "zone_share",
    "Heat by lung zone",
    "artefact",
    direction="none",
    range=(0, 1),
    chance="area",
    chance_level=region_area,
    source="Arras 2022, eq. 2",
    description="Share of the positive heat in a zone of the lungs.",
    only_images=True,
)
@metric(
    "region_share",
    "Heat in a region",
    "artefact",
    direction="none",
    range=(0, 1),
    chance="area",
    chance_level=region_area,
    source="Arras 2022, eq. 2",
)
def region_share(values: ArrayLike, region: ArrayLike) -> float:
    """Σ_R E⁺ / Σ E⁺ for any region R, such as lungs or heart, in [0, 1].

    Args:
        values: map (H, W) in original pixels.
        region: mask (H, W), such as one of :func:`camlucida.metrics.lung_fields.lung_zones`.

    Returns:
        NaN for an empty region, since an artefact that is not in the image has no share rather than
        a good one; NaN for a map without positive heat.

    Raises:
        UsageError: the sizes differ. NoEvidenceError: the map is not finite.

    >>> region_share([[1.0, 3.0]], [[0, 1]])
    0.75
    """
    return relevance_mass(values, region)


@metric(
    "border_share",
    "Heat on the border",
    "artefact",
    direction="lower",
    range=(0, 1),
    chance="area",
    chance_level=region_area,
    region=lambda grey: border_region(grey.shape),
    source="Frame of 5 % a side",
    only_images=True,
)
def border_share(values: ArrayLike, width: float = BORDER) -> float:
    """Share of the positive heat on the border of the image, in [0, 1].

    Args:
        values: map (H, W) in original pixels.
        width: of the border, as a share of each side.

    Returns:
        NaN without positive heat.

    Raises:
        UsageError: an empty map.
        NoEvidenceError: the map is not finite.

    >>> border_share(np.ones((20, 20)))
    0.19
    """
    return region_share(values, border_region(as_map(values).shape, width))


@metric(
    "text_share",
    "Heat on burned-in text",
    "artefact",
    direction="lower",
    range=(0, 1),
    chance="area",
    chance_level=region_area,
    region=lambda grey: text_region(grey),
    source="See text_region",
    failures={"": ("falls", "flat", "blur")},
    only_images=True,
)
def text_share(values: ArrayLike, image: ArrayLike) -> float:
    """Share of the positive heat on burned-in text, in [0, 1]; NaN where no text is found.

    Args:
        values: map (H, W) in original pixels.
        image: (H, W), see :func:`text_region`.

    Returns:
        In [0, 1]; NaN without positive heat or without text.

    Raises:
        UsageError: the sizes differ.
        NoEvidenceError: the map is not finite.

    >>> text_share(np.ones((8, 8)), np.zeros((8, 8)))
    nan
    """
    return region_share(values, text_region(image))


@metric(
    "outside_body_share",
    "Heat outside the body",
    "artefact",
    direction="lower",
    range=(0, 1),
    chance="area",
    chance_level=region_area,
    region=lambda grey: outside_body(grey),
    source="See outside_body",
    only_images=True,
)
def outside_body_share(values: ArrayLike, image: ArrayLike) -> float:
    """Share of the positive heat outside the body, in [0, 1]; NaN where it fills the image.

    Args:
        values: map (H, W) in original pixels.
        image: (H, W), see :func:`outside_body`.

    Returns:
        In [0, 1]; NaN without positive heat, or where the body fills the image.

    Raises:
        UsageError: the sizes differ.
        NoEvidenceError: the map is not finite.

    >>> outside_body_share(np.ones((1, 4)), [[0.0, 1.0, 1.0, 0.0]])
    0.5
    """
    return region_share(values, outside_body(image))


def border_region(size: Sequence[int], width: float = BORDER) -> Mask:
    """The frame of an image of ``size``: ``width`` of each side, rounded up to whole pixels.

    >>> border_region((3, 4)).sum()
    np.int64(10)
    """
    inner = np.zeros(tuple(size), np.bool_)
    frame = [int(np.ceil(width * n)) for n in size]
    inner[tuple(slice(w, max(w, n - w)) for n, w in zip(size, frame))] = True
    return ~inner


def outside_body(image: ArrayLike, dark: float = DARK) -> Mask:
    """Everything but the body.

    The body is the largest connected part (8-neighbourhood) of pixels that are not dark, its holes
    filled.

    Args:
        image: (H, W) of intensities in any unit, air dark (as a MONOCHROME2 radiograph is shown).
        dark: a pixel is dark at or below ``min + dark · (99th percentile − min)``.

    Labels and text in the air are outside, too. Lungs stay inside unless the crop opens them to the
    edge. A constant image is all body: nothing is outside.

    Raises:
        ImageError: not (H, W), or not finite.

    >>> outside_body([[0.0, 1.0, 1.0, 0.0]]).tolist()
    [[True, False, False, True]]
    """
    grey = as_grey(image)
    low, high = float(grey.min()), float(np.percentile(grey, 99))
    bright = grey > low + dark * (high - low)
    parts, count = ndimage.label(bright, np.ones((3, 3)))
    if not count:
        return np.zeros(grey.shape, np.bool_)
    largest = 1 + int(np.bincount(parts.reshape(-1))[1:].argmax())
    return ~np.asarray(ndimage.binary_fill_holes(parts == largest), np.bool_)
