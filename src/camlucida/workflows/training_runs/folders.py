"""Training runs as training systems leave them: a folder with checkpoint, summary and predictions, or folds of such."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.files import reading
from camlucida.models.recognise import CHECKPOINT_NAMES, find_checkpoint

PREDICTIONS = "val_predictions.csv"
SUMMARY = "summary.json"
FOLD = re.compile(r"fold[_-]?(\d+)", re.IGNORECASE)
SEED = re.compile(r"seed[_-]?(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class TrainingRun:
    """One training run.

    Attributes:
        folder: with the files.
        checkpoint: the weights.
        predictions: ``val_predictions.csv``.
        summary: content of ``summary.json``; empty without one.
        seed: None where neither summary nor name says it.
        fold: of a cross-validation, as it is numbered there; None for a run that is none.
    """

    folder: Path
    checkpoint: Path
    predictions: Path
    summary: Mapping[str, Any]
    seed: int | None
    fold: int | None

    @property
    def key(self) -> str:
        """``seed42``, or ``fold_1``: what its files are called after."""
        return f"seed{self.seed}" if self.fold is None else f"fold_{self.fold}"

    def said(self, *keys: str) -> Any:
        """The first of these that the summary has, at its top or in one of its tables such as ``hyperparameters``; else None."""
        return stated(self.summary, *keys)


def stated(summary: Mapping[str, Any], *keys: str) -> Any:
    """See :meth:`TrainingRun.said`."""
    places = [summary, *(value for value in summary.values() if isinstance(value, Mapping))]
    return next(
        (place[key] for place in places for key in keys if place.get(key) is not None), None
    )


def find_training_runs(
    paths: Sequence[Path], seed: int | None = None
) -> tuple[list[TrainingRun], list[str]]:
    """The training runs of some folders, and a line for each that cannot be used.

    A folder is a run, has it in ``results``, or has folds (``fold_0``, ``fold_1``, …) that are or have one.

    Args:
        paths: folders.
        seed: of runs that do not say theirs.
    """
    found: dict[Path, TrainingRun] = {}
    problems: list[str] = []
    for path in paths:
        try:
            folders = list(_folders(path))
        except CamlucidaError as error:
            problems.append(str(error))
            continue
        for folder in folders:
            try:
                found.setdefault(folder.resolve(), _training(folder, seed))
            except CamlucidaError as error:
                problems.append(str(error))
    return list(found.values()), problems


def _folders(path: Path) -> Iterator[Path]:
    """Where the files of the runs of ``path`` are, or should be."""
    with reading(path, UsageError, "the training run"):
        if not path.is_dir():
            raise UsageError(f"no folder {path}", "give the folder of a training run")
        whole = _with_files(path)
        folds = sorted(
            (child for child in path.iterdir() if child.is_dir() and FOLD.fullmatch(child.name)),
            key=_number,
        )
    if whole is not None:
        yield whole
    elif folds:
        yield from (_with_files(fold) or fold for fold in folds)
    else:
        raise UsageError(
            f"{path} is no training run: it has neither {CHECKPOINT_NAMES[0]}, {PREDICTIONS} nor {SUMMARY}, and no fold_1, fold_2, …",
            "give the folder of a run or of a cross-validation",
        )


def _with_files(folder: Path) -> Path | None:
    """The folder itself or its ``results``: the first that has any file of a run."""
    places = (folder, folder / "results")
    return next(
        (
            place
            for place in places
            if any((place / name).is_file() for name in (*CHECKPOINT_NAMES, PREDICTIONS, SUMMARY))
        ),
        None,
    )


def _number(folder: Path) -> int:
    match = FOLD.fullmatch(folder.name)
    return int(match[1]) if match else 0


def _training(folder: Path, asked: int | None) -> TrainingRun:
    checkpoint = find_checkpoint(folder)
    predictions = folder / PREDICTIONS
    if not predictions.is_file():
        raise UsageError(
            f"{folder} has no {PREDICTIONS}",
            "it says which images to explain, and what is true of them",
        )
    summary = _summary(folder / SUMMARY)
    seed, fold = _whole(stated(summary, "seed")), _whole(stated(summary, "fold"))
    parts = list(reversed(folder.resolve().parts))
    fold = _in_names(FOLD, parts[:2]) if fold is None else fold
    seed = _in_names(SEED, parts[:3]) if seed is None else seed
    seed = asked if seed is None else seed
    if seed is None and fold is None:
        raise UsageError(
            f"{folder}: neither {SUMMARY} nor the folder's name says its seed", "give --seed"
        )
    return TrainingRun(folder, checkpoint, predictions, summary, seed, fold)


def _summary(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    with reading(path, UsageError, "the summary"):
        data = path.read_bytes()
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except ValueError as error:
        raise UsageError(f"{path} is no JSON: {error}", "mend it, or take it away") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} is no table of names and values", "mend it, or take it away")
    return found


def _whole(value: Any) -> int | None:
    """42 of 42, 42.0 and "42"; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    match = re.fullmatch(r"(\d+)(\.0+)?", str(value).strip())
    return int(match[1]) if match else None


def _in_names(pattern: re.Pattern[str], names: Sequence[str]) -> int | None:
    return next((int(match[1]) for name in names if (match := pattern.search(name))), None)
