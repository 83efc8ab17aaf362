"""Closed forms: what the ratio is of maps that can be written down, and every shift and grid
against the plain loop.
"""

import numpy as np
import pytest
import torch

from camlucida.attribution.explanation import Explanation
from camlucida.core.geometry import Geometry
from camlucida.core.scan import Scan
from camlucida.core.tensors import resize
from camlucida.metrics.contrast import chance, contrast, grid_ratios, inside_outside, shifted_ratios

SIZE = (12, 20)
REGION = np.zeros(SIZE, bool)
REGION[2:5, 4:10] = True
CROPPED = Geometry.identity(SIZE).crop((2, 3), (8, 16)).resize((16, 16))


def explanation(raw, geometry=None, relu=True):
    geometry = geometry or Geometry.identity(SIZE)
    scan = Scan(
        torch.zeros(1, *geometry.model), np.zeros(geometry.original, np.uint8), geometry, "film"
    )
    return Explanation(
        torch.as_tensor(raw, dtype=torch.float32), 1.0, None, "x", "gradcam", "layer", relu, scan
    )


def test_a_constant_map_has_ratio_one_and_chance_one():
    measured = contrast(explanation(np.ones((3, 5))), REGION)
    assert measured.ratio == pytest.approx(1)
    assert (measured.shifted.median, measured.shifted.low, measured.shifted.high) == pytest.approx(
        (1, 1, 1)
    )
    assert measured.reached == 1
    assert measured.share == measured.area == pytest.approx(18 / 240)


def test_two_levels():
    values = np.where(REGION, 6.0, 2.0)
    assert inside_outside(values, REGION) == 3
    assert inside_outside(1e-300 * values, REGION) == pytest.approx(3)
    values = np.where(REGION, 6.0, -2.0)  # evidence against is no heat
    assert inside_outside(values, REGION) == np.inf
    assert inside_outside(-values, REGION) == 0
    assert contrast(explanation(np.where(REGION, 6.0, -2.0)), REGION).share == 1


@pytest.mark.parametrize("region", [np.zeros(SIZE, bool), np.ones(SIZE, bool)])
def test_nothing_inside_or_outside(region):
    measured = contrast(explanation(np.ones((3, 5))), region)
    assert np.isnan(
        [
            measured.ratio,
            measured.share,
            measured.shifted.median,
            measured.reached,
            measured.random.median,
            measured.centre,
        ]
    ).all()
    assert measured.area == region.mean()


def test_no_heat_has_no_ratio():
    assert np.isnan(contrast(explanation(-np.ones((3, 5))), REGION).ratio)
    assert np.isnan(shifted_ratios(-np.ones(SIZE), REGION)).all()


def test_every_shift_is_the_ratio_of_the_rolled_region():
    values = np.random.default_rng(0).normal(size=SIZE)
    expected = [
        [inside_outside(values, np.roll(REGION, (y, x), (0, 1))) for x in range(SIZE[1])]
        for y in range(SIZE[0])
    ]
    np.testing.assert_allclose(shifted_ratios(values, REGION), expected, rtol=1e-9)


def test_a_single_hot_pixel():
    """Inside at 18 of the 240 shifts, where all heat is inside: ∞; else 0."""
    values = np.zeros(SIZE)
    values[3, 5] = 1
    moved = shifted_ratios(values, REGION)
    assert (np.isposinf(moved).sum(), (moved == 0).sum()) == (18, 222)
    measured = chance(moved)
    assert (measured.median, measured.low, measured.high) == (0, 0, np.inf)


@pytest.mark.parametrize(
    "geometry", [Geometry.identity(SIZE).resize((9, 9)), CROPPED], ids=["stretched", "cropped"]
)
def test_grids_are_scored_as_they_lie_on_the_original(geometry):
    maps = np.random.default_rng(1).random((4, 3, 5))
    window = tuple(slice(*span) for span in geometry.seen())
    large = geometry.map_to_original(resize(torch.from_numpy(maps), geometry.model)).numpy()
    expected = [inside_outside(one[window], REGION[window]) for one in large]
    np.testing.assert_allclose(grid_ratios(maps, (3, 5), REGION, geometry), expected, rtol=1e-9)


def test_only_what_the_model_saw_counts():
    measured = contrast(explanation(np.ones((4, 4)), CROPPED), REGION)
    assert measured.ratio == pytest.approx(1)
    assert measured.area == pytest.approx(18 / 128)


def test_random_maps_know_nothing_and_a_middle_region_favours_the_middle():
    middle = np.zeros(SIZE, bool)
    middle[4:8, 7:13] = True
    measured = contrast(explanation(np.random.default_rng(0).random((6, 10))), middle)
    assert measured.random.low < 1 < measured.random.high
    assert measured.random.median == pytest.approx(1, abs=0.1)
    assert measured.centre > 1.5
    again = contrast(explanation(np.random.default_rng(0).random((6, 10))), middle)
    assert measured == again
