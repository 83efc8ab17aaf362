"""XLSX workbooks: the rows of every sheet, whatever a sheet claims to hold."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from camlucida.core.errors import UsageError
from camlucida.io.tables.limits import check_bytes

MAX_TAGS = 6_000_000
"""Elements that one part of a workbook may have; a cell makes two or three."""

MAX_CELLS = 3_000_000
"""Cells of a sheet, blank ones between others included, and of areas that are merged."""

MAX_ROWS = 1_048_576
"""Rows of a sheet, the limit of the format."""

_CHUNK = 1 << 20
_FAR_CELL = re.compile(rb'\br="([A-Z]{3})(\d{1,9})"')
_ROW = re.compile(rb'<(?:\w+:)?row\s[^>]*?\br="(\d{7,})"')
_MERGED = re.compile(
    rb'<(?:\w+:)?mergeCell\s[^>]*?\bref="([A-Z]{1,3})(\d{1,9}):([A-Z]{1,3})(\d{1,9})"'
)


@dataclass(frozen=True)
class Sheet:
    """The rows of a sheet that have content.

    Attributes:
        title: its name.
        rows: cells, None for a blank one, without blank ones at the end of a row.
        lines: number of each row in the sheet, from 1.
    """

    title: str
    rows: list[list[Any]]
    lines: list[int]


def read_sheets(path: Path, data: bytes) -> list[Sheet]:
    """The sheets of a workbook that have content; formulas count with their stored value.

    A cell that is merged over several rows stands in each of them; merged areas count within the
    rows and columns that are used.

    Args:
        path: of the file, for the messages.
        data: its bytes.

    Raises:
        UsageError: it holds more than :data:`MAX_CELLS` cells, :data:`MAX_TAGS` elements or
            :data:`MAX_ROWS` rows, or inflates too far.
    """
    from openpyxl import load_workbook

    with zipfile.ZipFile(BytesIO(data)) as archive:
        _check_parts(path, archive)
        book = load_workbook(BytesIO(data), read_only=True, data_only=True)
        sheets = []
        for sheet in book.worksheets:
            if sheet.sheet_state != "visible" and len(book.worksheets) > 1:
                continue
            sheet.reset_dimensions()  # some writers understate them, and rows would be missing
            rows = _rows(path, sheet)
            _fill_merged(path, rows, archive.read(sheet._worksheet_path.lstrip("/")))
            lines = [number for number, row in enumerate(rows, 1) if row]
            sheets.append(Sheet(sheet.title, [row for row in rows if row], lines))
        book.close()
    return [sheet for sheet in sheets if sheet.rows]


def _rows(path: Path, sheet: Any) -> list[list[Any]]:
    """All rows of a sheet, blank ones as []."""
    rows: list[list[Any]] = []
    cells = 0
    for row in sheet.iter_rows(values_only=True):
        filled = [index for index, cell in enumerate(row) if cell is not None and str(cell).strip()]
        last = filled[-1] + 1 if filled else 0
        rows.append(list(row[:last]))
        cells += last
        if cells > MAX_CELLS or len(rows) > MAX_ROWS:
            raise _too_large(path, f"{MAX_CELLS:,} cells")
    while rows and not rows[-1]:
        rows.pop()
    return rows


def _fill_merged(path: Path, rows: list[list[Any]], document: bytes) -> None:
    """Put what is merged over several rows into each of them, in place."""
    width = max(map(len, rows), default=0)
    filled = 0
    for match in _MERGED.finditer(document):
        first, last = _column(match[1]) - 1, min(_column(match[3]), width)
        top, bottom = int(match[2]) - 1, min(int(match[4]), len(rows))
        if top >= len(rows) or first >= min(last, len(rows[top])):
            continue
        value = rows[top][first]
        filled += (bottom - top) * (last - first)
        if filled > MAX_CELLS:
            raise _too_large(path, f"{MAX_CELLS:,} merged cells")
        # Below its first row: a title over more than one column stays one cell.
        for row in rows[top + 1 : bottom]:
            row += [None] * (last - len(row))
            row[first:last] = [value] * (last - first)


def _check_parts(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse a workbook that would take minutes or gigabytes, before anything parses it."""
    inflated = sum(entry.file_size for entry in archive.infolist())
    check_bytes(path, inflated, "inflates to")
    for entry in archive.infolist():
        if entry.filename.lower().endswith((".xml", ".rels")):
            _check_part(path, archive, entry)


def _check_part(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    tags = 0
    widths: Counter[bytes] = Counter()
    for chunk in _chunks(archive, entry):
        tags += chunk.count(b"<")
        if tags > MAX_TAGS:
            raise _too_large(path, f"{MAX_TAGS:,} elements")
        if b"<!ENTITY" in chunk:
            raise UsageError(f"{path} declares XML entities", "save it again as XLSX, or as CSV")
        for match in _ROW.finditer(chunk):
            if int(match[1]) > MAX_ROWS:
                raise _too_large(path, f"{MAX_ROWS:,} rows")
        # A row is as long as its last cell is far to the right.
        for match in _FAR_CELL.finditer(chunk):
            widths[match[2]] = max(widths[match[2]], _column(match[1]))
        if widths.total() > MAX_CELLS:
            raise _too_large(path, f"{MAX_CELLS:,} cells, blank ones included")


def _chunks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """A part piece by piece; each piece ends with a whole element where it can."""
    rest = b""
    with archive.open(entry) as part:
        while data := part.read(_CHUNK):
            whole, bracket, rest_of_data = (rest + data).rpartition(b">")
            if not bracket and len(rest_of_data) > 2 * _CHUNK:
                whole, rest_of_data = rest_of_data, b""
            yield whole + bracket
            rest = rest_of_data
    yield rest


def _column(letters: bytes) -> int:
    """A = 1."""
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number


def _too_large(path: Path, limit: str) -> UsageError:
    return UsageError(
        f"{path} holds more than {limit}",
        "delete what is not needed of it, or save the sheet as CSV",
    )
