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
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, softmax

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.messages import Message, Value, declare
from camlucida.datasets.classes import as_classes, choose_classes, class_names, numeric, widened
from camlucida.datasets.columns import choose_columns, label_columns, need, read_records
from camlucida.datasets.patients import Patients
from camlucida.io.tables import find_column, flags, fold, listing, numbers, texts

declare(
    "notes",
    {
        "rows_left_out": (
            "{count} of {rows} rows without a prediction or without a ground truth, left out"
        ),
        "no_image_column": (
            "{where} has no column that names images: they are called row 1, row 2, …"
        ),
        "no_prediction": ("no prediction in {where} of {count} {count:|label|labels}: {names}"),
        "alphabetical": (
            "classes in alphabetical order ({names}); the quadratic kappa needs their natural "
            "order: --class"
        ),
        "not_one": ("the probabilities of {count} of {rows} rows of {where} do not sum to 1"),
    },
)

Task = Literal["multilabel", "multiclass", "regression"]

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

PROBABILITY = "probability:"
"""Before the name of a class, in the column of its probability."""

SUM_TOLERANCE = 0.01
"""How far from 1 the probabilities of all classes may sum."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Predictions:
    """What a model predicted for images, and their ground truth.

    Attributes:
        task: of the model.
        frame: see the module.
        labels: labels, or classes in their order; () for a regression.
        groups: names of the group columns.
        notes: what a reader must know.
        synthetic: whether any image is marked so.
    """

    task: Task
    frame: pd.DataFrame
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    notes: tuple[Message, ...]
    synthetic: bool

    def of_models(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Each model and its rows, in the order of the file."""
        for model in dict.fromkeys(self.frame["model"]):
            yield model, self.frame[self.frame["model"] == model]


