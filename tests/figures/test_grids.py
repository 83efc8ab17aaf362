"""Grids: what a panel shows on its own scale and on a shared one, and what is said beside it."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message
from camlucida.figures.grids import GridRow, comparison_grid, layer_comparison, method_comparison
from camlucida.figures.outlines import COLOURS
from tests.support.explanations import explanation, figure_text, pictures

WEAK, STRONG = [[0.0, 1.0]], [[0.0, 4.0]]


def test_own_scales_are_stated_and_a_shared_one_keeps_the_difference():
    row = GridRow("a", [explanation(WEAK), explanation(STRONG)])
    own, shared = (
        comparison_grid([row], ["one", "two"], shared=share) for share in ("none", "row")
    )
    assert "full colour = 1 logit" in figure_text(own)
    assert "full colour = 4 logit" in figure_text(own)
    assert "Each map is on its own scale" in figure_text(own)
    np.testing.assert_allclose(*pictures(own)[1:3])
    assert "strongest 1 of 4 logit" in figure_text(shared)
    assert "The maps of a row share one scale" in figure_text(shared)
    first, second = pictures(shared)[1:3]
    assert np.abs(first - second).max() > 0.1


@pytest.mark.parametrize(
    ("share", "limits"), [("row", "4 4 8 8"), ("column", "8 4 8 4"), ("all", "8 8 8 8")]
)
def test_what_shares_a_scale(share, limits):
    rows = [
        GridRow("a", [explanation([[2.0]]), explanation([[4.0]])]),
        GridRow("b", [explanation([[8.0]]), explanation([[1.0]])]),
    ]
    lines = [
        line
        for line in figure_text(comparison_grid(rows, ["one", "two"], shared=share)).split("\n")
        if "strongest" in line
    ]
    assert [line.split(" of ")[1] for line in lines] == [
        f"{limit} logit" for limit in limits.split()
    ]


def test_maps_of_different_units_cannot_share_a_scale():
    maps = [explanation(WEAK), explanation(STRONG, unit="activation")]
    for share, fine in [("none", True), ("column", True), ("row", False), ("all", False)]:
        if fine:
            comparison_grid([GridRow("a", maps)], ["one", "two"], shared=share)
        else:
            with pytest.raises(UsageError, match="different units"):
                comparison_grid([GridRow("a", maps)], ["one", "two"], shared=share)
    signed = [explanation(WEAK), explanation([[-1.0, 1.0]], relu=False)]
    with pytest.raises(UsageError, match="signed"):
        comparison_grid([GridRow("a", signed)], ["one", "two"], shared="all")


def test_an_empty_map_and_a_missing_one():
    empty = explanation([[-1.0, -2.0]], empty=Message("empty.target"))
    row = GridRow("a", [empty, None, explanation(WEAK)], missing="the region is empty")
    figure = comparison_grid([row], ["one", "two", "three"])
    text = figure_text(figure)
    assert "no evidence: no cell supports" in text
    assert "the region is empty" in text
    np.testing.assert_allclose(pictures(figure)[1], 100 / 255, atol=1e-6)  # the image as it is
    with pytest.raises(UsageError, match="no map"):
        comparison_grid([GridRow("a", [None])], ["one"])
    with pytest.raises(UsageError, match="1 maps for 2 columns"):
        comparison_grid([GridRow("a", [empty])], ["one", "two"])


def test_outlines_have_one_colour_each_and_a_legend():
    masks = {name: np.zeros((40, 60), bool) for name in ("truth", "prediction")}
    masks["truth"][5:10, 0:20] = True
    masks["prediction"][7:12, 5:20] = True
    rows = [
        GridRow("a", [explanation(WEAK)], masks),
        GridRow("b", [explanation(WEAK)], {"prediction": masks["prediction"]}),
    ]
    figure = comparison_grid(rows, ["one"])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["truth", "prediction"]
    assert [line.get_color() for line in legend.get_lines()] == list(COLOURS[:2])
    drawn = [
        [tuple(item.get_edgecolor()[0]) for item in axes.collections] for axes in figure.axes[:4]
    ]
    both, second = [to_rgba(colour) for colour in COLOURS[:2]], [to_rgba(COLOURS[1])]
    assert drawn == [both, both, second, second]


def test_notice_title_and_synthetic():
    figure = comparison_grid(
        [GridRow("a", [explanation(WEAK, synthetic=True)])],
        ["one"],
        title="films",
        notes=["a note"],
    )
    for words in ("Research use only · SYNTHETIC images", "SYNTHETIC", "films", "a note"):
        assert words in figure_text(figure)
    assert "SYNTHETIC" not in figure_text(
        comparison_grid([GridRow("a", [explanation(WEAK)])], ["one"])
    )


def test_methods_and_layers_are_named():
    row = GridRow(
        "a", [explanation(WEAK, "gradcam"), explanation(STRONG, "scorecam", unit="activation")]
    )
    text = figure_text(method_comparison([row]))
    assert "GRADCAM" in text
    assert "full colour = 4 activation" in text
    layers = GridRow("a", [explanation(WEAK), explanation([[0.0, 1.0, 2.0]])])
    text = figure_text(layer_comparison([layers], ["early", "late"]))
    assert "early\ngrid 1 × 2" in text
    assert "late\ngrid 1 × 3" in text


def test_maps_of_one_method_share_one_palette_with_or_without_a_negative_cell():
    """A map that speaks for the label alone is red beside one that speaks against it, as the bar
    says.
    """
    both, alone = (
        explanation([[-2.0, 2.0]], "hirescam", relu=False),
        explanation([[0.0, 2.0]], "hirescam", relu=False),
    )
    figure = comparison_grid([GridRow("a", [both, alone])], ["one", "two"], shared="all")
    assert figure_text(figure).count("map value (logit units)") == 1
    np.testing.assert_allclose(pictures(figure)[2][:, -1], pictures(figure)[1][:, -1])
