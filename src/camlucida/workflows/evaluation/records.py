"""Rows of tables as plain records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import pandas as pd

Record: TypeAlias = Mapping[str, Any]


def records_of(table: pd.DataFrame) -> list[Record]:
    """The rows of a table; None for NaN.

    >>> records_of(pd.DataFrame({"a": [1.0, float("nan")]}))
    [{'a': 1.0}, {'a': None}]
    """
    rows = table.to_dict("records")
    return [_record(row) for row in rows]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _record(row: Mapping[Any, Any]) -> Record:
    return {str(name): _plain(value) for name, value in row.items()}
