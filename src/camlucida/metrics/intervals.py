"""Confidence intervals of a figure: Wilson, BCa and expanded BCa; and which one applies.

- A proportion (hits, sensitivity, specificity, accuracy) has a Wilson interval at the effective
  sample size of its patients (:func:`wilson`). A bootstrap of few patients never draws what was not
  observed: with 10 patients and a true rate of 0.05 its interval has no width 60 % of the time.
- Every other figure has a BCa bootstrap interval (:func:`limits`); of fewer than
  :data:`FEW_PATIENTS` patients it is expanded by what Student's distribution is wider than the
  normal. With 10 patients BCa holds the mean of an exponential distribution 88 % of the time, the
  expanded interval 93 %. A studentised bootstrap holds it 94 % of the time, but its intervals of
  bounded scores with one outlier, as of Dice, reach far beyond the scores: the widest tenth of
  them is three to five times as wide at an equal coverage.

``scripts/interval_coverage.py`` simulates how often each interval holds the true value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from camlucida.core.messages import Message, declare

declare(
    "intervals",
    {
        "wilson": (
            "Proportions have Wilson intervals at the effective sample size of the patients."
        ),
        "bca": "Other figures have BCa bootstrap intervals; patients are resampled with all rows.",
        "few": (
            "Other figures of fewer than {few} patients have expanded BCa bootstrap intervals; "
            "patients are resampled with all rows. So few patients say little of skewed values: "
            "such an interval may hold the true value less often than it states."
        ),
    },
)

Floats = NDArray[np.float64]

IntervalMethod = Literal[
    "Wilson", "BCa", "expanded BCa", "percentile", "DeLong", "constant", "none"
]

FEW_PATIENTS = 30
"""Under this many patients a bootstrap interval is expanded."""

TIE, ROUNDING = 1e-9, 1e-13
"""Numbers closer than this share of the spread, or of their size, differ by rounding alone."""


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval.

    Attributes:
        estimate: of all rows with a value; NaN if there is none.
        low, high: the interval; NaN where ``interval_method`` is "none".
        interval_method: "Wilson" for a proportion; "BCa"; "expanded BCa" of few patients;
            "percentile" where BCa is undefined (all replicates on one side of the estimate, or a
            jackknife that does not vary); "constant" where every replicate is the same, low = high;
            "none" under ``MIN_POSITIVES`` patients.
        patients, rows: with a value.
        nan_rate: share of all rows without a value.
    """

    estimate: float
    low: float
    high: float
    interval_method: IntervalMethod
    patients: int
    rows: int
    nan_rate: float


def wilson(top: Floats, bottom: Floats, level: float) -> tuple[float, float]:
    """Wilson's interval of the proportion Σ ``top`` ÷ Σ ``bottom``, clustered by patient.

    The sample size of Wilson's formula is the effective one, N ÷ design effect: the number of
    independent rows whose proportion would vary as much as this one, p (1 − p) ÷ v. The variance v
    is that of a ratio of sums over patients, Σ (top − p·bottom)² ÷ N². The effective size is at
    most N. Where all rows agree, v is unknown, and rows of one patient count as fully dependent:
    N² ÷ Σ bottom². Where the effective size is another than this, it is multiplied by (z ÷ t)², t
    of Student's distribution with patients − 1 degrees of freedom, because v is estimated. With one
    row a patient this is Wilson's interval itself, and copies of a patient's rows change nothing.

    Args:
        top: (patients,) rows of each patient that count, 0 to ``bottom``; fractions are allowed.
        bottom: (patients,) rows of each patient, above 0.
        level: coverage, in (0, 1).

    Returns:
        Lower and upper end, in [0, 1].

    Source: Wilson 1927; effective sample size: Korn and Graubard 1998, with Wilson's formula in
    place of the exact interval as in Dean and Pagano 2015; variance of a ratio: Cochran 1977,
    eq. 6.13, without the factor m ÷ (m − 1).

    >>> low, high = wilson(np.array([1.0] * 8 + [0.0] * 2), np.ones(10), 0.95)
    >>> round(low, 4), round(high, 4)
    (0.4902, 0.9433)
    """
    size = bottom.sum()
    share = top.sum() / size
    dependent = float(size**2 / (bottom**2).sum())
    effective = dependent
    spread = share * (1 - share)
    variance = ((top - share * bottom) ** 2).sum() / size**2
    if spread > ROUNDING and variance > 0:
        effective = min(float(size), float(spread / variance))
    z = float(ndtri((1 + level) / 2))
    if not np.isclose(effective, dependent):
        effective *= (z / float(stdtrit(max(len(top) - 1, 1), (1 + level) / 2))) ** 2
    added = z * z / effective
    centre = (share + added / 2) / (1 + added)
    half = z / (1 + added) * np.sqrt(spread / effective + added / (4 * effective))
    return float(max(centre - half, 0)), float(min(centre + half, 1))


