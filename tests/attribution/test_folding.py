"""Folded batch normalisation: the same numbers, and the model as it was."""

import copy

import pytest
import torch
from torch import Tensor, nn

from camlucida import explain
from camlucida.attribution.altered_runs import AlteredRuns
from camlucida.attribution.folding import Foldable, fold, folded
from camlucida.models.state import frozen
from tests.support import nets


def with_statistics(net: nn.Module) -> nn.Module:
    """In double precision, with weights and running statistics that are not those of the start."""
    nets.seeded(net.double())
    for number, module in enumerate(net.modules()):
        if getattr(module, "running_mean", None) is not None:
            generator = torch.Generator().manual_seed(number)
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return net


CONVOLUTIONS = [
    (nn.Conv1d(3, 4, 3, padding=1), nn.BatchNorm1d(4)),
    (nn.Conv2d(3, 4, 3, stride=2, padding=2, padding_mode="reflect"), nn.BatchNorm2d(4)),
    (nn.Conv2d(3, 6, 3, groups=3, bias=False), nn.BatchNorm2d(6, affine=False)),
    (nn.Conv3d(3, 4, 2, dilation=2, bias=False), nn.BatchNorm3d(4, eps=0.1)),
]


@pytest.mark.parametrize("pair", CONVOLUTIONS, ids=lambda pair: repr(pair[0]))
def test_one_convolution_gives_what_both_give(pair: tuple[nn.Module, nn.Module]) -> None:
    net = with_statistics(nn.Sequential(*copy.deepcopy(pair)))
    images = nets.images(2, 3, *[7] * (net[0].weight.ndim - 2)).double()
    with torch.no_grad():
        expected, before = net(images), net[0](images)
        with folded([fold(*net)]):
            torch.testing.assert_close(net[0](images), expected, rtol=1e-12, atol=1e-12)
            assert torch.equal(net[0](images), net(images))
        assert torch.equal(net[0](images), before)
        assert torch.equal(net(images), expected)


def found(net: nn.Module, images: Tensor) -> list[tuple[nn.Module, nn.Module]]:
    foldable = Foldable(net)
    with torch.no_grad(), foldable.watching():
        net(images)
    assert not any(module._forward_hooks for module in net.modules())
    return [(each.convolution, each.norm) for each in foldable.folds()]


class Net(nn.Module):
    """Convolution and normalisation, then what a test changes."""

    def __init__(self, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4) if norm is None else norm
        self.head = nn.Linear(4, 2)

    def features(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).relu()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))


class Twice(Net):
    def features(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) + self.norm(self.conv(-x))


class Beside(Net):
    def features(self, x: Tensor) -> Tensor:
        before = self.conv(x)
        return self.norm(before) + torch.cat([before[:, :2], before[:, 2:]], 1)


class InPlace(Net):
    def features(self, x: Tensor) -> Tensor:
        before = self.conv(x)
        before.mul_(2)
        return self.norm(before)


class Sizes(Net):
    def features(self, x: Tensor) -> Tensor:
        before = self.conv(x)
        assert before.shape[1] == before.size(1) == 4
        return self.norm(before)


