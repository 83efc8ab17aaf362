"""Names of the classes of a multi-class predictions file.

Which classes there are, in what order, and which one a cell means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.io.tables import fold, numbers, texts


def class_names(column: pd.Series) -> list[str]:
    """The cells as names: 2.0 is class "2", a blank "".

    Args:
        column: of any type.

    >>> class_names(pd.Series(["2.0", "B", ""]))
    ['2', 'B', '']
    """
    return [re.sub(r"^(-?\d+)\.0+$", r"\1", cell) for cell in texts(column)]


def numeric(names: Iterable[str]) -> bool:
    """Whether all are whole numbers.

    Args:
        names: of classes.

    >>> numeric(["0", "-1"]), numeric(["0", "A"])
    (True, False)
    """
    return all(re.fullmatch(r"-?\d+", name) for name in names)


def choose_classes(
    requested: Sequence[str], scored: Mapping[str, str], present: Iterable[str], where: Path
) -> tuple[tuple[str, ...], list[str]]:
    """The classes in their order, and the column of probabilities of each.

    Args:
        requested: by the caller; a column is found by its name, or else by its position if there
            are as many.
        scored: class → column, as the file has them.
        present: among truths and predictions; without the two others they are the classes, numbers
            in their order, else alphabetical. Where columns are counted from 0 and these from 1, or
            the other way round, these numbers are the names.
        where: the file, for the message.

    Returns:
        Names, and columns: none where the file has none.

    Raises:
        UsageError: columns that are not those of the requested classes.

    >>> choose_classes([], {}, {"10", "2"}, Path("p.csv"))
    (('2', '10'), [])
    """
    columns = list(scored.values())
    if not requested:
        names = list(present)
        names.sort(key=int if numeric(names) else None)
        classes = _renumbered(scored, names) if scored else tuple(names)
        return classes, columns
    by_name = {fold(name): column for name, column in scored.items()}
    folded = [fold(name) for name in requested]
    if set(folded) <= set(by_name):
        return tuple(requested), [by_name[name] for name in folded]
    if scored and len(scored) != len(requested):
        listed = ", ".join(scored)
        what = (
            f"{where} has probabilities of {len(scored)} classes ({listed}), "
            f"where {len(requested)} are named"
        )
        raise UsageError(what, "name them all, in the order of the columns")
    return tuple(requested), columns


def _renumbered(scored: Mapping[str, str], present: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns.

    They are one more or one less each, if only that makes all present names (1 to 4 for 0 to 3)
    some of them.
    """
    names = tuple(scored)
    if not (numeric(names) and numeric(present)):
        return names
    if set(present) <= set(names):
        return names
    for step in (1, -1):
        moved = tuple(str(int(name) + step) for name in names)
        if set(present) <= set(moved):
            return moved
    return names


def as_classes(column: pd.Series, classes: Sequence[str], where: Path) -> list[str]:
    """The class that each cell means; "" for a blank or NaN.

    Where the names of classes are no numbers, a cell may hold a position instead, counted from 0:
    it counts as one only if a 0 is among the cells.

    Args:
        column: of truths or predictions.
        classes: names, in order.
        where: the file, for the message.

    Raises:
        UsageError: a cell that means none.

    >>> as_classes(pd.Series(["b", "A", ""]), ["A", "B"], Path("p.csv"))
    ['B', 'A', '']
    """
    cells = class_names(column)
    by_cell: dict[str, str] = {}
    if not numeric(classes) and "0" in cells:
        by_cell = {str(position): name for position, name in enumerate(classes)}
    # A name wins over a position.
    for name in classes:
        by_cell[fold(name)] = name
    by_cell |= {"": "", "nan": ""}
    of_rows = []
    for row, cell in enumerate(cells, 1):
        folded = fold(cell)
        if folded not in by_cell:
            listed = ", ".join(classes)
            raise UsageError(
                f"{where}, row {row}: {cell!r} in column {column.name!r} is none of the classes "
                f"{listed}",
                f"name the classes in order: --class; {did_you_mean(cell, classes)}",
            )
        of_rows.append(by_cell[folded])
    return of_rows


def widened(
    frame: pd.DataFrame, by_role: Mapping[str, str | None], where: Path
) -> tuple[pd.DataFrame, dict[str, str | None]]:
    """A file with a row an image and class, brought to a row an image; any other as it is.

    It is one if images have several rows, with a column of classes and one of probabilities. Its
    truth is the class, the same in all rows of an image, or 1 in the row of the true class and 0 in
    the others.

    Args:
        frame: the file.
        by_role: role → column.
        where: the file's name, for the message.

    Returns:
        The table, and role → column of it.

    Raises:
        UsageError: a class twice for an image; an image with several true classes.
    """
    image, label = by_role["image"], by_role["label"]
    score = by_role["probability"] or by_role["logit"]
    keys = [name for name in (by_role["model"], image) if name]
    if not image or not label or not score:
        return frame, dict(by_role)
    if not frame.duplicated(keys).any():
        return frame, dict(by_role)
    repeated = frame[frame.duplicated([*keys, label])]
    if len(repeated):
        first = repeated.iloc[0]
        raise UsageError(
            f"{where}: image {first[image]!r} has class {first[label]!r} more than once",
            "keep one row a class",
        )
    values = frame.assign(**{score: numbers(frame[score], where)})
    scores = values.pivot(index=keys, columns=label, values=score)
    order = list(dict.fromkeys(frame[label]))
    prefix = "probability_" if by_role["probability"] else "logit_"
    scores = scores[order].add_prefix(prefix).reset_index()
    rest = _with_true_class(frame, keys, image, label, by_role["truth"], where)
    rest = rest.drop(columns=[label, score])
    wide = rest.drop_duplicates(keys).merge(scores, on=keys).fillna("")
    return wide, {**by_role, "label": None, "probability": None, "logit": None}


def _with_true_class(
    frame: pd.DataFrame,
    keys: Sequence[str],
    image: str,
    label: str,
    truth: str | None,
    where: Path,
) -> pd.DataFrame:
    """The table with the true class in column ``truth``, where that marked its row with a 1."""
    if truth is None:
        return frame
    flags = class_names(frame[truth])
    classes = set(class_names(frame[label]))
    # Where classes are called 0 and 1, the column holds the class itself and not a flag.
    ambiguous = {"0", "1"} & classes
    if ambiguous or not set(flags) <= {"0", "1", ""}:
        return frame
    is_true = [flag == "1" for flag in flags]
    true = frame[is_true]
    repeated = true[true.duplicated(keys)]
    if len(repeated):
        name = repeated.iloc[0][image]
        raise UsageError(
            f"{where}: image {name!r} has several true classes",
            "that is a multi-label file: --task multilabel",
        )
    names = true[[*keys, label]].rename(columns={label: truth})
    return frame.drop(columns=truth).merge(names, on=keys, how="left")
