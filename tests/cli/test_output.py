"""Which output is explained, by the command line and by a run."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tests.cli.test_cli import run

NET = """
import torch
from torch import nn

class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 4, stride=4), nn.ReLU())
        self.density, self.side = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        z = self.body(x).mean((2, 3))
        return {"density": self.density(z), "side": torch.sigmoid(self.side(z))}
"""
COHORT = 'name = "c"\nimages = "film.png"\n[[models]]\ncard = "card.toml"\noutput = "side"\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "card.toml").write_text('factory = "net.py:Heads"\n[input]\nsize = 16\n')
    (tmp_path / "cohort.toml").write_text(COHORT)
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "film.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_heads_are_listed_and_chosen(folder, capsys):
    assert run("explain", "film.png", "-m", "card.toml", "--out", "none") == 2
    error = capsys.readouterr().err
    assert 'density (B, 4), side (B, 2) (choose the one to explain: output = "density"' in error
    assert run("layers", "-m", "card.toml") == 2
    assert run("layers", "-m", "card.toml", "--output", "density") == 0
    capsys.readouterr()
    assert run("explain", "film.png", "-m", "card.toml", "--output", "side", "--out", "maps") == 0
    assert "task: multilabel, guessed" in capsys.readouterr().out
    records = json.loads((folder / "maps" / "explanations.json").read_text())
    assert {record["target"] for record in records} == {"0", "1"}
    assert {record["score_kind"] for record in records} == {"logit"}


def test_a_run_of_one_head(folder, capsys):
    assert run("run", "cohort.toml", "--out", "run") == 0
    assert "card: task: multilabel, guessed" in capsys.readouterr().out
    (model,) = json.loads((folder / "run" / "run.json").read_text())["models"]
    assert (model["output"], model["task"]["values"]["task"]) == ("side", "multilabel")
