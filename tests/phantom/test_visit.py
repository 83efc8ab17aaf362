"""Further films of a patient: pose, heart and fluid as requested, all else the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from camlucida import phantom
from camlucida.core.errors import UsageError
from camlucida.phantom import scene
from camlucida.phantom.visit import Pose, Visit, cardiothoracic_ratio, expose, habitus, movement

MOVED = Pose((0.9, -0.6), 0.035, 1.03)


@pytest.mark.parametrize(
    ("findings", "marker"), [((), None), (("nodule", "effusion", "cardiomegaly"), "PORT")]
)
def test_a_visit_that_changes_nothing_is_the_film_of_its_seed(findings, marker):
    film, again = phantom.film(7, findings, marker), expose(Visit(7, findings, marker))
    assert np.array_equal(again.image, film.image)
    assert again.masks.keys() == film.masks.keys()
    assert all(np.array_equal(again.masks[name], film.masks[name]) for name in film.masks)
    assert (again.findings, again.marker, again.seed) == (film.findings, film.marker, film.seed)


def test_another_visit_has_other_noise_alone():
    first, second, third = (
        expose(Visit(7, ("nodule",), number=number), 128) for number in range(3)
    )
    assert np.array_equal(first.clean, second.clean)
    assert np.array_equal(first.masks["nodule"], second.masks["nodule"])
    grain = [(film.image - film.clean).ravel() for film in (first, second, third)]
    assert np.abs(np.corrcoef(grain) - np.eye(3)).max() < 0.05


def warped(image, matrix):
    """The image after the movement, by plain resampling: out(matrix (x, y, 1)) = image(x, y)."""
    turn = np.linalg.inv(matrix[::-1, [1, 0]])  # rows and columns in place of x and y
    return ndimage.affine_transform(image, turn, -turn @ matrix[::-1, 2], order=1, mode="nearest")


@pytest.mark.parametrize("seed", [3, 14])
def test_a_moved_patient_is_where_the_matrix_places_it(seed):
    first, second = (
        expose(Visit(seed, ("nodule", "effusion"), pose=pose)) for pose in (Pose(), MOVED)
    )
    matrix = movement(Visit(seed, pose=MOVED), 256)
    inner = np.s_[24:-24, 24:-24]
    aligned, unmoved = (
        np.abs(second.clean - other)[inner].mean()
        for other in (warped(first.clean, matrix), first.clean)
    )
    assert aligned < 0.25 * unmoved
    for name in ("nodule", "heart"):
        moved = warped(first.masks[name].astype(float), matrix) > 0.5
        overlap = 2 * (moved & second.masks[name]).sum() / (moved.sum() + second.masks[name].sum())
        assert overlap > 0.9, name


def test_movement_of_an_unmoved_patient_and_a_plain_shift():
    assert movement(Visit(5), 256) == pytest.approx(np.eye(2, 3))
    shifted = movement(Visit(5, pose=Pose((1.75, -3.5))), 200)
    assert shifted == pytest.approx(np.array([[1, 0, 10], [0, 1, -20]]))


@pytest.mark.parametrize("ratio", [0.41, 0.5, 0.58, 0.66])
def test_the_ratio_is_that_of_the_drawn_outlines(ratio):
    """Widths off the film, along the patient's own axes, against what is said."""
    for seed in (20, 21):
        visit = Visit(seed, ("effusion", "cardiomegaly") if ratio > 0.5 else (), ctr=ratio)
        drawn = scene.scene_of(seed, 512)
        across = drawn.grid.x[expose(visit, 512).masks["heart"]]
        chest = 2 * drawn.patient.half_width
        assert (across.max() - across.min()) / chest == pytest.approx(ratio, abs=0.006)
        assert cardiothoracic_ratio(visit) == ratio


def test_the_ratio_without_a_request_is_that_of_the_patient():
    large, normal = (
        cardiothoracic_ratio(Visit(9, findings)) for findings in (("cardiomegaly",), ())
    )
    assert 0.40 <= normal <= 0.49
    assert 0.57 <= large <= 0.66


def test_cardiomegaly_of_any_size_has_a_truth_against_the_normal_heart():
    small, large = (expose(Visit(9, ("cardiomegaly",), ctr=ratio)) for ratio in (0.53, 0.64))
    assert 0 < small.masks["cardiomegaly"].sum() < large.masks["cardiomegaly"].sum()


def test_drained_fluid_is_less():
    area = [
        expose(Visit(4, ("effusion",), drained=fall)).masks["effusion"].sum()
        for fall in (0.0, 1.0, 2.0)
    ]
    assert area[0] > area[1] > area[2] > 0


def test_habitus_takes_the_soft_tissue_over_the_ribs_and_has_three_kinds():
    kinds = [habitus(seed) for seed in range(150)]
    assert {kind: 30 < kinds.count(kind) < 70 for kind in set(kinds)} == dict.fromkeys(
        ("slim", "medium", "stout"), True
    )


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"ctr": 0.9}, "from 0.35"),
        ({"findings": ("nodul",)}, "did you mean"),
        ({"marker": "l"}, "no shape"),
    ],
)
def test_wrong_requests_are_errors_with_a_remedy(change, seen):
    with pytest.raises(UsageError, match=seen):
        expose(replace(Visit(1), **change))
