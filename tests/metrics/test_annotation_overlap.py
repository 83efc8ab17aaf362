"""Overlap at a threshold: strict, on the scaled map, and the best one."""

import numpy as np
import pytest

from camlucida.metrics import annotation_overlap as m


def test_thresholds_are_strict_and_on_the_scaled_map():
    values = np.array([[2.0, 4.0, 6.0]])
    truth = np.array([[False, False, True]])
    assert (m.iou_tuned(values, truth, 0.5), m.iou_tuned(values, truth, 0.49)) == (1, 0.5)
    assert m.dice_tuned(values, truth, 0.49) == pytest.approx(2 / 3)


def test_best_iou_over_thresholds():
    values = np.array([[4.0, 3.0, 2.0, 1.0]])
    assert m.iou_best(values, np.array([[1, 0, 1, 0]])) == pytest.approx(2 / 3)
