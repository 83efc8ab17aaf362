"""Does a map depend on the weights? The test of parameter randomisation, with three outcomes.

The absolute similarity of the maps before and after randomisation is tested for non-inferiority
to that of maps of different images. Only evidence that the maps stay alike speaks against a method.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from camlucida.core.errors import UsageError
from camlucida.metrics.base import metric
from camlucida.metrics.bootstrap import Floats, numbered
from camlucida.metrics.statistics import excess

Verdict = Literal["depends", "unclear", "unchanged"]
VERDICTS: tuple[Verdict, ...] = ("depends", "unclear", "unchanged")

ALPHA = 0.05
MARGIN = 0.2
"""Of the way from the null to 1: a map that keeps half of itself keeps .7 of that way, independent
maps 0; .2 leaves the first far outside and needs about 16 patients for the second.
"""
NEAR_ONE = 0.9
"""A mean |similarity| at or above it never counts as dependence, whatever the null is."""
IDENTICAL = 0.99
"""A mean |similarity| significantly above it is unchanged, whatever the null is."""
MIN_PATIENTS = 5
"""Under this many patients there is no standard error to rely on."""
POWER = 0.8
"""With which the number of missing patients is planned."""


@dataclass(frozen=True)
class Gate:
    """Outcome of :func:`randomisation_gate`.

    Attributes:
        verdict: "depends" (on the weights), "unclear", or "unchanged" (by randomisation).
        similarity: mean |similarity| after randomisation.
        null: mean |similarity| of maps of different images.
        excess: (similarity − null) / (1 − null); 1 for identical maps.
        low, high: one-sided 95 % bounds of similarity − null; NaN under ``MIN_PATIENTS``.
        margin: that ``high`` must not exceed.
        images, patients: with a similarity.
        more: patients still needed for a verdict with a power of 80 %, if the estimates hold;
            0 where there is a verdict, NaN where no number would do.
    """

    verdict: Verdict
    similarity: float
    null: float
    excess: float
    low: float
    high: float
    margin: float
    images: int
    patients: int
    more: float


@dataclass(frozen=True)
class Bounds:
    """Of many tests at once: every array has the shape of the leading axes."""

    similarity: Floats
    null: Floats
    error: Floats
    own_error: Floats
    patients: int

    @property
    def quantile(self) -> float:
        """Of Student's t, one-sided."""
        return float(stdtrit(self.patients - 1, 1 - ALPHA))

    @property
    def margin(self) -> Floats:
        """On the scale of the similarity."""
        return MARGIN * (1 - self.null)

    def verdicts(self) -> NDArray[np.int64]:
        """Index into ``VERDICTS`` of each test."""
        difference = self.similarity - self.null
        reach = self.quantile * self.error
        own_reach = self.quantile * self.own_error
        below = difference + reach <= self.margin
        below &= self.similarity + own_reach < NEAR_ONE
        above = difference - reach > self.margin
        above |= self.similarity - own_reach > IDENTICAL
        return np.where(above, 2, np.where(below, 0, 1))


def bounds(after: Floats, pairs: Floats, counts: Floats | None = None) -> Bounds:
    """Means and jackknife standard errors over patients, of many tests at once.

    A patient takes his similarity and all his pairs with him, so that the dependence of the pairs
    on each other and on the similarities is in the standard error.

    Args:
        after: (…, patients) |similarity| after randomisation, finite.
        pairs: (…, patients, patients) symmetric |similarity| of different patients, 0 where none.
        counts: (patients, patients) how many pairs each value counts for; None: 1 off the diagonal.
    """
    patients = after.shape[-1]
    weights = 1 - np.eye(patients) if counts is None else counts
    sums = (pairs * weights).sum(-1)
    of_patient = weights.sum(-1)
    total, all_pairs = sums.sum(-1, keepdims=True) / 2, of_patient.sum() / 2
    similarity = after.mean(-1)
    null = total[..., 0] / all_pairs
    after_without = (after.sum(-1, keepdims=True) - after) / (patients - 1)
    left = all_pairs - of_patient
    null_without = (total - sums) / np.where(left > 0, left, np.nan)
    return Bounds(
        similarity,
        null,
        _jackknife(after_without - null_without),
        _jackknife(after_without),
        patients,
    )


def _jackknife(without: Floats) -> Floats:
    patients = without.shape[-1]
    spread = (without - without.mean(-1, keepdims=True)) ** 2
    return np.asarray(np.sqrt((patients - 1) / patients * spread.sum(-1)))


