"""The class grid: a row a class, one scale, what was said and what is true."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message
from camlucida.figures.class_grid import RIGHT, WRONG, Example, class_grid
from tests.support.explanations import explanation, figure_text, pictures


def example(raw, predicted="1", truth="1", probability=0.875, **words):
    return Example(explanation(raw, **words), predicted, truth, probability)


def panels(figure, columns=2):
    """Rows of panels."""
    axes = figure.axes[:-1]  # the last is the colour bar
    return [axes[start : start + columns] for start in range(0, len(axes), columns)]


def test_rows_are_classes_and_each_panel_says_prediction_truth_and_probability():
    rows = {
        "1": [example([[0.0, 1.0]], image="a"), example([[2.0, 0.0]], "2", image="b")],
        "2": [example([[4.0, 0.0]], "2", "2")],
    }
    figure, limit = class_grid(rows, 2, title="seed 42", notes=["Shown: by rule."])
    assert limit == 4
    first, second = panels(figure)
    assert [axes.get_title() for axes in first] == [
        "predicted 1: right\nprobability 0.875",
        "predicted 2: wrong\nprobability 0.875",
    ]
    assert [axes.get_xlabel() for axes in first] == ["a\nstrongest 1 of 4", "b\nstrongest 2 of 4"]
    assert [row[0].get_ylabel() for row in (first, second)] == ["true class 1", "true class 2"]
    assert second[1].get_title() == ""
    text = figure_text(figure)
    for words in (
        "seed 42",
        "Shown: by rule.",
        "Research use only",
        "All maps share one scale",
        "map value (logit)",
    ):
        assert words in text
    frames = [
        next(patch for patch in axes.patches if isinstance(patch, Rectangle)) for axes in first
    ]
    assert [frame.get_edgecolor()[:3] for frame in frames] == [
        pytest.approx([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
        for colour in (RIGHT, WRONG)
    ]
    assert [frame.get_linestyle() == "-" for frame in frames] == [
        True,
        False,
    ]  # not by colour alone


def test_the_film_stands_left_and_the_map_right_on_the_shared_scale():
    rows = {"1": [example([[0.0, 1.0]]), example([[0.0, 4.0]])]}
    figure, _ = class_grid(rows, 2)
    weak, strong = pictures(figure)[:2]
    height, width = 40, 60
    np.testing.assert_array_equal(weak[:, :width], np.full((height, width, 3), 100))
    np.testing.assert_array_equal(weak[:, :width], strong[:, :width])
    assert np.abs(weak[:, -width:].astype(int) - strong[:, -width:]).max() > 50


def test_a_class_without_an_image_says_so_in_a_low_row():
    figure, _ = class_grid({"1": [example([[1.0]])], "2": []}, 2)
    figure.draw_without_rendering()
    first, second = panels(figure)
    assert [text.get_text() for text in second[0].texts] == ["no image of class 2"]
    assert second[0].get_position().height < first[0].get_position().height / 2


def test_no_evidence_is_said():
    figure, _ = class_grid(
        {"1": [example([[-1.0]], empty=Message("empty.target")), example([[1.0]])]}, 2
    )
    assert "no evidence: no cell supports" in figure_text(figure)


def test_synthetic_is_marked_below_on_the_film():
    figure, _ = class_grid({"1": [example([[1.0]], synthetic=True)]}, 1)
    (mark,) = [text for text in figure.axes[0].texts if text.get_text() == "SYNTHETIC"]
    across, up = mark.get_position()
    assert across < 0.5
    assert up < 0.1
    assert "Research use only · SYNTHETIC images" in figure_text(figure)
    assert "SYNTHETIC" not in figure_text(class_grid({"1": [example([[1.0]])]}, 1)[0])


def test_signed_maps_have_a_signed_bar_and_units_do_not_mix():
    figure, _ = class_grid({"1": [example([[-2.0, 1.0]], relu=False)]}, 1)
    assert "< 0 is evidence against" in figure_text(figure)
    assert figure.axes[-1].get_ylim() == (-2, 2)
    with pytest.raises(UsageError, match="different units"):
        class_grid({"1": [example([[1.0]]), example([[1.0]], unit="activation")]}, 2)


def test_maps_without_a_negative_cell_beside_others_of_their_method():
    """The pack of a signed method has maps of both kinds: they are drawn in the colours of the one
    bar.
    """
    both, alone = example([[-2.0, 2.0]], relu=False), example([[0.0, 2.0]], relu=False)
    figure, limit = class_grid({"1": [both, alone]}, 2)
    assert limit == 2
    first, second = pictures(figure)[:2]
    np.testing.assert_array_equal(first[:, -1], second[:, -1])


def test_no_example_at_all_is_no_fault():
    figure, limit = class_grid({"1": [], "2": []}, 2)
    assert limit == 0
    assert "no image of class 2" in figure_text(figure)
