"""The splits of a table's rows: of its column, or as a checkpoint records how they were made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare
from camlucida.datasets.split_functions import reproduce
from camlucida.datasets.split_records import SplitRecord, recorded_counts, recorded_split
from camlucida.datasets.splits import find_split
from camlucida.io.pickles import plain

declare(
    "recorded_split",
    {
        "reproduced": (
            "the split {split} is reproduced from {source}: {function}, seed {seed}, {count} "
            "{count:|row|rows}"
        ),
        "order": (
            "the reproduced split holds if training split the rows of {table} in their order; its "
            "sizes agree with those that {source} records ({counts})"
        ),
        "strata": "it is stratified by {column} of {table}, as its cells sort",
        "other_sizes": (
            "{source} records a split ({function}, seed {seed}, {counts}) that cannot be made of "
            "the {rows} rows of {table}; it is not used"
        ),
        "not_made": (
            "{source} records a split ({function}, seed {seed}, {counts}) that cannot "
            "be made of {table}: {problem}; it is not used"
        ),
        "no_sizes": (
            "{source} records a split ({function}, seed {seed}) without the numbers of its rows, "
            "so that {table} cannot be compared with it; it is not used"
        ),
    },
)


@dataclass(frozen=True)
class TableRows:
    """The rows of a table, of which a split is made.

    Attributes:
        table: its file.
        labels: of the rows.
        patients: of the rows; "" where unknown.
        usable: rows, from 0, with an image and a label.
        label_column: what the labels' column is called in messages.
    """

    table: Path
    labels: Sequence[str]
    patients: Sequence[str]
    usable: Sequence[int]
    label_column: str

    @property
    def candidates(self) -> tuple[Sequence[int], Sequence[int]]:
        """Rows of which training may have made its split: all of them, or the usable ones."""
        return range(len(self.labels)), self.usable


@dataclass(frozen=True)
class SplitSource:
    """Where the splits of a table without a split column come from.

    Attributes:
        recorded: split of the model's checkpoint; None for none.
        held_out: without a request, a recorded split leaves out what the model was trained on,
            if any usable row is left.
        value_column: of the true values of a regression; None where the table has labels.
    """

    recorded: RecordedSplit | None = None
    held_out: bool = True
    value_column: str | None = None


@dataclass(frozen=True)
class RowSplits:
    """The split of each row.

    Attributes:
        cells: splits; "" where unknown.
        split: that is evaluated, as the cells call it; None for all.
        notes: what was reproduced, or why it was not.
    """

    cells: Sequence[str]
    split: str | None
    notes: tuple[Message, ...] = ()


@dataclass(frozen=True)
class RecordedSplit:
    """A split, and where it is recorded.

    Attributes:
        record: how it was made.
        counts: split → number of its rows, as recorded; empty for none.
        source: name of the file.
    """

    record: SplitRecord
    counts: Mapping[str, int]
    source: str

    @property
    def default(self) -> str:
        """The split that is evaluated unless the user names another: held out the longest."""
        return next((name for name in ("test", "val") if self.counts.get(name)), "test")

    def cells(self, rows: TableRows) -> list[str] | None:
        """The split of each row; None where the recorded sizes do not agree.

        Args:
            rows: of the table.

        Returns:
            ``train``, ``val`` or ``test`` of each row, "" of a row that was not split.

        Raises:
            UsageError: the sizes agree, and the split cannot be made of these rows.
        """
        errors: list[UsageError] = []
        for numbers in rows.candidates:
            if len(numbers) != sum(self.counts.values()):
                continue
            labels = [rows.labels[number] for number in numbers]
            patients = [rows.patients[number] for number in numbers]
            try:
                names = reproduce(self.record, labels, patients)
            except UsageError as error:
                errors.append(error)
                continue
            if all(names.count(name) == count for name, count in self.counts.items()):
                cells = np.full(len(rows.labels), "", object)
                cells[list(numbers)] = names
                return [str(cell) for cell in cells]
        if errors:
            raise errors[-1]
        return None

    def used_notes(self, splits: RowSplits, rows: TableRows) -> Iterator[Message]:
        """That it was reproduced, and what that rests on.

        Args:
            splits: the split of each row.
            rows: of the table.
        """
        split, table, source = splits.split, str(rows.table), self.source
        count = len(splits.cells) if split is None else splits.cells.count(split)
        of_split = {**self._made, "split": split or "all", "count": count}
        yield Message("recorded_split.reproduced", of_split)
        of_table = {"table": table, "source": source, "counts": self._counts}
        yield Message("recorded_split.order", of_table)
        if self.record.stratified:
            values = {"column": rows.label_column, "table": table}
            yield Message("recorded_split.strata", values)

    def unused_note(self, rows: TableRows, error: UsageError | None) -> Message:
        """That it could not be reproduced, and why.

        Args:
            rows: of the table.
            error: of making it; None where its sizes do not agree.
        """
        values = {**self._made, "table": str(rows.table)}
        if not self.counts:
            return Message("recorded_split.no_sizes", values)
        values |= {"counts": self._counts}
        if error is not None:
            problem = str(error.__cause__ or error.what)
            return Message("recorded_split.not_made", {**values, "problem": problem})
        return Message("recorded_split.other_sizes", {**values, "rows": len(rows.labels)})

    @property
    def _made(self) -> dict[str, Any]:
        seed = str(self.record.seed)
        return {"source": self.source, "function": self.record.function, "seed": seed}

    @property
    def _counts(self) -> str:
        return ", ".join(f"{name} {count}" for name, count in self.counts.items())


def find_recorded_split(
    checkpoint: Path | None,
    options: Mapping[str, Any] | None = None,
    more: Sequence[tuple[str, Mapping[str, Any]]] = (),
) -> RecordedSplit | None:
    """The split that a checkpoint records, else a file of options beside it; None for none.

    Args:
        checkpoint: its file; None for a model without one.
        options: its content without the weights, where it was read already.
        more: names and contents of further files, which count last.

    >>> options = {"split": {"seed": 7, "test_size": 0.2, "n_train": 8, "n_test": 2}}
    >>> split = find_recorded_split(Path("none/best.pth"), options)
    >>> split.source, split.counts, split.default
    ('best.pth', {'train': 8, 'test': 2}, 'test')
    """
    # PyTorch is slow to import, and most tables need no checkpoint.
    from camlucida.models.checkpoint_file import read_checkpoint
    from camlucida.models.side_files import side_files

    if checkpoint is None:
        return None
    if options is None:
        content = plain(read_checkpoint(checkpoint).content)
        options = content if isinstance(content, dict) else {}
    for source, content in [(checkpoint.name, options), *side_files(checkpoint), *more]:
        record = recorded_split(content)
        if record is not None:
            return RecordedSplit(record, recorded_counts(content), source)
    return None


def split_rows(
    stated: Sequence[str] | None, origin: SplitSource, rows: TableRows, requested: str | None
) -> RowSplits:
    """The split of each row of a table: of its split column, else as it is recorded.

    Args:
        stated: cells of the split column; None without one.
        origin: it counts where the table has no split column.
        rows: of the table.
        requested: the split that the user named; ``all`` takes all rows.

    Raises:
        UsageError: the requested split is not there, or cannot be made of these rows.
    """
    recorded = origin.recorded
    blank = [""] * len(rows.labels)
    if stated is not None or recorded is None:
        cells = blank if stated is None else stated
        return RowSplits(cells, _chosen(requested, cells, rows.table))
    made, note = _reproduced(recorded, rows)
    if note is None:
        held_out = origin.held_out and recorded.default in {made[row] for row in rows.usable}
        if requested is None and held_out:
            requested = recorded.default
        splits = RowSplits(made, _chosen(requested, made, rows.table))
        return replace(splits, notes=tuple(recorded.used_notes(splits, rows)))
    if requested not in (None, "all"):
        raise UsageError(
            f"split {requested!r} requested: {note}",
            "name the table's split column, or give the table that the model was trained with",
        )
    return RowSplits(blank, None, (note,))


def _reproduced(recorded: RecordedSplit, rows: TableRows) -> tuple[list[str], Message | None]:
    """The split of each row; or why it cannot be made."""
    try:
        made = recorded.cells(rows)
    except UsageError as error:
        return [], recorded.unused_note(rows, error)
    if made is None:
        return [], recorded.unused_note(rows, None)
    return made, None


def _chosen(requested: str | None, cells: Sequence[str], table: Path) -> str | None:
    """The split as the cells call it; None for all."""
    if requested is None or (requested == "all" and "all" not in cells):
        return None
    return find_split(requested, cells, table)
