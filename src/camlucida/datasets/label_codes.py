"""Numbers in place of labels: positions in the model's list, names, or a column of names beside."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, Value, declare
from camlucida.io.tables import fold, listing, texts

declare(
    "notes",
    {
        "label_positions": (
            "{where}: numbers in the column {column} are positions in the model's list of labels, "
            "counted from {base}: {code} is {name}"
        ),
        "label_numbers": (
            "{where}: numbers in the column {column} are the names of labels, not positions from "
            "0: {code} is {name}"
        ),
        "label_flag": "{where}: 1 in the column {column} is {name}, 0 is not",
        "names_beside": (
            "{where}: codes in the column {column} have the names of the column {beside}: {code} "
            "is {name}"
        ),
        "names_given": "{where}: codes in the column {column} are named as requested: {names}",
        "label_prefix": "{where}: labels stand in columns such as {column}: it is {name}",
    },
)


@dataclass(frozen=True)
class LabelCodes:
    """What the codes in a column of labels mean.

    Attributes:
        names: code → label of the model, "" for none; empty where the cells are names already.
        notes: how they were read.
    """

    names: Mapping[str, str]
    notes: tuple[Message, ...] = ()

    def name(self, cell: str) -> str:
        """The label that a cell, or a part of one, means; itself where it is no code."""
        return self.names.get(whole(cell), cell)

    def translated(self, rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
        """The label for each code of each row.

        Args:
            rows: their codes or names.

        >>> LabelCodes({"2": "Mass"}).translated([["2"], []])
        [['Mass'], []]
        """
        return [list(map(self.name, row)) for row in rows] if self.names else rows


def whole(cell: str) -> str:
    """A cell without the ".0" of a whole number.

    >>> whole("2.0"), whole("Mass")
    ('2', 'Mass')
    """
    return re.sub(r"^(-?\d+)\.0+$", r"\1", cell)


def read_codes(
    frame: pd.DataFrame,
    column: str,
    parts: Sequence[str],
    labels: Sequence[str],
    given: Mapping[str, str],
    where: object,
) -> LabelCodes:
    """What the codes in a column of labels mean.

    In this order: what the user said; names, where every cell is one; for a model of one label, 1
    and 0; names in a column next to it, one for each code; positions in the model's list, from 0
    where a 0 occurs, and from 1 where the last position occurs and no 0.

    Args:
        frame: the table.
        column: of it.
        parts: the distinct names or codes in its cells.
        labels: of the model, in order.
        given: code → label, by the user.
        where: the table's file, for messages.

    Raises:
        UsageError: positions that may be counted from 0 or from 1, or that are beyond the list;
            0 and 1 alone with more than two labels.

    >>> frame = pd.DataFrame({"label": ["0", "3"]})
    >>> read_codes(frame, "label", ["0", "3"], ["1", "2", "3", "4"], {}, "t.csv").names
    {'0': '1', '1': '2', '2': '3', '3': '4'}
    """
    codes = list(map(whole, filter(None, parts)))
    by_fold = {fold(label): label for label in labels if label}
    values: dict[str, Value] = {"where": str(where), "column": repr(column)}
    if given:
        return _given_names(codes, by_fold, given, values)
    numbers = _whole_numbers(codes)
    if not numbers or not labels:
        return LabelCodes({})
    if len(by_fold) == 1 and numbers <= {0, 1, -1} and not by_fold.keys() & set(codes):
        (name,) = by_fold.values()
        note = Message("notes.label_flag", {**values, "name": name})
        return LabelCodes({"1": name, "0": "", "-1": ""}, (note,))
    if by_fold.keys() >= set(map(fold, codes)):
        example: dict[str, Value] = {"code": codes[0], "name": by_fold[fold(codes[0])]}
        could_be_positions = max(numbers) < len(labels) and "0" not in by_fold
        notes = [Message("notes.label_numbers", values | example)] if could_be_positions else []
        return LabelCodes({}, tuple(notes))
    beside = _names_beside(frame, column, by_fold, values)
    return beside or _positions(numbers - {-1}, labels, values)


def _whole_numbers(codes: Sequence[str]) -> set[int]:
    """The numbers that the codes are; empty unless each is one, and different codes differ."""
    numbers = {int(code) for code in codes if re.fullmatch(r"-?\d+", code)}
    return numbers if len(numbers) == len(set(codes)) else set()


def _given_names(
    codes: Sequence[str],
    by_fold: Mapping[str, str],
    given: Mapping[str, str],
    values: Mapping[str, Value],
) -> LabelCodes:
    strange = [name for name in given.values() if by_fold and fold(name) not in by_fold]
    if strange:
        raise UsageError(
            f"--class-name: {strange[0]!r} is no label of the model",
            f"its labels: {listing(by_fold.values(), 20)}",
        )
    names = {whole(code): by_fold.get(fold(name), name) for code, name in given.items()}
    unnamed = [code for code in codes if code not in names and fold(code) not in by_fold]
    if unnamed and len(unnamed) == len(set(codes)):
        raise UsageError(
            f"--class-name names none of the codes in column {values['column']} of "
            f"{values['where']}",
            f"its codes: {listing(sorted(set(codes)), 12)}",
        )
    shown = ", ".join(f"{code} = {name}" for code, name in names.items())
    return LabelCodes(names, (Message("notes.names_given", {**values, "names": shown}),))


def _names_beside(
    frame: pd.DataFrame,
    column: str,
    by_fold: Mapping[str, str],
    values: Mapping[str, Value],
) -> LabelCodes | None:
    """The names of a neighbouring column that has one of the model's labels for each code."""
    columns = list(map(str, frame.columns))
    position = columns.index(column)
    codes = [whole(cell) for cell in texts(frame[column])]
    for beside in (
        *columns[position + 1 : position + 2],
        *columns[max(position - 1, 0) : position],
    ):
        pairs = {pair for pair in zip(codes, texts(frame[beside])) if pair[0]}
        names = dict(pairs)
        one_to_one = len(pairs) == len(names) == len(set(names.values()))
        if not one_to_one or not all(fold(name) in by_fold for name in names.values()):
            continue
        labels = {code: by_fold[fold(name)] for code, name in sorted(names.items())}
        code, name = next(iter(labels.items()))
        example: dict[str, Value] = {"beside": repr(beside), "code": code, "name": name}
        return LabelCodes(labels, (Message("notes.names_beside", {**values, **example}),))
    return None


