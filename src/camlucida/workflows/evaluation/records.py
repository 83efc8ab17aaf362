"""Rows of tables as plain records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import pandas as pd

from camlucida.io.records import records_of

Record: TypeAlias = Mapping[str, Any]


def records_without_nan(table: pd.DataFrame) -> list[Record]:
    """The rows of a table; None for NaN.

    >>> records_without_nan(pd.DataFrame({"a": [1.0, float("nan")]}))
    [{'a': 1.0}, {'a': None}]
    """
    return [_without_nan(record) for record in records_of(table)]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _without_nan(record: Record) -> Record:
    return {name: _plain(value) for name, value in record.items()}
