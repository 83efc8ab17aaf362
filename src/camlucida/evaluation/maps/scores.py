"""Scores of one map that need no model.

Every registered metric of a map, an annotation or a region.

Each stands with its chance level and its ceiling, both from the registration of the metric.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlucida.core.geometry import Geometry
from camlucida.evaluation.maps.choice import with_inputs
from camlucida.metrics import METRICS, Metric
from camlucida.metrics.annotations import Floats, Mask
from camlucida.metrics.artefacts import region_share
from camlucida.metrics.boxes import box_accuracy, heat_boxes
from camlucida.metrics.ceiling import area_average, best_map
from camlucida.metrics.chexlocalize import upsample

NAN = float("nan")

REGION = "region_share"
"""The metric of regions that the user gives: written ``region_share:NAME``."""


@dataclass(frozen=True)
class Score:
    """A score beside its reference levels.

    Attributes:
        value: of the map.
        chance: the chance level; NaN where the registration of the metric names none.
        ceiling: of the best map of this grid; NaN where there is none.
    """

    value: float
    chance: float = NAN
    ceiling: float = NAN


@dataclass(frozen=True)
class Heat:
    """One map in original pixels, enlarged in two ways.

    Attributes:
        original: (*original) carried back through the geometry of the image.
        protocol: (*original) as CheXlocalize enlarges it: straight from the grid to the original,
            where the model saw all of the original and nothing else; else ``original``.
    """

    original: Floats
    protocol: ArrayLike

    @classmethod
    def of(cls, native: ArrayLike, original: Floats, geometry: Geometry) -> Heat:
        """From a map on its own grid and the same carried back."""
        protocol: ArrayLike = original
        if original.ndim == 2 and sees_all(geometry):
            protocol = upsample(native, geometry.original)
        return cls(original, protocol)

    def enlarged_for(self, metric: Metric) -> ArrayLike:
        """The map as the metric is given it."""
        return self.protocol if metric.upsampling == "chexlocalize" else self.original


def sees_all(geometry: Geometry) -> bool:
    """Whether the model saw the whole original and nothing else, upright."""
    mirrored = not all(factor > 0 for factor in geometry.scale)
    if mirrored or any(geometry.offset):
        return False
    sides = zip(geometry.original, geometry.scale)
    resized = tuple(round(side * factor) for side, factor in sides)
    return geometry.model == resized


def best_heat(truth: Mask, grid: Sequence[int], geometry: Geometry) -> Heat:
    """The best map of a grid, whose scores are the ceilings.

    Args:
        truth: (*original) bool, the annotation.
        grid: cells along each axis.
        geometry: original ↔ model pixels.
    """
    native = area_average(truth, grid, geometry)
    original = best_map(truth, grid, geometry)
    return Heat.of(native, original, geometry)


def description_scores(native: ArrayLike, names: Collection[str]) -> dict[str, Score]:
    """The metrics of a map on its own grid.

    Args:
        native: (*grid).
        names: of the metrics that are wanted; those that need more than the map are passed over.
    """
    wanted = with_inputs("map", among=names)
    return {name: _scored(METRICS[name], (native,), {}) for name in wanted}


def mask_scores(
    heat: Heat, truth: Mask, names: Collection[str], options: Mapping[str, Any]
) -> dict[str, Score]:
    """The metrics of a map and an annotated mask, without their ceilings.

    See :func:`mask_ceilings`.

    Args:
        heat: the map.
        truth: (*original).
        names: of the metrics that are wanted.
        options: settings that metrics may take as keywords, such as "threshold".
    """
    scores = {}
    for name in with_inputs("mask", among=names):
        metric = METRICS[name]
        enlarged = heat.enlarged_for(metric)
        scores[name] = _scored(metric, (enlarged, truth), options)
    return scores


def mask_ceilings(
    best: Heat, truth: Mask, names: Collection[str], options: Mapping[str, Any]
) -> dict[str, float]:
    """The ceilings of :func:`mask_scores`; none where the model never saw the annotation.

    Args:
        best: from :func:`best_heat`.
        truth, names, options: as for :func:`mask_scores`.
    """
    if not best.original.any():
        return {}
    ceilings = {}
    for name in with_inputs("mask", among=names):
        metric = METRICS[name]
        if metric.ceiling is not None:
            given = _options(metric, options)
            enlarged = best.enlarged_for(metric)
            ceilings[name] = metric.ceiling(enlarged, truth, **given)
    return ceilings


def box_scores(heat: Heat, best: Heat, boxes: Floats, names: Collection[str]) -> dict[str, Score]:
    """The metrics of a map and annotated boxes, with their ceilings.

    Args:
        heat: the map.
        best: from :func:`best_heat`.
        boxes: (N, 4) in original pixels.
        names: of the metrics that are wanted.
    """
    scores = {}
    for name in with_inputs("boxes", among=names):
        metric = METRICS[name]
        score = _scored(metric, (heat.original, boxes), {})
        ceiling = _level(metric.ceiling, (best.original, boxes), {})
        scores[name] = replace(score, ceiling=ceiling)
    return scores


def box_table(heat: ArrayLike, boxes: Floats, probability: float) -> dict[str, list[Any]]:
    """What the metrics of all boxes together need of one image.

    Returns:
        ``found``: the boxes around the heat; ``truth``: the annotated ones; ``accuracy`` at each
        level.
    """
    predicted = heat_boxes(heat, probability)
    accuracy = box_accuracy(heat, boxes)
    return {
        "found": predicted.tolist(),
        "truth": boxes.tolist(),
        "accuracy": accuracy.ravel().tolist(),
    }


def artefact_scores(heat: ArrayLike, regions: Mapping[str, Mask]) -> dict[str, Score]:
    """The share of heat in each of :func:`artefact_regions`.

    Args:
        heat: (H, W) in original pixels.
        regions: metric name → mask (H, W).
    """
    return {name: _region_score(name, heat, region) for name, region in regions.items()}


def _region_score(name: str, heat: ArrayLike, region: Mask) -> Score:
    registered, _, _ = name.partition(":")
    chance = _level(METRICS[registered].chance_level, (heat, region), {})
    return Score(region_share(heat, region), chance)


def artefact_regions(
    picture: NDArray[np.uint8] | Floats, regions: Mapping[str, Mask], names: Collection[str]
) -> dict[str, Mask]:
    """The region of each artefact metric in one image, and the regions that are given.

    Args:
        picture: (H, W) or (H, W, 3) as displayed.
        regions: name → mask; their metric is called ``region_share:NAME``.
        names: of the metrics that are wanted.

    Returns:
        Metric name → mask (H, W).
    """
    grey = picture.astype(np.float64)
    if grey.ndim == 3:
        grey = grey.mean(2)
    makers = {name: METRICS[name].region for name in with_inputs("region", among=names)}
    masks = {name: make(grey) for name, make in makers.items() if make is not None}
    if REGION in names:
        masks |= {f"{REGION}:{name}": mask for name, mask in regions.items()}
    return masks


def _scored(metric: Metric, inputs: tuple[Any, ...], options: Mapping[str, Any]) -> Score:
    given = _options(metric, options)
    value = float(metric.run(*inputs, **given))
    chance = _level(metric.chance_level, inputs, given)
    return Score(value, chance)


def _options(metric: Metric, options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in metric.options}


def _level(
    level: Callable[..., float] | None, inputs: tuple[Any, ...], options: Mapping[str, Any]
) -> float:
    return NAN if level is None else float(level(*inputs, **options))
