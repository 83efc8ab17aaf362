"""One case of a regression: where the reader marked the image, and what raised and what lowered
the value.
"""

from __future__ import annotations

import io
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

from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import Message, Value, declare
from camlucida.figures.colours import check_colormap, colormap_name, mix
from camlucida.figures.grids import wrapped
from camlucida.figures.marks import mark
from camlucida.figures.notice import notice_line
from camlucida.figures.overlay import as_rgb, marks_legend, unseen_text
from camlucida.figures.panels import PANEL
from camlucida.figures.style import bold, unit_name, worded, wrapped_lines, wrapped_text
from camlucida.figures.style import words as message_words
from camlucida.figures.texts import plain_texts

declare(
    "value_figures",
    {
        "own_scale": "own scale",
        "scale_of_both": "shared scale of best and worst",
        "scale_of_samples": "shared scale of the requested samples",
        "scale": "{scale}: ±{limit} is full colour",
        "no_evidence": "no evidence",
        "no_evidence_of": "no evidence: {reason}",
        "no_mask": "no mask",
        "unreadable_mask": "its mask cannot be read",
        "image_and_mask": "image and mask (red)",
        "image": "image; {reason}",
        "overlay": "image and {method}",
        "map": "{method}, grid {grid}",
        "value": "map value: < 0 lowers, > 0 raises {name}",
        "unit": "map value ({unit} units): < 0 lowers, > 0 raises {name}",
        "values": "true {name} {truth:.4g} · predicted {value:.4g}",
        "low_error": "absolute error {error:.3g} (below {threshold})",
        "high_error": "absolute error {error:.3g} ({threshold} or more)",
        "where": "{method} at {layer}, one cell ≈ {cell} px",
    },
)

OWN_SCALE = Message("value_figures.own_scale")
NO_MASK = Message("value_figures.no_mask")

SCREEN_DPI = 110
"""Of a figure in a notebook."""

HEAD = 0.24
"""Inches of a line above the panels."""

LONGEST_NAME = 40
"""Characters of a value's name."""

GREEN, RED = "#1a7f37", "#c62828"
"""Of the error: below the threshold, and from it up."""

MASK_ALPHA, ALPHA = 0.3, 0.75
"""Opacity of the mask, and of full colour: two colours on grey need more than one does."""


class NotebookFigure(Figure):
    """A figure that a notebook shows: it knows matplotlib's own only after pyplot has drawn one."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=SCREEN_DPI)
        return buffer.getvalue()


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
    no_mask: Message | str = NO_MASK
    inside: Message | str = ""
    chosen: Message | str = ""


def both_signs(raises: Explanation, lowers: Explanation | None = None) -> Explanation:
    """One signed map of what raises and what lowers a value, of the maps of the two.

    A method that ends in a ReLU shows either in a map of its own: their difference is the signed
    map (for Grad-CAM it is the
    map before the ReLU, exactly). A signed method has both in one already.

    Args:
        raises: of the target ``NAME ↑``.
        lowers: of ``NAME ↓``, by the same method at the same layer.
    """
    if not raises.relu:
        return raises
    raw = raises.raw if lowers is None else raises.raw.relu() - lowers.raw.relu()
    empty = raises.empty_reason if not bool(raw.any()) else None
    return replace(raises, raw=raw, relu=False, empty_reason=empty)


def shared_limit(cases: Sequence[ValueCase]) -> float:
    """The value of full colour of cases that are compared: the largest magnitude of any of their
    maps.
    """
    return max((case.explanation.limit for case in cases), default=0.0)


def value_figure(
    case: ValueCase,
    limit: float | None = None,
    *,
    scale: Message | str = OWN_SCALE,
    threshold: float = 5.0,
    colormap: str | None = None,
    notes: Sequence[Message | str] = (),
) -> Figure:
    """Image and mask | image and map | the map alone with its colour bar; above them true value,
    prediction and error.

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
    longest = max(rows, columns)
    width, height = max(PANEL * columns / longest, 1.6), max(PANEL * rows / longest, 1.6)
    wide = max(3 * width + 1.6, 7.5)
    scale_text = _text("scale", scale=scale, limit=f"{limit:.3g}")
    if explanation.is_empty:
        scale_text = _text("no_evidence_of", reason=explanation.empty_reason or "–")
    heads, feet = _heads(case, threshold, wide), _feet(case, scale_text, notes, wide)
    above, below = HEAD * len(heads), 0.13 * len(feet)
    figure = NotebookFigure(figsize=(wide, height + above + below + 1), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=[above, height])
    _heading(figure.add_subplot(grid[0, :]), heads)
    panels = [figure.add_subplot(grid[1, k]) for k in range(3)]
    name = colormap or colormap_name(None, True)
    _draw_panels(panels, case, limit, name)
    for axes, title in zip(panels, _titles(case)):
        _panel_title(axes, wrapped_text(title, int((wide - 1.3) / 3 * 12)))
        if explanation.scan.synthetic:
            _mark_synthetic(axes)
    if not explanation.is_empty:
        _bar(figure, panels, case, matplotlib.colormaps[name], limit, height)
    figure.supxlabel("\n".join(feet), fontsize=7.5)
    plain_texts(figure)  # here too: a notebook draws it unsaved
    return figure


