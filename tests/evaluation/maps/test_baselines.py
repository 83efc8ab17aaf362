"""Maps that know nothing of the model, on the layer's grid."""

import numpy as np
import pytest
import torch

from camlucida.core.geometry import Geometry
from camlucida.evaluation.maps.baselines import (
    ATLAS,
    BASELINES,
    Atlas,
    add_to_atlas,
    baseline_map,
    edges,
)
from camlucida.metrics.ceiling import area_average

SAME = Geometry.identity((32, 32))


def disc(row, column, radius=5, size=32):
    y, x = np.mgrid[:size, :size]
    return (y - row) ** 2 + (x - column) ** 2 <= radius**2


def made(name, image=None, truth=None, prior=None, grid=(8, 8), image_id="a", geometry=SAME):
    image = torch.zeros(3, 32, 32) if image is None else image
    return baseline_map(name, image, grid, geometry, image_id, truth, prior)


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_each_has_the_grid_and_is_finite(name):
    generator = torch.Generator().manual_seed(0)
    heat = made(
        name, torch.rand(3, 32, 32, generator=generator), disc(10, 10), np.ones((ATLAS, ATLAS))
    )
    assert heat.shape == (8, 8)
    assert torch.isfinite(heat).all()
    assert heat.any()


def test_random_differs_between_images_and_repeats_for_one():
    assert torch.equal(made("random"), made("random"))
    assert not torch.equal(made("random"), made("random", image_id="b"))


def test_intensity_is_the_mean_of_each_cell():
    image = torch.arange(16.0).reshape(1, 4, 4).expand(3, 4, 4)
    heat = made("intensity", image, grid=(2, 2), geometry=Geometry.identity((4, 4)))
    assert heat.tolist() == [[2.5, 4.5], [10.5, 12.5]]


def test_edges_of_a_step_are_at_the_step():
    step = np.zeros((8, 8))
    step[:, 4:] = 1
    gradient = edges(step)
    assert (gradient[:, 3:5] == 4).all()
    assert not gradient[:, :3].any()
    assert not gradient[:, 5:].any()


def test_the_oracle_is_the_truth_on_the_grid():
    truth = disc(12, 20)
    assert np.allclose(made("oracle", truth=truth).numpy(), area_average(truth, (8, 8)))
    assert made("oracle") is None
    assert made("oracle", truth=np.zeros((32, 32), bool)) is None


def test_the_average_mask_never_holds_the_patients_own():
    sums = {}
    add_to_atlas(sums, "P1", {"nodule": disc(8, 8)})
    add_to_atlas(sums, "P1", {"nodule": disc(8, 24), "empty": np.zeros((32, 32), bool)})
    add_to_atlas(sums, "P2", {"nodule": disc(24, 24)})
    atlas = Atlas(sums)
    assert atlas.without("nodule", "P2")[:32].any()
    assert not atlas.without("nodule", "P2")[34:].any()
    assert np.array_equal(atlas.without("nodule", "P1"), area_average(disc(24, 24), (ATLAS, ATLAS)))
    assert atlas.without("empty", "P3") is None
    heat = made("average_mask", prior=atlas.without("nodule", "P1"))
    assert np.unravel_index(int(heat.argmax()), (8, 8)) in {(5, 5), (5, 6), (6, 5), (6, 6)}
    assert made("average_mask") is None


def test_baselines_follow_the_crop_of_the_image():
    geometry = SAME.crop((0, 0), (16, 16))
    prior = area_average(disc(24, 24), (ATLAS, ATLAS))
    assert not made(
        "average_mask", torch.zeros(1, 16, 16), prior=prior, grid=(4, 4), geometry=geometry
    ).any()
    assert not made(
        "oracle", torch.zeros(1, 16, 16), truth=disc(24, 24), grid=(4, 4), geometry=geometry
    ).any()
