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
    return s002.write(tmp_path_factory.mktemp("s002"), subjects=6, two_inputs=False)


def rows_of(folder) -> list[dict]:
    return json.loads((folder / "out/predictions.json").read_text("utf-8"))


def test_evaluate(system, capsys):
    done = run(capsys, system.folder, *COMMAND, "--output-dir", "out")
    assert done.code == 0, done.err
    assert all((system.folder / "out" / name).is_file() for name in FILES)
    for row in rows_of(system.folder):
        assert row["truth"] == system.ages[row["file"].rpartition("_")[0]]
        # PIL rounds to 8 bits after resizing, which random weights amplify.
        assert row["value"] == pytest.approx(system.predicted[row["file"]], abs=2.5)
    assert "image size 64: read from the checkpoint" in done.err
    assert "read as one, 6 rows" in done.err


@pytest.mark.xfail(strict=True, reason="seed and sizes of the checkpoint's split are not read yet")
def test_only_the_recorded_split_is_evaluated(system, capsys):
    run(capsys, system.folder, *COMMAND, "--output-dir", "out")
    subjects = {row["file"].rpartition("_")[0] for row in rows_of(system.folder)}
    assert subjects == system.test


@pytest.mark.xfail(strict=True, reason="a head of two inputs is not recognised yet")
def test_a_head_of_two_inputs(tmp_path, capsys):
    system = s002.write(tmp_path, subjects=6)
    done = run(capsys, system.folder, *COMMAND, "--output-dir", "out")
    assert done.code == 0, done.err
