"""Mammograms: shares as stated, twins that differ only inside the masks, sides mirrored."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from camlucida.core.errors import UsageError
from camlucida.phantom import breast
from camlucida.phantom.breast import SHARES, Breast, BreastAnatomy, MammogramGrid, View
from camlucida.phantom.mammogram import (
    BLUR_CM,
    DENSITIES,
    MU_FAT,
    MU_GLAND,
    MU_MUSCLE,
    MU_SKIN,
    PREVALENCE,
    VIEWS,
    WHITE,
    _attenuation,
    examination,
    label_field,
    mammogram,
)

SEEDS = (3, 14, 159)
SIZE = 256


def near(mask):
    """The mask and all that the blur carries it to."""
    reach = int(3 * BLUR_CM * SIZE / breast.HEIGHT_CM + 0.5)
    return ndimage.maximum_filter(mask, 2 * reach + 1)


def test_same_request_gives_the_same_film_whatever_was_drawn_before():
    first = mammogram(5, 3, view="CC", view_label="L CC", size=SIZE)
    mammogram(6, 1, size=SIZE)
    mammogram(5, 4, laterality="R", view="CC", size=SIZE)
    second = mammogram(5, 3, view="CC", view_label="L CC", size=SIZE)
    assert np.array_equal(first.image, second.image)
    assert first.masks.keys() == {"breast", "dense", "muscle", "label"}
    assert all(np.array_equal(first.masks[name], second.masks[name]) for name in first.masks)


@pytest.mark.parametrize("size", [64, 128, 384])
def test_shape_and_range(size):
    film = mammogram(1, 2, size=size)
    assert film.image.shape == (size, round(0.75 * size))
    assert film.image.dtype == np.uint16
    assert film.image.max() <= WHITE
    assert {mask.shape for mask in film.masks.values()} == {film.image.shape}
    assert film.share == pytest.approx(mammogram(1, 2, size=256).share, abs=0.01)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("seed", SEEDS)
def test_share_lies_in_the_class_and_grows_with_it(seed, view):
    films = [mammogram(seed, density, view=view, size=SIZE) for density in DENSITIES]
    for film, (low, high) in zip(films, SHARES, strict=True):
        inside, dense = film.masks["breast"], film.masks["dense"]
        assert film.share == dense.sum() / inside.sum()
        assert low - 0.5 / inside.sum() <= film.share <= high + 0.5 / inside.sum()
        assert not (dense & ~inside).any()
    places = [
        (film.share - low) / (high - low) for film, (low, high) in zip(films, SHARES, strict=True)
    ]
    assert np.ptp(places) < 1e-3  # the patient's place in each class
    for less, more in pairwise(films):
        assert not (less.masks["dense"] & ~more.masks["dense"]).any()


def test_both_views_have_one_share_and_the_classes_meet():
    first, second = (mammogram(8, 3, view=view, size=SIZE) for view in VIEWS)
    assert first.share == pytest.approx(second.share, abs=1e-3)
    assert not np.array_equal(first.image, second.image)
    assert all(high == low for (_, high), (low, _) in pairwise(SHARES))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("seed", SEEDS)
def test_density_twins_differ_only_at_the_dense_tissue(seed, view):
    for density in DENSITIES[:-1]:
        less, more = (mammogram(seed, d, view=view, size=SIZE) for d in (density, density + 1))
        change = more.image.astype(int) - less.image
        assert not change[~near(more.masks["dense"])].any()
        assert change.min() >= 0  # glandular tissue absorbs more than the fat that it replaces
        assert change[more.masks["dense"]].mean() > 50


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("laterality", ["L", "R"])
@pytest.mark.parametrize("seed", SEEDS)
def test_label_twins_differ_only_in_the_letters(seed, laterality, view):
    bare = mammogram(seed, 4, laterality=laterality, view=view, size=SIZE)
    labelled = mammogram(
        seed, 4, laterality=laterality, view=view, view_label=f"{laterality} {view}", size=SIZE
    )
    letters = labelled.masks.pop("label")
    assert "label" not in bare.masks
    assert all(np.array_equal(bare.masks[name], labelled.masks[name]) for name in bare.masks)
    assert np.array_equal(bare.image[~letters], labelled.image[~letters])
    assert labelled.image[letters].mean() > 0.5 * WHITE > 100 + bare.image[letters].max()
    assert not (letters & near(bare.masks["breast"] | bare.masks["muscle"])).any()
    rows, columns = np.nonzero(letters)
    assert rows.max() < SIZE / 8
    middle = letters.shape[1] / 2
    assert (
        columns.min() > middle if laterality == "L" else columns.max() < middle
    )  # away from the chest wall


@pytest.mark.parametrize("view", VIEWS)
def test_right_is_left_mirrored_but_letters_are_not(view):
    left, right = (mammogram(21, 2, laterality=side, view=view, size=SIZE) for side in ("L", "R"))
    assert np.array_equal(right.image, left.image[:, ::-1])
    assert all(np.array_equal(right.masks[name], left.masks[name][:, ::-1]) for name in left.masks)
    assert (left.laterality, right.laterality) == ("L", "R")
    fields = [label_field("R MLO", side, SIZE) for side in ("L", "R")]
    cut = [field[:, np.flatnonzero(field.any(axis=0))] for field in fields]
    assert np.array_equal(*cut)


@pytest.mark.parametrize("seed", SEEDS)
def test_looks_like_a_mammogram(seed):
    oblique, above = (mammogram(seed, 2, view=view, size=SIZE) for view in ("MLO", "CC"))
    for film in (oblique, above):
        image, inside, dense = film.image.astype(float), film.masks["breast"], film.masks["dense"]
        air = ~(inside | film.masks["muscle"])
        assert air[:, -1].all()
        assert inside[SIZE // 2, 0] or film.masks["muscle"][SIZE // 2, 0]
        assert np.percentile(image[air], 99) < 0.05 * WHITE < np.median(image[inside & ~dense])
        assert image[dense].mean() > 1.15 * image[inside & ~dense].mean()
        assert 0.1 < inside.mean() < 0.5
        assert ndimage.label(inside | film.masks["muscle"])[1] == 1
    assert not above.masks["muscle"].any()
    muscle = oblique.masks["muscle"]
    assert muscle[0, 0]
    assert not (muscle & oblique.masks["breast"]).any()
    assert (
        oblique.image[muscle].mean()
        > oblique.image[oblique.masks["breast"] & ~oblique.masks["dense"]].mean()
    )


def test_other_seeds_are_other_patients():
    films = [mammogram(seed, 2, size=128).image.astype(float) for seed in range(4)]
    assert min(np.abs(a - b).mean() for i, a in enumerate(films) for b in films[:i]) > 0.02 * WHITE


# Closed forms


def woman(**more):
    return BreastAnatomy(
        **{**BreastAnatomy(8.0, 8.0, 5.0, 0.2, 0.5, 0.6, 1.0, 1.0, 0.3)._asdict(), **more}
    )


def view(**more):
    return View(**{**View(0.0, 8.0, 8.0, 2.0, 0.0, (0.0, 0.0), 0.0, 0.0, 0.0)._asdict(), **more})


def at(*points):
    xs, ys = (np.array(values, np.float32) for values in zip(*points))
    return MammogramGrid(xs, ys)


def test_depth_in_a_round_breast_is_the_distance_to_its_circle():
    depth, nipple = breast.outline(woman(), view(), at((2, 0), (0.1, -6), (3, 4), (6, -8)))
    assert depth == pytest.approx([6, 8 - np.hypot(0.1, 6), 3, -2], abs=1e-4)
    assert nipple == pytest.approx((8, 0))


def test_compressed_thickness_is_flat_with_round_edges():
    depth = np.array([-1, 0, 1, 2.5, 7], np.float32)
    assert breast.rounded(depth, 5.0) == pytest.approx(
        [0, 0, 2 * np.sqrt(2.5**2 - 1.5**2), 5, 5], abs=1e-5
    )


def test_depth_in_a_straight_muscle():
    grid = breast.film_grid(SIZE)
    depth = breast.muscle_depth(view(muscle=(5.0, 0.0)), grid)
    # The border runs from (5, −12) to (0, 0).
    distance = ((5 - grid.x) * 12 - 5 * (grid.y + 12)) / 13
    assert np.allclose(depth, distance, atol=1e-4)
    assert np.isneginf(breast.muscle_depth(view(), grid)).all()


def test_attenuation_adds_up_along_the_ray():
    def constant(value):
        return np.full((1, 1), value, np.float32)

    def through(gland, muscle=0.0, fibres=0.0, inside=True):
        parts = (
            constant(5.0),
            constant(0.4),
            constant(muscle),
            constant(fibres),
            constant(0),
            constant(0),
        )
        tissue = Breast(*parts, np.array([[inside]]), np.array([[not inside]]))
        return float(_attenuation(tissue, constant(gland))[0, 0])

    skin = 0.4 * MU_SKIN
    assert through(0) == pytest.approx(skin + 4.6 * MU_FAT, rel=1e-6)
    assert through(2) == pytest.approx(skin + 2.6 * MU_FAT + 2 * MU_GLAND, rel=1e-6)
    assert through(0.1, fibres=0.3) == pytest.approx(skin + 4.3 * MU_FAT + 0.3 * MU_GLAND, rel=1e-6)
    assert through(9) == pytest.approx(skin + 4.6 * MU_GLAND, rel=1e-6)
    assert through(9, muscle=2, inside=False) == pytest.approx(
        skin + 2.6 * MU_FAT + 2 * MU_MUSCLE, rel=1e-6
    )


def test_patients_are_of_the_stated_prevalence_and_labels_are_independent():
    drawn = [examination(seed) for seed in range(4000)]
    density = np.array([who.density for who in drawn])
    assert [np.mean(density == k) for k in DENSITIES] == pytest.approx(PREVALENCE, abs=0.03)
    assert np.mean([who.laterality == "L" for who in drawn]) == pytest.approx(0.5, abs=0.03)
    for column in np.transpose([who.labelled for who in drawn]):
        assert column.mean() == pytest.approx(0.5, abs=0.03)
        assert abs(np.corrcoef(column, density)[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"density": 5}, "density=5"),
        ({"laterality": "B"}, "laterality='B'"),
        ({"view": "ML"}, "view='ML'"),
        ({"size": 32}, "a film of 32 pixels"),
        ({"view_label": "L ÄÖ"}, "no shape for"),
        ({"view_label": " "}, "empty text"),
        ({"view_label": "R MLO MLO MLO"}, "too long"),
    ],
)
def test_a_wrong_request_is_one_line(request_, words):
    with pytest.raises(UsageError, match=words) as error:
        mammogram(1, **request_)
    assert "\n" not in str(error.value)
