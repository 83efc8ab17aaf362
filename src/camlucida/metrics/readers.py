"""How far two readers agree beyond chance, with an interval over patients."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from camlucida.metrics.bootstrap import (
    MIN_POSITIVES,
    Sampling,
    by_patient,
    divide,
    numbered,
    sampled_sums,
)
from camlucida.metrics.intervals import Interval

Floats = NDArray[np.float64]


def reader_kappa(
    first: Sequence[str],
    second: Sequence[str],
    patients: Sequence[Hashable],
    sampling: Sampling | None = None,
) -> Interval:
    """Cohen's kappa of two readers: 1 is full agreement, 0 that of chance.

    Args:
        first, second: a verdict a case, of the same cases in the same order.
        patients: whose each case is; all cases of a patient enter or leave a resample together.
        sampling: of the interval.

    Returns:
        The estimate, NaN where both gave one verdict alone; without an interval for fewer than
        ``MIN_POSITIVES`` patients.

    Source: Cohen 1960.

    >>> verdicts = ["agrees", "agrees", "artefact", "artefact"]
    >>> reader_kappa(verdicts, ["agrees", "artefact", "artefact", "artefact"], range(4)).estimate
    0.5
    """
    kinds = sorted({*first, *second})
    count = len(kinds)
    tables = np.zeros((len(first), count * count))
    for row, (a, b) in enumerate(zip(first, second, strict=True)):
        tables[row, kinds.index(a) * count + kinds.index(b)] = 1
    nothing = float("nan")
    if not len(tables):
        return Interval(nothing, nothing, nothing, "none", 0, 0, 0.0)
    index, people = numbered(patients)
    sampling = sampling or Sampling()
    sums = by_patient(tables, index, people)
    sampled = sampled_sums(_kappa, sums, sampling)
    low, high, method = sampled.interval((0,), sampling.level)
    if people < MIN_POSITIVES:
        low, high, method = nothing, nothing, "none"
    estimate = float(sampled.estimate[0])
    return Interval(estimate, low, high, method, people, len(tables), 0.0)


def _kappa(totals: Floats) -> Floats:
    """(r, C²) counts of pairs of verdicts → (r, 1)."""
    count = round(totals.shape[1] ** 0.5)
    table = totals.reshape(-1, count, count)
    n = table.sum((1, 2))
    observed = divide(np.trace(table, axis1=1, axis2=2), n)
    expected = divide((table.sum(1) * table.sum(2)).sum(1), n * n)
    return divide(observed - expected, 1 - expected)[:, None]
