"""Tensor operations on maps and activations; any number of spatial axes. B = images, K = channels, grid = spatial axes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

LINEAR_MODE = {1: "linear", 2: "bilinear", 3: "trilinear"}


def full(x: Tensor) -> Tensor:
    """In at least float32: half precision is for the model, not for the arithmetic of a map."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def spatial(x: Tensor) -> tuple[int, ...]:
    """The spatial axes of (B, K, *grid)."""
    return tuple(range(2, x.ndim))


def over_grid(weights: Tensor, like: Tensor) -> Tensor:
    """Give per-channel weights (…, K) the trailing axes that broadcast them over the grid of ``like``."""
    return weights.reshape(*weights.shape, *(1,) * (like.ndim - weights.ndim))


def weighted_sum(weights: Tensor, activations: Tensor) -> Tensor:
    """Σ_k w_k A_k: weights (B, K), activations (B, K, *grid) → (B, *grid)."""
    return torch.einsum("bk,bk...->b...", weights, activations)


def resize(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Linear interpolation of (B, *grid) to (B, *size) at half-pixel centres (``align_corners=False``)."""
    if tuple(maps.shape[1:]) == tuple(size):
        return maps
    mode = LINEAR_MODE[maps.ndim - 1]
    return F.interpolate(maps[:, None], size=tuple(size), mode=mode, align_corners=False)[:, 0]


def min_max(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Each map of (B, *grid) to [0, 1]; also (B,) bool: False for a constant map, which becomes all zero."""
    axes = tuple(range(1, maps.ndim))
    low, high = maps.amin(axes, keepdim=True), maps.amax(axes, keepdim=True)
    span = high - low
    varies = span.flatten(1)[:, 0] > 0
    return (maps - low) / torch.where(span > 0, span, torch.ones_like(span)), varies


def first_component(features: Tensor, orient: Tensor) -> Tensor:
    """Project each position's feature vector on the first right singular vector of the (positions × K) matrix.

    Args:
        features: (B, K, *grid), not centred.
        orient: (B, *grid); the sign of each projection is chosen so that its correlation with this map is ≥ 0. Where a map
            is constant and has no correlation, their dot product decides.

    Returns:
        (B, *grid). The smaller Gram matrix is decomposed, in float64, which is much cheaper than a full SVD.
    """
    grid = features.shape[2:]
    matrix = features.flatten(2).transpose(1, 2).double()  # (B, N, K)
    positions, channels = matrix.shape[1:]
    if positions <= channels:
        values, vectors = torch.linalg.eigh(matrix @ matrix.mT)
        projection = vectors[..., -1] * values[..., -1:].clamp(min=0).sqrt()
    else:
        _, vectors = torch.linalg.eigh(matrix.mT @ matrix)
        projection = (matrix @ vectors[..., -1:])[..., 0]
    reference = orient.flatten(1).double()
    agreement = (
        (projection - projection.mean(1, keepdim=True))
        * (reference - reference.mean(1, keepdim=True))
    ).sum(1)
    rounding = 1e-12 * projection.norm(dim=1) * reference.norm(dim=1)
    agreement = torch.where(agreement.abs() <= rounding, (projection * reference).sum(1), agreement)
    sign = torch.where(agreement < 0, -1.0, 1.0)
    oriented: Tensor = projection * sign[:, None]
    return oriented.to(features.dtype).reshape(-1, *grid)
