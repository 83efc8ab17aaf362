"""Gradients behind global pooling: those of autograd, and of no other kind of head."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from camlucida.attribution.pooled_gradients import find_pooling
from tests.support import nets

Head = Callable[[Tensor], Tensor]

LINEAR = nets.seeded(nn.Linear(4, 3)).double().requires_grad_(False)
SECOND = nets.seeded(nn.Linear(3, 2), seed=1).double().requires_grad_(False)
NORM = nets.seeded(nn.LayerNorm(4), seed=2).double().requires_grad_(False)
KERNEL = LINEAR.weight[:, :, None, None]
MASK = torch.arange(30.0).reshape(5, 6).double()


def activations(*grid: int) -> Tensor:
    return nets.images(2, 4, *grid).double().requires_grad_()


def in_place(x: Tensor) -> Tensor:
    return LINEAR(F.relu(x.clone(), inplace=True).mean((2, 3)))


POOLED_AND_LINEAR: dict[str, Head] = {
    "module": lambda x: LINEAR(F.adaptive_avg_pool2d(x, 1).flatten(1)),
    "mean": lambda x: LINEAR(x.mean((2, 3))),
    "mean by negative axes": lambda x: LINEAR(x.mean((-1, -2), keepdim=True).squeeze(3).squeeze(2)),
    "flattened": lambda x: LINEAR(x.flatten(2).mean(-1)),
    "one window": lambda x: LINEAR(F.avg_pool2d(x, (5, 6)).flatten(1)),
    "ReLU": lambda x: LINEAR(x.relu().mean((2, 3))),
    "ReLU in place": in_place,
    "ReLU of channels last": lambda x: LINEAR(x.permute(0, 2, 3, 1).relu().mean((1, 2))),
    "dropout": lambda x: LINEAR(F.dropout(x.mean((2, 3)), training=False)),
    "no bias": lambda x: x.mean((2, 3)) @ LINEAR.weight.mT,
}
OTHER = nets.images(2, 3, 4, seed=3).double()
"""Tokens beside the cells, as a class token and registers."""


def tokens(x: Tensor, before: int = 0, behind: int = 0) -> Tensor:
    """(2, N, 4), of images and channels, with constant tokens beside the cells."""
    cells = x.flatten(2).transpose(1, 2)
    return torch.cat([OTHER[:, :before], cells, OTHER[:, 3 - behind :]], 1)


POOLED_AND_LINEAR |= {
    "tokens": lambda x: LINEAR(tokens(x).mean(1)),
    "tokens of channels last": lambda x: LINEAR(tokens(x).permute(0, 2, 1).contiguous().mean(-1)),
    "tokens behind others": lambda x: LINEAR(tokens(x, 2)[:, 2:].mean(1)),
    "tokens between others": lambda x: LINEAR(tokens(x, 1, 2)[:, 1:-2].mean(1)),
    "tokens with others": lambda x: LINEAR(tokens(x, 1, 2).mean(1)),
    "tokens with some of the others": lambda x: LINEAR(tokens(x, 2, 1)[:, 1:].mean(1)),
}
POOLED: dict[str, Head] = {
    "norm behind tokens": lambda x: LINEAR(NORM(tokens(x, 1)[:, 1:].mean(1))),
    "sum": lambda x: LINEAR(x.sum((2, 3)) / 7),
    "two linear layers": lambda x: SECOND(LINEAR(x.mean((2, 3))).relu()),
    "norm behind": lambda x: LINEAR(NORM(x.mean((2, 3)))),
    "temperature": lambda x: LINEAR(x.mean((2, 3))) / 2.5,
    "softmax": lambda x: LINEAR(x.mean((2, 3))).softmax(1),
    "1 × 1 convolution": lambda x: F.conv2d(x.mean((2, 3), keepdim=True), KERNEL).flatten(1),
    "images mixed": lambda x: LINEAR(x.mean((2, 3)).flip(0)),
    "labels transposed": lambda x: LINEAR(x.mean((2, 3))).mT.reshape(2, 3),
}
OTHERS: dict[str, Head] = {
    "mask": lambda x: LINEAR((x * MASK).mean((2, 3))),
    "part of the grid": lambda x: LINEAR(x[:, :, 1:].mean((2, 3))),
    "average and maximum": lambda x: LINEAR(x.mean((2, 3)) + x.amax((2, 3))),
    "residual around": lambda x: LINEAR(x.mean((2, 3))) + LINEAR(x[:, :, 0, 0]),
    "norm in between": lambda x: LINEAR(NORM(x.permute(0, 2, 3, 1)).mean((1, 2))),
    "another activation": lambda x: LINEAR(F.silu(x).mean((2, 3))),
    "twice": lambda x: LINEAR((x + x).mean((2, 3))),
    "one axis after the other": lambda x: LINEAR(x.mean(3).mean(2)),
    "class token": lambda x: LINEAR(tokens(x, 1)[:, 0] + tokens(x).mean(1)),
    "part of the tokens": lambda x: LINEAR(tokens(x, 1)[:, 2:].mean(1)),
    "every other token": lambda x: LINEAR(tokens(x)[:, ::2].mean(1)),
    "part of the channels": lambda x: SECOND(tokens(x)[..., 1:].mean(1)),
    "mean over channels": lambda x: tokens(x, 1).mean(2),
    "tokens with themselves": lambda x: LINEAR(torch.cat([tokens(x), tokens(x)], 1).mean(1)),
    "norm of tokens": lambda x: LINEAR(NORM(tokens(x, 1)).mean(1)),
    "another view": lambda x: LINEAR(x.reshape(2, 30, 4).mean(1)),
    "capsules": lambda x: LINEAR(
        x.unflatten(1, (2, 2)).permute(0, 3, 4, 1, 2).flatten(3).mean((1, 2))
    ),
    "dense": lambda x: F.conv2d(x, KERNEL),
    "overwritten": lambda x: _overwritten(x),
}


def _overwritten(x: Tensor) -> Tensor:
    positive = x.relu()
    logits = LINEAR(positive.mean((2, 3)))
    positive.mul_(2)
    return logits


def check(head: Head, leaf: Tensor, linear: bool) -> None:
    logits = head(leaf)
    pooling = find_pooling(logits, leaf)
    assert pooling is not None
    assert (pooling.weights is not None) == linear
    by_logits = [nets.images(*logits.shape, seed=seed).double() for seed in range(3)]
    for gradient, given in zip(pooling.gradients(by_logits), by_logits, strict=True):
        (expected,) = torch.autograd.grad(logits, leaf, given, retain_graph=True)
        torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("head", POOLED_AND_LINEAR.values(), ids=list(POOLED_AND_LINEAR))
def test_behind_a_linear_head_no_backward_pass_is_needed(head: Head) -> None:
    check(head, activations(5, 6), linear=True)


@pytest.mark.parametrize("head", POOLED.values(), ids=list(POOLED))
def test_behind_any_other_head_autograd_ends_at_the_mean(head: Head) -> None:
    check(head, activations(5, 6), linear=False)


def test_an_image_that_lies_pixel_by_pixel_is_pooled_too() -> None:
    last = activations(5, 6).detach().to(memory_format=torch.channels_last).requires_grad_()
    check(lambda x: LINEAR(F.adaptive_avg_pool2d(x, 1).flatten(1)), last, True)


def test_a_volume_is_pooled_too() -> None:
    check(lambda x: LINEAR(F.adaptive_avg_pool3d(x, 1).flatten(1)), activations(3, 4, 2), True)
    check(lambda x: LINEAR(F.avg_pool3d(x, (3, 4, 2)).flatten(1)), activations(3, 4, 2), True)


@pytest.mark.parametrize("head", OTHERS.values(), ids=list(OTHERS))
def test_a_head_that_only_looks_pooled_is_left_to_autograd(head: Head) -> None:
    leaf = activations(5, 6)
    assert find_pooling(head(leaf), leaf) is None


def test_many_tokens_in_half_precision_are_where_they_are() -> None:
    """Numbers from 257 on have no value of their own in bfloat16."""
    leaf = nets.images(1, 2, 20, 20).bfloat16().requires_grad_()
    others = torch.zeros(1, 301, 2, dtype=torch.bfloat16)
    whole = torch.cat([others, leaf.flatten(2).mT], 1)
    pooling = find_pooling(whole[:, 301:].mean(1), leaf)
    assert pooling is not None
    assert pooling.share == 1 / 400
    assert find_pooling(whole[:, 302:].mean(1), leaf) is None


def test_as_many_cells_as_channels_are_not_confused() -> None:
    leaf = activations(2, 2)
    assert find_pooling(leaf.reshape(2, 4, 4).mean(1), leaf) is None
    check(lambda x: x.reshape(2, 4, 4).mean(2), leaf, linear=False)


def test_a_layer_inside_a_graph_is_found_by_its_node() -> None:
    before = activations(5, 6)
    check(lambda x: LINEAR(x.mean((2, 3))), before.relu(), linear=True)


def test_logits_without_the_layer_have_no_pooling() -> None:
    other = activations(5, 6)
    assert find_pooling(LINEAR(other.mean((2, 3))), activations(5, 6)) is None
    assert find_pooling(torch.ones(2, 3), other) is None


def test_half_precision_is_computed_in_single() -> None:
    leaf = nets.images(2, 4, 5, 6).bfloat16().requires_grad_()
    head = nets.seeded(nn.Linear(4, 3)).bfloat16().requires_grad_(False)
    pooling = find_pooling(head(leaf.mean((2, 3))), leaf)
    assert pooling is not None
    gradient = next(pooling.gradients([torch.eye(3, dtype=torch.bfloat16)[:2]]))
    assert gradient.dtype == torch.float32
    expected = head.weight[:2].float()[:, :, None, None].expand(2, 4, 5, 6) / 30
    torch.testing.assert_close(gradient, expected)


def test_a_mean_over_the_images_too_has_no_closed_form():
    layer = torch.rand(2, 3, 4, 4, requires_grad=True)
    logits = torch.zeros(2, 3) + layer.mean(dim=None, keepdim=True).reshape(1, 1)
    assert find_pooling(logits, layer) is None
