"""Images in the order of memory in which a CPU runs convolutions fastest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from camlucida.core.errors import CamlucidaError
from camlucida.core.noise import generator_kept
from camlucida.models.remembered import Remembered
from camlucida.models.walk import named_modules

TOLERANCE = 1e-4
"""Largest difference of the results in both orders, as a share of the largest."""

_LEAST = 2**14
"""Pixels of a batch, below which no order of memory matters."""

_WEIGHTS_A_PIXEL = 170
"""Weights of convolutions for each pixel of a batch, above which it costs more time to bring them
into the other order, which every pass does, than the pixels gain."""


@dataclass
class _Known:
    """What is known of a model.

    Attributes:
        weights: number of those of its convolutions; 0 where other layers have more.
        takes_both: whether it runs, and gives the same numbers, in both orders; None before that
            was tried.
    """

    weights: int
    takes_both: bool | None = None


_KNOWN: Remembered[torch.Size, _Known] = Remembered()
"""The size of an image → what is known of the model."""

Run = Callable[[Tensor], Tensor]
"""Images (N, C, *spatial) → logits of them, (N, …)."""


def channels_last(images: Tensor) -> Tensor:
    """The same images, stored pixel by pixel: eight of them take a DenseNet 25 % less time.

    Args:
        images: (N, C, H, W) on a CPU; others are returned as they are.

    >>> [channels_last(torch.zeros(2, channels, 4, 5)).stride() for channels in (3, 1)]
    [(60, 1, 15, 3), (20, 1, 5, 1)]
    """
    if images.ndim != 4 or images.device.type != "cpu":
        return images
    channels, height, width = images.shape[1:]
    # Of one channel both orders are the same memory, and only strides tell a convolution which.
    strides = (channels * height * width, 1, width * channels, channels)
    if images.stride() == strides:
        return images
    ordered = torch.empty_strided(images.shape, strides, dtype=images.dtype, device=images.device)
    return ordered.copy_(images)


def in_fastest_order(model: nn.Module, images: Tensor, run: Run) -> Tensor:
    """The same images, in the order in which a model runs on them fastest.

    Args:
        model: that will be run, frozen.
        images: (N, C, *spatial).
        run: the model, with which it is tried once, on two images at most, whether it takes both
            orders: one that calls ``view`` does not, and one that calls ``as_strided`` gives other
            numbers.

    >>> net = nn.Conv2d(3, 2, 1).requires_grad_(False)
    >>> in_fastest_order(net, torch.rand(1, 3, 128, 128), net).stride()
    (49152, 1, 384, 3)
    """
    ordered = channels_last(images)
    if ordered is images:
        return images
    known = _known(model, images.shape[1:])
    pixels = len(images) * images.shape[2] * images.shape[3]
    if pixels < _LEAST or not 0 < known.weights <= _WEIGHTS_A_PIXEL * pixels:
        return images
    if known.takes_both is None:
        known.takes_both = _takes_both(images[:2], run)
    return ordered if known.takes_both else images


def _known(model: nn.Module, size: torch.Size) -> _Known:
    known = _KNOWN.of(model)
    if size not in known:
        kinds = (nn.Conv2d, nn.ConvTranspose2d)
        convolutions = [each for _, each in named_modules(model) if isinstance(each, kinds)]
        weights = sum(each.weight.numel() for each in convolutions)
        whole = sum(parameter.numel() for parameter in model.parameters())
        known[size] = _Known(weights if 2 * weights >= whole else 0)
    return known[size]


def _takes_both(images: Tensor, run: Run) -> bool:
    """Whether a model gives the same numbers of images in both orders."""
    results = []
    for each in (images, channels_last(images)):
        try:
            with torch.no_grad(), generator_kept():
                results.append(run(each))
        except CamlucidaError:
            return False
    expected, result = results
    tolerance = max(TOLERANCE, 4 * torch.finfo(expected.dtype).eps) * float(expected.abs().max())
    return torch.allclose(result, expected, rtol=0, atol=tolerance, equal_nan=True)
