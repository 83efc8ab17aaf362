"""Tables: CSV, TSV, XLSX, Parquet or JSON in; Parquet or CSV out.

Names and text cells come stripped; text stays text.
"""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from io import BytesIO, StringIO
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlucida.core.errors import CamlucidaError, UsageError, did_you_mean
from camlucida.core.files import write_bytes
from camlucida.io.image import MAX_BYTES, quiet

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text cell that begins so for a formula."""

_FLAGS = {"1": True, "true": True, "0": False, "false": False, "": None, "-1": None, "nan": None}


def read_table(path: str | Path) -> pd.DataFrame:
    """Read one table; the suffix decides the kind.

    - ``.csv``: separated by comma, semicolon or tab (whichever the first line has most of);
      ``.tsv``: by tab. UTF-8, with or without a byte-order mark. Every column is text, so that
      00001 keeps its zeros.
    - ``.xlsx``: the first sheet, its first row being the names; formulas count with the value they
      were saved with, and a cell that is merged over several rows in each of them.
    - ``.parquet``; ``.json``: a list of records. Numbers stay numbers here.

    Rows without any content are left out. So is a column that has neither a name nor content; one
    that has content but no name is called "column N", counted from 1.

    Returns:
        (rows, columns), at least 1 × 1; names and text cells stripped of surrounding blanks, a
        missing text cell "". Where a workbook has several sheets, ``attrs["sheet"]`` says which was
        read.

    Raises:
        UsageError: no such file, a folder, another kind of file, damaged or cut short, not UTF-8,
            rows of unequal length, no rows, no columns, two columns of one name, a cell that holds
            a list.
    """
    path = Path(path)
    if path.suffix.lower() not in _READERS and not path.is_dir():
        raise UsageError(
            f"{path} is not a table that can be read", f"readable: {' '.join(_READERS)}"
        )
    data = _file_bytes(path)
    kind, read = _READERS[path.suffix.lower()]
    try:
        with quiet("openpyxl"):
            frame = read(path, data)
    except CamlucidaError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:300]
        fix = "the file is damaged, cut short or of another kind: open it, and save it again"
        raise UsageError(f"cannot read {path} as {kind}: {reason}", fix) from error
    tidy = _tidy(path, frame)
    tidy.attrs = frame.attrs
    return tidy


def source(path: Path, frame: pd.DataFrame) -> str:
    """The file of a table for a message, with the sheet that was read where it has several.

    Args:
        path: of the file.
        frame: of :func:`read_table`.

    >>> source(Path("t.csv"), pd.DataFrame({"image": ["a"]}))
    't.csv'
    """
    return f"{path} ({frame.attrs['sheet']})" if "sheet" in frame.attrs else str(path)


def write_table(frame: pd.DataFrame, path: str | Path) -> None:
    """Write ``.parquet`` or ``.csv`` (UTF-8, RFC 4180), whole or not at all.

    The index is not written.

    In CSV an apostrophe goes before a text cell or a column name that a spreadsheet would take for
    a formula (:data:`FORMULA_STARTS`); numbers keep their sign. A missing value is a blank cell.

    Args:
        frame: the table.
        path: of the file; its folder is made if missing.

    Raises:
        UsageError: another suffix.
        OSError: the system refuses the folder or the file.
    """
    path = Path(path)
    if path.suffix.lower() == ".parquet":
        buffer = BytesIO()
        frame.to_parquet(buffer, index=False)
        write_bytes(path, buffer.getvalue())
    elif path.suffix.lower() == ".csv":
        safe = frame.rename(columns=_without_formula)
        columns = [
            column.map(_without_formula) if _is_text(column) else column
            for _, column in safe.items()
        ]
        safe = pd.concat(columns, axis=1) if columns else safe
        write_bytes(path, safe.to_csv(index=False, lineterminator="\r\n").encode())
    else:
        raise UsageError(f"a table cannot be written to {path}", "write .parquet or .csv")


def fold(name: str) -> str:
    """A name without case, spaces and underscores, for comparison.

    Args:
        name: of a column or a label.

    >>> fold("Patient ID"), fold("patient_id")
    ('patientid', 'patientid')
    """
    return re.sub(r"[\s_]+", "", name).casefold()


def find_column(
    frame: pd.DataFrame, requested: str | None, usual: Sequence[str], option: str, where: object
) -> str | None:
    """The column to use: the one the user named, else the first of the usual names.

    Args:
        frame: the table.
        requested: what the user named, exactly or as :func:`fold` has it.
        usual: folded names, the most telling first.
        option: how the user names it ("patient column"), for the message.
        where: the table's file, for the message.

    Returns:
        A column of ``frame``; None where nothing was named and no usual name exists.

    Raises:
        UsageError: there is no column that was named.

    >>> frame = pd.DataFrame({"Patient ID": ["a"]})
    >>> find_column(frame, None, ["patientid"], "patient column", "t.csv")
    'Patient ID'
    """
    by_fold = {fold(name): name for name in reversed(list(frame.columns))}
    if requested is None:
        return next((by_fold[name] for name in usual if name in by_fold), None)
    if requested in frame:
        return requested
    folded = fold(requested)
    if folded not in by_fold:
        fix = did_you_mean(requested, frame.columns)
        raise UsageError(f"{option}: no column {requested!r} in {where}", fix)
    return by_fold[folded]


def texts(column: pd.Series) -> list[str]:
    """The cells of any column as stripped text.

    Args:
        column: of any type.

    Returns:
        One a row: "" for a missing cell, whole numbers without ".0".

    >>> texts(pd.Series([" a ", None, 2.0], dtype=object))
    ['a', '', '2']
    """
    return [_text(cell) for cell in column.tolist()]


def flags(column: pd.Series, where: object) -> list[bool | None]:
    """The cells of a column of 1/true and 0/false; None for unknown: blank, nan or -1.

    Args:
        column: of any type.
        where: the table's file, for the message.

    Raises:
        UsageError: any other cell.

    >>> flags(pd.Series(["1", "0", "-1", ""]), "t.csv")
    [True, False, None, None]
    """
    values: list[bool | None] = []
    for number, cell in enumerate(texts(column), 1):
        key = re.sub(r"\.0*$", "", cell.casefold())
        if key not in _FLAGS:
            raise UsageError(
                f"{where}, row {number}: {cell!r} in column {column.name!r}",
                "write 1, 0, or nothing for unknown",
            )
        values.append(_FLAGS[key])
    return values


def numbers(column: pd.Series, where: object) -> NDArray[np.float64]:
    """(rows,) the cells of a column as numbers; NaN where blank.

    Args:
        column: of any type.
        where: the table's file, for the message.

    Raises:
        UsageError: another cell, or an infinite one.

    >>> numbers(pd.Series(["0.5", ""]), "t.csv").tolist()
    [0.5, nan]
    """
    cells = texts(column)
    parsed = pd.to_numeric(pd.Series(cells, dtype="str"), errors="coerce")
    values = parsed.to_numpy(np.float64)
    for number, (cell, value) in enumerate(zip(cells, values), 1):
        if np.isinf(value) or (np.isnan(value) and cell.casefold() not in ("", "nan")):
            raise UsageError(
                f"{where}, row {number}: {cell!r} in column {column.name!r}",
                "write a number with a decimal point",
            )
    return values


def count(items: Sequence[object], what: str) -> str:
    """How many, with its noun, for a message.

    Args:
        items: what is counted.
        what: the noun, in the singular.

    >>> count(["a", "b"], "image")
    '2 images'
    """
    return f"{len(items)} {what}{'s' * (len(items) != 1)}"


def listing(names: Iterable[str], limit: int = 3) -> str:
    """The first names, for a message.

    Args:
        names: in order; "" is shown as "(blank)".
        limit: how many are shown.

    >>> listing("abcd")
    'a, b, c, …'
    """
    shown = [name or "(blank)" for name in names]
    return ", ".join(shown[:limit]) + ", …" * (len(shown) > limit)


def _text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell.strip()
    if pd.isna(cell):
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _is_text(column: pd.Series) -> bool:
    return (
        isinstance(column.dtype, pd.CategoricalDtype)
        or column.dtype == object
        or pd.api.types.is_string_dtype(column)
    )


def _without_formula(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell


def _file_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a table", "name a file in it")
    if not path.is_file():
        near = sorted(item.name for item in path.parent.iterdir()) if path.parent.is_dir() else []
        fix = did_you_mean(path.name, near, limit=5) if near else "the folder is empty or missing"
        raise UsageError(f"no such table: {path}", fix)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(
                f"{path} has {path.stat().st_size:,} bytes; the limit is {MAX_BYTES:,}",
                "split the table",
            )
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot open {path}: {error.strerror}") from error
    if not data:
        raise UsageError(f"{path} is empty (0 bytes)", "copy or export it again")
    return data


# ---- readers: (path, bytes) → frame, names and cells as they stand in the file -------------------


def _read_csv(path: Path, data: bytes) -> pd.DataFrame:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{path} is not UTF-8 text (line {line})", 'save it as "CSV UTF-8"'
        ) from error
    if "\0" in text:
        raise UsageError(f"{path} is not text: it holds NUL characters", 'save it as "CSV UTF-8"')
    separator = "\t" if path.suffix.lower() == ".tsv" else _separator(text)
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        rows.append(cells)
        if len(cells) != len(rows[0]):
            what = (
                f"{path}, line {reader.line_num}: {count(cells, 'cell')}, where the first line "
                f"has {len(rows[0])}"
            )
            raise UsageError(what, "quote cells that hold the separator; the file may be cut short")
    return _from_rows(rows)


def _separator(text: str) -> str:
    """Of the first line with content; a comma where none is there."""
    first = re.sub(r'"[^"]*"', "", text.lstrip().partition("\n")[0])
    return max(",;\t", key=first.count)


def _read_xlsx(path: Path, data: bytes) -> pd.DataFrame:
    from openpyxl import load_workbook

    with zipfile.ZipFile(BytesIO(data)) as archive:
        inflated = sum(entry.file_size for entry in archive.infolist())
        if inflated > MAX_BYTES:
            raise UsageError(
                f"{path} inflates to {inflated:,} bytes; the limit is {MAX_BYTES:,}",
                "split the table",
            )
        sheets = [
            name
            for name in archive.namelist()
            if name.startswith("xl/worksheets/") and name.endswith(".xml")
        ]
        merged = any(b"<mergeCell " in archive.read(name) for name in sheets)
    # A workbook that is opened read-only does not list merged cells.
    book = load_workbook(BytesIO(data), read_only=not merged, data_only=True)
    sheet = book.worksheets[0]
    if merged:
        rows = _unmerged(sheet)
    else:
        sheet.reset_dimensions()  # some writers understate them, and rows would be missing
        rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    book.close()
    filled = [row for row in rows if any(map(_text, row))]
    columns = zip_longest(*filled)  # short rows are filled up
    frame = _from_rows([list(row) for row in zip(*columns)])
    if len(book.worksheets) > 1:
        frame.attrs["sheet"] = f"sheet {sheet.title!r}, the first of {len(book.worksheets)}"
    return frame


def _unmerged(sheet: Any) -> list[list[Any]]:
    """The cells of a sheet; what is merged over several rows stands in each of them."""
    rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    for area in sheet.merged_cells.ranges:
        value = rows[area.min_row - 1][area.min_col - 1]
        columns = slice(area.min_col - 1, area.max_col)
        # Below its first row: a title over more than one column stays one cell.
        for row in range(area.min_row, area.max_row):
            rows[row][columns] = [value] * (area.max_col - area.min_col + 1)
    return rows


def _read_parquet(path: Path, data: bytes) -> pd.DataFrame:
    from pyarrow.parquet import ParquetFile

    frame: pd.DataFrame = ParquetFile(BytesIO(data)).read().to_pandas(ignore_metadata=True)
    return frame  # an index that pandas stored is an ordinary column


def _read_json(path: Path, data: bytes) -> pd.DataFrame:
    records = json.loads(data.decode("utf-8-sig"), object_pairs_hook=partial(_record, path))
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise UsageError(f"{path} is not a list of records", 'write [{"image": "a.png", …}, …]')
    return pd.DataFrame(records)


def _record(path: Path, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    _check_names(path, [name.strip() for name, _ in pairs])
    return dict(pairs)


def _from_rows(rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    return (
        pd.DataFrame(list(rows[1:]), columns=[_text(name) for name in rows[0]])
        if rows
        else pd.DataFrame()
    )


_READERS: dict[str, tuple[str, Callable[[Path, bytes], pd.DataFrame]]] = {
    ".csv": ("a CSV table", _read_csv),
    ".tsv": ("a TSV table", _read_csv),
    ".xlsx": ("an XLSX workbook", _read_xlsx),
    ".parquet": ("a Parquet table", _read_parquet),
    ".json": ("JSON", _read_json),
}


# ---- what every kind goes through ----------------------------------------------------------------


def _tidy(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    columns, where = list(_columns(path, frame)), source(path, frame)
    names = [name for name, _ in columns]
    _check_names(path, names)
    if not columns:
        raise UsageError(f"{where} has no columns", "the first row must name them")
    if not len(frame):
        raise UsageError(
            f"{where} has no rows, only the columns {', '.join(names[:5])}", "export it again"
        )
    return pd.DataFrame(dict(columns))


def _columns(path: Path, frame: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """(name, column), text stripped; without those that have neither name nor content."""
    for number, (name, column) in enumerate(frame.items(), 1):
        if column.dtype == object and any(
            isinstance(cell, (list, tuple, dict, np.ndarray)) for cell in column
        ):
            raise UsageError(
                f"{path}: column {str(name)!r} holds lists",
                "give one value a cell, for instance names joined by |",
            )
        cells = (
            pd.Series(texts(column), dtype="str")
            if _is_text(column)
            else column.reset_index(drop=True)
        )
        if str(name).strip() or any(texts(cells)):
            yield str(name).strip() or f"column {number}", cells


def _check_names(path: Path, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"{path} has more than one column named {', '.join(map(repr, twice))}",
            "rename or remove one of them",
        )
