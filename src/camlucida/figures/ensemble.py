"""Several classifiers side by side, their ensemble and what they disagree on; boxes on the image.
One colour scale a figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from textwrap import fill

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from camlucida.analysis.ensemble.combine import Ensemble, scale_description
from camlucida.analysis.ensemble.members import EnsembleMember, weighting_description
from camlucida.attribution.explanation import Explanation
from camlucida.figures.colours import colormap_name
from camlucida.figures.grids import mark_synthetic
from camlucida.figures.notice import notice_line
from camlucida.figures.overlay import as_rgb, marks_legend, overlay_on, peak_notes, unseen_text
from camlucida.metrics.regions import Box

DISAGREEMENT_COLORMAP = "viridis"
COLUMNS = 4
"""Panels in a row."""
STRENGTH = 0.75
"""Opacity of full colour: on one shared scale most maps stay below it."""
SIDE = 2.9
"""Inches on the longer side of a panel."""
ENSEMBLE_COLOUR, TRUTH_COLOUR = "#ffffff", "#7dff5a"
COLOURS = ("#40c8ff", "#ff9f40", "#ff70c0", "#b9a0ff", "#ffe14d")
"""Of the classifiers' boxes, in their order."""


def ensemble_figure(
    ensemble: Ensemble, titles: Mapping[str, str], colormap: str | None = None
) -> Figure:
    """Image | each classifier's overlay | ensemble | disagreement; maps on one colour scale, in the
    ensemble's unit.

    Args:
        ensemble: of one image and label.
        titles: name of a member → what to call it.
        colormap: matplotlib name, the default if None; a diverging one where a map has evidence
            against the label.
    """
    whole = ensemble.explanation()
    figure, panels, width = _grid_of(len(ensemble.members) + 3, whole)
    panels[0].imshow(as_rgb(whole.scan.picture()))
    rows, columns = whole.scan.geometry.original
    panels[0].set_title(f"Image\n{whole.scan.id}\n{columns} × {rows} px", fontsize=8)
    limit = ensemble.limit
    signed = whole.signed or any(member.explanation.signed for member in ensemble.members)
    for axes, member in zip(panels[1:], ensemble.members):
        overlay_on(axes, member.explanation, colormap, STRENGTH, ensemble.limit_of(member), signed)
        axes.set_title(_member_title(member, titles), fontsize=8)
        _frame_seen(axes, member.explanation)
    at = len(ensemble.members) + 1
    overlay_on(panels[at], whole, colormap, STRENGTH, limit, signed)
    mean = "no probability"
    if ensemble.probability is not None:
        mean = f"mean probability {ensemble.probability:.3f}"
    peak = float(ensemble.mean.max())
    panels[at].set_title(f"Ensemble\n{mean}\npeak {peak:.3g}", fontsize=8)
    _disagreement(panels[at + 1], ensemble, limit)
    _bars(figure, panels[: at + 2], ensemble, limit, signed, colormap)
    figure.suptitle(f"{whole.scan.id}: {ensemble.label}, {_classifiers(ensemble)}", fontsize=10)
    words = f"One colour scale for all maps: {limit:.3g} and above is full colour, 0 is none."
    if ensemble.weighting == "probability":
        words += " A map that counts less is drawn fainter in proportion."
    words = " ".join([words, marks_legend(), *peak_notes(colormap, signed)])
    return _finish(figure, panels[: at + 2], ensemble, words, width)


def boxes_figure(
    explanation: Explanation,
    by_classifier: Mapping[str, Sequence[Box]],
    consolidated: Sequence[Box],
    truth: NDArray[np.floating] | None,
    rule: str,
) -> Figure:
    """Boxes on the image: each classifier's, the ensemble's, and those a reader drew.

    Args:
        explanation: any explanation of the image and label, for picture and names.
        by_classifier: what to call a classifier → its boxes.
        consolidated: of the ensemble map.
        truth: (N, 4) x, y, width, height; None where no reader marked the label.
        rule: how boxes are made, for the legend.
    """
    figure, panels, _ = _grid_of(1, explanation, side=5.0, extra=2.3, titles=0.0)
    panels[0].imshow(as_rgb(explanation.scan.picture()))
    # first and wide: where one classifier makes the ensemble, its boxes are the same and stay
    # visible on top
    _draw(
        panels[0], [(b.x, b.y, b.width, b.height) for b in consolidated], ENSEMBLE_COLOUR, 3.0, "-"
    )
    lines: list[Line2D] = []
    for number, (name, boxes) in enumerate(by_classifier.items()):
        colour = COLOURS[number % len(COLOURS)]
        _draw(panels[0], [(b.x, b.y, b.width, b.height) for b in boxes], colour, 1.2, "-")
        lines.append(Line2D([], [], color=colour, lw=1.2, label=f"{name}: {len(boxes)}"))
    lines.append(
        Line2D([], [], color=ENSEMBLE_COLOUR, lw=3.0, label=f"ensemble: {len(consolidated)}")
    )
    if truth is not None:
        _draw(panels[0], truth.tolist(), TRUTH_COLOUR, 1.8, (0, (4, 3)))
        lines.append(
            Line2D(
                [], [], color=TRUTH_COLOUR, lw=1.8, ls=(0, (4, 3)), label=f"reader: {len(truth)}"
            )
        )
    words = figure.legend(
        handles=lines,
        loc="outside right upper",
        fontsize=8,
        facecolor="#404040",
        labelcolor="white",
    )
    words.set_title("boxes")
    words.get_title().set(color="white", fontsize=8)
    figure.suptitle(f"{explanation.scan.id}: {explanation.target}", fontsize=9)
    return _footed(figure, panels, rule, explanation.scan.synthetic)


