"""Figures of the pack: a class grid a run, its layers, and the runs compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from camlucida.analysis.comparison import Comparison
from camlucida.analysis.selection import Selected, select
from camlucida.core.messages import Message, declare
from camlucida.figures.class_grid import Example, class_grid
from camlucida.figures.consistency import (
    all_series_figure,
    consistency_figure,
    panel_figure,
    read_panel,
    verdicts_figure,
)
from camlucida.figures.files import save_figure
from camlucida.figures.grids import GridRow, layer_comparison
from camlucida.figures.style import words
from camlucida.io.records import records_of
from camlucida.runs import Run
from camlucida.workflows.training_runs.maps import TrainingMaps
from camlucida.workflows.training_runs.summary import TrainingSummary

declare(
    "pack_figures",
    {
        "grid": "{run}: {method} at {layer}, target {target}",
        "no_case": "{run}: target {target}",
        "shown": "Shown: {rule}.",
        "case": "{image}: true class {truth}, predicted {predicted}",
    },
)


@dataclass(frozen=True)
class TrainingFigure:
    """A figure of a training run.

    Attributes:
        stem: of its files.
        figure: as drawn.
        rule: of its cases.
        scale: value of full colour.
        signed: whether a map has negative cells.
    """

    stem: str
    figure: Figure
    rule: Message
    scale: str = ""
    signed: bool = False

    def save(self, assets: Path) -> list[Path]:
        """Write it as PNG and PDF; the paths."""
        return save_figure(self.figure, assets / self.stem)


def class_figure(maps: TrainingMaps, summary: TrainingSummary, per_class: int) -> TrainingFigure:
    """Draw examples of each class: those nearest to the class's median loss.

    Args:
        maps: of the run.
        summary: of the run.
        per_class: examples of each class.
    """
    selected = _select(maps, per_class)
    cases = maps.main.loc[selected.rows]
    examples: dict[str, list[Example]] = {}
    for name in summary.classes:
        examples[name] = [_example(maps, row) for row in _rows_of_class(cases, name)]
    about = {"run": summary.key.replace("_", " "), "target": summary.target}
    title = words("pack_figures.no_case", **about)
    if len(cases):
        method = str(cases["method"].iloc[0])
        title = words("pack_figures.grid", method=method, layer=maps.layers[0], **about)
    notes = [words("pack_figures.shown", rule=selected.description)]
    figure, limit = class_grid(examples, per_class, title=title, notes=notes)
    shown = chain.from_iterable(examples.values())
    signed = any(example.explanation.signed for example in shown)
    return TrainingFigure(summary.figure, figure, selected.description, f"{limit:.3g}", signed)


def layers_figure(maps: TrainingMaps, summary: TrainingSummary, name: str) -> TrainingFigure | None:
    """Draw one example of each class at every layer; None for one layer, or without an example.

    Args:
        maps, summary: of the run.
        name: of the pack.
    """
    if len(maps.layers) < 2:
        return None
    selected = _select(maps, 1)
    rows = [_layers_row(maps, case) for case in records_of(maps.main.loc[selected.rows])]
    if not rows:
        return None
    title = summary.key.replace("_", " ")
    notes = [words("pack_figures.shown", rule=selected.description)]
    figure = layer_comparison(rows, maps.layers, title, notes)
    return TrainingFigure(f"{name}_layers_{summary.key}", figure, selected.description)


def comparison_figures(
    assets: Path, name: str, comparisons: Mapping[str, Comparison], runs: Sequence[Run]
) -> list[Path]:
    """Write the figures of seeds and folds compared; the paths.

    ``NAME_series``, ``NAME_consistency``, ``NAME_verdicts`` and ``NAME_cases`` of seeds,
    ``NAME_folds`` of folds.

    Args:
        assets: folder.
        name: of the pack.
        comparisons: by what varies.
        runs: of the maps.
    """
    written: list[Path] = []
    for stem, figure in _comparison_figures(name, comparisons, runs):
        written += save_figure(figure, assets / stem)
    return written


def _comparison_figures(
    name: str, comparisons: Mapping[str, Comparison], runs: Sequence[Run]
) -> Iterator[tuple[str, Figure]]:
    seeds, folds = comparisons.get("seed"), comparisons.get("fold")
    if seeds is not None:
        yield f"{name}_series", all_series_figure(seeds)
        if len(seeds.cases):
            yield f"{name}_consistency", consistency_figure(seeds)
            yield f"{name}_verdicts", verdicts_figure(seeds)
            cases = _cases_figure(seeds, runs)
            if cases is not None:
                yield f"{name}_cases", cases
    if folds is not None:
        yield f"{name}_folds", all_series_figure(folds)


def _cases_figure(seeds: Comparison, runs: Sequence[Run]) -> Figure | None:
    group = str(seeds.all_series["group"].iloc[0])
    panel = read_panel(seeds, group, lambda run, index: runs[run].explanation(index))
    return None if panel is None else panel_figure(panel)


def _select(maps: TrainingMaps, per_class: int) -> Selected:
    return select(maps.main, [f"per-class:{per_class}"], maps.main_heat)[0]


def _rows_of_class(cases: pd.DataFrame, name: str) -> list[dict[str, Any]]:
    return records_of(cases[cases["true_class"] == name])


def _example(maps: TrainingMaps, row: Mapping[str, Any]) -> Example:
    explanation = maps.run.explanation(int(row["explanation"]))
    return Example(explanation, row["predicted"], row["true_class"], maps.confidence[row["image"]])


def _layers_row(maps: TrainingMaps, case: Mapping[str, Any]) -> GridRow:
    """The maps of one case at every layer; None where a layer has none."""
    cases = maps.cases
    same = cases[(cases["image"] == case["image"]) & (cases["target"] == case["target"])]
    indices = dict(zip(same["layer"], same["explanation"]))
    explanations = [
        maps.run.explanation(int(indices[layer])) if layer in indices else None
        for layer in maps.layers
    ]
    title = words(
        "pack_figures.case",
        image=str(case["image"]),
        truth=str(case["true_class"]),
        predicted=str(case["predicted"]),
    )
    return GridRow(title, explanations)
