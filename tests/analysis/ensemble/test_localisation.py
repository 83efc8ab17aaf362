"""Boxes against boxes, by hand."""

import numpy as np
import pytest

from camlucida.analysis.ensemble.localisation import localisation
from camlucida.core.regions import Box


def box(x, y, width, height):
    return Box(x, y, width, height, width * height, 1.0, 1.0)


def test_half_an_overlap():
    scores = localisation([box(0, 0, 10, 10)], [[5, 0, 10, 10]], (20, 20))
    assert scores["iou"] == scores["top_iou"] == pytest.approx(50 / 150)
    assert scores["dice"] == pytest.approx(2 * 50 / 200)
    assert scores["pixel_accuracy"] == pytest.approx(300 / 400)
    assert scores["pixel_accuracy_nothing"] == pytest.approx(300 / 400)
    assert (scores["localised_10"], scores["localised_30"]) == (1, 1)


def test_the_same_box():
    scores = localisation([box(2, 3, 8, 6)], [[2, 3, 8, 6]], (16, 16))
    assert (
        scores["iou"] == scores["dice"] == scores["pixel_accuracy"] == scores["localised_30"] == 1
    )
    assert scores["iou_chance"] < 0.5


def test_no_box_scores_nothing_but_pixel_accuracy():
    scores = localisation([], [[0, 0, 4, 4]], (8, 8))
    assert scores["iou"] == scores["dice"] == scores["top_iou"] == scores["localised_10"] == 0
    assert (
        scores["pixel_accuracy"]
        == scores["pixel_accuracy_chance"]
        == scores["pixel_accuracy_nothing"]
        == 0.75
    )


def test_only_the_box_with_the_highest_peak_localises():
    boxes = [box(0, 0, 2, 2), box(10, 10, 6, 6)]
    scores = localisation(boxes, [[10, 10, 6, 6]], (20, 20))
    assert scores["top_iou"] == 0
    assert scores["iou"] == pytest.approx(36 / 40)


def test_boxes_that_cover_each_other_count_once():
    scores = localisation(
        [box(0, 0, 10, 10), box(2, 2, 4, 4)], [[0, 0, 10, 10], [1, 1, 3, 3]], (20, 20)
    )
    assert scores["iou"] == 1


def test_a_box_of_the_whole_film_has_no_lift_over_chance():
    scores = localisation([box(0, 0, 30, 20)], [[4, 4, 6, 5]], (20, 30))
    assert scores["iou"] == pytest.approx(scores["iou_chance"]) == pytest.approx(30 / 600)


def test_chance_is_the_mean_over_places():
    scores = localisation(
        [box(0, 0, 1, 4)], [[3, 0, 1, 4]], (4, 16)
    )  # 16 places in a row, one of them right
    assert scores["iou_chance"] == pytest.approx(1 / 16)
    assert scores["localised_30_chance"] == pytest.approx(1 / 16)
    assert np.isfinite(list(scores.values())).all()
