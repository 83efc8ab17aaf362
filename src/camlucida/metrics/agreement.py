"""How similar are two maps? On the native grid, and as excess over maps of DIFFERENT images.

Unrelated maps are similar, too, for they share the centre bias and the smoothness of the model: an
SSIM or a Spearman correlation of .6 can be at chance level (Venkatesh 2024). A map that is constant
(dead) has no agreement with any other: NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from camlucida.core.errors import UsageError
from camlucida.metrics import correlation
from camlucida.metrics.annotations import Floats, as_map
from camlucida.metrics.base import metric
from camlucida.metrics.bootstrap import numbered
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
"""Hottest cells that :func:`top_cells_iou` compares."""

PAIRS = 50
"""Pairs of different images behind a null."""

MAPS = 1000
"""Largest number of maps that pairs are drawn from: enough for any number of pairs in use."""

MapLike = ArrayLike | Tensor


def _agreeing(name: str, title: str, low: float, chance: str, source: str) -> Callable[[Run], Run]:
    chance = f"{chance}; that of maps of different images"
    return metric(
        name, title, "agreement", direction="higher", range=(low, 1), chance=chance, source=source
    )


@_agreeing("pearson", "Pearson correlation", -1, "0", "Pearson 1895, over cells")
def pearson(a: ArrayLike, b: ArrayLike) -> float:
    """Linear correlation over the cells of two maps, in [−1, 1].

    Args:
        a, b: maps (*grid) on one grid.

    Returns:
        NaN where a map is constant.

    Raises:
        UsageError: different grids. NoEvidenceError: a map is not finite.

    >>> pearson([[1.0, 2.0]], [[2.0, 1.0]])
    -1.0
    """
    return correlation.pearson(*_two(a, b))


@_agreeing("spearman", "Spearman correlation", -1, "0", "Spearman 1904, over cells, ties averaged")
def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Rank correlation over the cells of two maps, ties averaged, in [−1, 1].

    Args:
        a, b: as for :func:`pearson`.

    Returns:
        NaN where a map is constant.

    Raises:
        UsageError: different grids.
        NoEvidenceError: a map is not finite.

    >>> spearman([[1.0, 2.0, 9.0]], [[1.0, 2.0, 3.0]])
    1.0
    """
    return correlation.spearman(*_two(a, b))


@_agreeing(
    "top_cells_iou",
    "IoU of the top cells",
    0,
    "k / (2n − k)",
    "IoU of the k hottest cells; ties in proportion",
)
def top_cells_iou(a: ArrayLike, b: ArrayLike, cells: int = CELLS) -> float:
    """Overlap (IoU) of the hottest cells of two maps, in [0, 1]: Σ min(w_a, w_b) / Σ max(w_a, w_b).

    w is 1 for a cell among the ``cells`` hottest, else 0. Cells tied at the last place share what
    is left of it equally, so that order in memory never decides.

    Args:
        a, b: as for :func:`pearson`.
        cells: from 1 to the number of cells of the grid.

    Returns:
        In [0, 1]; NaN where a map is constant.

    Raises:
        UsageError: as :func:`pearson`, or more cells than there are.

    >>> top_cells_iou([3.0, 2.0, 1.0], [3.0, 1.0, 2.0], cells=2)
    0.3333333333333333
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
    """Mean structural similarity of two maps in [0, 1], with a data range of 1.

    For comparison with the literature only: it depends on the resolution of the maps.

    Args:
        a, b: maps (H, W) in [0, 1] on one grid.

    Returns:
        In [−1, 1]; NaN where a map is constant, and under 3 cells a side. The window is 7 cells, or
        the largest odd number that fits a smaller grid.

    Raises:
        UsageError: as :func:`pearson`, or values outside [0, 1].

    >>> import numpy as np
    >>> ssim(np.eye(7), np.eye(7))
    1.0
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
    """Concordance of m ≥ 2 maps over n cells: 12 Σ(R − R̄)² / (m²(n³ − n) − m Σ(t³ − t)).

    R is a cell's sum of ranks, t the size of each group of ties within a map.

    Args:
        maps: (*grid) each, on one grid.

    Returns:
        In [0, 1]; NaN if a map is constant.

    Raises:
        UsageError: fewer than two maps, or different grids.
        NoEvidenceError: a map is not finite.

    >>> kendall_w([[1, 2, 3], [10, 20, 30]])
    1.0
    """
    from scipy.stats import rankdata  # half a second, which a command without ranks is spared

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
    ties = sum(map(_ties, ranks))
    spread = ((ranks.sum(0) - count * (cells + 1) / 2) ** 2).sum()
    largest = count**2 * (cells**3 - cells) - count * ties
    return float(np.clip(12 * spread / largest, 0, 1))


