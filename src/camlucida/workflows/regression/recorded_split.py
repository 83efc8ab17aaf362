"""The split that a checkpoint, or a file beside it, records: made again for the rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare
from camlucida.datasets.splits import (
    SplitRecord,
    recorded_counts,
    recorded_split,
    reproduce,
    split_note,
)
from camlucida.models.side_files import side_files

declare(
    "recorded_split",
    {
        "order": (
            "the reproduced split holds if training split the rows of {table} in their order; its "
            "sizes agree with those that {source} records ({counts})"
        ),
        "other_sizes": (
            "{source} records a split ({function}, seed {seed}, {counts}) that cannot be made of "
            "the {rows} rows of {table}; it is not used"
        ),
        "no_sizes": (
            "{source} records a split ({function}, seed {seed}) without the numbers of its rows, "
            "so that {table} cannot be compared with it; it is not used"
        ),
    },
)


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

    def cells(
        self, candidates: Sequence[Sequence[int]], labels: Sequence[str], groups: Sequence[str]
    ) -> list[str] | None:
        """The split of each row of a table; None where the recorded sizes do not agree.

        Args:
            candidates: rows of which the split may have been made; the first that agree are taken.
            labels: of all rows.
            groups: patients of all rows.

        Returns:
            ``train``, ``val`` or ``test`` of each row, "" of a row that was not split.
        """
        for rows in candidates:
            if len(rows) != sum(self.counts.values()):
                continue
            try:
                names = reproduce(
                    self.record, [labels[row] for row in rows], [groups[row] for row in rows]
                )
            except UsageError:
                continue
            if all(names.count(name) == count for name, count in self.counts.items()):
                cells = np.full(len(labels), "", object)
                cells[list(rows)] = names
                return [str(cell) for cell in cells]
        return None

    def used_notes(self, cells: Sequence[str], split: str, table: Path) -> Iterator[Message]:
        """That it was reproduced, and what that rests on.

        Args:
            cells: the split of each row.
            split: that is evaluated; "" for all.
            table: the file.
        """
        count = sum(cell == split for cell in cells) if split else len(cells)
        yield split_note(self.record, split or "all", self.source, count)
        counts = _listed(self.counts)
        values = {"table": str(table), "source": self.source, "counts": counts}
        yield Message("recorded_split.order", values)

    def unused_note(self, rows: int, table: Path) -> Message:
        """That it could not be reproduced, and why.

        Args:
            rows: of the table.
            table: the file.
        """
        values: dict[str, Any] = {
            "source": self.source,
            "function": self.record.function,
            "seed": str(self.record.seed),
            "table": str(table),
        }
        if not self.counts:
            return Message("recorded_split.no_sizes", values)
        values |= {"rows": rows, "counts": _listed(self.counts)}
        return Message("recorded_split.other_sizes", values)


def find_recorded_split(checkpoint: Path, options: Mapping[str, Any]) -> RecordedSplit | None:
    """The split that a checkpoint records, else a file of options beside it; None for none.

    Args:
        checkpoint: its file.
        options: its content without the weights.

    >>> options = {"split": {"seed": 7, "test_size": 0.2, "n_train": 8, "n_test": 2}}
    >>> split = find_recorded_split(Path("none/best.pth"), options)
    >>> split.source, split.counts, split.default
    ('best.pth', {'train': 8, 'test': 2}, 'test')
    """
    for source, content in [(checkpoint.name, options), *side_files(checkpoint)]:
        record = recorded_split(content)
        if record is not None:
            return RecordedSplit(record, recorded_counts(content), source)
    return None


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
