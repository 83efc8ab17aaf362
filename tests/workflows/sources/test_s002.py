"""System 002: its checkpoint, folders and workbook through ``camlucida evaluate-regression``."""

import json

import pytest

from tests.support.command_line import run
from tests.support.sources import s002
from tests.support.sources.networks import IMAGENET_MEAN, IMAGENET_STD

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


CARD = f"""factory = "networks.py:PlainAgeNet"
task = "regression"
labels = ["age"]
[input]
size = 32
mean = {list(IMAGENET_MEAN)}
std = {list(IMAGENET_STD)}
library = "pillow"
"""
NETWORK = "from tests.support.sources.s002 import PlainAgeNet"


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    system = s002.write(tmp_path_factory.mktemp("s002"), subjects=6, size=32, two_inputs=False)
    (system.folder / "card.toml").write_text(CARD, "utf-8")
    (system.folder / "networks.py").write_text(NETWORK, "utf-8")
    return system


def rows_of(folder) -> list[dict]:
    return json.loads((folder / "predictions.json").read_text("utf-8"))


def test_evaluate(system, capsys):
    done = run(capsys, system.folder, *COMMAND, "--output-dir", "out")
    assert done.code == 0, done.err
    assert all((system.folder / "out" / name).is_file() for name in FILES)
    assert "image size 32: read from the checkpoint" in done.err
    # Training resized with Pillow, which no checkpoint states.
    assert "assumed, not known: 3 channels, ImageNet mean and standard deviation" in done.err
    assert "read as one, 6 rows" in done.err
    rows = rows_of(system.folder / "out")
    assert all(row["truth"] == system.ages[row["file"].rpartition("_")[0]] for row in rows)
    assert {row["file"].rpartition("_")[0] for row in rows} == system.test
    assert (
        "the split test is reproduced from best_model.pth: train_test_split, seed 42, 2 rows"
        in (done.err)
    )
    assert "in their order" in done.err
    assert "NO SPLIT" not in done.err


def test_with_the_preprocessing_of_training(system, capsys):
    options = ("--model", "card.toml", "--split", "all", "--output-dir", "all")
    done = run(capsys, system.folder, *COMMAND, *options)
    assert done.code == 0, done.err
    rows = rows_of(system.folder / "all")
    assert {row["file"] for row in rows} == {*system.predicted}
    ours = {row["file"]: row["value"] for row in rows}
    assert ours == pytest.approx(system.predicted, abs=0.05)


def test_a_head_of_two_inputs(tmp_path, capsys):
    system = s002.write(tmp_path, subjects=6, size=32)
    done = run(capsys, system.folder, *COMMAND, "--split", "all", "--output-dir", "out")
    assert done.code == 0, done.err
    assert "takes 1 further feature beside those of the image: held at" in done.err
    assert "the mean read from the checkpoint (config.aux_mean)" in done.err
    ours = {row["file"]: row["value"] for row in rows_of(system.folder / "out")}
    # Another resize than training's, whose scale of ages is 12 years.
    assert ours == pytest.approx(system.predicted, abs=6)
