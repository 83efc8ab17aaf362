"""Faithfulness by masking: does the score stay when the image is multiplied by the map, or by its
rest?

Notation: E the map scaled to [0, 1], Y = f(x) the score of the image, O = f(x∘E) that of the masked
image. These metrics are gamed by a map of nearly all ones
(:func:`camlucida.metrics.faithfulness.fake_cam`).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from camlucida.metrics.base import metric
from camlucida.metrics.correlation import pearson
from camlucida.metrics.imputation import Perturbation
from camlucida.metrics.perturbation import (
    Floats,
    original_step,
    plan_of,
    positive_ratio,
    score_pair,
)
from camlucida.metrics.queue import Plan, Step

GRADCAM_PP = "Chattopadhay 2018 (Grad-CAM++), section 4"
ZHANG = "Zhang 2024 (Opti-CAM)"
POPPI = "Poppi 2021 (ADCC)"
MASKED = "1 + the unaltered image"


def masked_plan(perturbation: Perturbation, names: Collection[str] = ()) -> Plan:
    """x∘E → average_drop, increase_in_confidence, average_gain.

    Also adcc, where the coherency of the perturbation is known.
    """
    masked = Step(("masked", perturbation.token), perturbation.masked)

    def measure(scores: Floats) -> dict[str, Floats]:
        original, altered = scores[0], scores[1]
        probability = np.asarray(perturbation.image.probability, bool)
        drop = average_drop(original, altered)
        gain = average_gain(original, altered)
        values = {
            "average_drop": drop,
            "increase_in_confidence": increase_in_confidence(original, altered),
            "average_gain": np.where(probability, gain, np.nan),
        }
        if perturbation.coherency is not None:
            combined = adcc(perturbation.coherency, complexity(perturbation.unit), drop)
            values["adcc"] = np.where(probability, combined, np.nan)
        return values

    return plan_of(perturbation, [original_step(perturbation), masked], measure)


def unmasked_plan(perturbation: Perturbation, names: Collection[str] = ()) -> Plan:
    """x∘(1−E) → drop_in_deletion."""
    unmasked = Step(("unmasked", perturbation.token), perturbation.unmasked)

    def measure(scores: Floats) -> dict[str, Floats]:
        return {"drop_in_deletion": drop_in_deletion(scores[0], scores[1])}

    return plan_of(perturbation, [original_step(perturbation), unmasked], measure)


@metric(
    "average_drop",
    "Average drop",
    "faithfulness",
    direction="lower",
    range=(0, None),
    chance="0 for all ones: gamed",
    cost=MASKED,
    plan=masked_plan,
    source=GRADCAM_PP,
    failures={"logit": ("falls",), "probability": ("falls",)},
)
def average_drop(original: ArrayLike, masked: ArrayLike) -> Floats:
    """max(0, Y − O) / Y: the share of the score Y that is lost on the masked image x∘E.

    Args:
        original: (…, S) scores Y.
        masked: (…, S) scores O.

    Returns:
        (…, S), in [0, 1] for a probability. NaN where Y ≤ 0: a logit can be negative, and a share
        of it means nothing.

    >>> average_drop([0.8, -1.0], [0.2, 0.5])
    array([0.75,  nan])
    """
    y, o = score_pair(original, masked)
    return positive_ratio(np.maximum(0, y - o), y)


@metric(
    "increase_in_confidence",
    "Increase in confidence",
    "faithfulness",
    direction="higher",
    range=(0, 1),
    chance="gamed by all ones",
    cost=MASKED,
    plan=masked_plan,
    source=GRADCAM_PP,
    failures={"logit": ("flat",), "probability": ("flat",)},
    proportion=True,
)
def increase_in_confidence(original: ArrayLike, masked: ArrayLike) -> Floats:
    """[O > Y]: 1 where the masked image x∘E scores higher than the image itself, else 0.

    Args:
        original, masked: as for :func:`average_drop`.

    Returns:
        (…, S) of 0 and 1; NaN where a score is NaN. The published figure is their mean.

    >>> increase_in_confidence([0.8, 0.1], [0.2, 0.5])
    array([0., 1.])
    """
    y, o = score_pair(original, masked)
    return np.where(np.isnan(y) | np.isnan(o), np.nan, (o > y).astype(np.float64))


@metric(
    "average_gain",
    "Average gain",
    "faithfulness",
    direction="higher",
    range=(0, 1),
    chance="near 0",
    cost="shared with average_drop",
    plan=masked_plan,
    only_probability=True,
    source=ZHANG,
    failures={"probability": ("falls",)},
)
def average_gain(original: ArrayLike, masked: ArrayLike) -> Floats:
    """max(0, O − Y) / (1 − Y): the share of the missing probability that masking gains.

    Args:
        original, masked: as for :func:`average_drop`, probabilities.

    Returns:
        (…, S), in [0, 1]; NaN where Y ≥ 1.

    >>> average_gain([0.5], [0.75])
    array([0.5])
    """
    y, o = score_pair(original, masked)
    return positive_ratio(np.maximum(0, o - y), 1 - y)


@metric(
    "drop_in_deletion",
    "Drop in deletion",
    "faithfulness",
    direction="higher",
    range=(0, None),
    chance="unknown",
    cost=MASKED,
    plan=unmasked_plan,
    source="Jung and Oh 2021",
)
def drop_in_deletion(original: ArrayLike, deleted: ArrayLike) -> Floats:
    """max(0, Y − f(x∘(1−E))) / Y.

    The share of the score that is lost when the hot region is darkened.

    Args:
        original: (…, S) scores Y.
        deleted: (…, S) scores f(x∘(1−E)).

    Returns:
        (…, S), in [0, 1] for a probability; NaN where Y ≤ 0.

    >>> drop_in_deletion([0.8], [0.2])
    array([0.75])
    """
    return average_drop(original, deleted)


@metric(
    "adcc",
    "Average DCC",
    "faithfulness",
    direction="higher",
    range=(0, 1),
    chance="0 for all ones",
    cost="1 + 1 map",
    plan=masked_plan,
    only_probability=True,
    source=POPPI,
)
def adcc(coherency: ArrayLike, complexity: ArrayLike, drop: ArrayLike) -> Floats:
    """Harmonic mean 3 / (1/Coh + 1/(1−Cx) + 1/(1−AD)); 0 where one term is 0.

    Args:
        coherency: of :func:`coherency`, in [0, 1].
        complexity: of :func:`complexity`, in [0, 1].
        drop: (…, S) :func:`average_drop` of a probability.

    Returns:
        (…, S), in [0, 1].

    >>> adcc(1.0, 0.0, [0.0, 0.5, 1.0])
    array([1.  , 0.75, 0.  ])
    """
    missing_heat, kept_score = 1 - np.asarray(complexity), 1 - np.asarray(drop)
    parts = np.broadcast_arrays(np.asarray(coherency, float), missing_heat, kept_score)
    terms = np.stack(parts)
    with np.errstate(divide="ignore"):
        mean = 3 / (1 / terms).sum(0)
    undefined, zero = np.isnan(terms).any(0), (terms <= 0).any(0)
    return np.where(undefined, np.nan, np.where(zero, 0.0, mean))


def coherency(heat: Tensor, of_masked: Tensor) -> float:
    """(Pearson(E(x), E(x∘E)) + 1) / 2, in [0, 1]; NaN where a map is constant.

    Args:
        heat: E(x), (*grid).
        of_masked: the map of the masked image, (*grid).

    >>> import torch
    >>> coherency(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0]))
    0.0
    """
    return (pearson(heat.detach().cpu().numpy(), of_masked.detach().cpu().numpy()) + 1) / 2


def complexity(unit_heat: Tensor) -> float:
    """Mean of a map in [0, 1]: 0 one cell, 1 the whole image.

    >>> import torch
    >>> complexity(torch.tensor([0.0, 1.0]))
    0.5
    """
    return float(unit_heat.double().mean())
