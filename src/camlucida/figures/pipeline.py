"""How Grad-CAM comes about, drawn from a real case: input, activations, gradients, weights,
weighted sum, ReLU, map, overlay.
"""

from __future__ import annotations

from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from camlucida.attribution.stages import Stages
from camlucida.core.errors import UsageError
from camlucida.figures.colours import SIGNED_COLORMAP, colormap_name
from camlucida.figures.grids import mark_synthetic
from camlucida.figures.notice import notice_line
from camlucida.figures.overlay import as_rgb, marks_legend, overlay_on

CHANNELS = 4
"""Of the layer, shown one below the other."""


def pipeline_figure(stages: Stages) -> Figure:
    """The steps of :func:`~camlucida.attribution.stages.grad_cam_stages`, left to right; every
    number and cell is of this case.

    Raises:
        UsageError: a map that is not of two axes.
    """
    explanation = stages.explanation
    if len(explanation.grid) != 2:
        raise UsageError(
            f"pictures are for images, and this map has {len(explanation.grid)} axes",
            "take the steps as numbers",
        )
    channels = stages.strongest(CHANNELS)
    figure = Figure(figsize=(15.2, 6.3), layout="constrained")
    columns: Any = figure.subfigures(1, 7, width_ratios=(2.3, 1.2, 1.2, 1.2, 2.2, 2.2, 2.4))
    count = len(stages.weights)
    _column(
        columns[1],
        f"2  activations Aₖ\n{len(channels)} of {count} channels",
        stages.activations[channels],
        False,
        channels,
    )
    weights = [f"w = {float(stages.weights[k]):+.2e}" for k in channels]
    _column(
        columns[2],
        "3  gradients ∂score/∂Aₖ\nwₖ = their mean",
        stages.gradients[channels],
        True,
        weights,
    )
    _column(columns[3], "4  wₖ Aₖ\none scale", stages.weighted[channels], True, None)
    image = columns[0].subplots()
    image.imshow(as_rgb(explanation.scan.picture()))
    seen = " × ".join(map(str, explanation.scan.geometry.model))
    _single(image, "1  input", f"{explanation.scan.id}, the model sees {seen} px")
    combined = columns[4].subplots()
    _signed(combined, stages.combined, float(stages.combined.abs().max()))
    low, high = float(stages.combined.min()), float(stages.combined.max())
    _single(
        combined,
        f"5  sum over all {count} channels",
        f"from {low:.3g} (blue: against) to {high:.3g} (red: for)",
    )
    positive = columns[5].subplots()
    positive.imshow(
        stages.combined.relu().numpy(),
        cmap=colormaps[colormap_name(None, False)],
        vmin=0,
        vmax=max(high, 1e-30),
    )
    grid = " × ".join(map(str, explanation.grid))
    _single(
        positive,
        "6  ReLU: the map",
        f"grid {grid}, from 0 to {max(high, 0):.3g} {explanation.provenance.get('unit', '')}",
    )
    overlay = columns[6].subplots()
    overlay_on(overlay, explanation)
    empty = (
        f"no evidence: {explanation.empty_reason}"
        if explanation.is_empty
        else "enlarged to the original's pixels"
    )
    _single(overlay, "7  over the original", empty)
    for axes in (image, overlay):
        mark_synthetic(axes, explanation.scan.synthetic)
    for axes, start, end in (
        (image, 1.01, 1.06),
        (combined, -0.07, -0.01),
        (positive, -0.05, -0.01),
        (overlay, -0.05, -0.01),
    ):
        arrow = axes.annotate(
            "",
            (end, 0.5),
            (start, 0.5),
            "axes fraction",
            arrowprops={"arrowstyle": "->", "linewidth": 1.5},
        )
        arrow.set_in_layout(False)
    probability = ""
    if explanation.probability is not None:
        probability = f", probability {explanation.probability:.3f}"
    kind = explanation.provenance.get("score_kind", "score")
    target = f"{explanation.target} ({kind} {explanation.score:.3g}{probability})"
    figure.suptitle(f"Grad-CAM at {explanation.layer} for {target}", fontsize=11)
    share = f"{100 * stages.share(channels):.0f} % of all of it"
    shown = f"The {len(channels)} channels shown are those of the largest Σ|wₖ Aₖ|: {share}"
    lines = [
        f"{shown}. Columns 2 and 3: each panel on its own scale (3: blue < 0 < red). "
        f"{marks_legend()}"
    ]
    if stages.level:
        lines.append(
            "Every gradient is the same in all cells of its channel here, "
            "as where a mean over the cells follows."
        )
    lines.append(notice_line(explanation.scan.synthetic, "image"))
    figure.supxlabel("\n".join(lines), fontsize=8)
    return figure


def _column(
    part: Any, title: str, maps: Tensor, signed: bool, below: list[int] | list[str] | None
) -> None:
    """Small maps one below the other; ``below``: what stands under each (a channel's number, its
    weight); None: one scale.
    """
    panels: list[Axes] = list(part.subplots(len(maps), 1, squeeze=False)[:, 0])
    largest = float(maps.abs().max())
    for number, (axes, values) in enumerate(zip(panels, maps)):
        own = largest if below is None else float(values.abs().max())
        if signed:
            _signed(axes, values, own)
        else:
            axes.imshow(values.numpy(), cmap=colormaps["gray"])
        axes.set_xticks([])
        axes.set_yticks([])
        text = f"up to {own:.2g}" if below is None else below[number]
        axes.set_xlabel(
            f"channel {text}" if isinstance(text, int) else text, fontsize=7.5, labelpad=2
        )
    panels[0].set_title(title, fontsize=9)


def _signed(axes: Axes, values: Tensor, limit: float) -> None:
    axes.imshow(
        values.numpy(), cmap=colormaps[SIGNED_COLORMAP], vmin=-(limit or 1.0), vmax=limit or 1.0
    )


def _single(axes: Axes, title: str, below: str) -> None:
    axes.set_title(title, fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(below, fontsize=7.5)
