"""Altered images: which pixels go first (exact-k), and what stands in their place (fills, ROAD's
noisy linear imputation).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import splu
from torch import Tensor

from camlucida.core.errors import NoEvidenceError, UsageError
from camlucida.core.tensors import full, min_max, resize
from camlucida.metrics.multigrid import multigrid_solution

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NOISE = 0.01
"""Standard deviation of the noise on imputed pixels, image values in [0, 1]."""

LARGE = 6_000
"""Removed pixels above which iterating is faster than a direct solution."""

BESIDE, ACROSS = 1 / 6, 1 / 12
NEIGHBOURS = tuple(
    (down, right, BESIDE if 0 in (down, right) else ACROSS)
    for down, right in product((-1, 0, 1), repeat=2)
    if down or right
)
"""Of the 8 neighbours: row offset, column offset, weight. The weights sum to 1 inside the image."""


Fill = Literal["black", "mean", "blur", "strong blur"]
"""What stands where a pixel was deleted: 0; each channel's mean; a Gaussian blur."""

Unit = Literal["pixels", "cells"]
Swap = Literal["delete", "insert"]
First = Literal["morf", "lerf"]

BLUR = {"blur": 5 / 224, "strong blur": 1 / 8}
"""Standard deviation as a share of the shorter side.

RISE's 5 px of 224; and about a cell of a 7 × 7 grid, which a finding does not survive.
"""


def ranking(heat: Tensor, seed: int = 0) -> Integers:
    """Flat indices of the cells of ``heat`` (*grid), hottest first.

    Equal cells in a random order fixed by ``seed``.

    Raises:
        NoEvidenceError: the map is empty or not finite.
    """
    values = heat.detach().cpu().double().numpy().reshape(-1)
    if not values.size or not np.isfinite(values).all():
        raise NoEvidenceError(
            f"a map of shape {tuple(heat.shape)} with cells that are not finite has no order"
        )
    chance = np.random.default_rng(seed).permutation(values.size)
    return np.lexsort((chance, -values)).astype(np.int64, copy=False)


