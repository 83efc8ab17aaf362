"""The peak and the half-maximum contour, weak maps, empty maps and boxes of the whole image."""

import numpy as np
import pytest
from PIL import Image

from camlucida.core.messages import Message
from camlucida.core.regions import Box
from camlucida.figures.cases import boxes_on_image
from camlucida.figures.contours import half_maximum, peak
from camlucida.figures.marks import is_marked, marked_picture
from camlucida.figures.panels import three_panel, weak_text
from camlucida.figures.save import save_explanation
from tests.support.explanations import explanation, figure_text

PEAKED = [[0.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 0.0]]
EMPTY = Message("empty.gradient")


def test_the_peak_of_a_flat_top_is_its_middle():
    values = np.zeros((9, 9))
    values[2:7, 0:3] = 1
    assert peak(values) == (4.0, 1.0)


def test_the_contour_encloses_what_is_at_least_half_of_the_maximum():
    rows, columns = np.mgrid[:41, :41]
    cone = np.clip(20 - np.hypot(rows - 20, columns - 20), 0, None)
    (line,) = half_maximum(cone)
    np.testing.assert_allclose(np.hypot(*(line - 20).T), 10, atol=0.3)


def test_a_contour_on_fewer_pixels_is_where_it_is_on_all():
    rows, columns = np.mgrid[:120, :160]
    cone = np.clip(40 - np.hypot(rows - 50, columns - 90), 0, None)
    (line,) = half_maximum(cone, float(cone.max()), finest=40)
    np.testing.assert_allclose(np.hypot(*(line - (50, 90)).T), 20, atol=0.3)


def test_a_contour_at_the_border_stays_on_the_image():
    values = np.zeros((8, 6))
    values[:, :3] = 1
    for line in half_maximum(values):
        assert line.min() >= -0.5
        assert (line.max(0) <= [7.5, 5.5]).all()


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_marks_show_on_black_and_white(grey):
    item = explanation(PEAKED, size=(90, 90))
    picture = Image.new("RGB", (90, 90), (grey,) * 3)
    drawn = np.asarray(marked_picture(picture, item))
    assert {0, 255} <= set(np.unique(drawn[(drawn != grey).any(2)])) | {grey}


def test_what_is_not_marked():
    assert is_marked(explanation(PEAKED))
    assert is_marked(explanation(PEAKED), 8.0)
    assert not is_marked(explanation(PEAKED), 400.0)
    assert not is_marked(explanation([[0.0, 0.0]], empty=EMPTY))
    assert not is_marked(explanation([[-1.0, -2.0]], relu=False))


def test_a_strip_says_which_map_is_a_hundredth_of_the_others():
    strong, weak = explanation([[0.0, 5.0]]), explanation([[0.0, 0.05]])
    assert weak_text(weak, [strong, weak]) == "peak 1/100 of the strongest"
    assert weak_text(strong, [strong, strong]) == ""
    other_unit = explanation([[0.0, 0.05]], unit="activation")
    assert weak_text(other_unit, [strong, other_unit]) == ""


def test_an_empty_map_has_no_colour_bar():
    assert len(three_panel(explanation([[0.0, 0.0]], empty=EMPTY)).axes) == 3
    assert len(three_panel(explanation(PEAKED)).axes) == 4


def test_a_box_of_the_whole_image_is_flagged(tmp_path):
    assert Box(0, 0, 10, 9, 80, 1.0, 1.0).covers((10, 10))
    assert not Box(0, 0, 5, 9, 45, 1.0, 1.0).covers((10, 10))
    everywhere, somewhere = explanation([[4.0, 5.0]]), explanation(PEAKED)
    record = save_explanation(everywhere, tmp_path)
    assert [box["whole_image"] for box in record["boxes"]] == [True]
    assert [warning.code for warning in record["warnings"]] == ["boxes.whole_image"]
    assert save_explanation(somewhere, tmp_path)["warnings"] == []
    assert "1 covers nearly all of the image" in figure_text(boxes_on_image(everywhere))
    assert "covers nearly" not in figure_text(boxes_on_image(somewhere))