def _draw_panels(panels: Sequence[Axes], case: ValueCase, limit: float, colormap: str) -> None:
    """The image with its mask, the image with the map, the map alone."""
    explanation = case.explanation
    shown = np.zeros(explanation.scan.geometry.original, np.float32)
    if not explanation.is_empty:
        shown = explanation.numpy()
    panels[0].imshow(_with_mask(case))
    heat = np.clip(shown / limit, -1, 1)
    panels[1].imshow(mix(as_rgb(explanation.scan.picture()), heat, colormap, ALPHA, signed=True))
    mark(panels[1], explanation, limit)
    panels[2].imshow(shown, cmap=matplotlib.colormaps[colormap], vmin=-limit, vmax=limit)
    if explanation.is_empty:
        middle: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 11}
        panels[2].text(0.5, 0.5, _text("no_evidence"), transform=panels[2].transAxes, **middle)


def _titles(case: ValueCase) -> tuple[str, str, str]:
    of_image = _text("image_and_mask")
    if case.mask is None:
        of_image = _text("image", reason=case.no_mask)
    method = _method(case.explanation)
    grid = "×".join(map(str, case.explanation.grid))
    return of_image, _text("overlay", method=method), _text("map", method=method, grid=grid)


def _bar(
    figure: Figure,
    panels: Sequence[Axes],
    case: ValueCase,
    colours: Any,
    limit: float,
    height: float,
) -> None:
    """What the colours mean; ``height`` of a panel in inches."""
    bar = figure.colorbar(
        ScalarMappable(Normalize(-limit, limit), colours),
        ax=list(panels),
        fraction=0.04,
        pad=0.02,
        shrink=0.85,
    )
    bar.ax.tick_params(labelsize=7.5)
    bar.formatter.set_powerlimits((-3, 4))  # type: ignore[attr-defined]
    unit = unit_name(case.explanation)
    values = {"unit": unit, "name": _brief(case.name)} if unit else {"name": _brief(case.name)}
    meaning = _text("unit" if unit else "value", **values)
    bar.set_label(wrapped_text(meaning, int(height * 16)), fontsize=7.5)


def _text(name: str, /, **values: Value) -> str:
    return message_words(f"value_figures.{name}", **values)


def _panel_title(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def _mark_synthetic(axes: Axes) -> None:
    """SYNTHETIC at the upper edge, in a grey that shows on image and map."""
    style: dict[str, Any] = {"color": "#8f8f8f", "fontsize": 9, "ha": "center", "va": "top"}
    axes.text(0.5, 0.97, "SYNTHETIC", transform=axes.transAxes, **style)


def _heads(case: ValueCase, threshold: float, width: float) -> list[tuple[str, dict[str, Any]]]:
    """Lines above the panels, each with its look: the file, the values, the error; as many as
    ``width`` inches need.
    """
    error = abs(case.value - case.truth)
    colour, code = (GREEN, "low_error") if error < threshold else (RED, "high_error")
    values = _text("values", name=_brief(case.name), truth=case.truth, value=case.value)
    error_line = _text(code, error=error, threshold=f"{threshold:g}")
    # Names of files have no blanks: a long one is cut where the line ends.
    letters = int(width * 10)
    file = textwrap.wrap(case.file, letters, break_on_hyphens=False)
    heads: list[tuple[str, dict[str, Any]]] = [(line, {"fontsize": 11}) for line in file]
    heads += [(line, {"fontsize": 10}) for line in wrapped_lines(values, int(width * 11))]
    heads.append((error_line, {"fontsize": 10, "color": colour, "weight": bold()}))
    return heads


def _heading(axes: Axes, lines: Sequence[tuple[str, dict[str, Any]]]) -> None:
    axes.set_axis_off()
    for place, (line, look) in enumerate(lines):
        high = 1 - (place + 0.5) / len(lines)
        axes.text(
            0.5, high, line.strip(), ha="center", va="center", transform=axes.transAxes, **look
        )


def _brief(name: str) -> str:
    """The name of a value, its middle left out where it is longer than a heading has room for."""
    if len(name) <= LONGEST_NAME:
        return name
    half = LONGEST_NAME // 2
    return f"{name[:half]}…{name[-half + 1 :]}"


def _with_mask(case: ValueCase) -> NDArray[np.float32]:
    picture = as_rgb(case.explanation.scan.picture())
    if case.mask is not None:
        picture = picture.copy()
        picture[case.mask] = picture[case.mask] * (1 - MASK_ALPHA) + np.array(
            [MASK_ALPHA, 0, 0], np.float32
        )
    return picture


def _method(explanation: Explanation) -> str:
    return str(explanation.provenance.get("method", explanation.method))


def _feet(case: ValueCase, scale: str, notes: Sequence[Message | str], width: float) -> list[str]:
    """Lines below the panels, as many as ``width`` inches need."""
    explanation = case.explanation
    cell = " × ".join(f"{side:.0f}" for side in reversed(explanation.cell))
    where = _text("where", method=_method(explanation), layer=explanation.shown_layer, cell=cell)
    where = f"{where}{unseen_text(explanation)} · {scale}"
    lines = (case.chosen, where, case.inside, *notes, marks_legend())
    texts = [worded(line) for line in lines if line]
    last = notice_line(explanation.scan.synthetic, "image")
    return [*wrapped(texts, int(width * 15)), last]
