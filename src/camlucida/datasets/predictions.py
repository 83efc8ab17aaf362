"""Predictions of a model, or of another system: one tidy table, without running anything.

Columns of every table: image, patient, model ("" where the file names none), then group columns.
After them

- multi-label, a row an image and label: label, logit, probability, truth (0, 1, NaN for unknown);
- multi-class, a row an image: truth, predicted (names of classes, "" for unknown),
  ``probability:CLASS`` each;
- regression, a row an image: value, truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.messages import Message, declare
from camlucida.datasets.class_names import class_names_note, names_beside, with_class_names
from camlucida.datasets.classes import widened
from camlucida.datasets.columns import choose_columns, label_columns, read_records
from camlucida.datasets.prediction_file import RESERVED_COLUMNS, PredictionFile, base_columns
from camlucida.datasets.prediction_splits import rows_of_split
from camlucida.datasets.prediction_tables import (
    multiclass_table,
    multilabel_table,
    regression_table,
)
from camlucida.io.tables import Fits, comma_notes, find_column, flags, fold, notes_of

declare(
    "notes",
    {
        "rows_left_out": (
            "{count} of {rows} rows without a prediction or without a ground truth, left out"
        ),
    },
)

Task = Literal["multilabel", "multiclass", "regression"]

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Predictions:
    """Predictions of models for images, and the ground truth.

    Attributes:
        task: of the models.
        frame: the tidy table; its columns are those of the module's description.
        labels: labels, or classes in their order; () for a regression.
        groups: names of the group columns.
        notes: what a reader must know.
        synthetic: whether any image is synthetic.
    """

    task: Task
    frame: pd.DataFrame
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    notes: tuple[Message, ...]
    synthetic: bool

    def of_models(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Each model's name and rows, in the order of the file."""
        for model in dict.fromkeys(self.frame["model"]):
            yield model, self.frame[self.frame["model"] == model]


def read_predictions(
    path: str | Path,
    task: str,
    *,
    columns: Mapping[str, str] | None = None,
    groups: Sequence[str] = (),
    labels: Sequence[str] = (),
    sheet: str | None = None,
    class_names: Mapping[str, str] | None = None,
    split: str | None = None,
    needs_truth: bool = True,
    model_labels: Sequence[str] = (),
) -> Predictions:
    """Read a predictions file of any system: CSV, TSV, XLSX, Parquet, JSON.

    It has a row for each label, or a column. Columns are found by the names that such files usually
    have (:mod:`camlucida.datasets.columns`), or named in ``columns``. Columns of labels are
    ``prob_LABEL`` or ``logit_LABEL`` and ``true_LABEL`` or ``LABEL``. A missing probability is the
    sigmoid (multi-class: softmax) of the logit. A missing predicted class is the most probable one.

    Args:
        path: the file.
        task: multilabel (also called binary), multiclass or regression.
        columns: role (image, patient, model, label, truth, prediction, probability, logit) →
            column.
        groups: columns to be kept as groups.
        labels: the labels, or the classes in their order; if not given those of the file, numbers
            in their order, columns as they stand.
        sheet: of a workbook: its name, or its number from 1. If not given, the one with most of
            the columns.
        class_names: class as the file calls it → name for people; others keep theirs.
        split: take only this one; see
            :func:`~camlucida.datasets.prediction_splits.rows_of_split`.
        needs_truth: whether there must be a column of ground truth, and a row with it of each
            model.
        model_labels: of the model, where known. A column that is called as one of them, of
            ``labels`` or of the true classes holds its scores, if no other columns hold any.

    Raises:
        UsageError: an unreadable file; a column that is not there, not recognised or ambiguous; a
            cell that is no number, probability, class or flag; an image twice (in multi-label,
            with one label); no row with prediction and truth.
    """
    path, given = Path(path), dict(columns or {})
    task = "multilabel" if task == "binary" else task
    if task not in get_args(Task):
        raise UsageError(f"no task {task!r}", did_you_mean(task, ("binary", *get_args(Task))))
    named = (*labels, *model_labels)
    frame = read_records(path, sheet=sheet, fits=_roles_of(_ROLES[task], given, named))
    by_role = choose_columns(frame, _ROLES[task], given, path)
    frame, of_split = rows_of_split(
        frame, path, split, image=by_role["image"], truth=by_role["truth"]
    )
    if task == "multiclass":
        frame, by_role = widened(frame, by_role, path)
    source = PredictionFile(path, frame, by_role, tuple(labels), needs_truth, tuple(model_labels))
    base, notes = base_columns(source, groups)
    tidy = _BUILDERS[task](source, base)
    synthetic = find_column(frame, None, ("synthetic",), "", path)
    predictions = Predictions(
        task=_TASKS[task],
        frame=tidy.frame.reset_index(drop=True),
        labels=tidy.labels,
        groups=tuple(column for column in base.columns if column not in RESERVED_COLUMNS),
        notes=(*notes_of(frame), *_comma_notes(source), *of_split, *notes, *tidy.notes),
        synthetic=synthetic is not None and any(flags(frame[synthetic], path)),
    )
    fix = "check its columns, or name them with --column"
    checked = check_predictions(predictions, str(path), fix, needs_truth)
    names = dict(class_names or {})
    beside = None
    if task == "multiclass" and not names:
        truth = by_role["truth"] or by_role["label"]
        beside, names = names_beside(frame, truth, checked.labels)
    if not names:
        return checked
    renamed = with_class_names(checked.frame, checked.labels, names, path)
    note = class_names_note(names, beside, path)
    return replace(checked, frame=renamed[0], labels=renamed[1], notes=(*checked.notes, note))


