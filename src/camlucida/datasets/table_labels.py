"""The labels of a table: one column for each label, or one column of names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, Value, declare
from camlucida.datasets.columns import label_columns
from camlucida.datasets.label_codes import read_codes
from camlucida.datasets.plain_scores import hold_scores
from camlucida.io.tables import find_column, flags, fold, listing, texts

declare(
    "notes",
    {
        "blank_cells": (
            "{count} {count:|label cell|label cells} of {where} blank or -1 "
            "(unknown), counted as not positive"
        ),
        "blank_names": (
            "{count} {count:|image|images} with a blank label cell in {where}, "
            "counted as without a finding"
        ),
        "no_column": (
            "no column of {where} for {count} {count:|label|labels}, counted as not "
            "positive: {names}"
        ),
        "strange_labels": (
            "{count} {count:|label|labels} in {where} that the model does not have: {names}"
        ),
        "scores_beside": (
            "{where}: columns called as the labels hold scores, and no ground truth: {names}; "
            "labels are read from {column}"
        ),
        "label_lists": (
            "{where}: lists of 0 and 1 in the column {column} stand for the model's labels in "
            "their order"
        ),
        "no_labels": "{where} holds no labels, so it is unknown what the images show",
        "absent_labels": "{count} {count:|label|labels} without a positive image: {names}",
    },
)

LABEL_COLUMNS = (
    *("labels", "label", "finding", "findinglabels", "class", "classname", "labelname"),
    *("diagnosis", "category", "target"),
)
"""Names that a column of label names usually has, folded."""

SHOWN = 20
"""Names of labels that a note lists."""


@dataclass(frozen=True)
class TableLabels:
    """What the rows of a table say of the model's labels.

    Attributes:
        labels: folded name → label of the model, in its order.
        columns: label → cells of its column; empty where the table has no such columns.
        names: row → names in the column that joins them; None where there is no such column.
        where: the table's file.
        reading: how numbers in place of names were read.
        column: of names; "" where there is none.
    """

    labels: Mapping[str, str]
    columns: Mapping[str, Sequence[bool | None]]
    names: Sequence[Sequence[str]] | None
    where: Path
    reading: tuple[Message, ...] = ()
    column: str = ""

    @classmethod
    def read(
        cls,
        frame: pd.DataFrame,
        requested: str | None,
        labels: Sequence[str],
        where: Path,
        class_names: Mapping[str, str] | None = None,
    ) -> TableLabels:
        """Read the labels of a table.

        Columns that are named as the model's labels are taken first, also with a word such as
        ``true_`` before them, unless a column is ``requested``; then the first of
        :data:`LABEL_COLUMNS` that holds a name of a label, else the first of them. Numbers there
        are read as :func:`~camlucida.datasets.label_codes.read_codes` tells.

        Args:
            frame: the table.
            requested: the column of names that the user named; None to look for one.
            labels: of the model, in order; "" for a channel without trained weights.
            where: the table's file, for the messages.
            class_names: cell → label of the model, as the user named them.

        Raises:
            UsageError: two columns of one label; a cell that is neither 1, 0 nor unknown; a
                requested column that is not there; numbers that may mean one label or another.
        """
        by_name = {fold(label): label for label in labels if label}
        notes: tuple[Message, ...] = ()
        if requested is None:
            columns, notes = _label_columns(frame, by_name, where)
            if columns:
                return cls(by_name, columns, None, where, notes)
        column = _label_column(frame, requested, by_name, where)
        if column is None:
            return cls(by_name, {}, None, where)
        by_position = _flag_lists(frame, column, labels, where)
        if by_position is not None:
            values: dict[str, Value] = {"where": str(where), "column": repr(column)}
            listed = Message("notes.label_lists", values)
            return cls(by_name, {}, by_position, where, (*notes, listed), column)
        names = [_split(cell, by_name) for cell in texts(frame[column])]
        parts = list(dict.fromkeys(chain.from_iterable(names)))
        codes = read_codes(frame, column, parts, labels, class_names or {}, where)
        reading = (*notes, *codes.notes)
        return cls(by_name, {}, codes.translated(names), where, reading, column)

    def positives(self, row: int) -> tuple[str, ...] | None:
        """The model's labels that are present, in its order; None where the table holds none.

        Args:
            row: its number, from 0.

        >>> frame = pd.DataFrame({"Finding Labels": ["Mass|Nodule", ""]})
        >>> table = TableLabels.read(frame, None, ["Nodule", "Mass"], Path("t.csv"))
        >>> table.positives(0), table.positives(1)
        (('Nodule', 'Mass'), ())
        """
        labels = self.labels.values()
        if self.columns:
            positive = {label for label, cells in self.columns.items() if cells[row]}
            return tuple(label for label in labels if label in positive)
        if self.names is None or not self.labels:
            return None
        present = {fold(name) for name in self.names[row] if name}
        return tuple(label for name, label in self.labels.items() if name in present)

    @property
    def title(self) -> str:
        """What the labels' columns are called in messages."""
        return repr(self.column) if self.column else "the columns of labels"

    def cells(self, frame: pd.DataFrame) -> list[str]:
        """The label of each row as one cell, by which training may have stratified its split.

        Of columns for each label it holds the positions of those that are present, from 0.

        Args:
            frame: the table.
        """
        if self.column:
            return texts(frame[self.column])
        columns = list(self.columns.values())
        cells = []
        for of_row in zip(*columns):
            present = [str(number) for number, flag in enumerate(of_row) if flag]
            cells.append("|".join(present) or "none")
        return cells or ["none"] * len(frame)

    def unknown(self, row: int) -> frozenset[str]:
        """The model's labels that are unknown in a row: no column, a blank cell, or −1.

        Args:
            row: its number, from 0.
        """
        labels = frozenset(self.labels.values())
        if self.columns:
            stated = {label for label, cells in self.columns.items() if cells[row] is not None}
            return labels - stated
        if self.names is None or not self.names[row]:
            return labels
        return frozenset()

    def notes(self, rows: Sequence[int]) -> Iterator[Message]:
        """What a reader must know of the labels of these rows.

        Args:
            rows: their numbers, from 0.
        """
        if not self.labels:
            return
        if self.columns:
            yield from self._column_notes(rows)
        elif self.names is not None:
            yield from self._name_notes(rows, self.names)
        else:
            yield Message("notes.no_labels", {"where": str(self.where)})
            return
        present = set(chain.from_iterable(self.positives(row) or () for row in rows))
        absent = [label for label in self._available() if label not in present]
        if absent:
            values: dict[str, Value] = {"count": len(absent), "names": listing(absent, SHOWN)}
            yield Message("notes.absent_labels", values)

    def _available(self) -> list[str]:
        """Labels that the table could call present."""
        labels = self.labels.values()
        return [label for label in labels if not self.columns or label in self.columns]

    def _column_notes(self, rows: Sequence[int]) -> Iterator[Message]:
        blank = 0
        for cells in self.columns.values():
            blank += [cells[row] for row in rows].count(None)
        if blank:
            yield Message("notes.blank_cells", {"count": blank, "where": str(self.where)})
        missing = [label for label in self.labels.values() if label not in self.columns]
        if missing:
            yield self._listed("no_column", missing)

    def _name_notes(self, rows: Sequence[int], names: Sequence[Sequence[str]]) -> Iterator[Message]:
        empty = [row for row in rows if not names[row]]
        if empty:
            yield Message("notes.blank_names", {"count": len(empty), "where": str(self.where)})
        used = set(chain.from_iterable(names[row] for row in rows))
        strange = sorted(name for name in used if name and fold(name) not in self.labels)
        if strange:
            yield self._listed("strange_labels", strange)

    def _listed(self, code: str, labels: Sequence[str]) -> Message:
        values: dict[str, Value] = {
            "count": len(labels),
            "where": str(self.where),
            "names": listing(labels, SHOWN),
        }
        return Message(f"notes.{code}", values)


