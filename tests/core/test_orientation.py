"""Axes of volumes in the patient: codes, and orders that lose nothing."""

from itertools import permutations, product

import numpy as np
import pytest

from camlucida.core.orientation import (
    AxisOrder,
    axis_codes,
    is_orientation,
    opposite,
    order_to,
    spacing,
    tilt,
)
from tests.support.volumes import OBLIQUE

CODES = [
    "".join(letters) for worlds in permutations(["RL", "AP", "SI"]) for letters in product(*worlds)
]


@pytest.mark.parametrize("codes", CODES)
def test_every_order_is_exact_and_keeps_each_voxel_at_its_place(codes):
    size = (2, 3, 4)
    values = np.arange(24.0).reshape(size)
    order = order_to(OBLIQUE, codes)
    ordered = order.apply(values)
    affine = order.affine(OBLIQUE, size)
    assert axis_codes(affine) == codes
    assert np.array_equal(order.invert(ordered), values)
    index = tuple(np.argwhere(ordered == values[1, 0, 3])[0])
    there = affine @ [*index, 1]
    assert np.allclose(there, OBLIQUE @ [1, 0, 3, 1])
    assert order.to_stored(index, size) == (1, 0, 3)


def test_there_are_48_orders():
    assert len(set(CODES)) == 48
    assert all(map(is_orientation, CODES))


def test_codes_are_those_of_nibabel():
    nibabel = pytest.importorskip("nibabel")
    generator = np.random.default_rng(0)
    for _ in range(30):
        turned, _ = np.linalg.qr(generator.normal(size=(3, 3)))
        affine = np.eye(4)
        affine[:3, :3] = turned * generator.uniform(0.5, 5, 3)
        assert axis_codes(affine) == "".join(nibabel.aff2axcodes(affine))


def test_spacing_and_tilt_of_an_oblique_volume():
    assert spacing(OBLIQUE) == pytest.approx((1.9235, 1.9235, 4), abs=1e-4)
    assert tilt(OBLIQUE) == pytest.approx(np.degrees(np.arctan2(0.3, 1.9)))


def test_what_is_no_orientation():
    assert not any(map(is_orientation, ("", "RA", "RAX", "RLS", "ras", "RASS")))
    assert opposite("A") == "P"
    assert AxisOrder().apply(np.zeros((1, 2, 3))).shape == (1, 2, 3)
