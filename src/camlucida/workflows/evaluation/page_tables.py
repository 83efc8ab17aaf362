"""The tables of the page of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import pandas as pd

from camlucida.core.messages import NAN, Estimate, Message, chain, declare
from camlucida.core.numbers import number_or_dash
from camlucida.evaluation.maps import summary as tables
from camlucida.evaluation.maps.readers import KEYS, SCORES
from camlucida.report.document import Cell, CellValue, Table
from camlucida.workflows.evaluation.records import Record, records_without_nan
from camlucida.workflows.evaluation.shown_layers import layer_of
from camlucida.workflows.evaluation.texts import interval_message, page_message

declare(
    "sanity_verdict",
    {
        "depends": "depends on the weights",
        "unclear": "unclear",
        "unclear_more": "unclear: about {more} more {more:|patient|patients} needed",
        "unchanged": "unchanged by randomisation",
    },
)

TableCell: TypeAlias = "CellValue | Cell"

REFERENCE = "average_mask"
"""The baseline whose score stands beside each main score: what a method has to exceed."""


def score_table(name: str, part: pd.DataFrame, columns: Sequence[tuple[str, str]]) -> Table:
    """The main scores: a line a layer and method, methods first.

    Args:
        name: anchor of the table.
        part: of the summary, of one label or of all together.
        columns: (metric, output) of each.
    """
    heads = [_metric_head(metric, output) for metric, output in columns]
    lines: dict[tuple[str, str], dict[tuple[str, str], Record]] = {}
    first: dict[tuple[str, str], Record] = {}
    for record in records_without_nan(part.sort_values("baseline", kind="stable")):
        key = record["layer"], record["method"]
        first.setdefault(key, record)
        lines.setdefault(key, {})[record["metric"], record["output"]] = record
    layers = list(dict.fromkeys(part["layer"]))
    rows: list[tuple[TableCell, ...]] = []
    for key in sorted(lines, key=lambda key: layers.index(key[0])):
        reference = lines.get((key[0], REFERENCE), {})
        cells = [_score(lines[key].get(column), reference.get(column)) for column in columns]
        rows.append((_method(first[key]), layer_of(first[key]), *cells))
    return Table(name, None, (*_heads("method", "layer"), *heads), tuple(rows))


def everything_table(summary: pd.DataFrame) -> Table:
    """Every mean, with its chance level and ceiling."""
    head = _heads(
        *("metric", "family", "better", "method", "layer", "mean", "interval_by", "chance"),
        *("ceiling", "over_ceiling", "no_value", "empty_maps", "rows", "patients"),
    )
    rows = tuple(_everything_row(record) for record in records_without_nan(summary))
    return Table("everything", None, head, rows)


def difference_table(name: str, differences: pd.DataFrame) -> Table:
    """Paired differences.

    Args:
        name: anchor of the table.
        differences: rows of :func:`camlucida.evaluation.maps.summary.differences`.
    """
    head = _heads(
        *("metric", "layer", "first_second", "difference", "p", "p_holm", "better", "pairs"),
        "patients",
    )
    rows = tuple(_difference_row(record) for record in records_without_nan(differences))
    return Table(name, None, head, rows)


def rank_table(ranks: pd.DataFrame) -> Table:
    """Mean rank of each method in each family.

    Args:
        ranks: of :func:`camlucida.evaluation.maps.summary.ranking`.
    """
    families = list(dict.fromkeys(ranks["family"]))
    lines: dict[tuple[str, str], dict[str, float | None]] = {}
    first: dict[tuple[str, str], Record] = {}
    for record in records_without_nan(ranks.sort_values("baseline", kind="stable")):
        key = record["layer"], record["method"]
        first.setdefault(key, record)
        lines.setdefault(key, {})[record["family"]] = record["family_rank"]
    rows: list[tuple[TableCell, ...]] = []
    for key, of_family in lines.items():
        cells = [_number(of_family.get(family)) for family in families]
        rows.append((_method(first[key]), layer_of(first[key]), *cells))
    of_families = [family_message(family) for family in families]
    return Table("rank_table", None, (*_heads("method", "layer"), *of_families), tuple(rows))


def reader_table(readers: pd.DataFrame) -> Table:
    """The agreement of two readers, and of each map with a reader.

    Args:
        readers: of :func:`~camlucida.evaluation.maps.readers.reader_summary`.
    """
    head = _heads("label", "method", "layer", "reader_reader", "pairs_of_readers", "map_reader")
    rows: list[tuple[TableCell, ...]] = []
    for record in records_without_nan(readers):
        names = (layer_of(record) if name == "layer" else record[name] for name in KEYS)
        between, of_map = (_score_of(record, name) for name in SCORES)
        pairs, images = (int(record[f"{name}_images"]) for name in SCORES)
        rows.append((*names, between, pairs, of_map, images))
    return Table("reader_table", None, (*head, page_message("images")), tuple(rows))


def _score_of(record: Record, name: str) -> Cell:
    parts = (record[key] for key in (name, f"{name}_low", f"{name}_high"))
    estimate, low, high = (NAN if part is None else part for part in parts)
    return Cell(Estimate(estimate, low, high), spec=".2f")


def sanity_table(name: str, gate: pd.DataFrame) -> Table:
    """Similarity of maps after randomisation, with the verdict.

    Args:
        name: anchor of the table.
        gate: rows of :func:`camlucida.evaluation.maps.summary.gate_table`.
    """
    head: tuple[Message | Cell, ...] = (
        *_heads("method", "layer", "label", "mode", "block"),
        Cell(page_message("images"), note=page_message("images_note")),
        Cell(page_message("patients"), note=page_message("patients_note")),
        *_heads("similarity", "different_images", "difference_90", "margin", "dead", "verdict"),
    )
    return Table(
        name, None, head, tuple(_sanity_row(record) for record in records_without_nan(gate))
    )


def _heads(*names: str) -> tuple[Message, ...]:
    return tuple(map(page_message, names))


def family_message(family: str) -> Message:
    """A family of metrics for people.

    >>> str(family_message("faithfulness"))
    'faithfulness'
    """
    return Message(f"metric_families.{family}")


def _metric_head(metric: str, output: str) -> Cell:
    registered = tables.about(metric)
    failure = registered.failure(output)
    direction = _direction(registered.direction)
    note = page_message("is_better", direction=direction)
    if failure is not None:
        note = page_message("is_better_failed", direction=direction, failure=failure)
    return Cell(tables.title(metric, output), note=note)


def _direction(direction: str) -> Message | str:
    return "–" if direction == "none" else Message(f"metric_directions.{direction}")


def _method(record: Record) -> Message | str:
    method = str(record["method"])
    return page_message("baseline", method=method) if record["baseline"] else method


def _score(record: Record | None, reference: Record | None) -> TableCell:
    """The estimate; below it the chance level, the score of the average mask, and the ceiling."""
    if record is None:
        return None
    chance: Message | str = number_or_dash(record["chance"])
    if record["chance"] is None:
        chance = Message(f"metric_chance.{tables.about(record['metric']).name}")
    notes = [page_message("chance_level", level=chance)]
    if record["ceiling"] is not None:
        notes.append(page_message("ceiling_level", level=number_or_dash(record["ceiling"])))
        notes.append(page_message("ratio_level", level=number_or_dash(record["over_ceiling"])))
    if reference is not None and reference is not record:
        notes.append(page_message("average_mask", level=number_or_dash(reference["estimate"])))
    if record["nan_rate"]:
        notes.append(page_message("without_value", share=float(record["nan_rate"])))
    return Cell(_estimate(record), note=chain("evaluation_page.notes", notes), spec=".3g")


def _estimate(record: Record) -> Estimate:
    parts = (record[name] for name in ("estimate", "low", "high"))
    estimate, low, high = (NAN if part is None else part for part in parts)
    return Estimate(estimate, low, high)


def _number(value: float | None, spec: str = ".3g") -> Cell:
    return Cell(value, spec=spec)


def _everything_row(record: Record) -> tuple[TableCell, ...]:
    failure = tables.about(record["metric"]).failure(record["output"])
    title = tables.title(record["metric"], record["output"])
    return (
        Cell(title, note="" if failure is None else failure),
        family_message(record["family"]),
        _direction(record["direction"]),
        _method(record),
        layer_of(record),
        Cell(_estimate(record), spec=".3g"),
        interval_message(record["interval_method"]),
        _number(record["chance"]),
        _number(record["ceiling"]),
        _number(record["over_ceiling"]),
        _number(record["nan_rate"], ".1%"),
        _number(record["empty_rate"], ".1%"),
        int(record["rows"]),
        int(record["patients"]),
    )


def _difference_row(record: Record) -> tuple[TableCell, ...]:
    code = "minus_baseline" if record["against"] == "baseline" else "minus"
    better = record["better"]
    return (
        tables.title(record["metric"], record["output"]),
        record["layer"],
        page_message(code, first=str(record["first"]), second=str(record["second"])),
        Cell(_estimate(record), spec=".3g"),
        _number(record["p"], ".2g"),
        _number(record["p_holm"], ".2g"),
        record[better] if better else "–",
        int(record["n"]),
        int(record["patients"]),
    )


def _sanity_row(record: Record) -> tuple[TableCell, ...]:
    labels = list(map(str, record["labels"]))
    difference = None
    if record["low"] is not None:
        middle = record["similarity"] - record["null"]
        difference = Estimate(middle, record["low"], record["high"])
    return (
        record["method"],
        layer_of(record),
        page_message("pooled" if record["pooled"] else "labels_of", labels=labels),
        page_message(record["mode"]),
        f"{int(record['block']) + 1}: {record['block_name']}",
        int(record["images"]),
        int(record["patients"]),
        _number(record["similarity"]),
        _number(record["null"]),
        Cell(difference, spec=".3g"),
        _number(record["margin"]),
        _number(record["dead_rate"], ".1%"),
        verdict_message(record["verdict"], record["more"]),
    )


def verdict_message(verdict: str, more: float | None) -> Message:
    """The verdict in words; an unclear one with the patients that are still needed.

    >>> str(verdict_message("unclear", 3.0))
    'unclear: about 3 more patients needed'
    """
    if verdict == "unclear" and more is not None:
        return Message("sanity_verdict.unclear_more", {"more": int(more)})
    return Message(f"sanity_verdict.{verdict}")