def _label_columns(
    frame: pd.DataFrame, by_name: Mapping[str, str], where: Path
) -> tuple[dict[str, Sequence[bool | None]], tuple[Message, ...]]:
    """Label → cells of the column that is named as it is, and a note where words are added."""
    plain = [name for name in frame.columns if fold(name) in by_name]
    folded = list(map(fold, plain))
    twice = [name for name in plain if folded.count(fold(name)) > 1]
    if twice:
        raise UsageError(f"{where} has several columns for one label: {listing(twice)}", "keep one")
    affixed = _affixed_columns(frame, by_name)
    notes: list[Message] = []
    beside = next(iter(affixed.values()), None) or _column_of_names(frame, by_name)
    if beside is not None and hold_scores(frame, plain):
        shown: dict[str, Value] = {"where": str(where), "names": listing(plain, SHOWN)}
        notes.append(Message("notes.scores_beside", {**shown, "column": repr(beside)}))
    elif plain:
        return {by_name[fold(name)]: flags(frame[name], where) for name in plain}, ()
    for label, name in list(affixed.items())[:1]:
        values: dict[str, Value] = {"where": str(where), "column": repr(name), "name": label}
        notes.append(Message("notes.label_prefix", values))
    return {label: flags(frame[name], where) for label, name in affixed.items()}, tuple(notes)


