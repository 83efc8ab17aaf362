"""Tables side by side on one sheet that are parts of one table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from camlucida.core.messages import Message, Value, declare
from camlucida.io.tables.columns import fold
from camlucida.io.tables.formats import RawTable

declare(
    "table",
    {
        "continued": (
            "{where}: {count} tables side by side with the same columns and different names are "
            "read as one, {rows} rows"
        ),
    },
)

Tidied = tuple[RawTable, pd.DataFrame]


def joined(
    path: Path, tables: Sequence[Tidied], names: Collection[str]
) -> tuple[list[Tidied], list[Message]]:
    """The tables, those of one sheet joined that continue each other; and notes on them.

    Tables continue each other where they have the same columns, and no name of an image, patient or
    row stands in two of them.

    Args:
        path: of the file, for the notes.
        tables: in the order of the file.
        names: folded names of columns that name rows.
    """
    groups: dict[tuple[object, ...], list[Tidied]] = {}
    for table, frame in tables:
        groups.setdefault((table.sheet, *map(str, frame.columns)), []).append((table, frame))
    result: list[Tidied] = []
    notes: list[Message] = []
    for parts in groups.values():
        frames = [frame for _, frame in parts]
        if len(parts) < 2 or not _apart(frames, names):
            result += parts
            continue
        whole = pd.concat(frames, ignore_index=True)
        whole.attrs.update(frames[0].attrs)
        result.append((parts[0][0], whole))
        values: dict[str, Value] = {"where": str(path), "count": len(parts), "rows": len(whole)}
        notes.append(Message("table.continued", values))
    return result, notes


def _apart(frames: Sequence[pd.DataFrame], names: Collection[str]) -> bool:
    """Whether columns name the rows, and none of their names stands in two tables."""
    columns = [name for name in frames[0].columns if fold(str(name)) in names]
    for column in columns:
        cells = pd.concat([frame[column].drop_duplicates() for frame in frames])
        if cells.duplicated().any():
            return False
    return bool(columns)
