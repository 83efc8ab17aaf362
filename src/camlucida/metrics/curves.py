"""Faithfulness by curves: the score while the hottest part of the image is deleted, or inserted."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import ArrayLike

from camlucida.metrics.base import metric
from camlucida.metrics.chance import constant
from camlucida.metrics.imputation import Fill, Perturbation
from camlucida.metrics.perturbation import (
    RANDOM,
    UNBOUNDED,
    Floats,
    curve_area,
    plan_of,
    step_counts,
    swapped_step,
)
from camlucida.metrics.queue import Plan

CURVE_STEPS = 28
CELL_STEPS = 14

PETSIUK = "Petsiuk 2018 (RISE), section 4"
CELL_COST = f"{2 * (CELL_STEPS - 1) + 1}"


def curves_plan(
    perturbation: Perturbation,
    names: Collection[str] = ("insertion", "deletion", "pixel_flipping"),
    steps: int = CURVE_STEPS,
) -> Plan:
    """Pixel by pixel in ``steps`` equal parts → those of insertion, deletion, pixel_flipping in
    ``names``.

    Insertion starts from a blurred image; deletion and pixel flipping end in black.
    """
    counts = step_counts(perturbation.order.size, steps)
    shares = np.array(counts) / counts[-1]
    deleting, inserting = [], []
    if {"deletion", "pixel_flipping"} & set(names):
        deleting = [swapped_step(perturbation, "pixels", n, "black", "delete") for n in counts]
    if "insertion" in names:
        inserting = [swapped_step(perturbation, "pixels", n, "blur", "insert") for n in counts]
    split = len(deleting)

    def measure(scores: Floats) -> dict[str, Floats]:
        values = {}
        if inserting:
            values["insertion"] = insertion(scores[split:], shares)
        if "deletion" in names:
            values["deletion"] = deletion(scores[:split], shares)
        if "pixel_flipping" in names:
            values["pixel_flipping"] = pixel_flipping(scores[:split])
        return values

    curves = {"deletion": _points(shares, 0)} if deleting else {}
    if inserting:
        curves["insertion"] = _points(shares, split)
    return plan_of(perturbation, deleting + inserting, measure, curves)


def cells_plan(
    perturbation: Perturbation,
    names: Collection[str] = (),
    steps: int = CELL_STEPS,
    fill: Fill = "strong blur",
) -> Plan:
    """Cells of the grid deleted and inserted in ``steps`` parts → cell_insertion_deletion."""
    counts = step_counts(perturbation.cell_order.size, steps)
    shares = np.array(counts) / counts[-1]
    deleting = [swapped_step(perturbation, "cells", n, fill, "delete") for n in counts]
    inserting = [swapped_step(perturbation, "cells", n, fill, "insert") for n in counts]
    split = len(counts)

    def measure(scores: Floats) -> dict[str, Floats]:
        difference = cell_insertion_deletion(scores[split:], scores[:split], shares)
        return {"cell_insertion_deletion": difference}

    curves = {"cell_deletion": _points(shares, 0), "cell_insertion": _points(shares, split)}
    return plan_of(perturbation, deleting + inserting, measure, curves)


def _points(shares: Sequence[float] | Floats, first: int) -> list[tuple[float, int]]:
    """(altered share, step) of a curve whose steps begin at ``first``."""
    return [(share, first + i) for i, share in enumerate(shares)]


@metric(
    "insertion",
    "Insertion",
    "faithfulness",
    direction="higher",
    range=UNBOUNDED,
    chance=RANDOM,
    cost=f"{CURVE_STEPS}",
    plan=curves_plan,
    source=PETSIUK,
)
def insertion(scores: ArrayLike, shares: ArrayLike) -> Floats:
    """Area under the score while the hottest pixels return to a blurred image.

    Args:
        scores: (steps, S), from the blurred image to the image itself.
        shares: (steps,) inserted share of the image, 0 to 1.

    Returns:
        (S,), in the unit of the score; in [0, 1] for a probability.

    >>> float(insertion([0.0, 1.0, 1.0], [0.0, 0.5, 1.0]))
    0.75
    """
    return curve_area(scores, shares)


@metric(
    "deletion",
    "Deletion",
    "faithfulness",
    direction="lower",
    range=UNBOUNDED,
    chance=RANDOM,
    cost=f"{CURVE_STEPS}",
    plan=curves_plan,
    source=PETSIUK,
)
def deletion(scores: ArrayLike, shares: ArrayLike) -> Floats:
    """Area under the score while the hottest pixels turn black.

    Args:
        scores: (steps, S), from the image itself to black.
        shares: (steps,) deleted share of the image, 0 to 1.

    Returns:
        (S,), in the unit of the score; in [0, 1] for a probability.

    >>> float(deletion([1.0, 0.0, 0.0], [0.0, 0.5, 1.0]))
    0.25
    """
    return curve_area(scores, shares)


@metric(
    "cell_insertion_deletion",
    "Insertion − deletion by cells",
    "faithfulness",
    direction="higher",
    range=UNBOUNDED,
    chance="0",
    chance_level=constant(0.0),
    cost=CELL_COST,
    plan=cells_plan,
    source=PETSIUK,
    failures={"logit": ("blur",), "probability": ("falls", "blur")},
)
def cell_insertion_deletion(inserted: ArrayLike, deleted: ArrayLike, shares: ArrayLike) -> Floats:
    """Insertion minus deletion area, cell by cell of the native grid, both against one strong blur.

    Args:
        inserted, deleted: (steps, S) scores.
        shares: (steps,) altered share of the image, 0 to 1.

    Returns:
        (S,), in the unit of the score; in [−1, 1] for a probability.

    >>> float(cell_insertion_deletion([0.0, 1.0], [1.0, 0.5], [0.0, 1.0]))
    -0.25
    """
    return curve_area(inserted, shares) - curve_area(deleted, shares)


@metric(
    "pixel_flipping",
    "Pixel flipping (AOPC)",
    "faithfulness",
    direction="higher",
    range=UNBOUNDED,
    chance=RANDOM,
    cost="shared with deletion",
    plan=curves_plan,
    source="Samek 2017",
)
def pixel_flipping(scores: ArrayLike) -> Floats:
    """Mean over k = 0 … L of f(x₀) − f(x_k), the hottest pixels turned black first.

    Args:
        scores: (L + 1, S), the first f(x₀) of the image itself.

    Returns:
        (S,), in the unit of the score.

    >>> float(pixel_flipping([1.0, 0.5, 0.0]))
    0.5
    """
    s = np.asarray(scores, np.float64)
    return np.asarray((s[0] - s).mean(0))
