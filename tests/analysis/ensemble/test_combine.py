"""Ensemble maps by hand.

Constant maps, weights, disagreement, what was not seen, faint maps, agreement.
"""

import numpy as np
import pytest

from camlucida.analysis.ensemble.combine import combine, on_common_grid
from camlucida.analysis.ensemble.members import FAINT
from camlucida.core.errors import UsageError
from camlucida.core.geometry import Geometry
from tests.support.ensemble_members import made

ONE, THREE = [[1.0, 1.0], [1.0, 1.0]], [[3.0, 3.0], [3.0, 3.0]]
LEFT, RIGHT = [[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]


def test_two_constant_maps_in_one_unit():
    result = combine({"a": made(ONE), "b": made(THREE)}, {"a": 1, "b": 3}, scale="none")
    assert np.allclose(result.mean, 0.25 * 1 + 0.75 * 3)
    assert np.allclose(result.disagreement, np.sqrt(0.25 * 1.5**2 + 0.75 * 0.5**2))
    assert result.unit == "logit"
    assert np.isnan(result.agreement)
    assert result.compared == 0


def test_weights_are_normalised_and_weigh_probabilities():
    result = combine(
        {"a": made(ONE, probability=0.9), "b": made(ONE, probability=0.1)}, {"a": 6, "b": 2}
    )
    assert [member.weight for member in result.members] == [0.75, 0.25]
    assert result.probability == pytest.approx(0.75 * 0.9 + 0.25 * 0.1)
    assert combine({"a": made(ONE), "b": made(ONE, probability=None)}).probability is None


def test_equal_maps_do_not_disagree():
    result = combine({"a": made(LEFT), "b": made(LEFT), "c": made(LEFT)}, {"a": 1, "b": 2, "c": 5})
    assert np.allclose(result.disagreement, 0, atol=1e-6)
    assert np.allclose(result.mean, result.members[0].explanation.numpy())
    assert result.agreement == pytest.approx(1)
    assert result.compared == 3


def test_share_gives_every_map_the_same_total():
    result = combine({"a": made(np.array(LEFT) * 1000), "b": made([[0.0, 0.0], [0.0, 4.0]])})
    for member in result.members:
        assert member.explanation.numpy().mean() == pytest.approx(1, abs=1e-6)
        assert not member.faint
    assert result.mean.mean() == pytest.approx(1, abs=1e-6)
    assert result.members[0].heat == 2000


def test_constant_maps_become_one_whatever_their_size():
    result = combine({"a": made(np.array(ONE) * 7), "b": made(np.array(ONE) * 90)})
    assert np.allclose(result.mean, 1)
    assert np.allclose(result.disagreement, 0, atol=1e-6)


def test_limit_divides_by_the_largest_cell():
    result = combine({"a": made(np.array(LEFT) * 8), "b": made(np.array(RIGHT) * 2)}, scale="limit")
    assert [member.divisor for member in result.members] == [8, 2]
    assert result.mean[0, 0] == result.mean[0, -1] == 0.5
    assert result.disagreement[0, 0] == 0.5


def test_a_faint_map_is_not_stretched():
    noise = np.array([[1e-6, 0.0], [0.0, 0.0]])
    result = combine({"yes": made(np.array(LEFT) * 5), "no": made(noise)})
    faint = result.members[1]
    assert faint.faint
    assert faint.heat == pytest.approx(1e-6)
    assert faint.divisor == FAINT["logit"] / 4
    assert faint.explanation.limit == pytest.approx(4e-6)
    assert (
        not combine({"no": made(noise, unit="activation")}).members[0].faint
    )  # no floor where the unit says nothing


def test_the_floor_is_continuous():
    just = FAINT["logit"] / 4
    above, below = (
        combine({"a": made(np.array(ONE) * just * k)}).members[0].explanation.limit
        for k in (1.0001, 0.9999)
    )
    assert above == pytest.approx(below, rel=1e-3)


def test_a_map_without_heat_counts_as_zeros():
    result = combine({"a": made(ONE), "b": made([[-1.0, -2.0], [-3.0, -4.0]])})
    assert np.allclose(result.mean, 0.5)
    assert not result.empty
    assert result.members[1].explanation.is_empty
    both = combine({"b": made([[-1.0, -2.0], [-3.0, -4.0]])})
    assert both.empty
    assert both.limit == 1
    assert both.explanation().is_empty


def test_signed_maps_keep_their_sign():
    result = combine({"a": made([[2.0, -2.0], [2.0, -2.0]], relu=False)})
    assert result.mean.min() < 0
    assert np.abs(result.mean).mean() == pytest.approx(1, abs=1e-6)
    assert result.explanation().signed


def test_one_model_disagrees_with_nobody():
    result = combine({"a": made(LEFT), "b": None})
    assert np.isnan(result.disagreement).all()
    assert result.left_out == ("b",)
    assert result.members[0].weight == 1


def test_who_did_not_see_a_pixel_has_no_say_there():
    whole = Geometry.identity((4, 8)).resize((4, 4))
    middle = Geometry.identity((4, 8)).crop((0, 2), (4, 4))
    result = combine(
        {"whole": made(ONE, geometry=whole), "middle": made(THREE, geometry=middle)}, scale="none"
    )
    assert np.allclose(result.mean[:, :2], 1)
    assert np.allclose(result.mean[:, 2:6], 2)
    assert np.isnan(result.disagreement[:, :2]).all()
    assert np.allclose(result.disagreement[:, 2:6], 1)
    assert combine({"middle": made(THREE, geometry=middle)}).mean[:, 2:6].mean() == pytest.approx(1)


def test_full_colour_is_the_geometric_mean_of_the_peaks():
    result = combine({"a": made(np.array(ONE) * 2), "b": made(np.array(ONE) * 8)}, scale="none")
    assert result.limit == pytest.approx(4)


def test_the_coarser_grid_is_compared():
    fine = np.kron(np.array(LEFT), np.ones((4, 4)))
    a, b = on_common_grid(made(fine), made(LEFT))
    assert a.shape == b.shape == (2, 2)
    assert a[0, 0] > 0.9 > 0.1 > a[0, 1]
    assert combine({"a": made(fine), "b": made(LEFT)}).agreement > 0.99
    assert combine({"a": made(LEFT), "b": made(RIGHT)}).agreement == pytest.approx(-1)


def test_pairs_with_a_constant_map_are_left_out():
    result = combine({"a": made(LEFT), "b": made(LEFT), "c": made(ONE)})
    assert result.agreement == pytest.approx(1)
    assert result.compared == 1


def test_the_mean_is_an_explanation_in_original_pixels():
    whole = combine(
        {"a": made(LEFT, probability=0.8), "b": made(RIGHT, probability=0.4)}
    ).explanation()
    assert whole.grid == (8, 8)
    assert whole.score == pytest.approx(0.6)
    assert whole.scan.synthetic
    assert "2 maps" in whole.method


@pytest.mark.parametrize(
    ("given", "options", "words"),
    [
        ({}, {}, "no model has a map"),
        ({"a": None}, {}, "no model has a map"),
        ({"a": made(ONE)}, {"weights": {"b": 1}}, "no model of the ensemble"),
        ({"a": made(ONE)}, {"weights": {"a": 0}}, "weight of 'a' is 0"),
        ({"a": made(ONE)}, {"scale": "shar"}, "did you mean share"),
        ({"a": made(ONE), "b": made(ONE, size=(4, 4))}, {}, "different sizes"),
        ({"a": made(ONE), "b": made(ONE, unit="activation")}, {"scale": "none"}, "different units"),
    ],
)
def test_what_cannot_be_combined_is_refused(given, options, words):
    with pytest.raises(UsageError, match=words):
        combine(given, **options)
