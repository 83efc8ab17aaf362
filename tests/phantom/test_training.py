"""The shared code of the training scripts gives the packaged cards and weights, byte for byte."""

import importlib
import json
import tomllib
from pathlib import Path

import pytest

from camlucida.models.factory import build
from camlucida.phantom import cohort_cards, model_cards, trial_cards
from camlucida.phantom.cohorts.density import density_cards
from tests.support.paths import REPOSITORY

CARDS = [
    *model_cards().values(),
    *trial_cards().values(),
    *cohort_cards().values(),
    *density_cards().values(),
]


@pytest.fixture
def training(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "scripts")
    return importlib.import_module("training")


@pytest.mark.parametrize("path", CARDS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_packaged_cards_are_as_the_scripts_write_them(training, tmp_path, path):
    card = tomllib.loads(path.read_text("utf-8"))
    about = {key: card[key] for key in ("description", "task", "labels", "layer")}
    training.write_card(
        tmp_path / path.name, title=card["name"], factory=card["factory"].partition(":")[2], **about
    )
    assert (tmp_path / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("cards", "half"),
    [(model_cards, False), (trial_cards, True), (cohort_cards, True), (density_cards, True)],
)
def test_packaged_weights_are_as_the_scripts_save_them(training, tmp_path, cards, half):
    path = next(iter(cards().values()))
    card = tomllib.loads(path.read_text("utf-8"))
    weights = path.parent / card["checkpoint"]
    model = training.load(build(card["factory"], card["args"], Path(), pretrained=False), weights)
    training.save(model, tmp_path / "again.safetensors", half=half)
    assert (tmp_path / "again.safetensors").read_bytes() == weights.read_bytes()
    assert (tmp_path / "again.safetensors").stat().st_mode & 0o777 == 0o644


def test_a_record_keeps_the_others(training, tmp_path):
    for name, number in (("b", 1), ("a", 2), ("b", 3)):
        training.record(tmp_path, name, {"seed": number})
    assert json.loads((tmp_path / "training.json").read_text()) == {
        "a": {"seed": 2},
        "b": {"seed": 3},
    }


def test_intervals_leave_out_what_is_undefined(training):
    assert training.interval95([float("nan"), *range(101)]) == [2.5, 97.5]
