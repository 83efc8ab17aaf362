"""The figures of one image: a sheet a target, methods side by side, layers side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from camlucida.attribution.explanation import Explanation
from camlucida.attribution.identical import identical_methods
from camlucida.attribution.input_probe import INPUT
from camlucida.core.files import slug
from camlucida.core.messages import Value, declare
from camlucida.figures.files import save_figure
from camlucida.figures.grids import NO_MAP, GridRow, layer_comparison, method_comparison
from camlucida.figures.segmentation import analysis_sheet
from camlucida.figures.style import words
from camlucida.metrics.segmentation import Mask
from camlucida.workflows.segmentation.run_view import SegmentationCase, SegmentationRun
from camlucida.workflows.segmentation.sheet import behind, facts, warnings

declare(
    "segmentation_figures",
    {
        "methods": "{image}: methods at {layer}",
        "layers": "{image}: {method} at {count} layers",
        "circular": "{layer} (circular)",
        "explained": "explained: {target}",
        "target": "target: {target}",
        "truth": "truth",
        "prediction": "prediction",
        "empty": "{name} (empty)",
        "identical": "{first} and {second} are identical up to scale.",
    },
)


def write_pictures(
    run: SegmentationRun,
    case: SegmentationCase,
    maps: Mapping[int, Explanation],
    rows: Mapping[int, Mapping[str, Any]],
    out: Path,
    stem: str,
) -> list[str]:
    """Write the figures of one image as PNG and PDF; the names of the PNG files.

    Args:
        run: of the image.
        case: the image.
        maps: row of the run's explanations → map.
        rows: the same → its numbers.
        out: folder.
        stem: of the file names; unique in the folder.
    """
    pictures = _Pictures(run, case, maps, rows)
    figures = pictures.sheets(stem)
    if len(pictures.methods) > 1:
        figures[f"{stem}_methods"] = pictures.methods_figure()
    if len(pictures.layers) > 1:
        figures[f"{stem}_layers"] = pictures.layers_figure()
    for name, figure in figures.items():
        save_figure(figure, out / name)
    return [f"{name}.png" for name in figures]


@dataclass(frozen=True)
class _Pictures:
    """The maps of one image, by target, method and layer."""

    run: SegmentationRun
    case: SegmentationCase
    maps: Mapping[int, Explanation]
    rows: Mapping[int, Mapping[str, Any]]

    @cached_property
    def index_of(self) -> dict[tuple[str, str, str], int]:
        """(target, method, layer path) → row of the map."""
        frame = self.run.explanations.iloc[list(self.maps)]
        regions = zip(frame["label"], frame["target_name"])
        targets = [self.run.target_name(label, region) for label, region in regions]
        return dict(zip(zip(targets, frame["method"], frame["layer"]), self.maps))

    @cached_property
    def targets(self) -> list[str]:
        return list(dict.fromkeys(target for target, _, _ in self.index_of))

    @cached_property
    def methods(self) -> list[str]:
        return list(dict.fromkeys(method for _, method, _ in self.index_of))

    @cached_property
    def layers(self) -> list[str]:
        """Paths, in the order of the request; the input where no map is of a layer."""
        mapped = {layer for _, _, layer in self.index_of}
        return [layer.path for layer in self.run.layers if layer.path in mapped] or [INPUT]

    def _index(self, target: str, method: str) -> int | None:
        """The row of a method's map at the first layer; one of the pixels has one map."""
        at_layer = self.index_of.get((target, method, self.layers[0]))
        return self.index_of.get((target, method, INPUT)) if at_layer is None else at_layer

    def sheets(self, stem: str) -> dict[str, Figure]:
        """File name → sheet of each target and method, at the first layer."""
        sheets: dict[str, Figure] = {}
        for target, method in product(self.targets, self.methods):
            index = self._index(target, method)
            if index is not None:
                # The sheet of the first target and method has the short name.
                part = "" if target == self.targets[0] else f"_{slug(target)}"
                part += "" if method == self.methods[0] else f"_{slug(method)}"
                sheets[f"{stem}{part}_analysis"] = self._sheet(target, index)
        return sheets

    def methods_figure(self) -> Figure:
        """All methods at the first layer, a row a target."""
        layer = self.layers[0]
        grid: dict[str, list[int | None]] = {}
        for target in self.targets:
            grid[target] = [self._index(target, method) for method in self.methods]
        title = _text("methods", image=self.case.image, layer=self.run.layer(layer).name)
        return method_comparison(self._grid_rows(grid), title, self._identical(layer))

    def layers_figure(self) -> Figure:
        """The first method of layers at all of them, a row a target."""
        method = next(method for _, method, layer in self.index_of if layer != INPUT)
        grid: dict[str, list[int | None]] = {}
        for target in self.targets:
            keys = ((target, method, layer) for layer in self.layers)
            grid[target] = list(map(self.index_of.get, keys))
        layers = [self.run.layer(path) for path in self.layers]
        names = [
            _text("circular", layer=layer.name) if layer.behind else layer.name for layer in layers
        ]
        circular = [layer.name for layer in layers if layer.behind]
        notes = []
        if circular:
            notes.append(words("circular.line", reason=behind(circular)))
        title = _text("layers", image=self.case.image, method=method, count=len(layers))
        return layer_comparison(self._grid_rows(grid), names, title, notes)

    def _sheet(self, target: str, index: int) -> Figure:
        row, region = self.rows[index], self.run.region(self.case, index)
        outlines = self._outlines(row["label"])
        if row["target_source"] in ("component", "pixel"):
            outlines[_text("explained", target=target)] = region
        lines = warnings(row)
        explanation = self.maps[index]
        return analysis_sheet(explanation, region, facts(row), outlines=outlines, warnings=lines)

    def _grid_rows(self, grid: Mapping[str, Sequence[int | None]]) -> list[GridRow]:
        """One row a target that has a map."""
        rows = []
        missing = self.case.note or NO_MAP
        for target, indices in grid.items():
            present = [index for index in indices if index is not None]
            if present:
                outlines = self._outlines(self.rows[present[0]]["label"])
                shown = [None if index is None else self.maps[index] for index in indices]
                rows.append(GridRow(_text("target", target=target), shown, outlines, missing))
        return rows

    def _outlines(self, label: str) -> dict[str, Mask]:
        """Ground truth and prediction, where there is one; empty ones are named so."""
        masks = {"truth": self.case.truth(label), "prediction": self.case.predicted.get(label)}
        outlines = {}
        for name, mask in masks.items():
            if mask is not None:
                outlined = _text(name)
                outlines[outlined if mask.any() else _text("empty", name=outlined)] = mask
        return outlines

    def _identical(self, layer: str) -> list[str]:
        at_layer = [each for each in self.maps.values() if each.layer == layer]
        pairs = sorted(identical_methods(at_layer))
        return [_text("identical", first=pair.first, second=pair.second) for pair in pairs]


def _text(name: str, /, **values: Value) -> str:
    return words(f"segmentation_figures.{name}", **values)