def read_predictions(
    path: str | Path,
    task: str,
    *,
    columns: Mapping[str, str] | None = None,
    groups: Sequence[str] = (),
    labels: Sequence[str] = (),
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

    Raises:
        UsageError: an unreadable file; a column that is not there, not recognised or ambiguous; a
            cell that is no number, probability, class or flag; an image twice (in multi-label,
            with one label); no row with prediction and truth.
    """
    path, given = Path(path), dict(columns or {})
    task = "multilabel" if task == "binary" else task
    if task not in get_args(Task):
        raise UsageError(f"no task {task!r}", did_you_mean(task, ("binary", *get_args(Task))))
    frame = read_records(path)
    by_role = choose_columns(frame, _ROLES[task], given, path)
    if task == "multiclass":
        frame, by_role = widened(frame, by_role, path)
    source = _Source(path, frame, by_role, tuple(labels))
    base, notes = _base(source, groups)
    build = {"multilabel": _multilabel, "multiclass": _multiclass, "regression": _regression}[task]
    tidy, names, task_notes = build(source, base)
    synthetic = find_column(frame, None, ("synthetic",), "", path)
    marked = synthetic is not None and any(flags(frame[synthetic], path))
    predictions = Predictions(
        _TASKS[task],
        tidy.reset_index(drop=True),
        names,
        tuple(column for column in base.columns if column not in RESERVED_COLUMNS),
        (*notes, *task_notes),
        marked,
    )
    fix = "check its columns, or name them with --column"
    return check_predictions(predictions, str(path), fix)


def check_predictions(predictions: Predictions, where: str, fix: str) -> Predictions:
    """The same, with a note of the rows that figures leave out.

    Args:
        predictions: a tidy table, of wherever.
        where: it came from, for messages.
        fix: what to do where a model has no row with both.

    Raises:
        UsageError: an image twice (in multi-label, with one label); a model without any row with
            prediction and truth.
    """
    tidy, task = predictions.frame, predictions.task
    _check_once(tidy, where)
    whole = _whole_rows(tidy, task)
    for model in dict.fromkeys(tidy["model"]):
        if not whole[(tidy["model"] == model).to_numpy()].any():
            of_model = f" of model {model!r}" if model else ""
            raise UsageError(
                f"no row{of_model} of {where} has both a prediction and a ground truth", fix
            )
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
_Built = tuple[pd.DataFrame, tuple[str, ...], list[Message]]
"""Tidy table, labels or classes, and notes."""


@dataclass(frozen=True)
class _Source:
    """A file as it was read.

    Attributes:
        by_role: role → column.
        requested: labels that the caller named.
    """

    path: Path
    frame: pd.DataFrame
    by_role: Mapping[str, str | None]
    requested: tuple[str, ...]

    def need(self, role: str) -> str:
        return need(self.by_role, role, self.frame, self.path)

    def cells(self, role: str) -> list[str]:
        """Of the column of a role; "" throughout for no column."""
        column = self.by_role[role]
        return [""] * len(self.frame) if column is None else texts(self.frame[column])

    def numbers(self, column: str | None) -> Floats:
        """NaN throughout for no column."""
        if column is None:
            return np.full(len(self.frame), np.nan)
        return numbers(self.frame[column], self.path)

    def probabilities(self, column: str | None, logits: Floats) -> Floats:
        """The sigmoid of the logits for no column."""
        if column is None:
            return np.asarray(expit(logits), np.float64)
        values = self.numbers(column)
        bad = np.flatnonzero((values < 0) | (values > 1))
        if len(bad):
            where = f"{self.path}, row {bad[0] + 1}"
            raise UsageError(
                f"{where}: {values[bad[0]]:g} in column {column!r} is no probability",
                "give numbers from 0 to 1; a score before the sigmoid or softmax is called logit",
            )
        return values

    def truth(self, column: str) -> Floats:
        """1, 0, or NaN for unknown."""
        cells = flags(self.frame[column], self.path)
        return np.array([np.nan if flag is None else float(flag) for flag in cells])

    def by_label(self) -> dict[str, dict[str, str]]:
        return label_columns(self.frame, [column for column in self.by_role.values() if column])


def _base(source: _Source, groups: Sequence[str]) -> tuple[pd.DataFrame, list[Message]]:
    """image, patient, model and groups of each row."""
    frame, where = source.frame, source.path
    notes: list[Message] = []
    rows = [f"row {number}" for number in range(1, len(frame) + 1)]
    images = [image or row for image, row in zip(source.cells("image"), rows)]
    if source.by_role["image"] is None:
        notes.append(Message("notes.no_image_column", {"where": str(where)}))
    patients = Patients.read(frame, source.by_role["patient"])
    notes += patients.notes(images, range(len(frame)), where)
    columns = {
        "image": images,
        "patient": [patients.of(row, image) for row, image in enumerate(images)],
        "model": source.cells("model"),
    }
    for name in groups:
        column = str(find_column(frame, name, (), "group column", where))
        if column in RESERVED_COLUMNS:
            raise UsageError(
                f"a group column of {where} is called {column!r}, as one of the columns read",
                "rename it",
            )
        columns[column] = texts(frame[column])
    return pd.DataFrame(columns), notes


# ---- multi-label --------------------------------------------------------------------------------


def _multilabel(source: _Source, base: pd.DataFrame) -> _Built:
    if source.by_role["probability"] or source.by_role["logit"]:
        return _rows_of_labels(source, base)
    return _columns_of_labels(source, base)


def _columns_of_labels(source: _Source, base: pd.DataFrame) -> _Built:
    """A row an image, with columns for each label."""
    by_role = source.by_label()
    scored: dict[str, str] = {}
    for role in ("probability", "logit", "prediction"):
        scored |= {fold(label): label for label in by_role.get(role, {})}
    names = list(scored.values())
    if source.requested:
        names = [name for name in source.requested if fold(name) in scored]
    if not names:
        source.need("probability")
    parts = [_one_label(source, base, by_role, name) for name in names]
    missing = [name for name in source.requested if fold(name) not in scored]
    notes = []
    if missing:
        shown = listing(missing, 20)
        values: dict[str, Value] = {"where": str(source.path), "names": shown}
        notes.append(Message("notes.no_prediction", {**values, "count": len(missing)}))
    return pd.concat(parts, ignore_index=True), tuple(names), notes


def _one_label(
    source: _Source, base: pd.DataFrame, by_role: Mapping[str, Mapping[str, str]], name: str
) -> pd.DataFrame:
    columns = {}
    for role, by_label in by_role.items():
        folded = {fold(label): column for label, column in by_label.items()}
        columns[role] = folded.get(fold(name))
    plain = find_column(source.frame, None, (fold(name),), "", source.path)
    truth = columns.get("truth") or plain
    if truth is None:
        raise UsageError(
            f"no ground truth of {name!r} in {source.path}",
            f"add a column true_{name} or {name} of 1, 0 or blank",
        )
    scored = columns.get("probability")
    if scored is None and columns.get("logit") is None:
        scored = columns.get("prediction")
    logit = source.numbers(columns.get("logit"))
    probability = source.probabilities(scored, logit)
    return base.assign(label=name, logit=logit, probability=probability, truth=source.truth(truth))


def _rows_of_labels(source: _Source, base: pd.DataFrame) -> _Built:
    """A row an image and label; or of a single label, whose truth may be called ``label``."""
    label, truth = source.by_role["label"], source.by_role["truth"]
    is_truth = set(source.cells("label")) <= {"0", "1", "0.0", "1.0", ""}
    if truth is None and label is not None and is_truth:
        label, truth = None, label
    single = source.requested[0] if source.requested else "positive"
    names = source.cells("label") if label else [single] * len(source.frame)
    logit = source.numbers(source.by_role["logit"])
    probability = source.probabilities(source.by_role["probability"], logit)
    truths = source.truth(truth or source.need("truth"))
    tidy = base.assign(label=names, logit=logit, probability=probability, truth=truths)
    present = [name for name in dict.fromkeys(names) if name]
    labels = tuple(name for name in source.requested if name in present) or tuple(present)
    return tidy[tidy["label"].isin(labels)], labels, []


# ---- multi-class and regression -----------------------------------------------------------------


def _multiclass(source: _Source, base: pd.DataFrame) -> _Built:
    by_role, frame, where = source.by_role, source.frame, source.path
    role, scored = _scored_classes(source.by_label())
    truth = by_role["truth"] or by_role["label"] or source.need("truth")
    predicted = by_role["prediction"] if scored else source.need("prediction")
    present = set(class_names(frame[truth]))
    if predicted:
        present |= set(class_names(frame[predicted]))
    classes, columns = choose_classes(source.requested, scored, present - {""}, where)
    table = _class_probabilities(source, columns, len(classes), role == "logit")
    tidy = base.assign(truth=as_classes(frame[truth], classes, where))
    if predicted:
        tidy["predicted"] = as_classes(frame[predicted], classes, where)
    else:
        best = np.array(classes, object)[np.nan_to_num(table, nan=-1).argmax(1)]
        tidy["predicted"] = np.where(np.isfinite(table).all(1), best, "")
    notes = []
    if not source.requested and not scored and not numeric(classes):
        notes.append(Message("notes.alphabetical", {"names": listing(classes, 8)}))
    off = int((np.abs(table.sum(1) - 1) > SUM_TOLERANCE).sum())
    if off:
        values: dict[str, Value] = {"count": off, "rows": len(base), "where": str(where)}
        notes.append(Message("notes.not_one", values))
    probabilities = {PROBABILITY + name: table[:, k] for k, name in enumerate(classes)}
    return tidy.assign(**probabilities), classes, notes


def _scored_classes(by_label: Mapping[str, dict[str, str]]) -> tuple[str, dict[str, str]]:
    """Role and columns of the classes' scores, probabilities before logits."""
    for role in ("probability", "logit"):
        columns = by_label.get(role, {})
        if len(columns) > 1:
            return role, columns
    return "", {}


def _class_probabilities(
    source: _Source, columns: Sequence[str], classes: int, are_logits: bool
) -> Floats:
    """(rows, classes); NaN where the file has none."""
    table = np.full((len(source.frame), classes), np.nan)
    for k, column in enumerate(columns):
        if are_logits:
            table[:, k] = source.numbers(column)
        else:
            table[:, k] = source.probabilities(column, table[:, k])
    return np.asarray(softmax(table, axis=1), np.float64) if are_logits else table


def _regression(source: _Source, base: pd.DataFrame) -> _Built:
    value, truth = source.numbers(source.need("prediction")), source.numbers(source.need("truth"))
    return base.assign(value=value, truth=truth), (), []


# ---- checks of every task -----------------------------------------------------------------------


def _whole_rows(tidy: pd.DataFrame, task: str) -> Flags:
    """Rows with a prediction and a ground truth."""
    if task == "multiclass":
        return np.asarray((tidy["truth"] != "") & (tidy["predicted"] != ""), bool)
    prediction = "probability" if task == "multilabel" else "value"
    return np.asarray(tidy["truth"].notna() & tidy[prediction].notna(), bool)


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
