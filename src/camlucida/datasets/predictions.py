"""Predictions of a model, its own or those of another system: one tidy table, from a file, without running anything.

Columns of every table: image, patient, model ("" where the file names none), then group columns. After them

- multi-label, a row an image and label: label, logit, probability, truth (0, 1, NaN for unknown);
- multi-class, a row an image: truth, predicted (names of classes, "" for unknown), ``probability:CLASS`` each;
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
from camlucida.core.messages import Message, declare, quoted
from camlucida.datasets.classes import as_classes, choose_classes, class_names, numeric, widened
from camlucida.datasets.columns import choose_columns, label_columns, need, read_records
from camlucida.datasets.images import NO_PATIENTS
from camlucida.io.tables import count, find_column, flags, fold, listing, numbers, texts
from camlucida.metrics.bootstrap import Floats

declare(
    "notes",
    {
        "no_patient": (
            "{count} {count:|image|images} without a patient in {where}, each a "
            "patient of its own: {names}"
        ),
        "rows_left_out": (
            "{count} of {rows} rows without a prediction or without a truth, left "
            "out of the figures"
        ),
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

SUM_TOLERANCE = 0.01
"""How far from 1 the probabilities of all classes may sum."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Predictions:
    """What a model said of images, and what is true of them.

    Attributes:
        task: of the model.
        frame: see the module.
        labels: labels, or classes in their order; () for a regression.
        groups: names of the group columns.
        notes: one line each, for the person who reads the result.
        synthetic: whether any image is marked so.
    """

    task: Task
    frame: pd.DataFrame
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    notes: tuple[Message, ...]
    synthetic: bool

    def of_models(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """(model, its rows), in the order of the file."""
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
    """Read a predictions file of any system: CSV, TSV, XLSX, Parquet, JSON; a row a label, or a column a label.

    Columns are found by the names that such files usually have (:mod:`camlucida.datasets.columns`), or named in ``columns``. With
    columns a label these are ``prob_LABEL`` or ``logit_LABEL`` and ``true_LABEL`` or ``LABEL``. A missing probability is the
    sigmoid (multi-class: softmax) of the logit. A missing predicted class is the most probable one.

    Args:
        path: the file.
        task: multilabel (also called binary), multiclass or regression.
        columns: role (image, patient, model, label, truth, prediction, probability, logit) → column.
        groups: columns to be kept as groups.
        labels: the labels, or the classes in their order; else those of the file, numbers in their order, columns as they stand.

    Raises:
        UsageError: one line: an unreadable file; a column that is not there, not recognised or ambiguous; a cell that is no
            number, probability, class or flag; an image twice (in multi-label, with one label); no row with prediction and truth.
    """
    path, given = Path(path), dict(columns or {})
    task = "multilabel" if task == "binary" else task
    if task not in get_args(Task):
        raise UsageError(f"no task {task!r}", did_you_mean(task, ("binary", *get_args(Task))))
    frame = read_records(path)
    found = choose_columns(frame, _ROLES[task], given, path)
    if task == "multiclass":
        frame, found = widened(frame, found, path)
    source = _Source(path, frame, found, tuple(labels))
    base, notes = _base(source, groups)
    build = {"multilabel": _multilabel, "multiclass": _multiclass, "regression": _regression}[task]
    tidy, known, said = build(source, base)
    synthetic = find_column(frame, None, ("synthetic",), "", path)
    marked = synthetic is not None and any(flags(frame[synthetic], path))
    names = tuple(column for column in base.columns if column not in RESERVED_COLUMNS)
    found_rows = Predictions(
        _TASKS[task], tidy.reset_index(drop=True), known, names, (*notes, *said), marked
    )
    return check_predictions(found_rows, str(path), "check its columns, or name them with --column")


def check_predictions(predictions: Predictions, where: str, fix: str) -> Predictions:
    """The same, with a note of the rows that figures leave out.

    Args:
        predictions: a tidy table, of wherever.
        where: it came from, for messages.
        fix: what to do where a model has no row with both.

    Raises:
        UsageError: an image twice (in multi-label, with one label); a model without any row with prediction and truth.
    """
    tidy, task = predictions.frame, predictions.task
    _check_once(tidy, where)
    whole = _whole_rows(tidy, task)
    for model in dict.fromkeys(tidy["model"]):
        if not whole[(tidy["model"] == model).to_numpy()].any():
            of = f" of model {model!r}" if model else ""
            raise UsageError(f"no row{of} of {where} has both a prediction and a truth", fix)
    missing = int((~whole).sum())
    left_out = (
        [Message("notes.rows_left_out", {"count": missing, "rows": len(whole)})] if missing else []
    )
    return replace(predictions, notes=(*predictions.notes, *left_out))


_TASKS: dict[str, Task] = {task: task for task in get_args(Task)}
_ROLES = {
    "multilabel": ("image", "patient", "model", "label", "probability", "logit", "truth"),
    "multiclass": (
        "image",
        "patient",
        "model",
        "label",
        "probability",
        "logit",
        "truth",
        "prediction",
    ),
    "regression": ("image", "patient", "model", "truth", "prediction"),
}
_Built = tuple[pd.DataFrame, tuple[str, ...], list[Message]]


@dataclass(frozen=True)
class _Source:
    """A file as it was read; ``found``: role → column; ``asked``: labels that the caller named."""

    path: Path
    frame: pd.DataFrame
    found: Mapping[str, str | None]
    asked: tuple[str, ...]

    def need(self, role: str) -> str:
        return need(self.found, role, self.frame, self.path)

    def numbers(self, column: str | None) -> Floats:
        """NaN throughout for no column."""
        return (
            np.full(len(self.frame), np.nan)
            if column is None
            else numbers(self.frame[column], self.path)
        )

    def probabilities(self, column: str | None, logits: Floats) -> Floats:
        """The sigmoid of the logits for no column."""
        if column is None:
            return np.asarray(expit(logits), np.float64)
        found = self.numbers(column)
        bad = np.flatnonzero((found < 0) | (found > 1))
        if len(bad):
            what = f"{self.path}, row {bad[0] + 1}: {found[bad[0]]:g} in column {column!r} is no probability"
            raise UsageError(
                what,
                "give numbers from 0 to 1; a score before the sigmoid or softmax is called logit",
            )
        return found

    def by_label(self) -> dict[str, dict[str, str]]:
        return label_columns(self.frame, [column for column in self.found.values() if column])


def _base(source: _Source, groups: Sequence[str]) -> tuple[pd.DataFrame, list[Message]]:
    """image, patient, model and groups of each row."""
    frame, found, where = source.frame, source.found, source.path
    notes = []
    rows = [f"row {number}" for number in range(1, len(frame) + 1)]
    images = texts(frame[found["image"]]) if found["image"] else rows
    if not found["image"]:
        notes.append(
            quoted(f"{where} has no column that names images: they are called row 1, row 2, …")
        )
    images = [image or row for image, row in zip(images, rows)]
    patients = texts(frame[found["patient"]]) if found["patient"] else [""] * len(frame)
    alone = list(dict.fromkeys(image for image, patient in zip(images, patients) if not patient))
    if not found["patient"]:
        notes.append(NO_PATIENTS)
    elif alone:
        notes.append(
            Message(
                "notes.no_patient",
                {"count": len(alone), "where": str(where), "names": listing(alone)},
            )
        )
    columns = {
        "image": images,
        "patient": [patient or f"image:{image}" for image, patient in zip(images, patients)],
    }
    columns["model"] = texts(frame[found["model"]]) if found["model"] else [""] * len(frame)
    for name in groups:
        column = str(find_column(frame, name, (), "group column", where))
        if column in RESERVED_COLUMNS:
            raise UsageError(
                f"a group column of {where} is called {column!r}, as one of the columns read",
                "rename it",
            )
        columns[column] = texts(frame[column])
    return pd.DataFrame(columns), notes


# ---- multi-label ------------------------------------------------------------------------------------------------------------


def _multilabel(source: _Source, base: pd.DataFrame) -> _Built:
    found = source.found
    if found["probability"] or found["logit"]:
        return _long(source, base)
    by_role = source.by_label()
    scored = {
        fold(label): label
        for role in ("probability", "logit", "prediction")
        for label in by_role.get(role, {})
    }
    names = (
        [name for name in source.asked if fold(name) in scored]
        if source.asked
        else list(scored.values())
    )
    if not names:
        need(found, "probability", source.frame, source.path)
    parts = [_one_label(source, base, by_role, name) for name in names]
    missing = [name for name in source.asked if fold(name) not in scored]
    notes = (
        [
            quoted(
                f"no prediction in {source.path} of {count(missing, 'label')}: {listing(missing, 20)}"
            )
        ]
        if missing
        else []
    )
    return pd.concat(parts, ignore_index=True), tuple(names), notes


def _one_label(
    source: _Source, base: pd.DataFrame, by_role: Mapping[str, Mapping[str, str]], name: str
) -> pd.DataFrame:
    def column(role: str) -> str | None:
        return next(
            (
                column
                for label, column in by_role.get(role, {}).items()
                if fold(label) == fold(name)
            ),
            None,
        )

    plain = find_column(source.frame, None, (fold(name),), "", source.path)
    truth = column("truth") or plain
    if truth is None:
        raise UsageError(
            f"no truth of {name!r} in {source.path}",
            f"add a column true_{name} or {name} of 1, 0 or blank",
        )
    logit = source.numbers(column("logit"))
    scored = column("probability") or (column("prediction") if column("logit") is None else None)
    probability = source.probabilities(scored, logit)
    known = np.array(
        [
            np.nan if flag is None else float(flag)
            for flag in flags(source.frame[truth], source.path)
        ]
    )
    return base.assign(label=name, logit=logit, probability=probability, truth=known)


def _long(source: _Source, base: pd.DataFrame) -> _Built:
    """A row an image and label; or of a single label, which may be its truth's column (``label`` of 0 and 1)."""
    found, frame = source.found, source.frame
    label, truth = found["label"], found["truth"]
    if (
        truth is None
        and label is not None
        and set(texts(frame[label])) <= {"0", "1", "0.0", "1.0", ""}
    ):
        label, truth = None, label
    only = source.asked[0] if source.asked else "positive"
    names = texts(frame[label]) if label else [only] * len(frame)
    logit = source.numbers(found["logit"])
    probability = source.probabilities(found["probability"], logit)
    truth = truth or source.need("truth")
    known = np.array(
        [np.nan if flag is None else float(flag) for flag in flags(frame[truth], source.path)]
    )
    tidy = base.assign(label=names, logit=logit, probability=probability, truth=known)
    present = [name for name in dict.fromkeys(names) if name]
    wanted = tuple(name for name in source.asked if name in present) or tuple(present)
    return tidy[tidy["label"].isin(wanted)], wanted, []


# ---- multi-class and regression ---------------------------------------------------------------------------------------------


def _multiclass(source: _Source, base: pd.DataFrame) -> _Built:
    found, frame, where = source.found, source.frame, source.path
    by_role = source.by_label()
    role = next((role for role in ("probability", "logit") if len(by_role.get(role, {})) > 1), None)
    scored = by_role[role] if role else {}
    truth = found["truth"] or found["label"] or source.need("truth")
    predicted = found["prediction"] if scored else source.need("prediction")
    answers = [column for column in (truth, predicted) if column]
    present = {name for column in answers for name in class_names(frame[column])} - {""}
    classes, columns = choose_classes(source.asked, scored, present, where)
    table = np.full((len(frame), len(classes)), np.nan)
    for k, column in enumerate(columns):
        table[:, k] = (
            source.numbers(column) if role == "logit" else source.probabilities(column, table[:, k])
        )
    if role == "logit":
        table = np.asarray(softmax(table, axis=1), np.float64)
    tidy = base.assign(truth=as_classes(frame[truth], classes, where))
    if predicted:
        tidy["predicted"] = as_classes(frame[predicted], classes, where)
    else:
        best = np.nan_to_num(table, nan=-1).argmax(1)
        tidy["predicted"] = np.where(np.isfinite(table).all(1), np.array(classes, object)[best], "")
    notes = []
    if not source.asked and not scored and not numeric(classes):
        notes.append(
            quoted(
                f"classes in alphabetical order ({listing(classes, 8)}): the quadratic kappa needs them in their own, --class"
            )
        )
    off = int((np.abs(table.sum(1) - 1) > SUM_TOLERANCE).sum())
    if off:
        notes.append(
            quoted(f"the probabilities of {off} of {len(base)} rows of {where} do not sum to 1")
        )
    return (
        tidy.assign(**{PROBABILITY + name: table[:, k] for k, name in enumerate(classes)}),
        classes,
        notes,
    )


def _regression(source: _Source, base: pd.DataFrame) -> _Built:
    value, truth = source.numbers(source.need("prediction")), source.numbers(source.need("truth"))
    return base.assign(value=value, truth=truth), (), []


# ---- what every task goes through -------------------------------------------------------------------------------------------


def _whole_rows(tidy: pd.DataFrame, task: str) -> Flags:
    """Rows with a prediction and a truth."""
    if task == "multiclass":
        return np.asarray((tidy["truth"] != "") & (tidy["predicted"] != ""), bool)
    said = "probability" if task == "multilabel" else "value"
    return np.asarray(tidy["truth"].notna() & tidy[said].notna(), bool)


def _check_once(tidy: pd.DataFrame, where: str) -> None:
    keys = [name for name in ("model", "image", "label") if name in tidy]
    twice = tidy[tidy.duplicated(keys)]
    if len(twice):
        first = twice.iloc[0]
        of = f", label {first['label']!r}" if "label" in tidy else ""
        what = f"{where}: image {first['image']!r}{of} has more than one row ({len(twice)} too many in all)"
        raise UsageError(what, "keep one; rows of several models need a model column")
