"""Gradients behind a convolution of the whole map: those of autograd, and of no other."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from camlucida.attribution import shared_backward
from camlucida.attribution.whole_kernel import find_whole_kernel
from tests.support import nets

Head = Callable[[Tensor], Tensor]

FIRST = nets.seeded(nn.Conv2d(4, 7, (5, 6)), 0).double().requires_grad_(False)
SECOND = nets.seeded(nn.Conv2d(7, 8, 1), 1).double().requires_grad_(False)
LABELS = nets.seeded(nn.Linear(8, 3), 2).double().requires_grad_(False)
SMALL = nets.seeded(nn.Conv2d(4, 7, 3), 3).double().requires_grad_(False)
GROUPED = nets.seeded(nn.Conv2d(4, 4, (5, 6), groups=2), 4).double().requires_grad_(False)
LAST = FIRST.weight.contiguous(memory_format=torch.channels_last)


def behind(x: Tensor) -> Tensor:
    """Layers of a head, on one cell."""
    return LABELS(SECOND(x.relu()).tanh().flatten(1))


HEADS: dict[str, Head] = {
    "layer itself": lambda x: behind(FIRST(x)),
    "convolution alone": lambda x: FIRST(x).flatten(1),
    "channels last": lambda x: behind(F.conv2d(x, LAST)),
    "stride": lambda x: behind(F.conv2d(x, FIRST.weight, FIRST.bias, stride=2)),
    "pooled to one cell": lambda x: behind(F.adaptive_avg_pool2d(FIRST(x), 1)),
    "operations before": lambda x: behind(FIRST(x.sigmoid() + F.max_pool2d(x, 3, 1, 1))),
    "images mixed": lambda x: behind(FIRST(x.flip(0))),
}
OTHERS: dict[str, Head] = {
    "smaller kernel": lambda x: behind(SMALL(x).amax((2, 3), keepdim=True)),
    "groups": lambda x: GROUPED(x).flatten(1),
    "padding": lambda x: F.conv2d(x, FIRST.weight, padding=1, stride=9).flatten(1),
    "way past it": lambda x: behind(FIRST(x)) + x[:, :3, 0, 0],
    "twice": lambda x: behind(FIRST(x)) * FIRST(x)[:, :1, 0, 0],
    "dense": lambda x: FIRST(x),
    "transposed": lambda x: F.conv_transpose2d(x, FIRST.weight.transpose(0, 1)).flatten(1),
    "kernel made of the layer": lambda x: F.conv2d(x, x).flatten(1),
}


def activations() -> Tensor:
    return nets.images(2, 4, 5, 6).double().requires_grad_()


@pytest.mark.parametrize("alone", [0, 4], ids=["together", "alone"])
@pytest.mark.parametrize("head", HEADS.values(), ids=list(HEADS))
def test_gradients_are_those_of_autograd(head: Head, alone: int, monkeypatch) -> None:
    monkeypatch.setattr(shared_backward, "ONE_BY_ONE", alone)
    leaf = activations()
    logits = head(leaf)
    way = find_whole_kernel(logits, leaf)
    assert way is not None
    by_logits = [nets.images(*logits.shape, seed=seed).double() for seed in range(3)]
    for gradient, given in zip(way.gradients(by_logits), by_logits, strict=True):
        (expected,) = torch.autograd.grad(logits, leaf, given, retain_graph=True)
        torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("head", OTHERS.values(), ids=list(OTHERS))
def test_any_other_head_is_left_to_autograd(head: Head) -> None:
    leaf = activations()
    assert find_whole_kernel(head(leaf), leaf) is None


def test_a_layer_behind_the_convolution_is_left_to_autograd() -> None:
    made = FIRST(activations())
    assert find_whole_kernel(behind(made), made) is None


def test_a_volume_has_a_whole_kernel_too() -> None:
    leaf = nets.images(1, 2, 3, 4, 2).double().requires_grad_()
    logits = F.conv3d(leaf, nets.images(5, 2, 3, 4, 2, seed=1).double()).flatten(1)
    way = find_whole_kernel(logits, leaf)
    assert way is not None
    given = torch.arange(5.0).double()[None]
    (expected,) = torch.autograd.grad(logits, leaf, given, retain_graph=True)
    torch.testing.assert_close(next(way.gradients([given])), expected)


def test_half_precision_stays_it_up_to_the_gradient() -> None:
    leaf = activations().detach().bfloat16().requires_grad_()
    logits = F.conv2d(leaf, FIRST.weight.bfloat16()).flatten(1)
    way = find_whole_kernel(logits, leaf)
    assert way is not None
    gradient = next(way.gradients([torch.eye(7)[:2]]))
    assert gradient.dtype == torch.float32
    torch.testing.assert_close(gradient, FIRST.weight[:2].bfloat16().float())


def test_what_the_model_overwrote_is_left_to_autograd() -> None:
    leaf, weight = activations(), FIRST.weight.clone()
    logits = F.conv2d(leaf, weight).flatten(1)
    weight.mul_(2)
    assert find_whole_kernel(logits, leaf) is None
