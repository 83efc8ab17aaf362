import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from camlucida.metrics.regions import binary_mask, boxes


def test_two_components_give_two_boxes_highest_peak_first():
    values = np.zeros((6, 9))
    values[1:3, 1:4] = 6.0
    values[4, 6:8] = [8.0, 10.0]
    drawn = boxes(binary_mask(values), values)
    assert [(b.x, b.y, b.width, b.height, b.area, b.peak, b.mean) for b in drawn] == [
        (6, 4, 2, 1, 2, 10.0, 9.0),
        (1, 1, 3, 2, 6, 6.0, 6.0),
    ]


def test_diagonal_neighbours_are_one_component():
    mask = np.eye(3, dtype=bool)
    assert [(b.x, b.y, b.width, b.height, b.area) for b in boxes(mask, np.ones((3, 3)))] == [
        (0, 0, 3, 3, 3)
    ]


def test_a_map_without_evidence_has_no_mask():
    assert not binary_mask(np.zeros((4, 4))).any()
    assert not binary_mask(-np.ones((4, 4))).any()


@given(st.integers(0, 2**32 - 1))
def test_boxes_cover_the_mask_exactly(seed):
    values = np.random.default_rng(seed).random((7, 5))
    mask = binary_mask(values, 0.7)
    drawn = boxes(mask, values)
    assert sum(b.area for b in drawn) == mask.sum()
    covered = np.zeros_like(mask)
    for b in drawn:
        covered[b.y : b.y + b.height, b.x : b.x + b.width] = True
    assert covered[mask].all()
