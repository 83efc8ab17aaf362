"""Altered images in the order of memory that convolutions prefer: the same numbers."""

import pytest
import torch
from torch import Tensor, nn

from camlucida import explain
from camlucida.attribution.memory_order import channels_last, in_fastest_order
from camlucida.core.errors import CamlucidaError
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
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.head = nn.Linear(4 * 16, 2)
        self.orders: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.orders.append(x.is_contiguous())
        features = self.features(x)
        return self.head(features.view(len(x), -1))


def test_a_model_that_needs_the_usual_order_gets_it() -> None:
    net, images = nets.seeded(Flattens()), nets.images(1, 3, 6, 6)
    explain(net, images.repeat(2, 1, 1, 1), 0, "gradcam", "features")  # what is found out once
    net.orders.clear()
    (first,) = explain(net, images, 0, "scorecam", "features")
    assert net.orders == [True, False, True]  # the image; masked images in both orders
    net.orders.clear()
    (again,) = explain(net, images, 0, "scorecam", "features")
    assert net.orders == [True, True]
    assert torch.equal(first.raw, again.raw)


class ReadsMemory(nn.Module):
    """Cuts patches by strides of its own, which are right for one order alone."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(27, 2)

    def forward(self, x: Tensor) -> Tensor:
        patches = x.as_strided((len(x), 2, 2, 3, 3, 3), (108, 18, 3, 36, 6, 1))
        return self.head(patches.flatten(3)).square().mean((1, 2))


def test_a_model_that_gives_other_numbers_in_the_fastest_order_gets_the_usual_one() -> None:
    net, images = nets.seeded(ReadsMemory()), nets.images(4, 3, 6, 6)
    with torch.no_grad():
        assert not torch.allclose(net(channels_last(images)), net(images), rtol=1e-2)
        for _ in range(2):
            assert torch.equal(in_fastest_order(net, images, net), net(images))


def test_an_error_of_its_own_is_the_models() -> None:
    def fails(images: Tensor) -> Tensor:
        raise CamlucidaError("broken on purpose")

    with pytest.raises(CamlucidaError, match="broken on purpose"):
        in_fastest_order(nn.Identity(), nets.images(1, 3, 4, 4), fails)
