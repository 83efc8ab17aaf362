"""Kinds of table: (path, bytes) → frame, names and cells as they stand in the file."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO, StringIO
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.io.image import MAX_BYTES
from camlucida.io.tables.columns import cell_text
from camlucida.io.tables.wording import count


def check_bytes(path: Path, size: int, verb: str = "has") -> None:
    """Refuse a table that is larger than :data:`~camlucida.io.image.MAX_BYTES`.

    Args:
        path: of the table, for the message.
        size: in bytes.
        verb: what it does with that many bytes: "has", "inflates to".

    Raises:
        UsageError: it is larger.

    >>> check_bytes(Path("a.csv"), 1000)
    """
    if size > MAX_BYTES:
        raise UsageError(
            f"{path} {verb} {size:,} bytes; the limit is {MAX_BYTES:,}", "split the table"
        )


def check_names(path: Path, names: Sequence[str]) -> None:
    """Check that no two columns have one name.

    Args:
        path: of the table, for the message.
        names: of its columns.

    Raises:
        UsageError: two have.

    >>> check_names(Path("a.csv"), ["image", "age"])
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        quoted = ", ".join(map(repr, twice))
        raise UsageError(
            f"{path} has more than one column named {quoted}", "rename or remove one of them"
        )


def _read_csv(path: Path, data: bytes) -> pd.DataFrame:
    text = _decoded(path, data)
    separator = "\t" if path.suffix.lower() == ".tsv" else _separator(text)
    lines = StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=separator, strict=True)
    rows: list[list[str]] = []
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        rows.append(cells)
        expected = len(rows[0])
        if len(cells) != expected:
            what = (
                f"{path}, line {reader.line_num}: {count(cells, 'cell')}, where the first line "
                f"has {expected}"
            )
            raise UsageError(what, "quote cells that hold the separator; the file may be cut short")
    return _from_rows(rows)


def _decoded(path: Path, data: bytes) -> str:
    fix = 'save it as "CSV UTF-8"'
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        raise UsageError(f"{path} is not UTF-8 text (line {line})", fix) from error
    if "\0" in text:
        raise UsageError(f"{path} is not text: it holds NUL characters", fix)
    return text


def _separator(text: str) -> str:
    """Of the first line with content; a comma where none is there."""
    first, _, _ = text.lstrip().partition("\n")
    unquoted = re.sub(r'"[^"]*"', "", first)
    return max(",;\t", key=unquoted.count)


def _read_xlsx(path: Path, data: bytes) -> pd.DataFrame:
    from openpyxl import load_workbook

    merged = _has_merged_cells(path, data)
    # A workbook that is opened read-only does not list merged cells.
    book = load_workbook(BytesIO(data), read_only=not merged, data_only=True)
    sheet = book.worksheets[0]
    if merged:
        rows = _unmerged(sheet)
    else:
        sheet.reset_dimensions()  # some writers understate them, and rows would be missing
        rows = _sheet_rows(sheet)
    book.close()
    filled = [row for row in rows if any(map(cell_text, row))]
    # Short rows are filled up: transposed with None for what is missing, and back.
    columns = zip_longest(*filled)
    rectangle = [list(row) for row in zip(*columns)]
    frame = _from_rows(rectangle)
    sheets = len(book.worksheets)
    if sheets > 1:
        frame.attrs["sheet"] = f"sheet {sheet.title!r}, the first of {sheets}"
    return frame


def _has_merged_cells(path: Path, data: bytes) -> bool:
    """Whether a sheet of a workbook has any; the workbook's inflated size is checked first."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        inflated = sum(entry.file_size for entry in archive.infolist())
        check_bytes(path, inflated, "inflates to")
        for name in archive.namelist():
            is_sheet = name.startswith("xl/worksheets/") and name.endswith(".xml")
            if is_sheet and b"<mergeCell " in archive.read(name):
                return True
    return False


def _sheet_rows(sheet: Any) -> list[list[Any]]:
    return [list(row) for row in sheet.iter_rows(values_only=True)]


def _unmerged(sheet: Any) -> list[list[Any]]:
    """The cells of a sheet; what is merged over several rows stands in each of them."""
    rows = _sheet_rows(sheet)
    for area in sheet.merged_cells.ranges:
        first = area.min_col - 1
        value = rows[area.min_row - 1][first]
        width = area.max_col - first
        # Below its first row: a title over more than one column stays one cell.
        for row in range(area.min_row, area.max_row):
            rows[row][first : area.max_col] = [value] * width
    return rows


def _read_parquet(path: Path, data: bytes) -> pd.DataFrame:
    from pyarrow.parquet import ParquetFile

    table = ParquetFile(BytesIO(data)).read()
    # Without its metadata, an index that pandas stored is an ordinary column.
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame


def _read_json(path: Path, data: bytes) -> pd.DataFrame:
    # Checked pair by pair, because a dict keeps the last of two equal names without a word.
    hook = partial(_record, path)
    records = json.loads(data.decode("utf-8-sig"), object_pairs_hook=hook)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise UsageError(f"{path} is not a list of records", 'write [{"image": "a.png", …}, …]')
    return pd.DataFrame(records)


def _record(path: Path, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    names = [name.strip() for name, _ in pairs]
    check_names(path, names)
    return dict(pairs)


def _from_rows(rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    if not rows:
        return pd.DataFrame()
    head, *body = rows
    names = [cell_text(name) for name in head]
    return pd.DataFrame(body, columns=names)


FORMATS: dict[str, tuple[str, Callable[[Path, bytes], pd.DataFrame]]] = {
    ".csv": ("a CSV table", _read_csv),
    ".tsv": ("a TSV table", _read_csv),
    ".xlsx": ("an XLSX workbook", _read_xlsx),
    ".parquet": ("a Parquet table", _read_parquet),
    ".json": ("JSON", _read_json),
}
"""Suffix → what the file is called in a message, and its reader."""
