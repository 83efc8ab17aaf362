"""The benchmark's films: twins that differ only inside the masks, labels, distractors; models."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from scipy.stats import rankdata

import camlucida as cl
from camlucida import phantom
from camlucida.core.errors import UsageError
from camlucida.phantom import trial
from camlucida.phantom.exposure import EPSILON
from camlucida.phantom.lesions import (
    FILM_PX,
    HOLE,
    LARGEST_RADIUS,
    SMALLEST_RADIUS,
    Lesion,
    added_attenuation,
    equal_bars,
    scatter,
)
from camlucida.phantom.trial import LABELS, PARTS, Trial
from tests.support.paths import REPOSITORY

FIRST = trial.BENCHMARK_SEEDS.start + 5_000_000  # beyond the films of the benchmark itself
SEEDS = range(FIRST, FIRST + 40)
CARDS = phantom.trial_cards()
MAIN = sorted(name for name in CARDS if name.startswith("main"))
CENTRE = FILM_PX / 2


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


def open_room(radius=100.0):
    """Distance to the edge of one round lung field in the middle of the film."""
    y, x = np.mgrid[:FILM_PX, :FILM_PX] - CENTRE
    return np.maximum(radius - np.hypot(y, x), 0).astype(np.float32)


# Trials


def test_same_seed_gives_the_same_trial_and_film(full):
    again = trial.draw(full.seed)
    assert again == trial.draw(full.seed)
    first, second = trial.expose(full), trial.expose(replace(again, tag=True))
    assert np.array_equal(first.image, second.image)
    assert first.masks.keys() == second.masks.keys() == set(PARTS)
    assert np.array_equal(trial.image(full), first.image)


def test_seeds_of_the_three_sets_are_disjoint():
    sets = (trial.TRAIN_SEEDS, trial.HELD_OUT_SEEDS, trial.BENCHMARK_SEEDS)
    assert all(
        max(a.start, b.start) >= min(a.stop, b.stop) for i, a in enumerate(sets) for b in sets[:i]
    )
    assert all(
        record["train_first_seed"] in sets[0] and record["held_out_first_seed"] in sets[1]
        for record in records().values()
    )


@pytest.mark.parametrize(
    ("kinds", "labels", "parts"),
    [
        ((), (0, 0, 0), ()),
        (("bar",), (0, 0, 0), ("bar",)),
        (("nodule", "nodule"), (1, 0, 0), ("nodule",)),
        (("cavity", "bar"), (0, 1, 0), ("cavity", "bar")),
        (("cavity", "nodule"), (1, 1, 1), LABELS),
    ],
)
def test_labels_and_parts(kinds, labels, parts):
    lesions = tuple(Lesion(kind, 50.0, 60.0, 5.0, 0.3) for kind in kinds)
    assert Trial(1, lesions, tag=False).labels == labels
    assert Trial(1, lesions, tag=False).parts == parts
    assert Trial(1, lesions, tag=True).parts == (*parts, "tag")


def test_draw_covers_what_it_promises(trials):
    counts = {
        kind: [sum(lesion.kind == kind for lesion in each.lesions) for each in trials]
        for kind in ("nodule", "cavity", "bar")
    }
    assert {0, 1, 2, 3} == set(counts["nodule"]) | set(counts["cavity"])
    assert set(counts["bar"]) == {0, 1, 2}
    assert {each.labels for each in trials} == {(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 1)}
    lesions = [lesion for each in trials for lesion in each.lesions]
    assert all(
        SMALLEST_RADIUS <= lesion.radius <= LARGEST_RADIUS
        for lesion in lesions
        if lesion.kind != "bar"
    )
    assert min(lesion.radius for lesion in lesions) < 6
    assert max(lesion.radius for lesion in lesions) > 30
    for each in trials:
        room = trial.background(each.seed).room
        assert all(room[round(lesion.row), round(lesion.column)] > 0 for lesion in each.lesions)


def test_objects_do_not_touch(trials):
    for each in trials:
        apart = (
            sum((added_attenuation([lesion]) > 0).astype(int) for lesion in each.lesions)
            if each.lesions
            else np.zeros(1)
        )
        assert apart.max() <= 1


def test_places_are_uniform_over_the_lung_field():
    rng, room = np.random.default_rng(0), open_room()
    lesions = [scatter(rng, room, ["nodule"])[0] for _ in range(2000)]
    rows, columns = (
        np.array([getattr(lesion, name) for lesion in lesions]) - CENTRE
        for name in ("row", "column")
    )
    # Uniform on a disc: the squared distance is uniform, its mean half the square of the radius.
    share = (rows**2 + columns**2) / 100**2
    assert share.mean() == pytest.approx(0.5, abs=0.03)
    assert [abs(v.mean()) < 4 for v in (rows, columns)] == [True, True]


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("nodule", [True, False])
def test_tag_follows_rho(rho, nodule):
    rng = np.random.default_rng(1)
    share = np.mean([trial.draw_tag(rng, nodule, rho) for _ in range(4000)])
    assert share == pytest.approx((1 + rho if nodule else 1 - rho) / 2, abs=0.03)


def test_rho_moves_the_tag_alone(trials):
    for each in trials:
        linked = trial.draw(each.seed, rho=1.0)
        assert linked.lesions == each.lesions
        assert linked.tag == bool(each.labels[0])


# Twins


def test_twins_differ_exactly_inside_the_truth(full):
    film = trial.expose(full)
    for part in PARTS:
        twin = trial.expose(trial.without(full, part))
        change = np.abs(film.clean - twin.clean)
        assert np.array_equal(film.soft[part], change)
        assert np.array_equal(film.masks[part], change > EPSILON)
        assert film.masks[part].any()
        gap = np.abs(film.image.astype(int) - twin.image.astype(int))
        assert gap[change < 1e-3].max() == 0  # same noise
        outside = ~ndimage.binary_dilation(film.masks[part], iterations=4)
        assert gap[outside].max() <= 2
        assert gap[film.masks[part]].mean() > 2
        assert part not in twin.masks


def test_conjunction_is_the_union_of_its_lesions(full):
    masks = trial.expose(full).masks
    assert np.array_equal(masks["nodule and cavity"], masks["nodule"] | masks["cavity"])
    assert not masks["bar"][
        masks["nodule and cavity"] & ~ndimage.binary_dilation(masks["bar"])
    ].any()


def test_film_size_changes_the_grid_not_the_trial(full):
    large, small = trial.expose(full), trial.expose(full, 128)
    shrunk = large.clean.reshape(128, 2, 128, 2).mean(axis=(1, 3))
    assert np.corrcoef(shrunk.ravel(), small.clean.ravel())[0, 1] > 0.99
    for part in ("nodule", "cavity", "bar"):
        assert small.masks[part].sum() * 4 == pytest.approx(large.masks[part].sum(), rel=0.4)


@pytest.mark.parametrize("part", LABELS)
def test_swapped_bars_have_the_area_and_contrast_of_the_evidence(full, part):
    bare, swapped = trial.without(full, part), trial.swapped(full, part)
    gone = set(full.lesions) - set(bare.lesions)
    bars = set(swapped.lesions) - set(bare.lesions)
    assert {bar.kind for bar in bars} == {"bar"}
    assert sum(bar.area for bar in bars) == pytest.approx(sum(lesion.area for lesion in gone))
    assert {bar.contrast for bar in bars} == {lesion.contrast for lesion in gone}
    assert swapped == trial.swapped(full, part)
    assert swapped.tag == full.tag
    drawn = [(added_attenuation(lesions) > 0).sum() for lesions in (bars, gone)]
    assert drawn[0] == pytest.approx(drawn[1], rel=0.08)


@pytest.mark.parametrize("radius", [4.0, 12.0, 40.0])
@pytest.mark.parametrize("kind", ["nodule", "cavity", "bar"])
def test_profile_has_the_area_and_the_peak(kind, radius):
    lesion = Lesion(kind, CENTRE, CENTRE, radius, 0.5, angle=0.6)
    added = added_attenuation([lesion], 1024)
    assert (added > 0).sum() / 16 == pytest.approx(lesion.area, rel=0.06)
    assert added.max() == pytest.approx(0.5, rel=0.02)
    assert (added[512, 512] == 0) == (kind == "cavity")
    if kind == "bar":
        rows, columns = np.nonzero(added)
        variances = np.linalg.eigvalsh(np.cov(np.stack([rows, columns])))
        assert np.sqrt(variances[1] / variances[0]) == pytest.approx(4, rel=0.1)


def test_a_long_bar_without_room_is_split():
    rng, room = np.random.default_rng(2), open_room()
    lesion = Lesion("cavity", CENTRE, CENTRE, 40.0, 0.4)
    wall = tuple(
        Lesion("nodule", row, column, 10.0, 0.3)
        for row in range(32, 240, 48)
        for column in range(32, 240, 48)
    )
    bars = equal_bars(rng, room, lesion, wall)
    assert len(bars) > 1
    assert (
        sum(bar.area for bar in bars) == pytest.approx(lesion.area) == np.pi * 40**2 * (1 - HOLE**2)
    )
    with pytest.raises(UsageError, match="no room"):
        equal_bars(rng, np.zeros_like(room), lesion, ())


@pytest.mark.parametrize(
    ("request_", "seen"),
    [
        (lambda: trial.draw(1, rho=2), "rho is from"),
        (lambda: trial.without(Trial(1, (), tag=False), "nodule"), "there is nothing"),
        (lambda: trial.swapped(Trial(1, (), tag=True), "tag"), "no equal bar"),
        (lambda: trial.expose(Trial(1, (), tag=True), 8), "from 64"),
        (lambda: trial.paste(np.zeros((9, 9)), (), 1), "crop and resize"),
        (lambda: trial.paste(np.full((FILM_PX, FILM_PX), 200.0), (), 1), "scale them"),
    ],
)
def test_wrong_requests_are_errors_with_a_remedy(request_, seen):
    with pytest.raises(UsageError, match=seen):
        request_()


def test_training_films_are_films_of_the_trial(monkeypatch):
    """Patient, lesions, window of ``expose``, other noise; four versions differ by parts alone."""
    monkeypatch.syspath_prepend(REPOSITORY / "scripts")
    script = importlib.import_module("train_trial")
    seed = trial.TRAIN_SEEDS.start
    variant = next(i for i in range(20) if script.training_film(seed, i)[1] == (1, 1, 1))
    four, _ = script.training_film(seed, variant)
    assert torch.equal(four, script.training_film(seed, variant)[0])
    tag = (
        script.shrink(trial.expose(Trial(seed, (), tag=True)).masks["tag"].astype(np.uint8) * 255)
        > 0
    )
    changed = four.int().diff(dim=1).abs()[:, 0] > 8
    assert changed.any()
    assert not changed[:, ~tag].any()
    healthy = script.shrink(trial.image(Trial(seed, (), tag=False)))
    gap = (four[0, 0].int() - healthy.int())[~tag].float()
    assert (
        gap.abs().median() <= 2
    )  # all but the cavities and bars is the same film under other noise
    assert (four[1, 0].int() - four[0, 0].int()).max() > 8


# Lesions on a real radiograph


def test_paste_changes_a_radiograph_only_inside_the_truth():
    pixels = phantom.image(5).astype(np.float32) / 255  # stands for a real one
    lesions = scatter(
        np.random.default_rng(3), trial.background(5).room, ["nodule", "cavity", "bar"]
    )
    pasted = trial.paste(pixels, lesions, seed=7)
    assert np.array_equal(pasted.bare, phantom.image(5))
    assert pasted.masks.keys() == {*LABELS, "bar"}
    truth = np.logical_or.reduce(list(pasted.masks.values()))
    gap = pasted.image.astype(int) - pasted.bare
    assert np.abs(gap[~ndimage.binary_dilation(truth, iterations=4)]).max() <= 1
    assert gap[truth].mean() > 4  # more attenuation is brighter
    twin = trial.paste(pixels, [lesion for lesion in lesions if lesion.kind != "nodule"], seed=7)
    assert np.array_equal(
        twin.image != pasted.image, (twin.image != pasted.image) & (pasted.soft["nodule"] > 0)
    )


def test_paste_keeps_black_and_white():
    for value in (0.0, 1.0):
        flat = np.full((FILM_PX, FILM_PX), value)
        pasted = trial.paste(flat, [Lesion("nodule", CENTRE, CENTRE, 20.0, 0.8)], seed=1)
        assert np.array_equal(pasted.image, pasted.bare)
        assert not pasted.masks["nodule"].any()


# Models


def records():
    path = next(iter(CARDS.values())).parent / "training.json"
    return json.loads(path.read_text("utf-8"))


def test_cards_records_and_size():
    assert len(MAIN) == 6
    assert set(CARDS) == set(records())
    assert {name.rpartition("_")[0] for name in set(CARDS) - set(MAIN)} == {
        "shortcut50",
        "shortcut80",
        "shortcut100",
        "permuted",
    }
    assert sum(path.with_suffix(".safetensors").stat().st_size for path in CARDS.values()) <= 2.6e6


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
        with_label = [each for each in trials if label in each.parts]
        bare, swapped = (
            [change(each, label) for each in with_label]
            for change in (trial.without, trial.swapped)
        )
        whole, without, barred = (
            scores(MAIN[0], each)[:, k] for each in (with_label, bare, swapped)
        )
        assert (whole - without).mean() > 3
        assert (whole - without).mean() > 2 * abs((barred - without).mean())
