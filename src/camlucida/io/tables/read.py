"""A table from a file of any kind that is read here, checked and stripped of blanks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from camlucida.core.errors import CamlucidaError, UsageError, did_you_mean
from camlucida.core.messages import Message, Value
from camlucida.io.tables.columns import fold, is_text, texts
from camlucida.io.tables.continued import joined
from camlucida.io.tables.formats import FORMATS, RawTable
from camlucida.io.tables.limits import check_bytes, check_names
from camlucida.io.tables.wording import listing

_NOTES = "notes"

USUAL_NAMES = frozenset(
    [
        *("image", "id", "imageid", "imageindex", "imagename", "imagepath", "filename", "file"),
        *("filepath", "path", "patient", "patientid", "subject", "subjectid", "study", "case"),
    ]
)
"""Folded names of columns by which the sheet of data is distinguished from others."""

Fits = Callable[[pd.DataFrame], int]
"""How well a table fits what it is read for: 0 for not at all."""


def read_table(
    path: str | Path, *, sheet: str | None = None, fits: Fits | None = None
) -> pd.DataFrame:
    """Read one table; the suffix decides the kind.

    - ``.csv``: separated by comma, semicolon, tab or bar (by whichever all lines have as many
      cells); ``.tsv``: by tab. UTF-8 or UTF-16, with or without a byte-order mark. Every column is
      text, so that 00001 keeps its zeros.
    - ``.xlsx``: formulas count with the value they were saved with, and a cell that is merged over
      several rows in each of them.
    - ``.parquet``; ``.json``: a list of records. Numbers stay numbers here.

    Titles above the header are passed over, and two header rows are read as one
    (:func:`~camlucida.io.tables.header.find_header`). Of several sheets, or tables side by side,
    the one that fits best is read. :func:`notes_of` tells all that was chosen.

    Rows without any content are left out. So is a column that has neither a name nor content; one
    that has content but no name is called "column N", counted from 1.

    Args:
        path: of the file, of at most :data:`~camlucida.io.image.MAX_BYTES`.
        sheet: of a workbook: its name, or its number from 1.
        fits: how well a table fits; None counts columns that usually name images.

    Returns:
        (rows, columns), at least 1 × 1; names and text cells stripped of surrounding blanks, a
        missing text cell "". Where a workbook has several sheets, ``attrs["sheet"]`` says which was
        read.

    Raises:
        UsageError: no such file, a folder, another kind of file, damaged or cut short, neither
            UTF-8 nor UTF-16, too large, rows of unequal length, no rows, no columns, two columns
            of one name, a cell that holds a list, no such sheet, several tables that fit equally
            well.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "t.csv")
    ...     _ = path.write_text("image; age\\n00001; 7\\n")
    ...     read_table(path).to_dict("list")
    {'image': ['00001'], 'age': ['7']}
    """
    path = Path(path)
    tables = _of_sheet(path, _raw_tables(path), sheet)
    tidied: list[tuple[RawTable, pd.DataFrame]] = []
    errors: list[UsageError] = []
    for table in tables:
        try:
            tidied.append((table, _tidy(path, table)))
        except UsageError as error:
            errors.append(error)
    if not tidied:
        raise (
            errors[0]
            if errors
            else UsageError(f"{path} has no columns", "the first row must name them")
        )
    tidied, joined_notes = joined(path, tidied, USUAL_NAMES)
    if len(tidied) == 1 and not errors:
        chosen = 0
    else:
        chosen = _best(path, [frame for _, frame in tidied], fits, errors)
    table, frame = tidied[chosen]
    others = [other for number, (other, _) in enumerate(tidied) if number != chosen]
    notes = [*_choice_notes(path, table, others), *joined_notes, *table.notes]
    frame.attrs[_NOTES] = [note.dumps() for note in notes]
    return frame


def notes_of(frame: pd.DataFrame) -> list[Message]:
    """What was chosen when a table was read: its sheet, block and header rows.

    Args:
        frame: of :func:`read_table`.

    >>> notes_of(pd.DataFrame())
    []
    """
    # Kept as text, because pandas writes ``attrs`` to Parquet as JSON.
    return [Message.loads(note) for note in frame.attrs.get(_NOTES, [])]


def _raw_tables(path: Path) -> list[RawTable]:
    suffix = path.suffix.lower()
    if suffix not in FORMATS and not path.is_dir():
        raise UsageError(
            f"{path} is not a table that can be read", f"readable: {' '.join(FORMATS)}"
        )
    data = _file_bytes(path)
    kind, read = FORMATS[suffix]
    try:
        return read(path, data)
    except CamlucidaError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:300]
        fix = "the file is damaged, cut short or of another kind: open it, and save it again"
        raise UsageError(f"cannot read {path} as {kind}: {reason}", fix) from error


def _of_sheet(path: Path, tables: Sequence[RawTable], sheet: str | None) -> list[RawTable]:
    """The tables of the sheet that is requested; all where none is."""
    if sheet is None:
        return list(tables)
    titles = list(tables[0].sheets) if tables else []
    if not titles:
        raise UsageError(f"--sheet {sheet}: {path} is no workbook with sheets", "leave it out")
    by_name = {title.casefold(): title for title in titles}
    title = by_name.get(sheet.casefold())
    if title is None and sheet.isdecimal() and 1 <= int(sheet) <= len(titles):
        title = titles[int(sheet) - 1]
    if title is None:
        fix = did_you_mean(sheet, titles)
        raise UsageError(f"--sheet: no sheet {sheet!r} in {path}", fix)
    return [table for table in tables if table.sheet == title]


def _best(
    path: Path, frames: Sequence[pd.DataFrame], fits: Fits | None, errors: Sequence[UsageError]
) -> int:
    """The index of the table that fits best; of those that do not fit at all, the first."""
    scores = [(fits or _usual_columns)(frame) for frame in frames]
    best = max(scores)
    if best == 0 and errors:
        raise errors[0]
    equal = [number for number, score in enumerate(scores) if score == best]
    if fits is not None and best > 0 and len(equal) > 1:
        names = [str(frames[number].attrs.get("title", "")) for number in equal]
        quoted = listing(map(repr, dict.fromkeys(names)), 6)
        if len(set(names)) == 1:
            columns = [listing(frames[number].columns) for number in equal]
            what = f"{path} has tables side by side that fit equally well: {'; '.join(columns)}"
            raise UsageError(what, "keep one of them in the sheet")
        what = f"{path} has sheets that fit equally well: {quoted}"
        raise UsageError(what, f"say which: --sheet {names[0]}")
    return equal[0]


def _usual_columns(frame: pd.DataFrame) -> int:
    return int(any(fold(str(name)) in USUAL_NAMES for name in frame.columns))


def _choice_notes(path: Path, table: RawTable, others: Sequence[RawTable]) -> Iterator[Message]:
    """That one of several sheets, or of several tables side by side, is read."""
    titles = [title for title in table.sheets if title != table.sheet]
    if titles:
        yield Message(
            "table.sheet",
            {"where": str(path), "sheet": repr(table.sheet), "others": listing(titles, 6)},
        )
    beside = [other for other in others if other.sheet == table.sheet]
    if beside:
        names = list(chain.from_iterable(map(str, other.frame.columns) for other in beside))
        values: dict[str, Value] = {
            "where": str(path),
            "names": listing(map(str, table.frame.columns), 6),
            "others": listing(names, 6),
        }
        yield Message("table.block", values)


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


def _tidy(path: Path, table: RawTable) -> pd.DataFrame:
    columns = list(_columns(path, table.frame))
    attrs: dict[Hashable | None, Any] = {"title": table.sheet}
    if len(table.sheets) > 1:
        attrs["sheet"] = f"sheet {table.sheet!r} of {len(table.sheets)}"
    where = path if "sheet" not in attrs else f"{path} ({attrs['sheet']})"
    names = [name for name, _ in columns]
    check_names(path, names)
    if not columns:
        raise UsageError(f"{where} has no columns", "the first row must name them")
    if not len(table.frame):
        first = ", ".join(names[:5])
        raise UsageError(f"{where} has no rows, only the columns {first}", "export it again")
    frame = pd.DataFrame(dict(columns))
    frame.attrs = attrs
    return frame


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
