"""The iterated imputation against the direct one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import zoom

from camlucida.metrics import imputation, multigrid
from camlucida.metrics.imputation import direct_solution, impute
from camlucida.metrics.multigrid import multigrid_solution, neighbour_sum

SHAPE = (70, 93)


def masks():
    """Masks of several kinds, each with a known pixel."""
    rng = np.random.default_rng(0)
    smooth, noise = zoom(rng.random((7, 9)), (10, 93 / 9), order=1), rng.random(SHAPE)
    rows, columns = np.indices(SHAPE)
    alone = np.ones(SHAPE, bool)
    alone[0, 0] = False
    return {
        "smooth": smooth > np.quantile(smooth, 0.2),
        "scattered": noise > 0.2,
        "checkerboard": (rows + columns) % 2 == 0,
        "rows": rows % 2 == 0,
        "frame": (rows % 16 == 0) | (columns % 16 == 0),
        "one known": alone,
    }


@pytest.mark.parametrize("kind", masks())
@pytest.mark.parametrize("scale", [1.0, 1e-6, 3000.0])
def test_equals_the_direct_solution(kind, scale):
    image = scale * np.random.default_rng(1).random((2, *SHAPE))
    removed = masks()[kind]
    answer = multigrid_solution(image, removed)
    assert answer is not None
    np.testing.assert_allclose(answer, direct_solution(image, removed), atol=5e-8 * scale)


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_a_flat_image_stays_flat(value):
    answer = multigrid_solution(np.full((1, *SHAPE), value), masks()["smooth"])
    assert answer is not None
    np.testing.assert_allclose(answer, value, atol=1e-9)


def test_weights_of_the_neighbours():
    one = np.zeros((3, 3))
    one[1, 1] = 1
    expected = [[1 / 12, 1 / 6, 1 / 12], [1 / 6, 0, 1 / 6], [1 / 12, 1 / 6, 1 / 12]]
    np.testing.assert_allclose(neighbour_sum(one), expected, atol=1e-15)


def test_without_convergence_the_direct_solution_is_used(monkeypatch):
    image, removed = torch.rand(1, *SHAPE), masks()["smooth"]
    monkeypatch.setattr(imputation, "LARGE", 100)
    iterated = impute(image, removed, 0)
    monkeypatch.setattr(multigrid, "ITERATIONS", 1)
    assert multigrid_solution(image.double().numpy(), removed) is None
    torch.testing.assert_close(impute(image, removed, 0), iterated, atol=2e-7, rtol=0)
