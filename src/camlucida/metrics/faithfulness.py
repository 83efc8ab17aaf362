"""Does the score follow the map? Plans say which altered images are needed.

Arithmetic makes metrics of their scores.

The metrics themselves are in :mod:`~camlucida.metrics.masking`, :mod:`~camlucida.metrics.curves`,
:mod:`~camlucida.metrics.road` and :mod:`~camlucida.metrics.information_curves`. A new one registers
with the plan that makes its altered images: a function (perturbation, names of the wanted metrics)
→ :class:`~camlucida.metrics.queue.Plan` whose ``measure`` returns name → (S,). Metrics that
register with the same plan share its images.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.metrics.base import METRICS
from camlucida.metrics.curves import (
    cell_insertion_deletion,
    cells_plan,
    curves_plan,
    deletion,
    insertion,
    pixel_flipping,
)
from camlucida.metrics.imputation import Perturbation, exact_count
from camlucida.metrics.masking import (
    adcc,
    average_drop,
    average_gain,
    coherency,
    complexity,
    drop_in_deletion,
    increase_in_confidence,
    masked_plan,
    unmasked_plan,
)
from camlucida.metrics.perturbation import curve_area
from camlucida.metrics.queue import Plan
from camlucida.metrics.road import ROAD_SHARES, road, road_lerf, road_morf, road_plan

__all__ = [
    "ROAD_SHARES",
    "adcc",
    "average_drop",
    "average_gain",
    "cell_insertion_deletion",
    "cells_plan",
    "coherency",
    "complexity",
    "curve_area",
    "curves_plan",
    "deletion",
    "drop_in_deletion",
    "exact_count",
    "fake_cam",
    "gamed_by_all_ones",
    "increase_in_confidence",
    "insertion",
    "masked_plan",
    "pixel_flipping",
    "plans",
    "road",
    "road_lerf",
    "road_morf",
    "road_plan",
    "unmasked_plan",
]


def plans(
    perturbation: Perturbation, names: Sequence[str], coherency: float | None = None
) -> list[Plan]:
    """The plans of the metrics ``names``, each altered image once.

    Args:
        perturbation: one image with one map.
        names: of faithfulness metrics. A plan may make more metrics than these.
        coherency: of the map with the map of ``perturbation.masked()``; needed for "adcc".

    Returns:
        The plans in the order of registration.

    Raises:
        UsageError: an unknown name, or "adcc" without the coherency.
    """
    makers = {name: metric.plan for name, metric in METRICS.items() if metric.plan is not None}
    for name in names:
        if name not in makers:
            raise UsageError(f"unknown faithfulness metric {name!r}", did_you_mean(name, makers))
    if "adcc" in names and coherency is None:
        raise UsageError(
            "adcc without the coherency",
            "explain perturbation.masked() and give coherency(perturbation.heat, that map)",
        )
    if coherency is not None:
        perturbation = replace(perturbation, coherency=coherency)
    wanted = _in_order(makers, names)
    return [make(perturbation, names) for make in wanted]


def _in_order(
    makers: dict[str, Callable[[Perturbation, Collection[str]], Plan]], names: Collection[str]
) -> list[Callable[[Perturbation, Collection[str]], Plan]]:
    """The plans of ``names``, each once, in the order of registration."""
    return list(dict.fromkeys(plan for name, plan in makers.items() if name in names))


def gamed_by_all_ones(name: str) -> bool:
    """Whether a map of nearly all ones can score well by the metric, though it shows nothing.

    Args:
        name: of a registered metric.

    Returns:
        True for the metrics that multiply the image by the map; always False for the others.

    Raises:
        UsageError: an unknown name.

    Source: Poppi 2021 (Fake-CAM).

    >>> gamed_by_all_ones("average_drop"), gamed_by_all_ones("road")
    (True, False)
    """
    return METRICS[name].plan in (masked_plan, unmasked_plan)


def fake_cam(grid: Sequence[int]) -> Tensor:
    """All ones but one zero cell: independent of the image and the model, and best at average drop.

    Show it beside every masking metric (Poppi 2021).

    Args:
        grid: cells, an axis each.

    Returns:
        (*grid) of zero and ones.

    Raises:
        IndexError: a grid without cells.

    >>> fake_cam((1, 3))
    tensor([[0., 1., 1.]])
    """
    heat = torch.ones(tuple(grid))
    heat.view(-1)[0] = 0
    return heat
