"""Several models' maps of one image and label as one map, with what they disagree on. Numbers are averaged, never pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message
from camlucida.core.scan import Scan
from camlucida.metrics.agreement import pearson

Floats = NDArray[np.float32]

SCALES = {
    "share": "each map divided by its mean magnitude over the part of the image that its model saw (1 is heat spread evenly); "
    "a faint map, whose cells add up to less than 1 logit or 0.25 of probability, as if they did add up to that",
    "limit": "each map divided by its largest magnitude",
    "none": "maps as they are, in the unit that all of them share",
}
"""How maps of different models are made comparable. The mean magnitude is the sum of heat over the number of pixels, so every map
with heat gets the same total. Where a method's paper ends with a ReLU, the map is the one after it."""

FAINT = {"logit": 1.0, "probability": 0.25}
"""Unit of a map → how much its cells must add up to in order to be stretched to an even spread of 1. One logit moves a
probability by less than 0.25. Without a floor, what is left in the map of a model that says no would weigh as much as the heat of
one that says yes."""

_UNITS = {"share": "× an even spread", "limit": "of each map's maximum"}

FINE = 8
"""Samples a side of a cell when a map is averaged over the cells of another map's grid."""


@dataclass(frozen=True)
class Member:
    """One model's part in an ensemble.

    Attributes:
        name: of the model.
        weight: its share; those of all members sum to 1.
        explanation: the map, divided by ``divisor``: in the unit of the ensemble.
        divisor: in the map's own unit; 1 for a map without heat.
        heat: what the magnitudes of the map's cells add up to, in the map's own unit.
        faint: the heat is below :data:`FAINT`: the map was divided by more than its own mean.
    """

    name: str
    weight: float
    explanation: Explanation
    divisor: float
    heat: float
    faint: bool

    @property
    def unit(self) -> str:
        """Of the map before it was divided, and of its heat."""
        return _unit(self.explanation)


@dataclass(frozen=True)
class Ensemble:
    """The weighted mean of several models' maps of one image and label.

    Attributes:
        label: of the target.
        members: in the order given.
        left_out: models without a map of the label.
        scale: key of :data:`SCALES`.
        unit: of every number in the maps.
        mean: (H, W) original pixels: Σ w·map ÷ Σ w over the members that saw the pixel; 0 where none did.
        disagreement: (H, W) standard deviation with the same weights, same unit; NaN where fewer than two members saw the pixel.
        probability: Σ w·probability; None where a member has none.
        agreement: mean Pearson correlation over the pairs of members, each pair on its coarser grid; pairs with a constant map
            left out; NaN where none is left.
        compared: how many pairs are left.
    """

    label: str
    members: tuple[Member, ...]
    left_out: tuple[str, ...]
    scale: str
    unit: str
    mean: Floats
    disagreement: Floats
    probability: float | None
    agreement: float
    compared: int

    @property
    def limit(self) -> float:
        """What is full colour where all maps share one scale: the geometric mean of the members' peaks, faint ones left out, so
        that neither a narrow map nor a wide one hides the other. Larger values are not brighter."""
        peaks = [
            m.explanation.limit for m in self.members if not (m.explanation.is_empty or m.faint)
        ]
        peaks = peaks or [m.explanation.limit for m in self.members if not m.explanation.is_empty]
        return float(np.exp(np.mean(np.log(peaks)))) if peaks else 1.0

    @property
    def empty(self) -> bool:
        """No member has evidence."""
        return all(member.explanation.is_empty for member in self.members)

    def explanation(self) -> Explanation:
        """The mean as an Explanation in original pixels, its score being the probability."""
        scan = self.members[0].explanation.scan
        return Explanation(
            raw=torch.from_numpy(self.mean),
            score=float("nan") if self.probability is None else self.probability,
            probability=None,
            target=self.label,
            method=f"mean of {len(self.members)} maps",
            layer="original pixels",
            relu=False,
            scan=_in_original_pixels(scan),
            empty_reason=Message("empty.members") if self.empty else None,
            provenance={"score_kind": "weighted mean probability", "unit": self.unit},
        )


def combine(
    explanations: Mapping[str, Explanation | None],
    weights: Mapping[str, float] | None = None,
    scale: str = "share",
) -> Ensemble:
    """The ensemble map of one image and label.

    Args:
        explanations: model → its map of the label; None for a model without one. All of one image.
        weights: model → weight above 0, 1 if not given; normalised over the models with a map.
        scale: key of :data:`SCALES`.

    Raises:
        UsageError: no map at all; images of different sizes; a weight that is not above 0; an unknown scale or model; maps of
            different units where ``scale`` is "none".
    """
    given = {name: found for name, found in explanations.items() if found is not None}
    _check(given, explanations, weights or {}, scale)
    asked = {name: float((weights or {}).get(name, 1.0)) for name in given}
    total = sum(asked.values())
    members = tuple(
        _member(name, asked[name] / total, found, scale) for name, found in given.items()
    )
    mean, disagreement = _moments(members)
    probabilities = [member.explanation.probability for member in members]
    known = [p for p in probabilities if p is not None]
    first = next(iter(given.values()))
    agreements = [
        r
        for a, b in combinations(given.values(), 2)
        if np.isfinite(r := pearson(*on_common_grid(a, b)))
    ]
    return Ensemble(
        label=first.target,
        members=members,
        left_out=tuple(name for name, found in explanations.items() if found is None),
        scale=scale,
        unit=_UNITS.get(scale, _unit(first)),
        mean=mean,
        disagreement=disagreement,
        probability=sum(m.weight * p for m, p in zip(members, known))
        if len(known) == len(members)
        else None,
        agreement=float(np.mean(agreements)) if agreements else float("nan"),
        compared=len(agreements),
    )


