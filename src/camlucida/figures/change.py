"""Two images of a patient and what changed: images above, maps below; both maps on one scale."""

from __future__ import annotations

from itertools import chain

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from camlucida.analysis.change.difference import Change
from camlucida.analysis.change.exposure import ExposureMatch, match_exposure
from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import Message, Value, declare, score_name
from camlucida.figures.colours import SIGNED_COLORMAP, colormap_name, mix
from camlucida.figures.grids import mark_synthetic
from camlucida.figures.marks import mark_values
from camlucida.figures.notice import notice_line
from camlucida.figures.overlay import as_rgb, marks_legend
from camlucida.figures.style import joined_words, label_name, unit_name, words, wrapped_text

declare(
    "change_figures",
    {
        "before": "Before: {name}",
        "after": "After: {name}, {aligned}",
        "aligned": "aligned",
        "not_aligned": "not aligned",
        "difference": "Difference of the images at one exposure",
        "grey_levels": "after − before (grey levels of 255)",
        "map": "map ({unit} units)",
        "map_difference": "after − before ({unit} units)",
        "score": "{kind} {score:.2f}",
        "probability": "probability {probability:p}",
        "score_change": "{kind} {score:+.2f}",
        "probability_change": "probability {probability:+.3f}",
        "output": "{numbers:,}",
        "change": "Change: {numbers:,}",
        "title": "{label}: {method} at {layer}",
        "one_scale": "Both maps on one scale: {limit} is full colour.",
        "grey": (
            "Grey: outside one of the images, or not seen by the model; no change is computed "
            "there."
        ),
        "alignment": (
            "Alignment: {rotation:+.1f}°, × {magnification:.3f}, {across:+.1f} px across, "
            "{down:+.1f} px down; correlation of the images {before:.3f} before, {after:.3f} after "
            "alignment."
        ),
        "exposure": (
            "Before the difference, the grey levels of the second image are matched to the first "
            "inside their overlap (× {gain:.2f}, {shift:+.0f} of 255; quantiles, robust line): "
            "median magnitude of the difference {before:.1f} → {after:.1f} grey levels."
        ),
        "refused": "Not aligned: {reason}.",
        "mirror": (
            "The mirrored second image fits the first better: one of them may be mirrored, or they "
            "may be of two patients."
        ),
        "moved": (
            "Largest change of the map {largest}; {moved} when the first image itself is moved by "
            "the same alignment and explained again."
        ),
    },
)

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
    exposure = match_exposure(first.mean(2), second.mean(2))
    grey_levels = 255 * (exposure.apply(second.mean(2)) - first.mean(2))
    _draw_image_difference(figure, panels[0][2], np.asarray(grey_levels))
    _draw_maps(figure, panels[1][:2], change, (first, second_shown), colormap)
    _draw_map_difference(figure, panels[1][2], change, first)
    _add_titles(panels, change, names)
    return _with_footer(figure, panels, change, exposure, width)


def _draw_image_difference(figure: Figure, axes: Axes, values: Floats) -> None:
    """The difference in grey levels, NaN where it is unknown."""
    magnitudes = np.abs(values[np.isfinite(values)])
    limit = float(np.percentile(magnitudes, BRIGHTEST)) if magnitudes.size else 1.0
    limit = limit or 1.0
    colours = matplotlib.colormaps[IMAGES_COLORMAP].with_extremes(bad=UNKNOWN_COLOUR)
    axes.imshow(values, cmap=colours, vmin=-limit, vmax=limit)
    norm = Normalize(-limit, limit)
    _colour_bar(figure, [axes], norm, IMAGES_COLORMAP, _text("grey_levels"))


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
    _colour_bar(figure, panels, norm, name, _text("map", unit=_unit(change)))


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
    label = _text("map_difference", unit=_unit(change))
    _colour_bar(figure, [axes], norm, SIGNED_COLORMAP, label)


def _unit(change: Change) -> str:
    return unit_name(change.before)


def _overlay(
    base: NDArray[np.floating], values: Floats, limit: float, name: str, signed: bool
) -> Floats:
    """The map over the image, (H, W, 3) in [0, 1]; nothing is drawn where it is 0 or unknown."""
    heat = np.clip(np.nan_to_num(values) / limit, -1, 1)
    return np.clip(mix(base, heat, name, STRENGTH, signed), 0, 1).astype(np.float64)


