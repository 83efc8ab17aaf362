"""The rows of a table as mappings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd


def records_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, each as a mapping from column to value.

    Args:
        table: its index is left out.

    >>> records_of(pd.DataFrame({"image": ["a", "b"]}))
    [{'image': 'a'}, {'image': 'b'}]
    """
    return [_record(row) for row in table.to_dict("records")]


def _record(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items()}