class Doubled(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 2


@pytest.mark.parametrize("kind", [Net, Sizes])
def test_a_pair_is_found(kind: type[Net]) -> None:
    net = with_statistics(kind())
    assert found(net, nets.images(2, 3, 6, 6).double()) == [(net.conv, net.norm)]


NOT_FOLDED = {
    "shared": Twice(),
    "another use": Beside(),
    "changed in place": InPlace(),
    "another class": Net(Doubled(4)),
    "statistics of the batch": Net(nn.BatchNorm2d(4, track_running_stats=False)),
    "another norm": Net(nn.InstanceNorm2d(4)),
    "no norm": Net(nn.Identity()),
}


@pytest.mark.parametrize("net", NOT_FOLDED.values(), ids=list(NOT_FOLDED))
def test_anything_else_is_no_pair(net: Net) -> None:
    assert found(with_statistics(net), nets.images(2, 3, 6, 6).double()) == []


def test_a_hook_of_the_users_is_no_pair() -> None:
    net = with_statistics(Net())
    net.norm.register_forward_hook(lambda module, args, output: output * 2)
    foldable = Foldable(net)
    with torch.no_grad(), foldable.watching():
        net(nets.images(1, 3, 6, 6).double())
    assert foldable.folds() == []


def test_half_precision_is_left_as_it_is() -> None:
    net, images = with_statistics(Net()).float(), nets.images(2, 3, 6, 6)
    assert len(found(net, images)) == 1
    with torch.autocast("cpu", torch.bfloat16):
        assert found(net, images) == []
    assert found(net.bfloat16(), images.bfloat16()) == []


def test_later_batches_run_folded_with_the_same_logits() -> None:
    net = with_statistics(Net())
    seen: list[Tensor] = []
    weights = dict(net.named_parameters())
    net.head.register_forward_pre_hook(lambda module, args: seen.append(net.conv.weight))
    images = nets.images(6, 3, 6, 6).double()
    with frozen(net):
        runs = AlteredRuns(net)
        parts = [runs.logits(part, net) for part in images.split(2)]
        is_changed = [weight is not weights["conv.weight"] for weight in seen]
    expected = net(images)
    torch.testing.assert_close(torch.cat(parts), expected, rtol=1e-12, atol=1e-12)
    # Both orders of memory, then the check of the folded weights, and two batches with them.
    assert is_changed == [False, False, False, True, True, True][-len(is_changed) :]
    assert is_changed[-3:] == [True, True, True]
    assert all(new is weights[name] for name, new in net.named_parameters())


class Standardised(nn.Conv2d):
    """Divides its weights by their deviation, so that their scale is without effect."""

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight / self.weight.std(), self.bias)


def test_where_logits_would_differ_nothing_is_folded() -> None:
    net = Net()
    net.conv = Standardised(3, 4, 3)
    with_statistics(net)
    images = nets.images(6, 3, 6, 6).double()
    assert len(found(net, images)) == 1
    with frozen(net):
        runs = AlteredRuns(net)
        parts = [runs.logits(part, net) for part in images.split(2)]
    torch.testing.assert_close(torch.cat(parts), net(images), rtol=1e-12, atol=1e-12)


def test_folded_weights_are_checked_again_only_where_they_changed() -> None:
    net, images = with_statistics(Net()), nets.images(6, 3, 6, 6).double()
    net.head.weight.data *= 0.5

    def count_of_images() -> int:
        seen: list[int] = []
        handle = net.head.register_forward_pre_hook(lambda module, args: seen.append(len(args[0])))
        with frozen(net):
            runs = AlteredRuns(net)
            parts = [runs.logits(part, net) for part in images.split(2)]
        handle.remove()
        torch.testing.assert_close(torch.cat(parts), net(images), rtol=1e-12, atol=1e-12)
        return sum(seen)

    count_of_images()
    assert count_of_images() == 6
    net.norm.running_var *= 2
    assert count_of_images() == 7
    net.conv.weight.data[0] *= -1
    assert count_of_images() == 7
    assert count_of_images() == 6


def test_score_cam_is_that_of_the_model_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    net, images = with_statistics(Net()), nets.images(1, 3, 9, 9).double()
    net.conv = nn.Conv2d(3, 20, 3).double()
    net.norm = nn.BatchNorm2d(20).double()
    net.head = nn.Linear(20, 2).double()
    with_statistics(net)
    (fast,) = explain(net, images, 0, "scorecam", "norm")
    monkeypatch.setattr(AlteredRuns, "logits", lambda self, images, run: run(images))
    (plain,) = explain(net, images, 0, "scorecam", "norm")
    assert plain.raw.any()
    torch.testing.assert_close(fast.raw, plain.raw, rtol=1e-10, atol=1e-12)
