"""How the maps were made: methods, layers, grids, explained scores, colour scales."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import pandas as pd

from camlucida.attribution.methods import METHODS
from camlucida.attribution.stages import Stages, grad_cam_stages
from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.messages import declare, score_name
from camlucida.figures.files import save_figure
from camlucida.figures.pipeline import pipeline_figure
from camlucida.models import load_model
from camlucida.report.data import ReportData
from camlucida.report.document import Block, Message, Paragraph, Picture, Section, Table, Value
from camlucida.report.sections.base import section

declare(
    "method",
    {
        "made": "{maps} {maps:|map was|maps were} computed with {title}: {description}.",
        "layers": (
            "Layers, and the median size of a cell of their maps in pixels of the "
            "original image; in millimetres where the pixel spacing is known."
        ),
        "head_model": "Model",
        "head_layer": "Layer",
        "head_grid": "Grid",
        "head_cell": "Cell, pixels",
        "head_mm": "Cell, mm",
        "head_maps": "Maps",
        "explained": (
            "The explained score of {maps} {maps:|map|maps} is the {kind} of the target."
        ),
        "signed": (
            "Maps are stored signed and unscaled; {signed} of {maps} have both "
            "positive and negative values."
        ),
        "scale": (
            "In figures each map is scaled by its maximum, which is stated beside "
            "it, unless a shared scale is stated. Opacity is proportional to the "
            "value, and zero is transparent."
        ),
        "pipeline": (
            "Grad-CAM step by step: {target} in {image}, {model} at {layer}. From "
            "left to right: the image; some of the {of} channels with their "
            "gradients and weights; the weighted sum; its positive part, the map; "
            "and the overlay [@selvaraju2017]."
        ),
    },
)


@section("method", "Method", needs=("cells", "chosen"))
def method(report: ReportData) -> Section:
    """Methods, layers, grids, targets, and the way from an image to its map in a real case."""
    cases = report.cases
    blocks: list[Block] = [Paragraph(tuple(_methods(cases)))]
    head = tuple(
        Message(f"method.head_{name}") for name in ("model", "layer", "grid", "cell", "mm", "maps")
    )
    blocks.append(Table("layers", Message("method.layers"), head, tuple(_layers(report))))
    blocks.append(Paragraph(tuple(_explained(cases))))
    picture = _pipeline(report)
    return Section("method", (*blocks, *([picture] if picture else [])))


def _methods(cases: pd.DataFrame) -> Iterator[Message]:
    counts = cases["method"].value_counts(sort=False)
    for name, count in counts.items():
        known = METHODS[str(name)] if name in METHODS else None
        values: dict[str, Value] = {
            "maps": int(count),
            "title": str(name) if known is None else known.title,
            "description": Message(f"methods.{name}") if known is None else known.described,
        }
        yield Message("method.made", values)


def _layers(report: ReportData) -> Iterator[tuple[Value, ...]]:
    for _, rows in report.cases.groupby(["model", "layer", "grid"], sort=False):
        model, layer, grid = (rows[key].iloc[0] for key in ("model", "layer", "grid"))
        cells = report.cells.loc[rows.index]
        sides = cells[["depth", "height", "width"]].median().dropna()
        yield (
            str(model),
            str(layer),
            " × ".join(map(str, grid)),
            " × ".join(f"{side:.0f}" for side in sides),
            float(cells["mm"].median()),
            len(rows),
        )


def _explained(cases: pd.DataFrame) -> Iterator[Message]:
    for kind, rows in cases.groupby("score_kind", sort=False):
        yield Message("method.explained", {"kind": score_name(str(kind)), "maps": len(rows)})
    signed = int(((cases["low"] < 0) & (cases["high"] > 0)).sum())
    yield Message("method.signed", {"signed": signed, "maps": len(cases)})
    yield Message("method.scale")


def _pipeline(report: ReportData) -> Picture | None:
    """The steps of Grad-CAM on the first shown case that has a map by it.

    None where there is none, or where its model or image is not what it was.
    """
    chosen = chain.from_iterable(selected.rows for selected in report.selected)
    cases = report.cases.loc[list(chosen)]
    cases = cases[(cases["method"] == "gradcam") & (cases["empty_reason"] == "")]
    if cases.empty:
        return None
    case = cases.iloc[0]
    try:
        stages = _stages(report, case)
        figure = pipeline_figure(stages)
    except CamlucidaError:
        return None
    save_figure(figure, report.folder / "figures/method")
    names: dict[str, Value] = {key: str(case[key]) for key in ("image", "target", "model", "layer")}
    caption = Message("method.pipeline", {**names, "of": len(stages.weights)})
    return Picture("figures/method", caption)


def _stages(report: ReportData, case: pd.Series) -> Stages:
    """The steps of Grad-CAM on a case, with the model of its run.

    Raises:
        CamlucidaError: the model or the image is missing, or is not that of the run.
    """
    models = report.runs[int(case["run"])].about["models"]
    described = next(model for model in models if model["name"] == case["model"])
    model = load_model(
        described["card"],
        checkpoint=described["checkpoint"],
        output=described["output"],
        device="cpu",
    )
    scan = report.map_of(case.name).scan
    if model.sha256 != described["sha256"] or scan.display is None:
        raise UsageError(f"the model or the image of {case['image']} is not that of the run")
    target = str(case["label"] or case["target"])
    return grad_cam_stages(model, scan, target, str(case["layer"]))
