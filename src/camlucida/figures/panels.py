"""Figures of one image: heat map with its colour bar, three panels, and the strip of its labels.
300 dpi.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import declare
from camlucida.figures.marks import mark
from camlucida.figures.notice import notice_line, watermark
from camlucida.figures.overlay import (
    as_rgb,
    colormap_for,
    colour_notes,
    overlay_on,
    scale_text,
    target_text,
    unseen_text,
)
from camlucida.figures.style import installed_cjk_fonts, label_name, unit_name, words

DPI = 300
PANEL = 3.6
"""Inches on the longer side of a panel."""

MATHS_OF_TICKS = "\\mathdefault"
"""What matplotlib writes powers of ten with, on a logarithmic axis."""

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
        "where": "layer {layer}, grid {grid}, one cell ≈ {cell} px",
        "own_scales": "each panel on its own scale",
    },
)


def heatmap_figure(explanation: Explanation, colormap: str | None = None) -> Figure:
    """The map alone, in original pixels, with a colour bar in its own units."""
    width, height = _panel_size(explanation)
    figure = Figure(figsize=(width + 1.3, height + 1.0), layout="constrained")
    axes = figure.add_subplot()
    _heat(axes, explanation, colormap)
    axes.set_title(_title(explanation), fontsize=9)
    mark(axes, explanation)
    _colour_bar(figure, [axes], explanation, colormap)
    return _finish(figure, [explanation], colormap)


def three_panel(explanation: Explanation, colormap: str | None = None) -> Figure:
    """Original | heat map | overlay, one title, one colour bar."""
    width, height = _panel_size(explanation)
    figure = Figure(figsize=(3 * width + 1.6, height + 1.2), layout="constrained")
    panels = figure.subplots(1, 3)
    panels[0].imshow(as_rgb(explanation.scan.picture()))
    rows, columns = explanation.scan.geometry.original
    panels[0].set_title(words("panels.original", columns=columns, rows=rows), fontsize=9)
    _heat(panels[1], explanation, colormap)
    method = str(explanation.provenance.get("method", explanation.method))
    title = words("panels.map", method=method, grid=_grid(explanation))
    panels[1].set_title(title, fontsize=9)
    overlay_on(panels[2], explanation, colormap)
    panels[2].set_title(words("panels.overlay"), fontsize=9)
    for axes in panels:
        axes.set_axis_off()
    figure.suptitle(_title(explanation), fontsize=11)
    _colour_bar(figure, list(panels), explanation, colormap)
    return _finish(figure, [explanation], colormap)


def top_k_strip(explanations: Sequence[Explanation], colormap: str | None = None) -> Figure:
    """The original and one overlay a label, "{label} {probability:.2%}" above each; every panel on
    its own stated scale; a map far weaker than the strongest says so.
    """
    width, height = _panel_size(explanations[0])
    figure = Figure(
        figsize=((len(explanations) + 1) * width + 0.3, height + 1.1), layout="constrained"
    )
    panels = figure.subplots(1, len(explanations) + 1)
    panels[0].imshow(as_rgb(explanations[0].scan.picture()))
    panels[0].set_title(words("panels.original_alone"), fontsize=9)
    for axes, explanation in zip(panels[1:], explanations):
        overlay_on(axes, explanation, colormap)
        axes.set_title(f"{strip_title(explanation)}\n{_short_scale(explanation)}", fontsize=9)
        mark_weak(axes, weak_text(explanation, explanations))
    for axes in panels:
        axes.set_axis_off()
    first = explanations[0]
    method = str(first.provenance.get("method", first.method))
    about = words("overlay.method", method=method, layer=first.layer)
    figure.suptitle(f"{first.scan.id} · {about}", fontsize=10)
    return _finish(figure, explanations, colormap)


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
    """ "{label} {probability:.2%}", or the value where the model gives none."""
    target = label_name(explanation.target)
    if explanation.probability is None:
        return f"{target} {explanation.score:.4g}"
    return f"{target} {explanation.probability:.2%}"


def plain_texts(figure: Figure) -> None:
    """Draw every text as it stands: names of files, labels and groups are no formulas, and may
    have Chinese signs.

    Signs that the font lacks are taken from another that is installed.
    """
    for text in figure.findobj(Text):
        words = text.get_text()
        if words and MATHS_OF_TICKS not in words:
            text.set_parse_math(False)
        if not words.isascii():
            families = [*text.get_fontfamily(), *_cjk_fonts()]
            text.set_fontfamily(list(dict.fromkeys(families)))


@lru_cache(maxsize=1)
def _cjk_fonts() -> tuple[str, ...]:
    return installed_cjk_fonts()


def figure_png(figure: Figure) -> bytes:
    """PNG at 300 dpi."""
    plain_texts(figure)
    figure.set_dpi(DPI)
    canvas: Any = FigureCanvasAgg(figure)
    with warnings.catch_warnings():  # a sign that the font lacks is drawn as a box
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        canvas.draw()  # savefig would draw every image twice, the first time for the layout alone
    buffer = io.BytesIO()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    picture.save(buffer, "PNG", compress_level=2, dpi=(DPI, DPI))
    return buffer.getvalue()


def _panel_size(explanation: Explanation) -> tuple[float, float]:
    rows, columns = explanation.scan.geometry.original
    longest = max(rows, columns)
    # A very long image keeps a readable narrow side.
    return max(PANEL * columns / longest, 1.4), max(PANEL * rows / longest, 1.4)


def _grid(explanation: Explanation) -> str:
    return "×".join(map(str, explanation.grid))


def _title(explanation: Explanation) -> str:
    return f"{explanation.scan.id}: {target_text(explanation)}"


def _short_scale(explanation: Explanation) -> str:
    if explanation.is_empty:
        return words("panels.no_evidence")
    return words("panels.full_colour", limit=f"{explanation.limit:.3g}")


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
    unit = unit_name(explanation)
    bar.set_label(words("panels.unit_signed" if explanation.signed else "panels.unit", unit=unit))
    bar.ax.yaxis.label.set_fontsize(7)
    bar.formatter.set_powerlimits((-2, 3))  # type: ignore[attr-defined]


def _finish(figure: Figure, explanations: Sequence[Explanation], colormap: str | None) -> Figure:
    """What every figure says: what it is at, on what scale, and what it is not for."""
    first = explanations[0]
    cell = " × ".join(f"{side:.0f}" for side in reversed(first.cell))
    grid = _grid(first)
    where = words("panels.where", layer=first.layer, grid=grid, cell=cell) + unseen_text(first)
    alone = len(explanations) == 1
    scale = scale_text(first) if alone else words("panels.own_scales")
    notes: dict[str, None] = {}
    for explanation in explanations:
        notes |= dict.fromkeys(colour_notes(explanation, colormap))
    lines = [f"{where} · {scale}", " ".join(notes), notice_line(first.scan.synthetic, "image")]
    figure.supxlabel("\n".join(filter(None, lines)), fontsize=7)
    if first.scan.synthetic:
        watermark(figure, 0.45)
    return figure
