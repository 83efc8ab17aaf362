import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camlucida.core.errors import NoEvidenceError
from camlucida.metrics import description as d
from camlucida.metrics.base import METRICS

ALL = (
    d.gini,
    d.entropy,
    d.area_above_half,
    d.components,
    d.centre_row,
    d.centre_column,
    d.border_distance,
)


def test_one_pixel():
    heat = np.zeros((5, 8))
    heat[1, 6] = 0.3
    assert d.gini(heat) == pytest.approx(1 - 1 / 40)
    assert (d.entropy(heat), d.area_above_half(heat), d.components(heat)) == (0, 1 / 40, 1)
    assert d.centre_of_mass(heat) == pytest.approx((1.5 / 5, 6.5 / 8))
    assert d.border_distance(heat) == pytest.approx(1.5 / 8)


def test_a_constant_map():
    heat = np.full((6, 6), 2.0)
    assert d.gini(heat) == pytest.approx(0)
    assert d.entropy(heat) == pytest.approx(np.log(36))
    assert (d.area_above_half(heat), d.components(heat)) == (1, 1)
    assert d.centre_of_mass(heat) == pytest.approx((0.5, 0.5))
    assert d.border_distance(np.ones((200, 200))) == pytest.approx(1 / 6, abs=1e-4)


def test_a_dead_map_has_no_shape():
    dead = np.zeros((4, 4))
    assert all(
        np.isnan(f(dead))
        for f in (d.gini, d.entropy, d.centre_row, d.centre_column, d.border_distance)
    )
    assert d.area_above_half(dead) == d.components(dead) == 0


def test_gini_and_entropy_by_hand():
    assert d.gini([1.0, 2.0, 3.0]) == pytest.approx((-2 * 1 + 0 * 2 + 2 * 3) / (3 * 6))
    assert d.gini([-3.0, 1.0, 2.0]) == pytest.approx(d.gini([3.0, 2.0, 1.0]))
    assert d.entropy([1.0, 1.0, 2.0]) == pytest.approx(1.5 * np.log(2))


def test_four_corners_are_four_parts_at_the_border():
    heat = np.zeros((7, 7))
    heat[[0, 0, -1, -1], [0, -1, 0, -1]] = 1
    assert d.components(heat) == 4
    assert d.centre_of_mass(heat) == pytest.approx((0.5, 0.5))
    assert d.border_distance(heat) == pytest.approx(0.5 / 7)
    heat[1, 1] = 0.5  # touches by its corner
    assert d.components(heat) == 4


def test_any_rank():
    heat = np.zeros((3, 4, 5))
    heat[1, 1, 1] = 1
    assert d.centre_of_mass(heat) == pytest.approx((0.5, 0.375, 0.3))
    assert (d.centre_row(heat), d.centre_column(heat)) == pytest.approx((0.375, 0.3))
    assert d.components(heat) == 1


@given(st.integers(0, 2**32 - 1), st.sampled_from([2.0**-900, 0.5, 2.0**20]))
def test_range_scale_permutation_and_no_mutation(seed, factor):
    rng = np.random.default_rng(seed)
    heat = rng.random((6, 9)) ** 3
    kept = heat.copy()
    for metric in ALL:
        value = metric(heat)
        low, top = METRICS[metric.__name__].range
        assert low <= value <= (np.inf if top is None else top)
        assert metric(heat * factor) == pytest.approx(value)
    mixed = rng.permutation(heat.reshape(-1))
    for metric in (d.gini, d.entropy, d.area_above_half):
        assert metric(mixed) == pytest.approx(metric(heat))
    assert d.entropy(heat) <= np.log(heat.size)
    np.testing.assert_array_equal(heat, kept)


@given(st.integers(0, 2**32 - 1))
def test_flips_mirror_the_centre(seed):
    heat = np.random.default_rng(seed).random((6, 9))
    assert d.centre_row(heat[::-1]) == pytest.approx(1 - d.centre_row(heat))
    assert d.centre_column(heat[:, ::-1]) == pytest.approx(1 - d.centre_column(heat))
    assert d.border_distance(heat[::-1, ::-1]) == pytest.approx(d.border_distance(heat))


@given(st.integers(0, 2**32 - 1))
def test_entropy_equals_scipy(seed):
    from scipy.stats import entropy

    heat = np.random.default_rng(seed).random(50)
    assert d.entropy(heat) == pytest.approx(entropy(heat), abs=1e-9)


def test_gini_and_entropy_equal_quantus():
    quantus = pytest.importorskip("quantus")
    heat = np.random.default_rng(0).random((1, 49))
    options = {
        "abs": True,
        "normalise": False,
        "disable_warnings": True,
        "display_progressbar": False,
    }
    sparseness = quantus.Sparseness(**options).evaluate_batch(x_batch=heat, a_batch=heat.copy())
    complexity = quantus.Complexity(**options).evaluate_batch(x_batch=heat, a_batch=heat.copy())
    assert d.gini(heat) == pytest.approx(sparseness[0], abs=1e-6)
    assert d.entropy(heat) == pytest.approx(complexity[0], abs=1e-6)


def test_a_map_that_is_not_finite_is_refused():
    for metric in ALL:
        with pytest.raises(NoEvidenceError, match="1 of 4 values"):
            metric(np.array([[1.0, np.inf], [0, 0]]))
