"""Efficient MPRT by hand."""

import math

import numpy as np
import pytest

from camlucida.metrics.efficient_mprt import emprt, histogram_entropy


def test_entropy_of_a_histogram_by_hand():
    assert histogram_entropy([0, 0, 1, 1]) == pytest.approx(math.log(2))
    assert histogram_entropy(np.arange(100.0)) == pytest.approx(math.log(100))
    thirds = [0.0, 1.0, 1.0]
    expected = -(math.log(1 / 3) / 3 + 2 * math.log(2 / 3) / 3)
    assert histogram_entropy(thirds) == pytest.approx(expected)


def test_scale_and_offset_do_not_matter():
    heat = np.random.default_rng(0).random((8, 8))
    assert histogram_entropy(heat) == pytest.approx(histogram_entropy(5 * heat - 2))


def test_the_rise_of_the_entropy():
    simple, noise = [0.0] * 15 + [1.0], np.arange(16.0)
    rise = emprt(simple, noise)
    before = histogram_entropy(simple)
    assert rise == pytest.approx((math.log(16) - before) / before)
    assert emprt(noise, simple) < 0


def test_dead_maps_have_no_value():
    assert math.isnan(emprt(np.zeros(4), np.arange(4.0)))
    assert math.isnan(emprt(np.arange(4.0), np.zeros(4)))
