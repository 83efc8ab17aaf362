"""Faithfulness by ROAD: the score while pixels are removed and imputed from their neighbours.

Rong 2022. ROAD favours blurry maps: compare at one map resolution only.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from camlucida.metrics.base import metric
from camlucida.metrics.chance import constant
from camlucida.metrics.imputation import NOISE, First, Perturbation, exact_count
from camlucida.metrics.perturbation import (
    RANDOM,
    UNBOUNDED,
    Floats,
    original_step,
    plan_of,
    score_pair,
)
from camlucida.metrics.queue import Plan, Step

ROAD_SHARES = (0.2, 0.4, 0.6, 0.8)
"""Removed shares of the pixels."""

RONG = "Rong 2022 (ROAD), section 4"
ROAD_COST = f"{len(ROAD_SHARES)} + the unaltered image"


def road_plan(
    perturbation: Perturbation,
    names: Collection[str] = (),
    shares: Sequence[float] = ROAD_SHARES,
    noise: float = NOISE,
) -> Plan:
    """Exactly a share p of the pixels imputed, hottest and coldest first → road, road_morf,
    road_lerf.

    For 2-D images.
    """
    pixels = int(np.prod(perturbation.image.tensor.shape[1:]))

    def step(first: First, share: float) -> Step:
        count = exact_count(share, pixels)
        key = ("road", first, count, noise, perturbation.token)
        return Step(key, partial(perturbation.imputed, first, count, noise))

    hottest_first = [step("morf", share) for share in shares]
    coldest_first = [step("lerf", share) for share in shares]
    split = 1 + len(shares)

    def measure(scores: Floats) -> dict[str, Floats]:
        original, morf, lerf = scores[0], scores[1:split], scores[split:]
        return {
            "road": road(morf, lerf),
            "road_morf": road_morf(original, morf),
            "road_lerf": road_lerf(original, lerf),
        }

    altered = [0.0, *shares]
    curves = {
        "road_morf": list(zip(altered, range(split))),
        "road_lerf": list(zip(altered, [0, *range(split, split + len(shares))])),
    }
    steps = [original_step(perturbation), *hottest_first, *coldest_first]
    return plan_of(perturbation, steps, measure, curves)


@metric(
    "road_morf",
    "ROAD, most relevant first",
    "faithfulness",
    direction="lower",
    range=UNBOUNDED,
    chance=RANDOM,
    cost=ROAD_COST,
    plan=road_plan,
    source=RONG,
    failures={"logit": ("blur",)},
    counts_with="road",
    only_images=True,
)
def road_morf(original: ArrayLike, scores: ArrayLike) -> Floats:
    """Mean over the shares p of f(x without its hottest p) − f(x), in the unit of the score.

    Args:
        original: (S,) f(x).
        scores: (shares, S).

    Returns:
        (S,).

    >>> road_morf([1.0], [[0.5], [0.0]])
    array([-0.75])
    """
    altered, unaltered = score_pair(scores, original)
    return np.asarray((altered - unaltered).mean(0))


@metric(
    "road_lerf",
    "ROAD, least relevant first",
    "faithfulness",
    direction="higher",
    range=UNBOUNDED,
    chance=RANDOM,
    cost=ROAD_COST,
    plan=road_plan,
    source=RONG,
    counts_with="road",
    only_images=True,
)
def road_lerf(original: ArrayLike, scores: ArrayLike) -> Floats:
    """Mean over the shares p of f(x without its coldest p) − f(x), in the unit of the score.

    Args:
        original: (S,) f(x).
        scores: (shares, S).

    Returns:
        (S,).

    >>> road_lerf([1.0], [[1.0], [0.5]])
    array([-0.25])
    """
    return road_morf(original, scores)


@metric(
    "road",
    "ROAD combined",
    "faithfulness",
    direction="higher",
    range=UNBOUNDED,
    chance="0",
    chance_level=constant(0.0),
    cost=f"{2 * len(ROAD_SHARES)}",
    plan=road_plan,
    source=RONG,
    only_images=True,
)
def road(morf: ArrayLike, lerf: ArrayLike) -> Floats:
    """Mean over the shares p of (LeRF_p − MoRF_p) / 2, in the unit of the score.

    Args:
        morf: (shares, S) scores without the hottest p.
        lerf: (shares, S) scores without the coldest p.

    Returns:
        (S,), in [−1/2, 1/2] for a probability.

    >>> road([[0.0]], [[1.0]])
    array([0.5])
    """
    hottest_first, coldest_first = score_pair(morf, lerf)
    return np.asarray(((coldest_first - hottest_first) / 2).mean(0))