def _grid_of(
    count: int, whole: Explanation, side: float = SIDE, extra: float = 1.1, titles: float = 0.5
) -> tuple[Figure, list[Axes], float]:
    """A figure of ``count`` panels, about :data:`COLUMNS` in a row; its panels, and its width in
    inches.
    """
    rows, columns = whole.scan.geometry.original
    down = 1 if count <= COLUMNS + 1 else ceil(count / COLUMNS)
    across = ceil(count / down)
    longest = max(rows, columns)
    width = max(side * columns / longest, 1.6)
    height = max(side * rows / longest, 1.6)
    figure = Figure(
        figsize=(across * width + extra, down * (height + titles) + 0.75), layout="constrained"
    )
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    for axes in panels:
        axes.set_axis_off()
    return figure, panels, across * width + extra


def _classifiers(ensemble: Ensemble) -> str:
    return f"{len(ensemble.members)} classifier{'s' * (len(ensemble.members) > 1)}"


def _member_title(member: EnsembleMember, titles: Mapping[str, str]) -> str:
    explanation = member.explanation
    probability = explanation.probability
    p = "" if probability is None else f"p = {probability:.3f}, "
    grid = "×".join(map(str, explanation.grid))
    heat, peak = "no evidence", ""
    if not explanation.is_empty:
        faint = "faint: " if member.faint else ""
        heat = f"{faint}heat {member.heat:.3g} {member.unit}"
        peak = f", peak {explanation.limit:.3g}{' (bounded)' * member.bounded}"
    title = titles.get(member.name, member.name)
    return f"{title}\n{p}counts {member.map_weight:.0%}, grid {grid}\n{heat}{peak}"


def _frame_seen(axes: Axes, explanation: Explanation) -> None:
    """A frame around what the model saw, where that is not all of the image."""
    if unseen_text(explanation):
        (top, bottom), (left, right) = explanation.scan.geometry.seen()
        corner = (left - 0.5, top - 0.5)
        size = right - left, bottom - top
        axes.add_patch(
            Rectangle(corner, *size, fill=False, edgecolor="white", linestyle="--", linewidth=0.8)
        )


def _disagreement(axes: Axes, ensemble: Ensemble, limit: float) -> None:
    if not np.isfinite(ensemble.disagreement).any():
        axes.set_title("Disagreement\n\nneeds two classifiers", fontsize=8)
        return
    colours = matplotlib.colormaps[DISAGREEMENT_COLORMAP].with_extremes(bad="#808080")
    axes.imshow(ensemble.disagreement, cmap=colours, vmin=0, vmax=limit)
    agreement = (
        "not comparable" if not np.isfinite(ensemble.agreement) else f"{ensemble.agreement:.2f}"
    )
    peak = float(np.nanmax(ensemble.disagreement))
    title = f"Disagreement\nPearson r between maps {agreement}\npeak {peak:.3g}"
    axes.set_title(title, fontsize=8)


def _bars(
    figure: Figure,
    panels: Sequence[Axes],
    ensemble: Ensemble,
    limit: float,
    signed: bool,
    colormap: str | None,
) -> None:
    if ensemble.empty:
        return
    name = colormap_name(colormap, signed)
    label = f"map ({ensemble.unit})" + (": < 0 against, > 0 for" if signed else "")
    if np.isfinite(ensemble.disagreement).any():
        _bar(
            figure,
            panels,
            Normalize(0, limit),
            DISAGREEMENT_COLORMAP,
            "disagreement: standard deviation (same unit)",
        )
    _bar(figure, panels, Normalize(-limit if signed else 0, limit), name, label)


def _bar(figure: Figure, panels: Sequence[Axes], norm: Normalize, name: str, label: str) -> None:
    bar = figure.colorbar(
        ScalarMappable(norm, name), ax=list(panels), fraction=0.025, pad=0.01, extend="max"
    )
    bar.ax.tick_params(labelsize=7)
    bar.set_label(label, fontsize=7)


def _draw(
    axes: Axes, boxes: Sequence[Sequence[float]], colour: str, width: float, style: object
) -> None:
    for x, y, w, h in boxes:
        axes.add_patch(
            Rectangle(
                (x - 0.5, y - 0.5),
                w,
                h,
                fill=False,
                edgecolor=colour,
                linewidth=width,
                linestyle=style,
            )
        )


def _finish(
    figure: Figure, panels: Sequence[Axes], ensemble: Ensemble, scale: str, width: float
) -> Figure:
    """What every figure says: how maps were made comparable, on what scale, and what it is not
    for.
    """
    counted = str(weighting_description(ensemble.weighting))
    words = f"{str(scale_description(ensemble.scale)).capitalize()}. Counts: {counted}. {scale}"
    return _footed(
        figure,
        panels,
        fill(words, max(40, int(width * 17))),
        ensemble.members[0].explanation.scan.synthetic,
    )


def _footed(figure: Figure, panels: Sequence[Axes], words: str, synthetic: bool) -> Figure:
    """The words and the notice below; SYNTHETIC on every panel."""
    figure.supxlabel(f"{words}\n{notice_line(synthetic, 'image')}", fontsize=7)
    for axes in panels:
        mark_synthetic(axes, synthetic)
    return figure
