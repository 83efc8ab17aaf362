"""Boxes around the heat against annotated boxes: closed forms by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camlucida.metrics import boxes as m

seeds = st.integers(0, 2**32 - 1)


def test_corloc_takes_the_component_with_the_highest_peak():
    values = np.zeros((10, 10))
    values[0:2, 0:2], values[5:9, 5:9] = 1.0, 0.8
    assert m.corloc(values, [[0, 0, 2, 3]]) == 1  # IoU 4/6
    assert m.corloc(values, [[0, 0, 3, 3]]) == 0  # IoU 4/9
    assert m.corloc(values, [[5, 5, 4, 4]]) == 0
    assert np.isnan(m.corloc(values, []))
    assert m.corloc(np.zeros((10, 10)), [[5, 5, 4, 4]]) == 0


def test_heat_boxes_score_probability_times_mean_heat():
    values = np.zeros((6, 6))
    values[0, 0:2], values[4, 4] = [4.0, 2.0], 3.0
    assert m.heat_boxes(values, 0.5).tolist() == [[0, 0, 2, 1, 0.375], [4, 4, 1, 1, 0.375]]
    assert m.heat_boxes(-values).shape == (0, 5)


def test_max_box_acc_v2_by_hand():
    values = np.zeros((10, 10))
    values[2:6, 2:6] = 0.5  # the box at low thresholds
    values[2:4, 2:6] = 1.0  # the box above one half
    low = m.box_accuracy(values, [[2, 2, 4, 4]])
    assert low[49].tolist() == [1, 1, 1]
    assert low[50].tolist() == [1, 1, 0]  # half the box: IoU 1/2
    other = m.box_accuracy(values, [[2, 2, 4, 2]])
    assert m.max_box_acc_v2([low]) == 1
    # δ .3 and .5: both images right at every level; δ .7: one of two at any level.
    assert m.max_box_acc_v2([low, other]) == pytest.approx((1 + 1 + 0.5) / 3)
    assert m.max_box_acc_v2([low, m.box_accuracy(values, [])]) == 1
    assert np.isnan(m.max_box_acc_v2([m.box_accuracy(values, [])]))


def test_box_ap_by_hand():
    truth = [[[0, 0, 4, 4]], [[0, 0, 4, 4], [6, 6, 2, 2]]]
    predicted = [[[0, 0, 4, 4, 0.9], [0, 0, 4, 4, 0.8]], [[0, 0, 4, 2, 0.7]]]
    # right, double (false), half of the box (right at .5): precision 1, 1/2, 2/3 at recall 1/3,
    # 1/3, 2/3.
    assert m.box_ap50(predicted, truth) == pytest.approx(1 / 3 + 2 / 3 / 3)
    assert m.box_ap30(predicted, truth) == m.box_ap50(predicted, truth)
    assert m.box_ap(predicted, truth, 0.6) == pytest.approx(1 / 3)
    assert m.box_ap50([[], []], truth) == 0
    assert np.isnan(m.box_ap50(predicted, [[], []]))


@given(seeds)
def test_box_ap_is_a_share_and_ignores_image_order(seed):
    rng = np.random.default_rng(seed)
    truth = [rng.uniform(1, 6, (rng.integers(0, 3), 4)) for _ in range(4)]
    predicted = [np.c_[rng.uniform(1, 6, (3, 4)), rng.integers(0, 3, 3)] for _ in range(4)]
    score = m.box_ap30(predicted, truth)
    np.testing.assert_allclose(m.box_ap30(predicted[::-1], truth[::-1]), score)
    assert np.isnan(score) or 0 <= score <= 1