def limits(
    estimate: float, drawn: Floats, left_out: Floats, level: float
) -> tuple[float, float, IntervalMethod]:
    """Both ends of a bootstrap interval and its method: see :class:`Interval`.

    Args:
        estimate: of all patients.
        drawn: (replicates,) of resampled patients, finite.
        left_out: (patients,) the jackknife: without each of them.
        level: coverage, in (0, 1).

    Returns:
        Lower end, upper end, and "BCa", "expanded BCa", "percentile" or "constant".

    Source: Efron 1987, eq. 2.3 (limits) and 6.6 (acceleration); expanded: :func:`tails_of`.

    >>> limits(1.0, np.ones(2000), np.ones(10), 0.95)
    (1.0, 1.0, 'constant')
    """
    patients = len(left_out)
    spread = np.ptp(drawn) if len(drawn) else 0.0
    # Replicates of a constant figure differ by rounding alone.
    if spread <= 1e-12 * max(1e-300, abs(estimate)):
        return estimate, estimate, "constant"
    # Replicates equal to the estimate count a half: figures of counts have many. The order of a sum
    # rounds equal replicates apart, so equal means equal up to rounding.
    rounding = max(TIE * float(spread), ROUNDING * abs(estimate))
    under, up_to = drawn < estimate - rounding, drawn <= estimate + rounding
    below = (under.mean() + up_to.mean()) / 2
    deviation = left_out.mean() - left_out
    squares = (deviation**2).sum()
    if 0 < below < 1 and np.isfinite(squares) and squares > 0:
        acceleration = (deviation**3).sum() / (6 * squares**1.5)
        bias = ndtri(below)
        reach = bias + ndtri(tails_of(patients, level))
        shares = ndtr(bias + reach / (1 - acceleration * reach))
        low, high = np.quantile(drawn, shares)
        return float(low), float(high), "BCa" if patients >= FEW_PATIENTS else "expanded BCa"
    return *percentiles(drawn, level), "percentile"


def percentiles(drawn: Floats, level: float) -> tuple[float, float]:
    """Both ends of a percentile interval, undefined replicates left out.

    Args:
        drawn: replicates of a figure, NaN where it is undefined.
        level: coverage, in (0, 1).

    Returns:
        Lower and upper end; NaN where every replicate is undefined.

    >>> percentiles(np.arange(101.0), 0.5)
    (25.0, 75.0)
    """
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def tails_of(patients: int, level: float) -> Floats:
    """(2,) shares of a normal distribution below the ends of an interval.

    Those of Student's interval of the mean in units of the normal one for fewer than
    ``FEW_PATIENTS`` patients: Φ(±√(n ÷ (n − 1)) · t). A resample of n values varies (n − 1) ÷ n as
    much as its source.

    Args:
        patients: n, their number; 2 or more for an interval.
        level: coverage, in (0, 1).

    Source: Hesterberg 2015, section 5.2 (expanded percentile interval).

    >>> tails_of(100, 0.95).round(4).tolist(), tails_of(10, 0.95).round(4).tolist()
    ([0.025, 0.975], [0.0086, 0.9914])
    """
    if not 1 < patients < FEW_PATIENTS:
        return np.array([(1 - level) / 2, (1 + level) / 2])
    reach = np.sqrt(patients / (patients - 1)) * stdtrit(patients - 1, (1 + level) / 2)
    return np.asarray(ndtr([-reach, reach]))


def interval_notes(methods: Iterable[str]) -> list[Message]:
    """How the intervals of a table were made; printed once where they are shown.

    Args:
        methods: the column ``interval_method`` of the table.

    Returns:
        A sentence each kind of interval; none where no interval was made.

    >>> [str(note) for note in interval_notes(["Wilson", "Wilson", "none"])]
    ['Proportions have Wilson intervals at the effective sample size of the patients.']
    >>> interval_notes(["none"])
    []
    """
    present = set(methods)
    parts = [
        ("Wilson" in present, Message("intervals.wilson")),
        (bool(present & {"BCa", "percentile"}), Message("intervals.bca")),
        ("expanded BCa" in present, Message("intervals.few", {"few": FEW_PATIENTS})),
    ]
    return [note for applies, note in parts if applies]
