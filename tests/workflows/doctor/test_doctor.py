"""The command: its findings, its exit codes, and stored predictions."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from camlucida.models import load_model
from tests.support.command_line import run
from tests.support.volumes import write_nifti

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, twice=False):
        super().__init__()
        torch.manual_seed(1)
        layers = nn.Conv2d(1, 8, 5, 2), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(8, 3)
        for parameter in self.parameters():
            parameter.data.copy_(2 * parameter)  # no longer as it was drawn
        self.twice = twice

    def forward(self, x):
        z = self.head(self.features(x).amax((2, 3)))
        return z.sigmoid().sigmoid() if self.twice else z
"""
CARD = """
factory = "net.py:Net"
task = "multiclass"
labels = ["a", "b", "c"]
[input]
size = 32
channels = 1
range = [0, 1]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "card.toml").write_text(CARD)
    twice = CARD.replace('task = "multiclass"', 'args = { twice = true }\ntask = "multilabel"')
    (tmp_path / "twice.toml").write_text(twice)
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    for k in range(8):
        levels = rng.normal(60 + 10 * k, 10 + 5 * k, (40, 40)).clip(0, 255).astype(np.uint8)
        Image.fromarray(levels).save(tmp_path / "images" / f"film{k}.png")
    return tmp_path


def test_a_sound_model_and_one_with_a_fault(folder, capsys):
    sound = run(capsys, folder, "doctor", "images", "-m", "card.toml")
    assert sound.code == 0, sound.out
    assert "faults: 0" in sound.out
    assert "research use only" in sound.out
    fault = run(capsys, folder, "doctor", "images", "-m", "twice.toml", "--json")
    assert fault.code == 1
    listed = json.loads(fault.out)["findings"]
    (twice,) = (each for each in listed if each["severity"] == "fault")
    assert (twice["check"], twice["what"]["code"]) == ("output", "doctor.twice")


def test_random_weights_are_a_fault_and_said_once(folder, capsys):
    (folder / "net.py").write_text(NET.replace("parameter.data.copy_(2 * parameter)", "pass"))
    drawn = run(capsys, folder, "doctor", "images", "-m", "card.toml")
    assert drawn.code == 1
    assert "fault weights: 3 of the network's 3 weights are random" in drawn.out
    assert "random" not in drawn.err


def test_without_images_packaged_films_are_used_and_named(folder, capsys):
    packaged = run(capsys, folder, "doctor", "-m", "card.toml", "--layer", "features")
    assert packaged.code == 0
    assert "packaged synthetic films" in packaged.out.splitlines()[1]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ((), "no model is given"),
        (("-m", "card.toml", "--predictions", "val.csv"), "needs its images"),
        (("-m", "card.toml", "--layer", "featurs"), "did you mean features"),
        (("images", "-m", "none.toml"), "none.toml"),
        (("images", "-m", "card.toml", "--predictions", "none.csv"), "none.csv"),
        (("nowhere", "-m", "card.toml"), "nowhere"),
    ],
)
def test_a_wrong_request_is_refused(folder, capsys, words, part):
    refused = run(capsys, folder, "doctor", *words)
    assert refused.code == 2
    assert part in refused.err


def test_an_image_that_cannot_be_read_costs_itself_alone(folder, capsys):
    (folder / "images" / "broken.png").write_bytes(b"no picture")
    mixed = run(capsys, folder, "doctor", "images", "-m", "card.toml")
    assert mixed.code == 1
    assert "broken.png" in mixed.err
    assert "faults: 0" in mixed.out


def test_a_checkpoint_alone_is_a_model(folder, capsys):
    (folder / "net.py").write_text(NET.replace("Conv2d(1,", "Conv2d(3,"))
    torch.save(load_model(folder / "card.toml").module.state_dict(), folder / "best.pth")
    words = ("doctor", "images/film0.png", "--factory", "net.py:Net")
    as_model = run(capsys, folder, *words, "--model", "best.pth")
    as_checkpoint = run(capsys, folder, *words, "--model-path", "best.pth")
    assert as_model.out == as_checkpoint.out
    assert "batch: not compared" in as_model.out


def stored_predictions(folder, card):
    model = load_model(folder / card, device="cpu")
    files = sorted((folder / "images").iterdir())
    batch = torch.stack([model.read(file).tensor for file in files])
    with torch.no_grad():
        probabilities = model.module(batch).softmax(1).numpy()
    frame = pd.DataFrame({"image": [file.name for file in files]})
    frame["pred"] = [model.card.labels[k] for k in probabilities.argmax(1)]
    for k, label in enumerate(model.card.labels):
        frame[f"prob_{label}"] = probabilities[:, k]
    frame.to_csv(folder / "val.csv", index=False)


def test_stored_predictions_are_reproduced_or_the_pipeline_that_does_is_named(folder, capsys):
    words = ("doctor", "images", "--predictions", "val.csv", "-m")
    stored_predictions(folder, "card.toml")
    same = run(capsys, folder, *words, "card.toml")
    assert same.code == 0, same.out
    assert "ok    predictions: the card's preprocessing reproduces" in same.out
    (folder / "trained.toml").write_text(CARD.replace("[0, 1]", "[-1, 1]"))
    stored_predictions(folder, "trained.toml")
    other = run(capsys, folder, *words, "card.toml")
    assert other.code == 1
    assert "fault predictions: the stored predictions of 8 images are reproduced" in other.out
    assert "range -1 1" in other.out or "-1" in other.out


VOLUME_NET = """
import torch
from torch import nn

def build():
    torch.manual_seed(1)
    layers = nn.Conv3d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 2)
    net = nn.Sequential(*layers)
    for parameter in net.parameters():
        parameter.data.copy_(2 * parameter)
    return net
"""
VOLUME_CARD = """
factory = "net.py:build"
task = "multilabel"
labels = ["a", "b"]
[volume]
orientation = "stored"
intensity = "min-max"
size = [8, 10, 12]
"""


def test_a_model_of_volumes_is_examined_on_volumes(tmp_path, capsys):
    (tmp_path / "net.py").write_text(VOLUME_NET)
    (tmp_path / "card.toml").write_text(VOLUME_CARD)
    rng = np.random.default_rng(0)
    for k in range(2):
        write_nifti(tmp_path / f"head{k}.nii.gz", rng.random((8, 10, 12)) ** (k + 1))
    words = ("doctor", "head0.nii.gz", "head1.nii.gz", "-m", "card.toml")
    sound = run(capsys, tmp_path, *words)
    assert sound.code == 0, sound.out + sound.err
    assert "4 channels on 6×8×10 cells" in sound.out
    assert "ok    input: volumes reach the model from" in sound.out
    without = run(capsys, tmp_path, "doctor", "-m", "card.toml")
    assert without.code == 2
    assert "name some: camlucida doctor scan.nii.gz" in without.err
