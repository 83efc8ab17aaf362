"""A model that mirrors its image inside: what the commands make of a map over no image."""

import json

import pytest

from camlucida.cli import main
from camlucida.runs import Run
from tests.support.models_on_disk import write_image

MIRRORED_VIEW = """
from torch import nn

class Views(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1))
        self.head = nn.Linear(6, 2)

    def score(self, x):
        return self.head(self.encoder(x).relu().flatten(2).mean(2))

    def forward(self, x):
        return (self.score(x) + self.score(x.flip(-1))) / 2

def build():
    return Views()
"""
CARD = """
factory = "net.py:build"
task = "multiclass"
[input]
size = 32
channels = 1
"""

COHORT = """
images = "films"
model = "card.toml"
"""


def run(*arguments) -> int:
    """Exit code of a command."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "net.py").write_text(MIRRORED_VIEW)
    (tmp_path / "card.toml").write_text(CARD)
    (tmp_path / "cohort.toml").write_text(COHORT)
    for number in range(2):
        write_image(tmp_path / f"films/{number}.png", number)
    return tmp_path


def test_explain_gives_the_numbers_and_no_picture(folder):
    out = folder / "out"
    code = run("explain", folder / "films", "--model", folder / "card.toml", "--out", out)
    assert code == 0
    for record in json.loads((out / "explanations.json").read_text()):
        assert record["image_size"] is None
        assert "boxes" not in record
        assert set(record["files"]) == {"maps"}
    assert "mirrored inside the model" in (out / "index.html").read_text()


def test_run_stores_no_map_that_lies_nowhere(folder, capsys):
    out = folder / "run"
    assert run("run", folder / "cohort.toml", "--out", out) == 1
    failures = [str(entry.failure) for entry in Run.open(out).entries]
    assert all("mirrored inside the model" in failure for failure in failures)
    assert "Traceback" not in capsys.readouterr().err
