"""Which column of a table holds the true value."""

from __future__ import annotations

import numpy as np
import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.datasets.columns import COLUMN_NAMES
from camlucida.datasets.patients import PATIENT_COLUMNS
from camlucida.io.tables import find_column, fold, listing, texts, with_points

VALUE_COLUMNS = (
    "age",
    "value",
    "target",
    "ageyears",
    "patientage",
    "boneage",
    "y",
    "groundtruth",
    "truth",
    "年龄",
)
"""Folded names that columns of true values usually have."""


def value_column(frame: pd.DataFrame, requested: str | None, table: str) -> str:
    """The column of true values.

    The one requested; else the one with a usual name; else the only column of numbers that does
    not name images or patients.

    Args:
        frame: the table.
        requested: a column's name.
        table: the file, for messages.

    Raises:
        UsageError: no such column, no number in it, or no single candidate.
    """
    if requested is not None:
        name = str(find_column(frame, requested, (), "--value-column", table))
        if not _share_of_numbers(frame[name]):
            cells = listing(dict.fromkeys(texts(frame[name])))
            what = f"--value-column {name!r} of {table} holds no number: {cells}"
            raise UsageError(what, "name another column")
        return name
    usual = [name for name in frame.columns if fold(name) in VALUE_COLUMNS]
    candidates = usual or [name for name in frame.columns if _may_be_value(frame, name)]
    if len(candidates) == 1:
        return str(candidates[0])
    how_many = "several columns" if candidates else "no column"
    names = listing(candidates or list(frame.columns), 12)
    what = f"{table} has {how_many} that may hold the true value: {names}"
    raise UsageError(what, "name it by --value-column NAME")


def _may_be_value(frame: pd.DataFrame, column: object) -> bool:
    """Whether most cells are numbers, and the column does not name images or patients."""
    if fold(str(column)) in {*COLUMN_NAMES["image"], *PATIENT_COLUMNS}:
        return False
    return _share_of_numbers(frame[column]) > 0.5


def _share_of_numbers(column: pd.Series) -> float:
    """Of the cells that are not blank, in [0, 1]; 0 where all are blank."""
    cells = [cell for cell in texts(column) if cell]
    if not cells:
        return 0.0
    numbers = pd.to_numeric(pd.Series(with_points(cells), dtype=str), errors="coerce")
    return float(np.isfinite(numbers).mean())
