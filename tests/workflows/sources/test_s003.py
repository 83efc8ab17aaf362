"""System 003: its run folders through ``camlucida report-pack``."""

import json

import pandas as pd
import pytest

from camlucida.runs import Run
from tests.support.command_line import run
from tests.support.sources import s003


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    return s003.write(tmp_path_factory.mktemp("s003"), exams=4, size=32, folds=True)


def probabilities(run_folder, folder) -> pd.DataFrame:
    table = Run.open(run_folder).predictions()
    paths = [str(path).removeprefix(f"{folder}/") for path in table["path"]]
    return table.assign(path=paths).pivot(index="path", columns="label", values="probability")


def test_last_epoch_beside_the_best_weights(system, capsys, monkeypatch):
    # The search for another preprocessing is of other tests.
    monkeypatch.setattr("camlucida.workflows.training_runs.fitted.SECONDS", 1.0)
    # As the source writes it: a leading --, and the run by its name.
    command = ("report-pack", "--", "--run", "results_4", "--assets-dir", "Article/assets")
    done = run(capsys, system.folder, *command)
    # The stored predictions are of another epoch: the pack stops.
    assert done.code == 1
    assert "the model does not reproduce its stored predictions" in done.err
    assert "--accept-mismatch goes on, with every figure stamped" in done.err
    assert not (system.folder / "Article/assets/density_gradcam_seed42.png").exists()
    done = run(capsys, system.folder, *command, "--accept-mismatch")
    assert done.code == 0, done.err
    assets = system.folder / "Article/assets"
    assert (assets / "density_gradcam_seed42.png").is_file()
    assert "WRONG PREPROCESSING OR MODEL? These maps are not to be used" in done.out
    # The source windows between percentiles, which nothing states: the pack says what it assumes.
    assert "assumed, not known: " in done.err
    tex = (assets / "density_model.tex").read_text("utf-8")
    assert "NOT THE MODEL OF THE STORED PREDICTIONS" in tex


def test_folds_without_predictions(system, capsys):
    done = run(
        capsys,
        system.folder,
        *("report-pack", "--run", "results_k3_seed42", "--assets-dir", "folds"),
        *("--table", "data/classificacao.csv", "--images", "data/archive"),
    )
    assert done.code == 0, done.err
    assert "TRAINED ON IS UNKNOWN" in done.err
    assets = system.folder / "folds"
    assert (assets / "fold_1_gradcam.png").is_file()
    record = json.loads((assets / "report_pack.json").read_text("utf-8"))
    assert "fold_0" in json.dumps(record)
    table = Run.open(assets / ".camlucida/fold_0").predictions()
    assert table["path"].nunique() == len(system.truth)
    ours = probabilities(assets / ".camlucida/fold_0", system.folder)
    assert list(ours.columns) == ["1", "2", "3", "4"]  # stored as 0–3
