"""What the tables of a project hold: labels, values, predictions or boxes of its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal

import pandas as pd

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.messages import Value, declare
from camlucida.core.output_spec import Task
from camlucida.datasets.classes import class_names, numeric
from camlucida.datasets.columns import COLUMN_NAMES, label_columns
from camlucida.datasets.image_names import ID_COLUMNS
from camlucida.datasets.image_rows import images_named, match_images
from camlucida.datasets.plain_scores import hold_scores
from camlucida.datasets.splits import NAMES, SPLIT_COLUMNS, usual_name
from camlucida.datasets.table_labels import LABEL_COLUMNS, TableLabels
from camlucida.io.annotations import is_box_table, is_rle_table
from camlucida.io.tables import find_column, fold, read_table, texts
from camlucida.models.card import Card
from camlucida.workflows.import_project.log import ImportLog
from camlucida.workflows.regression.sheet_columns import value_column

declare(
    "imported",
    {
        "labels": (
            "table {file}: labels of {count} {count:|image|images}, named in column {column}"
        ),
        "values": (
            "table {file}: true values of {count} {count:|image|images} in column {value}, "
            "named in column {column}"
        ),
        "predictions": (
            "predictions {file}: of {count} {count:|image|images}, named in column {column}"
        ),
        "chosen_table": (
            "table {file}: chosen of {count}; held-out images go before others, then the table "
            "that names the most images"
        ),
        "split": "split {split}: read from column {column} of {file}; held-out images alone",
        "task_table": "task {task}: read from {file} ({reason})",
        "joined": "cells join several labels",
        "several": "rows with no label or more than one",
        "one_each": "each row has one label",
        "one_column": "one label in each cell",
        "one_output": "the model has one output, the table numbers",
        "flags": "the model has one output, the table 0 and 1",
        "codes": (
            "labels {names}: assumed to be the numbers in column {column} of {file}, in their "
            "order, as there are as many as outputs"
        ),
    },
)
declare(
    "not_imported",
    {
        "table": "table {file}: {problem}",
        "no_image": "table {file}: no row names an image of the project",
        "several_models": "table {file}: labels are compared with one model, and there are more",
        "not_of_masks": "table {file}: a segmentation needs masks, not labels",
        "no_labels": (
            "table {file}: the order of the model's classes is stated nowhere; write labels = "
            "[…] into the card"
        ),
        "no_truth": "table {file}: no column of labels or values for this model",
        "other_tables": "{count} {count:|table|tables}: {names}; --table FILE takes another",
    },
)

CLASS_COLUMNS = frozenset((*LABEL_COLUMNS, *COLUMN_NAMES["truth"], "classification", "grade"))
"""Columns that may hold a class in each cell; folded."""

Kind = Literal["labels", "values", "predictions", "boxes", "masks"]


@dataclass(frozen=True)
class ProjectTable:
    """A table that names images of the project.

    Attributes:
        path: of the file.
        kind: what it holds of them.
        images: that it names.
        column: that names them.
        value: column of true values; "" for none.
        task: that its labels or values show; None where they show none.
        reason: code of how the task is seen.
        labels: classes that the table numbers, where the model's are not stated.
        label_column: of them, or of flags; "" for the usual ones.
        split: as it is written there; None where no row is held out.
        split_column: "" for none.
    """

    path: Path
    kind: Kind
    images: tuple[Path, ...]
    column: str
    value: str = ""
    task: Task | None = None
    reason: str = ""
    labels: tuple[str, ...] = ()
    label_column: str = ""
    split: str | None = None
    split_column: str = ""

    @property
    def rank(self) -> tuple[int, int]:
        """The less, the sooner it is taken: held-out images first, then the most."""
        return held_out_rank(self.path.stem), -len(self.images)


def held_out_rank(*names: str) -> int:
    """0 where a name of file or folders says test, 1 validation, 3 training, else 2.

    Args:
        names: parts of a path.

    >>> held_out_rank("test_labels"), held_out_rank("data", "val"), held_out_rank("labels")
    (0, 1, 2)
    """
    words = set(chain.from_iterable(map(_words, names)))
    for rank, split in ((0, "test"), (1, "val"), (3, "train")):
        if words & set(NAMES[split]):
            return rank
    return 2


def _words(name: str) -> list[str]:
    spaced = "".join(character if character.isalnum() else " " for character in name)
    return spaced.casefold().split()


def read_project_tables(
    paths: Sequence[Path],
    images: Sequence[Path],
    card: Card | None,
    outputs: int | None,
    log: ImportLog,
) -> list[ProjectTable]:
    """The tables that name images and hold something of them.

    Args:
        paths: of the tables.
        images: of the project.
        card: of the model; None where there are several, which takes boxes alone.
        outputs: of the model.
        log: takes the tables that are not used.
    """
    tables = []
    for path in paths:
        try:
            table = _project_table(path, images, card, outputs, log)
        except CamlucidaError as error:
            log.leave("table", file=log.name(path), problem=error.what)
            continue
        if table is not None:
            tables.append(table)
    return tables


def _project_table(
    path: Path, images: Sequence[Path], card: Card | None, outputs: int | None, log: ImportLog
) -> ProjectTable | None:
    frame = read_table(path, fits=images_named(images, None, None))
    try:
        match = match_images(frame, None, images, path)
    except UsageError:
        log.leave("no_image", file=log.name(path))
        return None
    named = tuple(image for image, rows in match.rows.items() if rows)
    if not named:
        log.leave("no_image", file=log.name(path))
        return None
    if is_box_table(path, ID_COLUMNS):
        return ProjectTable(path, "boxes", named, match.column)
    if is_rle_table(path, ID_COLUMNS):
        return ProjectTable(path, "masks", named, match.column)
    if _holds_predictions(frame, card):
        return ProjectTable(path, "predictions", named, match.column)
    split, split_column = _held_out(frame, path)
    table = ProjectTable(
        path, "labels", named, match.column, split=split, split_column=split_column
    )
    return _with_truth(table, frame, card, outputs, log)


def _holds_predictions(frame: pd.DataFrame, card: Card | None) -> bool:
    labels = set(map(fold, card.labels)) if card is not None else set()
    plain = [name for name in frame.columns if name and fold(name) in labels]
    if hold_scores(frame, plain):
        return True
    by_role = label_columns(frame, [])
    if any(len(by_role.get(role, ())) > 1 for role in ("probability", "logit")):
        return True
    names = map(fold, frame.columns)
    return any(name.startswith(("pred", "ypred", "yprob", "yscore")) for name in names)


def _held_out(frame: pd.DataFrame, path: Path) -> tuple[str | None, str]:
    """The split of held-out rows and its column."""
    column = find_column(frame, None, SPLIT_COLUMNS, "split column", path)
    if column is None:
        return None, ""
    splits = dict.fromkeys(cell for cell in texts(frame[column]) if cell)
    for wanted in ("test", "val"):
        for split in splits:
            if len(splits) > 1 and usual_name(split) == wanted:
                return split, str(column)
    return None, ""


def _with_truth(
    table: ProjectTable,
    frame: pd.DataFrame,
    card: Card | None,
    outputs: int | None,
    log: ImportLog,
) -> ProjectTable | None:
    """The table with the task that it shows; None where it holds nothing for this model."""
    if card is None:
        log.leave("several_models", file=log.name(table.path))
        return None
    if card.task == "segmentation":
        log.leave("not_of_masks", file=log.name(table.path))
        return None
    if card.task == "regression" or (outputs == 1 and not card.labels and card.task is None):
        return _with_value(table, frame, card)
    if not card.labels:
        return _with_codes(table, frame, outputs, log)
    labels = TableLabels.read(frame, None, card.labels, table.path)
    known = [labels.positives(row) for row in range(len(frame))]
    if not any(known):
        log.leave("no_truth", file=log.name(table.path))
        return None
    task, reason = _task_of(labels, known)
    return replace(table, task=task, reason=reason)


def _task_of(labels: TableLabels, positives: Sequence[tuple[str, ...] | None]) -> tuple[Task, str]:
    if labels.names is None:
        one_each = all(of_row is not None and len(of_row) == 1 for of_row in positives)
        return ("multiclass", "one_each") if one_each else ("multilabel", "several")
    joined = any(len(names) > 1 for names in labels.names)
    return ("multilabel", "joined") if joined else ("multiclass", "one_column")


def _with_codes(
    table: ProjectTable, frame: pd.DataFrame, outputs: int | None, log: ImportLog
) -> ProjectTable | None:
    """The table whose one column of classes has as many whole numbers in a row as outputs."""
    columns = [name for name in frame.columns if fold(name) in CLASS_COLUMNS]
    for column in columns:
        cells = sorted({cell for cell in class_names(frame[column]) if cell})
        if not cells or not numeric(cells) or len(cells) != outputs:
            continue
        numbers = sorted(map(int, cells))
        if numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
            codes = tuple(map(str, numbers))
            return replace(
                table, task="multiclass", reason="one_column", labels=codes, label_column=column
            )
    log.leave("no_labels", file=log.name(table.path))
    return None


def _with_value(table: ProjectTable, frame: pd.DataFrame, card: Card) -> ProjectTable:
    column = value_column(frame, None, str(table.path))
    distinct = {cell for cell in texts(frame[column]) if cell}
    if card.task is None and distinct <= {"0", "1", "0.0", "1.0"}:
        return replace(table, label_column=column, task="binary", reason="flags")
    return replace(table, kind="values", value=column, task="regression", reason="one_output")


def choose_table(
    tables: Sequence[ProjectTable], given: Path | None, log: ImportLog
) -> ProjectTable | None:
    """The table of labels or values that is taken, the one that was given or the first by rank.

    Args:
        tables: of :func:`read_project_tables`.
        given: the one that the user named.
        log: takes what is used and what is not.

    Raises:
        UsageError: the one that was given is none of them.
    """
    candidates = [table for table in tables if table.kind in ("labels", "values")]
    if given is not None:
        chosen = [table for table in candidates if table.path == given]
        if not chosen:
            reasons = [str(message) for message in log.unused if log.name(given) in str(message)]
            problem = reasons[0] if reasons else "it holds no labels or values of the images"
            raise UsageError(f"--table {given}: {problem}", "name another table, or none")
        candidates = [*chosen, *(table for table in candidates if table.path != given)]
    else:
        candidates.sort(key=lambda table: table.rank)
    if not candidates:
        return None
    table, *others = candidates
    _log_table(table, len(candidates) if given is None else 1, log)
    if others:
        names = log.names(other.path for other in others)
        log.leave("other_tables", count=len(others), names=names)
    return table


def _log_table(table: ProjectTable, count: int, log: ImportLog) -> None:
    file = log.name(table.path)
    if count > 1:
        log.use("chosen_table", file=file, count=count)
    values: dict[str, Value] = {"count": len(table.images), "column": repr(table.column)}
    if table.kind == "values":
        log.use("values", file=file, value=repr(table.value), **values)
    else:
        log.use("labels", file=file, **values)
    if table.labels:
        names = ", ".join(table.labels)
        log.use("codes", file=file, column=repr(table.label_column), names=names)
    if table.split is not None:
        log.use("split", file=file, split=table.split, column=repr(table.split_column))
