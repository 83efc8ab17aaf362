import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from camlucida.core.regions import binary_mask, boxes


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


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_components_are_those_of_a_label_image(seed, level):
    """The components by runs of rows, beside scipy's by pixels."""
    rng = np.random.default_rng(seed)
    values = rng.random(rng.integers(1, 12, 2))
    mask = values > level
    parts, count = ndimage.label(mask, structure=np.ones((3, 3)))
    expected = []
    for number in range(1, count + 1):
        inside = values[parts == number]
        rows, columns = np.nonzero(parts == number)
        corner = (int(columns.min()), int(rows.min()))
        expected.append((*corner, inside.size, inside.max(), round(inside.mean(), 9)))
    drawn = [(b.x, b.y, b.area, b.peak, round(b.mean, 9)) for b in boxes(mask, values)]
    assert sorted(drawn) == sorted(expected)
