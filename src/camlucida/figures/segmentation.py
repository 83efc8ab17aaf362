"""The analysis sheet of one map: image, map, overlay, truth and prediction, heat inside and
outside a region, numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import Message, Value, declare
from camlucida.figures.grids import mark_synthetic, wrapped
from camlucida.figures.marks import mark
from camlucida.figures.notice import notice_line
from camlucida.figures.outlines import legend, outline, outline_colours, title_beside
from camlucida.figures.overlay import as_rgb, blend, caption, colormap_for, colour_notes
from camlucida.figures.style import label_name, unit_name, worded, words

declare(
    "sheet_figures",
    {
        "title": "{image}: {target}",
        "image": "image, {columns:.0f} × {rows:.0f} px",
        "overlay": "overlay",
        "outlines": "outlines",
        "nothing_outlined": "nothing outlined",
        "map": "map, grid {grid}",
        "no_evidence": "no evidence",
        "unit": "map value ({unit} units)",
        "inside": "inside, {pixels} px, mean {mean}",
        "outside": "outside, {pixels} px, mean {mean}",
        "value": "map value (dashed: means)",
        "share": "share of pixels",
        "values": "map values inside and outside the region",
        "values_alone": "map values (no region)",
        "numbers": "numbers",
    },
)

Mask = NDArray[np.bool_]
Fact = tuple[Message | str, Message | str]
"""Name and value of a number, as they are shown."""

BINS = 40
"""Of the histogram of the map's values."""

INSIDE, OUTSIDE = "#d1495b", "#4c6a92"


def analysis_sheet(
    explanation: Explanation,
    region: Mask,
    facts: Sequence[Fact],
    *,
    outlines: Mapping[str, Mask],
    warnings: Sequence[Message | str] = (),
) -> Figure:
    """Six panels of one map.

    Args:
        explanation: the map.
        region: (H, W) in original pixels, what heat inside and outside refers to; may be empty.
        facts: name and value: the statistics panel.
        outlines: name → (H, W): truth, prediction, whatever is known.
        warnings: lines below, such as that the map restates the prediction.
    """
    rows, columns = explanation.scan.geometry.original
    height = min(max(3.2 * rows / columns, 2.7), 4.6)
    figure = Figure(figsize=(11.6, 2 * height + 1.3 + 0.17 * len(warnings)), layout="constrained")
    panels = figure.subplots(2, 3, width_ratios=(1, 1.15, 1.2))
    colours = outline_colours(list(outlines))
    image = as_rgb(explanation.scan.picture())
    _picture(panels[0, 0], image, _text("image", columns=columns, rows=rows), explanation)
    _heat(figure, panels[0, 1], explanation)
    _picture(panels[0, 2], blend(explanation), _text("overlay"), explanation)
    mark(panels[0, 2], explanation)
    outlined = _text("outlines" if outlines else "nothing_outlined")
    _picture(panels[1, 0], image, outlined, explanation)
    for axes in (panels[0, 1], panels[0, 2], panels[1, 0]):
        outline(axes, outlines, colours)
    _histogram(panels[1, 1], explanation, region)
    _facts(panels[1, 2], facts)
    target = label_name(explanation.target)
    title = _text("title", image=explanation.scan.id, target=target)
    title_beside(figure, title, legend(figure, colours), 11)
    notes = (caption(explanation), *colour_notes(explanation), *map(worded, warnings))
    lines = wrapped(notes, 190)
    lines.append(notice_line(explanation.scan.synthetic, "image"))
    figure.supxlabel("\n".join(lines), fontsize=7.5)
    return figure


def _text(name: str, /, **values: Value) -> str:
    return words(f"sheet_figures.{name}", **values)


def _picture(axes: Axes, pixels: NDArray[np.float32], title: str, explanation: Explanation) -> None:
    axes.imshow(pixels)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()
    mark_synthetic(axes, explanation.scan.synthetic)


def _heat(figure: Figure, axes: Axes, explanation: Explanation) -> None:
    limit = explanation.limit or 1.0
    low, colours = -limit if explanation.signed else 0.0, colormap_for(explanation)
    axes.imshow(explanation.numpy(), cmap=colours, vmin=low, vmax=limit)
    grid = " × ".join(map(str, explanation.grid))
    axes.set_title(_text("map", grid=grid), fontsize=9)
    axes.set_axis_off()
    mark_synthetic(axes, explanation.scan.synthetic)
    if explanation.is_empty:
        axes.text(
            0.5,
            0.5,
            _text("no_evidence"),
            color="white",
            ha="center",
            va="center",
            transform=axes.transAxes,
            fontsize=11,
        )
        return
    bar = figure.colorbar(
        ScalarMappable(Normalize(low, limit), colours), ax=axes, fraction=0.045, pad=0.02
    )
    bar.ax.tick_params(labelsize=7)
    bar.ax.yaxis.get_offset_text().set_fontsize(7)
    bar.formatter.set_powerlimits((-3, 4))  # type: ignore[attr-defined]
    unit = unit_name(explanation)
    meaning = _text("unit", unit=unit) if unit else words("panels.value")
    bar.set_label(meaning, fontsize=7.5)


def _histogram(axes: Axes, explanation: Explanation, region: Mask) -> None:
    """Shares of the pixels inside and outside, by the map's value; logarithmic, for most pixels
    are cold.
    """
    window = tuple(slice(*span) for span in explanation.scan.geometry.seen())
    values, inside = explanation.numpy()[window], region[window]
    limit = explanation.limit or 1.0
    edges = np.linspace(-limit if explanation.signed else 0.0, limit, BINS + 1).tolist()
    for part, name, colour in ((~inside, "outside", OUTSIDE), (inside, "inside", INSIDE)):
        pixels = int(part.sum())
        if pixels:
            weights = np.full(pixels, 1 / pixels)
            mean = float(values[part].mean())
            label = _text(name, pixels=f"{pixels:,}", mean=f"{mean:.3g}")
            axes.hist(
                np.clip(values[part], edges[0], limit),
                edges,
                weights=weights,
                color=colour,
                alpha=0.6,
                label=label,
            )
            axes.axvline(mean, color=colour, linestyle="--", linewidth=1.2)
    if values.any():  # of an empty map every pixel is in one bin
        axes.set_yscale("log")
    axes.set_xlabel(_text("value"), fontsize=8)
    axes.set_ylabel(_text("share"), fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_title(_text("values" if inside.any() else "values_alone"), fontsize=9)
    axes.legend(fontsize=7.5, loc="upper right")


def _facts(axes: Axes, facts: Sequence[Fact]) -> None:
    axes.set_axis_off()
    axes.set_title(_text("numbers"), fontsize=9)
    step = 1 / max(len(facts) + 1, 14)
    for number, (name, value) in enumerate(facts):
        y = 1 - (number + 0.6) * step
        look: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 7.5, "va": "center"}
        axes.text(0.0, y, worded(name), color="#444", **look)
        axes.text(0.48, y, worded(value), **look)
