"""Which column of somebody's predictions file is what: by its name, as such files usually call it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.datasets.image_names import ID_COLUMNS
from camlucida.datasets.patients import PATIENT_COLUMNS
from camlucida.io.tables import find_column, listing, read_table, source

ROLES = ("image", "patient", "model", "label", "truth", "prediction", "probability", "logit")
"""What a column can be."""

COLUMN_NAMES = {
    "image": (
        *ID_COLUMNS,
        "imagepath",
        "filepath",
        "imagename",
        "img",
        "name",
        "sample",
        "sampleid",
    ),
    "patient": PATIENT_COLUMNS,
    "model": ("model", "modelname"),
    "label": ("label", "labelname", "finding", "class", "classname"),
    "truth": (
        "truth",
        "true",
        "ytrue",
        "truelabel",
        "trueclass",
        "target",
        "targets",
        "groundtruth",
        "gt",
        "actual",
        "reference",
    ),
    "prediction": (
        "predicted",
        "prediction",
        "predictions",
        "pred",
        "preds",
        "ypred",
        "predictedclass",
        "predclass",
        "value",
        "output",
    ),
    "probability": ("probability", "prob", "yprob", "yscore", "score", "confidence", "p"),
    "logit": ("logit",),
}
"""Folded names of each role, the most telling first. Without "proba" and "logits", which fold like ``prob_A`` and ``logit_S``."""

WORDS = {
    "truth": {"true", "truth", "target", "targets", "gt", "actual", "real"},
    "prediction": {"pred", "preds", "predicted", "prediction", "predictions"},
}
"""A column with one of these words in its name is of the role, if it is the only one: ``true_age``, ``age_pred``."""

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"

NOT_WORDS = {
    "error",
    "abs",
    "absolute",
    "diff",
    "difference",
    "residual",
    "std",
    "correct",
    "prob",
    "proba",
    "probability",
}

AFFIXES = {
    "probability": (
        "probabilities",
        "probability",
        "probs",
        "proba",
        "prob",
        "scores",
        "score",
        "softmax",
        "p_cls",
        "p_class",
        "p",
    ),
    "logit": ("logits", "logit"),
    "truth": ("ground_truth", "y_true", "truth", "true", "target", "label", "gt"),
    "prediction": ("y_pred", "predicted", "predictions", "prediction", "pred"),
}
"""Words before or after a label's name in a column of its own: ``prob_Edema``, ``Edema (true)``, ``p_cls_2``, ``p2``."""


def read_records(path: Path) -> pd.DataFrame:
    """A table file, or JSON of another shape than a list of flat records, brought into a table.

    JSON may be ``{"predictions": [record, …], …}``, lists of equal length by name (``{"predictions": [1.2, …], "targets": …}``),
    or ``{"a.png": record, …}``, whose names become the column ``image``; a list or mapping in a record becomes a column an entry
    (``probabilities_0``). So does a column of a table whose cells are all lists of numbers in brackets, as lists and arrays of
    Python print.

    Raises:
        UsageError: as :func:`~camlucida.io.tables.read_table`; JSON in which there are no records.
    """
    if path.suffix.lower() != ".json" or not path.is_file():
        return _lists_widened(read_table(path))
    try:
        document = json.loads(path.read_bytes().decode("utf-8-sig"))
    except ValueError:
        return read_table(path)  # says what is wrong
    records = [_flat(record) for record in _records(path, document)]
    if not records:
        raise UsageError(f"{path} has no records", "export it again")
    return pd.DataFrame(records)


def _lists_widened(frame: pd.DataFrame) -> pd.DataFrame:
    parts = [_entries(frame[name]) for name in frame.columns]
    return pd.concat(parts, axis=1) if any(part.shape[1] > 1 for part in parts) else frame


def _entries(column: pd.Series) -> pd.DataFrame:
    """A column an entry, if every cell is a list of as many numbers, two or more; else the column."""
    cells = [
        re.fullmatch(rf"\[\s*({_NUMBER}(?:[\s,;]+{_NUMBER})+)\s*\]", str(cell)) for cell in column
    ]
    if not all(cells):
        return column.to_frame()
    rows = [re.split(r"[\s,;]+", cell[1]) for cell in cells if cell]
    if len({len(row) for row in rows}) > 1:
        return column.to_frame()
    return pd.DataFrame(
        rows,
        index=column.index,
        columns=[f"{column.name}_{number}" for number in range(len(rows[0]))],
    )


