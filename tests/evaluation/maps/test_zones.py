import numpy as np

from camlucida.core.messages import english
from camlucida.evaluation.maps.zones import image_fields, image_zones, origin_note
from camlucida.metrics.lung_fields import ZONES, lung_fields
from camlucida.phantom.generator import film

DRAWN = film(70, size=192)


def test_given_masks_are_taken_before_the_detector():
    lungs = DRAWN.masks["lungs"]
    zones, origin = image_zones(DRAWN.image, {}, {"Lungs": lungs})
    assert (origin, tuple(zones)) == ("given", ZONES)
    np.testing.assert_array_equal(zones["right_lung"] | zones["left_lung"], lungs)
    half = np.zeros_like(lungs)
    half[50:90, 20:60] = True
    fields, origin = image_fields(DRAWN.image, {}, {"right_lung": half, "left lung": half[:, ::-1]})
    assert origin == "given"
    np.testing.assert_array_equal(fields.right, half)


def test_the_header_says_which_side_is_right_and_whether_it_is_frontal():
    standard, origin = image_fields(DRAWN.image, {"row_direction": "L", "view": "PA"})
    assert origin == "detected"
    mirrored, _ = image_fields(DRAWN.image, {"row_direction": "R"})
    np.testing.assert_array_equal(mirrored.right, standard.left)
    for source in ({"view": "LL"}, {"row_direction": "A"}):
        assert image_fields(DRAWN.image, source) == (None, "none")


def test_how_often_and_how_well_is_said():
    (note,) = origin_note(["detected", "detected", "none", "given"])
    text = english(note)
    assert "detected automatically in 2 of 4 images" in text
    assert "not validated on patients" in text
    assert origin_note(["none"]) == []
    assert lung_fields(np.zeros((192, 192))) is None
