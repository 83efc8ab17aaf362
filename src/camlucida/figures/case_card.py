"""One page of one case: the film, its map by each method, and what each map can be trusted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError
from camlucida.figures.colours import check_colormap
from camlucida.figures.grids import ALPHA, PANEL, bare, mark_synthetic, scale_line, wrapped
from camlucida.figures.notice import notice_line
from camlucida.figures.outlines import Mask, legend, outline, outline_colours, title_beside
from camlucida.figures.overlay import as_rgb, marks_legend, overlay_on, peak_notes
from camlucida.figures.style import joined_words, words

ACROSS = 4
"""Panels of a row; more do not fit across a printed page."""

LETTERS = 44
"""Of a line below a panel."""


LINE = 0.127
"""Inches of a line of text."""


@dataclass(frozen=True)
class CardMap:
    """One map of a card.

    Attributes:
        explanation: the map.
        title: above it: method and layer.
        lines: below it, after its scale.
    """

    explanation: Explanation
    title: str
    lines: Sequence[str]


def case_card(
    maps: Sequence[CardMap],
    title: str,
    notes: Sequence[str],
    outlines: Mapping[str, Mask] | None = None,
    colormap: str | None = None,
) -> Figure:
    """The film, then each map on its own stated scale, with lines below it; notes at the foot.

    Args:
        maps: of one image and target, one or more.
        title: of the page.
        notes: lines at the foot.
        outlines: name → mask (H, W) in original pixels, drawn on every panel.
        colormap: matplotlib name; the default if None.

    Raises:
        UsageError: no map, maps of two images, or an unknown colormap.
    """
    images = {card.explanation.scan.id for card in maps}
    if len(images) != 1:
        raise UsageError(f"a card of {len(maps)} maps of {len(images)} images", "give one image's")
    check_colormap(colormap)
    first = maps[0].explanation
    across = min(ACROSS, len(maps) + 1)
    down = ceil((len(maps) + 1) / across)
    marks = joined_words([marks_legend(), *peak_notes(colormap)])
    scale = words("grids.scale_none")
    foot = wrapped([*notes, scale, marks, notice_line(first.scan.synthetic, "image")], 40 * across)
    figure = Figure(figsize=_size(maps, across, down, len(foot)), layout="constrained")
    panels: list[Axes] = list(np.ravel(figure.subplots(down, across, squeeze=False)))
    colours = outline_colours(list(outlines or {}))
    panels[0].imshow(as_rgb(first.scan.picture()))
    panels[0].set_title(words("grids.original"), fontsize=9)
    for axes, card in zip(panels[1:], maps):
        overlay_on(axes, card.explanation, colormap, ALPHA)
        axes.set_title(card.title, fontsize=9)
        lines = wrapped([scale_line(card.explanation), *card.lines], LETTERS)
        axes.set_xlabel("\n".join(lines), fontsize=7, loc="left")
    for axes in panels:
        bare(axes)
    for axes in panels[: len(maps) + 1]:
        outline(axes, outlines or {}, colours)
        mark_synthetic(axes, first.scan.synthetic)
    for axes in panels[len(maps) + 1 :]:
        axes.set_axis_off()
    title_beside(figure, title, legend(figure, colours), 10)
    figure.supxlabel("\n".join(foot), fontsize=7.5, x=0.02, ha="left")
    return figure


def _size(maps: Sequence[CardMap], across: int, down: int, foot: int) -> tuple[float, float]:
    """Width and height in inches, so that no blank is left between title and panels.

    Args:
        maps: of the card.
        across, down: panels in a row, and rows.
        foot: lines below the panels.
    """
    height, width = maps[0].explanation.scan.geometry.original
    longest = max(height, width)
    panel_height = max(1.2, PANEL * height / longest)
    # The first line below a panel is its scale; above it stand method and layer.
    lines = max(len(wrapped(card.lines, LETTERS)) for card in maps) + 1
    above_and_below = 0.3 + LINE * lines + 0.15
    title_and_foot = 0.25 + LINE * foot
    return (PANEL + 0.1) * across, (panel_height + above_and_below) * down + title_and_foot
