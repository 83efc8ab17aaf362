"""Similarity of maps against closed forms: one-hot maps, block means, windows of a film."""

import numpy as np
import pytest

from camlucida.analysis.comparison.attention import (
    StoredMap,
    common_cells,
    map_similarity,
    same_maps,
)
from camlucida.core.geometry import Geometry
from tests.support.stored_runs import one_hot

WHOLE = Geometry.identity((8, 8))
PATIENTS = [f"p{k}" for k in range(9)]


def stored(values, relu=False, geometry=WHOLE):
    return StoredMap(np.asarray(values, np.float32), relu, geometry)


def test_the_same_maps_have_similarity_one():
    maps = [stored(one_hot(k)) for k in range(9)]
    result = map_similarity(maps, [stored(3 * one_hot(k)) for k in range(9)], PATIENTS)
    np.testing.assert_allclose(result.similarity, 1)
    np.testing.assert_allclose(result.top, 1)
    assert result.identical is True
    np.testing.assert_allclose(result.nulls, np.full(72, -1 / 8))


def test_shifted_maps_against_the_null_by_hand():
    """Map series 2 marks the next cell: r = −1/8 everywhere.

    Of 72 pairs of different images 9 mark one cell, so the null is 1/64.
    """
    result = map_similarity(
        [stored(one_hot(k)) for k in range(9)],
        [stored(one_hot((k + 1) % 9)) for k in range(9)],
        PATIENTS,
    )
    np.testing.assert_allclose(result.similarity, -1 / 8)
    assert result.nulls.mean() == pytest.approx(1 / 64)
    assert result.identical is False


def test_images_of_one_patient_are_not_different():
    maps = [stored(one_hot(k)) for k in (0, 0, 1)]
    np.testing.assert_allclose(
        map_similarity(maps, maps, ["a", "a", "b"]).nulls, np.full(4, -1 / 8)
    )
    assert map_similarity(maps, maps, ["a", "a", "a"]).nulls.size == 0


def test_dead_maps_have_no_similarity():
    maps = [stored(one_hot(k)) for k in range(3)]
    result = map_similarity(maps, [stored(np.zeros((3, 3))), *maps[1:]], PATIENTS[:3])
    np.testing.assert_array_equal(np.isnan(result.similarity), [True, False, False])
    assert result.identical is False


def test_relu_counts_unless_the_maps_are_the_same():
    signed = np.array([[4.0, -4.0, -2.0], [1.0, -1.0, 0.5], [0.25, -3.0, 2.0]])
    first, second = [stored(signed, relu=True)], [stored(signed + 1e-9)]
    assert map_similarity(first, second, ["a"]).similarity[0] == pytest.approx(1)
    other = signed.copy()
    other[0, 1] = -2
    expected = np.corrcoef(np.maximum(signed, 0).ravel(), other.ravel())[0, 1]
    assert map_similarity(first, [stored(other)], ["a"]).similarity[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ([one_hot(1), one_hot(2)], [2 * one_hot(1), 5 * one_hot(2)], True),
        ([one_hot(1)], [-one_hot(1)], False),
        ([one_hot(1), np.zeros((3, 3))], [one_hot(1), np.zeros((3, 3))], True),
        ([one_hot(1), np.zeros((3, 3))], [one_hot(1), one_hot(0)], False),
        ([np.zeros((3, 3))], [np.zeros((3, 3))], None),
        ([one_hot(1)], [np.ones((2, 2))], False),
    ],
)
def test_maps_that_are_the_same_up_to_a_factor(first, second, same):
    assert same_maps([stored(m) for m in first], [stored(m) for m in second]) is same


def test_the_finer_map_is_averaged_on_the_coarser_grid():
    fine = np.arange(16.0).reshape(4, 4)
    blocks = fine.reshape(2, 2, 2, 2).mean((1, 3))
    coarse = stored([[1.0, 2.0], [3.0, 4.0]])
    for a, b, order in ((stored(fine), coarse, 1), (coarse, stored(fine), -1)):
        averaged, own = common_cells(a, b)[::order]
        np.testing.assert_allclose(averaged, blocks)
        np.testing.assert_allclose(own, coarse.raw)


def test_cells_that_do_not_divide_are_weighed_by_area():
    averaged, _ = common_cells(stored([[0.0, 3.0, 6.0]] * 3), stored(np.ones((2, 2))))
    np.testing.assert_allclose(averaged, [[1.0, 5.0]] * 2)


def test_models_that_see_other_windows_meet_where_both_see():
    """The fine map covers columns 2 to 6 of 8, one cell a pixel.

    The coarse one covers the whole film, two pixels a cell.
    """
    window = Geometry((8, 8), (8, 4), (1.0, 1.0), (0.0, -2.0))
    fine = np.tile([1.0, 3.0, 5.0, 7.0], (8, 1))
    averaged, own = common_cells(stored(fine, geometry=window), stored(np.ones((4, 4))))
    np.testing.assert_allclose(averaged, np.tile([np.nan, 2.0, 6.0, np.nan], (4, 1)))
    np.testing.assert_array_equal(np.isnan(own), np.isnan(averaged))


def test_a_flipped_model_is_turned_back():
    mirrored = WHOLE.flip(1)
    values = np.tile(np.arange(4.0), (4, 1))
    averaged, own = common_cells(stored(values, geometry=mirrored), stored(values))
    np.testing.assert_allclose(np.stack([averaged, own]).sum(0), 3)
