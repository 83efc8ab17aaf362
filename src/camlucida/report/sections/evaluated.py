"""What ``camlucida evaluate RUN`` measured, where it was run: faithfulness, localisation and sanity, beside baselines."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from pathlib import Path

import pandas as pd

from camlucida.evaluation.job import ABOUT, Evaluated, read
from camlucida.evaluation.summary import gate_table, headline, pooled, summarise, title
from camlucida.report.document import NAN, Block, Estimate, Paragraph, Sentence, Table, Value
from camlucida.report.study import Study


def evaluations(study: Study) -> Iterator[tuple[str, Evaluated]]:
    """(model, tables) of each evaluation in the folders of the runs."""
    for run in study.runs:
        place = run.folder.root / "evaluation"
        for about in sorted([*place.glob(ABOUT), *place.glob(f"*/{ABOUT}")]):
            found = read(Path(about).parent)
            yield str(found.about["model"]["name"]), found


def evaluated(study: Study) -> list[Block]:
    """Tables and sentences of all evaluations; none where nothing was evaluated."""
    blocks: list[Block] = []
    for model, found in evaluations(study):
        if len(found.tables.rows):
            summary = summarise(found.tables.rows)
            blocks.append(_scores(model, summary))
        gate = sanity_gate(found)
        if gate is not None:
            blocks.append(Paragraph(tuple(_sanity(model, gate))))
    return blocks


def sanity_gate(found: Evaluated) -> pd.DataFrame | None:
    """One row a method, layer and mode: whether it passed; None where the check was not run."""
    if found.sanity.empty:
        return None
    gate = gate_table(found.sanity)
    return gate[gate["decisive"] & gate["passed"].notna()]


def _scores(model: str, summary: pd.DataFrame) -> Table:
    table, columns = pooled(summary), headline(summary)
    head = (Sentence("quality.head_method"), *(Sentence("words.plain", {"text": title(name, on)}) for name, on in columns))
    rows = []
    for (method, layer), part in table.groupby(["method", "layer"], sort=False):
        kind = "baseline" if bool(part["baseline"].any()) else "candidate"
        cells = [Sentence(f"quality.{kind}", {"method": str(method), "layer": str(layer)}), *(_cell(part, *c) for c in columns)]
        rows.append(tuple(cells))
    return Table("evaluated", Sentence("quality.evaluated", {"model": model}), head, tuple(rows))


def _cell(part: pd.DataFrame, name: str, on: str) -> Value:
    line = part[(part["metric"] == name) & (part["on"] == on)]
    if line.empty or not isfinite(line["estimate"].iloc[0]):
        return NAN
    row = line.iloc[0]
    sure = row["how"] != "none"
    return Estimate(row["estimate"], row["low"] if sure else NAN, row["high"] if sure else NAN, row["chance"])


def _sanity(model: str, gate: pd.DataFrame) -> Iterator[Sentence]:
    for row in gate.itertuples():
        key = "quality.sanity_passed" if row.passed else "quality.sanity_failed"
        values = {"similarity": float(row.similarity), "null": float(row.null), "p": float(row.p)}  # type: ignore[arg-type]
        if all(map(isfinite, values.values())):
            yield Sentence(
                key, {"model": model, "method": str(row.method), "layer": str(row.layer), "mode": str(row.mode), **values}
            )
