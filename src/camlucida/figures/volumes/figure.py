"""The orthogonal-slice figure of a map: three planes through its peak, bare and overlaid."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import declare
from camlucida.core.orientation import spacing, tilt
from camlucida.core.png import png_bytes
from camlucida.core.volume_scan import VolumeScan
from camlucida.figures.caption_bar import sized_font
from camlucida.figures.colours import ALPHA, colormap_name, colour_table
from camlucida.figures.comparison import FINDING_COLOUR
from camlucida.figures.contours import draw_lines, draw_marks, half_maximum
from camlucida.figures.map_pixels import ColourTable, MapPixels, overlay_picture
from camlucida.figures.marks import is_marked
from camlucida.figures.notice import notice_line
from camlucida.figures.overlay import colour_notes, method_text, scale_text
from camlucida.figures.panels import sheet_title, unit_text
from camlucida.figures.sheets import DPI, SMALL, Bar, Sheet
from camlucida.figures.style import font_file, has_chinese, words
from camlucida.figures.volumes.peak import Peak
from camlucida.figures.volumes.planes import (
    Pixels,
    Plane,
    Planes,
    planes_through,
    shown_window,
)

declare(
    "planes",
    {
        "axial": "Axial, {axis} {number} of 0–{last}",
        "coronal": "Coronal, {axis} {number} of 0–{last}",
        "sagittal": "Sagittal, {axis} {number} of 0–{last}",
        "across_slices": "Across slices, {axis} {number} of 0–{last}",
        "across_rows": "Across rows, {axis} {number} of 0–{last}",
        "across_columns": "Across columns, {axis} {number} of 0–{last}",
        "axis_0": "slice",
        "axis_1": "row",
        "axis_2": "column",
        "where": "{method}, grid {grid}, one cell ≈ {cell} mm",
        "where_unmeasured": "{method}, grid {grid}, one cell ≈ {cell} voxels",
        "peak": "cross: the map's maximum, at {place} mm",
        "peak_stored": "cross: the map's maximum, slice {slice}, row {row}, column {column}",
        "window_file": "grey: {low:.5g} to {high:.5g}, the file's window",
        "window_model": "grey: {low:.5g} to {high:.5g}, the model's window",
        "window_tissue": "grey: {low:.5g} to {high:.5g} HU, soft tissue; no window is stated",
        "window_volume": "grey: {low:.5g} to {high:.5g}, percentiles of the volume",
        "convention": "The patient's right is at the left of axial and coronal planes.",
        "no_directions": "The file states no directions: left and right are not known.",
        "unmeasured": "A bare tensor: neither its directions nor its size in mm are known.",
        "tilted": "The planes are those of the scan, tilted by {angle:.0f}° against the patient.",
        "unseen": "The model saw a part of the volume only.",
        "truth": "Light blue line: the annotation, where it meets the planes.",
        "slices": "The map is one for all slices that the model saw together.",
    },
)

BAR_MM = (1, 2, 5, 10, 20, 50, 100, 200)
"""Lengths of the scale bar; the longest that is a third of a plane is drawn."""

_TILTED = 3.0
"""Degrees from which up a volume is said to lie obliquely."""

_GAP = 12
"""Pixels between the bare plane and the overlay."""


def planes_png(
    explanation: Explanation,
    scan: VolumeScan,
    values: np.ndarray,
    peak: Peak,
    colormap: str | None = None,
) -> bytes:
    """The figure as a PNG file.

    Args:
        explanation, scan, values, peak, colormap: as of :func:`planes_pixels`.

    Raises:
        UsageError: there is no such colormap.
    """
    return png_bytes(planes_pixels(explanation, scan, values, peak, colormap), DPI)


def planes_pixels(
    explanation: Explanation,
    scan: VolumeScan,
    values: np.ndarray,
    peak: Peak,
    colormap: str | None = None,
    alpha: float | None = None,
    limit: float | None = None,
    truth: NDArray[np.bool_] | None = None,
) -> Pixels:
    """The figure: bare planes above, overlaid ones below.

    Args:
        explanation: of a volume.
        scan: its volume.
        values: (D, H, W), the map in the voxels of the file.
        peak: through which the planes pass.
        colormap: matplotlib name; the default if None.
        alpha: opacity of the map's largest value, in [0, 1]; the default if None.
        limit: the value of full colour; that of this map if None.
        truth: (D, H, W), the annotation in the voxels of the file; None without one.

    Returns:
        (H, W, 3).

    Raises:
        UsageError: there is no such colormap.
    """
    window, _ = shown_window(scan)
    planes = planes_through(scan, values, peak.voxel, window, truth)
    footer = (*_footer(explanation, scan, peak, colormap, limit), *_truth_line(truth))
    notice = notice_line(scan.synthetic, "image")
    title = sheet_title(explanation)
    font = font_file(any(map(has_chinese, (title, notice, *footer))))
    opacity = ALPHA if alpha is None else alpha
    table = colour_table(colormap_name(colormap, explanation.signed), opacity, explanation.signed)
    full = explanation.limit if limit is None else limit
    full = 0.0 if explanation.is_empty else full
    size = _common_size(planes)
    top = float(values.max()) if is_marked(explanation, limit) else None
    panels = []
    for plane in planes.planes:
        pair = _pair(plane, full, table, top)
        panels.append(_stacked([_placed(picture, size, plane, font) for picture in pair]))
    if scan.measured:
        _draw_scale(panels[0], planes.mm, font, size)
    headings = [_heading(plane) for plane in planes.planes]
    bar = None
    if full > 0:
        bar = Bar(table.alone, -full if table.signed else 0.0, full, unit_text(explanation))
    sheet = Sheet(title, headings, panels, (*footer, notice), font, bar, scan.synthetic)
    return sheet.draw()


def _pair(plane: Plane, full: float, table: ColourTable, top: float | None) -> list[Image.Image]:
    """Bare and overlaid; marked where ``top``, the maximum of the whole map, is given."""
    drawn = MapPixels(plane.values, None, full, table)
    overlay = overlay_picture(plane.film, drawn)
    if top is not None:
        draw_marks(overlay, plane.values.shape, half_maximum(plane.values, top), plane.at)
    pair = [Image.fromarray(plane.film).convert("RGB"), overlay]
    for picture in pair:
        _outline(picture, plane)
    return pair


def _truth_line(truth: NDArray[np.bool_] | None) -> list[str]:
    return [words("planes.truth")] if truth is not None and truth.any() else []


def _outline(picture: Image.Image, plane: Plane) -> None:
    """The annotation, where it meets the plane."""
    if plane.truth is not None and plane.truth.any():
        size = plane.truth.shape
        draw_lines(picture, size, half_maximum(plane.truth, 1.0), FINDING_COLOUR)


def _heading(plane: Plane) -> str:
    axis, last = words(f"planes.axis_{plane.axis}"), plane.count - 1
    return words(f"planes.{plane.name}", axis=axis, number=plane.number, last=last)


def _footer(
    explanation: Explanation,
    scan: VolumeScan,
    peak: Peak,
    colormap: str | None,
    limit: float | None,
) -> Iterator[str]:
    """What stands below: layer and scale, the peak, the grey scale, and directions."""
    steps = np.array(spacing(scan.affine))[list(scan.order.axes)][-len(explanation.cell) :]
    sides = [_millimetres(cells * step) for cells, step in zip(explanation.cell, steps)]
    grid, cell = "×".join(map(str, explanation.grid)), " × ".join(sides)
    kind = "where" if scan.measured else "where_unmeasured"
    where = words(f"planes.{kind}", method=method_text(explanation), grid=grid, cell=cell)
    yield f"{where} · {scale_text(explanation, limit)}"
    window, source = shown_window(scan)
    grey = words(f"planes.window_{source}", low=window[0], high=window[1])
    yield grey if explanation.is_empty else f"{_peak_text(scan, peak)} · {grey}"
    notes = [words(f"planes.{_directions(scan)}")]
    angle = tilt(scan.affine)
    if scan.oriented and angle > _TILTED:
        notes.append(words("planes.tilted", angle=angle))
    if scan.whole.seen() != tuple((0, n) for n in scan.whole.original):
        notes.append(words("planes.unseen"))
    if len(explanation.grid) == 2:
        notes.append(words("planes.slices"))
    yield " ".join(notes)
    yield " ".join(colour_notes(explanation, colormap, limit))


def _directions(scan: VolumeScan) -> str:
    if scan.oriented:
        return "convention"
    return "no_directions" if scan.measured else "unmeasured"


def _millimetres(length: float) -> str:
    return f"{length:.0f}" if length >= 10 else f"{length:.2g}"


def place_text(mm: tuple[float, float, float]) -> str:
    """A place in the patient, as workstations write it.

    Args:
        mm: to the right, to the front, to the head.

    >>> place_text((-12.34, 5.0, -0.04))
    'L 12.3, A 5.0, I 0.0'
    """
    letters = [pair[0 if step >= 0 else 1] for pair, step in zip(("RL", "AP", "SI"), mm)]
    return ", ".join(f"{letter} {abs(step):.1f}" for letter, step in zip(letters, mm))


def _peak_text(scan: VolumeScan, peak: Peak) -> str:
    if scan.oriented:
        return words("planes.peak", place=place_text(peak.mm))
    of, row, column = peak.voxel
    return words("planes.peak_stored", slice=of, row=row, column=column)


def _common_size(planes: Planes) -> tuple[int, int]:
    """Width and height in which each plane has room."""
    heights, widths = zip(*(plane.film.shape for plane in planes.planes))
    return max(widths), max(heights)


def _placed(
    picture: Image.Image, size: tuple[int, int], plane: Plane, font_path: str
) -> Image.Image:
    """In the middle of a black panel, with the directions at its edges."""
    panel = Image.new("RGB", size)
    left, top = (size[0] - picture.width) // 2, (size[1] - picture.height) // 2
    panel.paste(picture, (left, top))
    draw = ImageDraw.Draw(panel)
    font = sized_font(font_path, SMALL)
    inset = round(0.8 * SMALL)
    middle, centre = size[0] / 2, size[1] / 2
    places = (
        (inset, centre),
        (size[0] - inset, centre),
        (middle, inset),
        (middle, size[1] - inset),
    )
    for letter, place in zip(plane.edges, places):
        draw.text(place, letter, "white", font, "mm", stroke_width=3, stroke_fill="black")
    return panel


def _draw_scale(panel: Image.Image, mm: float, font_path: str, size: tuple[int, int]) -> None:
    """A bar of a round length at the lower left of a bare plane of this size."""
    fitting = [length for length in BAR_MM if length / mm <= panel.width / 3]
    if not fitting:
        return
    draw = ImageDraw.Draw(panel)
    length, left, bottom = round(fitting[-1] / mm), SMALL, size[1] - round(2.4 * SMALL)
    for colour, width in (("black", 9), ("white", 4)):
        draw.line((left, bottom, left + length, bottom), fill=colour, width=width)
    at = (left + length + SMALL // 2, bottom)
    font = sized_font(font_path, SMALL)
    text = f"{fitting[-1]} mm"
    draw.text(at, text, "white", font, "lm", stroke_width=3, stroke_fill="black")


def _stacked(pictures: list[Image.Image]) -> Image.Image:
    width, height = pictures[0].size
    both = Image.new("RGB", (width, 2 * height + _GAP), "white")
    for number, picture in enumerate(pictures):
        both.paste(picture, (0, number * (height + _GAP)))
    return both
