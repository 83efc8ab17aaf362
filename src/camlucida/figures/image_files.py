"""Every file of one image, from plain data: in the calling process or in a worker."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from camlucida.core.files import npy, npz, write_bytes
from camlucida.core.png import png_bytes
from camlucida.core.regions import MASK_FRACTION, Box, binary_mask, boxes
from camlucida.figures.caption_bar import sized_font, with_caption
from camlucida.figures.contours import (
    FINEST,
    SMOOTH,
    draw_box,
    draw_marks,
    half_maximum,
    peak,
)
from camlucida.figures.map_pixels import Floats, MapPixels, Pixels, heat_picture, overlay_picture
from camlucida.figures.sheets import DPI, HEADING, WATERMARK, Bar, Sheet, panel_film, panel_map

QUALITY = 90
"""Of an overlay's JPEG, with colour at full resolution: words stay sharp, in a sixth of a PNG's
bytes."""

SYNTHETIC_TEXT = {"camlucida:synthetic": "true"}
"""What a generated film says of itself, so that it is known when it is read again."""


@dataclass(frozen=True)
class MapTexts:
    """The words of a map's pictures.

    Attributes:
        caption: below the overlay.
        title: over a sheet.
        headings: over original, map and overlay.
        footer: lines below a sheet.
        unit: beside the colour bar.
        no_evidence: written over an empty map.
    """

    caption: str
    title: str
    headings: tuple[str, str, str]
    footer: tuple[str, ...]
    unit: str
    no_evidence: str


@dataclass(frozen=True)
class MapJob:
    """A map and the files that are wanted of it.

    Attributes:
        key: of the map in the file of raw maps.
        raw: the signed map on the layer's grid.
        files: kind → name.
        pixels: of a map that lies over the film; None where it lies over none.
        marked: whether the peak can be seen.
        empty: whether there is no evidence.
        seen: rows and columns that the model saw, [first, last + 1]; None: all.
        texts: its words; None where no picture is drawn.
        detection: of a detector, the box that is explained: left, top, right, bottom.
    """

    key: str
    raw: Floats
    files: Mapping[str, str]
    pixels: MapPixels | None
    marked: bool = False
    empty: bool = False
    seen: tuple[tuple[float, float], tuple[float, float]] | None = None
    texts: MapTexts | None = None
    detection: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class StripJob:
    """The overlays of a method and layer side by side.

    Attributes:
        file: its name.
        maps: numbers of the maps, in order.
        title: over all.
        headings: over the original and each overlay.
        weak: over each overlay whose map is far weaker than the strongest; else "".
        footer: lines below.
    """

    file: str
    maps: tuple[int, ...]
    title: str
    headings: tuple[str, ...]
    weak: tuple[str, ...]
    footer: tuple[str, ...]


@dataclass(frozen=True)
class ImageJob:
    """What is written of an image.

    Attributes:
        directory: made if missing.
        film: (H, W) or (H, W, 3); None where no map lies over it.
        film_file, maps_file: names.
        maps: in order of the records.
        strips: in order.
        notice: that it is for research.
        synthetic: whether the image is generated.
        font_path: of the words.
    """

    directory: Path
    film: Pixels | None
    film_file: str
    maps_file: str
    maps: tuple[MapJob, ...]
    strips: tuple[StripJob, ...] = ()
    notice: str = ""
    synthetic: bool = False
    font_path: str = ""


@dataclass(frozen=True)
class MapRegions:
    """What the mask of a map holds.

    Attributes:
        threshold: the value from which up the mask is set.
        boxes: of its components, highest peak first.
    """

    threshold: float
    boxes: list[Box] = field(default_factory=list)


def write_image(job: ImageJob, rows: bytes | None = None) -> list[MapRegions | None]:
    """Write the files of an image, each whole or not at all.

    Args:
        job: what to write.
        rows: of its film, as :func:`camlucida.core.png.png_bytes` takes them.

    Returns:
        The regions of each map; None for one that lies over no film.

    Raises:
        OSError: the system refuses the folder or a file.
    """
    write_bytes(job.directory / job.maps_file, npz({item.key: item.raw for item in job.maps}))
    if job.film is None:
        return [None] * len(job.maps)
    texts = SYNTHETIC_TEXT if job.synthetic else None
    write_bytes(job.directory / job.film_file, png_bytes(job.film, texts=texts, rows=rows))
    film = PanelFilm(job.film)
    drawn = [DrawnMap(job, item, film) for item in job.maps]
    for each in drawn:
        each.write()
    for strip in job.strips:
        sheet = _strip(job, strip, [drawn[number] for number in strip.maps], film)
        write_bytes(job.directory / strip.file, png_bytes(sheet.draw(), DPI))
    return [each.regions() for each in drawn]


def strip_bytes(job: ImageJob, strip: StripJob) -> bytes:
    """A strip as a PNG file.

    Args:
        job: of the image.
        strip: what is drawn.
    """
    assert job.film is not None
    film = PanelFilm(job.film)
    drawn = [DrawnMap(job, job.maps[number], film) for number in strip.maps]
    return png_bytes(_strip(job, strip, drawn, film).draw(), DPI)


class PanelFilm:
    """The film of all panels, resized once.

    Args:
        film: (H, W) or (H, W, 3).
    """

    def __init__(self, film: Pixels) -> None:
        self.film = film

    @cached_property
    def pixels(self) -> Pixels:
        """At the size of a panel."""
        return panel_film(self.film)

    def picture(self) -> Image.Image:
        """The film alone, as a panel."""
        return Image.fromarray(self.pixels).convert("RGB")


class DrawnMap:
    """The pictures of one map, each part computed once.

    Args:
        job: of the image.
        item: the map.
        film: of all maps of the image.
    """

    def __init__(self, job: ImageJob, item: MapJob, film: PanelFilm) -> None:
        assert item.pixels is not None
        self.job = job
        self.item = item
        self.film = film
        self.pixels: MapPixels = item.pixels
        self.mask = binary_mask(self.pixels.values)

    def write(self) -> None:
        """Write the files that are wanted."""
        for kind, name in self.item.files.items():
            write_bytes(self.job.directory / name, self.content(kind))

    def content(self, kind: str) -> bytes:
        """A file of the map.

        Args:
            kind: overlay, heatmap, figure, map or mask.
        """
        if kind == "overlay":
            return jpeg_bytes(self.captioned_overlay())
        if kind == "heatmap":
            return png_bytes(self.heat_sheet().draw(), DPI)
        if kind == "figure":
            return png_bytes(self.figure().draw(), DPI)
        if kind == "map":
            return npy(self.pixels.values)
        return png_bytes(self.mask.astype(np.uint8) * np.uint8(255))

    def regions(self) -> MapRegions:
        """The boxes of the mask."""
        values = self.pixels.values
        threshold = MASK_FRACTION * max(float(values.max()), 0.0)
        return MapRegions(threshold, boxes(self.mask, values))

    @cached_property
    def overlay_panel(self) -> Image.Image:
        """The overlay with its marks, as a panel."""
        return self._marked(overlay_picture(self.film.pixels, self._panel_map))

    def captioned_overlay(self) -> Image.Image:
        """The overlay with its marks, pixel for pixel, and its caption below."""
        assert self.item.texts is not None
        picture = self._marked(overlay_picture(self.film.film, self.pixels))
        job = self.job
        caption = self.item.texts.caption
        return with_caption(picture, caption, job.notice, job.font_path, job.synthetic)

    def heat_sheet(self) -> Sheet:
        """The map alone, with a colour bar in its own units."""
        return self._sheet([self._heat_panel()], [""])

    def figure(self) -> Sheet:
        """Original, map and overlay."""
        assert self.item.texts is not None
        panels = [self.film.picture(), self._heat_panel(), self.overlay_panel]
        return self._sheet(panels, self.item.texts.headings)

    def _sheet(self, panels: Sequence[Image.Image], headings: Sequence[str]) -> Sheet:
        job, texts = self.job, self.item.texts
        assert texts is not None
        footer = (*texts.footer, job.notice)
        bar = self.bar(texts.unit)
        return Sheet(texts.title, headings, panels, footer, job.font_path, bar, job.synthetic)

    def bar(self, unit: str) -> Bar | None:
        """What the colours mean; an empty map has none.

        Args:
            unit: of the values.
        """
        limit, table = self.pixels.limit, self.pixels.table
        if self.item.empty or limit <= 0:
            return None
        return Bar(table.alone, -limit if table.signed else 0.0, limit, unit)

    def _heat_panel(self) -> Image.Image:
        picture = self._marked(heat_picture(self._panel_map))
        draw = ImageDraw.Draw(picture)
        if self.item.seen is not None:
            self._frame(draw, picture.size)
        if self.item.empty:
            assert self.item.texts is not None
            font = sized_font(self.job.font_path, round(1.3 * HEADING))
            middle = (picture.width / 2, picture.height / 2)
            draw.text(middle, self.item.texts.no_evidence, fill="white", font=font, anchor="mm")
        return picture

    def _frame(self, draw: ImageDraw.ImageDraw, size: tuple[int, int]) -> None:
        """A line round what the model saw."""
        assert self.item.seen is not None
        height, width = self.pixels.values.shape
        (top, bottom), (left, right) = self.item.seen
        down, across = size[1] / height, size[0] / width
        box = (left * across, top * down, right * across - 1, bottom * down - 1)
        dashed_rectangle(draw, box, WATERMARK, 3)

    def _marked(self, picture: Image.Image) -> Image.Image:
        if self.item.detection is not None:
            draw_box(picture, self.pixels.values.shape, self.item.detection)
        if self.item.marked:
            draw_marks(picture, self.pixels.values.shape, self._contours, self._peak)
        return picture

    @cached_property
    def _panel_map(self) -> MapPixels:
        return panel_map(self.pixels)

    @cached_property
    def _contours(self) -> list[np.ndarray]:
        values = self.pixels.values
        finest = FINEST if self.pixels.weights is None else SMOOTH
        return half_maximum(values, float(values.max()), finest)

    @cached_property
    def _peak(self) -> tuple[float, float]:
        return peak(self.pixels.values)


def _strip(job: ImageJob, strip: StripJob, drawn: Sequence[DrawnMap], film: PanelFilm) -> Sheet:
    """The original and one overlay a map."""
    panels = [film.picture()]
    for item, weak in zip(drawn, strip.weak):
        picture = item.overlay_panel.copy()
        if weak:
            mark_weak(picture, weak, job.font_path)
        panels.append(picture)
    footer = (*strip.footer, job.notice)
    path = job.font_path
    return Sheet(strip.title, strip.headings, panels, footer, path, synthetic=job.synthetic)


def mark_weak(picture: Image.Image, text: str, font_path: str) -> None:
    """Write at the lower edge of a panel that its map is weak, and dash its frame."""
    draw = ImageDraw.Draw(picture)
    font = sized_font(font_path, HEADING)
    at = (picture.width / 2, picture.height * 0.88)
    left, top, right, bottom = draw.textbbox(at, text, font=font, anchor="mm")
    draw.rectangle((left - 8, top - 8, right + 8, bottom + 8), fill="#333333")
    draw.text(at, text, fill="white", font=font, anchor="mm")
    dashed_rectangle(draw, (0, 0, picture.width - 1, picture.height - 1), "#8f8f8f", 8)


def dashed_rectangle(
    draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], colour: str, width: int
) -> None:
    """A frame of dashes.

    Args:
        draw: of the picture.
        box: left, top, right, bottom.
        colour: of the dashes.
        width: of the line.
    """
    left, top, right, bottom = box
    dash = 24
    for x in np.arange(left, right, 2 * dash):
        for y in (top, bottom):
            draw.line((x, y, min(x + dash, right), y), fill=colour, width=width)
    for y in np.arange(top, bottom, 2 * dash):
        for x in (left, right):
            draw.line((x, y, x, min(y + dash, bottom)), fill=colour, width=width)


def jpeg_bytes(picture: Image.Image) -> bytes:
    """A picture as JPEG."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()
