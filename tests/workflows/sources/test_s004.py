"""System 004: its checkpoint and COCO masks through ``camlucida explain-segmentation``."""

import pandas as pd
import pytest
import torch

from camlucida.io import read_image
from camlucida.io.annotations import from_rle
from camlucida.models import InputSpec
from camlucida.models.assumptions import IMAGENET
from camlucida.models.preprocessing import prepare
from camlucida.runs import Run
from tests.support.command_line import run_once
from tests.support.sources import s004
from tests.support.sources.pictures import inside


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


@pytest.fixture(scope="module")
def printed(system):
    """What the command printed."""
    done = run_once(system.folder, *COMMAND)
    assert done.code == 0, done.err
    return done.out


@pytest.mark.usefixtures("printed")
def test_batch(system):
    table = pd.read_csv(system.folder / "gradcam_results/statistics.csv")
    assert set(table["method"]) == {"gradcam", "gradcam_pp"}
    assert set(table["image"]) == {name.removesuffix(".jpg") for name in system.names}
    names = {path.name for path in (system.folder / "gradcam_results").iterdir()}
    assert {f"{system.names[0].removesuffix('.jpg')}_methods.png", "index.html"} <= names


def test_masks_of_the_export(system, printed):
    """The Dice is that of the run's prediction with the lesion as it was drawn."""
    assert "taken for foreground, the only label" in printed
    out = system.folder / "gradcam_results"
    table = pd.read_csv(out / "statistics.csv").groupby("image").first()
    predictions = Run.open(out / "run").predictions().set_index("image")
    for name, lesion in zip(system.names, system.lesions, strict=True):
        image = name.removesuffix(".jpg")
        true = inside(lesion, s004.PICTURE)
        predicted = from_rle({"size": s004.PICTURE, "counts": predictions["region"][image]})
        dice = 2 * (true & predicted).sum() / (true.sum() + predicted.sum())
        assert table["dice"][image] == pytest.approx(dice, abs=0.01)
        assert table["truth_area"][image] == pytest.approx(true.mean(), rel=0.05)


def test_a_card_says_the_systems_own_preprocessing(system):
    """Pillow resizes whole grey levels, torch floats: a card that names Pillow gives its tensor."""
    keys = {"resize": "bilinear", "library": "pillow", "mean": IMAGENET[0], "std": IMAGENET[1]}
    spec = InputSpec(size=system.size, channels=3, **keys)
    for name in system.names:
        film = system.data / "test" / name
        assert torch.equal(prepare(read_image(film), spec).tensor, s004.prepare(film, system.size))
