"""Does the heat lie where a reader annotated the finding? In original pixels.

A map is an array of any rank; the truth is an annotated mask of the same size. With an empty truth
every score is NaN. Ties are averaged over, never broken by position: a corner peak of a 7×7 map,
upsampled to 224², has 256 equal maxima. ``area`` is the share of pixels inside the truth. Scores at
a threshold are in :mod:`camlucida.metrics.annotation_overlap`, boxes in
:mod:`camlucida.metrics.boxes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from camlucida.metrics.annotations import Floats, Mask, as_pair
from camlucida.metrics.base import Inputs, metric
from camlucida.metrics.chance import (
    area_share,
    same_for_all,
    widened_area,
)

Run = TypeVar("Run", bound=Callable[..., Any])
NAN = float("nan")

TOLERANCE = 15.0
"""Pixels around the truth that still count in the tolerant hit (Zhang 2018)."""


def localisation_metric(
    name: str,
    title: str,
    chance: str,
    chance_level: Callable[..., float],
    source: str,
    range: tuple[float, float | None] = (0, 1),
    inputs: Inputs = "mask",
    options: tuple[str, ...] = (),
    proportion: bool = False,
    counts_with: str = "",
) -> Callable[[Run], Run]:
    """:func:`~camlucida.metrics.base.metric` for the family "localisation": higher is better.

    Args:
        name, title, chance, chance_level, source, range, inputs, options, proportion, counts_with:
            as for ``metric``.
    """
    return metric(
        name,
        title,
        "localisation",
        direction="higher",
        range=range,
        chance=chance,
        chance_level=chance_level,
        source=source,
        inputs=inputs,
        options=options,
        proportion=proportion,
        counts_with=counts_with,
    )


# ---- where the peak is
# ----------------------------------------------------------------------------


@localisation_metric(
    "hit",
    "Pointing game",
    "area",
    area_share,
    "Zhang 2018 (Excitation Backprop), section 4; ties averaged",
    proportion=True,
)
def hit(values: ArrayLike, truth: ArrayLike) -> float:
    """Share of the pixels at the maximum that lie in the truth; 0 or 1 without ties.

    Args:
        values: map, finite, in any unit.
        truth: mask of the same size.

    Returns:
        In [0, 1]; the area for a constant map, NaN for an empty truth.

    Raises:
        UsageError: the sizes differ. NoEvidenceError: the map is not finite.

    >>> hit([[0.0, 2.0, 2.0]], [[0, 0, 1]])
    0.5
    """
    heat, mask = as_pair(values, truth)
    return float(mask[heat == heat.max()].mean()) if mask.any() else NAN


@localisation_metric(
    "tolerant_hit",
    "Pointing game with tolerance",
    "area of the widened truth",
    widened_area(TOLERANCE),
    "Zhang 2018 (Excitation Backprop)",
    proportion=True,
    counts_with="hit",
)
def tolerant_hit(values: ArrayLike, truth: ArrayLike, radius: float = TOLERANCE) -> float:
    """Share of the pixels at the maximum that lie in the truth, widened by some pixels.

    Args:
        values, truth: as for :func:`hit`.
        radius: in original pixels from centre to centre (Euclidean), 0 or more.

    Returns:
        In [0, 1]; NaN for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> tolerant_hit([[0.0, 1.0, 0.0, 0.0]], [[1, 0, 0, 0]], radius=1)
    1.0
    """
    heat, mask = as_pair(values, truth)
    return hit(heat, ndimage.distance_transform_edt(~mask) <= radius) if mask.any() else NAN


# ---- the share of heat inside
# ---------------------------------------------------------------------


@localisation_metric(
    "relevance_mass",
    "Relevance mass accuracy",
    "area, for a uniform map",
    area_share,
    "Arras 2022 (CLEVR-XAI), eq. 2; Wang 2020, eq. 10",
)
def relevance_mass(values: ArrayLike, truth: ArrayLike) -> float:
    """Σ_M E⁺ / Σ E⁺: the share of positive heat inside the truth M.

    Also known as the energy-based pointing game (Score-CAM) and attribution localisation
    (Kohlbrenner 2020).

    Args:
        values, truth: as for :func:`hit`.

    Returns:
        In [0, 1]; NaN without positive heat or for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> relevance_mass([[1.0, 3.0, -5.0]], [[0, 1, 1]])
    0.75
    """
    heat, mask = as_pair(values, truth)
    positive = np.maximum(heat, 0)
    peak = positive.max()
    if not (mask.any() and peak > 0):
        return NAN
    # Scaled first, for a sum of tiny numbers must not underflow.
    positive = positive / peak
    return float(positive[mask].sum() / positive.sum())


@localisation_metric(
    "attention_ratio",
    "Attention ratio",
    "1",
    same_for_all(1.0),
    "Mean positive heat in the truth over that of the image",
    (0, None),
    counts_with="relevance_mass",
)
def attention_ratio(values: ArrayLike, truth: ArrayLike) -> float:
    """mean_M E⁺ / mean E⁺ = relevance mass / area, in [0, 1/area]. NaN without positive heat.

    Args:
        values, truth: as for :func:`hit`.

    Returns:
        0 or more; NaN without positive heat or for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> attention_ratio([[1.0, 3.0, 0.0, 0.0]], [[0, 1, 0, 0]])
    3.0
    """
    mask = np.asarray(truth)
    mass = relevance_mass(values, mask)
    return mass / float((mask != 0).mean()) if np.isfinite(mass) else NAN


@localisation_metric(
    "relevance_rank",
    "Relevance rank accuracy",
    "area",
    area_share,
    "Arras 2022 (CLEVR-XAI), eq. 3; ties averaged",
)
def relevance_rank(values: ArrayLike, truth: ArrayLike) -> float:
    """|top-K ∩ M| / K, K = |M|: the share of the K hottest pixels inside the truth, in [0, 1].

    A tie at the K-th counts in proportion. Also the Dice coefficient at the area-matched threshold
    (as many pixels as the truth has).

    Args:
        values, truth: as for :func:`hit`.

    Returns:
        In [0, 1]; NaN for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> relevance_rank([[3.0, 2.0, 1.0, 0.0]], [[1, 0, 0, 1]])
    0.5
    """
    heat, mask = as_pair(values, truth)
    count = int(mask.sum())
    if not count:
        return NAN
    last = np.partition(heat, heat.size - count, axis=None)[heat.size - count]
    above, tied = heat > last, heat == last
    share = (count - above.sum()) / tied.sum()
    return float(((above & mask).sum() + share * (tied & mask).sum()) / count)


# ---- ranking of all pixels
# ------------------------------------------------------------------------


@localisation_metric(
    "roc_auc", "Pixel ROC-AUC", "0.5", same_for_all(0.5), "Hanley 1982; ties count a half"
)
def roc_auc(values: ArrayLike, truth: ArrayLike) -> float:
    """P(heat of a pixel inside > heat of one outside), ties a half, in [0, 1].

    Args:
        values, truth: as for :func:`hit`.

    Returns:
        NaN where the truth is empty or everything.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> roc_auc([[3.0, 2.0, 1.0]], [[1, 0, 1]])
    0.5
    """
    heat, mask = as_pair(values, truth)
    inside_taken, taken = threshold_curve(heat, mask)
    inside, outside = inside_taken[-1], taken[-1] - inside_taken[-1]
    if not (inside and outside):
        return NAN
    true = np.append(0, inside_taken) / inside
    false = np.append(0, taken - inside_taken) / outside
    return float(np.diff(false) @ (true[1:] + true[:-1]) / 2)


@localisation_metric(
    "average_precision",
    "Average precision",
    "area",
    area_share,
    "Everingham 2010 without interpolation, as scikit-learn",
    counts_with="average_precision_lift",
)
def average_precision(values: ArrayLike, truth: ArrayLike) -> float:
    """Σ_n (R_n − R_{n−1}) P_n over the distinct values of the map, hottest first, in (0, 1].

    Args:
        values, truth: as for :func:`hit`.

    Returns:
        In (0, 1]; NaN for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> round(average_precision([[3.0, 2.0, 1.0]], [[1, 0, 1]]), 3)
    0.833
    """
    heat, mask = as_pair(values, truth)
    # Recall grows at the values inside the truth alone; a plain sort counts the other pixels.
    levels, counts = np.unique(heat[mask], return_counts=True)
    if not len(levels):
        return NAN
    taken = heat.size - np.searchsorted(np.sort(heat, axis=None), levels)
    inside_taken = counts[::-1].cumsum()[::-1]
    return float(counts @ (inside_taken / taken) / inside_taken[0])


@localisation_metric(
    "average_precision_lift",
    "Average precision over area",
    "1",
    same_for_all(1.0),
    "Average precision ÷ its chance level",
    (0, None),
)
def average_precision_lift(values: ArrayLike, truth: ArrayLike) -> float:
    """Average precision ÷ area, in (0, 1/area].

    Average precision as a multiple of its chance level.

    Args:
        values, truth: as for :func:`hit`.

    Returns:
        1 at chance level; NaN for an empty truth.

    Raises:
        UsageError: the sizes differ, or the truth is not a mask.
        NoEvidenceError: the map is not finite.

    >>> average_precision_lift([[3.0, 2.0, 1.0, 0.0]], [[1, 0, 0, 0]])
    4.0
    """
    precision = average_precision(values, truth)
    return precision / float((np.asarray(truth) != 0).mean()) if np.isfinite(precision) else NAN


def threshold_curve(heat: Floats, mask: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels taken at each distinct threshold of a map, from the highest down.

    Args:
        heat: map, of any rank.
        mask: bool, of the same shape.

    Returns:
        (thresholds,) pixels of the mask at or above the threshold, and all pixels there.

    >>> inside, taken = threshold_curve(np.array([3.0, 1.0, 1.0]), np.array([True, True, False]))
    >>> inside.tolist(), taken.tolist()
    ([1, 2], [1, 3])
    """
    order = np.argsort(heat, axis=None)[::-1]
    ranked = heat.reshape(-1)[order]
    # Equal values are taken together: a threshold cannot separate them.
    last = np.append(np.flatnonzero(np.diff(ranked)), ranked.size - 1)
    inside_taken = np.cumsum(mask.reshape(-1)[order], dtype=np.int64)[last]
    return inside_taken, last + 1
