"""Are a label's maps alike in different patients, and more so than maps of different labels?

Elangovan 2026 (C-score): the soft overlap of the maps of each two images of a label that the model
recognises, weighted by its confidence. Maps of centred findings are alike whatever the label, so
the overlap with maps of other labels is taken off here. The publication's emphasis of strong heat
is taken to be the square.

A consistent map need not be right, and a right one need not be consistent: a nodule can be
anywhere.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from camlucida.core.messages import declare
from camlucida.metrics.annotations import Floats
from camlucida.metrics.base import metric
from camlucida.metrics.chance import constant

EMPHASIS = 2
"""Power of the heat, after it is scaled to a maximum of 1."""
MOST = 100
"""Maps of a label that are compared: their pairs are many."""

declare(
    "no_consistency",
    {
        "not_recognised": ("the label is not known to be true of the image, or is not predicted"),
        "beyond": f"only the first {MOST} maps of a label are compared",
        "few": "fewer than three patients have a map with heat, or no two labels have such maps",
    },
)


def overlaps(maps: Sequence[ArrayLike]) -> Floats:
    """Soft IoU of each two maps, Σ min(a, b) / Σ max(a, b), a = (E⁺ / max E⁺)².

    Args:
        maps: (*grid) each, on one grid.

    Returns:
        (n, n), in [0, 1], 1 on the diagonal; NaN for a map without positive heat.

    >>> overlaps([[1.0, 0.0], [1.0, 1.0]]).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    rows = [np.maximum(np.asarray(heat, np.float64), 0).reshape(-1) for heat in maps]
    heat = np.stack(rows)
    peak = heat.max(1, keepdims=True)
    unit = np.divide(heat, peak, out=np.full_like(heat, np.nan), where=peak > 0) ** EMPHASIS
    shared = np.stack([np.minimum(unit, row).sum(1) for row in unit])
    total = unit.sum(1)
    return np.asarray(shared / (total[:, None] + total[None] - shared))


@metric(
    "c_score",
    "C-score over other labels",
    "stability",
    direction="higher",
    range=(-1, 1),
    chance="0",
    chance_level=constant(0.0),
    inputs="maps of labels",
    failures={"": ("flat",)},
    source="Elangovan 2026 (C-score), less the overlap with maps of other labels",
)
def c_score(
    overlap: ArrayLike,
    labels: Sequence[str],
    patients: Sequence[Hashable],
    weights: ArrayLike,
    label: str,
) -> float:
    """Mean overlap of a label's maps in two patients, less that with maps of other labels.

    Both are means over pairs of different patients, weighted by the product of their weights.

    Args:
        overlap: (n, n) of :func:`overlaps`.
        labels: (n,) of each map.
        patients: (n,) of each map.
        weights: (n,) confidence of the model in the label, 0 or more.
        label: whose maps are scored.

    Returns:
        In [−1, 1]; NaN where there is no pair of one kind.

    >>> overlap = overlaps([[1, 0], [1, 0], [0, 1]])
    >>> c_score(overlap, ["a", "a", "b"], [1, 2, 3], [1, 1, 1], "a")
    1.0
    """
    within, between = _excess(overlap, labels, patients, weights, label)
    return float(_mean(within) - _mean(between))


def pseudo_values(
    overlap: ArrayLike,
    labels: Sequence[str],
    patients: Sequence[Hashable],
    weights: ArrayLike,
    label: str,
) -> dict[Hashable, float]:
    """The C-score of each patient of a label: n · C − (n − 1) · C without the patient.

    Pairs share patients, so that means over a patient's pairs vary too little. These jackknife
    pseudo-values have the C-score as their mean (but for its bias of order 1/n), and their spread
    gives its interval (Tukey 1958; Efron 1993, chapter 11).

    Args:
        overlap, labels, patients, weights, label: as for :func:`c_score`.

    Returns:
        Patient → value; NaN where the C-score is, with or without the patient.
    """
    own = [patient for patient, name in zip(patients, labels) if name == label]
    owners = list(dict.fromkeys(own))
    score = c_score(overlap, labels, patients, weights, label)
    values: dict[Hashable, float] = {}
    for patient in owners:
        others = np.array([one != patient for one in patients]) * np.asarray(weights, float)
        without = c_score(overlap, labels, patients, others, label)
        values[patient] = len(owners) * score - (len(owners) - 1) * without
    return values


def _excess(
    overlap: ArrayLike,
    labels: Sequence[str],
    patients: Sequence[Hashable],
    weights: ArrayLike,
    label: str,
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Overlaps and weights of the pairs within the label, and of those with other labels."""
    values, weight = np.asarray(overlap, np.float64), np.asarray(weights, np.float64)
    of_label = np.array([name == label for name in labels])
    numbers = {patient: number for number, patient in enumerate(dict.fromkeys(patients))}
    owner = np.array([numbers[patient] for patient in patients])
    pairs = np.outer(weight, weight) * (owner[:, None] != owner[None]) * np.isfinite(values)
    rows, columns = values[of_label], pairs[of_label]
    within = rows[:, of_label], columns[:, of_label]
    between = rows[:, ~of_label], columns[:, ~of_label]
    return within, between


def _mean(pairs: tuple[Floats, Floats]) -> float:
    """The weighted mean; NaN without a pair."""
    values, weights = pairs
    total = float(weights.sum())
    return float((np.nan_to_num(values) * weights).sum() / total) if total > 0 else float("nan")
