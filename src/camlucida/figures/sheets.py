"""Panels side by side on a white sheet at 300 dpi, composed of pixels: much faster than axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from camlucida.figures.caption_bar import Font, pixel_lines, sized_font, watermark_pixels
from camlucida.figures.map_pixels import Floats, MapPixels, Pixels

DPI = 300
"""Pixels an inch of a figure, where no other number is given."""

LARGEST = 840
"""Pixels on the longer side of a panel: 2.8 inches. Larger films are reduced."""

SMALLEST = 420
"""Films below it are enlarged by a whole number."""

NARROWEST = 360
"""Width of the room of a panel, so that words fit over a narrow film."""

GAP = 42
"""Pixels between panels, and at the edges of the sheet."""

BAR = 38
"""Width of the colour bar."""

WATERMARK = "#8f8f8f"
"""Of SYNTHETIC: it shows on black films and on the white of a map with both signs."""

_POINT = DPI / 72
TITLE, HEADING, SMALL = (round(points * _POINT) for points in (10.5, 8.5, 7.0))
"""Sizes of letters in pixels."""

_SPACING = 1.3
"""Height of a line, in letters."""


def resolution(dpi: int | None) -> int:
    """Pixels an inch: those given, else :data:`DPI`."""
    return DPI if dpi is None else dpi


@dataclass(frozen=True)
class Bar:
    """A colour bar.

    Attributes:
        colours: (N, 3), from the lowest value on.
        low, high: its ends.
        label: what the values are.
    """

    colours: Pixels
    low: float
    high: float
    label: str


@dataclass(frozen=True)
class Sheet:
    """Panels with their words.

    Attributes:
        title: over all.
        headings: over each panel, in lines; "" for none.
        panels: RGB, of one size.
        footer: lines below, each wrapped.
        font_path: of the words.
        bar: at the right; None for none.
        synthetic: whether SYNTHETIC is written across.
        paper, ink: colours of the sheet and of its words.
    """

    title: str
    headings: Sequence[str]
    panels: Sequence[Image.Image]
    footer: Sequence[str]
    font_path: str
    bar: Bar | None = None
    synthetic: bool = False
    paper: str = "white"
    ink: str = "black"

    def draw(self) -> Pixels:
        """The sheet, (H, W, 3)."""
        wide, tall = self.panels[0].size
        room = max(wide, NARROWEST)
        inner = len(self.panels) * (room + GAP) - GAP
        beside = self._bar_width()
        title, heading, small = (sized_font(self.font_path, n) for n in (TITLE, HEADING, SMALL))
        titles = pixel_lines(self.title, title, inner + beside)
        headings = [_wrapped(text, heading, room) for text in self.headings]
        footer = _wrapped("\n".join(self.footer), small, inner + beside)
        top = GAP + _height(titles, title)
        panel_top = top + max(_height(lines, heading) for lines in headings) + GAP // 3
        bottom = panel_top + tall + GAP // 2
        height = bottom + _height(footer, small) + GAP
        canvas = Image.new("RGB", (inner + beside + 2 * GAP, height), self.paper)
        draw = ImageDraw.Draw(canvas)
        centre = canvas.width / 2
        _write(draw, titles, title, (centre, GAP), self.ink)
        for number, panel in enumerate(self.panels):
            left = GAP + number * (room + GAP)
            lines = headings[number]
            # Headings stand on the panel, however many lines the others have.
            above = panel_top - GAP // 3 - _height(lines, heading)
            _write(draw, lines, heading, (left + room / 2, above), self.ink)
            canvas.paste(panel, (left + (room - wide) // 2, panel_top))
        if self.bar is not None:
            right = GAP + inner
            box = (right + GAP, panel_top, tall)
            _draw_bar(canvas, self.bar, box, self.font_path, self.ink)
        _write(draw, footer, small, (centre, bottom), self.ink)
        if self.synthetic:
            middle = (centre, panel_top + tall / 2)
            watermark_pixels(canvas, middle, self.font_path, WATERMARK)
        return np.asarray(canvas)

    def _bar_width(self) -> int:
        if self.bar is None:
            return 0
        font = sized_font(self.font_path, SMALL)
        ticks = max(font.getlength(text) for _, text in bar_ticks(self.bar.low, self.bar.high))
        return GAP + BAR + round(ticks + 2.2 * SMALL)


def panel_size(size: Sequence[int]) -> tuple[int, int]:
    """Width and height of the panel of a film.

    Args:
        size: (H, W) of the film.

    >>> panel_size((800, 800)), panel_size((4000, 2000)), panel_size((48, 64))
    ((800, 800), (420, 840), (832, 624))
    """
    height, width = size
    longest = max(height, width)
    if longest > LARGEST:
        share = LARGEST / longest
        return max(1, round(width * share)), max(1, round(height * share))
    factor = LARGEST // longest if longest < SMALLEST else 1
    return width * factor, height * factor


def panel_film(film: Pixels) -> Pixels:
    """A film at the size of a panel; each pixel of a small film is a square.

    Args:
        film: (H, W) or (H, W, 3).
    """
    width, height = panel_size(film.shape[:2])
    return np.asarray(_resized(Image.fromarray(film), (width, height)))


def panel_map(drawn: MapPixels) -> MapPixels:
    """A map at the size of a panel: its values are resized as the film is, and then coloured.

    Args:
        drawn: at the size of the film.
    """
    if drawn.weights is None:
        width, height = panel_size(drawn.cells.shape)
        return replace(drawn, cells=np.asarray(_resized(_floats(drawn.cells), (width, height))))
    # Resizing is linear, one axis after the other: that of the weights is that of the values.
    rows, columns = drawn.weights
    width, height = panel_size((len(rows), len(columns)))
    rows = np.asarray(_resized(_floats(rows), (rows.shape[1], height)))
    columns = np.asarray(_resized(_floats(columns), (columns.shape[1], width)))
    return replace(drawn, weights=(rows, columns))


def _floats(values: Floats) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(values, np.float32))


def _resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Width and height; smaller without alias, larger by a whole number."""
    if size == picture.size:
        return picture
    is_smaller = size[0] < picture.width or size[1] < picture.height
    method = Image.Resampling.LANCZOS if is_smaller else Image.Resampling.NEAREST
    return picture.resize(size, method)


