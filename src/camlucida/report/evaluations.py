"""What ``camlucida evaluate RUN`` wrote into the folders of the runs that are reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from camlucida.evaluation.maps.folder import ABOUT, read
from camlucida.evaluation.maps.summary import gate_table, summarise
from camlucida.runs import Run

SUMMARY_FILE = "summary.csv"

TEXT_COLUMNS = ("label", "method", "layer", "metric", "output", "family", "interval_method")
"""Of the summary, in which a blank is a text, not a missing number."""


@dataclass(frozen=True)
class Evaluation:
    """An evaluation of the maps of a model of a run.

    Attributes:
        model: its name in the run.
        sha256: of its weights.
        summary: means with the intervals that the evaluation has; empty where nothing was scored.
        gate: one row a method, layer and mode: whether it passed the sanity check; None where the
            check was not run, or decided nothing.
    """

    model: str
    sha256: str
    summary: pd.DataFrame
    gate: pd.DataFrame | None


def read_evaluations(runs: Sequence[Run]) -> Iterator[Evaluation]:
    """Each evaluation of weights that its run has; others are of another model by now."""
    for run in runs:
        names = {model["sha256"]: str(model["name"]) for model in run.about["models"]}
        folder = run.folder.root / "evaluation"
        for about in sorted([*folder.glob(ABOUT), *folder.glob(f"*/{ABOUT}")]):
            evaluated = read(about.parent)
            sha256 = str(evaluated.about["model"]["sha256"])
            if sha256 in names:
                summary = _summary(about.parent, evaluated.tables.rows)
                yield Evaluation(names[sha256], sha256, summary, sanity_gate(evaluated.sanity))


def _summary(folder: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """The evaluation's means and intervals; computed where its summary was not written."""
    path = folder / SUMMARY_FILE
    if not path.is_file():
        return summarise(rows) if len(rows) else pd.DataFrame()
    summary = pd.read_csv(path)
    texts = [name for name in TEXT_COLUMNS if name in summary]
    summary[texts] = summary[texts].fillna("").astype(str)
    return summary


def sanity_gate(sanity: pd.DataFrame) -> pd.DataFrame | None:
    """The rows that decide whether a method passed; None where there are none."""
    if sanity.empty:
        return None
    gate = gate_table(sanity)
    gate = gate[gate["decisive"] & gate["passed"].notna()]
    return None if gate.empty else gate
