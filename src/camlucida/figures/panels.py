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
from matplotlib.font_manager import fontManager
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from camlucida.attribution.explanation import Explanation
from camlucida.figures.notice import notice_line, watermark
from camlucida.figures.overlay import as_rgb, blend, colormap_for, scale_text, unseen_text

DPI = 300
PANEL = 3.6
"""Inches on the longer side of a panel."""

MATHS_OF_TICKS = "\\mathdefault"
"""What matplotlib writes powers of ten with, on a logarithmic axis."""

MORE_FONTS = (
    *("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei"),
    *("PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei"),
)
"""For signs that matplotlib's own font lacks: of Linux, macOS and Windows."""


def heatmap_figure(explanation: Explanation, colormap: str | None = None) -> Figure:
    """The map alone, in original pixels, with a colour bar in its own units."""
    width, height = _panel_size(explanation)
    figure = Figure(figsize=(width + 1.3, height + 1.0), layout="constrained")
    axes = figure.add_subplot()
    _heat(axes, explanation, colormap)
    axes.set_title(_title(explanation), fontsize=9)
    _colour_bar(figure, [axes], explanation, colormap)
    return _finish(figure, [explanation])


def three_panel(explanation: Explanation, colormap: str | None = None) -> Figure:
    """Original | heat map | overlay, one title, one colour bar."""
    width, height = _panel_size(explanation)
    figure = Figure(figsize=(3 * width + 1.6, height + 1.2), layout="constrained")
    panels = figure.subplots(1, 3)
    panels[0].imshow(as_rgb(explanation.scan.picture()))
    rows, columns = explanation.scan.geometry.original
    panels[0].set_title(f"Original ({columns} × {rows} px)", fontsize=9)
    _heat(panels[1], explanation, colormap)
    method = explanation.provenance.get("method", explanation.method)
    panels[1].set_title(f"{method}, grid {_grid(explanation)}", fontsize=9)
    panels[2].imshow(blend(explanation, colormap))
    panels[2].set_title("Overlay", fontsize=9)
    for axes in panels:
        axes.set_axis_off()
    figure.suptitle(_title(explanation), fontsize=11)
    _colour_bar(figure, list(panels), explanation, colormap)
    return _finish(figure, [explanation])


def top_k_strip(explanations: Sequence[Explanation], colormap: str | None = None) -> Figure:
    """The original and one overlay a label, "{label} {probability:.2%}" above each; every panel on
    its own stated scale.
    """
    width, height = _panel_size(explanations[0])
    figure = Figure(
        figsize=((len(explanations) + 1) * width + 0.3, height + 1.1), layout="constrained"
    )
    panels = figure.subplots(1, len(explanations) + 1)
    panels[0].imshow(as_rgb(explanations[0].scan.picture()))
    panels[0].set_title("Original", fontsize=9)
    for axes, explanation in zip(panels[1:], explanations):
        axes.imshow(blend(explanation, colormap))
        axes.set_title(f"{strip_title(explanation)}\n{_short_scale(explanation)}", fontsize=9)
    for axes in panels:
        axes.set_axis_off()
    first = explanations[0]
    method = first.provenance.get("method", first.method)
    figure.suptitle(f"{first.scan.id} · {method} at {first.layer}", fontsize=10)
    return _finish(figure, explanations)


def strip_title(explanation: Explanation) -> str:
    """ "{label} {probability:.2%}", or the value where the model gives none."""
    if explanation.probability is None:
        return f"{explanation.target} {explanation.score:.4g}"
    return f"{explanation.target} {explanation.probability:.2%}"


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
            families = [*text.get_fontfamily(), *_more_fonts()]
            text.set_fontfamily(list(dict.fromkeys(families)))


@lru_cache(maxsize=1)
def _more_fonts() -> tuple[str, ...]:
    """Those of :data:`MORE_FONTS` that are installed."""
    installed = {font.name for font in fontManager.ttflist}
    return tuple(name for name in MORE_FONTS if name in installed)


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
    kind = explanation.provenance.get("score_kind", "score")
    p = "" if explanation.probability is None else f"probability {explanation.probability:.3f}, "
    return f"{explanation.scan.id}: {explanation.target} ({p}{kind} {explanation.score:.3f})"


def _short_scale(explanation: Explanation) -> str:
    return "no evidence" if explanation.is_empty else f"full colour = {explanation.limit:.3g}"


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
            "no evidence",
            color="white",
            ha="center",
            va="center",
            transform=axes.transAxes,
            fontsize=11,
        )


def _colour_bar(
    figure: Figure, axes: list[Axes], explanation: Explanation, colormap: str | None
) -> None:
    low, high = _limits(explanation)
    shown = ScalarMappable(Normalize(low, high), colormap_for(explanation, colormap))
    bar = figure.colorbar(shown, ax=axes, fraction=0.04, pad=0.02)
    bar.ax.tick_params(labelsize=7)
    unit = f"map value ({explanation.provenance.get('unit', 'score')} units)"
    bar.set_label(f"{unit}: < 0 against, > 0 for" if explanation.signed else unit, fontsize=7)
    bar.formatter.set_powerlimits((-2, 3))  # type: ignore[attr-defined]


def _finish(figure: Figure, explanations: Sequence[Explanation]) -> Figure:
    """What every figure says: what it is at, on what scale, and what it is not for."""
    first = explanations[0]
    cell = " × ".join(f"{side:.0f}" for side in reversed(first.cell))
    where = f"layer {first.layer}, grid {_grid(first)}, one cell ≈ {cell} px{unseen_text(first)}"
    scale = scale_text(first) if len(explanations) == 1 else "each panel on its own scale"
    figure.supxlabel(
        f"{where} · {scale}\n{notice_line(first.scan.synthetic, 'image')}",
        fontsize=7,
    )
    if first.scan.synthetic:
        watermark(figure, 0.45)
    return figure