def exact_count(share: float, cells: int) -> int:
    """``share`` in [0, 1] of ``cells``, rounded half up.

    How many are altered, whatever the ties.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"a share of {share} of the image", "give a number from 0 to 1")
    return int(share * cells + 0.5)


def chosen(order: Integers, count: int, shape: tuple[int, ...]) -> Bools:
    """(*shape) True at exactly the first ``count`` cells of ``order``."""
    mask = np.zeros(order.size, np.bool_)
    mask[order[:count]] = True
    return mask.reshape(shape)


def filled(image: Tensor, fill: Fill) -> Tensor:
    """The fully deleted image: (C, *spatial) like ``image``, which is not changed.

    A blur repeats the border's pixels outside.

    RISE blurs with an 11 × 11 kernel and black outside; here the Gaussian is whole and the border
    stays bright.
    """
    if fill == "black":
        return torch.zeros_like(image)
    if fill == "mean":
        return image.mean(tuple(range(1, image.ndim)), keepdim=True).expand_as(image).clone()
    if fill not in BLUR:
        raise UsageError(f"unknown fill {fill!r}", f"known: black, mean, {', '.join(BLUR)}")
    sigma = BLUR[fill] * min(image.shape[1:])
    planes = [
        gaussian_filter(plane, sigma, mode="nearest")
        for plane in image.detach().cpu().double().numpy()
    ]
    return torch.from_numpy(np.stack(planes)).to(image)


def impute(image: Tensor, removed: Bools, noise: float = NOISE, seed: int = 0) -> Tensor:
    """Noisy linear imputation: each removed pixel is the weighted mean of its neighbours, all
    solved together.

    Solves Σ_j w_ij (x_i − x_j) = 0 over the 8 neighbours j of every removed pixel i, with w = 1/6
    beside and 1/12 across; neighbours outside the image are dropped. Solved in float64, directly up
    to LARGE pixels and above by conjugate gradients to a residual of 1e-9; then N(0, noise²) is
    added to removed pixels. The noise field depends on ``seed`` and the image's size alone, so that
    methods are compared under the same noise.

    Args:
        image: (C, H, W), values in [0, 1], before the model's normalisation. Not changed. Equal
            channels (a grey image) are imputed as one and stay equal.
        removed: (H, W), True where a pixel is unknown.
        noise: standard deviation, in image units; 0 for none.
        seed: of the noise.

    Returns:
        (C, H, W), dtype and device of ``image`` (at least float32). Values are not clipped.

    Raises:
        UsageError: shapes that do not fit, or nothing left to impute from.

    Source: Rong et al. 2022 (ROAD), section 4.
    """
    if image.ndim != 3 or removed.shape != tuple(image.shape[1:]):
        raise UsageError(
            f"imputation of an image {tuple(image.shape)} under a mask {removed.shape}",
            "give (C, H, W) and (H, W): 2-D images",
        )
    if bool(removed.all()):
        raise UsageError(
            "every pixel is removed: nothing is left to impute from", "remove less than 100 %"
        )
    result = full(image.detach()).clone()
    if not removed.any():
        return result
    grey = is_grey(image)
    planes = result[:1] if grey else result
    values = planes.cpu().double().numpy()
    filled = _solution(values, removed)
    if noise:
        # Drawn for all pixels, so that a pixel has the same noise whatever else is removed.
        drawn = np.random.default_rng(seed).standard_normal((len(values), *removed.shape))
        filled = filled + noise * drawn[:, removed]
    imputed = torch.from_numpy(filled).to(result)
    if grey:
        imputed = imputed.expand(len(result), -1)
    result[:, torch.from_numpy(removed).to(result.device)] = imputed
    return result


def is_grey(image: Tensor) -> bool:
    """Whether all channels of (C, *spatial) are equal."""
    return bool((image == image[:1]).all())


def _solution(image: Floats, removed: Bools) -> Floats:
    """Values (C, N) of the N removed pixels, by the faster of the two ways."""
    iterated = multigrid_solution(image, removed) if removed.sum() > LARGE else None
    return direct_solution(image, removed) if iterated is None else iterated


def direct_solution(image: Floats, removed: Bools) -> Floats:
    """Values (C, N) of the N removed pixels of ``image`` (C, H, W), in row order."""
    rows, columns = removed.shape
    number = np.full((rows + 2, columns + 2), -1, np.int64)  # −1: outside
    number[1:-1, 1:-1] = -2  # known
    down, right = np.nonzero(removed)
    count = len(down)
    number[1:-1, 1:-1][removed] = np.arange(count)
    equation = np.arange(count)
    total = np.zeros(count)
    right_side = np.zeros((count, len(image)))
    entries: list[tuple[Integers, Integers, Floats]] = []
    for by_row, by_column, weight in NEIGHBOURS:
        other = number[down + by_row + 1, right + by_column + 1]
        total[other != -1] += weight
        given = other == -2
        neighbours = image[:, down[given] + by_row, right[given] + by_column]
        right_side[given] += weight * neighbours.T
        unknown = other >= 0
        weights = np.full(int(unknown.sum()), -weight)
        entries.append((equation[unknown], other[unknown], weights))
    entries.append((equation, equation, total))
    i, j, w = (np.concatenate(parts) for parts in zip(*entries))
    # Symmetric and positive definite: no pivoting, and an ordering for symmetric matrices, halve
    # the time; panels of one column take a fifth off (never raise the default of panel_size: above
    # it SuperLU writes past its workspace).
    factors = splu(
        csc_matrix((w, (i, j)), shape=(count, count)),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        panel_size=1,
        options={"SymmetricMode": True},
    )
    solution: Floats = factors.solve(right_side).T
    return solution


@dataclass(frozen=True)
class PerturbedImage:
    """One image as it is altered.

    Attributes:
        id: unique among the images of a queue.
        tensor: (C, *spatial) in [0, 1] with ``normalise``, else the model's own input.
        probability: for each of the S scores, whether it is a probability.
        normalise: (C, *spatial) → model input, applied after an alteration; None: alter the model's
            input itself.
        thresholds: for each of the S scores, the probability from which it is decided; () for ½.
        sizes: key of a step → bytes of the altered image, noted as it is built, for the metrics
            that measure information.
    """

    id: Hashable
    tensor: Tensor
    probability: Sequence[bool]
    normalise: Callable[[Tensor], Tensor] | None = None
    thresholds: Sequence[float] = ()
    sizes: dict[Hashable, int] = field(default_factory=dict, repr=False, compare=False)
    _fills: dict[Fill, Tensor] = field(default_factory=dict, repr=False, compare=False)

    def ready(self, altered: Tensor) -> Tensor:
        """The model's input for an altered image."""
        return altered if self.normalise is None else self.normalise(altered)

    def filled(self, fill: Fill) -> Tensor:
        """The fully deleted image, computed once."""
        if fill not in self._fills:
            self._fills[fill] = filled(self.tensor, fill)
        return self._fills[fill]


