"""Several classifiers side by side, their ensemble and what they disagree on; boxes on the image.
One colour scale a figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

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
from camlucida.core.messages import Message, Value, declare, score_name
from camlucida.core.regions import MASK_FRACTION, Box
from camlucida.figures.colours import colormap_name
from camlucida.figures.files import SCREEN_DPI
from camlucida.figures.grids import mark_synthetic
from camlucida.figures.notice import notice_line
from camlucida.figures.overlay import (
    as_rgb,
    marks_legend,
    overlay_on,
    peak_notes,
    show_picture,
    unseen_text,
)
from camlucida.figures.style import joined_words, label_name, said, words, wrapped_text

declare(
    "ensemble_figures",
    {
        "image": "Image\n{image}\n{columns:.0f} × {rows:.0f} px",
        "title": "{image}: {label}, {count} {count:|classifier|classifiers}",
        "ensemble": "Ensemble\n{mean}\npeak {peak}",
        "mean": "mean probability {probability:p}",
        "no_probability": "no probability",
        "probability": "probability {probability:p}",
        "counts": "counts {weight:.0%}, grid {grid}",
        "no_evidence": "no evidence",
        "heat": "heat {heat} {unit}, peak {peak}",
        "faint": "faint: {heat}",
        "bounded": "{heat} (bounded)",
        "member": "{name}\n{numbers:,}\n{heat}",
        "alone": "Disagreement\n\nneeds two classifiers",
        "disagreement": "Disagreement\nPearson r between maps {agreement}\npeak {peak}",
        "not_comparable": "not comparable",
        "map": "map ({unit})",
        "signed": "map ({unit}): < 0 against, > 0 for",
        "spread": "disagreement: standard deviation (same unit)",
        "one_scale": "One colour scale for all maps: {limit} and above is full colour, 0 is none.",
        "fainter": "A map that counts less is drawn fainter in proportion.",
        "comparable": "Maps made comparable: {scale}.",
        "weighting": "Counts: {weighting}.",
        "unit_share": "× an even spread",
        "unit_limit": "of each map's maximum",
        "boxes": "boxes",
        "boxes_of": "{name}: {count}",
        "boxes_ensemble": "ensemble: {count}",
        "boxes_reader": "reader: {count}",
        "boxes_title": "{image}: {label}",
        "rule": (
            "Boxes: one round each connected region where a map is at least {fraction:g} of its "
            "maximum; none of a map without evidence."
        ),
    },
)

BOXES_RULE = Message("ensemble_figures.rule", {"fraction": MASK_FRACTION})
"""How boxes are made of a map."""

DISAGREEMENT_COLORMAP = "viridis"
COLUMNS = 4
"""Panels in a row."""
STRENGTH = 0.75
"""Opacity of full colour: on one shared scale most maps stay below it."""
SIDE, BOXES_SIDE = 2.9, 5.0
"""Inches on the longer side of a panel, and of the panel of boxes."""
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
    pixels = round(SIDE * SCREEN_DPI)
    show_picture(panels[0], as_rgb(whole.scan.picture()), pixels)
    rows, columns = whole.scan.geometry.original
    image = _text("image", image=whole.scan.id, columns=columns, rows=rows)
    panels[0].set_title(image, fontsize=8)
    limit = ensemble.limit
    signed = whole.signed or any(member.explanation.signed for member in ensemble.members)
    for axes, member in zip(panels[1:], ensemble.members):
        of_member = ensemble.limit_of(member)
        overlay_on(axes, member.explanation, colormap, STRENGTH, of_member, signed, pixels)
        axes.set_title(_member_title(member, titles), fontsize=8)
        _frame_seen(axes, member.explanation)
    at = len(ensemble.members) + 1
    overlay_on(panels[at], whole, colormap, STRENGTH, limit, signed, pixels)
    panels[at].set_title(_ensemble_title(ensemble), fontsize=8)
    _disagreement(panels[at + 1], ensemble, limit)
    _bars(figure, panels[: at + 2], ensemble, limit, signed, colormap)
    classifiers = len(ensemble.members)
    label = label_name(ensemble.label)
    title = _text("title", image=whole.scan.id, label=label, count=classifiers)
    figure.suptitle(title, fontsize=10)
    scale = [Message("ensemble_figures.one_scale", {"limit": f"{limit:.3g}"})]
    if ensemble.weighting == "probability":
        scale.append(Message("ensemble_figures.fainter"))
    notes = joined_words([*scale, marks_legend(), *peak_notes(colormap, signed)])
    return _finish(figure, panels[: at + 2], ensemble, notes, width)


def boxes_figure(
    explanation: Explanation,
    by_classifier: Mapping[str, Sequence[Box]],
    consolidated: Sequence[Box],
    truth: NDArray[np.floating] | None,
) -> Figure:
    """Boxes on the image: each classifier's, the ensemble's, and those a reader drew.

    Args:
        explanation: any explanation of the image and label, for picture and names.
        by_classifier: what to call a classifier → its boxes.
        consolidated: of the ensemble map.
        truth: (N, 4) x, y, width, height; None where no reader marked the label.
    """
    figure, panels, width = _grid_of(1, explanation, side=BOXES_SIDE, extra=2.3, titles=0.0)
    picture = as_rgb(explanation.scan.picture())
    show_picture(panels[0], picture, round(BOXES_SIDE * SCREEN_DPI))
    # first and wide: where one classifier makes the ensemble, its boxes are the same and stay
    # visible on top
    _draw(
        panels[0], [(b.x, b.y, b.width, b.height) for b in consolidated], ENSEMBLE_COLOUR, 3.0, "-"
    )
    lines: list[Line2D] = []
    for number, (name, boxes) in enumerate(by_classifier.items()):
        colour = COLOURS[number % len(COLOURS)]
        _draw(panels[0], [(b.x, b.y, b.width, b.height) for b in boxes], colour, 1.2, "-")
        label = _text("boxes_of", name=name, count=len(boxes))
        lines.append(Line2D([], [], color=colour, lw=1.2, label=label))
    label = _text("boxes_ensemble", count=len(consolidated))
    lines.append(Line2D([], [], color=ENSEMBLE_COLOUR, lw=3.0, label=label))
    if truth is not None:
        dashed = (0, (4, 3))
        _draw(panels[0], truth.tolist(), TRUTH_COLOUR, 1.8, dashed)
        label = _text("boxes_reader", count=len(truth))
        lines.append(Line2D([], [], color=TRUTH_COLOUR, lw=1.8, ls=dashed, label=label))
    legend = figure.legend(
        handles=lines,
        loc="outside right upper",
        fontsize=8,
        facecolor="#404040",
        labelcolor="white",
    )
    legend.set_title(_text("boxes"))
    legend.get_title().set(color="white", fontsize=8)
    label = label_name(explanation.target)
    figure.suptitle(_text("boxes_title", image=explanation.scan.id, label=label), fontsize=9)
    rule = wrapped_text(said(BOXES_RULE), int(width * 15))
    return _footed(figure, panels, rule, explanation.scan.synthetic)


def _text(name: str, /, **values: Value) -> str:
    return words(f"ensemble_figures.{name}", **values)


def _grid_of(
    count: int, whole: Explanation, side: float = SIDE, extra: float = 1.1, titles: float = 0.65
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


def _ensemble_title(ensemble: Ensemble) -> str:
    mean = _message("no_probability")
    if ensemble.probability is not None:
        mean = _message("mean", probability=ensemble.probability)
    return _text("ensemble", mean=mean, peak=f"{float(ensemble.mean.max()):.3g}")


def _member_title(member: EnsembleMember, titles: Mapping[str, str]) -> str:
    explanation = member.explanation
    numbers = []
    if explanation.probability is not None:
        numbers.append(_message("probability", probability=explanation.probability))
    grid = "×".join(map(str, explanation.grid))
    numbers.append(_message("counts", weight=member.map_weight, grid=grid))
    name = titles.get(member.name, member.name)
    return _text("member", name=name, numbers=numbers, heat=_heat(member))


def _heat(member: EnsembleMember) -> Message:
    """The heat of a classifier's map and its peak, before maps are made comparable."""
    explanation = member.explanation
    if explanation.is_empty:
        return _message("no_evidence")
    values = {"heat": f"{member.heat:.3g}", "peak": f"{explanation.limit:.3g}"}
    heat = _message("heat", unit=score_name(member.unit), **values)
    if member.bounded:
        heat = _message("bounded", heat=heat)
    return _message("faint", heat=heat) if member.faint else heat


