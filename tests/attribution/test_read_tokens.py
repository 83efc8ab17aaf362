"""Gradients by few tokens: those of autograd, and of no head that reads them all."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from camlucida.attribution.read_tokens import find_read_tokens
from tests.support import nets

WIDTH, HEADS, TOKENS = 8, 2, 7
Head = Callable[[Tensor], Tensor]
Attention = Callable[[Tensor], Tensor]


def linear(given: int, made: int, seed: int, bias: bool = True) -> nn.Module:
    return nets.seeded(nn.Linear(given, made, bias), seed).double().requires_grad_(False)


QKV, OUT = linear(WIDTH, 3 * WIDTH, 0), linear(WIDTH, WIDTH, 1)
QUERY, KEY, VALUE = (linear(WIDTH, WIDTH, seed, bias=False) for seed in (2, 3, 4))
UP, DOWN, LABELS = linear(WIDTH, 20, 5), linear(20, WIDTH, 6), linear(WIDTH, 3, 7)
NORM = nets.seeded(nn.LayerNorm(WIDTH), 8).double().requires_grad_(False)
OF_HEAD = nets.seeded(nn.LayerNorm(WIDTH // HEADS), 9).double().requires_grad_(False)
MODULE = nets.seeded(nn.MultiheadAttention(WIDTH, HEADS, batch_first=True), 10)
MODULE = MODULE.double().eval().requires_grad_(False)


def by_heads(x: Tensor) -> Tensor:
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def joined(x: Tensor) -> Tensor:
    return OUT(x.transpose(1, 2).flatten(2))


def one_projection(x: Tensor, **options: object) -> Tensor:
    qkv = QKV(x).reshape(*x.shape[:2], 3, HEADS, -1).permute(2, 0, 3, 1, 4)
    return joined(F.scaled_dot_product_attention(*qkv.unbind(0), **options))


def three_projections(x: Tensor) -> Tensor:
    parts = (by_heads(part(x)) for part in (QUERY, KEY, VALUE))
    return joined(F.scaled_dot_product_attention(*parts, scale=0.3))


def normalised_keys(x: Tensor) -> Tensor:
    q, k, v = (by_heads(part(x)) for part in (QUERY, KEY, VALUE))
    return joined(F.scaled_dot_product_attention(OF_HEAD(q), OF_HEAD(k), v))


def of_module(x: Tensor) -> Tensor:
    return MODULE(x, x, x, need_weights=False)[0]


def values_twice(x: Tensor) -> Tensor:
    q, k, v = (by_heads(part(x)) for part in (QUERY, KEY, VALUE))
    return joined(F.scaled_dot_product_attention(q, k, v) + v)


def values_are_tokens(x: Tensor) -> Tensor:
    return joined(F.scaled_dot_product_attention(*(by_heads(x) for _ in range(3))))


def few_queries(x: Tensor) -> Tensor:
    q, k, v = by_heads(QUERY(x[:, :4])), by_heads(KEY(x)), by_heads(VALUE(x))
    return joined(F.scaled_dot_product_attention(q, k, v))


ATTENTIONS: dict[str, Attention] = {
    "one projection": one_projection,
    "three projections": three_projections,
    "module": of_module,
    "keys normalised": normalised_keys,
    "values taken twice": values_twice,
    "tokens themselves": values_are_tokens,
}


def block(x: Tensor, attention: Attention = one_projection) -> Tensor:
    """Everything by which a token is changed by itself, at once."""
    x = x + 0.7 * attention(NORM(x))
    y = F.gelu(UP(NORM(x)))
    return x + DOWN(y * (1.7 * y).sigmoid())


HEADS_OF_FEW: dict[str, Head] = {
    "class token": lambda x: LABELS(x[:, 0]),
    "its norm": lambda x: LABELS(NORM(x)[:, 0]),
    "norm behind": lambda x: LABELS(NORM(x[:, 0])),
    "last token": lambda x: LABELS(x[:, -1, :]),
    "slice": lambda x: LABELS(x[:, :1].flatten(1)),
    "every third": lambda x: LABELS(x[:, 1::3].mean(1)),
    "two tokens": lambda x: (LABELS(x[:, 0]) + LABELS(x[:, 1]).tanh()) / 2,
    "tokens first": lambda x: LABELS(x.transpose(0, 1)[0]),
    "cosine": lambda x: F.normalize(x[:, 0], dim=1) @ LABELS.weight.mT,
    "layers": lambda x: LABELS(DOWN(UP(x[:, 0]).tanh())),
    "images mixed": lambda x: LABELS(x[:, 0].flip(0)),
}
OTHER_HEADS: dict[str, Head] = {
    "mean": lambda x: LABELS(x.mean(1)),
    "class token and mean": lambda x: LABELS(x[:, 0] + x[:, 1:].mean(1)),
    "most tokens": lambda x: LABELS(x[:, 1:].mean(1)),
    "half of the channels": lambda x: x.flatten(1)[:, :3],
    "tokens mixed": lambda x: LABELS(x.cumsum(1)[:, 0]),
    "behind another": lambda x: LABELS(x[:, :2].cumsum(1)[:, 0] + x[:, 1]),
    "volume": lambda x: x[:, :, None, None],
}


def with_class_token(x: Tensor) -> Tensor:
    """Class attention as of XCiT: the class token alone asks, the others go past it."""
    q, k, v = by_heads(QUERY(x[:, :1])), by_heads(KEY(x)), by_heads(VALUE(x))
    read = joined(F.scaled_dot_product_attention(q, k, v))
    return torch.cat([read, x[:, 1:]], 1)


def factorised(x: Tensor) -> Tensor:
    """As of CoaT: keys and values are multiplied first; the class token has no position."""
    q, k, v = (by_heads(part(x)) for part in (QUERY, KEY, VALUE))
    position = F.pad(v[:, :, 1:].tanh(), (0, 0, 1, 0))
    return joined(q @ (k.softmax(2).mT @ v) + q * position)


ATTENTIONS |= {
    "class token alone": with_class_token,
    "factorised": factorised,
    "mask": lambda x: one_projection(x, attn_mask=torch.ones(TOKENS, TOKENS).double()),
    "causal": lambda x: one_projection(x, is_causal=True),
    "step by step": lambda x: OUT((QUERY(x) @ KEY(x).mT).softmax(-1) @ VALUE(x)),
    "none": OUT,
}


def tokens(images: int = 2) -> Tensor:
    return nets.images(images, TOKENS, WIDTH).double().requires_grad_()


def check(logits: Tensor, leaf: Tensor) -> None:
    way = find_read_tokens(logits, leaf)
    assert way is not None
    by_logits = [nets.images(*logits.shape, seed=seed).double() for seed in range(3)]
    for gradient, given in zip(way.gradients(by_logits), by_logits, strict=True):
        (expected,) = torch.autograd.grad(logits, leaf, given, retain_graph=True)
        torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("head", HEADS_OF_FEW.values(), ids=list(HEADS_OF_FEW))
def test_gradients_are_those_of_autograd_whatever_the_head_makes_of_few(head, images) -> None:
    leaf = tokens(images)
    check(head(block(leaf)), leaf)


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("attention", ATTENTIONS.values(), ids=list(ATTENTIONS))
def test_gradients_are_those_of_autograd_whatever_the_attention(attention, images) -> None:
    leaf = tokens(images)
    check(LABELS(block(leaf, attention)[:, 0]), leaf)


def test_there_can_be_fewer_queries_than_keys() -> None:
    leaf = tokens()
    check(LABELS(few_queries(NORM(leaf))[:, 0]), leaf)


def test_gates_of_halves_of_the_channels_are_followed() -> None:
    leaf = tokens()
    x = leaf + one_projection(leaf)
    first, second = UP(x).chunk(2, -1)
    gated = F.silu(first) * second
    check(LABELS(x[:, 0]) + gated[:, 0, :3], leaf)
    check(gated[:, 0, :3], leaf)


def test_layers_before_the_last_block_are_left_to_autograd_from_there() -> None:
    leaf = tokens()
    check(LABELS(block(block(leaf))[:, 0]), leaf)


def test_a_layer_can_lie_inside_the_graph() -> None:
    leaf = tokens()
    inside = block(leaf)
    check(LABELS(block(inside)[:, 0]), inside)
    normalised = NORM(inside)
    check(LABELS((inside + one_projection(normalised))[:, 0]), normalised)


@pytest.mark.parametrize("head", OTHER_HEADS.values(), ids=list(OTHER_HEADS))
def test_a_head_that_reads_more_is_left_to_autograd(head: Head) -> None:
    leaf = tokens()
    assert find_read_tokens(head(block(leaf)), leaf) is None


def test_cells_that_are_not_read_are_left_to_autograd() -> None:
    """Their gradient is zero, and said to be."""
    cells, token = tokens(), nets.images(2, 1, WIDTH, seed=1).double().requires_grad_()
    both = torch.cat([token, cells], 1)
    assert find_read_tokens(LABELS(DOWN(UP(both))[:, 0]), cells) is None
    check(LABELS(DOWN(UP(both))[:, 0]), token)
    check(LABELS(DOWN(UP(both))[:, 3]), cells)


def test_what_the_model_overwrote_is_left_to_autograd() -> None:
    leaf = tokens()
    hidden = UP(leaf + one_projection(leaf))
    logits = LABELS(DOWN(F.gelu(hidden))[:, 0])
    hidden.mul_(2)
    assert find_read_tokens(logits, leaf) is None


def test_logits_without_the_layer_or_in_half_precision_have_none() -> None:
    leaf, other = tokens(), tokens()
    assert find_read_tokens(LABELS(block(leaf)[:, 0]), other) is None
    assert find_read_tokens(torch.ones(2, 3), leaf) is None
    assert find_read_tokens(LABELS(block(leaf)[:, 0]).bfloat16(), leaf) is None
