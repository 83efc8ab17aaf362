"""What ``camlucida evaluate RUN`` measured: faithfulness, localisation and sanity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite

import pandas as pd

from camlucida.core.messages import declare
from camlucida.evaluation.maps.row_tables import about, preferred_score
from camlucida.evaluation.maps.summary import headline, over_all_labels, title
from camlucida.report.data import ReportData
from camlucida.report.document import (
    NAN,
    Block,
    Cell,
    CellValue,
    Details,
    Message,
    Paragraph,
    Table,
    Value,
)
from camlucida.report.estimates import figure_of

declare(
    "evaluated",
    {
        "others": "All other metrics of the maps of {model} that were measured ({count})",
        "more": "Other metrics of the maps of {model}, means over maps.",
    },
)

COLUMNS = 5
"""Metrics in one table; more do not fit across a printed page."""


def evaluated(report: ReportData) -> list[Block]:
    """Tables and sentences of all evaluations; none where nothing was evaluated."""
    blocks: list[Block] = []
    for evaluation in report.evaluations:
        summary = evaluation.summary
        if len(summary):
            main = headline(summary)
            others = other_metrics(summary, main)
            caption = Message("quality.evaluated", {"model": evaluation.model})
            blocks.append(_scores("evaluated", caption, summary, main))
            if any("road" in name for name, _ in [*main, *others]):
                blocks.append(Paragraph((Message("quality.road"),)))
            if others:
                blocks.append(_others(evaluation.model, summary, others))
        if evaluation.gate is not None:
            blocks.append(Paragraph(tuple(_sanity(evaluation.model, evaluation.gate))))
    return blocks


def other_metrics(summary: pd.DataFrame, main: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """(metric, model output) of the metrics that have a value and are not among ``main``.

    One output of each metric, in the order in which they were measured.
    """
    valued = summary[summary["estimate"].notna()]
    shown = {name for name, _ in main}
    others: list[tuple[str, str]] = []
    for name, rows in valued.groupby("metric", sort=False):
        if name not in shown:
            others.append((str(name), preferred_score(rows["output"])))
    return others


def _others(model: str, summary: pd.DataFrame, metrics: Sequence[tuple[str, str]]) -> Details:
    """The metrics that are not the main ones, a few in each table."""
    caption = Message("evaluated.more", {"model": model})
    tables: list[Block] = []
    for start in range(0, len(metrics), COLUMNS):
        columns = metrics[start : start + COLUMNS]
        tables.append(_scores("evaluated_others", caption, summary, columns))
    counts: dict[str, Value] = {"model": model, "count": len(metrics)}
    return Details(Message("evaluated.others", counts), tuple(tables))


def _scores(
    name: str, caption: Message, summary: pd.DataFrame, columns: Sequence[tuple[str, str]]
) -> Table:
    """One row a method and layer, one column a metric."""
    head: list[Message | Cell] = [Message("quality.head_method")]
    for metric, output in columns:
        words = title(metric, output)
        failure = about(metric).failure(output)
        head.append(words if failure is None else Cell(words, note=failure))
    rows: list[tuple[CellValue, ...]] = []
    table = over_all_labels(summary)
    for (method, layer), part in table.groupby(["method", "layer"], sort=False):
        kind = "baseline" if bool(part["baseline"].any()) else "candidate"
        name_of_row = Message(f"quality.{kind}", {"method": str(method), "layer": str(layer)})
        cells = [_cell(part, metric, output) for metric, output in columns]
        rows.append((name_of_row, *cells))
    return Table(name, caption, tuple(head), tuple(rows))


def _cell(part: pd.DataFrame, metric: str, output: str) -> Value:
    lines = part[(part["metric"] == metric) & (part["output"] == output)]
    if lines.empty or not isfinite(lines["estimate"].iloc[0]):
        return NAN
    return figure_of(lines.iloc[0])


def _sanity(model: str, gate: pd.DataFrame) -> Iterator[Message]:
    """A sentence for each method, layer and verdict, over the labels that have it."""
    for (method, layer, verdict), part in gate.groupby(["method", "layer", "verdict"], sort=False):
        values: dict[str, Value] = {"model": model, "method": str(method), "layer": str(layer)}
        values["labels"] = _labels(part)
        values["similarity"] = float(part["similarity"].mean())
        values["null"] = float(part["null"].mean())
        values["images"], values["patients"] = _span(part["images"]), _span(part["patients"])
        if not (isfinite(part["similarity"].mean()) and isfinite(part["null"].mean())):
            yield Message("quality.sanity_undefined", values)
            continue
        # NaN: no number of patients would decide, and then none is named.
        most = part["more"].astype(float).max(skipna=False)
        if verdict == "unclear" and not isfinite(most):
            yield Message("quality.sanity_undecided", values)
        elif verdict == "unclear":
            yield Message("quality.sanity_unclear", {**values, "more": int(most)})
        else:
            yield Message(f"quality.sanity_{verdict}", values)


def _span(counts: pd.Series) -> str:
    """The one count, or the fewest and the most of them."""
    return "–".join(dict.fromkeys([str(int(counts.min())), str(int(counts.max()))]))


def _labels(part: pd.DataFrame) -> list[str]:
    """Labels that share a test are joined by a plus sign."""
    return [" + ".join(map(str, labels)) for labels in part["labels"]]
