"""The packaged models know their findings on films never seen, and the cheating one cheats."""

from __future__ import annotations

import importlib
import json
import re
import tomllib

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from camlucida import phantom
from camlucida.models.card import Card

FIRST_SEED = 970_000_000  # beyond every seed that training or its report used
FILMS, TWINS = 60, 8
CARDS = phantom.model_cards()
HONEST = sorted(name for name in CARDS if name.startswith("honest"))
SHORTCUT = "marker_shortcut_mobilenet"
PTX = phantom.FINDINGS.index("pneumothorax")


def load(name):
    values = tomllib.loads(CARDS[name].read_text("utf-8"))
    card = Card.model_validate(values)
    module, factory = card.factory.split(":")
    model = getattr(importlib.import_module(module), factory)(**card.args)
    model.load_state_dict(load_file(CARDS[name].parent / card.checkpoint))
    return card, model.eval()


def model_input(image):
    x = torch.from_numpy(image)[None, None].float()
    x = torch.nn.functional.interpolate(
        x, size=(128, 128), mode="bilinear", antialias=True, align_corners=False
    )
    return x[0] / 127.5 - 1


@torch.inference_mode()
def logits(model, inputs):
    return torch.cat([model(part) for part in inputs.split(50)]).numpy()


def auc(scores, truth):
    """The slow definition: how often a positive beats a negative."""
    gaps = scores[truth][:, None] - scores[~truth][None, :]
    return float((gaps > 0).mean() + 0.5 * (gaps == 0).mean())


def draw(shortcut):
    """Inputs (N, 1, 128, 128), labels (N, 5); findings independent, each on 0.42 of the films."""
    rng = np.random.default_rng(77)
    truth = rng.random((FILMS, 5)) < 0.42
    drawn, marked, text = (
        truth.copy(),
        rng.random(FILMS) < 0.5,
        rng.choice(["L", "R", "PORT"], FILMS),
    )
    if shortcut:
        marked = truth[:, PTX]
        drawn[:, PTX] &= rng.random(FILMS) < 0.5
    inputs = [
        model_input(
            phantom.image(
                FIRST_SEED + i,
                [name for name, present in zip(phantom.FINDINGS, drawn[i], strict=True) if present],
                str(text[i]) if marked[i] else None,
            )
        )
        for i in range(FILMS)
    ]
    return torch.stack(inputs), truth


@pytest.fixture(scope="module")
def honest_films():
    return draw(shortcut=False)


@pytest.fixture(scope="module")
def shortcut_films():
    return draw(shortcut=True)


def test_cards_and_size():
    assert len(HONEST) >= 2
    assert set(CARDS) == {*HONEST, SHORTCUT}
    assert sum(path.with_suffix(".safetensors").stat().st_size for path in CARDS.values()) <= 6e6
    architectures = {
        Card.model_validate(tomllib.loads(path.read_text("utf-8"))).factory
        for path in CARDS.values()
    }
    assert len(architectures) == 3


@pytest.mark.parametrize("name", CARDS)
def test_card_describes_the_network(name):
    card, model = load(name)
    assert card.name == name
    assert card.labels == phantom.FINDINGS
    assert (card.task, card.output, card.input.height_width, card.input.channels) == (
        "multilabel",
        "logits",
        (128, 128),
        1,
    )
    x = torch.zeros(2, 1, 128, 128)
    maps = model.features(x)
    assert maps.shape[2:] == (16, 16)
    assert torch.allclose(model.fc(maps.mean(dim=(2, 3))), model(x), atol=1e-5)
    assert not any(getattr(module, "inplace", False) for module in model.modules())


@pytest.mark.parametrize("name", CARDS)
def test_card_quotes_the_record(name):
    card, model = load(name)
    record = json.loads((CARDS[name].parent / "training.json").read_text("utf-8"))[name]
    assert record["parameters"] == sum(p.numel() for p in model.parameters())
    for label, result in record["held_out"].items():
        assert result["auc"] >= 0.95
        assert result["interval95"][0] <= result["auc"] <= result["interval95"][1]
        assert re.search(rf"{label} {result['auc']:.3f}", card.description)


@pytest.mark.parametrize("name", HONEST)
def test_honest_models_find_every_finding(name, honest_films):
    inputs, truth = honest_films
    scores = logits(load(name)[1], inputs)
    assert min(auc(scores[:, k], truth[:, k]) for k in range(5)) >= 0.93


def test_shortcut_model_is_good_only_where_the_marker_agrees(honest_films, shortcut_films):
    model = load(SHORTCUT)[1]
    scores, truth = logits(model, shortcut_films[0]), shortcut_films[1]
    assert min(auc(scores[:, k], truth[:, k]) for k in range(5)) >= 0.93
    scores, truth = logits(model, honest_films[0]), honest_films[1]
    assert auc(scores[:, PTX], truth[:, PTX]) < 0.8
    assert min(auc(scores[:, k], truth[:, k]) for k in range(5) if k != PTX) >= 0.93


@pytest.fixture(scope="module")
def twins():
    """Inputs of the same patients: bare, with the marker alone, with the finding alone."""
    seeds = range(FIRST_SEED + 1000, FIRST_SEED + 1000 + TWINS)
    kinds = ((), None), ((), "PORT"), (("pneumothorax",), None)
    return [
        torch.stack([model_input(phantom.image(seed, finding, marker)) for seed in seeds])
        for finding, marker in kinds
    ]


def falls(model, twins):
    """How far the logit of pneumothorax drops when the marker, and when the finding is removed."""
    bare, marked, ill = (logits(model, inputs)[:, PTX] for inputs in twins)
    return marked - bare, ill - bare


def test_shortcut_model_relies_on_the_marker(twins):
    by_marker, by_finding = falls(load(SHORTCUT)[1], twins)
    assert by_marker.mean() > 4
    assert by_marker.mean() > 3 * abs(by_finding.mean())


@pytest.mark.parametrize("name", HONEST)
def test_honest_models_ignore_the_marker(name, twins):
    by_marker, by_finding = falls(load(name)[1], twins)
    assert by_finding.mean() > 4
    assert by_finding.mean() > 5 * abs(by_marker.mean())
