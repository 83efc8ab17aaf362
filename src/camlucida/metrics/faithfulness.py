"""Does the score follow the map? Plans say which altered images are needed; plain arithmetic turns their scores into metrics.

Scores are arrays (…, S) of S numbers an image: the logit and the probability of each label. A metric is computed for each of
them, never for argmax accuracy. The registered functions are the arithmetic; :func:`plans` is what a queue runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.tensors import full
from camlucida.metrics.base import Direction, metric
from camlucida.metrics.imputation import NOISE, Fill, First, Perturbation, Swap, Unit, exact_count
from camlucida.metrics.queue import Plan, Step
from camlucida.metrics.statistics import pearson

Floats = NDArray[np.float64]
Range = tuple[float | None, float | None]
Run = TypeVar("Run", bound=Callable[..., Any])

ROAD_SHARES = (0.2, 0.4, 0.6, 0.8)
CURVE_STEPS = 28
CELL_STEPS = 14

GRADCAM_PP = "Chattopadhay 2018 (Grad-CAM++), section 4"
ZHANG = "Zhang 2024 (Opti-CAM)"
POPPI = "Poppi 2021 (ADCC)"
RONG = "Rong 2022 (ROAD), section 4"
PETSIUK = "Petsiuk 2018 (RISE), section 4"

UNBOUNDED: Range = (None, None)  # in score units
RANDOM = "that of a random order"
MASKED = "1 + the unaltered image"
ROAD_COST = f"{len(ROAD_SHARES)} + the unaltered image"
CELL_COST = f"{2 * (CELL_STEPS - 1) + 1}"


# ---- arithmetic -------------------------------------------------------------------------------------------------------------


def _measured(
    name: str,
    title: str,
    direction: Direction,
    range: Range,
    *,
    chance: str,
    cost: str,
    source: str,
) -> Callable[[Run], Run]:
    return metric(
        name,
        title,
        "faithfulness",
        direction=direction,
        range=range,
        chance=chance,
        cost=cost,
        source=source,
    )


@_measured(
    "average_drop",
    "Average drop",
    "lower",
    (0, None),
    chance="0 for all ones: gamed",
    cost=MASKED,
    source=GRADCAM_PP,
)
def average_drop(original: ArrayLike, masked: ArrayLike) -> Floats:
    """max(0, Y − O) / Y: the share of the score Y lost on the masked image x∘E. In [0, 1] for a probability.

    NaN where Y ≤ 0: a logit can be negative, and a share of it means nothing.
    """
    y, o = _pair(original, masked)
    return _ratio(np.maximum(0, y - o), y)


@_measured(
    "increase_in_confidence",
    "Increase in confidence",
    "higher",
    (0, 1),
    chance="gamed by all ones",
    cost=MASKED,
    source=GRADCAM_PP,
)
def increase_in_confidence(original: ArrayLike, masked: ArrayLike) -> Floats:
    """[O > Y]: 1 where the masked image x∘E scores higher than the image itself, else 0."""
    y, o = _pair(original, masked)
    return np.where(np.isnan(y) | np.isnan(o), np.nan, (o > y).astype(np.float64))


@_measured(
    "average_gain",
    "Average gain",
    "higher",
    (0, 1),
    chance="near 0",
    cost="shared with average_drop",
    source=ZHANG,
)
def average_gain(original: ArrayLike, masked: ArrayLike) -> Floats:
    """max(0, O − Y) / (1 − Y): the share of the missing probability that masking gains. For probabilities; NaN where Y ≥ 1."""
    y, o = _pair(original, masked)
    return _ratio(np.maximum(0, o - y), 1 - y)


@_measured(
    "drop_in_deletion",
    "Drop in deletion",
    "higher",
    (0, None),
    chance="unknown",
    cost=MASKED,
    source="Jung and Oh 2021",
)
def drop_in_deletion(original: ArrayLike, deleted: ArrayLike) -> Floats:
    """max(0, Y − f(x∘(1−E))) / Y: the share of the score lost when the hot region is darkened. NaN where Y ≤ 0."""
    return average_drop(original, deleted)


@_measured(
    "adcc", "Average DCC", "higher", (0, 1), chance="0 for all ones", cost="1 + 1 map", source=POPPI
)
def adcc(coherency: ArrayLike, complexity: ArrayLike, drop: ArrayLike) -> Floats:
    """Harmonic mean 3 / (1/Coh + 1/(1−Cx) + 1/(1−AD)); 0 where one term is 0. For the drop of a probability."""
    terms = np.stack(
        np.broadcast_arrays(
            np.asarray(coherency, float), 1 - np.asarray(complexity), 1 - np.asarray(drop)
        )
    )
    with np.errstate(divide="ignore"):
        mean = 3 / (1 / terms).sum(0)
    return np.where(np.isnan(terms).any(0), np.nan, np.where((terms <= 0).any(0), 0.0, mean))


def coherency(heat: Tensor, of_masked: Tensor) -> float:
    """(Pearson(E(x), E(x∘E)) + 1) / 2, in [0, 1]; NaN where a map is constant."""
    return (pearson(heat.detach().cpu().numpy(), of_masked.detach().cpu().numpy()) + 1) / 2


def complexity(unit_heat: Tensor) -> float:
    """Mean of a map in [0, 1]: 0 one cell, 1 the whole image."""
    return float(unit_heat.double().mean())


def curve_area(scores: ArrayLike, shares: ArrayLike) -> Floats:
    """Trapezoid of (steps, …) over the altered share of the image (steps,), which need not be evenly spaced."""
    s, x = np.asarray(scores, np.float64), np.asarray(shares, np.float64)
    if len(s) != len(x) or len(x) < 2:
        raise UsageError(
            f"a curve of {len(s)} scores over {len(x)} shares",
            "give one share a score, two or more",
        )
    return np.tensordot(np.diff(x), (s[1:] + s[:-1]) / 2, axes=1)


@_measured(
    "insertion",
    "Insertion",
    "higher",
    UNBOUNDED,
    chance=RANDOM,
    cost=f"{CURVE_STEPS}",
    source=PETSIUK,
)
def insertion(scores: ArrayLike, shares: ArrayLike) -> Floats:
    """Area under the score while the hottest pixels return to a blurred image. In [0, 1] for a probability."""
    return curve_area(scores, shares)


@_measured(
    "deletion", "Deletion", "lower", UNBOUNDED, chance=RANDOM, cost=f"{CURVE_STEPS}", source=PETSIUK
)
def deletion(scores: ArrayLike, shares: ArrayLike) -> Floats:
    """Area under the score while the hottest pixels turn black. In [0, 1] for a probability."""
    return curve_area(scores, shares)


@_measured(
    "cell_insertion_deletion",
    "Insertion − deletion by cells",
    "higher",
    UNBOUNDED,
    chance="0",
    cost=CELL_COST,
    source=PETSIUK,
)
def cell_insertion_deletion(inserted: ArrayLike, deleted: ArrayLike, shares: ArrayLike) -> Floats:
    """Insertion minus deletion area, cell by cell of the native grid, both against one strong blur. [−1, 1] for a probability."""
    return curve_area(inserted, shares) - curve_area(deleted, shares)


@_measured(
    "pixel_flipping",
    "Pixel flipping (AOPC)",
    "higher",
    UNBOUNDED,
    chance=RANDOM,
    cost="shared with deletion",
    source="Samek 2017",
)
def pixel_flipping(scores: ArrayLike) -> Floats:
    """Mean over k = 0 … L of f(x₀) − f(x_k), the hottest pixels turned black first; scores (L + 1, …) begin with f(x₀)."""
    s = np.asarray(scores, np.float64)
    return np.asarray((s[0] - s).mean(0))


@_measured(
    "road_morf",
    "ROAD, most relevant first",
    "lower",
    UNBOUNDED,
    chance=RANDOM,
    cost=ROAD_COST,
    source=RONG,
)
def road_morf(original: ArrayLike, scores: ArrayLike) -> Floats:
    """Mean over the shares p of f(x without its hottest p) − f(x): scores (shares, S), original (S,). In score units."""
    return np.asarray((np.asarray(scores, np.float64) - np.asarray(original, np.float64)).mean(0))


@_measured(
    "road_lerf",
    "ROAD, least relevant first",
    "higher",
    UNBOUNDED,
    chance=RANDOM,
    cost=ROAD_COST,
    source=RONG,
)
def road_lerf(original: ArrayLike, scores: ArrayLike) -> Floats:
    """Mean over the shares p of f(x without its coldest p) − f(x): scores (shares, S), original (S,). In score units."""
    return road_morf(original, scores)


@_measured(
    "road",
    "ROAD combined",
    "higher",
    UNBOUNDED,
    chance="0",
    cost=f"{2 * len(ROAD_SHARES)}",
    source=RONG,
)
def road(morf: ArrayLike, lerf: ArrayLike) -> Floats:
    """Mean over the shares p of (LeRF_p − MoRF_p) / 2: (shares, S) each. In score units; [−1/2, 1/2] for a probability.

    Favours blurry maps: compare at one map resolution only.
    """
    return np.asarray(((np.asarray(lerf, np.float64) - np.asarray(morf, np.float64)) / 2).mean(0))


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
    return np.asarray(first, np.float64), np.asarray(second, np.float64)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """NaN where ``bottom`` ≤ 0."""
    return np.asarray(
        np.divide(
            top, bottom, out=np.full(np.broadcast(top, bottom).shape, np.nan), where=bottom > 0
        )
    )


# ---- plans ------------------------------------------------------------------------------------------------------------------


ORIGINAL = "original"


def masked_plan(case: Perturbation, coherency: float | None = None) -> Plan:
    """x∘E → average_drop, increase_in_confidence, average_gain; with the coherency (see ``case.masked()``) also adcc."""

    def measure(s: Floats) -> dict[str, Floats]:
        probability = np.asarray(case.subject.probability, bool)
        found = {
            "average_drop": average_drop(s[0], s[1]),
            "increase_in_confidence": increase_in_confidence(s[0], s[1]),
        }
        found["average_gain"] = np.where(probability, average_gain(s[0], s[1]), np.nan)
        if coherency is not None:
            combined = adcc(coherency, complexity(case.unit), found["average_drop"])
            found["adcc"] = np.where(probability, combined, np.nan)
        return found

    return _plan(case, [_original(case), Step(("masked", case.token), case.masked)], measure)


def drop_in_deletion_plan(case: Perturbation) -> Plan:
    """x∘(1−E) → drop_in_deletion."""

    def measure(s: Floats) -> dict[str, Floats]:
        return {"drop_in_deletion": drop_in_deletion(s[0], s[1])}

    return _plan(case, [_original(case), Step(("unmasked", case.token), case.unmasked)], measure)


def curves_plan(case: Perturbation, names: Iterable[str], steps: int = CURVE_STEPS) -> Plan:
    """insertion (from a blur), deletion and pixel_flipping (to black), pixel by pixel in ``steps`` equal parts."""
    wanted = set(names)
    counts = _counts(case.order.size, steps)
    deleting = (
        [_swapped(case, "pixels", n, "black", "delete") for n in counts]
        if wanted & {"deletion", "pixel_flipping"}
        else []
    )
    inserting = (
        [_swapped(case, "pixels", n, "blur", "insert") for n in counts]
        if "insertion" in wanted
        else []
    )
    shares = np.array(counts) / counts[-1]

    def measure(s: Floats) -> dict[str, Floats]:
        gone, back = s[: len(deleting)], s[len(deleting) :]
        found = {"insertion": insertion(back, shares)} if inserting else {}
        found |= {"deletion": deletion(gone, shares)} if "deletion" in wanted else {}
        return found | (
            {"pixel_flipping": pixel_flipping(gone)} if "pixel_flipping" in wanted else {}
        )

    curves = {"deletion": list(zip(shares, range(len(deleting))))} if deleting else {}
    curves |= (
        {"insertion": list(zip(shares, range(len(deleting), len(deleting) + len(inserting))))}
        if inserting
        else {}
    )
    return _plan(case, deleting + inserting, measure, curves)


def cells_plan(case: Perturbation, steps: int = CELL_STEPS, fill: Fill = "strong blur") -> Plan:
    """Cells of the native grid deleted and inserted in ``steps`` parts → cell_insertion_deletion."""
    counts = _counts(case.cell_order.size, steps)
    deleting = [_swapped(case, "cells", n, fill, "delete") for n in counts]
    inserting = [_swapped(case, "cells", n, fill, "insert") for n in counts]
    shares = np.array(counts) / counts[-1]

    def measure(s: Floats) -> dict[str, Floats]:
        found = cell_insertion_deletion(s[len(counts) :], s[: len(counts)], shares)
        return {"cell_insertion_deletion": found}

    curves = {
        "cell_deletion": list(zip(shares, range(len(counts)))),
        "cell_insertion": list(zip(shares, range(len(counts), 2 * len(counts)))),
    }
    return _plan(case, deleting + inserting, measure, curves)


def road_plan(
    case: Perturbation, shares: Sequence[float] = ROAD_SHARES, noise: float = NOISE
) -> Plan:
    """Exactly a share p of the pixels imputed, hottest and coldest first → road, road_morf, road_lerf. 2-D images."""
    cells = int(np.prod(case.subject.image.shape[1:]))

    def step(first: First, share: float) -> Step:
        count = exact_count(share, cells)
        return Step(
            ("road", first, count, noise, case.token), partial(case.imputed, first, count, noise)
        )

    most, least = (
        [step("morf", share) for share in shares],
        [step("lerf", share) for share in shares],
    )

    def measure(s: Floats) -> dict[str, Floats]:
        original, morf, lerf = s[0], s[1 : 1 + len(shares)], s[1 + len(shares) :]
        return {
            "road": road(morf, lerf),
            "road_morf": road_morf(original, morf),
            "road_lerf": road_lerf(original, lerf),
        }

    altered = [0.0, *shares]
    curves = {
        "road_morf": list(zip(altered, range(len(altered)))),
        "road_lerf": list(zip(altered, [0, *range(len(altered), len(altered) + len(shares))])),
    }
    return _plan(case, [_original(case), *most, *least], measure, curves)


GROUPS: dict[str, tuple[str, ...]] = {
    "masked": ("average_drop", "increase_in_confidence", "average_gain", "adcc"),
    "unmasked": ("drop_in_deletion",),
    "curves": ("insertion", "deletion", "pixel_flipping"),
    "cells": ("cell_insertion_deletion",),
    "road": ("road", "road_morf", "road_lerf"),
}
"""Metrics that come from the same altered images."""


def plans(case: Perturbation, names: Sequence[str], coherency: float | None = None) -> list[Plan]:
    """The plans that answer the metrics ``names``, each altered image once; a plan may answer more than was asked.

    Args:
        coherency: of the map with the map of ``case.masked()``; needed for "adcc".
    """
    known = [name for group in GROUPS.values() for name in group]
    for name in names:
        if name not in known:
            raise UsageError(f"unknown faithfulness metric {name!r}", did_you_mean(name, known))
    if "adcc" in names and coherency is None:
        raise UsageError(
            "adcc without the coherency",
            "explain case.masked() and give coherency(case.heat, that map)",
        )
    builders: dict[str, Callable[[], Plan]] = {
        "masked": lambda: masked_plan(case, coherency),
        "unmasked": lambda: drop_in_deletion_plan(case),
        "curves": lambda: curves_plan(case, names),
        "cells": lambda: cells_plan(case),
        "road": lambda: road_plan(case),
    }
    return [build() for group, build in builders.items() if set(GROUPS[group]) & set(names)]


def fake_cam(grid: Sequence[int]) -> Tensor:
    """All ones but one zero cell: knows nothing, and wins average drop. Show it beside every masking metric (Poppi 2021)."""
    heat = torch.ones(tuple(grid))
    heat.view(-1)[0] = 0
    return heat


def _plan(
    case: Perturbation,
    steps: Sequence[Step],
    measure: Callable[[Floats], dict[str, Floats]],
    curves: Mapping[str, Sequence[tuple[float, int]]] | None = None,
) -> Plan:
    return Plan(case.subject.id, tuple(steps), measure, case.about, curves or {})


def _original(case: Perturbation) -> Step:
    return Step(ORIGINAL, lambda: case.subject.ready(full(case.subject.image)))


def _counts(cells: int, steps: int) -> list[int]:
    """0 … cells in ``steps`` nearly equal parts (fewer where there are fewer cells)."""
    if steps < 1:
        raise UsageError(f"a curve of {steps} steps", "give 1 or more")
    return sorted({exact_count(i / steps, cells) for i in range(steps + 1)})


def _swapped(case: Perturbation, unit: Unit, count: int, fill: Fill, how: Swap) -> Step:
    """The ``count`` hottest pixels or cells deleted from the image, or inserted into the fill; the ends are shared."""
    order = case.order if unit == "pixels" else case.cell_order
    if count in (0, order.size):
        if (count == 0) == (how == "delete"):
            return _original(case)
        return Step(("filled", fill), lambda: case.subject.ready(full(case.subject.filled(fill))))

    return Step(
        ("swapped", unit, how, fill, count, case.token),
        partial(case.swapped, unit, count, fill, how),
    )
