"""Cells and phrases of the page: numbers with their intervals, names of methods."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from camlucida.attribution.methods import METHODS
from camlucida.core.numbers import number
from camlucida.report.document import Cell, Code, Estimate, Text
from camlucida.workflows.benchmark.result_texts import name_message

Line = Mapping[Any, Any]
"""A row of a table, column → value."""
ROUNDING = 1e-12
"""What is smaller in absolute value is 0."""
MethodKind = tuple[str, bool]
"""Name of a method or baseline, and whether it is a baseline."""


def value(x: float | None, digits: int = 3) -> str:
    """A number in running text; a dash where there is none.

    >>> value(0.12345), value(None), value(3e-18)
    ('0.123', '–', '0')
    """
    if x is None or math.isnan(x):
        return "–"
    return number(0.0 if abs(x) < ROUNDING else float(x), f".{digits}g")


def interval(line: Line) -> str:
    """Estimate and interval in running text: ``0.42 [0.38, 0.46]``.

    >>> interval({"estimate": 0.42, "low": 0.38, "high": 0.46})
    '0.42 [0.38, 0.46]'
    """
    if math.isnan(line["low"]):
        return value(line["estimate"])
    return f"{value(line['estimate'])} [{value(line['low'])}, {value(line['high'])}]"


def percent(x: float) -> str:
    """A share in running text.

    >>> percent(0.421), percent(float("nan"))
    ('42%', '–')
    """
    return "–" if math.isnan(x) else f"{100 * x:.0f}%"


def method_name(method: str, baseline: bool) -> Text:
    """A method as the tables write it."""
    return name_message("baseline", method=method) if baseline else Code(method)


def estimate(
    line: Line | None, key: str = "estimate", low: str = "low", high: str = "high"
) -> Cell:
    """A cell of an estimate with its interval; a dash without a line."""
    if line is None:
        return Cell(None)
    return Cell(Estimate(float(line[key]), float(line[low]), float(line[high])))


def share(x: float | None) -> Cell:
    """A cell of a share in percent."""
    return Cell(Estimate(float("nan") if x is None else float(x), percent=True))


def with_bound(line: Line | None) -> Cell:
    """A cell of a score, with its ratio to the upper bound of the grid as a note."""
    if line is None:
        return Cell(None)
    ratio = line["over_ceiling"]
    note = "" if math.isnan(ratio) else name_message("of_bound", ratio=value(ratio, 2))
    return Cell(estimate(line).value, note=note)


def ordered(kinds: Iterable[MethodKind]) -> list[MethodKind]:
    """Each method once: methods in the registry's order, the user's, then baselines."""
    order = {name: position for position, name in enumerate(METHODS)}

    def rank(kind: MethodKind) -> tuple[bool, int]:
        name, baseline = kind
        return baseline, 0 if baseline else order.get(name, len(order))

    return sorted(dict.fromkeys(kinds), key=rank)
