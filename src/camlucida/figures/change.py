"""Two images of a patient and what changed: images above, maps below; both maps on one scale."""

from __future__ import annotations

from itertools import chain
from textwrap import fill

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from camlucida.analysis.change.difference import Change
from camlucida.attribution.explanation import Explanation
from camlucida.figures.colours import SIGNED_COLORMAP, colormap_name, mix
from camlucida.figures.grids import mark_synthetic
from camlucida.figures.marks import mark_values
from camlucida.figures.notice import notice_line
from camlucida.figures.overlay import as_rgb, marks_legend

IMAGES_COLORMAP = "PuOr_r"
"""For the difference of the images: another than that of the maps."""

UNKNOWN_COLOUR = "#808080"
"""Where there is no difference, because one of the images does not show that place."""

STRENGTH = 0.75
"""Opacity of full colour."""

SIDE = 3.1
"""Inches on the longer side of a panel."""

BRIGHTEST = 99.5
"""Percentile of the difference of the images that is full colour: one bright letter must not hide
the rest.
"""

Floats = NDArray[np.float64]


def change_figure(
    change: Change, names: tuple[str, str] = ("before", "after"), colormap: str | None = None
) -> Figure:
    """Images before and after and their difference; below them the maps and their difference.

    The second image and its map are aligned with the first, where that was possible.

    Args:
        change: of one label.
        names: of the two images.
        colormap: matplotlib name, for the maps; None for the default. Where a map has evidence
            against the label, a diverging one is used.
    """
    first_picture = change.before.scan.picture()
    second_picture = change.after.scan.picture()
    first = as_rgb(first_picture)
    second = change.alignment.carry(as_rgb(second_picture))
    rows, columns = first_picture.shape[:2]
    longest = max(rows, columns)
    panel_width = max(SIDE * columns / longest, 1.6)
    panel_height = max(SIDE * rows / longest, 1.6)
    width = 3 * panel_width + 1.5
    figure = Figure(figsize=(width, 2 * panel_height + 1.9), layout="constrained")
    panels = [list(row) for row in figure.subplots(2, 3)]
    second_shown = np.nan_to_num(second, nan=0.5)
    panels[0][0].imshow(first)
    panels[0][1].imshow(np.clip(second_shown, 0, 1))
    grey_levels = 255 * (second.mean(2) - first.mean(2))
    _draw_image_difference(figure, panels[0][2], np.asarray(grey_levels))
    _draw_maps(figure, panels[1][:2], change, (first, second_shown), colormap)
    _draw_map_difference(figure, panels[1][2], change, first)
    _add_titles(panels, change, names)
    return _with_footer(figure, panels, change, width)


def _draw_image_difference(figure: Figure, axes: Axes, values: Floats) -> None:
    """The difference in grey levels, NaN where it is unknown."""
    magnitudes = np.abs(values[np.isfinite(values)])
    limit = float(np.percentile(magnitudes, BRIGHTEST)) if magnitudes.size else 1.0
    limit = limit or 1.0
    colours = matplotlib.colormaps[IMAGES_COLORMAP].with_extremes(bad=UNKNOWN_COLOUR)
    axes.imshow(values, cmap=colours, vmin=-limit, vmax=limit)
    norm = Normalize(-limit, limit)
    _colour_bar(figure, [axes], norm, IMAGES_COLORMAP, "after − before (grey levels of 255)")


def _draw_maps(
    figure: Figure,
    panels: list[Axes],
    change: Change,
    images: tuple[NDArray[np.floating], NDArray[np.floating]],
    colormap: str | None,
) -> None:
    """Both maps over their images, on one scale."""
    maps = (change.before_map, change.after_map)
    signed = bool(np.nanmin(maps) < 0)
    name = colormap_name(colormap, signed)
    limit = change.limit or 1.0
    explanations = (change.before, change.after)
    for axes, image, values in zip(panels, images, maps):
        axes.imshow(_overlay(image, values, limit, name, signed))
        mark_values(axes, np.nan_to_num(values), limit)
    if all(explanation.is_empty for explanation in explanations):
        return
    norm = Normalize(-limit if signed else 0, limit)
    _colour_bar(figure, panels, norm, name, f"map ({_unit(change)} units)")


def _draw_map_difference(
    figure: Figure, axes: Axes, change: Change, image: NDArray[np.floating]
) -> None:
    """The difference of the maps over the first image; grey where it is unknown."""
    difference = change.difference
    limit = _largest(difference) or 1.0
    is_known = np.isfinite(difference)[..., None]
    base = np.where(is_known, image, 0.5)
    axes.imshow(_overlay(base, difference, limit, SIGNED_COLORMAP, True))
    norm = Normalize(-limit, limit)
    label = f"after − before ({_unit(change)} units)"
    _colour_bar(figure, [axes], norm, SIGNED_COLORMAP, label)


