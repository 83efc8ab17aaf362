"""Noise, mirrored views, seeds."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from camlucida.core.errors import UsageError
from camlucida.metrics import METRICS
from camlucida.metrics.stability import (
    VIEWS,
    max_sensitivity,
    noisy_copies,
    score_change,
    seed_agreement,
    sensitivity,
    view,
    view_agreement,
)


def noise(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_noise_fills_its_radius_and_no_more():
    image = noise(3, 30, 30) * 4 - 2
    copies = noisy_copies(image, data_range=(-2, 2))
    assert copies.shape == (10, 3, 30, 30)
    moved = (copies - image).abs()
    assert 0.99 * 0.08 < float(moved.max()) <= 0.08 + 1e-6
    assert float(moved.mean()) == pytest.approx(0.04, rel=0.02)
    assert not torch.equal(copies[0], copies[1])
    assert torch.equal(copies, noisy_copies(image, data_range=(-2, 2)))
    assert not torch.equal(copies, noisy_copies(image, data_range=(-2, 2), seed=1))


def test_the_radius_scales_with_the_data():
    image = noise(1, 8, 8)
    one, other = (
        noisy_copies(image) - image,
        noisy_copies(image * 2048 - 1024) - (image * 2048 - 1024),
    )
    torch.testing.assert_close(other, one * 2048, rtol=1e-2, atol=1e-3)


def test_a_grey_image_stays_grey_and_nothing_is_touched():
    image, rng = noise(1, 8, 8).expand(3, 8, 8), torch.get_rng_state()
    before = image.clone()
    copies = noisy_copies(image, 2)
    assert torch.equal(copies[:, 0], copies[:, 2])
    assert torch.equal(image, before)
    assert torch.equal(rng, torch.get_rng_state())
    assert torch.equal(
        noisy_copies(torch.ones(1, 2, 2), 1)[0], torch.ones(1, 2, 2)
    )  # no range, no noise


def test_sensitivity_by_hand():
    heat = torch.tensor([[3.0, 4.0]])
    moved = sensitivity(heat, [heat, heat + torch.tensor([[0.0, 5.0]])])
    assert (moved.maximum, moved.mean) == (1.0, 0.5)
    assert max_sensitivity(heat, [heat, heat * 2]) == 1.0
    assert score_change(1.0, [1.5, 0.8]) == 0.5
    assert np.isnan(max_sensitivity(heat * 0, [heat]))


def test_no_noisy_copy_is_an_error():
    with pytest.raises(UsageError, match="change of the score without a noisy copy"):
        score_change(1.0, [])
    with pytest.raises(UsageError, match="max-sensitivity without a noisy copy"):
        sensitivity(torch.ones(1, 2), [])


@given(st.floats(0.01, 100), st.integers(0, 50))
def test_sensitivity_has_no_units(scale, seed):
    heat, other = noise(4, 4, seed=seed), noise(4, 4, seed=seed + 1)
    one, two = max_sensitivity(heat, [other]), max_sensitivity(heat * scale, [other * scale])
    assert two == pytest.approx(one, rel=1e-4)


@pytest.mark.parametrize("name", list(VIEWS))
@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5)])
def test_a_view_is_its_own_inverse(name, shape):
    image = noise(*shape)
    assert torch.equal(view(view(image, name), name), image)
    assert not torch.equal(view(image, name), image)


def test_views_of_an_equivariant_map_agree_fully():
    image = noise(1, 6, 8)

    def local(x):
        return x[0] ** 2

    def fixed(x):
        return torch.arange(48.0).reshape(6, 8)

    assert view_agreement(
        local(image), {name: local(view(image, name)) for name in VIEWS}
    ) == pytest.approx(1)
    assert view_agreement(fixed(image), {"both": fixed(view(image, "both"))}) == pytest.approx(-1)
    assert view_agreement(
        local(image), {"both": local(view(image, "both"))}, null=0.5
    ) == pytest.approx(1)


def test_seeds():
    a, b = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([3.0, 2.0, 1.0])
    assert seed_agreement([a, a * 5 + 2]) == pytest.approx(1)
    assert seed_agreement([a, a, b]) == pytest.approx((1 - 1 - 1) / 3)
    assert seed_agreement([a, a, torch.zeros(3)]) == pytest.approx(
        1
    )  # pairs with a dead map are left out
    assert np.isnan(seed_agreement([a, torch.zeros(3)]))
    c = torch.tensor([1.0, 3.0, 2.0])
    assert seed_agreement([a, c], null=0.2) == pytest.approx((0.5 - 0.2) / 0.8)


@pytest.mark.parametrize(
    "call",
    [
        lambda: noisy_copies(torch.ones(1, 2, 2), 0),
        lambda: noisy_copies(torch.ones(1, 2, 2), 1, -1),
        lambda: max_sensitivity(torch.ones(2, 2), []),
        lambda: max_sensitivity(torch.ones(2, 2), [torch.ones(1, 2)]),
        lambda: view(torch.ones(2, 2), "diagonal"),
        lambda: seed_agreement([torch.ones(2, 2)]),
        lambda: seed_agreement([torch.ones(2, 2), torch.ones(4)]),
    ],
)
def test_bad_input(call):
    with pytest.raises(UsageError):
        call()


def test_registered():
    for name in ("max_sensitivity", "view_agreement", "seed_agreement"):
        assert METRICS[name].family == "stability"
