"""The usable rows of a table of values, each with its image and mask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.core.files import without_dots
from camlucida.core.messages import Message, declare

declare(
    "sheet",
    {
        "out_of_range": (
            "{count} of {rows} images have a true value outside {least} to {most}, left out"
        ),
    },
)


@dataclass(frozen=True)
class SheetColumns:
    """The columns of the table that the user names; None for those to be found by their names."""

    value: str | None = None
    id: str | None = None
    patient: str | None = None
    groups: tuple[str, ...] = ()
    id_pattern: str | None = None
    sheet: str | None = None


@dataclass(frozen=True)
class Row:
    """A row of the table whose image exists.

    Attributes:
        path: of the image.
        value: the true one.
        patient, split: "" where the table has none.
        mask: its file; None where there is none.
        groups: one a group column.
    """

    path: Path
    value: float
    patient: str
    split: str
    mask: Path | None
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """The usable rows of a table.

    Attributes:
        rows: in the order of the table.
        failures: rows and images that are left out.
        notes: for the reader.
        value_column, patient_column, split_column: names; "" for none.
        groups: names of the group columns.
    """

    rows: tuple[Row, ...]
    failures: tuple[Failure, ...]
    notes: tuple[Message, ...]
    value_column: str
    patient_column: str
    split_column: str
    groups: tuple[str, ...]

    def within(self, least: float | None, most: float | None) -> Sheet:
        """The rows whose value lies in a range, with a note on the others.

        Args:
            least, most: the limits, which belong to the range; None for no limit.

        Raises:
            UsageError: no row is left.
        """
        low = -np.inf if least is None else least
        high = np.inf if most is None else most
        kept = tuple(row for row in self.rows if low <= row.value <= high)
        if len(kept) == len(self.rows):
            return self
        values = {"least": f"{low:g}", "most": f"{high:g}"}
        if not kept:
            what = f"no image has a true value from {low:g} to {high:g}"
            raise UsageError(what, "widen --min-value and --max-value")
        counts = {"count": len(self.rows) - len(kept), "rows": len(self.rows)}
        note = Message("sheet.out_of_range", {**counts, **values})
        return replace(self, rows=kept, notes=(*self.notes, note))

    def frame(self) -> pd.DataFrame:
        """As a cohort's table: groups, path, value, mask; patient and split if there are any."""
        columns: dict[str, list[object]] = {}
        for position, name in enumerate(self.groups):
            columns[name] = [row.groups[position] for row in self.rows]
        columns["path"] = [str(without_dots(row.path)) for row in self.rows]
        columns["value"] = [row.value for row in self.rows]
        columns["mask"] = [
            "" if row.mask is None else str(row.mask.absolute()) for row in self.rows
        ]
        if self.patient_column:
            columns["patient"] = [row.patient for row in self.rows]
        if self.split_column:
            columns["split"] = [row.split for row in self.rows]
        return pd.DataFrame(columns)
