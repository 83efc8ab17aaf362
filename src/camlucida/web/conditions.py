"""Conditions and order of cases, as clauses of SQL; values are bound, columns are checked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from camlucida.core.errors import UsageError, did_you_mean

_CONDITION = re.compile(r"(?P<column>\w+)(?P<sign><=|>=|!=|=|<|>|~)(?P<value>.*)", re.DOTALL)
_SIGNS = {"<=": "<=", ">=": ">=", "!=": "<>", "=": "=", "<": "<", ">": ">", "~": "ILIKE"}


def where_clause(conditions: Sequence[str], known: Sequence[str]) -> tuple[str, list[str]]:
    """The WHERE clause of conditions, and the values that it is bound to.

    Args:
        conditions: each ``COLUMN SIGN VALUE``, without blanks.
        known: columns of the table.

    Raises:
        UsageError: there is no such column, or a condition is none.

    >>> where_clause(["label=nodule"], ["label"])
    ('WHERE CAST("label" AS VARCHAR) = ?', ['nodule'])
    """
    parts, values = [], []
    for condition in conditions:
        column, sign, value = _parsed(condition, known)
        parts.append(_where(column, sign))
        values.append(f"%{value}%" if sign == "ILIKE" else value)
    return (f"WHERE {' AND '.join(parts)}" if parts else ""), values


def order_clause(sort: str, descending: bool, known: Sequence[str]) -> str:
    """The ORDER BY clause; rows without a value come last.

    Args:
        sort: column.
        descending: whether the largest come first.
        known: columns of the table.

    Raises:
        UsageError: there is no such column.

    >>> order_clause("score", True, ["score"])
    '"score" DESC NULLS LAST, case_id'
    """
    return f'"{checked_column(sort, known)}" {"DESC" if descending else "ASC"} NULLS LAST, case_id'


def _parsed(condition: str, known: Sequence[str]) -> tuple[str, str, str]:
    match = _CONDITION.fullmatch(condition)
    if match is None:
        raise UsageError(f"no condition: {condition[:80]!r}", "write COLUMN=VALUE or COLUMN>=VALUE")
    return checked_column(match["column"], known), _SIGNS[match["sign"]], match["value"]


def _where(column: str, sign: str) -> str:
    if sign in ("=", "<>", "ILIKE"):
        return f'CAST("{column}" AS VARCHAR) {sign} ?'
    return f'TRY_CAST("{column}" AS DOUBLE) {sign} TRY_CAST(? AS DOUBLE)'


def checked_column(column: str, known: Sequence[str]) -> str:
    """A column that the table has.

    Args:
        column: as a request names it.
        known: columns of the table.

    Raises:
        UsageError: there is no such column.
    """
    if column not in known:
        raise UsageError(f"no column {column[:40]!r}", did_you_mean(column, known))
    return column