def bar_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Round values of a colour bar, and how they read.

    Args:
        low, high: the ends.

    >>> bar_ticks(0.0, 2.3)
    [(0.0, '0'), (0.5, '0.5'), (1.0, '1'), (1.5, '1.5'), (2.0, '2')]
    >>> bar_ticks(-3e-5, 3e-5)
    [(-2e-05, '-2e-05'), (0.0, '0'), (2e-05, '2e-05')]
    """
    span = high - low
    magnitude = 10.0 ** np.floor(np.log10(span / 5))
    steps = [factor * magnitude for factor in (1, 2, 5, 10)]
    step = next(each for each in steps if span / each <= 5)
    first, last = int(np.ceil(low / step - 1e-6)), int(np.floor(high / step + 1e-6))
    values = [float(f"{number * step:.6g}") for number in range(first, last + 1)]
    return [(value, f"{value:.6g}") for value in values]


def _wrapped(text: str, font: Font, width: int) -> list[str]:
    lines: list[str] = []
    for line in filter(None, text.split("\n")):
        lines += pixel_lines(line, font, width)
    return lines


def _height(lines: Sequence[str], font: Font) -> int:
    return round(len(lines) * font.size * _SPACING)


def _write(
    draw: ImageDraw.ImageDraw, lines: Sequence[str], font: Font, at: tuple[float, float], ink: str
) -> None:
    """Centred lines, from ``at`` (x of the middle, y of the top) downwards."""
    for number, line in enumerate(lines):
        y = at[1] + (number + 0.5) * font.size * _SPACING
        draw.text((at[0], y), line, fill=ink, font=font, anchor="mm")


def _draw_bar(
    canvas: Image.Image, bar: Bar, box: tuple[int, int, int], font_path: str, ink: str
) -> None:
    """The colours from below, ticks and the label at the right of them."""
    left, top, tall = box
    levels = np.linspace(len(bar.colours) - 1, 0, tall).round().astype(int)
    column = np.repeat(bar.colours[levels][:, None], BAR, axis=1)
    canvas.paste(Image.fromarray(column), (left, top))
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((left, top, left + BAR, top + tall), outline=ink, width=2)
    font = sized_font(font_path, SMALL)
    right = left + BAR
    widest = 0.0
    for value, text in bar_ticks(bar.low, bar.high):
        y = top + tall * (bar.high - value) / (bar.high - bar.low)
        draw.line((right, y, right + 10, y), fill=ink, width=2)
        draw.text((right + 16, y), text, fill=ink, font=font, anchor="lm")
        widest = max(widest, font.getlength(text))
    label = Image.new("L", (tall, round(1.3 * SMALL)))
    middle = (tall / 2, label.height / 2)
    ImageDraw.Draw(label).text(middle, bar.label, fill=255, font=font, anchor="mm")
    turned = label.transpose(Image.Transpose.ROTATE_90)
    at = (right + 20 + round(widest), top)
    canvas.paste(ink, at, mask=turned)
