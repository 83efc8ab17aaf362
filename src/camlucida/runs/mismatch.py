"""The mark of a run whose model is not that of the predictions which its training stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from camlucida.runs.folder import RunFolder
from camlucida.runs.parts import write_durable_json
from camlucida.runs.read import Run

MISMATCH = "mismatch"
"""Key of ``run.json``."""

_MODEL = ("weights", "card", "network")
"""Fields of a recipe that decide what a model predicts."""


def mark_mismatch(root: Path, wrong: bool) -> None:
    """Mark a run that was checked, so that every command that draws its maps can say it.

    Args:
        root: folder of the run.
        wrong: whether the model does not reproduce the stored predictions; False takes an earlier
            mark away.
    """
    folder = RunFolder(root)
    about = folder.read_about()
    unmarked = {key: value for key, value in about.items() if key != MISMATCH}
    if wrong or unmarked != about:
        write_durable_json(folder.about, unmarked | ({MISMATCH: True} if wrong else {}))


def kept_mark(earlier: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, bool]:
    """The mark of a run that goes on: it stays as long as its models are the checked ones.

    Args:
        earlier: ``run.json`` as it stands; empty for a new run.
        record: its entries from now on.

    Returns:
        An entry of ``run.json``, or none.
    """
    is_kept = earlier.get(MISMATCH) and _models(earlier) == _models(record)
    return {MISMATCH: True} if is_kept else {}


def any_mismatch(runs: Sequence[Run]) -> bool:
    """Whether any of the runs is marked.

    Args:
        runs: opened.
    """
    return any(bool(run.about.get(MISMATCH)) for run in runs)


def _models(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_deciding(model["recipe"]) for model in record["models"]]


def _deciding(recipe: Mapping[str, Any]) -> dict[str, Any]:
    return {name: recipe[name] for name in _MODEL}
