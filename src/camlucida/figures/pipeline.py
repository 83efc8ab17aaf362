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
from camlucida.core.messages import declare
from camlucida.core.numbers import number
from camlucida.figures.colours import SIGNED_COLORMAP, colormap_name
from camlucida.figures.grids import mark_synthetic
from camlucida.figures.notice import notice_line
from camlucida.figures.overlay import as_rgb, marks_legend, overlay_on, scale_text, target_text
from camlucida.figures.style import unit_name, words

declare(
    "pipeline",
    {
        "input": "1 input",
        "seen": "{image}, the model sees {size} px",
        "activations": "2 activations Aₖ",
        "channels": "{shown} of {count} channels",
        "gradients": "3 gradients ∂score/∂Aₖ",
        "means": "wₖ = their mean",
        "weighted": "4 wₖ Aₖ",
        "one_scale": "one scale",
        "sum": "5 sum over all {count} channels",
        "range": "from {low:.3g} (blue: against) to {high:.3g} (red: for)",
        "relu": "6 ReLU: the map",
        "map": "grid {grid}, from 0 to {high:.3g} {unit}",
        "overlay": "7 over the original",
        "enlarged": "enlarged to the original's pixels",
        "title": "Grad-CAM at {layer} for {target}",
        "shown": (
            "The {shown} channels shown are those of the largest Σ|wₖ Aₖ|: {share:.0%} of all of "
            "it. Columns 2 and 3: each panel on its own scale (3: blue < 0 < red)."
        ),
        "level": (
            "Every gradient is the same in all cells of its channel here, as where a mean over "
            "the cells follows."
        ),
        "up_to": "up to {limit:.2g}",
        "channel": "channel {number}",
    },
)

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
    shown = words("pipeline.channels", shown=len(channels), count=len(stages.weights))
    columns: Any = figure.subfigures(1, 7, width_ratios=(2.3, 1.2, 1.2, 1.2, 2.2, 2.2, 2.4))
    count = len(stages.weights)
    _column(
        columns[1],
        _two("activations", shown),
        stages.activations[channels],
        False,
        channels,
    )
    weights = [f"w = {number(float(stages.weights[k]), '+.2e')}" for k in channels]
    _column(
        columns[2],
        _two("gradients", words("pipeline.means")),
        stages.gradients[channels],
        True,
        weights,
    )
    _column(
        columns[3],
        _two("weighted", words("pipeline.one_scale")),
        stages.weighted[channels],
        True,
        None,
    )
    image = columns[0].subplots()
    image.imshow(as_rgb(explanation.scan.picture()))
    seen = " × ".join(map(str, explanation.scan.geometry.model))
    seen_text = words("pipeline.seen", image=explanation.scan.id, size=seen)
    _single(image, words("pipeline.input"), seen_text)
    combined = columns[4].subplots()
    _signed(combined, stages.combined, float(stages.combined.abs().max()))
    low, high = float(stages.combined.min()), float(stages.combined.max())
    _single(
        combined,
        words("pipeline.sum", count=count),
        words("pipeline.range", low=low, high=high),
    )
    positive = columns[5].subplots()
    positive.imshow(
        stages.combined.relu().numpy(),
        cmap=colormaps[colormap_name(None, False)],
        vmin=0,
        vmax=max(high, 1e-30),
    )
    grid = " × ".join(map(str, explanation.grid))
    unit = unit_name(explanation)
    _single(
        positive,
        words("pipeline.relu"),
        words("pipeline.map", grid=grid, high=max(high, 0.0), unit=unit),
    )
    overlay = columns[6].subplots()
    overlay_on(overlay, explanation)
    below = scale_text(explanation) if explanation.is_empty else words("pipeline.enlarged")
    _single(overlay, words("pipeline.overlay"), below)
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
    title = words("pipeline.title", layer=explanation.layer, target=target_text(explanation))
    figure.suptitle(title, fontsize=11)
    share = float(stages.share(channels))
    lines = [words("pipeline.shown", shown=len(channels), share=share) + " " + marks_legend()]
    if stages.level:
        lines.append(words("pipeline.level"))
    lines.append(notice_line(explanation.scan.synthetic, "image"))
    figure.supxlabel("\n".join(lines), fontsize=8)
    return figure


def _two(code: str, below: str) -> str:
    return f"{words(f'pipeline.{code}')}\n{below}"


def _column(
    part: Any, title: str, maps: Tensor, signed: bool, below: list[int] | list[str] | None
) -> None:
    """Small maps one below the other; ``below``: what stands under each (a channel's number, its
    weight); None: one scale.
    """
    panels: list[Axes] = list(part.subplots(len(maps), 1, squeeze=False)[:, 0])
    largest = float(maps.abs().max())
    for position, (axes, values) in enumerate(zip(panels, maps)):
        own = largest if below is None else float(values.abs().max())
        if signed:
            _signed(axes, values, own)
        else:
            axes.imshow(values.numpy(), cmap=colormaps["gray"])
        axes.set_xticks([])
        axes.set_yticks([])
        text = words("pipeline.up_to", limit=own) if below is None else below[position]
        if isinstance(text, int):
            text = words("pipeline.channel", number=text)
        axes.set_xlabel(text, fontsize=7.5, labelpad=2)
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
