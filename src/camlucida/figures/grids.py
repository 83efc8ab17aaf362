"""Maps side by side: one row a case or target, one column a method, layer or model, each on a
scale that is stated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare
from camlucida.core.numbers import number
from camlucida.figures.colours import check_colormap, colormap_name
from camlucida.figures.notice import notice_line
from camlucida.figures.outlines import Mask, legend, outline, outline_colours, title_beside
from camlucida.figures.overlay import as_rgb, marks_legend, overlay_on, peak_notes, scale_text
from camlucida.figures.style import unit_name, worded, words, wrapped_lines

Share = Literal["none", "row", "column", "all"]

declare(
    "grids",
    {
        "original": "original",
        "layer": "{layer}\ngrid {grid}",
        "no_map": "no map",
        "full_colour": "full colour = {limit} {unit}",
        "strongest": "strongest {peak} of {limit} {unit}",
        "share": "share of the full colour stated",
        "against": "{meaning}; < 0 is evidence against",
        "scale_none": (
            "Each map is on its own scale, stated below it: equal colours are not equal strength."
        ),
        "scale_row": "The maps of a row share one scale.",
        "scale_column": "The maps of a column share one scale.",
        "scale_all": "All maps share one scale.",
    },
)

NO_MAP = Message("grids.no_map")

PANEL = 2.5
"""Inches on the longer side of a panel."""

ALPHA = 0.75
"""Opacity of full colour: small panels need more than a single overlay."""


@dataclass(frozen=True)
class GridRow:
    """One row of a grid.

    Attributes:
        title: beside the row; what its panels have in common.
        maps: one a column, all of one image; None where there is no map.
        outlines: name → mask (H, W) in original pixels, drawn on every panel.
        missing: why maps are missing, shown in their place.
    """

    title: str
    maps: Sequence[Explanation | None]
    outlines: Mapping[str, Mask] = field(default_factory=dict)
    missing: Message | str = NO_MAP


def comparison_grid(
    rows: Sequence[GridRow],
    columns: Sequence[str],
    *,
    shared: Share = "none",
    title: str = "",
    notes: Sequence[str] = (),
    colormap: str | None = None,
) -> Figure:
    """The original of each row, then its maps, in original pixels.

    Args:
        rows: at least one map in each.
        columns: a title for each map of a row.
        shared: which maps share one scale: "none" (each its own), those of a "row", of a "column",
            or "all".
        title: of the figure.
        notes: lines below.
        colormap: matplotlib name; the default if None. Signed maps keep a diverging one.

    Raises:
        UsageError: a row without any map or of another length; maps of different units, or of
            methods with and without a ReLU,
            that were to share a scale; an unknown colormap.
    """
    check_colormap(colormap)
    scales = _scales(rows, columns, shared)
    panel_width, heights = _panel_sizes(rows)
    figure_width = panel_width * (len(columns) + 1) + 1.3
    figure_height = sum(heights) + 0.75 + 0.16 * (len(notes) + 1)
    if title:
        figure_height += 0.35
    figure = Figure(figsize=(figure_width, figure_height), layout="constrained")
    outlined = chain.from_iterable(row.outlines for row in rows)
    colours = outline_colours(list(outlined))
    ratios = {"height_ratios": heights}
    grid = figure.subplots(len(rows), len(columns) + 1, squeeze=False, gridspec_kw=ratios)
    for panels, row, row_scales in zip(grid, rows, scales):
        _draw_row(panels, row, row_scales, colours, colormap)
    for axes, name in zip(grid[0], [words("grids.original"), *columns]):
        axes.set_title(name, fontsize=9)
    if title and colours:
        title_beside(figure, title, legend(figure, colours), 10)
    elif title:
        figure.suptitle(title, fontsize=10)
    else:
        legend(figure, colours)
    _bars(figure, grid, rows, scales, shared, colormap)
    marks = " ".join([marks_legend(), *peak_notes(colormap)])
    _footer(figure, rows, shared, (*notes, marks))
    return figure


def _panel_sizes(rows: Sequence[GridRow]) -> tuple[float, list[float]]:
    """Width of every panel, and the height of each row with its texts; inches."""
    widths, heights = [1.5], []
    for row in rows:
        height, width = _first(row).scan.geometry.original
        longest = max(height, width)
        widths.append(PANEL * width / longest)
        heights.append(max(1.2, PANEL * height / longest) + 0.35)
    return max(widths), heights


def _draw_row(
    panels: NDArray[np.object_],
    row: GridRow,
    scales: Sequence[Scale],
    colours: Mapping[str, str],
    colormap: str | None,
) -> None:
    """The original and the maps of one row, outlined."""
    first = _first(row)
    panels[0].imshow(as_rgb(first.scan.picture()))
    for axes, explanation, scale in zip(panels[1:], row.maps, scales):
        _panel(axes, row, explanation, scale, colormap)
    for axes, shown in zip(panels, [first, *row.maps]):
        outline(axes, row.outlines if shown is not None else {}, colours)
        mark_synthetic(axes, first.scan.synthetic)
        bare(axes)
    panels[0].set_ylabel("\n".join(wrapped_lines(row.title, 30)), fontsize=8)


def method_comparison(
    rows: Sequence[GridRow], title: str = "", notes: Sequence[str] = ()
) -> Figure:
    """Methods side by side, each map on its own stated scale: their units differ, and so does what
    a unit means.
    """
    names = []
    for maps in _columns(rows):
        explanation = next(e for e in maps if e is not None)
        names.append(str(explanation.provenance.get("method", explanation.method)))
    return comparison_grid(rows, names, title=title, notes=notes)


def layer_comparison(
    rows: Sequence[GridRow], layers: Sequence[str], title: str = "", notes: Sequence[str] = ()
) -> Figure:
    """Layers side by side, each map on its own stated scale; above each its layer and its grid.

    Args:
        layers: what to call each.
    """
    columns = []
    for name, maps in zip(layers, _columns(rows)):
        grids = [explanation.grid for explanation in maps if explanation is not None]
        size = " × ".join(map(str, grids[0])) if grids else ""
        columns.append(words("grids.layer", layer=name, grid=size) if grids else name)
    return comparison_grid(rows, columns, title=title, notes=notes)


def _columns(rows: Sequence[GridRow]) -> list[tuple[Explanation | None, ...]]:
    """The maps of each column, from above."""
    return list(zip(*[row.maps for row in rows]))


def wrapped(texts: Iterable[str], letters: int) -> list[str]:
    """All texts in lines of at most ``letters`` characters, each beginning a line.

    >>> wrapped(["one two", "three"], 5)
    ['one', 'two', 'three']
    """
    lines: list[str] = []
    for text in texts:
        lines += wrapped_lines(text, letters)
    return lines


def shared_limit(explanations: Sequence[Explanation]) -> float:
    """The value of full colour of maps that share one scale: the largest of them; 0 of none.

    Raises:
        UsageError: maps of different units, or of methods with and without a ReLU.
    """
    evident = [explanation for explanation in explanations if not explanation.is_empty]
    kinds = {(explanation.provenance.get("unit"), not explanation.relu) for explanation in evident}
    if len(kinds) > 1:
        names = [f"signed {unit}" if signed else f"{unit}" for unit, signed in kinds]
        units = ", ".join(sorted(names))
        raise UsageError(
            f"maps of different units ({units}) cannot share a scale", "give each its own"
        )
    return max((explanation.limit for explanation in explanations), default=0.0)


def scale_line(explanation: Explanation, limit: float | None = None) -> str:
    """What stands below a panel: the map's own scale, or how strong it is on a shared one."""
    if explanation.is_empty:
        return scale_text(explanation)
    sign = "±" if explanation.signed else ""
    strongest = f"{sign}{number(explanation.limit, '.3g')}"
    unit = unit_name(explanation)
    if limit is None:
        return words("grids.full_colour", limit=strongest, unit=unit).rstrip()
    return words("grids.strongest", peak=strongest, limit=number(limit, ".3g"), unit=unit).rstrip()


