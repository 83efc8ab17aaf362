"""The grid of patches that a network cuts an image into by hand, for a linear layer to take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

Cells = tuple[int, ...]


def patches_taken(patches: Tensor, size: Cells, channels: int, batch: int) -> Cells | None:
    """The grid of the patches that a layer takes, where each pixel is in one of them.

    Args:
        patches: (B, patches, values of a patch).
        size: of the image in pixels, an axis each.
        channels: of the image.
        batch: number of images.

    Returns:
        None where these are no such patches.

    >>> import torch
    >>> patches_taken(torch.zeros(2, 24, 48), (16, 24), 3, 2)
    (4, 6)
    """
    values = channels * math.prod(size)
    if patches.ndim != 3 or patches[0].numel() != values or len(patches) != batch:
        return None
    area = patches.shape[2] / channels
    side = round(area ** (1 / len(size)))
    cells = tuple(pixels // max(side, 1) for pixels in size)
    return cells if math.prod(cells) == patches.shape[1] else None


def patches_of_resized(patches: Tensor, size: Cells, channels: int, batch: int) -> Cells:
    """The likely grid of the patches that a layer takes, where the image was resized before.

    Args:
        patches, size, channels, batch: as of :func:`patches_taken`.

    Returns:
        That of the image's own shape, else a square; () where neither has as many patches.

    >>> import torch
    >>> patches_of_resized(torch.zeros(1, 24, 48), (100, 150), 3, 1)
    (4, 6)
    >>> patches_of_resized(torch.zeros(1, 49, 48), (100, 150), 3, 1)
    (7, 7)
    """
    if patches.ndim != 3 or len(patches) != batch or len(size) != 2:
        return ()
    count, values = patches.shape[1:]
    side = math.isqrt(values // channels)
    if channels * side**2 != values or side < 2:
        return ()
    rows = math.isqrt(count * size[0] // size[1])
    if rows and count % rows == 0 and rows * size[1] == count // rows * size[0]:
        return rows, count // rows
    rows = math.isqrt(count)
    return (rows, rows) if rows**2 == count else ()


def unfolded(module: nn.Unfold, size: Cells) -> Cells:
    """The grid of the blocks that a module cuts.

    Args:
        module: that cuts them.
        size: of what it cuts, an axis each.

    >>> unfolded(nn.Unfold(4, stride=4), (16, 24))
    (4, 6)
    """
    fields = (module.kernel_size, module.stride, module.padding, module.dilation)
    kernel, stride, padding, dilation = (_pair(field, len(size)) for field in fields)
    cells = []
    for axis, pixels in enumerate(size):
        reach = dilation[axis] * (kernel[axis] - 1) + 1
        cells.append((pixels + 2 * padding[axis] - reach) // stride[axis] + 1)
    return tuple(cells)


def _pair(value: Any, rank: int) -> Sequence[int]:
    return (value,) * rank if isinstance(value, int) else tuple(value)
