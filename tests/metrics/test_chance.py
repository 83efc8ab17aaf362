"""Random positions of a region: inside the field, of its form, each equally probable."""

from collections import Counter

import numpy as np
import pytest

from camlucida.metrics.chance import placed_at_random


@pytest.fixture
def mask():
    mask = np.zeros((7, 9), bool)
    mask[1, 2] = mask[2, 2] = mask[2, 3] = True
    return mask


def corner(mask):
    rows, columns = np.nonzero(mask)
    return int(rows.min()), int(columns.min())


def test_each_is_the_region_at_another_place_in_the_field(mask):
    field = np.zeros((7, 9), bool)
    field[1:6, 2:8] = True
    placed = list(placed_at_random(mask, 100, field))
    corners = [corner(each) for each in placed]
    every = {(row, column) for row in range(1, 5) for column in range(2, 7)}
    assert sorted(corners) == sorted(every - {(1, 2)})
    for each, (row, column) in zip(placed, corners):
        assert (each & ~field).sum() == 0
        np.testing.assert_array_equal(np.roll(each, (1 - row, 2 - column), (0, 1)), mask)


def test_places_are_equally_probable(mask):
    counts = Counter()
    for seed in range(600):
        (placed,) = placed_at_random(mask, 1, np.ones((7, 9), bool), seed)
        counts[corner(placed)] += 1
    assert len(counts) == 6 * 8 - 1
    expected = 600 / len(counts)
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 77  # p < 0.003


def test_a_region_without_room_has_no_other_place(mask):
    assert list(placed_at_random(np.ones((3, 3), bool), 5, np.ones((3, 3), bool))) == []
    field = np.zeros((7, 9), bool)
    field[1:3, 2:4] = True
    assert list(placed_at_random(mask, 5, field)) == []