def _affixed_columns(frame: pd.DataFrame, labels: Mapping[str, str]) -> dict[str, str]:
    """Label → column, of columns such as ``true_Mass``."""
    affixed = label_columns(frame, []).get("truth", {})
    return {labels[fold(name)]: affixed[name] for name in affixed if fold(name) in labels}


def _label_column(
    frame: pd.DataFrame, requested: str | None, labels: Mapping[str, str], where: Path
) -> str | None:
    """The column of labels: the first of a usual name that holds one, else the first of them."""
    first = find_column(frame, requested, LABEL_COLUMNS, "label column", where)
    if requested is not None or first is None:
        return first
    return _column_of_names(frame, labels) or first


def _column_of_names(frame: pd.DataFrame, labels: Mapping[str, str]) -> str | None:
    """The first column of a usual name that holds the name of a label."""
    first = find_column(frame, None, LABEL_COLUMNS, "", "")
    usual = [str(name) for name in frame.columns if fold(str(name)) in LABEL_COLUMNS]
    for column in dict.fromkeys([first, *usual] if first else ()):
        parts = chain.from_iterable(_split(cell, labels) for cell in set(texts(frame[column])))
        if any(fold(part) in labels for part in parts):
            return column
    return None


def _split(cell: str, labels: Mapping[str, str]) -> list[str]:
    """The names in a cell, joined by | or else ; or else a comma, or in a list as Python prints it.

    A label that holds one of these itself stays whole. Of a slash, plus or ampersand nobody knows
    whether it joins: it does where a label is on one side of it.
    """
    if fold(cell) in labels:
        return [cell]
    listed = re.fullmatch(r"\[(.*)\]", cell)
    if listed:
        return [name.strip(" '\"") for name in _split(listed[1], labels)]
    separator = next((sign for sign in "|;," if sign in cell), None)
    separator = separator or _uncertain_separator(cell, labels)
    if separator is None:
        return [cell] if cell else []
    names: list[str] = []
    for part in cell.split(separator):
        names += _split(part.strip(), labels)
    return names


def _uncertain_separator(cell: str, labels: Mapping[str, str]) -> str | None:
    for sign in "/+&":
        if sign in cell and any(fold(part) in labels for part in cell.split(sign)):
            return sign
    return None


def _flag_lists(
    frame: pd.DataFrame, column: str, labels: Sequence[str], where: Path
) -> list[list[str]] | None:
    """The labels present, of a column of lists of 0 and 1; None of any other column.

    Raises:
        UsageError: a list of another length than the model's labels.
    """
    cells = texts(frame[column])
    matches = [re.fullmatch(r"\[([01.,;\s]+)\]", cell) for cell in cells]
    if any(cell and match is None for cell, match in zip(cells, matches)):
        return None
    rows = [re.split(r"[,;\s]+", match[1].strip()) if match else [] for match in matches]
    lengths = {len(row) for row in rows if row}
    if lengths <= {1}:
        return None
    if lengths != {len(labels)}:
        raise UsageError(
            f"column {column!r} of {where} holds lists of {min(lengths)} to {max(lengths)} flags, "
            f"and the model has {len(labels)} labels",
            "write the names of the labels, joined by |",
        )
    return [_flagged(row, labels) for row in rows]


def _flagged(row: Sequence[str], labels: Sequence[str]) -> list[str]:
    return [label for label, flag in zip(labels, row) if flag in ("1", "1.", "1.0")]
