"""What ``camlucida evaluate RUN`` measured, where it was run: faithfulness, localisation and sanity, beside baselines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import pandas as pd

from camlucida.evaluation.maps.folder import ABOUT, Evaluated, read
from camlucida.evaluation.maps.summary import (
    gate_table,
    headline,
    over_all_labels,
    summarise,
    title,
)
from camlucida.report.document import NAN, Block, Estimate, Message, Paragraph, Table, Value
from camlucida.report.study import Study


@dataclass(frozen=True)
class Evaluation:
    """What ``camlucida evaluate`` wrote of a model of a run: the model's name there, its weights, and the tables."""

    model: str
    sha256: str
    tables: Evaluated


def evaluations(study: Study) -> Iterator[Evaluation]:
    """Each evaluation in the folders of the runs, of weights that the run has; others are of another model by now."""
    for run in study.runs:
        names = {model["sha256"]: str(model["name"]) for model in run.about["models"]}
        place = run.folder.root / "evaluation"
        for about in sorted([*place.glob(ABOUT), *place.glob(f"*/{ABOUT}")]):
            found = read(Path(about).parent)
            sha256 = str(found.about["model"]["sha256"])
            if sha256 in names:
                yield Evaluation(names[sha256], sha256, found)


def evaluated(study: Study) -> list[Block]:
    """Tables and sentences of all evaluations; none where nothing was evaluated."""
    blocks: list[Block] = []
    for found in evaluations(study):
        rows = found.tables.tables.rows
        if len(rows):
            summary = summarise(rows)
            blocks.append(_scores(found.model, summary))
            if any("road" in name for name, _ in headline(summary)):
                blocks.append(Paragraph((Message("quality.road"),)))
        gate = sanity_gate(found.tables)
        if gate is not None:
            blocks.append(Paragraph(tuple(_sanity(found.model, gate))))
    return blocks


def sanity_gate(found: Evaluated) -> pd.DataFrame | None:
    """One row a method, layer and mode: whether it passed; None where the check was not run, or decided nothing."""
    if found.sanity.empty:
        return None
    gate = gate_table(found.sanity)
    gate = gate[gate["decisive"] & gate["passed"].notna()]
    return None if gate.empty else gate


def _scores(model: str, summary: pd.DataFrame) -> Table:
    table, columns = over_all_labels(summary), headline(summary)
    head = (
        Message("quality.head_method"),
        *(Message("words.plain", {"text": title(name, output)}) for name, output in columns),
    )
    rows = []
    for (method, layer), part in table.groupby(["method", "layer"], sort=False):
        kind = "baseline" if bool(part["baseline"].any()) else "candidate"
        cells = [
            Message(f"quality.{kind}", {"method": str(method), "layer": str(layer)}),
            *(_cell(part, *c) for c in columns),
        ]
        rows.append(tuple(cells))
    return Table("evaluated", Message("quality.evaluated", {"model": model}), head, tuple(rows))


def _cell(part: pd.DataFrame, name: str, output: str) -> Value:
    line = part[(part["metric"] == name) & (part["output"] == output)]
    if line.empty or not isfinite(line["estimate"].iloc[0]):
        return NAN
    row = line.iloc[0]
    sure = row["interval_method"] != "none"
    return Estimate(
        row["estimate"], row["low"] if sure else NAN, row["high"] if sure else NAN, row["chance"]
    )


def _sanity(model: str, gate: pd.DataFrame) -> Iterator[Message]:
    for row in gate.itertuples():
        key = "quality.sanity_passed" if row.passed else "quality.sanity_failed"
        values = {"similarity": float(row.similarity), "null": float(row.null), "p": float(row.p)}  # type: ignore[arg-type]
        if all(map(isfinite, values.values())):
            yield Message(
                key,
                {
                    "model": model,
                    "method": str(row.method),
                    "layer": str(row.layer),
                    "mode": str(row.mode),
                    **values,
                },
            )
