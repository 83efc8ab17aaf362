"""Cells that are hidden by hand: how many, what stands there, and what the score does."""

import numpy as np
import pytest
import torch
from torch import nn

from camlucida.attribution.batches import scans_of
from camlucida.attribution.explained_model import explained_model
from camlucida.attribution.targets import Label
from camlucida.core.errors import UsageError
from camlucida.evaluation.maps.interventions import RANDOM_ORDERS, TestedImage, hidden_counts

SIDE, CELLS = 16, 4


@pytest.fixture
def tested():
    """A bright square on black, whose mean is the score; its cell is the hottest."""
    image = torch.zeros(1, 1, SIDE, SIDE)
    image[..., 4:8, 8:12] = 1
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 1))
    nn.init.ones_(net[2].weight)
    nn.init.zeros_(net[2].bias)
    (scan,) = scans_of((image,))
    model = explained_model(net)
    return TestedImage(model, scan, Label(0, "0"))


@pytest.fixture
def heat():
    values = torch.zeros(CELLS, CELLS)
    values[1, 2] = 1
    return values


@pytest.mark.parametrize(("cover", "last"), [("blur", 16), ("mean", 16), ("inpaint", 15)])
def test_the_chosen_number_is_a_step_of_the_curve(tested, heat, cover, last):
    curve = tested.deletion_curve(heat, cover, count=1)
    assert curve.counts[[0, 1, -1]].tolist() == [0, 1, last]
    np.testing.assert_allclose(curve.shares, curve.counts / CELLS**2)
    assert curve.hottest.shape == (len(curve.counts), 2)
    assert curve.random.shape == (RANDOM_ORDERS, len(curve.counts), 2)
    assert curve.hottest[0, 0] == pytest.approx(1 / CELLS**2)
    np.testing.assert_array_equal(curve.random[:, 0], np.broadcast_to(curve.hottest[0], (5, 2)))


def test_what_stands_where_a_cell_is_hidden_is_what_was_chosen(tested, heat):
    """With the square hidden, black alone is left of it, its mean, or a blur of it."""
    scores = {
        cover: tested.deletion_curve(heat, cover, count=1).hottest[1, 0]
        for cover in ("blur", "mean", "inpaint")
    }
    assert scores["mean"] == pytest.approx(1 / CELLS**2 / CELLS**2)
    assert scores["inpaint"] == pytest.approx(0, abs=1e-3)  # its border is black; noise alone
    assert scores["blur"] > scores["mean"]


@pytest.mark.parametrize(("cover", "count"), [("blur", 17), ("inpaint", 16), ("mean", 0)])
def test_a_number_out_of_range_is_one_line(tested, heat, cover, count):
    with pytest.raises(UsageError, match=f"{count} cells of a map that has 16"):
        tested.deletion_curve(heat, cover, count)


def test_a_chosen_number_is_counted_once():
    assert hidden_counts(49, "blur", 7) == hidden_counts(49, "blur")
    assert set(hidden_counts(49, "blur", 5)) - set(hidden_counts(49, "blur")) == {5}
