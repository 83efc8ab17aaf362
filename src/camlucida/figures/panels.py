"""The figure of one map, original, map and overlay, and the words of a map's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import declare
from camlucida.core.numbers import number
from camlucida.core.png import png_bytes
from camlucida.figures.notice import notice_line, watermark
from camlucida.figures.overlay import (
    as_rgb,
    colormap_for,
    colour_notes,
    jpeg_bytes,
    overlay_on,
    scale_text,
    target_text,
    unseen_text,
)
from camlucida.figures.sheets import resolution
from camlucida.figures.style import label_name, unit_name, words
from camlucida.figures.texts import plain_texts, signs_as_boxes

PANEL = 3.6
"""Inches on the longer side of a panel."""

WEAK = 0.1
"""Share of the strongest peak of a strip from which down a panel says how weak its map is: each
panel is on its own scale, so a hundredth looks like the whole.
"""

declare(
    "panels",
    {
        "original": "Original ({columns:.0f} × {rows:.0f} px)",
        "original_alone": "Original",
        "map": "{method}, grid {grid}",
        "overlay": "Overlay",
        "no_evidence": "no evidence",
        "full_colour": "full colour = {limit}",
        "weak": "peak 1/{ratio:.0f} of the strongest",
        "unit": "map value ({unit} units)",
        "unit_signed": "map value ({unit} units): < 0 against, > 0 for",
        "value": "map value",
        "value_signed": "map value: < 0 against, > 0 for",
        "where": "layer {layer}, grid {grid}, one cell ≈ {cell} px",
        "own_scales": "each panel on its own scale",
    },
)


def three_panel(explanation: Explanation, colormap: str | None = None) -> Figure:
    """Original | heat map | overlay, one title, one colour bar."""
    width, height = _panel_size(explanation)
    figure = Figure(figsize=(3 * width + 1.6, height + 1.2), layout="constrained")
    panels = figure.subplots(1, 3)
    panels[0].imshow(as_rgb(explanation.scan.picture()))
    rows, columns = explanation.scan.geometry.original
    panels[0].set_title(words("panels.original", columns=columns, rows=rows), fontsize=9)
    _heat(panels[1], explanation, colormap)
    panels[1].set_title(map_heading(explanation), fontsize=9)
    overlay_on(panels[2], explanation, colormap)
    panels[2].set_title(words("panels.overlay"), fontsize=9)
    for axes in panels:
        axes.set_axis_off()
    figure.suptitle(sheet_title(explanation), fontsize=11)
    _colour_bar(figure, list(panels), explanation, colormap)
    return _finish(figure, explanation, colormap)


def weak_text(explanation: Explanation, others: Sequence[Explanation]) -> str:
    """How weak a map is beside the strongest of its unit, where it is far weaker; else "".

    Args:
        explanation: one of ``others``.
        others: shown side by side, each on its own scale.
    """
    unit = explanation.provenance.get("unit")
    peaks = [other.limit for other in others if other.provenance.get("unit") == unit]
    strongest = max(peaks, default=0.0)
    if explanation.is_empty or explanation.limit > WEAK * strongest or explanation.limit <= 0:
        return ""
    return words("panels.weak", ratio=strongest / explanation.limit)


def mark_weak(axes: Axes, text: str) -> None:
    """Write at the lower edge of a panel that its map is weak, and dash its frame."""
    if not text:
        return
    dark = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 2}
    style: dict[str, Any] = {"color": "white", "fontsize": 8, "ha": "center", "bbox": dark}
    axes.text(0.5, 0.12, text, transform=axes.transAxes, **style)
    frame = Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, linestyle="--")
    frame.set(edgecolor="#8f8f8f", linewidth=2)
    axes.add_patch(frame)


def strip_title(explanation: Explanation) -> str:
    """The label and its probability as tables write it, or the value where the model gives none."""
    target = label_name(explanation.target)
    if explanation.probability is None:
        return f"{target} {explanation.score:.4g}"
    return f"{target} {number(explanation.probability, 'p')}"


def figure_png(figure: Figure, dpi: int | None = None) -> bytes:
    """The figure as PNG.

    Args:
        figure: to draw.
        dpi: pixels an inch; None for :data:`~camlucida.figures.sheets.DPI`.
    """
    dpi = resolution(dpi)
    return png_bytes(np.asarray(_pixels(figure, dpi)), dpi)


def figure_jpeg(figure: Figure, dpi: int | None = None) -> bytes:
    """The figure as JPEG: a tenth of the PNG of a radiograph, for pages of many.

    Args:
        figure: to draw.
        dpi: pixels an inch; None for :data:`~camlucida.figures.sheets.DPI`.
    """
    dpi = resolution(dpi)
    return jpeg_bytes(_pixels(figure, dpi), dpi)


def _pixels(figure: Figure, dpi: int) -> Image.Image:
    plain_texts(figure)
    figure.set_dpi(dpi)
    canvas: Any = FigureCanvasAgg(figure)
    with signs_as_boxes():
        canvas.draw()  # savefig would draw every image twice, the first time for the layout alone
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])


def _panel_size(explanation: Explanation) -> tuple[float, float]:
    rows, columns = explanation.scan.geometry.original
    longest = max(rows, columns)
    # A very long image keeps a readable narrow side.
    return max(PANEL * columns / longest, 1.4), max(PANEL * rows / longest, 1.4)


def _grid(explanation: Explanation) -> str:
    return "×".join(map(str, explanation.grid))


def sheet_title(explanation: Explanation) -> str:
    """Image, target and score: over the pictures of one map."""
    return f"{explanation.scan.id}: {target_text(explanation)}"


def map_heading(explanation: Explanation) -> str:
    """Method and grid: over a map alone."""
    method = str(explanation.provenance.get("method", explanation.method))
    return words("panels.map", method=method, grid=_grid(explanation))


def strip_title_line(explanation: Explanation) -> str:
    """Image, method and layer: over the strip of an image's targets."""
    method = str(explanation.provenance.get("method", explanation.method))
    about = words("overlay.method", method=method, layer=explanation.shown_layer)
    return f"{explanation.scan.id} · {about}"


