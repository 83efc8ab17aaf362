"""Two studies and what changed between them: films above, maps below; both maps on one scale."""

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
from camlucida.figures.grids import mark_synthetic
from camlucida.figures.overlay import DEFAULT_COLORMAP, NOTICE, SIGNED_COLORMAP, as_rgb

FILMS_COLORMAP = "PuOr_r"
"""Of the difference of films: another than that of maps."""
STRENGTH = 0.75
SIDE = 3.1
"""Inches on the longer side of a panel."""
BRIGHTEST = 99.5
"""Percentile of the difference of films that is full colour: one bright letter must not hide the
rest.
"""

Floats = NDArray[np.float64]


def change_figure(
    change: Change, names: tuple[str, str] = ("before", "after"), colormap: str | None = None
) -> Figure:
    """Film before | film after, aligned | their difference; map before | map after, aligned | the
    signed difference.

    Args:
        change: of one label.
        names: what to call the studies.
        colormap: of the maps; inferno if None, a diverging one where a map has evidence against
            the label.
    """
    films = [change.before.scan.picture(), change.after.scan.picture()]
    first, second = as_rgb(films[0]), change.alignment.carry(as_rgb(films[1]))
    rows, columns = films[0].shape[:2]
    width, height = (max(SIDE * n / max(rows, columns), 1.6) for n in (columns, rows))
    figure = Figure(figsize=(3 * width + 1.5, 2 * height + 1.9), layout="constrained")
    panels = [list(row) for row in figure.subplots(2, 3)]
    lit = np.nan_to_num(second, nan=0.5)
    panels[0][0].imshow(first)
    panels[0][1].imshow(np.clip(lit, 0, 1))
    _films(figure, panels[0][2], np.asarray(255 * (second.mean(2) - first.mean(2))))
    signed = bool(np.nanmin([change.before_map, change.after_map]) < 0)
    name = SIGNED_COLORMAP if signed else colormap or DEFAULT_COLORMAP
    limit, unit = change.limit or 1.0, change.before.provenance.get("unit", "score")
    panels[1][0].imshow(_over(first, change.before_map, limit, name, signed))
    panels[1][1].imshow(_over(lit, change.after_map, limit, name, signed))
    _bar(
        figure,
        panels[1][:2],
        Normalize(-limit if signed else 0, limit),
        name,
        f"map ({unit} units)",
    )
    most = float(np.nanmax(np.abs(change.difference), initial=0.0)) or 1.0
    known = np.where(np.isfinite(change.difference)[..., None], first, 0.5)
    panels[1][2].imshow(_over(known, change.difference, most, SIGNED_COLORMAP, True))
    _bar(
        figure,
        [panels[1][2]],
        Normalize(-most, most),
        SIGNED_COLORMAP,
        f"after − before ({unit} units)",
    )
    _titles(panels, change, names)
    return _finish(figure, panels, change, 3 * width + 1.5)


def _films(figure: Figure, axes: Axes, values: Floats) -> None:
    known = np.abs(values[np.isfinite(values)])
    limit = float(np.percentile(known, BRIGHTEST)) if known.size else 1.0
    limit = limit or 1.0
    axes.imshow(
        values,
        cmap=matplotlib.colormaps[FILMS_COLORMAP].with_extremes(bad="#808080"),
        vmin=-limit,
        vmax=limit,
    )
    _bar(
        figure,
        [axes],
        Normalize(-limit, limit),
        FILMS_COLORMAP,
        "after − before (grey levels of 255)",
    )


def _over(
    base: NDArray[np.floating], values: Floats, limit: float, name: str, signed: bool
) -> Floats:
    """The map over the film; opacity is proportional to the map's magnitude, nothing where it is
    unknown.
    """
    heat = np.clip(np.nan_to_num(values) / limit, -1, 1)
    colours = matplotlib.colormaps[name](heat / 2 + 0.5 if signed else heat)[..., :3]
    opacity = (STRENGTH * np.abs(heat))[..., None]
    return np.clip(base * (1 - opacity) + colours * opacity, 0, 1)


def _titles(panels: list[list[Axes]], change: Change, names: tuple[str, str]) -> None:
    after = "aligned" if change.alignment.moved else "not aligned"
    panels[0][0].set_title(f"Before: {names[0]}", fontsize=9)
    panels[0][1].set_title(f"After: {names[1]}, {after}", fontsize=9)
    panels[0][2].set_title("Difference of the films", fontsize=9)
    panels[1][0].set_title(
        _score_text(change.before.score, change.before.probability, change), fontsize=9
    )
    panels[1][1].set_title(
        _score_text(change.after.score, change.after.probability, change), fontsize=9
    )
    panels[1][2].set_title(
        f"Change: {_score_text(change.score, change.probability, change, '+')}", fontsize=9
    )
    for axes in chain.from_iterable(panels):
        axes.set_axis_off()


def _score_text(score: float, probability: float | None, change: Change, sign: str = "") -> str:
    kind = change.before.provenance.get("score_kind", "score")
    p = "" if probability is None else f", p {probability:{sign}.3f}"
    return f"{kind} {score:{sign}.2f}{p}"


def _finish(figure: Figure, panels: list[list[Axes]], change: Change, width: float) -> Figure:
    first = change.before
    figure.suptitle(
        f"{first.target}: {first.provenance.get('method', first.method)} at {first.layer}",
        fontsize=11,
    )
    words = "\n".join(fill(line, int(width * 16)) for line in _lines(change))
    synthetic = first.scan.synthetic or change.after.scan.synthetic
    figure.supxlabel(f"{words}\n{NOTICE}{' · SYNTHETIC images' if synthetic else ''}", fontsize=7)
    for axes in chain.from_iterable(panels):
        mark_synthetic(axes, synthetic)
    return figure


def _lines(change: Change) -> list[str]:
    """Scale, alignment and what to beware of, below the panels."""
    quality = change.alignment
    lines = [
        f"Both maps on one scale: {change.limit or 1.0:.3g} is full colour.",
        "Grey: not on both films, or not seen by the model; no change is computed there.",
    ]
    if quality.moved:
        down, across = quality.shift
        turn = f"{quality.rotation:+.1f}°, × {quality.magnification:.3f}"
        shift = f"{across:+.1f} px across, {down:+.1f} px down"
        before, after = quality.unaligned.correlation, quality.aligned.correlation
        correlation = f"correlation of the films {before:.3f} before, {after:.3f} after it"
        lines.append(f"Alignment: {turn}, {shift}; {correlation}.")
    else:
        lines.append(f"Not aligned: {quality.refused}.")
    if quality.mirror is not None and quality.mirror.suspected:
        lines.append(
            "The second film mirrored fits the first better: one of them may be mirrored, "
            "or they are of two patients."
        )
    if change.moved_difference is not None:
        largest = _largest(change.difference)
        by_moving = _largest(change.moved_difference)
        lines.append(
            f"Largest change of the map {largest:.3g}; {by_moving:.3g} when the first film itself "
            "is moved so and explained again."
        )
    return lines


def _largest(difference: Floats) -> float:
    """The largest magnitude where the difference is known, 0 if nowhere."""
    return float(np.nanmax(np.abs(difference), initial=0.0))


def _bar(figure: Figure, panels: list[Axes], norm: Normalize, name: str, label: str) -> None:
    bar = figure.colorbar(ScalarMappable(norm, name), ax=panels, fraction=0.035, pad=0.02)
    bar.ax.tick_params(labelsize=7)
    bar.set_label(label, fontsize=7)
