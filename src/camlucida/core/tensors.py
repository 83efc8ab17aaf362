"""Tensor operations on maps and activations, with any number of spatial axes.

B = images, K = channels, grid = the spatial axes of a layer's output.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

LINEAR_MODE = {1: "linear", 2: "bilinear", 3: "trilinear"}


def full(x: Tensor) -> Tensor:
    """In at least float32: half precision is for the model, not for the arithmetic of a map.

    Args:
        x: floating point, of any shape.

    >>> full(torch.zeros(1, dtype=torch.float16)).dtype
    torch.float32
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def spatial(x: Tensor) -> tuple[int, ...]:
    """The spatial axes of (B, K, *grid).

    Args:
        x: (B, K, *grid).

    >>> spatial(torch.zeros(1, 8, 4, 4))
    (2, 3)
    """
    return tuple(range(2, x.ndim))


def over_grid(weights: Tensor, like: Tensor) -> Tensor:
    """Per-channel weights (…, K) with trailing axes that broadcast them over the grid of ``like``.

    Args:
        weights: (…, K).
        like: (…, K, *grid).

    >>> over_grid(torch.zeros(2, 8), torch.zeros(2, 8, 4, 4)).shape
    torch.Size([2, 8, 1, 1])
    """
    return weights.reshape(*weights.shape, *(1,) * (like.ndim - weights.ndim))


def weighted_sum(weights: Tensor, activations: Tensor) -> Tensor:
    """Σ_k w_k A_k.

    Args:
        weights: (B, K).
        activations: (B, K, *grid).

    Returns:
        (B, *grid).

    >>> weighted_sum(torch.tensor([[1.0, -1.0]]), torch.tensor([[[3.0, 0.0], [1.0, 2.0]]]))
    tensor([[ 2., -2.]])
    """
    return torch.einsum("bk,bk...->b...", weights, activations)


def resize(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Linear interpolation at half-pixel centres (``align_corners=False``).

    Args:
        maps: (B, *grid).
        size: of the result.

    Returns:
        (B, *size).

    >>> resize(torch.tensor([[0.0, 1.0]]), (4,))
    tensor([[0.0000, 0.2500, 0.7500, 1.0000]])
    """
    if tuple(maps.shape[1:]) == tuple(size):
        return maps
    mode = LINEAR_MODE[maps.ndim - 1]
    return F.interpolate(maps[:, None], size=tuple(size), mode=mode, align_corners=False)[:, 0]


def min_max(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Each map scaled to [0, 1].

    Args:
        maps: (B, *grid).

    Returns:
        The maps, (B, *grid), and (B,) bool: False for a constant map, which becomes all zero.

    >>> min_max(torch.tensor([[2.0, 4.0], [3.0, 3.0]]))
    (tensor([[0., 1.],
            [0., 0.]]), tensor([ True, False]))
    """
    axes = tuple(range(1, maps.ndim))
    low, high = maps.amin(axes, keepdim=True), maps.amax(axes, keepdim=True)
    span = high - low
    varies = span.flatten(1)[:, 0] > 0
    return (maps - low) / torch.where(span > 0, span, torch.ones_like(span)), varies


def first_component(features: Tensor, orient: Tensor) -> Tensor:
    """Each position's features, projected on the first right singular vector of (positions × K).

    Args:
        features: (B, K, *grid), not centred.
        orient: (B, *grid); the sign of each projection is chosen so that its correlation with this
            map is ≥ 0. Where a map is constant and has no correlation, their dot product decides.

    Returns:
        (B, *grid), in the units of ``features``.

    >>> first_component(torch.tensor([[[3.0, 0.0], [4.0, 0.0]]]), torch.tensor([[1.0, 0.0]]))
    tensor([[5., 0.]])
    """
    grid = features.shape[2:]
    matrix = features.flatten(2).transpose(1, 2).double()  # (B, N, K)
    projection = _first_projection(matrix)
    reference = orient.flatten(1).double()
    centred = projection - projection.mean(1, keepdim=True)
    agreement = (centred * (reference - reference.mean(1, keepdim=True))).sum(1)
    rounding = 1e-12 * projection.norm(dim=1) * reference.norm(dim=1)
    dot = (projection * reference).sum(1)
    agreement = torch.where(agreement.abs() <= rounding, dot, agreement)
    sign = torch.where(agreement < 0, -1.0, 1.0)
    oriented: Tensor = projection * sign[:, None]
    return oriented.to(features.dtype).reshape(-1, *grid)


def _first_projection(matrix: Tensor) -> Tensor:
    """Of (B, N, K) on its first right singular vector, (B, N), the sign arbitrary.

    The smaller Gram matrix is decomposed, which is much cheaper than a full SVD.
    """
    projection: Tensor
    positions, channels = matrix.shape[1:]
    if positions <= channels:
        values, vectors = torch.linalg.eigh(matrix @ matrix.mT)
        projection = vectors[..., -1] * values[..., -1:].clamp(min=0).sqrt()
        return projection
    _, vectors = torch.linalg.eigh(matrix.mT @ matrix)
    projection = matrix @ vectors[..., -1:]
    return projection[..., 0]
