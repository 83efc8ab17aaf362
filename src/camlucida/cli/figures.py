"""Figures of an evaluation as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from camlucida.cli.common import print_table

if TYPE_CHECKING:
    import pandas as pd

Row: TypeAlias = Mapping[str, Any]

HEADS = (
    "model",
    "metric",
    "label",
    "group",
    "estimate",
    "interval",
    "chance",
    "n",
    "patients",
    "positives",
)


def print_figures(figures: pd.DataFrame) -> None:
    """Print a table of figures, and how its intervals were made.

    Args:
        figures: columns of :class:`~camlucida.metrics.score_table.Row`.
    """
    from camlucida.io.records import records_of
    from camlucida.metrics.intervals import interval_notes

    rows = records_of(figures)
    print_table(HEADS, [_figure_line(row) for row in rows])
    # Where nothing could be read the table has no columns at all.
    for note in interval_notes(row["interval_method"] for row in rows):
        print(note)


def cell(value: object, digits: str = ".4g") -> str:
    """A number by a format spec of Python; blank for one that does not exist.

    >>> cell(0.12345), cell(float("nan"))
    ('0.1235', '')
    """
    if not isinstance(value, (int, float)) or value != value:
        return ""
    return f"{value:{digits}}"


def interval(row: Row, digits: str = ".4g") -> str:
    """The interval of a row, or "none".

    >>> interval({"interval_method": "BCa", "low": 0.1, "high": 0.2})
    '0.1 to 0.2'
    """
    if row["interval_method"] == "none":
        return "none"
    return f"{cell(row['low'], digits)} to {cell(row['high'], digits)}"


def _figure_line(row: Row) -> tuple[str, ...]:
    return (
        row["model"],
        row["metric"],
        row["label"],
        row["group"],
        cell(row["estimate"]),
        interval(row),
        cell(row["chance"]),
        str(row["n"]),
        str(row["patients"]),
        cell(row["positives"], ".0f"),
    )
