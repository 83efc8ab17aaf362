"""Kinds of table: (path, bytes) → the tables in the file, cells as they stand there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message
from camlucida.io.tables.delimited import check_widths, decoded, rows_of, separator_of
from camlucida.io.tables.layout import blocks_of, rectangle
from camlucida.io.tables.limits import check_names
from camlucida.io.tables.workbook import read_sheets


@dataclass(frozen=True)
class RawTable:
    """One table of a file.

    Attributes:
        frame: its names and cells as they stand there.
        sheet: of a workbook; "" in other files.
        sheets: names of all sheets of the workbook that have content.
        notes: which rows were taken for its header.
    """

    frame: pd.DataFrame
    sheet: str = ""
    sheets: tuple[str, ...] = ()
    notes: list[Message] = field(default_factory=list)


def _read_csv(path: Path, data: bytes) -> list[RawTable]:
    text = decoded(path, data)
    separator = "\t" if path.suffix.lower() == ".tsv" else separator_of(text)
    rows, lines = rows_of(text, separator)
    blocks = blocks_of(rectangle(rows))
    if not blocks:
        return []
    check_widths(path, rows, lines, min(block.header.row for block in blocks))
    return [RawTable(block.frame(), notes=block.notes(str(path), lines)) for block in blocks]


def _read_xlsx(path: Path, data: bytes) -> list[RawTable]:
    sheets = read_sheets(path, data)
    titles = tuple(sheet.title for sheet in sheets)
    tables: list[RawTable] = []
    for sheet in sheets:
        where = f"{path}, sheet {sheet.title!r}" if len(sheets) > 1 else str(path)
        for block in blocks_of(rectangle(sheet.rows)):
            notes = block.notes(where, sheet.lines)
            if sheet.errors:
                notes.append(Message("table.errors", {"count": sheet.errors, "where": str(path)}))
            tables.append(RawTable(block.frame(), sheet.title, titles, notes))
    return tables


def _read_parquet(path: Path, data: bytes) -> list[RawTable]:
    from pyarrow.parquet import ParquetFile

    table = ParquetFile(BytesIO(data)).read()
    # Without its metadata, an index that pandas stored is an ordinary column.
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return [RawTable(frame)]


def _read_json(path: Path, data: bytes) -> list[RawTable]:
    # Checked pair by pair, because a dict keeps the last of two equal names without a word.
    hook = partial(_record, path)
    records = json.loads(data.decode("utf-8-sig"), object_pairs_hook=hook)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise UsageError(f"{path} is not a list of records", 'write [{"image": "a.png", …}, …]')
    return [RawTable(pd.DataFrame(records))]


def _record(path: Path, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    names = [name.strip() for name, _ in pairs]
    check_names(path, names)
    return dict(pairs)


FORMATS: dict[str, tuple[str, Callable[[Path, bytes], list[RawTable]]]] = {
    ".csv": ("a CSV table", _read_csv),
    ".tsv": ("a TSV table", _read_csv),
    ".xlsx": ("an XLSX workbook", _read_xlsx),
    ".parquet": ("a Parquet table", _read_parquet),
    ".json": ("JSON", _read_json),
}
"""Suffix → what the file is called in a message, and its reader."""
