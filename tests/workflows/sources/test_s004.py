"""System 004: its checkpoint and COCO masks through ``camlucida explain-segmentation``."""

import pandas as pd
import pytest

from tests.support.command_line import run
from tests.support.sources import s004


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    return s004.write(tmp_path_factory.mktemp("s004"), images=2)


@pytest.mark.xfail(strict=True, reason="numpy scalars in the checkpoint; COCO masks not found")
def test_batch(system, capsys):
    done = run(
        capsys,
        system.folder,
        "explain-segmentation",
        *("--model_path", "models_20250609_105424/best_model.pth", "--mode", "batch"),
        *("--data_dir", "Dataset_no_preprocessing", "--output_dir", "gradcam_results"),
        *("--n-samples", "2", "--image_size", str(system.size)),
        *("--target_layer", "encoder_last", "--methods", "gradcam", "gradcam++"),
    )
    assert done.code == 0, done.err
    table = pd.read_csv(system.folder / "gradcam_results/statistics.csv")
    assert set(table["method"]) == {"gradcam", "gradcam++"}
    for name, dice in system.dice.items():
        of_image = table[table["image"] == name.removesuffix(".jpg")]
        assert of_image["dice"].iloc[0] == pytest.approx(dice, abs=0.02)
