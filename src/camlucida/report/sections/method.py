"""How the maps were made: methods by their papers, layers, grids, what was explained, how colours relate to numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from camlucida.attribution.methods import METHODS
from camlucida.core.errors import CamlucidaError
from camlucida.core.messages import declare
from camlucida.figures.files import save_figure
from camlucida.figures.pipeline import pipeline_figure
from camlucida.report.document import Block, Message, Paragraph, Picture, Section, Table, Value
from camlucida.report.sections.base import section
from camlucida.report.study import Study

declare(
    "method",
    {
        "made": "{maps} {maps:|map is|maps are} by {title}: {description}.",
        "layers": (
            "Layers, and the size of one cell of their maps in pixels of the "
            "original images (median). Longer side in millimetres: where the file "
            "gives the spacing of its pixels."
        ),
        "head_model": "Model",
        "head_layer": "Layer",
        "head_grid": "Grid",
        "head_cell": "Cell, pixels",
        "head_mm": "Cell, mm",
        "head_maps": "Maps",
        "explained": "In {maps} {maps:|map|maps} the number explained is the {kind} of the target.",
        "signed": (
            "The maps are kept signed and unscaled: {signed} of {maps} have evidence "
            "for and against."
        ),
        "scale": (
            "In the figures each map is divided by its own largest value, which "
            "stands beside it, unless a shared scale is stated; opacity grows with "
            "the value, and zero stays clear."
        ),
        "pipeline": (
            "From the image to the map in one real case: {image}, {target}, by "
            "{model} at {layer}; some of the layer's {of} channels, their gradients "
            "and weights, the weighted sum, its positive part, and that over the "
            "image [@selvaraju2017]."
        ),
    },
)


@section("method", "Method")
def method(study: Study) -> Section:
    """Methods, layers, grids, targets, and the way from an image to its map in a real case."""
    cases = study.cases
    blocks: list[Block] = [Paragraph(tuple(_methods(cases)))]
    head = tuple(
        Message(f"method.head_{name}") for name in ("model", "layer", "grid", "cell", "mm", "maps")
    )
    blocks.append(Table("layers", Message("method.layers"), head, tuple(_layers(study))))
    blocks.append(Paragraph(tuple(_explained(cases))))
    picture = _pipeline(study)
    return Section("method", (*blocks, *([picture] if picture else [])))


def _methods(cases: pd.DataFrame) -> Iterator[Message]:
    counts = cases["method"].value_counts(sort=False)
    for name, count in counts.items():
        title = METHODS[str(name)].title if name in METHODS else str(name)
        values: dict[str, Value] = {
            "maps": int(count),
            "title": title,
            "description": Message(f"methods.{name}"),
        }
        yield Message("method.made", values)


def _layers(study: Study) -> Iterator[tuple[Value, ...]]:
    for _, rows in study.cases.groupby(["model", "layer", "grid"], sort=False):
        model, layer, grid = (rows[key].iloc[0] for key in ("model", "layer", "grid"))
        cells = study.cells.loc[rows.index]
        heights, widths = cells["height"].median(), cells["width"].median()
        yield (
            str(model),
            str(layer),
            " × ".join(map(str, grid)),
            f"{heights:.0f} × {widths:.0f}" if np.isfinite(heights) else "",
            float(cells["mm"].median()),
            len(rows),
        )


def _explained(cases: pd.DataFrame) -> Iterator[Message]:
    for kind, rows in cases.groupby("score_kind", sort=False):
        yield Message("method.explained", {"kind": str(kind), "maps": len(rows)})
    signed = int(((cases["low"] < 0) & (cases["high"] > 0)).sum())
    yield Message("method.signed", {"signed": signed, "maps": len(cases)})
    yield Message("method.scale")


def _pipeline(study: Study) -> Picture | None:
    """The steps of Grad-CAM on the first shown case that has a map by it; None where there is none, or its model is not there."""
    chosen = [row for found in study.selected for row in found.rows]
    cases = study.cases.loc[chosen]
    cases = cases[(cases["method"] == "gradcam") & (cases["empty_reason"] == "")]
    for _, case in cases[:1].iterrows():
        try:
            stages = study.stages(case)
            figure = pipeline_figure(stages)
        except CamlucidaError:
            return None
        save_figure(figure, study.folder / "figures/method")
        names = {key: str(case[key]) for key in ("image", "target", "model", "layer")}
        return Picture(
            "figures/method", Message("method.pipeline", {**names, "of": len(stages.weights)})
        )
    return None
