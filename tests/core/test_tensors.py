import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from camlucida.core.tensors import (
    first_component,
    full,
    min_max,
    over_grid,
    resize,
    spatial,
    weighted_sum,
)
from tests.support import nets
from tests.support.reference import cams

GRIDS = [(5,), (3, 4), (2, 3, 2)]


@pytest.mark.parametrize("grid", GRIDS)
def test_weighted_sum_over_any_grid(grid):
    weights, activations = nets.images(2, 3).double(), nets.images(2, 3, *grid).double()
    assert spatial(activations) == tuple(range(2, 2 + len(grid)))
    expected = (over_grid(weights, activations) * activations).sum(1)
    torch.testing.assert_close(weighted_sum(weights, activations), expected)
    np.testing.assert_allclose(
        weighted_sum(weights, activations), cams.weighted_sum(activations.numpy(), weights.numpy())
    )


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_resize_is_linear_at_half_pixel_centres(grid, factor):
    values = nets.images(1, *grid).double()
    size = tuple(n * factor + (factor > 1) for n in grid)
    np.testing.assert_allclose(
        resize(values, size)[0], cams.upsample(values[0].numpy(), size), atol=1e-12
    )


def test_resize_by_hand():
    np.testing.assert_array_equal(resize(torch.tensor([[1.0, 5.0]]), [4])[0], [1, 2, 4, 5])


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=8))
def test_min_max(values):
    scaled, varies = min_max(torch.tensor([values]))
    assert bool(varies) == (max(values) > min(values))
    assert scaled.min() == 0
    assert scaled.max() == (1 if varies else 0)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 30, 2, 2), (1, 4, 2, 3, 2), (1, 1, 6)])
def test_first_component_from_either_gram_matrix(shape):
    """More cells than channels, and fewer."""
    features = nets.images(*shape).double()
    component = first_component(features, features.sum(1))
    np.testing.assert_allclose(component, cams.first_component(features.numpy()), atol=1e-9)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_first_component_of_a_constant_map_follows_the_dot_product(sign):
    features = torch.full((1, 3, 4, 4), 0.7 * sign)
    assert (first_component(features, features.sum(1)) * sign > 0).all()


def test_first_component_of_nothing_is_nothing():
    assert not first_component(torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2)).any()


def test_first_component_keeps_its_type_and_range():
    features = nets.images(1, 3, 4, 4) * 1e-25  # its squares underflow in float32
    component = first_component(features, features.sum(1))
    assert component.dtype == torch.float32
    torch.testing.assert_close(component * 1e25, first_component(features * 1e25, features.sum(1)))


def test_half_precision_is_widened_and_no_other():
    for dtype, expected in [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float64, torch.float64),
    ]:
        assert full(torch.ones(1, dtype=dtype)).dtype == expected
