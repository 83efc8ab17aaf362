"""Tables out: Parquet, or CSV that a spreadsheet opens without running anything."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.files import write_bytes
from camlucida.io.tables.columns import is_text

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text cell that begins so for a formula."""


def write_table(frame: pd.DataFrame, path: str | Path) -> None:
    """Write ``.parquet`` or ``.csv`` (UTF-8, RFC 4180), whole or not at all.

    The index is not written.

    In CSV an apostrophe goes before a text cell or a column name that a spreadsheet would take for
    a formula (:data:`FORMULA_STARTS`); numbers keep their sign. A missing value is a blank cell.

    Args:
        frame: the table, (rows, columns).
        path: of the file; its folder is made if missing.

    Raises:
        UsageError: another suffix.
        OSError: the system refuses the folder or the file.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_table(pd.DataFrame({"image": ["=a"], "age": [-1]}), f"{folder}/t.csv")
    ...     Path(folder, "t.csv").read_bytes()
    b"image,age\\r\\n'=a,-1\\r\\n"
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        content = _parquet(frame)
    elif suffix == ".csv":
        content = csv_bytes(frame)
    else:
        raise UsageError(f"a table cannot be written to {path}", "write .parquet or .csv")
    write_bytes(path, content)


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """A table as CSV, as :func:`write_table` writes it.

    Args:
        frame: the table.
    """
    safe = frame.rename(columns=_without_formula)
    columns = []
    for _, column in safe.items():
        columns.append(column.map(_without_formula) if is_text(column) else column)
    if columns:  # concat refuses an empty list
        safe = pd.concat(columns, axis=1)
    return safe.to_csv(index=False, lineterminator="\r\n").encode()


def _without_formula(cell: Any) -> Any:
    if isinstance(cell, str) and cell.startswith(FORMULA_STARTS):
        return f"'{cell}"
    return cell
