"""What ``camlucida evaluate RUN`` measured: faithfulness, localisation and sanity."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

import pandas as pd

from camlucida.evaluation.maps.summary import headline, over_all_labels, title
from camlucida.report.data import ReportData
from camlucida.report.document import NAN, Block, Message, Paragraph, Table, Value
from camlucida.report.estimates import figure_of


def evaluated(report: ReportData) -> list[Block]:
    """Tables and sentences of all evaluations; none where nothing was evaluated."""
    blocks: list[Block] = []
    for evaluation in report.evaluations:
        summary = evaluation.summary
        if len(summary):
            blocks.append(_scores(evaluation.model, summary))
            if any("road" in name for name, _ in headline(summary)):
                blocks.append(Paragraph((Message("quality.road"),)))
        if evaluation.gate is not None:
            blocks.append(Paragraph(tuple(_sanity(evaluation.model, evaluation.gate))))
    return blocks


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
    return figure_of(row)


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
