"""Figures of the pack: a class grid a run, its layers, and the runs compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from camlucida.analysis.comparison import Comparison
from camlucida.analysis.selection import Selected, select
from camlucida.core.messages import Message
from camlucida.figures.class_grid import Example, class_grid
from camlucida.figures.consistency import (
    all_series_figure,
    consistency_figure,
    panel_figure,
    verdicts_figure,
)
from camlucida.figures.files import save_figure
from camlucida.figures.grids import GridRow, layer_comparison
from camlucida.runs import Run
from camlucida.runs.read import stored_geometry

if TYPE_CHECKING:
    from camlucida.workflows.training_runs.summary import TrainingSummary


@dataclass(frozen=True)
class TrainingMaps:
    """The maps of one run.

    Attributes:
        run: open.
        place: of the run in the tables.
        cases, heat: of all runs.
    """

    run: Run
    place: int
    cases: pd.DataFrame
    heat: pd.DataFrame

    @cached_property
    def own(self) -> pd.DataFrame:
        """Cases of this run, every layer."""
        return self.cases[self.cases["run"] == self.place]

    @cached_property
    def layers(self) -> list[str]:
        """In the order in which they were asked for."""
        return list(dict.fromkeys(self.own["layer"]))

    @cached_property
    def main(self) -> pd.DataFrame:
        """Cases of the first layer."""
        return self.own[self.own["layer"] == self.layers[0]]

    @property
    def main_heat(self) -> pd.DataFrame:
        return self.heat.loc[self.main.index]

    @cached_property
    def confidence(self) -> Mapping[str, float]:
        """Image → probability of the predicted class."""
        return {
            str(image): float(value)
            for image, value in self.run.predictions().groupby("image")["probability"].max().items()
        }

    def cell(self) -> float:
        """Longer side of a cell of the first layer's maps, in pixels of the image; median over images."""
        explained = self.run.explanations()
        rows = explained.loc[self.main["explanation"]]
        return float(
            np.median(
                [max(stored_geometry(row).cell(row["grid"])) for row in rows.to_dict("records")]
            )
        )


@dataclass(frozen=True)
class TrainingFigure:
    """A figure with its stem; the value of full colour and the rule of its cases; whether a map has negative cells."""

    stem: str
    figure: Figure
    rule: Message
    scale: str = ""
    signed: bool = False


def save(assets: Path, drawn: TrainingFigure) -> list[Path]:
    """As PNG and PDF."""
    return save_figure(drawn.figure, assets / drawn.stem)


def class_figure(maps: TrainingMaps, told: TrainingSummary, per_class: int) -> TrainingFigure:
    """Examples of each class, those nearest to the class's median loss."""
    chosen = _chosen(maps, per_class)
    cases = maps.main.loc[chosen.rows]
    rows = {name: [_example(maps, row) for row in _of_class(cases, name)] for name in told.classes}
    where = f"{cases['method'].iloc[0]} at {maps.layers[0]}" if len(cases) else ""
    title = f"{told.key.replace('_', ' ')}: {where}, target {told.target}"
    figure, limit = class_grid(
        rows, per_class, title=title, notes=[f"Shown: {chosen.description}."]
    )
    signed = any(example.explanation.signed for row in rows.values() for example in row)
    return TrainingFigure(told.figure, figure, chosen.description, f"{limit:.3g}", signed)


def layers_figure(maps: TrainingMaps, told: TrainingSummary, name: str) -> TrainingFigure | None:
    """One example of each class at every layer; None for one layer."""
    if len(maps.layers) < 2:
        return None
    chosen = _chosen(maps, 1)
    rows = []
    for case in maps.main.loc[chosen.rows].to_dict("records"):
        same = maps.own[
            (maps.own["image"] == case["image"]) & (maps.own["target"] == case["target"])
        ]
        at = dict(zip(same["layer"], same["explanation"]))
        shown = [
            maps.run.explanation(int(at[layer])) if layer in at else None for layer in maps.layers
        ]
        rows.append(
            GridRow(
                f"{case['image']}: true class {case['true_class']}, says {case['predicted']}", shown
            )
        )
    if not rows:
        return None
    figure = layer_comparison(
        rows, maps.layers, told.key.replace("_", " "), [f"Shown: {chosen.description}."]
    )
    return TrainingFigure(f"{name}_layers_{told.key}", figure, chosen.description)


def comparison_figures(
    assets: Path, name: str, comparisons: Mapping[str, Comparison], runs: Sequence[Run]
) -> list[Path]:
    """``NAME_consistency``, ``NAME_verdicts``, ``NAME_cases`` and ``NAME_all_series`` of seeds, ``NAME_folds`` of folds."""
    return [
        path
        for stem, figure in _comparisons(name, comparisons, runs)
        if figure is not None
        for path in save_figure(figure, assets / stem)
    ]


def _comparisons(
    name: str, comparisons: Mapping[str, Comparison], runs: Sequence[Run]
) -> list[tuple[str, Figure | None]]:
    found: list[tuple[str, Figure | None]] = []
    seeds, folds = comparisons.get("seed"), comparisons.get("fold")
    if seeds is not None:
        found.append((f"{name}_series", all_series_figure(seeds)))
        if len(seeds.cases):
            group = str(seeds.all_series["group"].iloc[0])
            found.append((f"{name}_consistency", consistency_figure(seeds)))
            found.append((f"{name}_verdicts", verdicts_figure(seeds)))
            found.append(
                (
                    f"{name}_cases",
                    panel_figure(seeds, group, lambda run, index: runs[run].explanation(index)),
                )
            )
    if folds is not None:
        found.append((f"{name}_folds", all_series_figure(folds)))
    return found


def _chosen(maps: TrainingMaps, per_class: int) -> Selected:
    return select(maps.main, [f"per-class:{per_class}"], maps.main_heat)[0]


def _of_class(cases: pd.DataFrame, name: str) -> list[dict[str, Any]]:
    return [
        {str(key): value for key, value in row.items()}
        for row in cases[cases["true_class"] == name].to_dict("records")
    ]


def _example(maps: TrainingMaps, row: Mapping[str, Any]) -> Example:
    explanation = maps.run.explanation(int(row["explanation"]))
    return Example(explanation, row["predicted"], row["true_class"], maps.confidence[row["image"]])
