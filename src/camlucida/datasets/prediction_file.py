"""A file of predictions as it was read: cells by their role, and the columns of every task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare
from camlucida.datasets.columns import label_columns, need
from camlucida.datasets.patients import Patients
from camlucida.io.tables import find_column, flags, numbers, texts

declare(
    "notes",
    {
        "no_image_column": (
            "{where} has no column that names images: they are called row 1, row 2, …"
        ),
    },
)

RESERVED_COLUMNS = (
    "image",
    "patient",
    "model",
    "label",
    "logit",
    "probability",
    "truth",
    "predicted",
    "value",
    "synthetic",
)
"""Names that a group column cannot have."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PredictionFile:
    """A file of predictions as it was read.

    Attributes:
        path: the file.
        frame: its table, cells as they stand there.
        by_role: role (:data:`~camlucida.datasets.columns.ROLES`) → column; None for no column.
        requested: labels that the caller named; () for those of the file.
        needs_truth: whether a file without a column of ground truth is refused.
        model_labels: of the model, which columns may be called as.
    """

    path: Path
    frame: pd.DataFrame
    by_role: Mapping[str, str | None]
    requested: tuple[str, ...]
    needs_truth: bool = True
    model_labels: tuple[str, ...] = ()

    def need(self, role: str) -> str:
        """The column of a role.

        Raises:
            UsageError: the file has none.
        """
        return need(self.by_role, role, self.frame, self.path)

    def truth_column(self) -> str | None:
        """The column of ground truth; None where there is none and none is needed.

        Raises:
            UsageError: the file has none and needs one.
        """
        return self.need("truth") if self.needs_truth else self.by_role["truth"]

    def cells(self, role: str) -> list[str]:
        """Cells of the column of a role, one a row; "" throughout for no column."""
        column = self.by_role[role]
        return [""] * len(self.frame) if column is None else texts(self.frame[column])

    def numbers(self, column: str | None) -> Floats:
        """Numbers of a column, (rows,); NaN for a blank cell, and throughout for no column.

        Raises:
            UsageError: a cell that is no number.
        """
        if column is None:
            return np.full(len(self.frame), np.nan)
        return numbers(self.frame[column], self.path)

    def probabilities(self, column: str | None, logits: Floats) -> Floats:
        """Probabilities of a column, (rows,), from 0 to 1; for no column the logits' sigmoid.

        Raises:
            UsageError: a cell that is no number, or beyond 0 to 1.
        """
        if column is None:
            return np.asarray(expit(logits), np.float64)
        values = self.numbers(column)
        bad = np.flatnonzero((values < 0) | (values > 1))
        if len(bad):
            first = bad[0]
            where = f"{self.path}, row {first + 1}"
            raise UsageError(
                f"{where}: {values[first]:g} in column {column!r} is no probability",
                "give numbers from 0 to 1; a score before the sigmoid or softmax is called logit",
            )
        return values

    def truth(self, column: str | None) -> Floats:
        """Ground truth of a label, (rows,): 1, 0, or NaN for unknown, and for no column."""
        if column is None:
            return np.full(len(self.frame), np.nan)
        cells = flags(self.frame[column], self.path)
        return np.array([np.nan if flag is None else float(flag) for flag in cells])

    def by_label(self) -> dict[str, dict[str, str]]:
        """Role → label → its column, of the columns that have no role of their own."""
        return label_columns(self.frame, self.taken)

    @property
    def taken(self) -> list[str]:
        """Columns that have a role of their own."""
        return [column for column in self.by_role.values() if column]


def base_columns(
    source: PredictionFile, groups: Sequence[str]
) -> tuple[pd.DataFrame, list[Message]]:
    """Image, patient, model and groups of each row, and notes on them.

    Args:
        source: the file.
        groups: columns to be kept as groups.

    Raises:
        UsageError: a group column that is not there, or named as one of
            :data:`RESERVED_COLUMNS`.
    """
    frame, where = source.frame, source.path
    notes: list[Message] = []
    rows = [f"row {number}" for number in range(1, len(frame) + 1)]
    images = [image or row for image, row in zip(source.cells("image"), rows)]
    if source.by_role["image"] is None:
        notes.append(Message("notes.no_image_column", {"where": str(where)}))
    patients = Patients.read(frame, source.by_role["patient"])
    notes += patients.notes(images, range(len(frame)), where)
    patient_ids = [patients.of(row, image) for row, image in enumerate(images)]
    columns = {"image": images, "patient": patient_ids, "model": source.cells("model")}
    for name in groups:
        column = str(find_column(frame, name, (), "group column", where))
        if column in RESERVED_COLUMNS:
            raise UsageError(
                f"a group column of {where} is called {column!r}, as one of the columns read",
                "rename it",
            )
        columns[column] = texts(frame[column])
    return pd.DataFrame(columns), notes
