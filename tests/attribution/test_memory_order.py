"""Altered images in the order of memory that convolutions prefer: the same numbers."""

import pytest
import torch
from torch import Tensor, nn

from camlucida import explain
from camlucida.attribution.memory_order import channels_last, in_fastest_order
from camlucida.core.errors import CamlucidaError
from camlucida.models.state import frozen
from tests.support import nets


@pytest.mark.parametrize("channels", [1, 3])
def test_the_numbers_are_the_same_and_convolutions_keep_the_order(channels: int) -> None:
    images = nets.images(2, channels, 6, 5)
    ordered = channels_last(images)
    assert torch.equal(ordered, images)
    convolved = nn.Conv2d(channels, 4, 3)(ordered)
    assert convolved.is_contiguous(memory_format=torch.channels_last)


def test_signals_and_volumes_stay_as_they_are() -> None:
    for shape in [(2, 3, 8), (2, 1, 4, 4, 4)]:
        images = nets.images(*shape)
        assert channels_last(images) is images


class Flattens(nn.Module):
    """Reads its features by ``view``, which needs them channel by channel."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, 64), nn.ReLU())
        self.head = nn.Linear(4 * 4, 2)
        self.orders: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.orders.append(x.is_contiguous())
        features = self.features(x)
        return self.head(features.view(len(x), -1))


def test_a_model_that_needs_the_usual_order_gets_it() -> None:
    net, images = nets.seeded(Flattens()), nets.images(1, 3, 128, 128)
    (first,) = explain(net, images, 0, "gradcam", "features")
    assert net.orders.count(False) == 1  # it was tried
    net.orders.clear()
    (again,) = explain(net, images, 0, "gradcam", "features")
    assert net.orders == [True]
    assert torch.equal(first.raw, again.raw)


class ReadsMemory(nn.Module):
    """Cuts patches by strides of its own, which are right for one order alone."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 3, 1)
        self.head = nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        _, channels, height, width = x.shape
        strides = (channels * height * width, height * width, width, 1)
        return self.head(self.stem(x).as_strided(x.shape, strides)).square().mean((2, 3))[:, :1]


def test_a_model_that_gives_other_numbers_in_the_fastest_order_gets_the_usual_one() -> None:
    net, images = nets.seeded(ReadsMemory()), nets.images(4, 3, 128, 128)
    images[:, 1] += 3
    with torch.no_grad():
        assert not torch.allclose(net(channels_last(images)), net(images), rtol=1e-2)
        for _ in range(2):
            assert in_fastest_order(net, images, net) is images


def test_an_error_of_its_own_is_the_models() -> None:
    def fails(images: Tensor) -> Tensor:
        raise CamlucidaError("broken on purpose")

    images = nets.images(1, 3, 128, 128)
    assert in_fastest_order(nn.Conv2d(3, 1, 1), images, fails) is images


class Counts(nn.Module):
    """Draws, and counts its passes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        return self.conv(x).mean((2, 3)) + torch.rand(1) + self.passes


def test_trying_leaves_no_trace() -> None:
    net, images = nets.seeded(Counts()), nets.images(2, 3, 128, 128)
    before = torch.get_rng_state()
    with frozen(net):
        in_fastest_order(net, images, net)
    assert torch.equal(torch.get_rng_state(), before)
    assert net.passes == 0


@pytest.mark.parametrize(
    ("net", "count", "ordered"),
    [
        (nn.Conv2d(3, 2, 3), 1, True),
        (nn.Conv2d(3, 1200, 30, 30), 1, False),
        (nn.Conv2d(3, 1200, 30, 30), 2, True),
        (nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(2), nn.Linear(126 * 126, 2)), 1, False),
    ],
)
def test_only_where_the_images_outweigh_the_weights(
    net: nn.Module, count: int, ordered: bool
) -> None:
    images = nets.images(count, 3, 128, 128)
    with torch.no_grad():
        changed = in_fastest_order(net, images, net)
    assert changed.is_contiguous(memory_format=torch.channels_last) is ordered
    assert torch.equal(changed, images)


def test_maps_and_scores_are_those_of_the_usual_order() -> None:
    net, images = nets.seeded(nets.Cnn()).double(), nets.images(2, 3, 128, 128).double()
    explanations = explain(net, images, 1, "gradcam", "features:pre")
    for number, each in enumerate(explanations):
        kept = net.features(net.stem(images[number : number + 1])).detach().requires_grad_()
        score = net.head(kept.relu().mean((2, 3)))[0, 1]
        (gradient,) = torch.autograd.grad(score, [kept])
        raw = (gradient.mean((2, 3), keepdim=True) * kept).sum(1)[0]
        assert abs(each.score - score.item()) < 1e-12
        assert torch.allclose(each.raw, raw.detach(), rtol=0, atol=1e-12)
