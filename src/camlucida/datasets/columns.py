"""Which column of a predictions file is what, by the names that such files usually have."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.datasets.image_names import ID_COLUMNS
from camlucida.datasets.patients import PATIENT_COLUMNS
from camlucida.io.tables import Fits, find_column, listing, read_table, source

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
"""Folded names of each role, the most telling first.

"proba" and "logits" are left out: they fold like ``prob_A`` and ``logit_S``."""

WORDS = {
    "truth": {"true", "truth", "target", "targets", "gt", "actual", "real"},
    "prediction": {"pred", "preds", "predicted", "prediction", "predictions"},
}
"""A column with one of these words in its name is of the role, if it is the only one:
``true_age``, ``age_pred``."""

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
"""Words before or after a label in the name of the label's column: ``prob_Edema``,
``Edema (true)``, ``p_cls_2``, ``p2``."""


BARE_TRUTH = "y"
"""The same of ground truth, where none of its other words names a column: ``y_Edema``."""


def read_records(path: Path, *, sheet: str | None = None, fits: Fits | None = None) -> pd.DataFrame:
    """A table file, or JSON of another shape than a list of flat records, brought into a table.

    JSON may be ``{"predictions": [record, …], …}``, lists of equal length by name
    (``{"predictions": [1.2, …], "targets": …}``), or ``{"a.png": record, …}``, whose names become
    the column ``image``; a list or mapping in a record becomes a column an entry
    (``probabilities_0``). So does a column of a table whose cells are all lists of numbers in
    brackets, as Python prints lists and arrays.

    Args:
        path: of the file.
        sheet, fits: as of :func:`~camlucida.io.tables.read_table`.

    Raises:
        UsageError: as :func:`~camlucida.io.tables.read_table`; JSON in which there are no records.
    """
    if path.suffix.lower() != ".json" or not path.is_file():
        frame = read_table(path, sheet=sheet, fits=fits)
        widened = _lists_widened(frame)
        widened.attrs = frame.attrs
        return widened
    try:
        document = json.loads(path.read_bytes().decode("utf-8-sig"))
    except ValueError:
        return read_table(path)  # says what is wrong
    records = list(map(_flat, _records(path, document)))
    if not records:
        raise UsageError(f"{path} has no records", "export it again")
    return pd.DataFrame(records)


def _lists_widened(frame: pd.DataFrame) -> pd.DataFrame:
    parts = [_entries(frame[name]) for name in frame.columns]
    has_lists = any(part.shape[1] > 1 for part in parts)
    return pd.concat(parts, axis=1) if has_lists else frame


def _entries(column: pd.Series) -> pd.DataFrame:
    """A column an entry, if every cell is a list of as many numbers, two or more; else itself."""
    pattern = re.compile(rf"\[\s*({_NUMBER}(?:[\s,;]+{_NUMBER})+)\s*\]")
    matches = [pattern.fullmatch(str(cell)) for cell in column]
    rows = [re.split(r"[\s,;]+", match[1]) for match in matches if match]
    if len(rows) < len(matches) or len(set(map(len, rows))) > 1:
        return column.to_frame()
    names = [f"{column.name}_{number}" for number in range(len(rows[0]))]
    return pd.DataFrame(rows, index=column.index, columns=names)


def choose_columns(
    frame: pd.DataFrame, roles: Sequence[str], given: Mapping[str, str], where: Path
) -> dict[str, str | None]:
    """The column of each role, given or by :data:`COLUMN_NAMES`; None where there is none.

    If ``prediction`` is among the roles, one column holds the predictions: it and the truth are
    then also recognised by :data:`WORDS`.

    Args:
        frame: the table.
        roles: of :data:`ROLES`.
        given: role → column, as the caller named them.
        where: the table's file, for the message.

    Raises:
        UsageError: a role that is not one, a column that is not there, several that could be meant.

    >>> frame = pd.DataFrame({"Image Index": ["a"], "true_age": [30], "age_pred": [31]})
    >>> choose_columns(frame, ["image", "truth", "prediction"], {}, Path("p.csv"))
    {'image': 'Image Index', 'truth': 'true_age', 'prediction': 'age_pred'}
    """
    strange = [role for role in given if role not in ROLES]
    if strange:
        raise UsageError(f"a column cannot be {strange[0]!r}", did_you_mean(strange[0], ROLES))
    by_role: dict[str, str | None] = {}
    for role in roles:
        option = f"{role} column"
        column = find_column(frame, given.get(role), COLUMN_NAMES[role], option, where)
        taken = {name for name in [*by_role.values(), *given.values()] if name}
        by_role[role] = column if role in given or column not in taken else None
    for role in WORDS:
        if "prediction" in roles and by_role[role] is None:
            taken = {name for name in by_role.values() if name}
            by_role[role] = _by_word(frame, role, taken, where)
    return by_role


def label_columns(frame: pd.DataFrame, taken: Sequence[str]) -> dict[str, dict[str, str]]:
    """Role → label → column, of files with columns for each label (:data:`AFFIXES`).

    Of several words for a role, the first in :data:`AFFIXES` that names two labels counts
    (``p_cls_2``, not ``p_gt_2``); else the first that names one.

    Args:
        frame: the table.
        taken: columns that have another role.

    Returns:
        Labels in the order of the columns.

    >>> frame = pd.DataFrame({"prob_Edema": [0.2], "true_Edema": [1]})
    >>> label_columns(frame, [])
    {'probability': {'Edema': 'prob_Edema'}, 'truth': {'Edema': 'true_Edema'}}
    """
    free = [name for name in frame.columns if name not in taken]
    by_role = {}
    for role, words in AFFIXES.items():
        candidates = [_columns_of_word(free, word) for word in words]
        candidates = [columns for columns in candidates if columns]
        with_two = [columns for columns in candidates if len(columns) > 1]
        if candidates:
            by_role[role] = (with_two or candidates)[0]
    if "truth" not in by_role and (bare := _columns_of_word(free, BARE_TRUTH)):
        by_role["truth"] = bare
    return by_role


def need(by_role: Mapping[str, str | None], role: str, frame: pd.DataFrame, where: Path) -> str:
    """The column of a role.

    Raises:
        UsageError: there is none; the message tells how to name it.
    """
    column = by_role[role]
    if column is None:
        article = "an" if role[0] in "aeio" else "a"
        columns = listing(frame.columns, 12)
        raise UsageError(
            f"no column of {source(where, frame)} is called like {article} {role}: "
            f"it has {columns}",
            f"name it: --column {role}=NAME",
        )
    return column


def _by_word(frame: pd.DataFrame, role: str, taken: set[str], where: Path) -> str | None:
    """The only column with a word of the role in its name; None without one."""
    near = []
    for name in frame.columns:
        parts = re.split(r"[\W_]+|(?<=[a-z])(?=[A-Z])", name)
        words = {part.casefold() for part in parts}
        if name not in taken and words & WORDS[role] and not words & NOT_WORDS:
            near.append(name)
    if len(near) > 1:
        raise UsageError(
            f"several columns of {where} could be the {role}: {listing(near, 6)}",
            f"--column {role}={near[0]}, or …",
        )
    return near[0] if near else None


def _columns_of_word(names: Sequence[str], word: str) -> dict[str, str]:
    """Label → column, of the columns whose names hold the word before or after a label."""
    labels = {name: _label(name, word) for name in names}
    return {label: name for name, label in labels.items() if label}


def _label(column: str, word: str) -> str | None:
    """The label in a column's name: before or after the word."""
    spelt = re.escape(word).replace("_", "[_ ]?")
    sign = r"[_ :.\-]+"
    before = rf"{spelt}(?:{sign}(?P<a>.+?)|\((?P<b>.+)\)|(?P<c>\d+))"
    after = rf"(?P<a>.+?)(?:{sign}{spelt}|\s*\({spelt}\))"
    match = re.fullmatch(before, column, re.IGNORECASE)
    if match is None and len(word) > 1:
        match = re.fullmatch(after, column, re.IGNORECASE)
    if match is None:
        return None
    return next((part for part in match.groupdict().values() if part), None)


def _records(path: Path, document: Any) -> list[dict[str, Any]]:
    """Records of any of the shapes that :func:`read_records` names."""
    if isinstance(document, dict):
        document = _records_within(path, document)
    if not isinstance(document, list) or not all(isinstance(record, dict) for record in document):
        raise UsageError(f"{path} holds no list of records", 'write [{"image": "a.png", …}, …]')
    return document


def _records_within(path: Path, document: dict[str, Any]) -> Any:
    """The records of a mapping; the mapping itself where it holds none."""
    values = list(document.values())
    lists = [value for value in values if _is_list_of_records(value)]
    if len(lists) == 1:
        return lists[0]
    if values and all(isinstance(value, dict) for value in values):
        return [{"image": name, **record} for name, record in document.items()]
    columns = {name: value for name, value in document.items() if isinstance(value, list)}
    return _records_of_columns(path, columns) if columns else document


def _records_of_columns(path: Path, columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise UsageError(
            f"{path} has lists of unequal length: {shown}", "give a value an image in each"
        )
    return [dict(zip(columns, cells)) for cells in zip(*columns.values())]


def _is_list_of_records(value: Any) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(item, dict) for item in value)


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
