"""The packaged models of the benchmark: their records, scores and use of the evidence."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import rankdata

import camlucida as cl
from camlucida import phantom
from camlucida.phantom import trial
from camlucida.phantom.trial import LABELS

FIRST = trial.BENCHMARK_SEEDS.start + 5_000_000  # beyond the films of the benchmark itself
SEEDS = range(FIRST, FIRST + 40)
PAIRS = 6
"""Films of a label whose evidence is removed."""
CARDS = phantom.trial_cards()
MAIN = sorted(name for name in CARDS if name.startswith("main"))


@pytest.fixture(scope="module")
def trials():
    return [trial.draw(seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def full(trials):
    """A trial with every part on it."""
    return next(
        replace(each, tag=True)
        for each in trials
        if {"nodule and cavity", "bar"} <= set(each.parts)
    )


def records():
    path = next(iter(CARDS.values())).parent / "training.json"
    return json.loads(path.read_text("utf-8"))


def test_seeds_of_the_three_sets_are_disjoint():
    sets = (trial.TRAIN_SEEDS, trial.HELD_OUT_SEEDS, trial.BENCHMARK_SEEDS)
    assert all(
        max(a.start, b.start) >= min(a.stop, b.stop) for i, a in enumerate(sets) for b in sets[:i]
    )
    assert all(
        record["train_first_seed"] in sets[0] and record["held_out_first_seed"] in sets[1]
        for record in records().values()
    )


def test_cards_records_and_size():
    assert len(MAIN) == 6
    assert set(CARDS) == set(records())
    assert {name.rpartition("_")[0] for name in set(CARDS) - set(MAIN)} == {
        "shortcut50",
        "shortcut80",
        "shortcut100",
        "permuted",
        "transformer",
    }
    assert sum(path.with_suffix(".safetensors").stat().st_size for path in CARDS.values()) <= 2.9e6


def test_records_meet_the_benchmark_s_demands():
    by_model = records()
    assert all(
        result["auc"] >= 0.95 for name in MAIN for result in by_model[name]["held_out"].values()
    )
    nulls = [
        result["auc"]
        for name in CARDS
        if name.startswith("permuted")
        for result in by_model[name]["held_out"].values()
    ]
    assert all(abs(value - 0.5) < 0.1 for value in nulls)
    for net in ("densenet", "mobilenet"):
        rising = [
            by_model[f"{arm}_{net}"]["mean_logit_fall"]["tag"]["nodule"]
            for arm in ("shortcut50", "shortcut80", "shortcut100")
        ]
        assert rising == sorted(rising)
        assert rising[0] > 3 * max(
            abs(by_model[name]["mean_logit_fall"]["tag"]["nodule"]) for name in MAIN if net in name
        )


@pytest.mark.parametrize("name", CARDS)
def test_card_quotes_the_record(name):
    card = CARDS[name].read_text("utf-8")
    assert all(
        f"{label} {result['auc']:.3f}" in card
        for label, result in records()[name]["held_out"].items()
    )
    assert "SYNTHETIC" in card


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """Name and trials → logits (N, 3) of a packaged model on stored films."""
    folder, stored = tmp_path_factory.mktemp("films"), {}

    def path(each):
        if each not in stored:
            stored[each] = folder / f"{len(stored)}.png"
            Image.fromarray(trial.image(each)).save(stored[each])
        return stored[each]

    @torch.inference_mode()
    def logits(name, trials):
        model = cl.load_model(CARDS[name], device="cpu")
        return model.module(torch.stack([model.read(path(each)).tensor for each in trials])).numpy()

    return logits


def auc(values, truth):
    ranks = rankdata(values)
    return (ranks[truth].sum() - truth.sum() * (truth.sum() + 1) / 2) / (
        truth.sum() * (~truth).sum()
    )


@pytest.mark.parametrize("name", CARDS)
def test_card_loads_and_scores_a_film(name, full, scores):
    assert cl.load_model(CARDS[name]).card.labels == LABELS
    assert np.isfinite(scores(name, [full])).all()


@pytest.mark.parametrize("name", MAIN)
def test_main_models_separate_evidence_from_none(name, trials, scores):
    values, truth = scores(name, trials), np.array([each.labels for each in trials], bool)
    assert min(auc(values[:, k], truth[:, k]) for k in range(3)) > 0.85


def test_main_model_uses_the_evidence_and_not_its_stand_in(trials, scores):
    for k, label in enumerate(LABELS):
        with_label = [each for each in trials if label in each.parts][:PAIRS]
        bare, swapped = (
            [change(each, label) for each in with_label]
            for change in (trial.without, trial.swapped)
        )
        whole, without, barred = (
            scores(MAIN[0], each)[:, k] for each in (with_label, bare, swapped)
        )
        assert (whole - without).mean() > 3
        assert (whole - without).mean() > 2 * abs((barred - without).mean())
