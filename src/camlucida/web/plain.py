"""Cells of tables as plain data for JSON, which has no NaN."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd


def plain_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row of a table.

    Args:
        row: column → cell.

    >>> plain_row({"a": np.float64("nan"), "b": np.int64(2)})
    {'a': None, 'b': 2}
    """
    return {str(name): plain(value) for name, value in row.items()}


def plain(value: Any) -> Any:
    """A cell; None where it has no value.

    Args:
        value: of any kind.

    >>> plain(np.float32(0.5)), plain(float("inf")), plain(pd.NA)
    (0.5, None, None)
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or (isinstance(value, float) and not np.isfinite(value)):
        return None
    if isinstance(value, (str, int, float, bool)):
        return value
    return json.loads(json.dumps(value, default=str))
