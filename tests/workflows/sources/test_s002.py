"""System 002: its checkpoint, folders and workbook through ``camlucida evaluate-regression``."""

import json

import pytest

from tests.support.command_line import run
from tests.support.sources import s002

COMMAND = (
    "evaluate-regression",
    "--checkpoint",
    "outputs/run_20260108_115437/best_model.pth",
    "--image-dir",
    "data/Images",
    "--excel-path",
    "data/characteristics.xlsx",
)
FILES = (
    "test_metrics.json",
    "predictions.json",
    "evaluation_results.png",
    "bland_altman.png",
    "age_group_comparison.png",
    "gradcam_best_sample.png",
    "gradcam_worst_sample.png",
    "high_error_samples.txt",
    "low_error_samples.txt",
)


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    return s002.write(tmp_path_factory.mktemp("s002"))


@pytest.mark.xfail(strict=True, reason="two header rows, subjects to images: not read yet")
def test_evaluate(system, capsys):
    done = run(capsys, system.folder, *COMMAND, "--output-dir", "out")
    assert done.code == 0, done.err
    out = system.folder / "out"
    assert all((out / name).is_file() for name in FILES)
    rows = json.loads((out / "predictions.json").read_text("utf-8"))
    evaluated = {row["file"] for row in rows}
    subjects = {name.rpartition("_")[0] for name in evaluated}
    assert subjects == system.test
    for row in rows:
        assert row["truth"] == system.ages[row["file"].rpartition("_")[0]]
        assert row["value"] == pytest.approx(system.predicted[row["file"]], abs=0.05)
