"""The share of heat where no finding can be: on the border, on burned-in text, outside the body.

Regions are masks in original pixels. A share is the positive heat in the region over all positive
heat; its chance level is the area of the region, which a uniform map would score. A small share is
no proof that a shortcut is not used (Adebayo 2022).

A new artefact metric names its region in the registration (``region=``, grey picture → mask).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from camlucida.core.errors import ImageError
from camlucida.core.messages import Message, Value, declare
from camlucida.io.tables import listing
from camlucida.metrics.annotations import Floats, Mask, as_map
from camlucida.metrics.base import metric
from camlucida.metrics.chance import region_area
from camlucida.metrics.localisation import relevance_mass

declare(
    "privacy",
    {
        "letters": (
            "letters seem to be burned into the film, and every picture of it shows them: look "
            "before it is passed on"
        ),
        "letters_in": (
            "letters or side markers seem to be burned into {count} {count:|image|images}, and "
            "pictures show them: look before one is passed on ({names})"
        ),
    },
)

LETTERS = Message("privacy.letters")

BORDER = 0.05
"""Width of the border, as a share of each side."""

DARK = 0.1
"""Air outside the body: at most this share of the way from the darkest pixel to the 99th
percentile.
"""

TEXT_STROKE = 0.02
"""Strokes of letters are narrower than this share of the shorter side of the image."""

TEXT_CONTRAST = 0.3
"""How much brighter a stroke is than what lies beside it, as a share of the range of the image."""

TEXT_SIDES = (0.01, 0.15)
"""The longer side of a letter or word, as shares of the shorter side of the image."""

TEXT_PIXELS = 512
"""Of the shorter side, from twice of which a picture is looked at in coarser pixels."""

TEXT_MARGIN = 0.01
"""Letters are widened by this share of the shorter side, which joins them to words and covers their
edges.
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
    """:func:`region_share` of :func:`border_region`, in [0, 1].

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
    """:func:`region_share` of :func:`text_region`, in [0, 1]; NaN where no text is found.

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
    """:func:`region_share` of :func:`outside_body`, in [0, 1]; NaN where the body fills the image.

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
    grey = _image(image)
    low, high = float(grey.min()), float(np.percentile(grey, 99))
    bright = grey > low + dark * (high - low)
    parts, count = ndimage.label(bright, np.ones((3, 3)))
    if not count:
        return np.zeros(grey.shape, np.bool_)
    largest = 1 + int(np.bincount(parts.reshape(-1))[1:].argmax())
    return ~np.asarray(ndimage.binary_fill_holes(parts == largest), np.bool_)


def text_region(image: ArrayLike) -> Mask:
    """Where letters or side markers seem to be burned in, by a simple rule.

    Strokes are pixels whose white top-hat (image − its opening by a square of ``TEXT_STROKE``) is
    at least ``TEXT_CONTRAST``. A letter is a connected part of them (8-neighbourhood) whose longer
    side lies within ``TEXT_SIDES`` and which does not touch the edge of the image, as cut-off
    bright borders do. Letters are widened by ``TEXT_MARGIN``.

    It misses inverted text, letters on white bone and letters cut by the edge. It takes small metal
    (clips, leads) and now and then the thin end of a bone for text: give a region where that
    matters.

    Args:
        image: (H, W) of intensities in any unit.

    Returns:
        (H, W), empty where there is no text.

    Raises:
        ImageError: not (H, W), or not finite.

    >>> bool(text_region(np.zeros((8, 8))).any())
    False
    """
    letters = _letters(_image(image))
    if not letters.any():
        return letters
    margin = max(1, round(TEXT_MARGIN * min(letters.shape)))
    return np.asarray(ndimage.distance_transform_edt(~letters) <= margin, np.bool_)


def _letters(levels: NDArray[Any]) -> Mask:
    """(H, W), the strokes of what seem to be letters in finite levels of any type."""
    low, high = float(levels.min()), float(levels.max())
    if high == low:
        return np.zeros(levels.shape, np.bool_)
    side = min(levels.shape)
    stroke = max(3, round(TEXT_STROKE * side))
    hat = np.subtract(levels, _opened(levels, stroke), dtype=np.float64)
    parts, _ = ndimage.label(hat >= TEXT_CONTRAST * (high - low), np.ones((3, 3)))
    letters = np.zeros(levels.shape, np.bool_)
    for number, window in enumerate(ndimage.find_objects(parts), start=1):
        longer = max(part.stop - part.start for part in window)
        whole = all(part.start > 0 and part.stop < n for part, n in zip(window, levels.shape))
        if whole and max(3, TEXT_SIDES[0] * side) <= longer <= TEXT_SIDES[1] * side:
            letters[window] |= parts[window] == number
    return letters


def _opened(levels: NDArray[Any], size: int) -> NDArray[Any]:
    """The grey opening of (H, W) by a square, as SciPy's, whose time is that of floats.

    Of whole numbers of few bits this takes a tenth of it.
    """
    before, after = size // 2, (size - 1) // 2
    for axis in (0, 1):
        levels = _extremes(np.minimum, levels, (before, after), axis)
    for axis in (0, 1):
        levels = _extremes(np.maximum, levels, (after, before), axis)
    return levels


def _extremes(
    extreme: np.ufunc, levels: NDArray[Any], reach: tuple[int, int], axis: int
) -> NDArray[Any]:
    """The extreme of each pixel and those up to ``reach`` before and after it along an axis."""
    widths = [(0, 0), (0, 0)]
    widths[axis] = reach
    lines = np.moveaxis(np.pad(levels, widths, "symmetric"), axis, 0)
    size, run = sum(reach) + 1, 1
    while 2 * run <= size:  # each line holds the extreme of so many from it on
        lines = extreme(lines[:-run], lines[run:])
        run *= 2
    if run < size:
        lines = extreme(lines[: run - size], lines[size - run :])
    return np.moveaxis(lines, 0, axis)


def shows_text(picture: ArrayLike) -> bool:
    """Whether letters seem to be burned into a picture, see :func:`text_region`.

    Args:
        picture: (H, W) or (H, W, 3) of intensities. A large one is looked at in coarser pixels.

    >>> shows_text(np.zeros((8, 8)))
    False
    """
    levels = np.asarray(picture)
    step = max(1, min(levels.shape[:2]) // TEXT_PIXELS)
    height, width = (side // step * step for side in levels.shape[:2])
    of_bytes = levels.dtype == np.uint8
    number = np.min_scalar_type(255 * step**2) if of_bytes else np.float64
    coarse = np.zeros((height // step, width // step, *levels.shape[2:]), number)
    for row in range(step):
        for column in range(step):
            coarse += levels[row:height:step, column:width:step]
    grey = coarse if coarse.ndim == 2 else coarse.mean(axis=2)
    return bool(_letters(grey if grey.dtype.kind == "u" else _image(grey)).any())


def letters_warning(picture: ArrayLike | None) -> tuple[Message, ...]:
    """A warning where letters seem to be burned in; none elsewhere.

    Args:
        picture: as of :func:`shows_text`; None where there is none, as of a volume.

    >>> letters_warning(None)
    ()
    """
    return (LETTERS,) if picture is not None and shows_text(picture) else ()


def letters_note(names: Sequence[str]) -> list[Message]:
    """One note of all images with :data:`LETTERS`; none where there is none.

    Args:
        names: of these images.

    >>> letters_note([])
    []
    """
    values: dict[str, Value] = {"count": len(names), "names": listing(names)}
    return [Message("privacy.letters_in", values)] if names else []


def _image(image: ArrayLike) -> Floats:
    grey = np.asarray(image, np.float64)
    if grey.ndim != 2 or not grey.size or not np.isfinite(grey).all():
        unusable = int((~np.isfinite(grey)).sum())
        raise ImageError(
            f"an image of shape {grey.shape} with {unusable} unusable values",
            "give (H, W), finite",
        )
    return grey
