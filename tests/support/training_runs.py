"""Packing the bundled density cohort, without the cost of its figures."""

import json
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from camlucida.workflows.training_runs import PackResult, PackSettings, pack_runs
from camlucida.workflows.training_runs.folders import TrainingRun, find_training_runs

SEEDS = {"results_4": 42, "results_5": 43, "results_6": 44}
FOLDS = "results_k3_seed42"


def pack(folder: Path, *runs: str, assets: Path | None = None, **settings) -> PackResult:
    """Pack run folders of a cohort."""
    assets = assets or folder / "assets"
    assets.mkdir(exist_ok=True)
    return pack_runs(PackSettings(tuple(folder / run for run in runs), **settings), assets)


@contextmanager
def patched(name: str, value: object):
    """One attribute replaced for a while, also in fixtures of a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(name, value)
        yield


def blank(figure, stem: Path) -> list[Path]:
    """In place of ``save_figure``: write files without a picture, and keep those that exist."""
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("png", "pdf")]
    for path in paths:
        if not path.is_file():
            path.write_bytes(b"figure")
    return paths


def training(run: Path) -> TrainingRun:
    """The one training run of a folder."""
    found, problems = find_training_runs([run])
    assert not problems
    return found[0]


def edit_summary(run: Path, **changes) -> None:
    """Change what the summary says; None takes a key away."""
    summary = json.loads((run / "summary.json").read_text("utf-8")) | changes
    kept = {key: value for key, value in summary.items() if value is not None}
    (run / "summary.json").write_text(json.dumps(kept), "utf-8")


def edit_predictions(run: Path, change) -> None:
    """Rewrite ``val_predictions.csv`` by a function of its table."""
    change(pd.read_csv(run / "val_predictions.csv")).to_csv(
        run / "val_predictions.csv", index=False
    )