@metric(
    "randomisation_gate",
    "Dependence on the weights, against different images",
    "sanity",
    direction="higher",
    range=(0, 1),
    chance=f"depends for at most {ALPHA:.0%} of maps at the margin",
    cost="that of cascading_randomisation",
    inputs="weights",
    source="Adebayo 2018; null of Venkatesh 2024; as a non-inferiority test",
)
def randomisation_gate(
    similarity: ArrayLike, null: ArrayLike, patients: Sequence[Hashable] | None = None
) -> Gate:
    """Whether maps after randomisation are no more alike than maps of different images.

    Absolute similarities: a negated map shows the same. The verdict is "depends" if the upper 95 %
    bound of mean |similarity| − null is at most ``MARGIN`` · (1 − null), "unchanged" if the lower
    bound is above it, else "unclear". Bounds are by a jackknife over patients with Student's t.
    They hold for the random weights that were drawn.

    Args:
        similarity: (images,) or (images, seeds) in [−1, 1] after randomisation; |similarity| is
            averaged over the seeds. NaN (dead maps) is left out.
        null: (images, images) similarity of the trained model's maps, NaN where there is none;
            pairs of one patient are ignored.
        patients: whose each image is; None: each image is of another patient.

    Returns:
        The verdict with its numbers; "unclear" under ``MIN_PATIENTS`` patients.

    Raises:
        UsageError: shapes that do not fit.

    >>> null = np.full((20, 20), 0.3)
    >>> randomisation_gate(np.linspace(0.0, 0.2, 20), null).verdict
    'depends'
    >>> randomisation_gate(np.full(20, -1.0), null).verdict
    'unchanged'
    """
    values = np.abs(np.asarray(similarity, np.float64))
    values = values[:, None] if values.ndim == 1 else values
    matrix = np.abs(np.asarray(null, np.float64))
    images = len(values)
    owners = list(range(images)) if patients is None else list(patients)
    if matrix.shape != (images, images) or len(owners) != images:
        raise UsageError(
            f"{images} similarities, a null of {matrix.shape}, {len(owners)} patients",
            "give one row and column of the null, and one patient, for each image",
        )
    valued: NDArray[np.bool_] = np.asarray(~np.isnan(values).all(1))
    if not valued.any():
        return _without_bounds(float("nan"), float("nan"), 0, 0)
    after = np.nanmean(values[valued], 1)
    matrix = matrix[np.ix_(valued, valued)]
    owner, _ = numbered([name for name, has in zip(owners, valued) if has])
    of_patient = np.eye(owner.max() + 1)[owner]
    apart = np.isfinite(matrix) & (owner[:, None] != owner[None])
    counts = of_patient.T @ apart @ of_patient
    sums = of_patient.T @ np.where(apart, matrix, 0) @ of_patient
    means = of_patient.T @ after / of_patient.sum(0)
    here = float(means.mean())
    there = float(sums.sum() / counts.sum()) if counts.any() else float("nan")
    if len(means) < MIN_PATIENTS or not isfinite(there):
        return _without_bounds(here, there, len(after), len(means))
    result = bounds(means, sums / np.maximum(counts, 1), counts)
    return _gate(result, len(after))


def _gate(result: Bounds, images: int) -> Gate:
    here, there = float(result.similarity), float(result.null)
    difference, margin = here - there, float(result.margin)
    reach = result.quantile * float(result.error)
    verdict = VERDICTS[int(result.verdicts())]
    more = 0.0
    if verdict == "unclear":
        more = _more(result)
    return Gate(
        verdict,
        here,
        there,
        excess(here, there),
        difference - reach,
        difference + reach,
        margin,
        images,
        result.patients,
        more,
    )


def _without_bounds(here: float, there: float, images: int, patients: int) -> Gate:
    nan = float("nan")
    more = float(MIN_PATIENTS - patients) if patients < MIN_PATIENTS else nan
    margin = MARGIN * (1 - there)
    return Gate(
        "unclear", here, there, excess(here, there), nan, nan, margin, images, patients, more
    )


def _more(result: Bounds) -> float:
    """Patients still needed, the standard errors falling with the square root of their number.

    NaN where no number would do: maps as alike as ``NEAR_ONE`` are never found to depend on the
    weights, and are unchanged only beyond the margin or above ``IDENTICAL``.
    """
    similarity, patients = float(result.similarity), result.patients
    error, own_error = float(result.error), float(result.own_error)
    beyond = float(similarity - result.null - result.margin)
    if beyond > 0:
        needed = _needed(beyond, error, patients)
    elif similarity < NEAR_ONE:
        both = (
            _needed(beyond, error, patients),
            _needed(similarity - NEAR_ONE, own_error, patients),
        )
        needed = float(np.max(both))
    elif similarity > IDENTICAL:
        needed = _needed(similarity - IDENTICAL, own_error, patients)
    else:
        return float("nan")
    return max(1.0, needed - patients) if isfinite(needed) else float("nan")


def _needed(distance: float, error: float, patients: int) -> float:
    """Patients with which a distance from a bound is noticed; NaN without one."""
    if not isfinite(distance) or not isfinite(error) or distance == 0:
        return float("nan")
    return float(ceil(patients * ((ndtri(1 - ALPHA) + ndtri(POWER)) * error / distance) ** 2))
