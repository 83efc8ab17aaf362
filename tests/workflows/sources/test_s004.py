"""System 004: its checkpoint and COCO masks through ``camlucida explain-segmentation``."""

import pandas as pd
import pytest

from tests.support.command_line import run
from tests.support.sources import s004


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    return s004.write(tmp_path_factory.mktemp("s004"), images=2)


COMMAND = (
    "explain-segmentation",
    *("--model_path", "models_20250609_105424/best_model.pth", "--mode", "batch"),
    *("--data_dir", "Dataset_no_preprocessing", "--output_dir", "gradcam_results"),
    *("--n-samples", "2", "--image_size", "64"),
    *("--target_layer", "encoder_last", "--methods", "gradcam", "gradcam++"),
)


def test_batch(system, capsys):
    done = run(capsys, system.folder, *COMMAND)
    assert done.code == 0, done.err
    table = pd.read_csv(system.folder / "gradcam_results/statistics.csv")
    assert set(table["method"]) == {"gradcam", "gradcam_pp"}
    assert set(table["image"]) == {name.removesuffix(".jpg") for name in system.names}
    names = {path.name for path in (system.folder / "gradcam_results").iterdir()}
    assert {f"{system.names[0].removesuffix('.jpg')}_methods.png", "index.html"} <= names


@pytest.mark.xfail(strict=True, reason="COCO masks beside the images are not taken here yet")
def test_masks_of_the_export(system, capsys):
    run(capsys, system.folder, *COMMAND)
    table = pd.read_csv(system.folder / "gradcam_results/statistics.csv")
    for name, dice in system.dice.items():
        of_image = table[table["image"] == name.removesuffix(".jpg")]
        assert of_image["dice"].iloc[0] == pytest.approx(dice, abs=0.02)
