"""The one command to run after an import."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from camlucida.core.errors import CamlucidaError
from camlucida.core.messages import declare
from camlucida.core.output_spec import Task
from camlucida.models.recognise import CHECKPOINT_NAMES
from camlucida.workflows.import_project.log import ImportLog
from camlucida.workflows.import_project.tables import ProjectTable
from camlucida.workflows.training_runs.folders import FOLD, TrainingRun, find_training_runs

declare(
    "imported",
    {
        "runs": (
            "{count} training {count:|run|runs} with stored predictions: {names}; packed together"
        ),
    },
)
declare(
    "not_imported",
    {"folds": "{count} {count:|fold|folds} without stored predictions: {names}"},
)


@dataclass(frozen=True)
class ProjectParts:
    """What the command is made of; paths are absolute.

    Attributes:
        checkpoint: of the model.
        card, cohort: as written.
        task: of the model; None where it is not known.
        images: folders and files.
        table: of labels or values; None for none.
        annotations: None for none.
        runs: folders of training runs whose stored predictions belong to the checkpoint.
        out: folder of the import; results go into it.
    """

    checkpoint: Path
    card: Path
    cohort: Path
    task: Task | None
    images: tuple[Path, ...]
    table: ProjectTable | None
    annotations: Path | None
    runs: tuple[Path, ...]
    out: Path


def next_command(parts: ProjectParts) -> list[str]:
    """The words of the command, without the program's name; paths from the working directory.

    Args:
        parts: of the project.
    """
    one_folder = len(parts.images) == 1 and parts.images[0].is_dir()
    table = parts.table
    if parts.task == "segmentation" and one_folder:
        return _segmentation(parts)
    if parts.task == "regression" and one_folder and table is not None and table.value:
        return _regression(parts, table)
    if parts.runs:
        return _pack(parts)
    return ["run", shown(parts.cohort), "--out", shown(parts.out / "run")]


def shown(path: Path) -> str:
    """A path as it is typed: from the working directory where it lies in it.

    >>> shown(Path.cwd() / "a" / "b.toml")
    'a/b.toml'
    """
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)


def _segmentation(parts: ProjectParts) -> list[str]:
    words = ["explain-segmentation", "--model-path", shown(parts.checkpoint)]
    words += ["--model", shown(parts.card), "--data-dir", shown(parts.images[0])]
    if parts.annotations is not None and parts.annotations.is_dir():
        words += ["--mask-dir", shown(parts.annotations)]
    return [*words, "--output-dir", shown(parts.out / "segmentation")]


def _regression(parts: ProjectParts, table: ProjectTable) -> list[str]:
    words = ["evaluate-regression", "--checkpoint", shown(parts.checkpoint)]
    words += ["--model", shown(parts.card), "--image-dir", shown(parts.images[0])]
    words += ["--excel-path", shown(table.path), "--value-column", table.value]
    if parts.annotations is not None and parts.annotations.is_dir():
        words += ["--mask-dir", shown(parts.annotations)]
    if table.split is not None:
        words += ["--split", table.split]
    return [*words, "--out", shown(parts.out / "regression")]


def _pack(parts: ProjectParts) -> list[str]:
    words = ["report-pack"]
    for run in parts.runs:
        words += ["--run", shown(run)]
    common = Path(os.path.commonpath(parts.images))
    words += ["--images", shown(common if common.is_dir() else common.parent)]
    return [*words, "--assets-dir", shown(parts.out / "pack")]


def runs_with(checkpoint: Path, checkpoints: Sequence[Path], log: ImportLog) -> tuple[Path, ...]:
    """The training runs that ``report-pack`` takes: those beside the checkpoint's.

    Args:
        checkpoint: that was chosen.
        checkpoints: all of the project.
        log: takes the runs that are used and those that are not.
    """
    folders = dict.fromkeys(path.parent for path in checkpoints if path.name in CHECKPOINT_NAMES)
    if checkpoint.parent not in folders:
        return ()
    runs = list(chain.from_iterable(map(_runs, folders)))
    stored = [run.folder for run in runs if run.predictions is not None]
    used = tuple(folder for folder in stored if folder.parent == checkpoint.parent.parent)
    if checkpoint.parent not in used:
        return ()
    log.use("runs", count=len(used), names=log.names(used))
    unstored = [run.folder for run in runs if run.predictions is None]
    folds = [folder for folder in unstored if FOLD.search(folder.name)]
    if folds:
        log.leave("folds", count=len(folds), names=log.names(folds))
    return used


def _runs(folder: Path) -> list[TrainingRun]:
    try:
        runs, _ = find_training_runs([folder])
    except CamlucidaError:
        return []
    return runs
