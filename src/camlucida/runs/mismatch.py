"""The mark of a run whose model is not that of the predictions which its training stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from camlucida.runs.folder import RunFolder
from camlucida.runs.parts import write_durable_json
from camlucida.runs.read import Run

MISMATCH = "mismatch"
"""Key of ``run.json``; a run that is executed again has it no more until it is checked again."""


def mark_mismatch(root: Path) -> None:
    """Mark a run, so that every command that draws its maps can say it.

    Args:
        root: folder of the run.
    """
    folder = RunFolder(root)
    write_durable_json(folder.about, {**folder.read_about(), MISMATCH: True})


def any_mismatch(runs: Sequence[Run]) -> bool:
    """Whether any of the runs is marked.

    Args:
        runs: opened.
    """
    return any(bool(run.about.get(MISMATCH)) for run in runs)
