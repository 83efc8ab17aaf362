"""The same images under several models, side by side, with the truth outlined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import Message, declare
from camlucida.core.numbers import number
from camlucida.figures.notice import notice_line
from camlucida.figures.overlay import as_rgb, marks_legend, overlay_on
from camlucida.figures.style import joined_words, label_name, words, wrapped_text

declare(
    "trial_figures",
    {
        "image": "image",
        "note": (
            "Target: {target}. Outlined: finding (blue), marker (green). Each map on its own scale."
        ),
        "no_evidence": "no evidence",
        "full_colour": "full colour ≥ {limit}",
        "probability": "probability {probability:p}",
        "map": "{numbers:,}",
    },
)

FINDING_COLOUR, MARKER_COLOUR = "#40e0ff", "#7dff5a"
FULL_COLOUR = 0.5
"""Share of a map's maximum from which it has full colour: small panels need it, and each says its
value.
"""
ALPHA = 0.75
"""Opacity of full colour."""
MARGIN = 4
"""Pixels between the marker and its frame."""


def comparison_figure(
    columns: Mapping[str, Sequence[Explanation]],
    truth: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
) -> Figure:
    """One row an image, one column a model.

    Args:
        columns: model name → explanations of the same images, in the same order.
        truth: (finding mask, marker mask) in original pixels of the images to show,
            from the first.
    """
    names = list(columns)
    figure = Figure(figsize=(2.7 * (len(names) + 1), 2.85 * len(truth) + 0.9), layout="constrained")
    grid = figure.subplots(len(truth), len(names) + 1, squeeze=False)
    for row, (finding, marker) in enumerate(truth):
        explanations = [columns[name][row] for name in names]
        grid[row][0].imshow(as_rgb(explanations[0].scan.picture()))
        for axes, explanation in zip(grid[row][1:], explanations):
            limit = explanation.limit * FULL_COLOUR
            overlay_on(axes, explanation, alpha=ALPHA, limit=limit)
            axes.set_title(_title(explanation, limit), fontsize=7)
        for axes in grid[row]:
            axes.contour(finding, [0.5], colors=[FINDING_COLOUR], linewidths=0.9)
            axes.add_patch(_frame(marker))
            axes.set_axis_off()
            axes.text(
                0.5,
                0.97,
                "SYNTHETIC",
                color="white",
                alpha=0.5,
                fontsize=7,
                ha="center",
                va="top",
                transform=axes.transAxes,
            )
    for axes, name in zip(grid[0], [words("trial_figures.image"), *names]):
        axes.set_title(f"{name}\n{axes.get_title()}", fontsize=9)
    target = next(iter(columns.values()))[0].target
    note = Message("trial_figures.note", {"target": label_name(target)})
    notes = wrapped_text(joined_words([note, marks_legend()]), int(figure.get_figwidth() * 14))
    lines = (notes, notice_line(synthetic=True))
    figure.supxlabel("\n".join(lines), fontsize=8)
    return figure


def _title(explanation: Explanation, limit: float) -> str:
    """Probability and scale, such as "probability 0.931, full colour ≥ 0.42"."""
    numbers = []
    if explanation.probability is not None:
        probability = {"probability": explanation.probability}
        numbers.append(Message("trial_figures.probability", probability))
    if explanation.is_empty:
        numbers.append(Message("trial_figures.no_evidence"))
    else:
        numbers.append(Message("trial_figures.full_colour", {"limit": number(limit, ".3g")}))
    return words("trial_figures.map", numbers=numbers)


def _frame(mask: NDArray[np.bool_]) -> Rectangle:
    """A frame around what is small, so that its outline does not hide the heat on it."""
    rows, columns = np.nonzero(mask)
    corner = (columns.min() - MARGIN, rows.min() - MARGIN)
    width, height = (int(np.ptp(axis)) + 2 * MARGIN for axis in (columns, rows))
    return Rectangle(corner, width, height, fill=False, edgecolor=MARKER_COLOUR, linewidth=0.9)