def _add_titles(panels: list[list[Axes]], change: Change, names: tuple[str, str]) -> None:
    images, maps = panels
    aligned = _text("aligned" if change.alignment.moved else "not_aligned")
    images[0].set_title(_text("before", name=names[0]), fontsize=9)
    images[1].set_title(_text("after", name=names[1], aligned=aligned), fontsize=9)
    images[2].set_title(_text("difference"), fontsize=9)
    maps[0].set_title(_output_text(change.before), fontsize=9)
    maps[1].set_title(_output_text(change.after), fontsize=9)
    maps[2].set_title(_output_change_text(change), fontsize=9)
    for axes in chain.from_iterable(panels):
        axes.set_axis_off()


def _output_text(explanation: Explanation) -> str:
    """Score and probability, such as "logit 1.20, probability 0.769"."""
    kind = score_name(str(explanation.provenance.get("score_kind", "score")))
    numbers = [_message("score", kind=kind, score=explanation.score)]
    if explanation.probability is not None:
        numbers.append(_message("probability", probability=explanation.probability))
    return _text("output", numbers=numbers)


def _output_change_text(change: Change) -> str:
    """Change of score and probability, with their signs."""
    kind = score_name(str(change.before.provenance.get("score_kind", "score")))
    numbers = [_message("score_change", kind=kind, score=change.score)]
    if change.probability is not None:
        numbers.append(_message("probability_change", probability=change.probability))
    return _text("change", numbers=numbers)


def _with_footer(
    figure: Figure,
    panels: list[list[Axes]],
    change: Change,
    exposure: ExposureMatch,
    width: float,
) -> Figure:
    """Add the title and, below, what to know of scale and alignment; ``width`` in inches."""
    first = change.before
    method = str(first.provenance.get("method", first.method))
    title = _text("title", label=label_name(first.target), method=method, layer=first.shown_layer)
    figure.suptitle(title, fontsize=11)
    letters = int(width * 16)
    lines = [wrapped_text(line, letters) for line in _notes(change, exposure)]
    synthetic = first.scan.synthetic or change.after.scan.synthetic
    lines.append(notice_line(synthetic))
    figure.supxlabel("\n".join(lines), fontsize=7)
    for axes in chain.from_iterable(panels):
        mark_synthetic(axes, synthetic)
    return figure


def _notes(change: Change, exposure: ExposureMatch) -> list[str]:
    """Scale, quality of the alignment, match of the exposure, and reservations."""
    alignment = change.alignment
    one_scale = _message("one_scale", limit=f"{change.limit or 1.0:.3g}")
    notes = [joined_words([one_scale, marks_legend()]), _text("grey")]
    if alignment.refused is not None:
        notes.append(_text("refused", reason=alignment.refused))
    else:
        notes.append(_alignment_text(change))
    notes.append(_exposure_text(exposure))
    if alignment.mirror is not None and alignment.mirror.suspected:
        notes.append(_text("mirror"))
    if change.moved_difference is not None:
        largest = _largest(change.difference)
        by_moving = _largest(change.moved_difference)
        notes.append(_text("moved", largest=f"{largest:.3g}", moved=f"{by_moving:.3g}"))
    return notes


def _text(name: str, /, **values: Value) -> str:
    return words(f"change_figures.{name}", **values)


def _message(name: str, /, **values: Value) -> Message:
    return Message(f"change_figures.{name}", values)


def _alignment_text(change: Change) -> str:
    """How the second image was moved, and how well the images correlate before and after that."""
    alignment = change.alignment
    down, across = alignment.shift
    return _text(
        "alignment",
        rotation=alignment.rotation,
        magnification=alignment.magnification,
        across=across,
        down=down,
        before=alignment.unaligned.correlation,
        after=alignment.aligned.correlation,
    )


def _exposure_text(exposure: ExposureMatch) -> str:
    """How the second image's grey levels were matched, in grey levels of 255."""
    return _text(
        "exposure",
        gain=exposure.gain,
        shift=255 * exposure.shift,
        before=255 * exposure.before,
        after=255 * exposure.after,
    )


def _largest(difference: Floats) -> float:
    """The largest magnitude where the difference is known; 0 if nowhere."""
    return float(np.nanmax(np.abs(difference), initial=0.0))


def _colour_bar(figure: Figure, panels: list[Axes], norm: Normalize, name: str, label: str) -> None:
    bar = figure.colorbar(ScalarMappable(norm, name), ax=panels, fraction=0.035, pad=0.02)
    bar.ax.tick_params(labelsize=7)
    bar.set_label(label, fontsize=7)
