"""The map over the image, in original pixels, with a caption bar below: the pixels keep their
place.
"""

from __future__ import annotations

import io
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare, score_name
from camlucida.core.numbers import number
from camlucida.core.regions import MASK_FRACTION
from camlucida.figures.caption_bar import with_caption
from camlucida.figures.colours import ALPHA, colormap_name, colour_table, mix, shows_its_peak
from camlucida.figures.contours import draw_box, draw_marks, half_maximum, peak
from camlucida.figures.map_pixels import MapPixels, overlay_picture
from camlucida.figures.marks import is_marked, mark, marked_picture
from camlucida.figures.notice import notice_line
from camlucida.figures.style import font_file, has_chinese, label_name, words

JPEG_QUALITY = 88
"""Of pictures for the screen: text and lines stay free of visible rings."""

declare(
    "overlay",
    {
        "probability": "probability {probability:p}",
        "score": "{kind} {score:.3g}",
        "target": "{target} ({numbers:,})",
        "method": "{method} at {layer}",
        "seen": ("the model saw columns {left:.0f}–{right:.0f}, rows {top:.0f}–{bottom:.0f} only"),
        "empty": "no evidence: {reason}",
        "scale_alone": "own scale: {limit} is full colour, 0 is none",
        "scale_shared": "shared scale: {limit} is full colour, 0 is none",
        "no_peak": (
            "colour map {colormap}: its top does not stand out most from the film, "
            "so read the line and the cross"
        ),
    },
)


COARSEST = 64
"""Cells of a grid's longer side up to which a map is drawn from its cells; a finer one is
interpolated first."""


def colormap_for(
    explanation: Explanation, requested: str | None = None, signed: bool | None = None
) -> Any:
    """The matplotlib colormap: the requested one, else that of the command, else the default;
    always a diverging one for a signed map.

    Args:
        signed: whether it is drawn as a signed map; None: if it has a negative cell.

    Raises:
        UsageError: unknown colormap.
    """
    signed = explanation.signed if signed is None else signed
    return matplotlib.colormaps[colormap_name(requested, signed)]


def reduced(picture: NDArray[np.float32], longest: int) -> NDArray[np.uint8]:
    """(H, W, 3) in [0, 1] as 8 bits, its longer side brought to ``longest`` pixels where it is
    more: what a panel can show.
    """
    levels = (np.clip(picture, 0, 1) * 255).round()
    image = Image.fromarray(levels.astype(np.uint8))
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS, reducing_gap=None)
    return np.asarray(image)


