"""Scores of one map that need no model: localisation, artefacts, description, with chance level and ceiling beside each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlucida.core.geometry import Geometry
from camlucida.metrics import METRICS, localisation
from camlucida.metrics.annotations import Floats, Mask
from camlucida.metrics.artefacts import border_region, outside_body, region_share, text_region
from camlucida.metrics.ceiling import area_average, best_map, chance_levels, shifted_overlap
from camlucida.metrics.chexlocalize import otsu_mask, segment, unit, upsample
from camlucida.metrics.localisation import box_accuracy, heat_boxes

NAN = float("nan")
BY_MASK = tuple(
    name
    for name, metric in METRICS.items()
    if metric.family == "localisation"
    and name not in ("class_specificity", "corloc", "max_box_acc_v2", "box_ap30", "box_ap50")
)
"""Metrics of one map and one mask."""


@dataclass(frozen=True)
class Score:
    """A number, what a map that knows nothing would get, and what the best map of this grid would get; NaN where unknown."""

    value: float
    chance: float = NAN
    ceiling: float = NAN


@dataclass(frozen=True)
class Heat:
    """One map, as the metrics look at it.

    Attributes:
        original: (*original) carried back through the image's geometry.
        protocol: (*original) as CheXlocalize enlarges it: straight from the grid to the original, where the model saw all of the
            original and nothing else; else ``original``.
    """

    original: Floats
    protocol: ArrayLike

    @classmethod
    def of(cls, native: ArrayLike, original: Floats, geometry: Geometry) -> Heat:
        """From a map on its own grid and the same carried back."""
        whole = not any(geometry.offset) and all(s > 0 for s in geometry.scale)
        whole = whole and geometry.model == tuple(
            round(n * s) for n, s in zip(geometry.original, geometry.scale)
        )
        return cls(
            original,
            upsample(native, geometry.original) if whole and original.ndim == 2 else original,
        )

    def seen_by(self, name: str) -> ArrayLike:
        """What the metric ``name`` is given."""
        return self.protocol if name.startswith("chexlocalize") else self.original


def located(
    heat: Heat, truth: Mask, names: Collection[str], threshold: float | None = None
) -> dict[str, float]:
    """The metrics of ``BY_MASK`` among ``names`` for a map and a mask (*original)."""
    found: dict[str, float] = {}
    for name in BY_MASK:
        if name in names:
            more = {"threshold": threshold} if name in ("iou_tuned", "dice_tuned") else {}
            found[name] = METRICS[name].run(heat.seen_by(name), truth, **more)
    return found


def chances(
    heat: Heat, truth: Mask, names: Collection[str], threshold: float | None = None
) -> dict[str, float]:
    """The chance level of each: of the truth alone, or for overlaps that of the same map against the truth moved elsewhere."""
    found = chance_levels(truth, "tolerant_hit" in names)
    masks: dict[str, Callable[[], Mask]] = {
        "chexlocalize_iou": lambda: segment(heat.protocol),
        "iou_otsu": lambda: otsu_mask(heat.original),
        "iou_tuned": lambda: np.asarray(unit(heat.original) > (threshold or 0.0)),
    }
    for name, make in masks.items():
        dice = name.replace("iou", "dice")
        if {name, dice} & set(names):
            found[name], found[dice] = shifted_overlap(make(), truth)
    return found


def best(truth: Mask, grid: Sequence[int], geometry: Geometry) -> Heat:
    """The best map of a grid, whose scores are the ceiling."""
    return Heat.of(area_average(truth, grid, geometry), best_map(truth, grid, geometry), geometry)


def box_scores(heat: ArrayLike, boxes: Floats, names: Collection[str]) -> dict[str, float]:
    """CorLoc of a map (H, W) against true boxes (N, 4) in original pixels."""
    return {"corloc": localisation.corloc(heat, boxes)} if "corloc" in names else {}


def found_boxes(heat: ArrayLike, boxes: Floats, probability: float) -> dict[str, Any]:
    """What the pooled box metrics need of one image: boxes found, true boxes, and the accuracy at each level."""
    found = heat_boxes(heat, probability)
    return {
        "found": found.tolist(),
        "truth": boxes.tolist(),
        "accuracy": box_accuracy(heat, boxes).ravel().tolist(),
    }


def best_scores(
    best: Heat, truth: Mask, names: Collection[str], threshold: float | None = None
) -> dict[str, float]:
    """:func:`located` of the best map of a grid: the ceiling; empty where the model never saw the finding."""
    return located(best, truth, names, threshold) if best.original.any() else {}


def artefact_scores(heat: ArrayLike, places: Mapping[str, Mask]) -> dict[str, Score]:
    """Share of the heat in each of :func:`artefact_places`, beside its area; ``heat`` (H, W) in original pixels."""
    return {
        name: Score(region_share(heat, place), float(place.mean()))
        for name, place in places.items()
    }


def artefact_places(
    picture: NDArray[np.uint8] | Floats, regions: Mapping[str, Mask], names: Collection[str]
) -> dict[str, Mask]:
    """Border, text, outside the body, and the given regions: metric name → mask (H, W).

    Args:
        picture: (H, W) or (H, W, 3) as displayed.
        regions: name → mask; their metric is called ``region_share:NAME``.
        names: of the metrics that are wanted.
    """
    grey = picture.astype(np.float64) if picture.ndim == 2 else picture.astype(np.float64).mean(2)
    makers: dict[str, Callable[[], Mask]] = {
        "border_share": lambda: border_region(grey.shape),
        "text_share": lambda: text_region(grey),
        "outside_body_share": lambda: outside_body(grey),
    }
    found = {name: make() for name, make in makers.items() if name in names}
    return found | (
        {f"region_share:{name}": mask for name, mask in regions.items()}
        if "region_share" in names
        else {}
    )


def described(native: ArrayLike, names: Collection[str]) -> dict[str, float]:
    """The description metrics of a map on its own grid."""
    return {
        name: metric.run(native)
        for name, metric in METRICS.items()
        if metric.family == "description" and name in names
    }