def on_common_grid(first: Explanation, second: Explanation) -> tuple[Floats, Floats]:
    """Both maps averaged over the cells of the coarser grid, laid over the part of the image that both models saw."""
    cells = [min(a, b) for a, b in zip(first.grid, second.grid)]
    windows = zip(first.scan.geometry.seen(), second.scan.geometry.seen())
    window = [(max(a[0], b[0]), min(a[1], b[1])) for a, b in windows]
    return _cells(first, cells, window), _cells(second, cells, window)


def _check(
    given: Mapping[str, Explanation],
    asked: Mapping[str, Explanation | None],
    weights: Mapping[str, float],
    scale: str,
) -> None:
    if scale not in SCALES:
        raise UsageError(f"unknown scale {scale!r}", did_you_mean(scale, SCALES))
    if not given:
        raise UsageError("no model has a map of the label", f"asked: {', '.join(asked) or 'none'}")
    for name, weight in weights.items():
        if name not in asked:
            raise UsageError(
                f"a weight for {name!r}, which is no model of the ensemble",
                did_you_mean(name, asked),
            )
        if not 0 < weight < float("inf"):
            raise UsageError(f"the weight of {name!r} is {weight:g}", "give a number above 0")
    sizes = {name: found.scan.geometry.original for name, found in given.items()}
    if len(set(sizes.values())) > 1:
        raise UsageError(
            f"maps of images of different sizes: {sizes}", "an ensemble is of one image"
        )
    units = {_unit(found) for found in given.values()}
    if scale == "none" and len(units) > 1:
        raise UsageError(
            f"the maps have different units: {', '.join(sorted(units))}",
            'scale them: "share" or "limit"',
        )


def _unit(found: Explanation) -> str:
    return str(found.provenance.get("unit", "score"))


def _member(name: str, weight: float, found: Explanation, scale: str) -> Member:
    heat = float(found.map(found.grid).double().abs().sum())
    floor = FAINT.get(_unit(found), 0.0)
    divisor = 1.0
    if scale == "limit":
        divisor = found.limit
    elif scale == "share":
        mean = float(
            np.abs(found.numpy(), dtype=np.float64).sum() / max(1, _seen(found.scan.geometry).sum())
        )
        divisor = max(mean, floor / found.raw.numel())
    divisor = divisor if divisor > 0 else 1.0
    scaled = replace(found, raw=found.raw.double() / divisor, explained=None)
    return Member(name, weight, scaled, divisor, heat, scale == "share" and heat < floor)


def _moments(members: Sequence[Member]) -> tuple[Floats, Floats]:
    """Weighted mean and standard deviation, pixel by pixel, over the members that saw the pixel."""
    maps = [member.explanation.on_original().numpy().astype(np.float64) for member in members]
    seen = [_seen(member.explanation.scan.geometry) for member in members]
    shares = [member.weight * saw for member, saw in zip(members, seen)]
    total = np.sum(shares, axis=0)
    safe = np.where(total > 0, total, 1.0)
    mean = np.sum([share * values for share, values in zip(shares, maps)], axis=0) / safe
    variance = (
        np.sum([share * (values - mean) ** 2 for share, values in zip(shares, maps)], axis=0) / safe
    )
    spread = np.where(np.sum(seen, axis=0) > 1, np.sqrt(variance), np.nan)
    return mean.astype(np.float32), spread.astype(np.float32)


def _seen(geometry: Geometry) -> NDArray[np.bool_]:
    """(*original): the pixels that the model saw."""
    mask = np.zeros(geometry.original, np.bool_)
    mask[tuple(slice(first, last) for first, last in geometry.seen())] = True
    return mask


def _cells(found: Explanation, cells: Sequence[int], window: Sequence[tuple[int, int]]) -> Floats:
    """The map averaged over ``cells`` of equal size that cover ``window`` of the original; 0 where it holds no pixel."""
    if any(last <= first for first, last in window):
        return np.zeros(tuple(cells), np.float32)
    geometry, size = found.scan.geometry, tuple(FINE * count for count in cells)
    step = [(last - first) / samples for (first, last), samples in zip(window, size)]
    scale = tuple(s * k for s, k in zip(geometry.scale, step))
    offset = tuple(
        o + s * first for o, s, (first, _) in zip(geometry.offset, geometry.scale, window)
    )
    fine: Tensor = Geometry(size, geometry.model, scale, offset).map_to_original(found.map()[None])
    return torch.nn.functional.avg_pool2d(fine, FINE)[0].numpy().astype(np.float32)


def _in_original_pixels(scan: Scan) -> Scan:
    return replace(scan, geometry=Geometry.identity(scan.geometry.original))
