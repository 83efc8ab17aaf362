"""Figures of one case: its most probable labels side by side, and what the heat marks against true
boxes.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError
from camlucida.core.messages import declare
from camlucida.core.regions import MASK_FRACTION, WHOLE_IMAGE
from camlucida.figures.grids import ALPHA, bare, mark_synthetic, scale_line, shared_limit
from camlucida.figures.notice import notice_line
from camlucida.figures.outlines import COLOURS
from camlucida.figures.overlay import as_rgb, marks_legend, method_text, overlay_on, peak_notes
from camlucida.figures.panels import mark_weak, strip_title, weak_text
from camlucida.figures.style import words, wrapped_lines
from camlucida.io.annotations import as_boxes
from camlucida.metrics.annotations import Floats, box_iou
from camlucida.metrics.boxes import heat_boxes

TRUTHS = {True: "true", False: "false", None: "unknown"}
"""Ground truth of a label → part of the code of its words."""

declare(
    "case_figures",
    {
        "truth_true": "true",
        "truth_false": "not true",
        "truth_unknown": "truth unknown",
        "targets": "{image}: {count} {count:|target|targets}, {method} at {layer}",
        "own_scales": ("Each map is on its own scale: equal colours are not equal strength."),
        "image": "image",
        "true_boxes": "true ({count})",
        "heat_boxes": "heat ≥ {fraction:g} of its maximum ({count})",
        "covering": "{count} covers nearly all of the image, and locates nothing.",
        "no_true_box": "No true box is available.",
        "no_heat_box": "The heat contains no box.",
        "overlap": "Best overlap (IoU) of each true box with a box of the heat: {overlaps}.",
    },
)


def label_comparison(
    explanations: Sequence[Explanation],
    truths: Sequence[bool | None] | None = None,
    *,
    shared: bool = False,
) -> Figure:
    """One case, 2 × 2 (two targets: 1 × 2): a panel a target, with its probability and truth.

    Args:
        explanations: of one image, the targets in the order to be shown; up to four.
        truths: whether each target is true, None where it is unknown; without it none is shown.
        shared: one scale for all, rather than each its own.

    Raises:
        UsageError: none or more than four; of several images; maps of different units that were to
            share a scale.
    """
    images = {explanation.scan.id for explanation in explanations}
    if not 0 < len(explanations) <= 4 or len(images) > 1:
        raise UsageError(
            f"{len(explanations)} maps of {len(images)} images",
            "give one to four maps of one image",
        )
    limit, signed = (
        (shared_limit(explanations), any(e.signed for e in explanations))
        if shared
        else (None, None)
    )
    first = explanations[0]
    figure, panels = _panels(
        first, 2 if len(explanations) > 2 else 1, 2 if len(explanations) > 1 else 1
    )
    for axes, explanation, truth in zip(panels, explanations, _truth_texts(truths)):
        overlay_on(axes, explanation, None, ALPHA, limit, signed)
        axes.set_title(f"{strip_title(explanation)}{truth}", fontsize=9)
        axes.set_xlabel("\n".join(wrapped_lines(scale_line(explanation, limit), 56)), fontsize=7.5)
        if not shared:
            mark_weak(axes, weak_text(explanation, explanations))
        mark_synthetic(axes, explanation.scan.synthetic)
    method = str(first.provenance.get("method", first.method))
    about = {"image": first.scan.id, "method": method, "layer": first.shown_layer}
    title = words("case_figures.targets", count=len(explanations), **about)
    figure.suptitle(title, fontsize=10)
    scale = words("grids.scale_all") if shared else words("case_figures.own_scales")
    return _signed_off(figure, first, scale)


def _truth_texts(truths: Sequence[bool | None] | None) -> list[str]:
    """What a panel's title says of the ground truth."""
    if truths is None:
        return [""] * 4
    return [" · " + words(f"case_figures.truth_{TRUTHS[truth]}") for truth in truths]


def boxes_on_image(explanation: Explanation, truth: ArrayLike = ()) -> Figure:
    """Image and overlay, with the boxes of the heat and the true ones.

    Args:
        explanation: its boxes are those of the parts where the map is at least half of its
            maximum, strongest first.
        truth: (N, 4) x, y, width, height in original pixels.
    """
    marked, true = heat_boxes(explanation.numpy())[:, :4], as_boxes(truth)
    figure, panels = _panels(explanation, 1, 2)
    panels[0].imshow(as_rgb(explanation.scan.picture()))
    overlay_on(panels[1], explanation)
    for axes in panels:
        _draw(axes, true, COLOURS[0], "-")
        _draw(axes, marked, COLOURS[3], "--")
        mark_synthetic(axes, explanation.scan.synthetic)
    panels[0].set_title(words("case_figures.image"), fontsize=9)
    panels[1].set_title(scale_line(explanation), fontsize=9)
    figure.suptitle(
        f"{explanation.scan.id}: {strip_title(explanation)}", fontsize=10, x=0.02, ha="left"
    )
    handles = [
        Line2D([], [], color=COLOURS[0], label=words("case_figures.true_boxes", count=len(true))),
        Line2D(
            [],
            [],
            color=COLOURS[3],
            linestyle="--",
            label=words("case_figures.heat_boxes", fraction=MASK_FRACTION, count=len(marked)),
        ),
    ]
    figure.legend(
        handles=handles,
        loc="outside upper right",
        ncols=2,
        fontsize=7.5,
        facecolor="#555",
        labelcolor="white",
    )
    height, width = explanation.scan.geometry.original
    areas = marked[:, 2] * marked[:, 3]
    covering = int((areas >= WHOLE_IMAGE * height * width).sum())
    note = ". ".join([method_text(explanation), _overlaps(marked, true)])
    if covering:
        note += " " + words("case_figures.covering", count=covering)
    return _signed_off(figure, explanation, note)


def _overlaps(marked: Floats, true: Floats) -> str:
    """The best overlap of each true box, in words."""
    if not len(true):
        return words("case_figures.no_true_box")
    if not len(marked):
        return words("case_figures.no_heat_box")
    best = box_iou(true, marked).max(1)
    overlaps = ", ".join(f"{overlap:.2f}" for overlap in best)
    return words("case_figures.overlap", overlaps=overlaps)


def _draw(axes: Axes, boxes: Floats, colour: str, style: str) -> None:
    for number, (x, y, width, height) in enumerate(boxes, 1):
        corner = (x - 0.5, y - 0.5)  # boxes: edge coordinates; pixel centres are whole numbers
        axes.add_patch(
            Rectangle(
                corner, width, height, fill=False, edgecolor=colour, linestyle=style, linewidth=1.4
            )
        )
        axes.text(*corner, str(number), color=colour, fontsize=7.5, va="bottom")


def _panels(explanation: Explanation, rows: int, columns: int) -> tuple[Figure, list[Axes]]:
    """A figure of panels of the image's shape, without axes."""
    height, width = explanation.scan.geometry.original
    tall = min(max(3.5 * height / width, 1.8), 5.2)
    figure = Figure(figsize=(3.7 * columns, rows * (tall + 0.35) + 0.9), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).reshape(-1))
    for axes in panels:
        bare(axes)
    return figure, panels


def _signed_off(figure: Figure, explanation: Explanation, note: str) -> Figure:
    lines = [
        note,
        " ".join([marks_legend(), *peak_notes()]),
        notice_line(explanation.scan.synthetic, "image"),
    ]
    figure.supxlabel("\n".join(lines), fontsize=7.5)
    return figure
