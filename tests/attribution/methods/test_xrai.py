"""XRAI, against its Algorithm 1 written as a loop over masks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from camlucida import explain
from camlucida.attribution.methods import xrai
from camlucida.core.errors import NoEvidenceError
from tests.support import nets


def by_masks(attribution: np.ndarray, masks: np.ndarray, least: int) -> np.ndarray:
    """The paper's loop: of all segments the one with the greatest gain a pixel, again and again."""
    result = np.full(attribution.shape, np.nan)
    covered = np.zeros(attribution.shape, bool)
    while True:
        added = [mask & ~covered for mask in masks]
        gains = [attribution[each].mean() if each.sum() >= least else -np.inf for each in added]
        best = int(np.argmax(gains))
        if gains[best] == -np.inf:
            break
        result[added[best]] = gains[best]
        covered |= masks[best]
    result[~covered] = attribution[~covered].mean() if (~covered).any() else 0
    return result


@given(st.integers(0, 10_000), st.integers(1, 8))
@settings(max_examples=30, deadline=None)
def test_ranked_regions_are_those_of_the_loop(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    attribution, masks = rng.normal(size=(9, 7)), rng.random((count, 9, 7)) < 0.3
    ranked = xrai.ranked_regions(attribution, masks)
    np.testing.assert_allclose(ranked, by_masks(attribution, masks, 1), atol=1e-9)
    assert ranked.sum() == pytest.approx(attribution.sum(), abs=1e-9)


def test_segments_that_add_little_are_passed_over() -> None:
    """Of a map of 224 × 224 cells fifty at least: forty-nine bright ones are no region."""
    attribution, masks = np.zeros((224, 224)), np.zeros((2, 224, 224), bool)
    masks[0, 0, :49] = masks[1, 0, :50] = True
    attribution[0, :49] = 1
    ranked = xrai.ranked_regions(attribution, masks)
    np.testing.assert_allclose(ranked[0, :50], 49 / 50)
    assert not ranked[1:].any()


@pytest.fixture(scope="module")
def halves() -> Tensor:
    """A dark and a bright half, with a little noise."""
    image = 0.02 * nets.images(1, 1, 48, 40)
    image[..., 20:] += 1
    return image


def test_segments_of_two_halves(halves: Tensor) -> None:
    masks = xrai.segments(halves[0].numpy(), [48, 40])
    for half in (np.arange(40) < 20, np.arange(40) >= 20):
        overlaps = [(mask & half).sum() / (mask | half).sum() for mask in masks]
        assert max(overlaps) > 0.95
    assert xrai.segments(np.ones((1, 8, 8), np.float32), [8, 8]).all()


def test_xrai_lights_the_half_that_counts_and_adds_up(halves: Tensor) -> None:
    class Half(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            bright, dark = x[..., 20:].mean((2, 3)), x[..., :20].mean((2, 3))
            return torch.cat([bright + bright * dark, -dark], 1)

    first, second = explain(Half(), halves, [0, 1], "xrai")
    assert first.grid == (48, 40)
    assert first.raw[:, 22:].min() > first.raw[:, :18].max()
    for explanation, label in ((first, 0), (second, 1)):
        flat = torch.stack([torch.full_like(halves[0], float(v)) for v in halves.aminmax()])
        difference = Half()(halves)[0, label] - Half()(flat)[:, label].mean()
        assert float(explanation.raw.sum()) == pytest.approx(float(difference), abs=1e-4)
        assert not explanation.scan.warnings


def test_a_large_image_is_ranked_on_224_cells() -> None:
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    (explanation,) = explain(net, torch.rand(1, 1, 300, 100), 0, "xrai")
    assert explanation.grid == (224, 100)


def test_a_volume_is_refused() -> None:
    net = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten())
    with pytest.raises(NoEvidenceError, match="segments images of two axes"):
        explain(net, torch.rand(1, 1, 4, 4, 4), 0, "xrai")