def _positions(numbers: set[int], labels: Sequence[str], values: Mapping[str, Value]) -> LabelCodes:
    where = f"column {values['column']} of {values['where']}"
    if not numbers:
        return LabelCodes({})
    highest = max(numbers)
    from_zero, from_one = 0 in numbers, highest == len(labels)
    example_name = next(filter(None, labels), "NAME")
    choices = f"--class-name {min(numbers)}={example_name} and so on"
    if min(numbers) < 0 or highest > len(labels) or (from_zero and from_one):
        raise UsageError(
            f"{where} holds the numbers {min(numbers)} to {highest}, and the model has "
            f"{len(labels)} labels",
            f"say what they mean: {choices}",
        )
    if numbers <= {0, 1} and len(labels) > 2:
        raise UsageError(
            f"{where} holds 0 and 1 only, and the model has {len(labels)} labels: positions in "
            "their list, or whether there is any finding",
            f"say what they mean: {choices}; or name another --label-column",
        )
    if not from_zero and not from_one:
        raise UsageError(
            f"{where} holds the numbers {min(numbers)} to {highest}: positions in the list of "
            f"{len(labels)} labels counted from 0 or from 1",
            f"say what they mean: {choices}",
        )
    base = 0 if from_zero else 1
    names = {str(number): label for number, label in enumerate(labels, base)}
    code = str(min(numbers))
    example: dict[str, Value] = {"base": base, "code": code, "name": names[code]}
    return LabelCodes(names, (Message("notes.label_positions", {**values, **example}),))
