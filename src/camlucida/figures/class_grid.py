"""Examples of each true class side by side: a row a class, every map on one scale, with prediction
and ground truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import declare
from camlucida.figures.colours import colormap_name
from camlucida.figures.grids import ALPHA, bare, mark_synthetic, shared_limit, wrapped
from camlucida.figures.notice import notice_line
from camlucida.figures.overlay import (
    as_rgb,
    marks_legend,
    peak_notes,
    reduced,
    reduced_overlay,
    scale_text,
)
from camlucida.figures.style import unit_name, words, wrapped_lines, wrapped_text

declare(
    "class_grid",
    {
        "no_image": "no image of class {name}",
        "true_class": "true class {name}",
        "reading": (
            "Left: the image. Right: the map over it. All maps share one scale. "
            "Solid frame: right class; dashed frame: wrong."
        ),
        "right": "predicted {predicted}: right",
        "wrong": "predicted {predicted}: wrong",
        "probability": "probability {probability:p}",
        "strongest": "strongest {peak:.3g} of {limit:.3g}",
        "value": "map value",
        "value_unit": "map value ({unit})",
        "bar": "{value}; dark: no evidence, bright: most",
        "bar_signed": "{value}; < 0 is evidence against",
    },
)

HEIGHT = 2.1
"""Inches of a panel."""

EMPTY = 0.6
"""Inches of a row without an example."""

PIXELS = 720
"""Longest side of a panel's picture: what 300 dpi can show."""

GAP = 0.03
"""Between image and overlay, in shares of the panel's height."""

RIGHT, WRONG, UNKNOWN = "#0072B2", "#D55E00", "#767676"
"""Of the frames; the words say it too."""


@dataclass(frozen=True)
class Example:
    """A case of a class: its map, what was predicted with which probability, what is true."""

    explanation: Explanation
    predicted: str
    truth: str
    probability: float


def class_grid(
    classes: Mapping[str, Sequence[Example]],
    columns: int,
    *,
    title: str = "",
    notes: Sequence[str] = (),
) -> tuple[Figure, float]:
    """Image and overlay of each example; a class without one says so.

    Args:
        classes: class → its examples, at most ``columns``.
        columns: of the grid.
        title: above it.
        notes: lines below it: by which rule the examples were chosen.

    Returns:
        The figure, and the value of full colour.

    Raises:
        UsageError: maps of different units.
    """
    examples = list(chain.from_iterable(classes.values()))
    limit = shared_limit([e.explanation for e in examples])
    signed = any(e.explanation.signed for e in examples)
    pictures = {id(e): _pair(e.explanation, limit, signed) for e in examples}
    ratio = max((picture.shape[1] / picture.shape[0] for picture in pictures.values()), default=1.0)
    width = max(HEIGHT * ratio, 1.7)
    heights = [HEIGHT + 0.62 if row else EMPTY for row in classes.values()]
    size = (width * columns + 1.9, sum(heights) + 1.1 + 0.15 * len(notes) + (0.3 if title else 0))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(
        len(classes), columns, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for axes, (name, row) in zip(grid, classes.items()):
        for panel, example in zip(axes, row):
            _panel(panel, example, pictures[id(example)], limit)
        for panel in axes[len(row) :]:
            panel.set_xlim(0, 1)
            bare(panel)
        _row_texts(axes[0], name, empty=not row)
    if title:
        figure.suptitle(title, fontsize=10)
    _bar(figure, grid, examples, limit, signed)
    _footer(figure, examples, notes, int(size[0] * 14))
    return figure, limit


def _row_texts(axes: Axes, name: str, *, empty: bool) -> None:
    """The class of a row, left of its first panel, and in it that there is no example."""
    if empty:
        missing = words("class_grid.no_image", name=name)
        axes.text(0, 0.5, missing, fontsize=9, va="center", color=UNKNOWN)
    axes.set_ylabel(wrapped_text(words("class_grid.true_class", name=name), 18), fontsize=10)


def _footer(
    figure: Figure, examples: Sequence[Example], notes: Sequence[str], letters: int
) -> None:
    """How to read the grid, and the notes, in lines of ``letters`` characters."""
    synthetic = any(e.explanation.scan.synthetic for e in examples)
    texts = [
        words("class_grid.reading"),
        " ".join([marks_legend(), *peak_notes()]),
        *notes,
        notice_line(synthetic),
    ]
    figure.supxlabel("\n".join(wrapped(texts, letters)), fontsize=7.5)


def _panel(axes: Axes, example: Example, picture: NDArray[np.uint8], limit: float) -> None:
    height, width = picture.shape[:2]
    axes.imshow(picture)
    right = example.predicted == example.truth
    verdict, colour = ("right", RIGHT) if right else ("wrong", WRONG)
    lines = wrapped_lines(example.explanation.scan.id, 30)[:1]
    prediction = words(f"class_grid.{verdict}", predicted=example.predicted)
    probability = words("class_grid.probability", probability=example.probability)
    axes.set_title(f"{prediction}\n{probability}", fontsize=8)
    axes.set_xlabel(
        "\n".join([*lines, *wrapped_lines(_strength(example.explanation, limit), 34)[:2]]),
        fontsize=7,
    )
    frame = Rectangle(
        (-0.5, -0.5), width, height, fill=False, linewidth=2.2, edgecolor=colour, clip_on=False
    )
    frame.set_linestyle("-" if right else (0, (4, 2)))
    axes.add_patch(frame)
    mark_synthetic(axes, example.explanation.scan.synthetic, 0.25)  # on the image, not over the gap
    bare(axes)


def _strength(explanation: Explanation, limit: float) -> str:
    if explanation.is_empty:
        return scale_text(explanation)
    return words("class_grid.strongest", peak=explanation.limit, limit=limit)


def _pair(explanation: Explanation, limit: float, signed: bool) -> NDArray[np.uint8]:
    """Image and overlay beside each other, (h, w, 3)."""
    image = reduced(as_rgb(explanation.scan.picture()), PIXELS)
    overlay = reduced_overlay(explanation, PIXELS, ALPHA, limit, signed)
    height = image.shape[0]
    gap = np.full((height, max(1, round(GAP * height)), 3), 255, np.uint8)
    return np.concatenate([image, gap, overlay], axis=1)


def _bar(
    figure: Figure,
    grid: NDArray[np.object_],
    examples: Sequence[Example],
    limit: float,
    signed: bool,
) -> None:
    """What the colours mean; nothing where no map has any evidence."""
    explanations = [example.explanation for example in examples]
    evident = [explanation for explanation in explanations if not explanation.is_empty]
    if not evident:
        return
    units = set(map(unit_name, evident)) - {""}
    top = limit or 1.0
    shown = ScalarMappable(
        Normalize(-top if signed else 0, top),
        colormaps[colormap_name(None, signed)],
    )
    bar = figure.colorbar(shown, ax=list(grid.reshape(-1)), fraction=0.03, pad=0.015, aspect=40)
    bar.ax.tick_params(labelsize=7)
    value = words("class_grid.value")
    if units:
        value = words("class_grid.value_unit", unit=", ".join(sorted(units)))
    bar.set_label(words(f"class_grid.bar{'_signed' * signed}", value=value), fontsize=7.5)
