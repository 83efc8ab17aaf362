"""Networks that were trained on images whose rows and columns had changed places.

Such a network f gets its own twin g with ``g(x) = f(xᵀ)``: every kernel, stride and padding has its
two axes exchanged. So images stay as they lie, and so do maps, in every layer.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from camlucida.core.errors import ModelError
from camlucida.core.messages import Message, declare
from camlucida.models.output_choice import tensors_of
from camlucida.models.zoo.package import guard

declare(
    "transposed",
    {
        "network": (
            "trained on images with rows and columns exchanged: the axes of its kernels are "
            "exchanged instead, so images and maps stay as they lie; its outputs are the same "
            "(largest difference {difference:.0e})"
        ),
    },
)

TOLERANCE = 1e-9
"""In float64, relative to the largest output: rounding alone stays far below it."""

SAVE_THEM = (
    "save the images so (PIL: image.transpose(Image.Transpose.TRANSPOSE)), and write "
    "transposed = false under [input] of the card, and size = [height, width] of these images"
)

_SETTINGS = (
    *("kernel_size", "stride", "padding", "dilation", "output_padding"),
    *("output_size", "size", "scale_factor"),
)
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
_OTHERS = (
    *(nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
    *(nn.Upsample, nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d),
)


def exchange_axes(module: nn.Module, shape: tuple[int, ...], name: str) -> Message:
    """Exchange rows and columns of a network: ``g(x) = f(xᵀ)``, and of a spatial output its ᵀ.

    Args:
        module: f, in evaluation mode, on the CPU; it becomes g.
        shape: (C, H, W) of an image as it lies.
        name: of the model, for messages.

    Returns:
        The note, with the largest difference of an output on random images.

    Raises:
        ModelError: the outputs differ: the network has positions that no kernel holds, such as
            the position embeddings of a transformer, or a linear layer behind a flattened grid.

    >>> net = nn.Conv2d(1, 1, (1, 3), bias=False).eval()
    >>> exchange_axes(net, (1, 4, 5), "net").code, net.weight.shape
    ('transposed.network', torch.Size([1, 1, 3, 1]))
    """
    failure = f"{name}: rows and columns of the network cannot be exchanged"
    with guard(failure, SAVE_THEM):
        # In float64 a difference is one of the networks, and not of the rounding.
        original = copy.deepcopy(module).double()
        _exchange(module)
        twin = copy.deepcopy(module).double()
        difference = _difference(original, twin, shape)
    if not difference <= TOLERANCE:
        raise ModelError(
            f"{failure}: its outputs would differ by {difference:.1e} of the largest, as "
            "those of a transformer with positions do",
            SAVE_THEM,
        )
    return Message("transposed.network", {"difference": difference})


def _exchange(module: nn.Module) -> None:
    for each in module.modules():
        if not isinstance(each, (*_CONVOLUTIONS, *_OTHERS)):
            continue
        for setting in _SETTINGS:
            value = getattr(each, setting, None)
            if isinstance(value, tuple):
                setattr(each, setting, _of_exchanged(value))
        if isinstance(each, _CONVOLUTIONS):
            padding = tuple(each._reversed_padding_repeated_twice)
            each._reversed_padding_repeated_twice = list(_of_exchanged(padding))
            weight = each.weight.detach().transpose(-1, -2).contiguous()
            each.weight = nn.Parameter(weight, each.weight.requires_grad)


def _of_exchanged(sides: tuple[int, ...]) -> tuple[int, ...]:
    """Of two axes, or of left, right, top and bottom: the other axis first."""
    half = len(sides) // 2
    return (*sides[half:], *sides[:half])


@torch.no_grad()
def _difference(original: nn.Module, twin: nn.Module, shape: tuple[int, ...]) -> float:
    """The largest difference of an output, over the largest output of its tensor."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand((2, *shape), generator=generator, dtype=torch.float64)
    theirs = tensors_of(original(images.mT.contiguous()))
    ours = tensors_of(twin(images))
    if not theirs:
        raise ModelError("its output holds no tensor")
    return max(_relative(ours[name], expected) for name, expected in theirs.items())


def _relative(ours: Tensor, theirs: Tensor) -> float:
    expected = theirs.mT if theirs.ndim == 4 else theirs
    if ours.shape != expected.shape:
        return float("inf")
    largest = float(expected.abs().max())
    return float((ours - expected).abs().max()) / max(largest, 1e-300)
