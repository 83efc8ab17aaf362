"""Pairs of images that a model is run on, to see what differs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def different_pair(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The first image, and the same with noise.

    Args:
        inputs: the images (B, C, *spatial), then any further inputs; those with other axes, or of
            whole numbers, are the same twice.

    >>> pair, table = different_pair((torch.zeros(3, 1, 2, 2), torch.ones(3, 4)))
    >>> pair.shape, bool((pair[0] == pair[1]).any()), bool((table[0] == table[1]).all())
    (torch.Size([2, 1, 2, 2]), False, True)
    """
    images, batch = inputs[0], len(inputs[0])
    generator = torch.Generator().manual_seed(0)
    pairs = []
    for x in inputs:
        if x.ndim == 0 or len(x) != batch:
            pairs.append(x)
            continue
        first = x.detach()[:1]
        second = first
        if x.ndim == images.ndim and x.is_floating_point():
            noise = torch.randn(first.shape, generator=generator).to(first)
            spread = float(first.float().std(correction=0)) or 1.0
            second = first + spread * noise
        pairs.append(torch.cat([first, second]))
    return tuple(pairs)


def equal_pair(inputs: Sequence[Tensor]) -> list[Tensor]:
    """The first of two images, twice.

    Args:
        inputs: as :func:`different_pair` returns them.

    >>> equal_pair([torch.arange(2)])[0].tolist()
    [0, 0]
    """
    return [torch.cat([x[:1], x[:1]]) if x.ndim and len(x) == 2 else x for x in inputs]