def choose_columns(
    frame: pd.DataFrame, roles: Sequence[str], given: Mapping[str, str], where: Path
) -> dict[str, str | None]:
    """Role → its column, given or found by :data:`COLUMN_NAMES`; None where there is none.

    One column has the ``prediction``, if that is among the roles: then it and the truth are also found by :data:`WORDS`.

    Raises:
        UsageError: a role that is not one, a column that is not there, several that could be meant.
    """
    strange = [role for role in given if role not in ROLES]
    if strange:
        raise UsageError(f"a column cannot be {strange[0]!r}", did_you_mean(strange[0], ROLES))
    found: dict[str, str | None] = {}
    for role in roles:
        column = find_column(frame, given.get(role), COLUMN_NAMES[role], f"{role} column", where)
        taken = {name for name in [*found.values(), *given.values()] if name}
        found[role] = column if role in given or column not in taken else None
    for role in WORDS:
        if "prediction" in roles and found[role] is None:
            found[role] = _by_word(frame, role, {name for name in found.values() if name}, where)
    return found


def label_columns(frame: pd.DataFrame, taken: Sequence[str]) -> dict[str, dict[str, str]]:
    """Role → label → column, of files with columns a label (:data:`AFFIXES`); labels in the order of the columns.

    Of several words for a role, the first in :data:`AFFIXES` that names two labels counts (``p_cls_2``, not ``p_gt_2``); else the
    first that names one.
    """
    free = [name for name in frame.columns if name not in taken]
    found = {}
    for role, words in AFFIXES.items():
        tries = [{label: name for name in free if (label := _label(name, word))} for word in words]
        best = next((columns for columns in tries if len(columns) > 1), None) or next(
            filter(None, tries), None
        )
        if best:
            found[role] = best
    return found


def need(found: Mapping[str, str | None], role: str, frame: pd.DataFrame, where: Path) -> str:
    """The column of a role, or an error that says how to name it."""
    column = found[role]
    if column is None:
        raise UsageError(
            f"no column of {source(where, frame)} is called like {_article(role)} {role}: it has {listing(frame.columns, 12)}",
            f"name it: --column {role}=NAME",
        )
    return column


def _article(role: str) -> str:
    return "an" if role[0] in "aeio" else "a"


def _by_word(frame: pd.DataFrame, role: str, taken: set[str], where: Path) -> str | None:
    def words(name: str) -> set[str]:
        return {word.casefold() for word in re.split(r"[\W_]+|(?<=[a-z])(?=[A-Z])", name)}

    near = [
        name
        for name in frame.columns
        if name not in taken and words(name) & WORDS[role] and not words(name) & NOT_WORDS
    ]
    if len(near) > 1:
        raise UsageError(
            f"several columns of {where} could be the {role}: {listing(near, 6)}",
            f"--column {role}={near[0]}, or …",
        )
    return near[0] if near else None


def _label(column: str, word: str) -> str | None:
    """The label in a column's name: before or after the word."""
    spelt = re.escape(word).replace("_", "[_ ]?")
    sign = r"[_ :.\-]+"
    before = re.fullmatch(
        rf"{spelt}(?:{sign}(?P<a>.+?)|\((?P<b>.+)\)|(?P<c>\d+))", column, re.IGNORECASE
    )
    after = re.fullmatch(rf"(?P<a>.+?)(?:{sign}{spelt}|\s*\({spelt}\))", column, re.IGNORECASE)
    match = before or (after if len(word) > 1 else None)
    return next((part for part in match.groupdict().values() if part), None) if match else None


def _records(path: Path, document: Any) -> Iterator[dict[str, Any]]:
    """Records of any of the shapes that :func:`read_records` names."""
    if isinstance(document, dict):
        values = list(document.values())
        nested = [
            value
            for value in values
            if isinstance(value, list) and value and all(isinstance(item, dict) for item in value)
        ]
        columns = {name: value for name, value in document.items() if isinstance(value, list)}
        if len(nested) == 1:
            document = nested[0]
        elif values and all(isinstance(value, dict) for value in values):
            document = [{"image": name, **record} for name, record in document.items()]
        elif columns and len({len(column) for column in columns.values()}) == 1:
            document = [dict(zip(columns, cells)) for cells in zip(*columns.values())]
        elif columns:
            said = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
            raise UsageError(
                f"{path} has lists of unequal length: {said}", "give a value an image in each"
            )
    if not isinstance(document, list) or not all(isinstance(record, dict) for record in document):
        raise UsageError(f"{path} holds no list of records", 'write [{"image": "a.png", …}, …]')
    yield from document


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            cells |= {f"{name}_{key}": item for key, item in value.items()}
        elif isinstance(value, list):
            cells |= {f"{name}_{number}": item for number, item in enumerate(value)}
        else:
            cells[str(name)] = value.strip() if isinstance(value, str) else value
    return cells
