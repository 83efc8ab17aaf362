"""Tables as people have them: spreadsheets with titles, merged cells, several sheets or blocks."""

import zipfile
from pathlib import Path

from openpyxl import Workbook

HEAD = ["id", "patient", "age", "label"]
ROWS = [["f01", "p1", 41, "Mass"], ["f02", "p1", 42.5, ""], ["f03", "p2", 57, "Mass|Nodule"]]
EXPECTED = {
    "id": ["f01", "f02", "f03"],
    "patient": ["p1", "p1", "p2"],
    "age": ["41", "42.5", "57"],
    "label": ["Mass", "", "Mass|Nodule"],
}
"""HEAD and ROWS as every variant must be read, cells as text."""


def write_workbook(path: Path, sheets: dict[str, list[list[object]]], merged=()) -> Path:
    """Sheets by title; areas ("A1:B1") of the first sheet that are merged."""
    book = Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    for area in merged:
        book.worksheets[0].merge_cells(area)
    book.save(path)
    return path


def write_text(path: Path, rows, separator=",", encoding="utf-8") -> Path:
    """A separated text; cells with the separator are quoted."""
    lines = []
    for row in rows:
        cells = ["" if cell is None else str(cell) for cell in row]
        quoted = [f'"{cell}"' if separator in cell else cell for cell in cells]
        lines.append(separator.join(quoted))
    path.write_bytes("\n".join([*lines, ""]).encode(encoding))
    return path


def title_above():
    """A title and an empty line above the header."""
    return [["Breast study, exported from the registry"], [], HEAD, *ROWS]


def facts_above():
    """Keys and values above the header, as some systems export them."""
    return [["Exported:", "2024-05-01"], ["By:", "registry"], HEAD, *ROWS]


def groups_above():
    """Groups over the names; a column of its own has its name in the upper row."""
    upper = ["id", "Person", None, "Reading"]
    return [upper, [None, "patient", "age", "label"], *ROWS]


def repeated_groups():
    """Groups repeated over each of their columns, as pandas writes two levels of names."""
    return [["key", "person", "person", "reading"], HEAD, *ROWS]


def two_blocks():
    """Two tables side by side with the same names, a blank column between them."""
    other = [["x1", "q", 30, "Hernia"], ["x2", "q", 31, ""], ["x3", "r", 32, "Mass"]]
    rows = zip([HEAD, *ROWS], [HEAD, *other])
    return [[*left, None, *right] for left, right in rows]


def legend_beside():
    """A legend of codes beside the table."""
    legend = [["code", "meaning"], ["1", "fatty"], ["2", "dense"]]
    rows = [HEAD, *ROWS]
    return [[*row, None, *beside] for row, beside in zip(rows, [*legend, [None, None]])]


def write_bomb(path: Path, sheet: bytes) -> Path:
    """A workbook whose only sheet is this document."""
    Workbook().save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, sheet if name == "xl/worksheets/sheet1.xml" else content)
    return path


def sheet_document(rows: bytes, after: bytes = b"") -> bytes:
    """The document of a sheet."""
    name = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    head = b'<?xml version="1.0"?><worksheet xmlns="' + name + b'"><sheetData>'
    return head + rows + b"</sheetData>" + after + b"</worksheet>"
