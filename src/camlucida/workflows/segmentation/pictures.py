"""The figures of one image: a sheet a target, methods side by side, layers side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from camlucida.attribution.explanation import Explanation
from camlucida.attribution.identical import identical_methods
from camlucida.core.files import slug
from camlucida.figures.files import save_figure
from camlucida.figures.grids import GridRow, layer_comparison, method_comparison
from camlucida.figures.segmentation import analysis_sheet
from camlucida.metrics.segmentation import Mask
from camlucida.workflows.segmentation import words
from camlucida.workflows.segmentation.statistics import SegmentationCase, SegmentationRun


def write_pictures(
    study: SegmentationRun,
    case: SegmentationCase,
    maps: Mapping[int, Explanation],
    rows: Mapping[int, Mapping[str, Any]],
    out: Path,
    stem: str,
) -> list[str]:
    """Write the figures of one image as PNG and PDF; names of the PNG files.

    Args:
        maps: row of the run's explanations → map.
        rows: the same → its numbers.
        out: folder.
        stem: of the file names; unique in the folder.
    """
    frame = study.explanations.iloc[list(maps)]
    named = [study.named(label, asked) for label, asked in zip(frame["label"], frame["asked"])]
    keys = zip(named, frame["method"], frame["layer"])
    methods, layers = (
        list(dict.fromkeys(frame["method"])),
        [layer.path for layer in study.layers if layer.path in set(frame["layer"])],
    )
    asked = list(dict.fromkeys(named))
    place = dict(zip(keys, maps))
    figures: dict[str, Figure] = {}
    for target in asked:
        index = place.get((target, methods[0], layers[0]))
        if index is not None:
            name = f"{stem}_analysis" if target == asked[0] else f"{stem}_{slug(target)}_analysis"
            region = study.region(case, index)
            outlines = _outlines(case, rows[index]["label"]) | (
                {f"explained: {target}": region}
                if rows[index]["target"][:4] in ("comp", "pixe")
                else {}
            )
            warned = words.warnings(rows[index])
            figures[name] = analysis_sheet(
                maps[index], region, words.facts(rows[index]), outlines=outlines, warnings=warned
            )
    if len(methods) > 1:
        grid = [[place.get((target, method, layers[0])) for method in methods] for target in asked]
        title = f"{case.image}: methods at {study.layer(layers[0]).name}"
        figures[f"{stem}_methods"] = method_comparison(
            _rows(case, asked, grid, maps, rows), title, _same(maps, layers[0])
        )
    if len(layers) > 1:
        grid = [[place.get((target, methods[0], layer)) for layer in layers] for target in asked]
        names = [
            study.layer(path).name + (" (circular)" if study.layer(path).behind else "")
            for path in layers
        ]
        behind = [study.layer(path).name for path in layers if study.layer(path).behind]
        notes = [f"Circular: {words.BEHIND.format(layers=', '.join(behind))}."] if behind else []
        title = f"{case.image}: {methods[0]} at {len(layers)} layers"
        figures[f"{stem}_layers"] = layer_comparison(
            _rows(case, asked, grid, maps, rows), names, title, notes
        )
    for name, figure in figures.items():
        save_figure(figure, out / name)
    return [f"{name}.png" for name in figures]


def _rows(
    case: SegmentationCase,
    asked: Sequence[str],
    grid: Sequence[Sequence[int | None]],
    maps: Mapping[int, Explanation],
    rows: Mapping[int, Mapping[str, Any]],
) -> list[GridRow]:
    """One row a target that has a map."""
    found = []
    for target, places in zip(asked, grid):
        known = [index for index in places if index is not None]
        if known:
            outlines = _outlines(case, rows[known[0]]["label"])
            shown = [None if index is None else maps[index] for index in places]
            found.append(GridRow(f"target: {target}", shown, outlines, case.note or "no map"))
    return found


def _outlines(case: SegmentationCase, label: str) -> dict[str, Mask]:
    """Truth and prediction, as far as there are any; empty ones are named so."""
    masks = {"truth": case.truth, "prediction": case.predicted.get(label)}
    return {
        name if mask.any() else f"{name} (empty)": mask
        for name, mask in masks.items()
        if mask is not None
    }


def _same(maps: Mapping[int, Explanation], layer: str) -> list[str]:
    same = sorted(
        identical_methods(
            [explanation for explanation in maps.values() if explanation.layer == layer]
        )
    )
    return [
        f"{first} and {second} are one and the same map here, up to scale."
        for first, second, _ in same
    ]