def _ties(ranks: Floats) -> float:
    """Σ (t³ − t) over the groups of equal ranks."""
    sizes = np.unique(ranks, return_counts=True)[1].astype(float)
    return float((sizes**3 - sizes).sum())


def different_image_null(
    maps: Sequence[MapLike],
    others: Sequence[MapLike] | None = None,
    *,
    similarity: Callable[[Any, Any], float] = correlation.pearson,
    patients: Sequence[Hashable] | None = None,
    pairs: int = PAIRS,
    seed: int = 0,
) -> Floats:
    """Similarity of maps of different images: its mean is the null of :func:`excess`.

    Args:
        maps: of one method, model and layer, an image each.
        others: of the same images in the same order, of another method, model or layer; the pairs
            are then ``maps[i]`` with ``others[j]``. None: two of ``maps``.
        similarity: of two maps.
        patients: whose each image is; images of one patient are not different. None: each image is
            of its own patient.
        pairs: drawn without repetition; all there are, if fewer.
        seed: of the draw.

    Returns:
        (pairs,), NaN where a map is dead.

    Raises:
        UsageError: lists of different length, or no two images of different patients.

    >>> different_image_null([[1.0, 2.0], [2.0, 1.0]]).tolist()
    [-1.0]
    """
    second = maps if others is None else others
    if len(second) != len(maps) or (patients is not None and len(patients) != len(maps)):
        sizes = f"{len(maps)} maps against {len(second)}"
        sizes += "" if patients is None else f", {len(patients)} patients"
        raise UsageError(sizes, "give the maps, and the patients, of the same images")
    owner, _ = numbered(range(len(maps)) if patients is None else patients)
    rng = np.random.default_rng(seed)
    candidates = _ordered_pairs(owner) if others is not None else _unordered_pairs(owner, rng)
    if not len(candidates):
        raise UsageError(
            "all maps are of one image or patient", "the null needs maps of two or more"
        )
    drawn = candidates[rng.permutation(len(candidates))[:pairs]]
    values = [similarity(_cells(maps[i]), _cells(second[j])) for i, j in drawn.tolist()]
    return np.array(values, np.float64)


def _ordered_pairs(owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N, 2) every i, j of different patients."""
    return np.argwhere(owner[:, None] != owner[None])


def _unordered_pairs(owner: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """(N, 2) of different patients, each pair once, among at most ``MAPS`` maps."""
    kept = rng.choice(len(owner), min(len(owner), MAPS), replace=False)
    first, second = (kept[side] for side in np.triu_indices(len(kept), 1))
    apart = owner[first] != owner[second]
    return np.stack([first[apart], second[apart]], axis=1)


def _cells(heat: MapLike) -> ArrayLike:
    return heat.detach().cpu().double().numpy() if isinstance(heat, Tensor) else heat


def _two(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    x, y = as_map(a), as_map(b)
    if x.shape != y.shape:
        raise UsageError(
            f"agreement of maps of {x.shape} and {y.shape}", "compare maps on one grid"
        )
    return x, y


def _top(heat: Floats, count: int) -> Floats:
    """Weights that sum to ``count``.

    1 above the count-th value, an equal share of the rest at it.
    """
    last = np.partition(heat, heat.size - count, axis=None)[heat.size - count]
    above, tied = heat > last, heat == last
    return np.asarray(above + tied * ((count - above.sum()) / tied.sum()))
