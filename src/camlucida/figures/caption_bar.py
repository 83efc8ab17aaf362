"""Words in the pixels of a picture: the caption bar below it, and SYNTHETIC across it.

Matplotlib is not needed.
"""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from camlucida.figures.style import wrapped_lines

OPACITY = 140
"""Of SYNTHETIC, of 255."""

Font = ImageFont.FreeTypeFont


@lru_cache(maxsize=32)
def sized_font(path: str, size: int) -> Font:
    """A font file at a size in pixels."""
    return ImageFont.truetype(path, size)


def with_caption(
    picture: Image.Image, text: str, notice: str, font_path: str, synthetic: bool
) -> Image.Image:
    """Add a bar below that says what this is and that it is for research; SYNTHETIC across the
    image where it is.

    Args:
        picture: RGB.
        text: the caption; wrapped.
        notice: the last line.
        font_path: of the words.
        synthetic: whether the image is generated.
    """
    width, height = picture.size
    font = sized_font(font_path, max(9, min(width // 48, 26)))
    line = round(font.size * 1.4)
    lines = [*pixel_lines(text, font, width - line), notice]
    canvas = Image.new("RGB", (width, height + line * len(lines) + line // 2), "black")
    canvas.paste(picture)
    draw = ImageDraw.Draw(canvas)
    last = len(lines) - 1
    for number, text_line in enumerate(lines):
        colour = "#ffcc66" if number == last else "white"
        top = height + line // 4 + number * line
        draw.text((line // 2, top), text_line, fill=colour, font=font)
    if synthetic:
        watermark_pixels(canvas, (width / 2, height * 0.06), font_path)
    return canvas


def watermark_pixels(
    picture: Image.Image, centre: tuple[float, float], font_path: str, colour: str = "white"
) -> None:
    """SYNTHETIC, half transparent, into an RGB picture.

    Args:
        picture: RGB; changed in place.
        centre: x and y of the middle of the word.
        font_path: of the word.
        colour: of the word: grey where what it crosses can be white.
    """
    font = sized_font(font_path, max(10, picture.width // 14))
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).text(centre, "SYNTHETIC", fill=OPACITY, font=font, anchor="mm")
    picture.paste(colour, mask=mask)


def pixel_lines(text: str, font: Font, width: int) -> list[str]:
    """Lines of at most ``width`` pixels, as far as words are short enough."""
    letters = max(8, int(width / font.getlength("n")))
    lines = wrapped_lines(text, letters)
    while letters > 8 and max(map(font.getlength, lines), default=0) > width:
        letters -= 1
        lines = wrapped_lines(text, letters)
    return lines
