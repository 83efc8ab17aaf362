"""Names of the classes of a multi-class predictions file: which there are, in what order, and which one a cell means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.io.tables import fold, numbers, texts


def class_names(column: pd.Series) -> list[str]:
    """The cells as names: 2.0 is class "2", a blank "".

    >>> class_names(pd.Series(["2.0", "B", ""]))
    ['2', 'B', '']
    """
    return [re.sub(r"^(-?\d+)\.0+$", r"\1", cell) for cell in texts(column)]


def numeric(names: Iterable[str]) -> bool:
    """Whether all are whole numbers."""
    return all(re.fullmatch(r"-?\d+", name) for name in names)


def choose_classes(
    asked: Sequence[str], scored: Mapping[str, str], present: Iterable[str], where: Path
) -> tuple[tuple[str, ...], list[str]]:
    """The classes in their order, and the column of probabilities of each (none where the file has none).

    Args:
        asked: by the caller; a column is found by its name, or else by its place if there are as many.
        scored: class → column, as the file has them.
        present: among the answers; without the two others they are the classes, numbers in their order, else alphabetical. Where
            columns are counted from 0 and answers from 1, or the other way round, the answers' numbers are the names.
        where: the file, for the message.

    Raises:
        UsageError: columns that are not those of the classes asked for.
    """
    if not asked:
        names = sorted(present, key=int) if numeric(present := list(present)) else sorted(present)
        return _as_answered(scored, names) if scored else tuple(names), list(scored.values())
    columns = {fold(name): column for name, column in scored.items()}
    if all(fold(name) in columns for name in asked):
        return tuple(asked), [columns[fold(name)] for name in asked]
    if scored and len(scored) != len(asked):
        what = f"{where} has probabilities of {len(scored)} classes ({', '.join(scored)}), where {len(asked)} are named"
        raise UsageError(what, "name them all, in the order of the columns")
    return tuple(asked), list(scored.values())


def _as_answered(scored: Mapping[str, str], present: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns, one more or one less each if only that makes all answers (1 to 4 for 0 to 3) one of them."""
    if numeric(scored) and numeric(present) and not set(present) <= set(scored):
        for step in (1, -1):
            moved = tuple(str(int(name) + step) for name in scored)
            if set(present) <= set(moved):
                return moved
    return tuple(scored)


def as_classes(column: pd.Series, classes: Sequence[str], where: Path) -> list[str]:
    """The class that each cell means; "" for a blank or NaN.

    Where the names of classes are no numbers, a cell may be its place instead, counted from 0: which is only believed if a 0 is
    among the cells.

    Raises:
        UsageError: a cell that means none.
    """
    by_place = not numeric(classes) and "0" in class_names(column)
    known = {str(place): name for place, name in enumerate(classes)} if by_place else {}
    known |= {fold(name): name for name in classes} | {"": "", "nan": ""}
    found = []
    for row, name in enumerate(class_names(column), 1):
        if fold(name) not in known:
            what = f"{where}, row {row}: {name!r} in column {column.name!r} is none of the classes {', '.join(classes)}"
            raise UsageError(
                what,
                f"{did_you_mean(name, classes)}; else name the classes in order: --class".replace(
                    "?;", "?"
                ),
            )
        found.append(known[fold(name)])
    return found


def widened(
    frame: pd.DataFrame, found: Mapping[str, str | None], where: Path
) -> tuple[pd.DataFrame, dict[str, str | None]]:
    """A file with a row an image and class, brought to a row an image; any other as it is.

    It is one if images have several rows, with a column of classes and one of probabilities. Its truth is the class, the same in
    all rows of an image, or 1 in the row of the true class and 0 in the others.

    Raises:
        UsageError: a class twice for an image; an image with several true classes.
    """
    image, label, score = found["image"], found["label"], found["probability"] or found["logit"]
    keys = [name for name in (found["model"], image) if name]
    if not image or not label or not score or not frame.duplicated(keys).any():
        return frame, dict(found)
    if frame.duplicated([*keys, label]).any():
        twice = frame[frame.duplicated([*keys, label])].iloc[0]
        raise UsageError(
            f"{where}: image {twice[image]!r} has class {twice[label]!r} more than once",
            "keep one row a class",
        )
    scores = frame.assign(**{score: numbers(frame[score], where)}).pivot(
        index=keys, columns=label, values=score
    )
    order = list(dict.fromkeys(frame[label]))
    scores = (
        scores[order].add_prefix("probability_" if found["probability"] else "logit_").reset_index()
    )
    truth = found["truth"]
    rest = frame.drop(columns=[label, score])
    if (
        truth is not None
        and set(class_names(frame[truth])) <= {"0", "1", ""}
        and not {"0", "1"} & set(class_names(frame[label]))
    ):
        true = frame[[name == "1" for name in class_names(frame[truth])]]
        if true.duplicated(keys).any():
            several = true[true.duplicated(keys)].iloc[0][image]
            raise UsageError(
                f"{where}: image {several!r} has several true classes",
                "that is a multi-label file: --task multilabel",
            )
        rest = rest.drop(columns=truth).merge(
            true[[*keys, label]].rename(columns={label: truth}), on=keys, how="left"
        )
    wide = rest.drop_duplicates(keys).merge(scores, on=keys).fillna("")
    return wide, {**found, "label": None, "probability": None, "logit": None}
