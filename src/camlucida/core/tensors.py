"""Tensor operations on maps and activations, with any number of spatial axes.

B = images, K = channels, grid = the spatial axes of a layer's output.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.graph import GradientEdge

LINEAR_MODE = {1: "linear", 2: "bilinear", 3: "trilinear"}


def full(x: Tensor) -> Tensor:
    """In at least float32: half precision is for the model, not for the arithmetic of a map.

    Args:
        x: floating point, of any shape.

    >>> full(torch.zeros(1, dtype=torch.float16)).dtype
    torch.float32
    """
    is_half = x.dtype in (torch.float16, torch.bfloat16)
    return x.float() if is_half else x


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
    trailing = (1,) * (like.ndim - weights.ndim)
    return weights.reshape(*weights.shape, *trailing)


def mean_over_grid(x: Tensor) -> Tensor:
    """The mean of each channel.

    Args:
        x: (B, K, *grid). Where all cells of a channel are one number in memory, it is read once.

    Returns:
        (B, K).

    >>> mean_over_grid(torch.tensor([[[1.0, 3.0]]]))
    tensor([[2.]])
    >>> mean_over_grid(torch.ones(1, 1).expand(1, 2, 9))
    tensor([[1., 1.]])
    """
    return x.mean(spatial(x)) if any(x.stride()[2:]) else x.flatten(2)[..., 0]


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
    # A third of the time of einsum, which counts where many labels are explained.
    sums = (weights[:, None] @ activations.flatten(2))[:, 0]
    return sums.reshape(len(sums), *activations.shape[2:])


def weighted_gradients(
    output: Tensor, inputs: Sequence[Tensor] | Sequence[GradientEdge], weights: Tensor
) -> Sequence[Tensor | None]:
    """∂(Σ weights · output)/∂input of each input; the graph is kept.

    ``torch.autograd.grad`` with ``grad_outputs`` gives the same, and imports sympy for it: half a
    second of a process.

    Args:
        output: of any shape.
        inputs: of its graph, or edges of it.
        weights: of the shape of ``output``.

    Returns:
        Each of the shape of its input; None where the output does not depend on it.

    Raises:
        RuntimeError: of autograd.

    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> weighted_gradients(x**2, [x], torch.tensor([1.0, -1.0]))
    (tensor([ 2., -4.]),)
    """
    total = (output * weights).sum()
    return torch.autograd.grad(total, inputs, retain_graph=True, allow_unused=True)


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
    size = tuple(size)
    if tuple(maps.shape[1:]) == size:
        return maps
    mode = LINEAR_MODE[maps.ndim - 1]
    with_channel = maps[:, None]
    resized = F.interpolate(with_channel, size=size, mode=mode, align_corners=False)
    return resized[:, 0]


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
    low = maps.amin(axes, keepdim=True)
    high = maps.amax(axes, keepdim=True)
    span = high - low
    varies = span.flatten(1)[:, 0] > 0
    divisor = torch.where(span > 0, span, torch.ones_like(span))
    scaled = (maps - low) / divisor
    return scaled, varies


ORIENTED = 0.1
"""A correlation of a smaller magnitude does not tell which sign a component has."""

SEPARATE = 1e-3
"""Two singular values that differ by a smaller share of the first are equal: any mixture of their
vectors is as good a first one."""


NOTHING_LEFT = 1e-5
"""What rounding in float32 can leave of a sum that is 0, as a share of the summands' magnitudes."""


def channel_sum(features: Tensor) -> Tensor:
    """Σ_k of each cell, exactly 0 where the channels cancel but for rounding.

    They do behind a layer norm without weights, whose channels have the mean 0 in every cell.

    Args:
        features: (B, K, *grid), at least float32.

    Returns:
        (B, *grid).

    >>> channel_sum(torch.tensor([[[1.0, 2.0], [-1.0 + 1e-7, 3.0]]]))
    tensor([[0., 5.]])
    """
    sums = features.sum(1)
    cancelled = sums.abs() <= NOTHING_LEFT * features.abs().sum(1)
    return sums.masked_fill(cancelled, 0)


def first_component(features: Tensor, orient: Tensor) -> Tensor:
    """Each position's features, projected on the first right singular vector of (positions × K).

    Args:
        features: (B, K, *grid), not centred.
        orient: (B, *grid); the sign of each projection is chosen so that its correlation with this
            map is ≥ 0. Where a map is constant and has no correlation, or no feature is negative,
            their dot product decides: by Perron and Frobenius no entry of the first vector of a
            matrix ≥ 0 is negative.

    Returns:
        (B, *grid), in the units of ``features``.

    >>> first_component(torch.tensor([[[3.0, 0.0], [4.0, 0.0]]]), torch.tensor([[1.0, 0.0]]))
    tensor([[5., 0.]])
    """
    return _component(features, orient)[0]


