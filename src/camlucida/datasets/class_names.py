"""Names of classes for people, where a file has codes: BI-RADS 1–4 stored as 0–3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, declare
from camlucida.datasets.classes import class_names
from camlucida.datasets.columns import COLUMN_NAMES
from camlucida.io.tables import fold, listing, texts

declare(
    "notes",
    {
        "classes_named": "{where}: classes are named as requested: {names}",
        "classes_named_beside": ("{where}: classes have the names of the column {beside}: {names}"),
    },
)

NAME_ENDINGS = ("name", "names", "birads", "category", "description")
"""How the folded name of a column ends that names the classes of the one beside it."""

IMAGE_NAMES = frozenset(COLUMN_NAMES["image"])
"""Folded names of columns of images, whose file names are no classes."""


def names_beside(
    frame: pd.DataFrame, column: str | None, classes: Sequence[str]
) -> tuple[str | None, dict[str, str]]:
    """The names of classes in a column next to that of the true class.

    It must be called like one (:data:`NAME_ENDINGS`), and have one name for each class, another
    for every one.

    Args:
        frame: the file.
        column: of true classes; None for none.
        classes: all of them.

    Returns:
        The column, and class → name; None and {} where there is none.

    >>> frame = pd.DataFrame({"y_true": [0, 1], "class_name": ["fatty", "dense"]})
    >>> names_beside(frame, "y_true", ["0", "1"])
    ('class_name', {'0': 'fatty', '1': 'dense'})
    """
    columns = list(map(str, frame.columns))
    if column not in columns:
        return None, {}
    position = columns.index(column)
    neighbours = [*columns[position + 1 : position + 2], *columns[max(position - 1, 0) : position]]
    codes = class_names(frame[column])
    for beside in neighbours:
        if not fold(beside).endswith(NAME_ENDINGS) or fold(beside) in IMAGE_NAMES:
            continue
        pairs = list(dict.fromkeys(filter(all, zip(codes, texts(frame[beside])))))
        names = dict(pairs)
        one_to_one = len(pairs) == len(names) == len(set(names.values()))
        if one_to_one and set(classes) == set(names) and set(classes) != set(names.values()):
            return beside, names
    return None, {}


def with_class_names(
    frame: pd.DataFrame, classes: Sequence[str], names: Mapping[str, str], where: Path
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Tidy predictions with classes called otherwise.

    Args:
        frame: of :mod:`camlucida.datasets.predictions`.
        classes: labels or classes, in order.
        names: class → name; others keep theirs.
        where: the file, for the message.

    Raises:
        UsageError: a class that is not there, or two of one name.

    >>> frame = pd.DataFrame({"truth": ["0"], "predicted": ["1"], "probability:0": [0.2]})
    >>> with_class_names(frame, ["0", "1"], {"0": "1", "1": "2"}, Path("p.csv"))[0].columns[2]
    'probability:1'
    """
    strange = [name for name in names if name not in classes]
    if strange:
        raise UsageError(
            f"--class-name: {where} has no class {strange[0]!r}",
            f"its classes: {listing(classes, 20)}",
        )
    renamed = tuple(names.get(name, name) for name in classes)
    if len(set(renamed)) < len(renamed):
        raise UsageError(
            f"--class-name: two classes of {where} would have one name: {listing(renamed, 20)}",
            "name all of them",
        )
    by_old = dict(zip(classes, renamed))
    columns = {f"probability:{old}": f"probability:{new}" for old, new in by_old.items()}
    tidy = frame.rename(columns=columns)
    for column in ("label", "truth", "predicted"):
        if column in tidy and not pd.api.types.is_numeric_dtype(tidy[column]):
            tidy[column] = [by_old.get(cell, cell) for cell in tidy[column]]
    return tidy, renamed


def class_names_note(names: Mapping[str, str], beside: str | None, where: Path) -> Message:
    """That classes are called otherwise than in the file.

    Args:
        names: class → name.
        beside: the column of the names; None where the user gave them.
        where: the file.
    """
    shown = ", ".join(f"{code} = {name}" for code, name in sorted(names.items()))
    if beside is None:
        return Message("notes.classes_named", {"where": str(where), "names": shown})
    values = {"where": str(where), "beside": repr(beside), "names": shown}
    return Message("notes.classes_named_beside", values)
