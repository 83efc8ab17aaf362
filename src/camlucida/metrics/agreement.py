"""Do two maps say the same? On the native grid, and as excess over maps of DIFFERENT images: unrelated maps are alike, too.

Unrelated maps share the model's centre bias and smoothness: an SSIM of .6 or a Spearman of .6 can be nothing (Venkatesh 2024).
A map that is constant (dead) has no agreement with any other: NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from camlucida.core.errors import UsageError
from camlucida.metrics import statistics
from camlucida.metrics.annotations import Floats, as_map
from camlucida.metrics.base import metric
from camlucida.metrics.statistics import excess

__all__ = [
    "different_image_null",
    "excess",
    "kendall_w",
    "pearson",
    "spearman",
    "ssim",
    "top_cells_iou",
]

Run = TypeVar("Run", bound=Callable[..., Any])
NAN = float("nan")

CELLS = 5
PAIRS = 50


def _agreeing(name: str, title: str, low: float, chance: str, source: str) -> Callable[[Run], Run]:
    chance = f"{chance}; that of maps of different images"
    return metric(
        name, title, "agreement", direction="higher", range=(low, 1), chance=chance, source=source
    )


@_agreeing("pearson", "Pearson correlation", -1, "0", "Pearson 1895, over cells")
def pearson(a: ArrayLike, b: ArrayLike) -> float:
    """Linear correlation over cells; NaN where a map is constant."""
    return statistics.pearson(*_two(a, b))


@_agreeing("spearman", "Spearman correlation", -1, "0", "Spearman 1904, over cells, ties averaged")
def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Rank correlation over cells, ties averaged; NaN where a map is constant."""
    return statistics.spearman(*_two(a, b))


@_agreeing(
    "top_cells_iou",
    "IoU of the top cells",
    0,
    "k / (2n − k)",
    "IoU of the k hottest cells; ties in proportion",
)
def top_cells_iou(a: ArrayLike, b: ArrayLike, cells: int = CELLS) -> float:
    """Σ min(w_a, w_b) / Σ max(w_a, w_b): w is 1 for a cell among the ``cells`` hottest, else 0; NaN where a map is constant.

    Cells tied at the last place share what is left of it equally, so that order in memory never decides.
    """
    x, y = _two(a, b)
    if not 1 <= cells <= x.size:
        raise UsageError(f"the top {cells} of {x.size} cells", f"give 1 to {x.size}")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return NAN
    first, second = _top(x, cells), _top(y, cells)
    return float(np.minimum(first, second).sum() / np.maximum(first, second).sum())


@_agreeing(
    "ssim",
    "Structural similarity",
    -1,
    ".31 to .62 at 224²",
    "Wang 2004; data range 1, 7-cell window",
)
def ssim(a: ArrayLike, b: ArrayLike) -> float:
    """Mean structural similarity of two maps in [0, 1] (data range 1); NaN where a map is constant.

    The window is 7 cells, or the largest odd number that fits a smaller grid; NaN under 3 cells a side. For comparison with the
    literature only: it depends on the resolution the maps are compared at.
    """
    from skimage.metrics import structural_similarity

    x, y = _two(a, b)
    for heat in (x, y):
        if heat.min() < 0 or heat.max() > 1:
            raise UsageError(
                f"SSIM of a map from {heat.min():g} to {heat.max():g}",
                "scale maps to [0, 1] first: its data range is 1",
            )
    side = min(7, min(x.shape) - (min(x.shape) + 1) % 2)
    if side < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return NAN
    measure: Callable[..., float] = structural_similarity  # not typed in its package
    return float(measure(x, y, win_size=side, data_range=1.0))


@_agreeing("kendall_w", "Kendall's W", 0, "1/m, for m maps", "Kendall 1939; corrected for ties")
def kendall_w(maps: Sequence[ArrayLike]) -> float:
    """Concordance of m ≥ 2 maps over n cells: 12 Σ(R − R̄)² / (m²(n³ − n) − m Σ(t³ − t)), in [0, 1].

    R is a cell's sum of ranks, t the size of each group of ties within a map. NaN if a map is constant.
    """
    checked = [as_map(m) for m in maps]
    if len(checked) < 2 or len({m.shape for m in checked}) > 1:
        raise UsageError(
            f"concordance of maps of {[m.shape for m in checked]}",
            "give two or more maps on one grid",
        )
    if any(np.ptp(m) == 0 for m in checked):
        return NAN
    ranks = np.stack([rankdata(m.reshape(-1)) for m in checked])
    count, cells = ranks.shape
    ties = sum(
        float((t**3 - t).sum())
        for t in (np.unique(r, return_counts=True)[1].astype(float) for r in ranks)
    )
    spread = ((ranks.sum(0) - count * (cells + 1) / 2) ** 2).sum()
    return float(np.clip(12 * spread / (count**2 * (cells**3 - cells) - count * ties), 0, 1))


def different_image_null(
    similarity: Callable[[Any, Any], float],
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    *,
    groups: Sequence[Hashable] | None = None,
    pairs: int = PAIRS,
    seed: int = 0,
) -> Floats:
    """Similarity of ``first[i]`` and ``second[j]`` for random i ≠ j: its mean is the null of ``excess``.

    Args:
        similarity: one of this file's pairwise functions.
        first, second: maps of the same images in the same order, of two methods, seeds, layers (or one list twice).
        groups: who each image belongs to; images of one patient are not different. None: each image its own.
        pairs: drawn without repetition; all there are, if fewer.

    Returns:
        (pairs,), NaN where a map is dead. UsageError without two different images.
    """
    if len(first) != len(second) or (groups is not None and len(groups) != len(first)):
        raise UsageError(
            f"{len(first)} maps against {len(second)}",
            "give the maps, and the groups, of the same images",
        )
    number: dict[Hashable, int] = {}
    owner = np.array(
        [
            number.setdefault(g, len(number))
            for g in (groups if groups is not None else range(len(first)))
        ],
        np.int64,
    )
    candidates: NDArray[np.int64] = np.argwhere(owner[:, None] != owner[None])
    if not len(candidates):
        raise UsageError(
            "all maps are of one image or patient", "the null needs maps of two or more"
        )
    drawn = np.random.default_rng(seed).permutation(len(candidates))[:pairs]
    return np.array(
        [similarity(first[i], second[j]) for i, j in candidates[drawn].tolist()], np.float64
    )


def _two(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    x, y = as_map(a), as_map(b)
    if x.shape != y.shape:
        raise UsageError(
            f"agreement of maps of {x.shape} and {y.shape}", "compare maps on one grid"
        )
    return x, y


def _top(heat: Floats, count: int) -> Floats:
    """Weights that sum to ``count``: 1 above the count-th value, an equal share of the rest at it."""
    last = np.partition(heat, heat.size - count, axis=None)[heat.size - count]
    above, tied = heat > last, heat == last
    return np.asarray(above + tied * ((count - above.sum()) / tied.sum()))
