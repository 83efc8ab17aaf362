"""What the plans of faithfulness metrics share.

Steps on one image and map, and the arrays of scores.

Scores are arrays (…, S) of S numbers an image: the logit and the probability of each label. A
metric is computed for each of them, never for argmax accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlucida.core.errors import UsageError
from camlucida.core.tensors import full
from camlucida.metrics.imputation import Fill, Perturbation, Swap, Unit, exact_count
from camlucida.metrics.queue import Plan, Reasons, Step

Floats = NDArray[np.float64]
Range = tuple[float | None, float | None]

UNBOUNDED: Range = (None, None)
"""Of metrics in the unit of the score."""

RANDOM = "that of a random order"
"""Chance in words where no formula is known: the baseline "random" stands in the same table."""

ORIGINAL = "original"
"""Key of the unaltered image."""


def score_pair(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
    """Both as float64."""
    return np.asarray(first, np.float64), np.asarray(second, np.float64)


def positive_ratio(top: Floats, bottom: Floats) -> Floats:
    """Quotient; NaN where ``bottom`` ≤ 0.

    >>> positive_ratio(np.array([1.0, 1.0]), np.array([2.0, -2.0]))
    array([0.5, nan])
    """
    nothing = np.full(np.broadcast(top, bottom).shape, np.nan)
    return np.asarray(np.divide(top, bottom, out=nothing, where=bottom > 0))


def curve_area(scores: ArrayLike, shares: ArrayLike) -> Floats:
    """Area under a curve of scores, by the trapezoidal rule.

    Args:
        scores: (steps, …).
        shares: (steps,) altered share of the image, in [0, 1], not necessarily evenly spaced.

    Raises:
        UsageError: fewer than two steps, or not one share a score.

    >>> float(curve_area([1.0, 0.0, 0.0], [0.0, 0.5, 1.0]))
    0.25
    """
    s, x = score_pair(scores, shares)
    if len(s) != len(x) or len(x) < 2:
        raise UsageError(
            f"a curve of {len(s)} scores over {len(x)} shares",
            "give one share a score, two or more",
        )
    return np.tensordot(np.diff(x), (s[1:] + s[:-1]) / 2, axes=1)


def plan_of(
    perturbation: Perturbation,
    steps: Sequence[Step],
    measure: Callable[[Floats], dict[str, Floats]],
    curves: Mapping[str, Sequence[tuple[float, int]]] | None = None,
    undefined: Reasons | None = None,
) -> Plan:
    """The plan of one image and map; see :class:`~camlucida.metrics.queue.Plan`."""
    image = perturbation.image
    about = perturbation.about
    return Plan(image.id, tuple(steps), measure, about, curves or {}, undefined)


def original_step(perturbation: Perturbation) -> Step:
    """The unaltered image."""
    image = perturbation.image
    return Step(ORIGINAL, lambda: image.ready(full(image.tensor)))


def step_counts(cells: int, steps: int) -> list[int]:
    """0 … cells in ``steps`` nearly equal parts (fewer where there are fewer cells).

    >>> step_counts(10, 4)
    [0, 3, 5, 8, 10]
    """
    if steps < 1:
        raise UsageError(f"a curve of {steps} steps", "give 1 or more")
    return sorted({exact_count(i / steps, cells) for i in range(steps + 1)})


def swapped_step(
    perturbation: Perturbation, unit: Unit, count: int, fill: Fill, swap: Swap
) -> Step:
    """The ``count`` hottest pixels or cells deleted from the image, or inserted into the fill.

    The ends of the curves are shared: nothing deleted is the image itself, nothing inserted the
    fill.
    """
    order = perturbation.order if unit == "pixels" else perturbation.cell_order
    if count in (0, order.size):
        if (count == 0) == (swap == "delete"):
            return original_step(perturbation)
        image = perturbation.image
        return Step(("filled", fill), lambda: image.ready(full(image.filled(fill))))
    key = ("swapped", unit, swap, fill, count, perturbation.token)
    return Step(key, partial(perturbation.swapped, unit, count, fill, swap))