def _comma_notes(source: PredictionFile) -> list[Message]:
    of_labels = [columns.values() for columns in source.by_label().values()]
    by_role = [source.by_role.get(role) for role in ("truth", "prediction", "probability", "logit")]
    columns = dict.fromkeys([*by_role, *chain.from_iterable(of_labels)])
    return comma_notes(source.frame, columns, source.path)


def _roles_of(roles: Sequence[str], given: Mapping[str, str], labels: Sequence[str]) -> Fits:
    """How many of the columns of predictions a table has."""
    by_name = set(map(fold, labels))

    def fits(frame: pd.DataFrame) -> int:
        named = [column for column in given.values() if column in frame]
        try:
            by_role = choose_columns(frame, roles, {}, Path())
        except UsageError:
            return 1 + len(named)
        of_values = {"truth", "prediction", "probability", "logit"}
        columns = [column for role, column in by_role.items() if column and role in of_values]
        of_labels = [name for name in frame.columns if fold(name) in by_name]
        others = len(label_columns(frame, columns)) + len(of_labels)
        return len(named) + len(columns) + others

    return fits


def check_predictions(
    predictions: Predictions, where: str, fix: str, needs_truth: bool = True
) -> Predictions:
    """Check predictions; return them with a note on the rows that figures leave out.

    Args:
        predictions: from any source.
        where: their file, for messages.
        fix: what to do where a model has no row with both prediction and ground truth.
        needs_truth: whether a row without ground truth is left out.

    Raises:
        UsageError: an image twice (in multi-label, with one label); a model without any row with
            prediction and truth.
    """
    tidy = predictions.frame
    _check_once(tidy, where)
    whole = _whole_rows(tidy, predictions.task, needs_truth)
    for model in dict.fromkeys(tidy["model"]):
        of_this_model = (tidy["model"] == model).to_numpy()
        if not whole[of_this_model].any():
            of_model = f" of model {model!r}" if model else ""
            what = "both a prediction and a ground truth" if needs_truth else "a prediction"
            raise UsageError(f"no row{of_model} of {where} has {what}", fix)
    missing = int((~whole).sum())
    if not missing:
        return predictions
    note = Message("notes.rows_left_out", {"count": missing, "rows": len(whole)})
    return replace(predictions, notes=(*predictions.notes, note))


_TASKS: dict[str, Task] = {task: task for task in get_args(Task)}
_SCORES = ("image", "patient", "model", "label", "probability", "logit", "truth")
_ROLES = {
    "multilabel": _SCORES,
    "multiclass": (*_SCORES, "prediction"),
    "regression": ("image", "patient", "model", "truth", "prediction"),
}
_BUILDERS = {
    "multilabel": multilabel_table,
    "multiclass": multiclass_table,
    "regression": regression_table,
}


def _whole_rows(tidy: pd.DataFrame, task: str, needs_truth: bool) -> Flags:
    """Rows with a prediction and, if it is needed, a ground truth."""
    if task == "multiclass":
        predicted, true = tidy["predicted"] != "", tidy["truth"] != ""
    else:
        prediction = "probability" if task == "multilabel" else "value"
        predicted, true = tidy[prediction].notna(), tidy["truth"].notna()
    return np.asarray(predicted & true if needs_truth else predicted, bool)


def _check_once(tidy: pd.DataFrame, where: str) -> None:
    keys = [name for name in ("model", "image", "label") if name in tidy]
    twice = tidy[tidy.duplicated(keys)]
    if len(twice):
        first = twice.iloc[0]
        label = f", label {first['label']!r}" if "label" in tidy else ""
        raise UsageError(
            f"{where}: image {first['image']!r}{label} has more than one row "
            f"({len(twice)} too many in all)",
            "keep one; rows of several models need a model column",
        )
