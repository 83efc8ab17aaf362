"""System 001: its file of classifiers, films and boxes through ``camlucida ensemble``."""

import json

import numpy as np
import pytest

from camlucida.runs import Run
from tests.support.command_line import run
from tests.support.sources import s001


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    return s001.write(tmp_path_factory.mktemp("s001"))


def test_ensemble(system, capsys):
    done = run(
        capsys,
        system.folder,
        *("ensemble", "config_classifiers.toml", "films", "--boxes", "boxes.csv"),
        *("--output_dir", "out", "--no-pdf", "--label", "lung opacity", "--label", "MASS"),
    )
    assert done.code == 0, done.err
    record = json.loads((system.folder / "out/ensemble.json").read_text("utf-8"))
    text = json.dumps(record)
    assert "Lung Opacity" in text
    assert "Mass" in text
    assert (system.folder / "out/index.html").is_file()
    table = Run.open(system.folder / "out/run").predictions()
    for key, expected in system.probabilities.items():
        of_model = table[(table["model"] == key) & (table["label"] == "Mass")]
        # "Mass" is the sixth of TorchXRayVision's outputs
        ours = of_model.sort_values("image")["probability"].to_numpy()
        assert ours == pytest.approx(expected[:, 5], abs=2e-3)
        assert np.ptp(expected[:, 5]) > 0.1