def as_rgb(display: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Display image (H, W) or (H, W, 3) uint8 → (H, W, 3) in [0, 1]."""
    grey = display.astype(np.float32) / np.float32(255)
    if grey.ndim == 2:
        grey = np.repeat(grey[..., None], 3, axis=2)
    return grey.astype(np.float32)


def blend(
    explanation: Explanation,
    colormap: str | None = None,
    alpha: float | None = None,
    limit: float | None = None,
    signed: bool | None = None,
) -> NDArray[np.float32]:
    """The overlay as (H, W, 3) in [0, 1]: the more heat, the more it differs from the bare image.

    The opacity is that of :func:`~camlucida.figures.colours.opacity_table`: ``alpha`` × the scaled
    magnitude where the colour map allows it, and 0 where the map is 0.

    Args:
        colormap: matplotlib name; None for the default.
        alpha: opacity of full colour, in [0, 1]; :data:`~camlucida.figures.colours.ALPHA` if None.
        limit: the value of full colour; None for the map's largest magnitude.
        signed: as in :func:`colormap_for`: maps that share a colour bar are all drawn so if one of
            them has a negative cell.
    """
    _check_drawable(explanation)
    base = as_rgb(explanation.scan.picture())
    limit = explanation.limit if limit is None else limit
    if explanation.is_empty or limit <= 0:
        return base
    heat = np.clip(explanation.numpy() / limit, -1, 1)
    signed = explanation.signed if signed is None else signed
    name = colormap_name(colormap, signed)
    return mix(base, heat, name, ALPHA if alpha is None else alpha, signed)


def overlay_on(
    axes: Axes,
    explanation: Explanation,
    colormap: str | None = None,
    alpha: float | None = None,
    limit: float | None = None,
    signed: bool | None = None,
    longest: int | None = None,
) -> None:
    """Show the overlay of a map in a panel, with its marks.

    Args:
        axes: of the panel, in original pixels.
        explanation: the map.
        colormap, alpha, limit, signed: as in :func:`~camlucida.figures.overlay.blend`.
        longest: pixels of the longer side that the panel can show; None for all.
    """
    picture = blend(explanation, colormap, alpha, limit, signed)
    show_picture(axes, picture, longest)
    mark(axes, explanation, limit)


def show_picture(axes: Axes, picture: NDArray[np.float32], longest: int | None = None) -> None:
    """Show an image in a panel, in its own pixels.

    Args:
        axes: of the panel.
        picture: (H, W, 3) in [0, 1].
        longest: pixels of the longer side that the panel can show; None for all.
    """
    height, width = picture.shape[:2]
    shown = picture if longest is None else reduced(picture, longest)
    axes.imshow(shown, extent=(-0.5, width - 0.5, height - 0.5, -0.5))


def reduced_overlay(
    explanation: Explanation,
    longest: int,
    alpha: float | None = None,
    limit: float | None = None,
    signed: bool | None = None,
) -> NDArray[np.uint8]:
    """The overlay with its marks, of at most ``longest`` pixels: for small panels.

    Args:
        explanation: the map.
        longest: pixels on the longer side.
        alpha, limit, signed: as in :func:`blend`.

    Returns:
        (h, w, 3) in 8 bits.
    """
    overlay = reduced(blend(explanation, None, alpha, limit, signed), longest)
    return np.asarray(marked_picture(Image.fromarray(overlay), explanation, limit))


def map_pixels(
    explanation: Explanation,
    colormap: str | None = None,
    alpha: float | None = None,
    limit: float | None = None,
) -> MapPixels:
    """A map as plain data, to be drawn into pixels.

    Args:
        colormap, alpha, limit: as in :func:`blend`.

    Raises:
        UsageError: the map is not two-dimensional, or there is no such colormap.
        LayerError: it lies over no image.
    """
    _check_drawable(explanation)
    signed = explanation.signed
    table = colour_table(colormap_name(colormap, signed), ALPHA if alpha is None else alpha, signed)
    full = explanation.limit if limit is None else limit
    weights = None
    if max(explanation.grid) <= COARSEST:
        rows, columns = explanation.geometry().interpolation(explanation.grid)
        weights = rows, columns
    cells = explanation.numpy() if weights is None else explanation.map(explanation.grid).numpy()
    full = 0.0 if explanation.is_empty else full
    return MapPixels(np.asarray(cells, np.float32), weights, full, table)


def _check_drawable(explanation: Explanation) -> None:
    if len(explanation.grid) != 2:
        raise UsageError(
            f"pictures are for images, and this map has {len(explanation.grid)} axes",
            "use .raw, .map() or .on_original()",
        )
    explanation.geometry()  # an error where the map lies over no image


def overlay_image(
    explanation: Explanation,
    colormap: str | None = None,
    alpha: float | None = None,
    limit: float | None = None,
) -> Image.Image:
    """The overlay with its marks and its caption bar below; the image's pixels are unmoved."""
    drawn = map_pixels(explanation, colormap, alpha, limit)
    picture = overlay_picture(explanation.scan.picture(), drawn)
    if explanation.detection is not None:
        draw_box(picture, explanation.scan.geometry.original, explanation.detection.box)
    if is_marked(explanation, limit):
        values = drawn.values
        draw_marks(picture, values.shape, half_maximum(values), peak(values))
    text = " · ".join([caption(explanation, limit), *colour_notes(explanation, colormap, limit)])
    return captioned(picture, text, explanation.scan.synthetic)


def captioned(picture: Image.Image, text: str, synthetic: bool) -> Image.Image:
    """A picture with a caption bar below, in a font that has the words' signs.

    Args:
        picture: RGB.
        text: the caption.
        synthetic: whether the image is generated.
    """
    notice = notice_line(synthetic, "image")
    return with_caption(picture, text, notice, font_file(has_chinese(text + notice)), synthetic)


def caption(explanation: Explanation, limit: float | None = None) -> str:
    """Label, score, method, layer and scale in one line."""
    parts = [
        target_text(explanation),
        method_text(explanation),
        scale_text(explanation, limit),
    ]
    return " · ".join(parts) + unseen_text(explanation)


def method_text(explanation: Explanation) -> str:
    """By which method the map is, and at which layer."""
    return words("overlay.method", method=explanation.method, layer=explanation.shown_layer)


def target_text(explanation: Explanation) -> str:
    """The target with its score, and its probability where there is one."""
    kind = score_name(str(explanation.provenance.get("score_kind", "score")))
    numbers = [Message("overlay.score", {"kind": kind, "score": explanation.score})]
    if explanation.probability is not None:
        probability = {"probability": explanation.probability}
        numbers.append(Message("overlay.probability", probability))
    return words("overlay.target", target=label_name(explanation.target), numbers=numbers)


def unseen_text(explanation: Explanation) -> str:
    """Which part of the image the model saw, where that is not all of it; else ""."""
    geometry = explanation.scan.geometry
    rows, columns = geometry.seen()
    height, width = geometry.original
    if rows == (0, height) and columns == (0, width):
        return ""
    top, bottom = rows
    left, right = columns
    seen = words("overlay.seen", top=top, bottom=bottom - 1, left=left, right=right - 1)
    return f" · {seen}"


def scale_text(explanation: Explanation, limit: float | None = None) -> str:
    """How colours relate to numbers."""
    if explanation.empty_reason is not None:
        return words("overlay.empty", reason=explanation.empty_reason)
    shown = explanation.limit if limit is None else limit
    sign = "±" if explanation.signed else ""
    whose = "alone" if limit is None else "shared"
    return words(f"overlay.scale_{whose}", limit=f"{sign}{number(shown, '.3g')}")


def colour_notes(
    explanation: Explanation, colormap: str | None = None, limit: float | None = None
) -> list[str]:
    """What the marks are, and whether the colour map can show the peak.

    Args:
        explanation: what is drawn.
        colormap: as requested.
        limit: full colour of a shared scale.
    """
    notes = []
    if explanation.detection is not None:
        notes.append(words("marks.box", score=explanation.detection.score))
    if is_marked(explanation, limit):
        notes.append(marks_legend())
    if not explanation.is_empty:
        notes += peak_notes(colormap, explanation.signed)
    return notes


def marks_legend() -> str:
    """What the lines and the cross of a marked map are.

    >>> marks_legend()
    "Line: 50% of the map's maximum; cross: the maximum."
    """
    return words("marks.legend", fraction=MASK_FRACTION)


def peak_notes(colormap: str | None = None, signed: bool = False) -> list[str]:
    """That the colour map cannot show the peak, where it cannot.

    Args:
        colormap: as requested.
        signed: whether the maps are drawn with both signs.

    >>> peak_notes("jet"), len(peak_notes("gray"))
    ([], 1)
    """
    name = colormap_name(colormap, signed)
    if shows_its_peak(name, ALPHA, signed):
        return []
    return [words("overlay.no_peak", colormap=name)]


def jpeg_bytes(picture: Image.Image, dpi: int = 72) -> bytes:
    """A Pillow image as JPEG, its colours at full resolution.

    Args:
        picture: RGB.
        dpi: pixels an inch, for print.
    """
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0, dpi=(dpi, dpi))
    return buffer.getvalue()