def _unit(change: Change) -> str:
    return str(change.before.provenance.get("unit", "score"))


def _overlay(
    base: NDArray[np.floating], values: Floats, limit: float, name: str, signed: bool
) -> Floats:
    """The map over the image, (H, W, 3) in [0, 1]; nothing is drawn where it is 0 or unknown."""
    heat = np.clip(np.nan_to_num(values) / limit, -1, 1)
    return np.clip(mix(base, heat, name, STRENGTH, signed), 0, 1).astype(np.float64)


def _add_titles(panels: list[list[Axes]], change: Change, names: tuple[str, str]) -> None:
    images, maps = panels
    aligned = "aligned" if change.alignment.moved else "not aligned"
    images[0].set_title(f"Before: {names[0]}", fontsize=9)
    images[1].set_title(f"After: {names[1]}, {aligned}", fontsize=9)
    images[2].set_title("Difference of the images", fontsize=9)
    maps[0].set_title(_output_text(change.before), fontsize=9)
    maps[1].set_title(_output_text(change.after), fontsize=9)
    maps[2].set_title(f"Change: {_output_change_text(change)}", fontsize=9)
    for axes in chain.from_iterable(panels):
        axes.set_axis_off()


def _output_text(explanation: Explanation) -> str:
    """Score and probability, such as "logit 1.20, p = 0.769"."""
    kind = explanation.provenance.get("score_kind", "score")
    score = f"{kind} {explanation.score:.2f}"
    if explanation.probability is None:
        return score
    return f"{score}, probability {explanation.probability:.3f}"


def _output_change_text(change: Change) -> str:
    """Change of score and probability, with their signs."""
    kind = change.before.provenance.get("score_kind", "score")
    score = f"{kind} {change.score:+.2f}"
    if change.probability is None:
        return score
    return f"{score}, probability {change.probability:+.3f}"


def _with_footer(figure: Figure, panels: list[list[Axes]], change: Change, width: float) -> Figure:
    """Add the title and, below, what to know of scale and alignment; ``width`` in inches."""
    first = change.before
    method = first.provenance.get("method", first.method)
    figure.suptitle(f"{first.target}: {method} at {first.layer}", fontsize=11)
    letters = int(width * 16)
    lines = [fill(line, letters) for line in _notes(change)]
    synthetic = first.scan.synthetic or change.after.scan.synthetic
    lines.append(notice_line(synthetic))
    figure.supxlabel("\n".join(lines), fontsize=7)
    for axes in chain.from_iterable(panels):
        mark_synthetic(axes, synthetic)
    return figure


def _notes(change: Change) -> list[str]:
    """Scale, quality of the alignment, and reservations."""
    alignment = change.alignment
    notes = [
        f"Both maps on one scale: {change.limit or 1.0:.3g} is full colour. {marks_legend()}",
        "Grey: outside one of the images, or not seen by the model; no change is computed there.",
    ]
    if alignment.moved:
        notes.append(_alignment_text(change))
    else:
        notes.append(f"Not aligned: {alignment.refused}.")
    if alignment.mirror is not None and alignment.mirror.suspected:
        notes.append(
            "The mirrored second image fits the first better: one of them may be mirrored, "
            "or they may be of two patients."
        )
    if change.moved_difference is not None:
        largest = _largest(change.difference)
        by_moving = _largest(change.moved_difference)
        notes.append(
            f"Largest change of the map {largest:.3g}; {by_moving:.3g} when the first image itself "
            "is moved by the same alignment and explained again."
        )
    return notes


def _alignment_text(change: Change) -> str:
    """How the second image was moved, and how well the images correlate before and after that."""
    alignment = change.alignment
    down, across = alignment.shift
    turn = f"{alignment.rotation:+.1f}°, × {alignment.magnification:.3f}"
    shift = f"{across:+.1f} px across, {down:+.1f} px down"
    before = alignment.unaligned.correlation
    after = alignment.aligned.correlation
    correlation = f"correlation of the images {before:.3f} before, {after:.3f} after alignment"
    return f"Alignment: {turn}, {shift}; {correlation}."


def _largest(difference: Floats) -> float:
    """The largest magnitude where the difference is known; 0 if nowhere."""
    return float(np.nanmax(np.abs(difference), initial=0.0))


def _colour_bar(figure: Figure, panels: list[Axes], norm: Normalize, name: str, label: str) -> None:
    bar = figure.colorbar(ScalarMappable(norm, name), ax=panels, fraction=0.035, pad=0.02)
    bar.ax.tick_params(labelsize=7)
    bar.set_label(label, fontsize=7)
