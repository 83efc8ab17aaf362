"""The benchmark's films: twins that differ only inside the masks, labels, distractors."""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

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
