"""Measurements as dots: each row where its numbers are, each panel on its own scale."""

import numpy as np

from camlucida.figures.estimates import Estimate
from camlucida.figures.measurements import Panel, measurements_figure


def test_rows_are_drawn_at_their_values():
    share = Panel(["a", "b"], [Estimate(0.3, 0.2, 0.4, 0.1), Estimate(0.5)], percent=True)
    error = Panel(["c"], [Estimate(12.0, 10.0, 15.0)])
    figure = measurements_figure([share, error], synthetic=True)
    first, second = figure.axes
    dots = [line.get_xdata()[0] for line in first.lines if line.get_marker() == "o"]
    assert dots == [0.3, 0.5]
    assert [label.get_text() for label in first.get_yticklabels()] == ["a", "b"]
    bars = [line.get_segments()[0][:, 0] for line in second.collections]
    np.testing.assert_allclose(bars, [[10, 15]])
    assert first.get_xlim()[1] < 1 < second.get_xlim()[1]
    assert "SYNTHETIC" in figure._supxlabel.get_text()
