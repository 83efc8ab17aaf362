"""The stored predictions of a model, and the files of their images."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, Value, declare
from camlucida.datasets.image_rows import match_images
from camlucida.datasets.predictions import Predictions, read_predictions
from camlucida.models.load import LoadedModel

declare(
    "stored",
    {
        "multilabel": (
            "no task is stated, and the stored probabilities of an image do not sum to 1: they are "
            "read as those of a multi-label model"
        ),
        "unmatched": "{count} of {rows} rows have no image in {folder}",
    },
)


def stored_predictions(
    file: Path,
    model: LoadedModel,
    task: str | None,
    columns: Mapping[str, str],
    classes: tuple[str, ...],
) -> Predictions:
    """Predictions by the model's task, else by what the table's probabilities can be.

    Args:
        file: of the predictions.
        model: they are of.
        task: in place of the model's.
        columns: role → column of the file.
        classes: labels in their order; empty takes the file's, or the card's.

    Raises:
        UsageError: the file cannot be read by the task.
    """
    read = partial(_read_as, file, model, columns, classes)
    stated = task or model.output_spec.task
    if stated == "binary":  # of a label, or of two classes
        return _first_readable(read, ("multilabel", "multiclass"))
    if stated is not None:
        return read(stated)
    predictions = _first_readable(read, ("multiclass", "multilabel"))
    if all(note.code != "notes.not_one" for note in predictions.notes):
        return predictions
    labels = read("multilabel")
    return replace(labels, notes=(*labels.notes, Message("stored.multilabel")))


def _first_readable(read: Callable[[str], Predictions], tasks: tuple[str, str]) -> Predictions:
    """By the first task that the file can be read by; what is wrong with the first, if by none."""
    try:
        return read(tasks[0])
    except UsageError as refusal:
        try:
            return read(tasks[1])
        except UsageError:
            raise refusal from None


def _read_as(
    file: Path,
    model: LoadedModel,
    columns: Mapping[str, str],
    classes: tuple[str, ...],
    task: str,
) -> Predictions:
    """By the labels that are given, else by the file's own."""
    given = classes or (model.card.labels if task == "multiclass" else ())
    read = partial(
        read_predictions,
        file,
        task,
        columns=columns,
        split="all",
        needs_truth=False,
        model_labels=tuple(filter(None, model.card.labels)),
    )
    labels = tuple(filter(None, given))
    if not labels:
        return read(labels=())
    try:
        return read(labels=labels)
    except UsageError as refusal:
        try:
            return read(labels=())
        except UsageError:
            raise refusal from None


def image_files(
    predictions: Predictions, paths: Sequence[Path], where: Path
) -> tuple[list[Path | None], list[Message]]:
    """The file of each image of the predictions, in their order, and what is to be said.

    Args:
        predictions: of images.
        paths: image files.
        where: the file of the predictions, for errors.
    """
    names = list(dict.fromkeys(predictions.frame["image"]))
    frame = pd.DataFrame({"image": names}, dtype=object)
    match = match_images(frame, "image", paths, where)
    files: list[Path | None] = [None] * len(names)
    for path, rows in match.rows.items():
        for row in rows:
            files[row] = path
    missing = files.count(None)
    if not missing:
        return files, []
    folder = os.path.commonpath([path.parent for path in paths])
    values: dict[str, Value] = {"count": missing, "rows": len(names), "folder": folder}
    return files, [Message("stored.unmatched", values)]
