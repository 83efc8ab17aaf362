"""What ``camlucida evaluate RUN`` wrote into the folders of the runs that are reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from camlucida.evaluation.maps.folder import ABOUT, Evaluated, read
from camlucida.evaluation.maps.summary import differences, gate_table, summarise
from camlucida.runs import Run

SUMMARY_FILE = "summary.csv"
DIFFERENCES_FILE = "differences.csv"

TEXT_COLUMNS = ("label", "method", "layer", "metric", "output", "family", "interval_method")
"""Of the summary, in which a blank is a text, not a missing number."""
DIFFERENCE_TEXTS = ("layer", "metric", "output", "family", "first", "second", "better")
"""The same of the differences."""


@dataclass(frozen=True)
class Evaluation:
    """An evaluation of the maps of a model of a run.

    Attributes:
        model: its name in the run.
        sha256: of its weights.
        summary: means with the intervals that the evaluation has; empty where nothing was scored.
        gate: one row a method, layer and label: the verdict of the sanity check; None where the
            check was not run.
        differences: paired differences of methods and baselines; empty where nothing was scored.
    """

    model: str
    sha256: str
    summary: pd.DataFrame
    gate: pd.DataFrame | None
    differences: pd.DataFrame = field(default_factory=pd.DataFrame)


def read_evaluations(runs: Sequence[Run]) -> Iterator[Evaluation]:
    """Each evaluation of weights that its run has; others are of another model by now."""
    for run in runs:
        for folder, model, evaluated in stored_evaluations(run):
            rows = evaluated.tables.rows
            yield Evaluation(
                model=model,
                sha256=str(evaluated.about["model"]["sha256"]),
                summary=_summary(folder, rows),
                gate=sanity_gate(evaluated.sanity),
                differences=_differences(folder, rows),
            )


def stored_evaluations(run: Run) -> Iterator[tuple[Path, str, Evaluated]]:
    """Folder, name of the model, and tables of each evaluation of weights that the run has."""
    names = {model["sha256"]: str(model["name"]) for model in run.about["models"]}
    root = run.folder.root / "evaluation"
    for about in sorted([*root.glob(ABOUT), *root.glob(f"*/{ABOUT}")]):
        evaluated = read(about.parent)
        sha256 = str(evaluated.about["model"]["sha256"])
        if sha256 in names:
            yield about.parent, names[sha256], evaluated


def _summary(folder: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """The evaluation's means and intervals; computed where its summary was not written."""
    path = folder / SUMMARY_FILE
    if not path.is_file():
        return summarise(rows) if len(rows) else pd.DataFrame()
    return _with_texts(pd.read_csv(path), TEXT_COLUMNS)


def _differences(folder: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """The evaluation's paired differences; computed where they were not written."""
    path = folder / DIFFERENCES_FILE
    if not path.is_file():
        return differences(rows) if len(rows) else pd.DataFrame()
    return _with_texts(pd.read_csv(path), DIFFERENCE_TEXTS)


def _with_texts(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The table with blanks as texts in these columns."""
    texts = [name for name in columns if name in table]
    # A column of blanks alone was read as numbers.
    table[texts] = table[texts].astype(object).fillna("").astype(str)
    return table


def sanity_gate(sanity: pd.DataFrame) -> pd.DataFrame | None:
    """The rows that decide whether maps depend on the weights; None where there are none."""
    if sanity.empty:
        return None
    gate = gate_table(sanity)
    gate = gate[gate["decisive"].astype(bool)]
    return None if gate.empty else gate