@dataclass(frozen=True)
class Perturbation:
    """One image with one map, and the altered images that follow from them.

    Attributes:
        image: the image.
        native: (*grid) the map on the grid of its layer, any real values. Constant maps are
            allowed; their order is random.
        seed: breaks ties and draws ROAD's noise.
        about: passed through to the plans.
        coherency: of the map with that of the masked image, for "adcc"; None where unknown.
    """

    image: PerturbedImage
    native: Tensor
    seed: int = 0
    about: Hashable = None
    coherency: float | None = None

    @cached_property
    def heat(self) -> Tensor:
        """(*spatial) resized to the image, not scaled."""
        size = self.image.tensor.shape[1:]
        if self.native.ndim != len(size):
            raise UsageError(
                f"a map {tuple(self.native.shape)} over an image {tuple(self.image.tensor.shape)}"
            )
        return resize(full(self.native.detach().cpu())[None], size)[0]

    @cached_property
    def unit(self) -> Tensor:
        """(*spatial) E in [0, 1]: ``heat`` min-max scaled; 0 everywhere for a constant map."""
        return min_max(self.heat[None])[0][0].to(self.image.tensor)

    @cached_property
    def order(self) -> Integers:
        """Pixels, hottest first."""
        return ranking(self.heat, self.seed)

    @cached_property
    def cell_order(self) -> Integers:
        """Cells of the native grid, hottest first."""
        return ranking(self.native, self.seed)

    @cached_property
    def token(self) -> str:
        """Stands for the map and the seed in the keys of altered images."""
        values = self.native.detach().cpu().double().contiguous().numpy()
        about = repr((values.shape, self.seed)).encode()
        return hashlib.blake2b(values.tobytes() + about, digest_size=12).hexdigest()

    def hottest(self, unit: Unit, count: int) -> Tensor:
        """(*spatial) bool: the ``count`` hottest pixels, or the pixels of the ``count`` hottest
        cells of the map's own grid.
        """
        size = tuple(self.image.tensor.shape[1:])
        if unit == "pixels":
            return torch.from_numpy(chosen(self.order, count, size))
        hot = torch.from_numpy(chosen(self.cell_order, count, tuple(self.native.shape)))
        if hot.shape == size:
            return hot
        enlarged = F.interpolate(hot[None, None].float(), size, mode="nearest-exact")
        return enlarged[0, 0] > 0.5

    def masked(self) -> Tensor:
        """The model's input for x∘E, whose own map gives the coherency."""
        return self.image.ready(self.image.tensor * self.unit)

    def unmasked(self) -> Tensor:
        """The model's input for x∘(1−E)."""
        return self.image.ready(self.image.tensor * (1 - self.unit))

    def swapped(self, unit: Unit, count: int, fill: Fill, how: Swap) -> Tensor:
        """The model's input with the ``count`` hottest cells deleted from the image, or inserted
        into the fill.
        """
        image, other = full(self.image.tensor), full(self.image.filled(fill))
        hot = self.hottest(unit, count).to(image.device)
        if how == "insert":
            image, other = other, image
        return self.image.ready(torch.where(hot, other, image))

    def imputed(self, first: First, count: int, noise: float) -> Tensor:
        """The model's input with exactly ``count`` pixels imputed.

        The most ("morf") or least ("lerf") relevant first.
        """
        order = self.order if first == "morf" else self.order[::-1]
        removed = chosen(order, count, tuple(self.image.tensor.shape[1:]))
        return self.image.ready(impute(self.image.tensor, removed, noise, self.seed))