def strip_heading(explanation: Explanation) -> str:
    """Target with its probability, and the scale: over a panel of a strip."""
    scale = words("panels.no_evidence")
    if not explanation.is_empty:
        scale = words("panels.full_colour", limit=number(explanation.limit, ".3g"))
    return f"{strip_title(explanation)}\n{scale}"


def unit_text(explanation: Explanation) -> str:
    """What the values of a map are: beside a colour bar."""
    unit = unit_name(explanation)
    name = f"{'unit' if unit else 'value'}{'_signed' if explanation.signed else ''}"
    return words(f"panels.{name}", unit=unit) if unit else words(f"panels.{name}")


def _limits(explanation: Explanation) -> tuple[float, float]:
    limit = explanation.limit or 1.0
    return (-limit if explanation.signed else 0.0), limit


def _heat(axes: Axes, explanation: Explanation, colormap: str | None) -> None:
    low, high = _limits(explanation)
    values = np.zeros(explanation.scan.geometry.original, np.float32)
    if not explanation.is_empty:
        values = explanation.numpy()
    axes.imshow(values, cmap=colormap_for(explanation, colormap), vmin=low, vmax=high)
    axes.set_axis_off()
    if unseen_text(explanation):
        (top, bottom), (left, right) = explanation.scan.geometry.seen()
        corner, width, height = (left - 0.5, top - 0.5), right - left, bottom - top
        axes.add_patch(
            Rectangle(
                corner, width, height, fill=False, edgecolor="white", linestyle="--", linewidth=0.8
            )
        )
    if explanation.is_empty:
        axes.text(
            0.5,
            0.5,
            words("panels.no_evidence"),
            color="white",
            ha="center",
            va="center",
            transform=axes.transAxes,
            fontsize=11,
        )


def _colour_bar(
    figure: Figure, axes: list[Axes], explanation: Explanation, colormap: str | None
) -> None:
    """What the colours mean; an empty map has none."""
    if explanation.is_empty:
        return
    low, high = _limits(explanation)
    shown = ScalarMappable(Normalize(low, high), colormap_for(explanation, colormap))
    bar = figure.colorbar(shown, ax=axes, fraction=0.04, pad=0.02)
    bar.ax.tick_params(labelsize=7)
    bar.set_label(unit_text(explanation))
    bar.ax.yaxis.label.set_fontsize(7)
    bar.formatter.set_powerlimits((-3, 4))  # type: ignore[attr-defined]


def sheet_footer(
    explanations: Sequence[Explanation], colormap: str | None = None
) -> tuple[str, ...]:
    """What stands below the pictures of maps: the layer, the scale, and what the marks are.

    Args:
        explanations: of one image.
        colormap: as requested.
    """
    first = explanations[0]
    cell = " × ".join(f"{side:.0f}" for side in reversed(first.cell))
    grid = _grid(first)
    where = words("panels.where", layer=first.shown_layer, grid=grid, cell=cell) + unseen_text(
        first
    )
    alone = len(explanations) == 1
    scale = scale_text(first) if alone else words("panels.own_scales")
    notes: dict[str, None] = {}
    for explanation in explanations:
        notes |= dict.fromkeys(colour_notes(explanation, colormap))
    return tuple(filter(None, (f"{where} · {scale}", " ".join(notes))))


def _finish(figure: Figure, explanation: Explanation, colormap: str | None) -> Figure:
    """What every figure says: what it is at, on what scale, and what it is not for."""
    synthetic = explanation.scan.synthetic
    lines = [*sheet_footer([explanation], colormap), notice_line(synthetic, "image")]
    figure.supxlabel("\n".join(lines), fontsize=7)
    if synthetic:
        watermark(figure, 0.45)
    return figure
