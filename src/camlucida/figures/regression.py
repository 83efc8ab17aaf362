"""One case of a regression: where the reader marked the image, and what raised and what lowered the value."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from camlucida.explanation import Explanation
from camlucida.figures.overlay import NOTICE, SIGNED_COLORMAP, as_rgb, blend, check_colormap, unseen_text

PANEL = 3.6
"""Inches on the longer side of a panel."""

GREEN, RED = "#1a7f37", "#c62828"
"""Of the error: below the threshold, and from it up."""

MASK_ALPHA, ALPHA = 0.3, 0.75
"""Opacity of the mask, and of full colour: two colours on grey need more than one does."""


@dataclass(frozen=True)
class ValueCase:
    """A case of a regression.

    Attributes:
        explanation: of what raises the value, signed (:func:`both_signs`).
        file: the image's name.
        name: of the value, such as "age".
        truth, value: the true and the predicted one.
        mask: (H, W) in original pixels; None where there is none.
        no_mask: why there is none.
        inside: what of the heat lies in the mask, in words; "" where it is not measured.
        chosen: the rule that chose it, in words.
    """

    explanation: Explanation
    file: str
    name: str
    truth: float
    value: float
    mask: NDArray[np.bool_] | None
    no_mask: str = "no mask"
    inside: str = ""
    chosen: str = ""


def both_signs(raises: Explanation, lowers: Explanation | None = None) -> Explanation:
    """One signed map of what raises and what lowers a value, of the maps of the two.

    A method that ends in a ReLU shows either in a map of its own: their difference is the signed map (for Grad-CAM it is the
    map before the ReLU, exactly). A signed method has both in one already.

    Args:
        raises: of the target ``NAME ↑``.
        lowers: of ``NAME ↓``, by the same method at the same layer.
    """
    if not raises.relu:
        return raises
    raw = raises.raw if lowers is None else raises.raw.relu() - lowers.raw.relu()
    empty = raises.empty_reason if not bool(raw.any()) else ""
    return replace(raises, raw=raw, relu=False, empty_reason=empty)


def shared_limit(cases: Sequence[ValueCase]) -> float:
    """The value of full colour of cases that are compared: the largest magnitude of any of their maps."""
    return max((case.explanation.limit for case in cases), default=0.0)


def value_figure(
    case: ValueCase,
    limit: float | None = None,
    *,
    scale: str = "own scale",
    threshold: float = 5.0,
    colormap: str | None = None,
    notes: Sequence[str] = (),
) -> Figure:
    """Image and mask | image and map | the map alone with its colour bar; above them true value, prediction and error.

    Args:
        case: what is shown.
        limit: the value of full colour; the map's own largest magnitude if None.
        scale: whose scale it is, in words.
        threshold: the error is green below it, red from it up.
        colormap: matplotlib name, of which the middle is zero; blue, white and red if None.
        notes: lines below.

    Raises:
        UsageError: unknown colormap.
    """
    check_colormap(colormap)
    explanation = case.explanation
    limit = (explanation.limit if limit is None else limit) or 1.0
    rows, columns = explanation.scan.geometry.original
    width, height = (max(PANEL * n / max(rows, columns), 1.6) for n in (columns, rows))
    figure = Figure(figsize=(max(3 * width + 1.6, 7.5), height + 2.1 + 0.13 * len(notes)), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=[0.55, height])
    _heading(figure.add_subplot(grid[0, :]), case, threshold)
    panels = [figure.add_subplot(grid[1, k]) for k in range(3)]
    colours = matplotlib.colormaps[colormap or SIGNED_COLORMAP]
    shown = explanation.numpy() if not explanation.is_empty else np.zeros((rows, columns), np.float32)
    panels[0].imshow(_with_mask(case))
    panels[0].set_title("image and mask (red)" if case.mask is not None else f"image; {case.no_mask}", fontsize=9)
    panels[1].imshow(_overlay(explanation, shown, limit, colours) if colormap else blend(explanation, None, ALPHA, limit))
    panels[1].set_title(f"image and {_method(explanation)}", fontsize=9)
    panels[2].imshow(shown, cmap=colours, vmin=-limit, vmax=limit)
    panels[2].set_title(f"{_method(explanation)}, grid {'×'.join(map(str, explanation.grid))}", fontsize=9)
    if explanation.is_empty:
        panels[2].text(0.5, 0.5, "no evidence", ha="center", va="center", transform=panels[2].transAxes, fontsize=11)
    for axes in panels:
        axes.set_axis_off()
        if explanation.scan.synthetic:
            axes.text(0.5, 0.97, "SYNTHETIC", transform=axes.transAxes, color="#8f8f8f", fontsize=9, ha="center", va="top")
    bar = figure.colorbar(ScalarMappable(Normalize(-limit, limit), colours), ax=panels, fraction=0.04, pad=0.02, shrink=0.85)
    bar.ax.tick_params(labelsize=7.5)
    bar.formatter.set_powerlimits((-2, 3))  # type: ignore[attr-defined]
    unit = explanation.provenance.get("unit", "score")
    bar.set_label(f"map value ({unit} units): < 0 lowers, > 0 raises {case.name}", fontsize=7.5)
    told = f"no evidence: {explanation.empty_reason}" if explanation.is_empty else f"{scale}: ±{limit:.3g} is full colour"
    return _finish(figure, case, told, notes)


def _heading(axes: Axes, case: ValueCase, threshold: float) -> None:
    axes.set_axis_off()
    error = abs(case.value - case.truth)
    style: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes}
    axes.text(0.5, 0.8, case.file, fontsize=11, **style)
    told = f"true {case.name} {case.truth:.4g}   ·   predicted {case.value:.4g}   ·"
    axes.text(0.49, 0.15, told, fontsize=10, ha="right", va="center", transform=axes.transAxes)
    colour, where = (GREEN, f"below {threshold:g}") if error < threshold else (RED, f"{threshold:g} or more")
    told = f"  absolute error {error:.3g} ({where})"
    axes.text(0.49, 0.15, told, fontsize=10, color=colour, weight="bold", ha="left", va="center", transform=axes.transAxes)


def _with_mask(case: ValueCase) -> NDArray[np.float32]:
    picture = as_rgb(case.explanation.scan.picture())
    if case.mask is not None:
        picture = picture.copy()
        picture[case.mask] = picture[case.mask] * (1 - MASK_ALPHA) + np.array([MASK_ALPHA, 0, 0], np.float32)
    return picture


def _overlay(explanation: Explanation, values: NDArray[np.float32], limit: float, colours: Any) -> NDArray[np.float32]:
    """As :func:`~camlucida.figures.overlay.blend`, in the colours that were asked for."""
    heat = np.clip(values / limit, -1, 1)
    opacity = (ALPHA * np.abs(heat))[..., None]
    base = as_rgb(explanation.scan.picture())
    return np.asarray(base * (1 - opacity) + colours(heat / 2 + 0.5)[..., :3] * opacity, np.float32)


def _method(explanation: Explanation) -> str:
    return str(explanation.provenance.get("method", explanation.method))


def _finish(figure: Figure, case: ValueCase, scale: str, notes: Sequence[str]) -> Figure:
    explanation = case.explanation
    cell = " × ".join(f"{side:.0f}" for side in reversed(explanation.cell))
    where = f"{_method(explanation)} at {explanation.layer}, one cell ≈ {cell} px{unseen_text(explanation)} · {scale}"
    last = f"{NOTICE}{' · SYNTHETIC image' if explanation.scan.synthetic else ''}"
    width = int(figure.get_figwidth() * 15)
    lines = [line for text in (case.chosen, where, case.inside, *notes) if text for line in textwrap.wrap(text, width)]
    figure.supxlabel("\n".join([*lines, last]), fontsize=7.5)
    return figure