def bare(axes: Axes) -> None:
    """No ticks and no frame, but labels stay."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def mark_synthetic(axes: Axes, synthetic: bool, at: float = 0.5) -> None:
    """SYNTHETIC at the lower edge of a panel, ``at`` this share of its width: radiographs bear
    their letters above.
    """
    if synthetic:
        dark = {"facecolor": "black", "alpha": 0.4, "edgecolor": "none", "pad": 1.5}
        style: dict[str, Any] = {
            "color": "white",
            "alpha": 0.8,
            "fontsize": 8,
            "ha": "center",
            "va": "bottom",
            "bbox": dark,
        }
        axes.text(at, 0.02, "SYNTHETIC", transform=axes.transAxes, **style)


def _first(row: GridRow) -> Explanation:
    for explanation in row.maps:
        if explanation is not None:
            return explanation
    raise UsageError(f"row {row.title!r} has no map", "leave it out")


Scale = tuple[float | None, bool | None]
"""Value of full colour, and whether the colours are diverging; None for the map's own."""


def _scales(rows: Sequence[GridRow], columns: Sequence[str], shared: Share) -> list[list[Scale]]:
    """Of each panel.

    Raises:
        UsageError: a row of another length than ``columns``; as :func:`shared_limit`.
    """
    for row in rows:
        if len(row.maps) != len(columns):
            raise UsageError(
                f"row {row.title!r} has {len(row.maps)} maps for {len(columns)} columns",
                "give one a column",
            )
    if shared == "none":
        return [[(None, None)] * len(columns) for _ in rows]
    if shared == "row":
        return [[_scale_of(row.maps)] * len(columns) for row in rows]
    if shared == "column":
        of_columns = [_scale_of(maps) for maps in _columns(rows)]
        return [of_columns for _ in rows]
    maps = chain.from_iterable(row.maps for row in rows)
    scale = _scale_of(list(maps))
    return [[scale] * len(columns) for _ in rows]


