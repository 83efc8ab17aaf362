"""The split of a file of predictions: of its column, of its name, or as a file beside records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from camlucida.core.messages import Message
from camlucida.datasets.patients import find_patient_column
from camlucida.datasets.recorded_splits import (
    SplitSource,
    TableRows,
    find_recorded_split,
    split_rows,
)
from camlucida.datasets.splits import NAMES, SPLIT_COLUMNS, training_notes, usual_name
from camlucida.io.tables import find_column, texts


def split_of_name(path: Path) -> str | None:
    """The split that a file's name states; None for none, or for several.

    Args:
        path: of a file of predictions.

    >>> split_of_name(Path("run/val_predictions.csv")), split_of_name(Path("trainval.csv"))
    ('val', None)
    """
    words = re.split(r"[^a-z]+", path.stem.lower())
    splits = {usual_name(word) for word in words} & set(NAMES)
    return splits.pop() if len(splits) == 1 else None


def rows_of_split(
    frame: pd.DataFrame,
    path: Path,
    requested: str | None,
    *,
    image: str | None,
    truth: str | None,
) -> tuple[pd.DataFrame, list[Message]]:
    """The rows of a split, and notes on images of training among them.

    Args:
        frame: of the file.
        path: the file.
        requested: split that the user named; ``all`` takes all rows. None takes all, but for
            those of training where a file beside records the split.
        image, truth: columns of the images and of what is true; None without one.

    Raises:
        UsageError: the requested split is not there.
    """
    column = find_column(frame, None, SPLIT_COLUMNS, "split column", path)
    blank = [""] * len(frame)
    stated = None if column is None else texts(frame[column])
    by_name = split_of_name(path)
    if stated is None and by_name is not None:
        stated = [by_name] * len(frame)
    recorded = find_recorded_split(path, {}) if stated is None else None
    patient = find_patient_column(frame, None, path)
    rows = TableRows(
        path,
        blank if truth is None else texts(frame[truth]),
        blank if patient is None else texts(frame[patient]),
        range(len(frame)),
        repr(truth),
    )
    splits = split_rows(stated, SplitSource(recorded), rows, requested)
    chosen = [cell for cell in splits.cells if splits.split in (None, cell)]
    images = frame.index if image is None else texts(frame[image])
    of_images = _of_images(images, splits.cells)
    notes = [*splits.notes, *training_notes(of_images, splits.split)]
    if len(chosen) == len(frame):
        return frame, notes
    kept = [splits.split == cell for cell in splits.cells]
    taken = frame[kept].reset_index(drop=True)
    taken.attrs = frame.attrs
    return taken, notes


def _of_images(images: Iterable[object], cells: Sequence[str]) -> list[str]:
    """The split of each image, of a table with several rows an image."""
    return list(dict(zip(images, cells)).values())
