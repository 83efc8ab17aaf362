"""The map over the image, in original pixels, with a caption bar below: the pixels keep their
place.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import matplotlib
import numpy as np
from matplotlib import font_manager
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError, did_you_mean
from camlucida.figures.notice import notice_line

DEFAULT_COLORMAP = "inferno"
SIGNED_COLORMAP = "bwr"
"""Diverging, for maps with evidence for (red) and against (blue): its ends are bright, so they
show on a dark image.
"""


def colormap_for(
    explanation: Explanation, requested: str | None = None, signed: bool | None = None
) -> Any:
    """The matplotlib colormap: the requested one, else inferno; always a diverging one for a
    signed map.

    Args:
        signed: whether it is drawn as a signed map; None: if it has a negative cell.

    Raises:
        UsageError: unknown colormap.
    """
    check_colormap(requested)
    signed = explanation.signed if signed is None else signed
    return matplotlib.colormaps[SIGNED_COLORMAP if signed else requested or DEFAULT_COLORMAP]


def reduced(picture: NDArray[np.float32], longest: int) -> NDArray[np.uint8]:
    """(H, W, 3) in [0, 1] as 8 bits, its longer side brought to ``longest`` pixels where it is
    more: what a panel can show.
    """
    levels = (np.clip(picture, 0, 1) * 255).round()
    image = Image.fromarray(levels.astype(np.uint8))
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS, reducing_gap=None)
    return np.asarray(image)


def check_colormap(name: str | None) -> None:
    """Raise a :class:`UsageError` for a colormap that matplotlib does not know."""
    if name is not None and name not in matplotlib.colormaps:
        raise UsageError(
            f"unknown colormap {name!r}", did_you_mean(name, sorted(matplotlib.colormaps))
        )


def as_rgb(display: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Display image (H, W) or (H, W, 3) uint8 → (H, W, 3) in [0, 1]."""
    grey = display.astype(np.float32) / np.float32(255)
    if grey.ndim == 2:
        grey = np.repeat(grey[..., None], 3, axis=2)
    return grey.astype(np.float32)


def blend(
    explanation: Explanation,
    colormap: str | None = None,
    alpha: float = 0.5,
    limit: float | None = None,
    signed: bool | None = None,
) -> NDArray[np.float32]:
    """The overlay as (H, W, 3) in [0, 1]: opacity is ``alpha`` × the scaled magnitude, pixel by
    pixel; nothing where it is 0.

    Args:
        signed: as in :func:`colormap_for`: maps that share a colour bar are all drawn so if one of
            them has a negative cell.
    """
    if len(explanation.grid) != 2:
        raise UsageError(
            f"pictures are for images, and this map has {len(explanation.grid)} axes",
            "use .raw, .map() or .on_original()",
        )
    base = as_rgb(explanation.scan.picture())
    limit = explanation.limit if limit is None else limit
    if explanation.is_empty or limit <= 0:
        return base
    heat = np.clip(explanation.numpy() / limit, -1, 1)
    signed = explanation.signed if signed is None else signed
    palette = colormap_for(explanation, colormap, signed)
    # A colormap takes [0, 1]; the middle of a diverging one is zero.
    levels = heat / 2 + 0.5 if signed else heat
    colours = palette(levels)[..., :3]
    opacity = (alpha * np.abs(heat))[..., None]
    return np.asarray(base * (1 - opacity) + colours * opacity, dtype=np.float32)


def overlay_image(
    explanation: Explanation,
    colormap: str | None = None,
    alpha: float = 0.5,
    limit: float | None = None,
) -> Image.Image:
    """The overlay with its caption bar below; the image's pixels are unmoved."""
    overlay = blend(explanation, colormap, alpha, limit)
    levels = (overlay * 255).round()
    picture = Image.fromarray(levels.astype(np.uint8))
    text = caption(explanation, limit)
    return with_caption(picture, text, explanation.scan.synthetic)


def caption(explanation: Explanation, limit: float | None = None) -> str:
    """Label, score, method, layer and scale in one line."""
    probability = ""
    if explanation.probability is not None:
        probability = f", probability {explanation.probability:.3f}"
    kind = explanation.provenance.get("score_kind", "score")
    target = f"{explanation.target} ({kind} {explanation.score:.3g}{probability})"
    head = f"{target} · {explanation.method} at {explanation.layer}"
    return f"{head} · {scale_text(explanation, limit)}{unseen_text(explanation)}"


def unseen_text(explanation: Explanation) -> str:
    """Which part of the image the model saw, where that is not all of it; else ""."""
    geometry = explanation.scan.geometry
    rows, columns = geometry.seen()
    height, width = geometry.original
    if rows == (0, height) and columns == (0, width):
        return ""
    top, bottom = rows
    left, right = columns
    return f" · the model saw columns {left}–{right - 1}, rows {top}–{bottom - 1} only"


def scale_text(explanation: Explanation, limit: float | None = None) -> str:
    """How colours relate to numbers."""
    if explanation.is_empty:
        return f"no evidence: {explanation.empty_reason}"
    shown = explanation.limit if limit is None else limit
    whose = "own scale" if limit is None else "shared scale"
    sign = "±" if explanation.signed else ""
    return f"{whose}: {sign}{shown:.3g} is full colour, 0 is none"


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)


def with_caption(picture: Image.Image, text: str, synthetic: bool) -> Image.Image:
    """Add a bar below that says what this is, that it is for research, and SYNTHETIC where it
    is.
    """
    width, height = picture.size
    font = _font(max(9, min(width // 48, 26)))
    line = round(font.size * 1.4)
    lines = [
        *_wrapped(text, font, width - line),
        notice_line(synthetic, "image"),
    ]
    canvas = Image.new("RGB", (width, height + line * len(lines) + line // 2), "black")
    canvas.paste(picture)
    draw = ImageDraw.Draw(canvas)
    last = len(lines) - 1
    for number, words in enumerate(lines):
        colour = "#ffcc66" if number == last else "white"
        top = height + line // 4 + number * line
        draw.text((line // 2, top), words, fill=colour, font=font)
    return watermarked(canvas, height) if synthetic else canvas


def watermarked(picture: Image.Image, height: int) -> Image.Image:
    """SYNTHETIC across the upper edge of the image (``height`` pixels high), half transparent."""
    font = _font(max(10, picture.width // 14))
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    ImageDraw.Draw(layer).text(
        (picture.width / 2, height * 0.06),
        "SYNTHETIC",
        fill=(255, 255, 255, 120),
        font=font,
        anchor="mm",
    )
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def png_bytes(picture: Image.Image) -> bytes:
    """A Pillow image as PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()
