"""Columns that are called exactly as the labels, and hold their scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, Value, declare
from camlucida.io.tables import fold, listing, numbers

declare(
    "notes",
    {
        "plain_probabilities": (
            "{where}: columns called as the labels hold their probabilities, as no others do: "
            "{names}"
        ),
        "plain_logits": (
            "{where}: columns called as the labels hold numbers from {low} to {high}, read as "
            "logits, as no others hold scores: {names}"
        ),
    },
)

SHOWN = 6
"""Names that a message lists."""

SUM_TOLERANCE = 0.01
"""How far from 1 the probabilities of all classes of a row may sum."""

Floats = NDArray[np.float64]

Role = Literal["probability", "logit"]


@dataclass(frozen=True)
class PlainScores:
    """Scores in columns that are called as the labels.

    Attributes:
        role: what the scores are.
        columns: label, as the column has it → column, in the order of the table.
        note: that they are read so.
    """

    role: Role
    columns: Mapping[str, str]
    note: Message


def plain_scores(
    frame: pd.DataFrame, labels: Iterable[str], taken: Iterable[str], where: Path
) -> PlainScores | None:
    """Scores in columns that are called as the labels; None where these hold none.

    Columns of 0, 1 and -1 alone are ground truth or decisions, and no scores.

    Args:
        frame: the table.
        labels: that may have a column.
        taken: columns that have another role.
        where: the table's file, for messages.

    Raises:
        UsageError: numbers that are neither probabilities nor logits.

    >>> frame = pd.DataFrame({"Edema": ["0,25", "0,5"], "Mass": ["1", "0"]})
    >>> scores = plain_scores(frame, ["edema", "mass"], [], Path("p.csv"))
    >>> scores.role, scores.columns
    ('probability', {'Edema': 'Edema', 'Mass': 'Mass'})
    """
    names = set(map(fold, labels))
    free = set(map(str, frame.columns)) - set(taken)
    columns = [name for name in frame.columns if name in free and fold(name) in names]
    return _scores(frame, columns, where)


def class_scores(
    frame: pd.DataFrame, classes: Sequence[str], taken: Iterable[str], where: Path
) -> PlainScores | None:
    """The same of classes that exclude each other, of which some may never be the true one.

    Such a class has a column, too, which is seen by its numbers: with it, rows of probabilities sum
    to 1.

    Args:
        frame, taken, where: as of :func:`plain_scores`.
        classes: that occur.

    >>> columns = {"A": [0.5, 0.1], "B": [0.25, 0.9], "C": [0.25, 0.0], "age": [31, 40]}
    >>> list(class_scores(pd.DataFrame(columns), ["A", "B"], [], Path("p.csv")).columns)
    ['A', 'B', 'C']
    """
    taken = set(taken)
    scores = plain_scores(frame, classes, taken, where)
    if scores is None or len(scores.columns) < len(classes):
        return None
    if scores.role == "logit" or _sums_to_one(frame, scores.columns.values(), where):
        return scores
    for whole in (True, False):  # without columns of 0 and 1, such as a sex, the sum may be right
        others = [
            name
            for name in frame.columns
            if name in scores.columns or (name not in taken and _in_unit(frame[name], whole))
        ]
        wider = _scores(frame, others, where)
        if wider is not None and _sums_to_one(frame, others, where):
            return wider
    return scores


def shares_of_one(frame: pd.DataFrame, taken: Iterable[str], where: Path) -> PlainScores | None:
    """Probabilities of classes that nobody named: the columns of shares whose rows sum to 1.

    Args:
        frame, taken, where: as of :func:`plain_scores`.

    >>> columns = {"fatty": [0.7, 0.4], "dense": [0.3, 0.6], "age": [31, 40]}
    >>> list(shares_of_one(pd.DataFrame(columns), [], Path("p.csv")).columns)
    ['fatty', 'dense']
    """
    columns = unnamed_scores(frame, taken)
    if len(columns) < 2 or not _sums_to_one(frame, columns, where):
        return None
    return _scores(frame, columns, where)


def unnamed_scores(frame: pd.DataFrame, taken: Iterable[str]) -> list[str]:
    """Columns that may hold scores of labels that nobody named: numbers from 0 to 1, not all whole.

    Args:
        frame: the table.
        taken: columns that have another role.

    >>> unnamed_scores(pd.DataFrame({"Edema": [0.25], "Mass": [1], "age": [31]}), [])
    ['Edema']
    """
    free = set(map(str, frame.columns)) - set(taken)
    return [name for name in frame.columns if name in free and _in_unit(frame[name], whole=False)]


def are_flags(frame: pd.DataFrame, columns: Iterable[str]) -> bool:
    """Whether columns hold nothing but 0, 1, -1 and blanks.

    Args:
        frame: the table.
        columns: of it.
    """
    parts = [_numbers_or_none(frame[name]) for name in columns]
    return all(part is not None and _flags(part) for part in parts)


def hold_scores(frame: pd.DataFrame, columns: Sequence[str]) -> bool:
    """Whether columns hold numbers, and not 0, 1 and -1 alone.

    Args:
        frame: the table.
        columns: of it.

    >>> hold_scores(pd.DataFrame({"A": ["0.5", "1"]}), ["A"])
    True
    """
    numeric = all(_numbers_or_none(frame[name]) is not None for name in columns)
    return bool(columns) and numeric and not are_flags(frame, columns)


def _scores(frame: pd.DataFrame, columns: Sequence[str], where: Path) -> PlainScores | None:
    parts = [_numbers_or_none(frame[name]) for name in columns]
    values = [part for part in parts if part is not None]
    if not values or len(values) < len(parts):
        return None
    pooled = np.concatenate(values)
    pooled = pooled[np.isfinite(pooled)]
    if not len(pooled) or _flags(pooled):
        return None
    low, high = float(pooled.min()), float(pooled.max())
    role = _role(pooled)
    if role is None:
        raise UsageError(
            f"columns of {where} that are called as labels ({listing(columns, SHOWN)}) hold "
            f"numbers from {low:g} to {high:g}: neither probabilities nor plainly logits",
            f"call logits logit_{columns[0]} and so on; divide per cent by 100; leave a cell blank "
            "where a score is unknown",
        )
    shown: dict[str, Value] = {"where": str(where), "names": listing(columns, SHOWN)}
    if role == "logit":
        shown |= {"low": f"{low:.3g}", "high": f"{high:.3g}"}
        return PlainScores(role, _by_name(columns), Message("notes.plain_logits", shown))
    return PlainScores(role, _by_name(columns), Message("notes.plain_probabilities", shown))


def _role(values: Floats) -> Role | None:
    """What numbers are by their range; None where that does not show."""
    if values.min() >= 0 and values.max() <= 1:
        return "probability"
    negative = values[values < 0]
    unknown = bool((negative == -1).all())  # also True where none is negative
    return None if unknown or _are_whole(values) else "logit"


def _by_name(columns: Sequence[str]) -> dict[str, str]:
    return {name: name for name in columns}


def _numbers_or_none(column: pd.Series) -> Floats | None:
    try:
        return numbers(column, "")
    except UsageError:
        return None


def _flags(values: Floats) -> bool:
    return bool(np.isin(values[np.isfinite(values)], (-1, 0, 1)).all())


def _are_whole(values: Floats) -> bool:
    return bool((values == np.round(values)).all())


def _in_unit(column: pd.Series, whole: bool = True) -> bool:
    values = _numbers_or_none(column)
    if values is None:
        return False
    finite = values[np.isfinite(values)]
    if not len(finite) or finite.min() < 0 or finite.max() > 1:
        return False
    return whole or not _are_whole(finite)


def _sums_to_one(frame: pd.DataFrame, columns: Iterable[str], where: Path) -> bool:
    table = np.stack([numbers(frame[name], where) for name in columns], axis=1)
    sums = table.sum(axis=1)
    sums = sums[np.isfinite(sums)]
    return bool(len(sums)) and bool((np.abs(sums - 1) <= SUM_TOLERANCE).all())
