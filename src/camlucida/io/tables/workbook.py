"""XLSX workbooks: the rows of every sheet, whatever a sheet claims to hold."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from camlucida.core.errors import UsageError
from camlucida.io.tables.limits import check_bytes

MAX_TAGS = 6_000_000
"""Elements that one part of a workbook may have; a cell makes two or three."""

MAX_CELLS = 3_000_000
"""Cells of a sheet, blank ones between others included, and of areas that are merged."""

MAX_AREA = 30_000_000
"""Cells of the rectangle that a sheet spans at most, blank ones included."""

MAX_ROWS = 1_048_576
"""Rows of a sheet, the limit of the format."""

_CHUNK = 1 << 20
_PLACE = re.compile(rb'<(?:\w+:)?c\s[^>]*?\br="([A-Z]{1,3})(\d{1,9})"')
_FREE_CELL = re.compile(rb'<(?:\w+:)?c(?:>|/>|\s(?![^>]*\br="))')
_ERROR = re.compile(rb'<(?:\w+:)?c\s[^>]*?\bt="e"')
_ROW = re.compile(rb'<(?:\w+:)?row\s[^>]*?\br="(\d+)"')
_ROW_START = re.compile(rb"<(?:\w+:)?row[\s/>]")

Area = tuple[tuple[int, int], tuple[int, int]]
"""First and last (row, column) of an area, from 0."""


@dataclass(frozen=True)
class Sheet:
    """The rows of a sheet that have content.

    Attributes:
        title: its name.
        rows: cells, None for a blank one, without blank ones at the end of a row.
        lines: number of each row in the sheet, from 1.
        errors: cells of the workbook that hold an error, such as #N/A, and are blank here.
    """

    title: str
    rows: list[list[Any]]
    lines: list[int]
    errors: int = 0


def read_sheets(path: Path, data: bytes) -> list[Sheet]:
    """The sheets of a workbook that have content; formulas count with their stored value.

    A cell that is merged over several rows stands in each of them; merged areas count within the
    rows and columns that are used. A cell that holds an error, such as #N/A, is blank.

    Args:
        path: of the file, for the messages.
        data: its bytes.

    Raises:
        UsageError: it holds more than :data:`MAX_CELLS` cells, :data:`MAX_TAGS` elements or
            :data:`MAX_ROWS` rows, spans more than :data:`MAX_AREA` cells, or inflates too far.
    """
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    with zipfile.ZipFile(BytesIO(data)) as archive:
        errors = _check_parts(path, archive)
    sheets = []
    with CalamineWorkbook.from_filelike(BytesIO(data)) as book:
        entries = [one for one in book.sheets_metadata if one.typ is SheetTypeEnum.WorkSheet]
        for entry in entries:
            if entry.visible is not SheetVisibleEnum.Visible and len(entries) > 1:
                continue
            sheet = book.get_sheet_by_name(entry.name)
            rows = _rows(path, sheet.to_python(skip_empty_area=False))
            _fill_merged(path, rows, sheet.merged_cell_ranges or [])
            lines = [number for number, row in enumerate(rows, 1) if row]
            sheets.append(Sheet(entry.name, [row for row in rows if row], lines, errors))
    return [sheet for sheet in sheets if sheet.rows]


def _rows(path: Path, cells: list[list[Any]]) -> list[list[Any]]:
    """All rows of a sheet, blank ones as [], blank cells as None."""
    rows: list[list[Any]] = []
    count = 0
    for row in cells:
        filled = [index for index, cell in enumerate(row) if cell != "" and str(cell).strip()]
        last = filled[-1] + 1 if filled else 0
        rows.append([None if cell == "" else cell for cell in row[:last]])
        count += last
        if count > MAX_CELLS:
            raise _too_large(path, f"{MAX_CELLS:,} cells")
    while rows and not rows[-1]:
        rows.pop()
    return rows


def _fill_merged(path: Path, rows: list[list[Any]], areas: Sequence[Area]) -> None:
    """Put what is merged over several rows into each of them, in place."""
    width = max(map(len, rows), default=0)
    filled = 0
    for (top, first), (last_row, last_column) in areas:
        bottom, last = min(last_row + 1, len(rows)), min(last_column + 1, width)
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


def _check_parts(path: Path, archive: zipfile.ZipFile) -> int:
    """Refuse a workbook that would take minutes or gigabytes; the number of its cells of errors."""
    errors = 0
    inflated = sum(entry.file_size for entry in archive.infolist())
    check_bytes(path, inflated, "inflates to")
    for entry in archive.infolist():
        if entry.filename.lower().endswith((".xml", ".rels")):
            errors += _check_part(path, archive, entry)
    return errors


def _check_part(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    extent = _Extent()
    for chunk in _chunks(archive, entry):
        extent.add(chunk)
        if extent.tags > MAX_TAGS:
            raise _too_large(path, f"{MAX_TAGS:,} elements")
        if b"<!ENTITY" in chunk:
            raise UsageError(f"{path} declares XML entities", "save it again as XLSX, or as CSV")
        if extent.last_row > MAX_ROWS:
            raise _too_large(path, f"{MAX_ROWS:,} rows")
        # A row is as long as its last cell is far to the right.
        if extent.widths.total() > MAX_CELLS:
            raise _too_large(path, f"{MAX_CELLS:,} cells, blank ones included")
        if extent.area > MAX_AREA:
            raise _too_large(path, f"{MAX_AREA:,} cells, blank ones included")
    return extent.errors


@dataclass
class _Extent:
    """How far a sheet reaches, from the elements of its document.

    Attributes:
        tags, errors: number of elements, and of cells that hold an error.
        last_row, last_column: the largest that are stated.
        free_rows: rows whose number is not stated: it follows that of the row before.
        free_cells: most cells of a row whose column is not stated.
        widths: number of a row → its last column, of those from AAA on.
    """

    tags: int = 0
    errors: int = 0
    last_row: int = 0
    last_column: int = 0
    free_rows: int = 0
    free_cells: int = 0
    widths: Counter[bytes] = field(default_factory=Counter)
    _of_row: int = 0

    def add(self, chunk: bytes) -> None:
        """Count a piece of the document."""
        self.tags += chunk.count(b"<")
        self.errors += len(_ERROR.findall(chunk))
        places = _PLACE.findall(chunk)
        names = {letters for letters, _ in places}
        columns = {letters: _column(letters) for letters in names}
        for letters, row in places:
            if len(letters) > 2:
                self.widths[row] = max(self.widths[row], columns[letters])
        stated = _ROW.findall(chunk)
        numbers = {row for _, row in places}
        self.last_row = max(self.last_row, *map(int, numbers | set(stated)), 0)
        self.last_column = max(self.last_column, *columns.values(), 0)
        parts = _ROW_START.split(chunk)
        self.free_rows += len(parts) - 1 - len(stated)
        for number, part in enumerate(parts):
            # The first part goes on with the last row of the piece before.
            self._of_row = (0 if number else self._of_row) + len(_FREE_CELL.findall(part))
            self.free_cells = max(self.free_cells, self._of_row)

    @property
    def area(self) -> int:
        """Cells of the rectangle that the sheet may span; its reader holds it whole."""
        return (self.last_row + self.free_rows) * (self.last_column + self.free_cells)


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
