"""Does the map stay when nothing that matters changes? Noise, mirrored views, other training seeds.

The change of the prediction is given beside each: a map should move where the score moves.
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
from camlucida.metrics.imputation import is_grey
from camlucida.metrics.statistics import excess, pearson

Floats = NDArray[np.float64]

COPIES = 10
RADIUS = 0.02
"""Of the noise, as a share of the data range: 5 of 255 grey levels."""

VIEWS: dict[str, tuple[int, ...]] = {"horizontal": (-1,), "vertical": (-2,), "both": (-2, -1)}
"""Mirrored views: the spatial axes that are flipped. Each is its own inverse."""


@dataclass(frozen=True)
class Sensitivity:
    """How far maps move under noise.

    Attributes:
        maximum, mean: of ‖E(y) − E(x)‖ / ‖E(x)‖ over the noisy copies y; NaN where E(x) is zero.
        score_change: (S,) largest |f(y) − f(x)|, in score units.
    """

    maximum: float
    mean: float
    score_change: Floats


def noisy_copies(
    image: Tensor,
    copies: int = COPIES,
    radius: float = RADIUS,
    *,
    data_range: tuple[float, float] | None = None,
    seed: int = 0,
) -> Tensor:
    """(copies, C, *spatial): ``image`` plus uniform noise in ±radius · (high − low). A grey image stays grey; no clipping.

    Args:
        image: (C, *spatial), not changed.
        copies: how many.
        radius: share of the data range.
        data_range: (low, high) that image values can take; those that occur in the image if None.
        seed: of the noise.
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
    noise = (
        torch.rand((copies, channels, *image.shape[1:]), generator=generator, dtype=torch.float32)
        * 2
        - 1
    )
    return image + (noise * (radius * (high - low))).to(image)


@metric(
    "max_sensitivity",
    "Max-sensitivity",
    "stability",
    direction="lower",
    range=(0, None),
    chance="none: read it beside the change of the score",
    cost=f"{COPIES} maps",
    source="Yeh 2019, definition 2 (by sampling), relative to ‖E(x)‖",
)
def max_sensitivity(
    heat: Tensor,
    noisy: Sequence[Tensor],
    scores: ArrayLike | None = None,
    noisy_scores: ArrayLike | None = None,
) -> Sensitivity:
    """max over noisy copies y of ‖E(y) − E(x)‖₂ / ‖E(x)‖₂, and the largest change of the score.

    Args:
        heat: E(x), on its own grid.
        noisy: E(y) of each of :func:`noisy_copies`, same method and label, not rescaled.
        scores: (S,) f(x); None leaves ``score_change`` empty.
        noisy_scores: (copies, S) f(y).
    """
    if not noisy:
        raise UsageError("max-sensitivity without a noisy copy")
    reference = _array(heat)
    moved = np.array(
        [np.linalg.norm(_same_grid(reference, _array(other)) - reference) for other in noisy]
    )
    norm = float(np.linalg.norm(reference))
    relative = moved / norm if norm > 0 else np.full(len(moved), np.nan)
    change = np.zeros(0)
    if scores is not None and noisy_scores is not None:
        change = np.abs(np.asarray(noisy_scores, np.float64) - np.asarray(scores, np.float64)).max(
            0
        )
    return Sensitivity(float(relative.max()), float(relative.mean()), np.atleast_1d(change))


@metric(
    "score_change",
    "Largest change of the score under noise",
    "stability",
    direction="none",
    range=(0, None),
    chance="none: what max-sensitivity must be read beside",
    cost="shared with max_sensitivity",
    source="largest |f(y) − f(x)| of the noisy copies y",
)
def score_change(score: float, noisy_scores: ArrayLike) -> float:
    """max over noisy copies y of |f(y) − f(x)|, in score units."""
    return float(np.abs(np.asarray(noisy_scores, np.float64) - score).max())


def view(image: Tensor, name: str) -> Tensor:
    """A mirrored view of an image (C, *spatial) or a map (*grid); applied twice, it is undone."""
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
    source="equivariance of the map; Wang 2020 (SEAM) as a training loss",
)
def view_agreement(
    heat: Tensor, of_views: Mapping[str, Tensor], null: float | None = None
) -> float:
    """Mean Pearson correlation of E(x) with the maps of mirrored images, mirrored back, on the native grid.

    Mirroring a radiograph moves the heart: a model may rightly answer otherwise. Give the change of its score beside it.

    Args:
        heat: E(x), (*grid).
        of_views: E of ``view(x, name)``, as computed (not mirrored back), by name.
        null: mean similarity of maps of different images; the excess over it is then returned.

    Returns:
        NaN if every correlation is undefined (a constant map).
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
    source="Arun 2021 (reproducibility)",
)
def seed_agreement(maps: Sequence[Tensor], null: float | None = None) -> float:
    """Mean Pearson correlation over all pairs of maps of one image and label by models of other seeds or folds, native grid.

    Args:
        maps: (*grid) each, two or more, one a model.
        null: as in :func:`view_agreement`.

    Returns:
        NaN if every correlation is undefined; pairs with a constant map are left out.
    """
    if len(maps) < 2:
        raise UsageError(f"agreement of {len(maps)} map", "give the maps of two models or more")
    return _mean(list(combinations(maps, 2)), null)


def _mean(pairs: Sequence[tuple[Tensor, Tensor]], null: float | None) -> float:
    values = np.array(
        [pearson(x, _same_grid(x, _array(b))) for x, b in ((_array(a), b) for a, b in pairs)]
    )
    known = values[~np.isnan(values)]
    mean = float(known.mean()) if len(known) else float("nan")
    return mean if null is None else excess(mean, null)


def _same_grid(reference: Floats, other: Floats) -> Floats:
    if reference.shape != other.shape:
        raise UsageError(
            f"maps on grids of {reference.shape} and {other.shape}", "compare maps of one layer"
        )
    return other


def _array(heat: Tensor) -> Floats:
    return np.asarray(full(heat.detach()).cpu().double().numpy())
