"""Columns of a table: found by their usual names, and read as text, flags or numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, time
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlucida.core.errors import UsageError, did_you_mean

_TRUE = (
    *("1", "true", "yes", "y", "t", "positive", "pos", "present"),
    *("wahr", "ja", "vrai", "oui", "verdadeiro", "sim", "verdadero", "sí", "是"),
)
_FALSE = (
    *("0", "false", "no", "n", "f", "negative", "neg", "absent"),
    *("falsch", "nein", "faux", "non", "falso", "não", "否"),
)
_UNKNOWN = ("", "-1", "nan")
_FLAGS: dict[str, bool | None] = {
    **dict.fromkeys(_TRUE, True),
    **dict.fromkeys(_FALSE, False),
    **dict.fromkeys(_UNKNOWN),
}
_CROSSES = {"x": True, "": False}
"""Of a column of crosses and blanks alone, in which a blank is no gap."""


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
    # Reversed, so that the first of two columns whose names fold alike is taken.
    by_fold = {fold(name): name for name in reversed(list(frame.columns))}
    if requested is None:
        present = (by_fold[name] for name in usual if name in by_fold)
        return next(present, None)
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
        column: (rows,) of any type.

    Returns:
        One a row: "" for a missing cell, whole numbers without ".0".

    >>> texts(pd.Series([" a ", None, 2.0], dtype=object))
    ['a', '', '2']
    """
    return [cell_text(cell) for cell in column.tolist()]


def flags(column: pd.Series, where: object) -> list[bool | None]:
    """The cells of a column of 1/true/yes and 0/false/no; None for unknown: blank, nan or -1.

    Spreadsheets write true and false in the language of their user. In a column of crosses (``x``)
    and blanks a blank is no.

    Args:
        column: (rows,) of any type.
        where: the table's file, for the message.

    Raises:
        UsageError: any other cell.

    >>> flags(pd.Series(["1", "0", "-1", ""]), "t.csv")
    [True, False, None, None]
    >>> flags(pd.Series(["WAHR", "no"]), "t.csv"), flags(pd.Series(["x", ""]), "t.csv")
    ([True, False], [True, False])
    """
    values: list[bool | None] = []
    cells = texts(column)
    folded = {cell.casefold() for cell in cells}
    if "x" in folded and folded <= set(_CROSSES):
        return [_CROSSES[cell.casefold()] for cell in cells]
    for number, cell in enumerate(cells, 1):
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

    Decimal commas count as points where they cannot be anything else (:func:`with_points`).

    Args:
        column: (rows,) of any type.
        where: the table's file, for the message.

    Raises:
        UsageError: another cell, or an infinite one.

    >>> numbers(pd.Series(["0.5", ""]), "t.csv").tolist()
    [0.5, nan]
    """
    cells = with_points(texts(column))
    parsed = pd.to_numeric(pd.Series(cells, dtype="str"), errors="coerce")
    values = parsed.to_numpy(np.float64)
    for number, (cell, value) in enumerate(zip(cells, values), 1):
        blank = cell.casefold() in ("", "nan")
        if np.isfinite(value) or (blank and np.isnan(value)):
            continue
        raise UsageError(
            f"{where}, row {number}: {cell!r} in column {column.name!r}",
            "write a number with a decimal point",
        )
    return values


def with_points(cells: Sequence[str]) -> list[str]:
    """Cells of numbers with decimal commas, written with points; others as they are.

    Commas are decimal where no cell of the column has a point, or more than one comma, and some
    cell could not be a number of thousands: "2,5" or "0,125", but not "1,250".

    Args:
        cells: of one column.

    >>> with_points(["2,5", ""]), with_points(["1,250"])
    (['2.5', ''], ['1,250'])
    """
    with_comma = [cell for cell in cells if "," in cell]
    plain = all(re.fullmatch(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?", cell) for cell in with_comma)
    thousands = all(re.fullmatch(r"[-+]?[1-9]\d{0,2},\d{3}", cell) for cell in with_comma)
    if not with_comma or not plain or thousands or any("." in cell for cell in cells):
        return list(cells)
    return [cell.replace(",", ".") for cell in cells]


def cell_text(cell: Any) -> str:
    """One cell as stripped text.

    Args:
        cell: of any type.

    Returns:
        "" for a missing cell; a whole number without ".0"; a date without its midnight.

    >>> cell_text(2.0), cell_text(" a "), cell_text(None)
    ('2', 'a', '')
    """
    if isinstance(cell, str):
        return cell.strip()
    if pd.isna(cell):
        return ""
    if isinstance(cell, datetime) and cell.time() == time.min:
        return cell.date().isoformat()
    whole = isinstance(cell, float) and cell.is_integer()
    return str(int(cell)) if whole else str(cell)


def is_text(column: pd.Series) -> bool:
    """Whether a column holds text, or objects that may be text.

    Args:
        column: (rows,) of any type.

    >>> is_text(pd.Series(["a"])), is_text(pd.Series([1]))
    (True, False)
    """
    categorical = isinstance(column.dtype, pd.CategoricalDtype)
    return categorical or column.dtype == object or pd.api.types.is_string_dtype(column)