def _scale_of(maps: Sequence[Explanation | None]) -> Scale:
    """The scale that maps share; none where there is no map."""
    present = [explanation for explanation in maps if explanation is not None]
    if not present:
        return None, None
    return shared_limit(present), any(explanation.signed for explanation in present)


def _panel(
    axes: Axes, row: GridRow, explanation: Explanation | None, scale: Scale, colormap: str | None
) -> None:
    if explanation is None:
        axes.imshow(np.full((*_first(row).scan.geometry.original, 3), 0.85))
        reason = "\n".join(wrapped_lines(worded(row.missing), 26)[:6])
        axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", va="center", fontsize=7)
        return
    limit, signed = scale
    overlay_on(axes, explanation, colormap, ALPHA, limit, signed)
    rows, columns = explanation.scan.geometry.original
    image_width = PANEL * columns / max(rows, columns)
    letters = max(16, int(15 * image_width))  # that fit below the image
    lines = wrapped_lines(scale_line(explanation, limit), letters)
    axes.set_xlabel("\n".join(lines[:4]), fontsize=7.5)


def _bars(
    figure: Figure,
    grid: NDArray[np.object_],
    rows: Sequence[GridRow],
    scales: Sequence[Sequence[Scale]],
    shared: Share,
    colormap: str | None,
) -> None:
    """One bar a kind of map: in their unit where all share a scale, else in shares of each panel's
    full colour.
    """
    maps = chain.from_iterable(row.maps for row in rows)
    drawn = []
    kinds = set()
    for explanation, (_, diverging) in zip(maps, chain.from_iterable(scales)):
        if explanation is not None and not explanation.is_empty:
            drawn.append(explanation)
            kinds.add(explanation.signed if diverging is None else diverging)
    if not drawn:
        return
    meaning, top = words("grids.share"), 1.0
    if shared == "all":
        unit = unit_name(drawn[0])
        meaning = words("panels.unit", unit=unit) if unit else words("panels.value")
        limit, _ = scales[0][0]
        top = limit or 1.0
    for signed in sorted(kinds):
        _bar(figure, grid, signed, top, meaning, colormap)


def _bar(
    figure: Figure,
    grid: NDArray[np.object_],
    signed: bool,
    top: float,
    meaning: str,
    colormap: str | None,
) -> None:
    """A colour bar of all panels, up to ``top``; diverging where ``signed``."""
    name, low, label = colormap_name(colormap, signed), 0.0, meaning
    if signed:
        low, label = -top, words("grids.against", meaning=meaning)
    shown = ScalarMappable(Normalize(low, top), colormaps[name])
    bar = figure.colorbar(shown, ax=list(grid.reshape(-1)), fraction=0.03, pad=0.015, aspect=30)
    bar.ax.tick_params(labelsize=7)
    bar.set_label(label, fontsize=7.5)


def _footer(figure: Figure, rows: Sequence[GridRow], shared: Share, notes: Sequence[str]) -> None:
    synthetic = any(_first(row).scan.synthetic for row in rows)
    width = int(figure.get_figwidth() * 15)
    lines = [*wrapped((words(f"grids.scale_{shared}"), *notes), width), notice_line(synthetic)]
    figure.supxlabel("\n".join(lines), fontsize=7.5)
