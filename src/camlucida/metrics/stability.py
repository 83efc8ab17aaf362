"""Does the map stay when nothing that matters changes? Noise, mirrored views, other training seeds.

Read each beside the change of the prediction: a map should move where the score moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from camlucida.core.errors import UsageError
from camlucida.core.tensors import full
from camlucida.metrics.base import metric
from camlucida.metrics.correlation import pearson
from camlucida.metrics.imputation import is_grey
from camlucida.metrics.statistics import excess

Floats = NDArray[np.float64]

COPIES = 10
RADIUS = 0.02
"""Of the noise, as a share of the data range: 5 of 255 grey levels."""

VIEWS: dict[str, tuple[int, ...]] = {"horizontal": (-1,), "vertical": (-2,), "both": (-2, -1)}
"""Mirrored views: the spatial axes that are flipped. Each is its own inverse."""


@dataclass(frozen=True)
class Sensitivity:
    """The change of maps under noise.

    Attributes:
        maximum, mean: of ‖E(y) − E(x)‖ / ‖E(x)‖ over the noisy copies y; NaN where E(x) is zero.
    """

    maximum: float
    mean: float


def noisy_copies(
    image: Tensor,
    copies: int = COPIES,
    radius: float = RADIUS,
    *,
    data_range: tuple[float, float] | None = None,
    seed: int = 0,
) -> Tensor:
    """``image`` plus uniform noise in ±radius · (high − low). A grey image stays grey; no clipping.

    Args:
        image: (C, *spatial), not changed.
        copies: number of copies, 1 or more.
        radius: share of the data range, 0 or more.
        data_range: (low, high) that image values can take; those that occur in the image if None.
        seed: of the noise.

    Returns:
        (copies, C, *spatial).

    Raises:
        UsageError: no copy, or a negative radius.

    >>> noisy_copies(torch.zeros(1, 2, 2), copies=3, data_range=(0, 1)).shape
    torch.Size([3, 1, 2, 2])
    """
    if copies < 1 or radius < 0:
        raise UsageError(
            f"{copies} copies with noise of radius {radius}",
            "give at least 1, and a radius of at least 0",
        )
    image = full(image.detach())
    low, high = data_range if data_range is not None else (float(image.min()), float(image.max()))
    generator = torch.Generator().manual_seed(seed)
    channels = 1 if is_grey(image) else len(image)
    size = (copies, channels, *image.shape[1:])
    noise = torch.rand(size, generator=generator, dtype=torch.float32) * 2 - 1
    return image + (noise * (radius * (high - low))).to(image)


def sensitivity(heat: Tensor, noisy: Sequence[Tensor]) -> Sensitivity:
    """‖E(y) − E(x)‖₂ / ‖E(x)‖₂ over the noisy copies y of an image x.

    Args:
        heat: E(x), on the grid of its layer.
        noisy: E(y) of each of :func:`noisy_copies`, same method and label, not rescaled.

    Raises:
        UsageError: no noisy copy, or maps on different grids.

    >>> sensitivity(torch.tensor([1.0, 0.0]), [torch.tensor([1.0, 0.5]), torch.tensor([0.0, 0.0])])
    Sensitivity(maximum=1.0, mean=0.75)
    """
    if not noisy:
        raise UsageError("max-sensitivity without a noisy copy", "give one map or more")
    reference = _array(heat)
    copies = [_same_grid(reference, _array(other)) for other in noisy]
    moved = np.array([np.linalg.norm(copy - reference) for copy in copies])
    norm = float(np.linalg.norm(reference))
    relative = moved / norm if norm > 0 else np.full(len(moved), np.nan)
    return Sensitivity(float(relative.max()), float(relative.mean()))


@metric(
    "max_sensitivity",
    "Max-sensitivity",
    "stability",
    direction="lower",
    range=(0, None),
    chance="none: read it beside the change of the score",
    cost=f"{COPIES} maps",
    inputs="noisy maps",
    source="Yeh 2019, definition 2 (by sampling), relative to ‖E(x)‖",
)
def max_sensitivity(heat: Tensor, noisy: Sequence[Tensor]) -> float:
    """max over noisy copies y of ‖E(y) − E(x)‖₂ / ‖E(x)‖₂, 0 or more.

    Args:
        heat, noisy: as for :func:`sensitivity`.

    Returns:
        NaN for a map of zeros.

    >>> max_sensitivity(torch.tensor([1.0, 0.0]), [torch.tensor([1.0, 0.5])])
    0.5
    """
    return sensitivity(heat, noisy).maximum


@metric(
    "score_change",
    "Largest change of the score under noise",
    "stability",
    direction="none",
    range=(0, None),
    chance="none: what max-sensitivity must be read beside",
    cost="shared with max_sensitivity",
    inputs="noisy scores",
    source="largest |f(y) − f(x)| of the noisy copies y",
)
def score_change(score: float, noisy_scores: ArrayLike) -> float:
    """max over noisy copies y of |f(y) − f(x)|, in the unit of the score, 0 or more.

    Args:
        score: f(x).
        noisy_scores: (copies,) f(y).

    Returns:
        0 or more; NaN where a score is NaN.

    Raises:
        UsageError: no noisy copy.

    >>> score_change(1.0, [0.5, 1.25])
    0.5
    """
    noisy = np.asarray(noisy_scores, np.float64)
    if not noisy.size:
        raise UsageError("change of the score without a noisy copy", "give one score or more")
    return float(np.abs(noisy - score).max())


def view(image: Tensor, name: str) -> Tensor:
    """A mirrored view of an image (C, *spatial) or a map (*grid); applied twice, it is undone.

    Args:
        image: two axes or more.
        name: of :data:`VIEWS`.

    Raises:
        UsageError: no such view.

    >>> view(torch.tensor([[1, 2]]), "horizontal")
    tensor([[2, 1]])
    """
    if name not in VIEWS:
        raise UsageError(f"unknown view {name!r}", f"known: {', '.join(VIEWS)}")
    return torch.flip(image, VIEWS[name])


@metric(
    "view_agreement",
    "Agreement across mirrored views",
    "stability",
    direction="higher",
    range=(-1, 1),
    chance="similarity of maps of different images (not 0)",
    cost="1 map a view",
    inputs="views",
    source="equivariance of the map; Wang 2020 (SEAM) as a training loss",
)
def view_agreement(
    heat: Tensor, of_views: Mapping[str, Tensor], null: float | None = None
) -> float:
    """Mean Pearson correlation of E(x) with the maps of mirrored images, mirrored back, in [−1, 1].

    On the native grid. Mirroring a radiograph moves the heart, so that a model may rightly predict
    otherwise: read it beside the change of the score. Volumes whose file states directions are
    mirrored from left to right, and from head to foot; they come with these axes last.

    Args:
        heat: E(x), (*grid).
        of_views: E of ``view(x, name)``, as computed (not mirrored back), by name.
        null: mean similarity of maps of different images; the excess over it is then returned.

    Returns:
        NaN if every correlation is undefined (a constant map).

    >>> heat = torch.tensor([[1.0, 2.0, 5.0]])
    >>> round(view_agreement(heat, {"horizontal": torch.tensor([[5.0, 2.0, 1.0]])}), 6)
    1.0
    """
    return _mean([(heat, view(other, name)) for name, other in of_views.items()], null)


@metric(
    "seed_agreement",
    "Agreement across training seeds",
    "stability",
    direction="higher",
    range=(-1, 1),
    chance="similarity of maps of different images (not 0)",
    cost="1 map a model",
    inputs="maps",
    source="Arun 2021 (reproducibility)",
)
def seed_agreement(maps: Sequence[Tensor], null: float | None = None) -> float:
    """Mean Pearson correlation over all pairs of maps of one image and label, in [−1, 1].

    The maps are of models with other training seeds or folds, on the native grid.

    Args:
        maps: (*grid) each, two or more, one a model.
        null: as in :func:`view_agreement`.

    Returns:
        NaN if every correlation is undefined; pairs with a constant map are left out.

    Raises:
        UsageError: fewer than two maps, or maps on different grids.

    >>> seed_agreement([torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0])])
    1.0
    """
    if len(maps) < 2:
        raise UsageError(f"agreement of {len(maps)} map", "give the maps of two models or more")
    return _mean(list(combinations(maps, 2)), null)


def _mean(pairs: Sequence[tuple[Tensor, Tensor]], null: float | None) -> float:
    values = np.array([_correlation(first, second) for first, second in pairs])
    defined = values[~np.isnan(values)]
    mean = float(defined.mean()) if len(defined) else float("nan")
    return mean if null is None else excess(mean, null)


def _correlation(first: Tensor, second: Tensor) -> float:
    reference = _array(first)
    return pearson(reference, _same_grid(reference, _array(second)))


def _same_grid(reference: Floats, other: Floats) -> Floats:
    if reference.shape != other.shape:
        raise UsageError(
            f"maps on grids of {reference.shape} and {other.shape}", "compare maps of one layer"
        )
    return other


def _array(heat: Tensor) -> Floats:
    return np.asarray(full(heat.detach()).cpu().double().numpy())
