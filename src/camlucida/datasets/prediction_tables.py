"""The tidy table of each task, of a file of predictions.

Its columns are described in :mod:`camlucida.datasets.predictions`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import softmax

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, Value, declare
from camlucida.datasets.classes import as_classes, choose_classes, class_names, numeric
from camlucida.datasets.plain_scores import (
    SUM_TOLERANCE,
    PlainScores,
    are_flags,
    class_scores,
    plain_scores,
    shares_of_one,
    unnamed_scores,
)
from camlucida.datasets.prediction_file import Floats, PredictionFile
from camlucida.datasets.table_labels import LABEL_COLUMNS, TableLabels
from camlucida.io.tables import comma_notes, find_column, fold, listing, texts

declare(
    "notes",
    {
        "no_prediction": ("no prediction in {where} of {count} {count:|label|labels}: {names}"),
        "alphabetical": (
            "classes in alphabetical order ({names}); the quadratic kappa needs their natural "
            "order: --class"
        ),
        "operating_point": (
            "{count} {count:|label is|labels are} decided at the model's operating point, where "
            "its scaled output is 0.5 ({names}); Brier score and calibration are those of the "
            "sigmoid"
        ),
        "not_one": ("the probabilities of {count} of {rows} rows of {where} do not sum to 1"),
    },
)

PROBABILITY = "probability:"
"""Before the name of a class, in the column of its probability."""


class TidyPredictions(NamedTuple):
    """A tidy table, its labels or classes in their order, and notes."""

    frame: pd.DataFrame
    labels: tuple[str, ...]
    notes: list[Message]


def multilabel_table(source: PredictionFile, base: pd.DataFrame) -> TidyPredictions:
    """A row an image and label, of a file with a row, or columns, for each label.

    Args:
        source: the file.
        base: of :func:`~camlucida.datasets.prediction_file.base_columns`.

    Raises:
        UsageError: a column of scores or of ground truth that is missing; a cell that is no
            number, probability or flag.
    """
    if source.by_role["probability"] or source.by_role["logit"]:
        return _rows_of_labels(source, base)
    return _columns_of_labels(source, base)


def _columns_of_labels(source: PredictionFile, base: pd.DataFrame) -> TidyPredictions:
    """A row an image, with columns for each label."""
    by_role = source.by_label()
    plain = _plain_scores(source, by_role)
    if plain is not None:
        by_role = {**by_role, "prediction": {}, plain.role: dict(plain.columns)}
    scored: dict[str, str] = {}
    for role in ("probability", "logit", "prediction"):
        for label in by_role.get(role, {}):
            scored[fold(label)] = label
    names = list(scored.values())
    if source.requested:
        names = [name for name in source.requested if fold(name) in scored]
    if not names:
        raise _without_scores(source)
    joined = _joined_truth(source, names)
    parts = [_one_label(source, base, by_role, name, joined.get(name)) for name in names]
    missing = [name for name in source.requested if fold(name) not in scored]
    notes = _plain_notes(source, plain)
    if missing:
        values: dict[str, Value] = {
            "count": len(missing),
            "where": str(source.path),
            "names": listing(missing, 20),
        }
        notes.append(Message("notes.no_prediction", values))
    return TidyPredictions(pd.concat(parts, ignore_index=True), tuple(names), notes)


def _plain_scores(
    source: PredictionFile, by_role: Mapping[str, Mapping[str, str]]
) -> PlainScores | None:
    """Scores in columns called as labels, where no other columns hold scores.

    Labels are those that the user or the model names, and those of columns of ground truth.
    Predictions of 0 and 1 are decisions, beside which there may be scores.
    """
    truths, predicted = by_role.get("truth", {}), by_role.get("prediction", {})
    if by_role.get("probability") or by_role.get("logit"):
        return None
    if predicted and not (truths and are_flags(source.frame, predicted.values())):
        return None
    labels = [*source.requested, *source.model_labels, *truths, *_names_in_cells(source)]
    return plain_scores(source.frame, labels, source.taken, source.path)


def _names_in_cells(source: PredictionFile) -> set[str]:
    """Names of labels in the column of ground truth that joins them, where there is one."""
    names: set[str] = set()
    for column in _joined_columns(source):
        for cell in set(texts(source.frame[column])):
            names |= {part.strip() for part in re.split(r"[|;,]", cell)} | {cell}
    return names


def _joined_columns(source: PredictionFile) -> list[str]:
    """Columns that may hold the names of the labels that are present, or flags of one label."""
    usual = find_column(source.frame, None, LABEL_COLUMNS, "", source.path)
    by_role = source.by_role
    columns = dict.fromkeys((by_role["truth"], by_role["label"], usual))
    return [column for column in columns if column]


def _plain_notes(source: PredictionFile, plain: PlainScores | None) -> list[Message]:
    if plain is None:
        return []
    return [plain.note, *comma_notes(source.frame, plain.columns.values(), source.path)]


def _without_scores(source: PredictionFile) -> UsageError:
    """That no column holds scores, and what to do where some may."""
    unnamed = unnamed_scores(source.frame, source.taken)
    columns = listing(unnamed or source.frame.columns, 12)
    labels = set(map(fold, (*source.requested, *source.model_labels)))
    named = [name for name in source.frame.columns if fold(name) in labels]
    if named and not unnamed:
        return UsageError(
            f"columns of {source.path} that are called as labels ({listing(named, 6)}) hold ground "
            "truth or decisions, not scores, and no column is called like a probability",
            f"call columns of scores prob_{named[0]} or logit_{named[0]} and so on",
        )
    if unnamed:
        return UsageError(
            f"no column of {source.path} is called like scores of a label; {columns} may hold some",
            f"name the labels (--class {unnamed[0]!r}, or labels of the card), or call the columns "
            f"prob_{unnamed[0]} and so on, and those of ground truth true_{unnamed[0]}",
        )
    return UsageError(
        f"no column of {source.path} is called like a probability: it has {columns}",
        "call columns of scores prob_LABEL or logit_LABEL; or name the one there is: "
        "--column probability=NAME",
    )


def _one_label(
    source: PredictionFile,
    base: pd.DataFrame,
    by_role: Mapping[str, Mapping[str, str]],
    name: str,
    joined: Floats | None,
) -> pd.DataFrame:
    """The rows of a label; ``joined`` is its truth, (rows,), in a column of names of labels."""
    columns = {}
    for role, by_label in by_role.items():
        folded = {fold(label): column for label, column in by_label.items()}
        columns[role] = folded.get(fold(name))
    scored = columns.get("probability")
    logits = columns.get("logit")
    if scored is None and logits is None:
        # Many files call a probability the prediction.
        scored = columns.get("prediction")
    truth = columns.get("truth") or _plain_truth(source, name, (scored, logits))
    if truth is None and joined is None and source.needs_truth:
        raise UsageError(
            f"no ground truth of {name!r} in {source.path}",
            f"add a column true_{name} of 1, 0 or blank",
        )
    logit = source.numbers(logits)
    probability = source.probabilities(scored, logit)
    truths = source.truth(truth) if truth or joined is None else joined
    return base.assign(label=name, logit=logit, probability=probability, truth=truths)


def _plain_truth(source: PredictionFile, name: str, scores: Sequence[str | None]) -> str | None:
    """The column of ground truth that is called as the label, unless it holds its scores."""
    column = find_column(source.frame, None, (fold(name),), "", source.path)
    return None if column in scores else column


def _joined_truth(source: PredictionFile, names: Sequence[str]) -> dict[str, Floats]:
    """Label → its truth, (rows,), of one column: of names of labels, or of flags of one label.

    {} where no column is one of these. A blank cell is unknown.
    """
    for column in _joined_columns(source):
        if len(names) == 1 and are_flags(source.frame, [column]):
            return {names[0]: source.truth(column)}
        labels = TableLabels.read(source.frame, column, names, source.path)
        rows = [labels.positives(row) or () for row in range(len(source.frame))]
        if any(rows):
            blank = [cell == "" for cell in texts(source.frame[column])]
            return {name: _presence(rows, blank, name) for name in names}
    return {}


def _presence(rows: Sequence[Sequence[str]], blank: Sequence[bool], name: str) -> Floats:
    present = np.array([name in row for row in rows], np.float64)
    return np.where(blank, np.nan, present)


def _rows_of_labels(source: PredictionFile, base: pd.DataFrame) -> TidyPredictions:
    """A row an image and label; or of a single label, whose truth may be called ``label``."""
    label, truth = source.by_role["label"], source.by_role["truth"]
    labels_of_rows = source.cells("label")
    holds_flags = set(labels_of_rows) <= {"0", "1", "0.0", "1.0", ""}
    if truth is None and label is not None and holds_flags:
        label, truth = None, label
    names = labels_of_rows
    if not label:
        single = source.requested[0] if source.requested else "positive"
        names = [single] * len(source.frame)
    logit = source.numbers(source.by_role["logit"])
    probability = source.probabilities(source.by_role["probability"], logit)
    truths = source.truth(truth or source.truth_column())
    tidy = base.assign(label=names, logit=logit, probability=probability, truth=truths)
    scaled = find_column(source.frame, None, ("scaledoutput",), "", source.path)
    if scaled is not None:
        tidy["scaled_output"] = source.numbers(scaled)
    present = tuple(name for name in dict.fromkeys(names) if name)
    requested = tuple(name for name in source.requested if name in present)
    labels = requested or present
    return TidyPredictions(tidy[tidy["label"].isin(labels)], labels, operating_point_notes(tidy))


def operating_point_notes(frame: pd.DataFrame) -> list[Message]:
    """Labels that are decided at the model's operating point.

    Args:
        frame: rows of labels; ``scaled_output`` where the model scales its probability so that 0.5
            is its operating point.
    """
    if "scaled_output" not in frame:
        return []
    labels = list(dict.fromkeys(frame["label"][frame["scaled_output"].notna()]))
    if not labels:
        return []
    return [Message("notes.operating_point", {"count": len(labels), "names": listing(labels, 20)})]


def multiclass_table(source: PredictionFile, base: pd.DataFrame) -> TidyPredictions:
    """A row an image, with its class, the predicted class and a probability a class.

    Args:
        source: the file.
        base: of :func:`~camlucida.datasets.prediction_file.base_columns`.

    Raises:
        UsageError: no column of ground truth, or of predictions; an unknown class; a cell that is
            no number or probability.
    """
    by_role, frame, where = source.by_role, source.frame, source.path
    truth = by_role["truth"] or by_role["label"] or source.truth_column()
    cells = [class_names(frame[column]) for column in (truth, by_role["prediction"]) if column]
    named = set(chain.from_iterable(cells)) - {""}
    role, scored, notes = _scored_classes(source, named)
    predicted = by_role["prediction"] if scored else source.need("prediction")
    classes, columns = choose_classes(source.requested, scored, named, where)
    table = _class_probabilities(source, columns, len(classes), role == "logit")
    tidy = base.assign(truth="", predicted="")
    if truth:
        tidy["truth"] = as_classes(frame[truth], classes, where)
    if predicted:
        tidy["predicted"] = as_classes(frame[predicted], classes, where)
    else:
        tidy["predicted"] = _most_probable(table, classes)
    if not source.requested and not scored and not numeric(classes):
        notes.append(Message("notes.alphabetical", {"names": listing(classes, 8)}))
    sums = table.sum(1)
    deviations = np.abs(sums - 1)
    # Rows without probabilities sum to NaN, which compares as False: they are not counted.
    off = int((deviations > SUM_TOLERANCE).sum())
    if off:
        values: dict[str, Value] = {"count": off, "rows": len(base), "where": str(where)}
        notes.append(Message("notes.not_one", values))
    probabilities = {PROBABILITY + name: table[:, k] for k, name in enumerate(classes)}
    return TidyPredictions(tidy.assign(**probabilities), classes, notes)


def _most_probable(table: Floats, classes: Sequence[str]) -> np.ndarray:
    """The most probable class of each row; "" where a probability is unknown."""
    best = np.nan_to_num(table, nan=-1).argmax(1)
    names = np.array(classes, object)[best]
    return np.where(np.isfinite(table).all(1), names, "")


def _scored_classes(
    source: PredictionFile, present: Iterable[str]
) -> tuple[str, dict[str, str], list[Message]]:
    """Role and columns of the classes' scores, probabilities before logits, and notes.

    Columns called as the classes come last; {} where there are none.
    """
    by_label = source.by_label()
    for role in ("probability", "logit"):
        columns = by_label.get(role, {})
        if len(columns) > 1:
            return role, columns, []
    plain = _plain_classes(source, present)
    if plain is None:
        return "", {}, []
    return plain.role, dict(plain.columns), _plain_notes(source, plain)


def _plain_classes(source: PredictionFile, present: Iterable[str]) -> PlainScores | None:
    """Scores in columns called as the classes: those that are named, else those that occur.

    Where nothing else is predicted, columns of shares that sum to 1 are of classes as well.
    """
    for names in (source.requested, source.model_labels, tuple(present)):
        scores = class_scores(source.frame, names, source.taken, source.path) if names else None
        if scores is not None and len(scores.columns) > 1:
            return scores
    if source.by_role["prediction"]:
        return None
    return shares_of_one(source.frame, source.taken, source.path)


def _class_probabilities(
    source: PredictionFile, columns: Sequence[str], classes: int, are_logits: bool
) -> Floats:
    """(rows, classes); NaN where the file has none."""
    table = np.full((len(source.frame), classes), np.nan)
    for k, column in enumerate(columns):
        if are_logits:
            table[:, k] = source.numbers(column)
        else:
            table[:, k] = source.probabilities(column, table[:, k])
    if not are_logits:
        return table
    return np.asarray(softmax(table, axis=1), np.float64)


def regression_table(source: PredictionFile, base: pd.DataFrame) -> TidyPredictions:
    """A row an image, with the predicted and the true value.

    Args:
        source: the file.
        base: of :func:`~camlucida.datasets.prediction_file.base_columns`.

    Raises:
        UsageError: no column of predictions or of ground truth; a cell that is no number.
    """
    value = source.numbers(source.need("prediction"))
    truth = source.numbers(source.truth_column())
    return TidyPredictions(base.assign(value=value, truth=truth), (), [])