def _message(name: str, /, **values: Value) -> Message:
    return Message(f"ensemble_figures.{name}", values)


def _unit(ensemble: Ensemble) -> str:
    """The unit of the maps that were made comparable."""
    if ensemble.scale in ("share", "limit"):
        return _text(f"unit_{ensemble.scale}")
    return said(score_name(ensemble.unit))


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
        axes.set_title(_text("alone"), fontsize=8)
        return
    colours = matplotlib.colormaps[DISAGREEMENT_COLORMAP].with_extremes(bad="#808080")
    axes.imshow(ensemble.disagreement, cmap=colours, vmin=0, vmax=limit)
    agreement = _text("not_comparable")
    if np.isfinite(ensemble.agreement):
        agreement = f"{ensemble.agreement:.2f}"
    peak = float(np.nanmax(ensemble.disagreement))
    title = _text("disagreement", agreement=agreement, peak=f"{peak:.3g}")
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
    label = _text("signed" if signed else "map", unit=_unit(ensemble))
    if np.isfinite(ensemble.disagreement).any():
        spread = _text("spread")
        _bar(figure, panels, Normalize(0, limit), DISAGREEMENT_COLORMAP, spread)
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
    comparable = _message("comparable", scale=scale_description(ensemble.scale))
    weighting = _message("weighting", weighting=weighting_description(ensemble.weighting))
    notes = joined_words([comparable, weighting, scale])
    synthetic = ensemble.members[0].explanation.scan.synthetic
    return _footed(figure, panels, wrapped_text(notes, max(40, int(width * 17))), synthetic)


def _footed(figure: Figure, panels: Sequence[Axes], notes: str, synthetic: bool) -> Figure:
    """The notes and the notice below; SYNTHETIC on every panel."""
    figure.supxlabel(f"{notes}\n{notice_line(synthetic, 'image')}", fontsize=7)
    for axes in panels:
        mark_synthetic(axes, synthetic)
    return figure
