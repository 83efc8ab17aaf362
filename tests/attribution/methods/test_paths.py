"""Integrated and expected gradients, of pixels and at a layer, against sums in float64."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from camlucida import explain
from camlucida.attribution.engine import explain_by
from camlucida.attribution.methods import METHODS
from camlucida.attribution.methods.base import Method
from camlucida.attribution.methods.expected_gradients import expected_gradients, flat_references
from camlucida.attribution.methods.layer_expected_gradients import layer_expected_gradients
from tests.support import nets

LAYERED = ["layer_integrated_gradients", "layer_expected_gradients"]


class Smooth(nn.Module):
    """features → tanh → head: no kink, so that a quadrature is exact to rounding."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(2, 4, 3, padding=1)
        self.head = nn.Linear(4 * 20, 3)

    def tail(self, activations: Tensor) -> Tensor:
        return self.head(activations.tanh().flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.features(x))


@pytest.fixture
def smooth() -> tuple[Smooth, Tensor]:
    return nets.seeded(Smooth(), scale=0.1).double(), nets.images(2, 2, 4, 5).double()


def line_sum(score, value: Tensor, reference: Tensor, steps: int = 400) -> Tensor:
    """The integral by the midpoint rule, as in the paper's Eq. 3; value: (1, …)."""
    total = torch.zeros_like(value)
    for step in range(steps):
        leaf = reference + (step + 0.5) / steps * (value - reference)
        leaf.requires_grad_()
        total += torch.autograd.grad(score(leaf), leaf)[0] / steps
    return (total * (value - reference)).sum(1)[0]


def variant(name: str, run) -> Method:
    method = METHODS[name]
    return Method(name, method.title, run, method.kind, False, True, "score", "", "")


def test_expected_gradients_are_the_mean_over_references(smooth: tuple[Smooth, Tensor]) -> None:
    net, images = smooth
    references = nets.images(3, 2, 4, 5, seed=5).double()
    lines = [line_sum(lambda x: net(x)[0, 1], images[:1], x[None]) for x in references]
    run = partial(expected_gradients, references=references)
    (explanation,) = explain_by(net, images[:1], variant("expected_gradients", run), 1)
    torch.testing.assert_close(explanation.raw, torch.stack(lines).mean(0), rtol=1e-5, atol=1e-6)


def test_expected_gradients_add_up(smooth: tuple[Smooth, Tensor]) -> None:
    net, images = smooth
    for image, explanation in zip(images, explain(net, images, 2, "expected_gradients")):
        flat = flat_references(image[None])
        difference = (net(image[None])[0, 2] - net(flat)[:, 2].mean()).detach()
        assert float(explanation.raw.sum()) == pytest.approx(float(difference), rel=1e-6)
        assert not explanation.scan.warnings


def test_expected_gradients_see_a_black_pixel() -> None:
    """Integrated gradients from black give it nothing, whatever it means."""
    net = nn.Sequential(nn.AvgPool2d(4), nn.Flatten())
    image = torch.ones(1, 1, 4, 4)
    image[..., :2] = 0
    pair = explain(net, image, 0, ["integrated_gradients", "expected_gradients"])
    assert [float(e.raw[0, 0]) for e in pair] == pytest.approx([0, -0.5 / 16])


def test_flat_references_are_levels_of_each_channel() -> None:
    image = torch.stack([torch.arange(64.0), torch.arange(64.0) * 10]).reshape(1, 2, 8, 8)
    flat = flat_references(image)
    assert flat.shape == (4, 2, 8, 8)
    assert (flat == flat[..., :1, :1]).all()
    torch.testing.assert_close(flat[:, 1], 10 * flat[:, 0])
    expected = np.quantile(np.arange(64), (np.arange(4) + 0.5) / 4)
    assert np.abs(flat[:, 0, 0, 0].numpy() - expected).max() <= 0.5


def test_layer_integrated_gradients_by_a_fine_sum(smooth: tuple[Smooth, Tensor]) -> None:
    net, images = smooth
    with torch.no_grad():
        activations, begin = net.features(images[:1]), net.features(images[:1] * 0)
    expected = line_sum(lambda a: net.tail(a)[0, 1], activations, begin)
    (explanation,) = explain(net, images[:1], 1, LAYERED[0], "features:pre")
    torch.testing.assert_close(explanation.raw, expected, rtol=1e-5, atol=1e-6)
    difference = (net.tail(activations) - net.tail(begin))[0, 1].detach()
    assert float(explanation.raw.sum()) == pytest.approx(float(difference), rel=1e-6)
    assert explanation.provenance["replay"] == "tail"


def test_layer_expected_gradients_by_a_fine_sum(smooth: tuple[Smooth, Tensor]) -> None:
    net, images = smooth
    references = nets.images(2, 2, 4, 5, seed=5).double()
    with torch.no_grad():
        activations, begins = net.features(images[:1]), net.features(references)
    lines = [line_sum(lambda a: net.tail(a)[0, 1], activations, x[None]) for x in begins]
    run = partial(layer_expected_gradients, references=references)
    (explanation,) = explain_by(net, images[:1], variant(LAYERED[1], run), 1, "features:pre")
    torch.testing.assert_close(explanation.raw, torch.stack(lines).mean(0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LAYERED)
def test_behind_a_linear_head_they_are_hirescam_less_the_references(name: str) -> None:
    net, image = nets.seeded(nets.Cnn()).double(), nets.images(1, 3, 9, 7).double()
    pair = explain(net, image, 1, ["hirescam", name], "act")
    zero = flat_references(image) if "expected" in name else image * 0
    begin = torch.stack([e.raw for e in explain(net, zero, 1, "hirescam", "act")])
    torch.testing.assert_close(pair[1].raw, pair[0].raw - begin.mean(0))


def test_what_goes_round_the_layer_stays_as_it_is_for_the_image() -> None:
    class Round(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Conv2d(1, 1, 1)

        def forward(self, x: Tensor) -> Tensor:
            return (self.features(x) * x).mean((2, 3))

    net, image = nets.seeded(Round()).double(), nets.images(1, 1, 3, 3).double()
    (e,) = explain(net, image, "output+", LAYERED[0], "features:pre", task="regression")
    weight, x = net.features.weight.item(), image[0, 0]
    torch.testing.assert_close(e.raw, weight * x * x / 9)
    assert not e.scan.warnings


def test_a_model_without_weights_behind_the_layer_is_replayed_in_both_its_passes() -> None:
    """Its output is read twice, to see whether it ends in an activation."""
    net = nn.Sequential(nn.Identity(), nn.AvgPool2d(2), nn.Flatten())
    image = torch.tensor([[[[1.0, 1.0], [3.0, 3.0]]]])
    (explanation,) = explain(net, image, 0, LAYERED[0], "0")
    torch.testing.assert_close(explanation.raw, image[0, 0] / 4)


def test_a_region_of_a_segmentation_and_a_batch_of_two() -> None:
    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Conv2d(1, 3, 3, padding=1)
            self.head = nn.Conv2d(3, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.features(x).relu())

    net, images = nets.seeded(Dense()), nets.images(2, 1, 8, 8)
    both = explain(net, images, 1, LAYERED, "features", task="segmentation")
    for i in range(2):
        alone = explain(net, images[i : i + 1], 1, LAYERED, "features", task="segmentation")
        for batch, single in zip(both[2 * i : 2 * i + 2], alone):
            torch.testing.assert_close(batch.raw, single.raw)
            assert batch.raw.abs().max() > 0