def unsigned_component(features: Tensor, orient: Tensor) -> tuple[Tensor, Tensor]:
    """:func:`first_component`, and its magnitude where its sign or its direction is not determined.

    It is not where the two maps hardly correlate (:data:`ORIENTED`), unless no feature is negative,
    and where the first two singular values are equal (:data:`SEPARATE`).

    Args:
        features: (B, K, *grid), not centred.
        orient: (B, *grid).

    Returns:
        The maps, (B, *grid), and (B,) bool: False for a map that is a magnitude.

    >>> odd = torch.tensor([[[2.0, -2.0, 0.0], [-1.0, 1.0, 0.0], [-1.0, 1.0, 0.0]]])
    >>> maps, determined = unsigned_component(odd, odd.sum(1))
    >>> [round(value, 2) for value in maps[0].tolist()], determined
    ([2.45, 2.45, 0.0], tensor([False]))
    """
    maps, determined = _component(features, orient)
    shape = (-1, *(1,) * (maps.ndim - 1))
    return torch.where(determined.reshape(shape), maps, maps.abs()), determined


def _component(features: Tensor, orient: Tensor) -> tuple[Tensor, Tensor]:
    """(B, *grid) the oriented projection, and (B,) whether it is determined."""
    grid = features.shape[2:]
    rows = features.flatten(2).transpose(1, 2)
    matrix = rows.double()  # (B, N, K); a Gram matrix squares the condition number
    projection, separate = _first_projection(matrix)
    reference = orient.flatten(1).double()
    centred = projection - projection.mean(1, keepdim=True)
    centred_reference = reference - reference.mean(1, keepdim=True)
    covariance = (centred * centred_reference).sum(1)
    length = projection.norm(dim=1) * reference.norm(dim=1)
    dot = (projection * reference).sum(1)
    # A covariance this small beside the norms is what rounding leaves of 0: its sign is chance.
    rounding = covariance.abs() <= 1e-12 * length
    varies = (centred.norm(dim=1) > 1e-6 * projection.norm(dim=1)) & (
        centred_reference.norm(dim=1) > 1e-6 * reference.norm(dim=1)
    )
    nonnegative = (matrix >= 0).flatten(1).all(1)
    by_dot = nonnegative | rounding
    agreement = torch.where(by_dot, dot, covariance)
    sign = torch.where(agreement < 0, -1.0, 1.0)
    oriented: Tensor = projection * sign[:, None]
    oriented = oriented.to(features.dtype)
    spread = centred.norm(dim=1) * centred_reference.norm(dim=1)
    correlated = torch.where(
        varies, covariance.abs() >= ORIENTED * spread, dot.abs() > ORIENTED * length
    )
    determined = separate & (nonnegative | correlated)
    return oriented.reshape(-1, *grid), determined


def _first_projection(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Of (B, N, K) on its first right singular vector, (B, N), the sign arbitrary.

    The smaller Gram matrix is decomposed, which is much cheaper than a full SVD. Also (B,) whether
    the first singular value is larger than the second, or there is nothing to project.
    """
    projection: Tensor
    positions, channels = matrix.shape[1:]
    wide = positions <= channels
    gram = matrix @ matrix.mT if wide else matrix.mT @ matrix
    values, vectors = torch.linalg.eigh(gram)  # ascending: the largest is the last
    # Rounding can leave a tiny negative eigenvalue.
    singular = values[..., -2:].clamp(min=0).sqrt()
    first = singular[..., -1]
    gap = first - singular[..., 0] if singular.shape[-1] > 1 else first
    separate = (gap > SEPARATE * first) | (first == 0)
    if wide:
        projection = vectors[..., -1] * first[..., None]
    else:
        projection = (matrix @ vectors[..., -1:])[..., 0]
    return projection, separate


def version(x: Tensor) -> int:
    """How often a tensor was changed in place; 0 of one made under ``inference_mode``.

    Args:
        x: any.

    >>> x = torch.zeros(1)
    >>> x += 1
    >>> version(x)
    1
    """
    return 0 if x.is_inference() else x._version


def same_values(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors hold the same numbers; NaN is the same as NaN.

    Args:
        first: of any type.
        second: of the same shape and type.

    >>> same_values(torch.tensor([1.0, torch.nan]), torch.tensor([1.0, torch.nan]))
    True
    """
    if torch.equal(first, second):
        return True
    both_nan = (first != first) & (second != second)
    return bool(((first == second) | both_nan).all())
