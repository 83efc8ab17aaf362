"""Training runs as training systems leave them: a folder of files, or folds of such folders."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.failures import Failure
from camlucida.core.files import reading
from camlucida.models.recognise import CHECKPOINT_NAMES, find_checkpoint

PREDICTIONS = "val_predictions.csv"
SUMMARY = "summary.json"
CV_SUMMARY = "cv_summary.json"
FOLD = re.compile(r"fold[_-]?(\d+)", re.IGNORECASE)
SEED = re.compile(r"seed[_-]?(\d+)", re.IGNORECASE)

Summary = Mapping[str, Any]


@dataclass(frozen=True)
class TrainingRun:
    """One training run.

    Attributes:
        folder: with the files.
        checkpoint: the weights.
        predictions: ``val_predictions.csv``; None for a run that stored none.
        summary: content of ``summary.json``, and for a fold of the ``cv_summary.json`` beside it;
            empty without any.
        seed: None where neither summary nor name states it.
        fold: of a cross-validation, as it is numbered there; None for a run that is none.
    """

    folder: Path
    checkpoint: Path
    predictions: Path | None
    summary: Summary
    seed: int | None
    fold: int | None

    @property
    def key(self) -> str:
        """``seed42``, or ``fold_1``: what its files are called after."""
        return f"seed{self.seed}" if self.fold is None else f"fold_{self.fold}"

    def stated(self, *keys: str) -> Any:
        """The first of these values that the summary has; None without any.

        It is looked for at the top, and in tables such as ``hyperparameters``.
        """
        return stated_in(self.summary, *keys)


def stated_in(summary: Summary, *keys: str) -> Any:
    """The first of these values that a summary has, at its top or in one of its tables; else None.

    >>> stated_in({"hyperparameters": {"seed": 7}}, "random_seed", "seed")
    7
    """
    inner = [value for value in summary.values() if isinstance(value, Mapping)]
    for table in (summary, *inner):
        for key in keys:
            if table.get(key) is not None:
                return table[key]
    return None


SEARCHED = 6
"""Folders below the working directory in which a run is looked for by its name."""


def find_run_folder(path: Path, start: Path | None = None) -> Path:
    """The folder itself, or the one of this name below the working directory.

    Training systems name a run ``results_4`` and keep it in a folder of outputs.

    Args:
        path: as it was given.
        start: where the search begins; None is the working directory.

    Returns:
        ``path`` where it exists, or where nothing was found.

    Raises:
        UsageError: several runs have this name.
    """
    if path.is_absolute() or path.is_dir():
        return path
    start = start or Path()
    folders = [
        folder
        for folder in _folders_below(start, SEARCHED)
        if folder.parts[-len(path.parts) :] == path.parts and _is_run(folder)
    ]
    if len(folders) > 1:
        names = ", ".join(map(str, folders[:5]))
        what = f"{len(folders)} training runs below the working directory are called {path}"
        raise UsageError(what, f"give one of them: {names}")
    return folders[0] if folders else path


def _folders_below(start: Path, levels: int) -> Iterator[Path]:
    """Folders, without hidden ones, in the order of their names."""
    for parent, names, _ in os.walk(start):
        depth = len(Path(parent).relative_to(start).parts)
        names[:] = sorted(name for name in names if not name.startswith("."))
        if depth >= levels:
            names.clear()
        yield from (Path(parent) / name for name in names)


def _is_run(folder: Path) -> bool:
    whole = _folder_with_files(folder) is not None
    return whole or any(_is_fold(child) for child in folder.iterdir())


def find_training_runs(
    paths: Sequence[Path], seed: int | None = None
) -> tuple[list[TrainingRun], list[Failure]]:
    """The training runs of some folders, and a failure for each that cannot be used.

    A folder is a run, has it in ``results``, or has folds (``fold_0``, ``fold_1``, …) that are or
    have one.

    Args:
        paths: folders.
        seed: of runs that do not state theirs.
    """
    runs: dict[Path, TrainingRun] = {}
    failures: list[Failure] = []
    for path in paths:
        try:
            folders = list(_folders(path))
        except CamlucidaError as error:
            failures.append(Failure.of(str(path), error))
            continue
        for folder in folders:
            try:
                runs.setdefault(folder.resolve(), _training_run(folder, seed))
            except CamlucidaError as error:
                failures.append(Failure.of(str(folder), error))
    return list(runs.values()), failures


def _folders(path: Path) -> Iterator[Path]:
    """The folders that hold, or should hold, the files of the runs of ``path``."""
    with reading(path, UsageError, "the training run"):
        if not path.is_dir():
            raise UsageError(f"no folder {path}", "give the folder of a training run")
        whole = _folder_with_files(path)
        folds = [child for child in path.iterdir() if _is_fold(child)]
    if whole is not None:
        yield whole
    elif folds:
        for fold in sorted(folds, key=_fold_number):
            yield _folder_with_files(fold) or fold
    else:
        files = f"{CHECKPOINT_NAMES[0]}, {PREDICTIONS} nor {SUMMARY}"
        what = f"{path} is no training run: it has neither {files}, and no fold_1, fold_2, …"
        raise UsageError(what, "give the folder of a run or of a cross-validation")


def _folder_with_files(folder: Path) -> Path | None:
    """The folder itself or its ``results``: the first that has any file of a run."""
    names = (*CHECKPOINT_NAMES, PREDICTIONS, SUMMARY)
    for candidate in (folder, folder / "results"):
        if any((candidate / name).is_file() for name in names):
            return candidate
    return None


def _is_fold(folder: Path) -> bool:
    return folder.is_dir() and FOLD.fullmatch(folder.name) is not None


def _fold_number(folder: Path) -> int:
    match = FOLD.fullmatch(folder.name)
    return int(match[1]) if match else 0


def first_fold(training: TrainingRun) -> int:
    """The number of the first fold beside a run: 0 or 1.

    Args:
        training: a fold of a cross-validation.
    """
    folder = training.folder.resolve()
    folds = [path for path in (folder, folder.parent) if FOLD.fullmatch(path.name)]
    if not folds:
        return 0
    numbers = [_fold_number(path) for path in folds[0].parent.iterdir() if _is_fold(path)]
    return min(*numbers, 1)


def _training_run(folder: Path, given_seed: int | None) -> TrainingRun:
    checkpoint = find_checkpoint(folder)
    predictions = folder / PREDICTIONS
    # A fold lies in its cross-validation's folder, or in a folder of its own there.
    above = [_read_summary(parent / CV_SUMMARY) for parent in list(folder.parents)[1::-1]]
    summary: dict[str, Any] = {}
    for stated in (*above, _read_summary(folder / SUMMARY)):
        summary |= stated
    names = list(reversed(folder.resolve().parts))
    fold = _first_number(_whole(stated_in(summary, "fold")), _in_names(FOLD, names[:2]))
    stated_seed = _whole(stated_in(summary, "seed"))
    seed = _first_number(stated_seed, _in_names(SEED, names[:3]), given_seed)
    if seed is None and fold is None:
        what = f"{folder}: neither {SUMMARY} nor the folder's name states its seed"
        raise UsageError(what, "give --seed")
    stored = predictions if predictions.is_file() else None
    return TrainingRun(folder, checkpoint, stored, summary, seed, fold)


def _read_summary(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    with reading(path, UsageError, "the summary"):
        data = path.read_bytes()
    try:
        summary = json.loads(data.decode("utf-8-sig"))
    except ValueError as error:
        raise UsageError(f"{path} is no JSON: {error}", "mend it, or remove it") from error
    if not isinstance(summary, dict):
        raise UsageError(f"{path} is no table of names and values", "mend it, or remove it")
    return summary


def _first_number(*numbers: int | None) -> int | None:
    return next((number for number in numbers if number is not None), None)


def _whole(value: Any) -> int | None:
    """42 of 42, 42.0 and "42"; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    match = re.fullmatch(r"(\d+)(\.0+)?", str(value).strip())
    return int(match[1]) if match else None


def _in_names(pattern: re.Pattern[str], names: Sequence[str]) -> int | None:
    """The number that the pattern finds in the first of these names that has one."""
    matches = (pattern.search(name) for name in names)
    return next((int(match[1]) for match in matches if match), None)
