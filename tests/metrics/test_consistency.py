"""The C-score by hand, its null, and the spread of its pseudo-values."""

import math

import numpy as np
import pytest

from camlucida.metrics.consistency import c_score, overlaps, pseudo_values

RNG = np.random.default_rng(0)


def test_soft_overlap_by_hand():
    overlap = overlaps([[2.0, 1.0, -5.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    # (1, ¼, 0) and (1, 0, 0): 1 ÷ 1¼.
    assert overlap[0, 1] == pytest.approx(0.8)
    assert overlap[0, 0] == 1
    assert np.isnan(overlap[2]).all()


def test_maps_that_are_alike_whatever_the_label_have_no_consistency():
    centre = [[0.0, 1.0, 0.0]] * 6
    labels, patients = ["a", "b"] * 3, list(range(6))
    assert c_score(overlaps(centre), labels, patients, np.ones(6), "a") == 0


def test_pairs_of_one_patient_do_not_count():
    overlap = overlaps([[1, 0], [1, 0], [0, 1], [0, 1]])
    labels = ["a", "a", "a", "b"]
    assert c_score(overlap, labels, [1, 1, 2, 3], np.ones(4), "a") == pytest.approx(-1 / 3)
    assert math.isnan(c_score(overlap[:2, :2], ["a", "a"], [1, 1], np.ones(2), "a"))


def test_confident_images_weigh_more():
    overlap = overlaps([[1, 0], [1, 0], [0, 1], [0, 0.5]])
    labels, patients = ["a", "a", "a", "b"], [1, 2, 3, 4]
    equal = c_score(overlap, labels, patients, np.ones(4), "a")
    unsure = c_score(overlap, labels, patients, [1, 1, 0.01, 1], "a")
    assert unsure > equal


def test_pseudo_values_have_the_score_as_their_mean_and_its_spread():
    scores, errors = [], []
    for _ in range(60):
        maps = np.concatenate([RNG.random((12, 9)) ** 3 + np.eye(9)[0], RNG.random((12, 9)) ** 3])
        labels, patients = ["a"] * 12 + ["b"] * 12, list(range(24))
        overlap = overlaps(list(maps))
        values = list(pseudo_values(overlap, labels, patients, np.ones(24), "a").values())
        scores.append(c_score(overlap, labels, patients, np.ones(24), "a"))
        assert np.mean(values) == pytest.approx(scores[-1], abs=1e-9)
        errors.append(np.std(values, ddof=1) / np.sqrt(12))
    # The maps of the other label vary, too, and are not resampled.
    assert 0.6 < np.mean(errors) / np.std(scores) < 1.3
