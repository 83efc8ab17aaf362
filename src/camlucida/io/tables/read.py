"""A table from a file of any kind that is read here, checked and stripped of blanks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from camlucida.core.errors import CamlucidaError, UsageError, did_you_mean
from camlucida.io.image import quiet
from camlucida.io.tables.columns import is_text, texts
from camlucida.io.tables.formats import FORMATS, check_bytes, check_names


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

    Args:
        path: of the file, of at most :data:`~camlucida.io.image.MAX_BYTES`.

    Returns:
        (rows, columns), at least 1 × 1; names and text cells stripped of surrounding blanks, a
        missing text cell "". Where a workbook has several sheets, ``attrs["sheet"]`` says which was
        read.

    Raises:
        UsageError: no such file, a folder, another kind of file, damaged or cut short, not UTF-8,
            rows of unequal length, no rows, no columns, two columns of one name, a cell that holds
            a list.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "t.csv")
    ...     _ = path.write_text("image; age\\n00001; 7\\n")
    ...     read_table(path).to_dict("list")
    {'image': ['00001'], 'age': ['7']}
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FORMATS and not path.is_dir():
        raise UsageError(
            f"{path} is not a table that can be read", f"readable: {' '.join(FORMATS)}"
        )
    data = _file_bytes(path)
    kind, read = FORMATS[suffix]
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
    sheet = frame.attrs.get("sheet")
    return str(path) if sheet is None else f"{path} ({sheet})"


def _file_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a table", "name a file in it")
    if not path.is_file():
        raise _missing(path)
    try:
        check_bytes(path, path.stat().st_size)
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot open {path}: {error.strerror}") from error
    if not data:
        raise UsageError(f"{path} is empty (0 bytes)", "copy or export it again")
    return data


def _missing(path: Path) -> UsageError:
    folder = path.parent
    names = sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []
    fix = "the folder is empty or missing"
    if names:
        fix = did_you_mean(path.name, names, limit=5)
    return UsageError(f"no such table: {path}", fix)


def _tidy(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    columns = list(_columns(path, frame))
    where = source(path, frame)
    names = [name for name, _ in columns]
    check_names(path, names)
    if not columns:
        raise UsageError(f"{where} has no columns", "the first row must name them")
    if not len(frame):
        first = ", ".join(names[:5])
        raise UsageError(f"{where} has no rows, only the columns {first}", "export it again")
    return pd.DataFrame(dict(columns))


def _columns(path: Path, frame: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """(name, column), text stripped; without those that have neither name nor content."""
    for number, (label, column) in enumerate(frame.items(), 1):
        name = str(label)
        if _holds_lists(column):
            raise UsageError(
                f"{path}: column {name!r} holds lists",
                "give one value a cell, for instance names joined by |",
            )
        if is_text(column):
            cells = pd.Series(texts(column), dtype="str")
        else:
            cells = column.reset_index(drop=True)
        stripped = name.strip()
        if stripped or any(texts(cells)):
            yield stripped or f"column {number}", cells


def _holds_lists(column: pd.Series) -> bool:
    if column.dtype != object:
        return False
    return any(isinstance(cell, (list, tuple, dict, np.ndarray)) for cell in column)
