"""Two or more models' maps of one image and label as one map, with their disagreement.

Numbers are averaged, never pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlucida.analysis.ensemble.members import (
    TIE,
    WEIGHTINGS,
    EnsembleMember,
    make_members,
    seen_pixels,
    unit_of,
)
from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message, declare
from camlucida.core.scan import Scan
from camlucida.metrics.agreement import pearson

Floats = NDArray[np.float32]

declare("ensemble_map", {"method": "mean of {count} {count:|map|maps}", "layer": "original pixels"})

declare(
    "scales",
    {
        "share": (
            "each map divided by its mean magnitude over the part of the image that its model saw "
            "(1 is heat spread evenly); a faint map, whose cells add up to less than 1 logit or "
            "0.25 of probability, as if they did add up to that"
        ),
        "limit": "each map divided by its largest magnitude",
        "none": "maps as they are, in the unit that all of them share",
    },
)

SCALES = ("share", "limit", "none")
"""How maps of different models are made comparable. The mean magnitude is the sum of heat over the
number of pixels, so every map with heat gets the same total. Where a method's paper ends with a
ReLU, the map is the one after it."""

_UNITS = {"share": "× an even spread", "limit": "of each map's maximum"}

FINE = 8
"""Samples a side of a cell when a map is averaged over the cells of another map's grid."""

NAN = float("nan")


@dataclass(frozen=True)
class Dominance:
    """The member that makes most of the mean map's peak.

    Attributes:
        name: of the model.
        share: of the mean at its peak, in (0, 1].
        decided: the probability that the model gives the label, or its output scaled to the
            operating point; None where it gives none.
    """

    name: str
    share: float
    decided: float | None


@dataclass(frozen=True)
class Ensemble:
    """The weighted mean of two or more models' maps of one image and label.

    Attributes:
        label: of the target.
        members: in the order given.
        left_out: models without a map of the label.
        scale: one of :data:`SCALES`.
        weighting: what the maps count, of
            :data:`~camlucida.analysis.ensemble.members.WEIGHTINGS`,
            or "no_probability".
        unit: of every number in the maps.
        mean: (H, W) original pixels: Σ w·p·map ÷ (p̄ · Σ w) over the members that saw the pixel,
            where w are the weights, p the probabilities and p̄ the mean probability of all members;
            0 where none did. Without probabilities p and p̄ are 1.
        disagreement: (H, W) standard deviation with the same weights, same unit; NaN where fewer
            than two members saw the pixel.
        probability: Σ w·probability; None where a member has none.
        agreement: mean Pearson correlation over the pairs of members that both have evidence, each
            pair on its coarser grid; pairs with a constant map left out; NaN where none is left.
        compared: number of pairs that are left.
    """

    label: str
    members: tuple[EnsembleMember, ...]
    left_out: tuple[str, ...]
    scale: str
    weighting: str
    unit: str
    mean: Floats
    disagreement: Floats
    probability: float | None
    agreement: float
    compared: int

    @property
    def limit(self) -> float:
        """What is full colour where all maps share one scale.

        The geometric mean of the members' peaks, weighted as the maps are, faint ones left out, so
        that neither a narrow map nor a wide one hides the other. Larger values are not brighter.
        """
        with_heat = [member for member in self.members if not member.explanation.is_empty]
        bright = [member for member in with_heat if not member.faint] or with_heat
        if not bright:
            return 1.0
        counts = [max(member.map_weight, TIE) for member in bright]
        logarithms = np.log([member.explanation.limit for member in bright])
        return float(np.exp(np.average(logarithms, weights=counts)))

    @property
    def evident(self) -> tuple[EnsembleMember, ...]:
        """The members with evidence: agreement and boxes are theirs alone."""
        return tuple(member for member in self.members if member.has_evidence)

    def limit_of(self, member: EnsembleMember) -> float:
        """Full colour of a member's panel: the less its map counts, the fainter it is drawn.

        The member that counts most is drawn on :attr:`limit`; without probabilities all are.

        Args:
            member: of this ensemble.
        """
        if self.weighting != "probability":
            return self.limit
        influence = [each.map_weight / each.weight for each in self.members]
        share = member.map_weight / member.weight / max(influence)
        return self.limit / max(share, TIE)

    def dominance(self) -> Dominance | None:
        """Who makes most of the mean map's peak; None of a single member, or without heat."""
        if len(self.members) < 2 or float(self.mean.max(initial=0.0)) <= 0:
            return None
        place = np.unravel_index(int(self.mean.argmax()), self.mean.shape)
        parts = [each.map_weight * float(each.explanation.numpy()[place]) for each in self.members]
        positive = np.clip(parts, 0, None)
        most = int(positive.argmax())
        member = self.members[most]
        share = float(positive[most] / positive.sum())
        return Dominance(member.name, share, member.explanation.decided)

    @property
    def empty(self) -> bool:
        """No member has evidence."""
        return all(member.explanation.is_empty for member in self.members)

    def explanation(self) -> Explanation:
        """The mean as an Explanation in original pixels, its score being the probability."""
        scan = self.members[0].explanation.scan
        method = Message("ensemble_map.method", {"count": len(self.members)})
        layer = Message("ensemble_map.layer")
        return Explanation(
            raw=torch.from_numpy(self.mean),
            score=NAN if self.probability is None else self.probability,
            probability=None,
            target=self.label,
            method=str(method),
            layer=str(layer),
            relu=False,
            scan=_in_original_pixels(scan),
            empty_reason=Message("empty.members") if self.empty else None,
            provenance={
                "score_kind": "weighted mean probability",
                "unit": self.unit,
                "method_name": method,
                "layer_name": layer,
            },
        )


def scale_description(scale: str) -> Message:
    """What a scale does to the maps.

    >>> str(scale_description("limit"))
    'each map divided by its largest magnitude'
    """
    return Message(f"scales.{scale}")


def combine(
    explanations: Mapping[str, Explanation | None],
    weights: Mapping[str, float] | None = None,
    scale: str = "share",
    weighting: str = "probability",
) -> Ensemble:
    """The ensemble map of one image and label.

    Args:
        explanations: model → its map of the label, all of one image; None for a model without one.
        weights: model → weight above 0, 1 if not given; normalised over the models with a map.
        scale: one of :data:`SCALES`.
        weighting: one of :data:`~camlucida.analysis.ensemble.members.WEIGHTINGS`.

    Raises:
        UsageError: no map at all; images of different sizes; a weight that is not above 0; an
            unknown scale, weighting or model; maps of different units where ``scale`` is "none".
    """
    maps = {name: part for name, part in explanations.items() if part is not None}
    weights = weights or {}
    _check_weights(weights, explanations)
    _check_maps(maps, list(explanations), scale)
    if weighting not in WEIGHTINGS:
        raise UsageError(f"unknown weighting {weighting!r}", did_you_mean(weighting, WEIGHTINGS))
    members, possible = make_members(maps, weights, scale, weighting)
    mean, disagreement = mean_and_disagreement(members)
    evident = [maps[member.name] for member in members if member.has_evidence]
    agreements = list(_agreements(evident))
    first = next(iter(maps.values()))
    return Ensemble(
        label=first.target,
        members=members,
        left_out=tuple(name for name, part in explanations.items() if part is None),
        scale=scale,
        weighting=possible,
        unit=_UNITS.get(scale, unit_of(first)),
        mean=mean,
        disagreement=disagreement,
        probability=_mean_probability(members),
        agreement=float(np.mean(agreements)) if agreements else NAN,
        compared=len(agreements),
    )


def on_common_grid(first: Explanation, second: Explanation) -> tuple[Floats, Floats]:
    """Both maps averaged over the cells of the coarser grid.

    The grid lies over the part of the image that both models saw.

    Returns:
        Two arrays (rows, columns) of the fewer rows and the fewer columns of the two maps.
    """
    cells = [min(a, b) for a, b in zip(first.grid, second.grid)]
    seen_by_both = zip(first.scan.geometry.seen(), second.scan.geometry.seen())
    window = []
    for a, b in seen_by_both:
        start, end = max(a[0], b[0]), min(a[1], b[1])
        window.append((start, end))
    return _cells(first, cells, window), _cells(second, cells, window)


def _check_weights(
    weights: Mapping[str, float], explanations: Mapping[str, Explanation | None]
) -> None:
    for name, weight in weights.items():
        if name not in explanations:
            what = f"a weight for {name!r}, which is no model of the ensemble"
            raise UsageError(what, did_you_mean(name, explanations))
        if not 0 < weight < float("inf"):
            raise UsageError(f"the weight of {name!r} is {weight:g}", "give a number above 0")


def _check_maps(maps: Mapping[str, Explanation], models: Sequence[str], scale: str) -> None:
    if scale not in SCALES:
        raise UsageError(f"unknown scale {scale!r}", did_you_mean(scale, SCALES))
    if not maps:
        requested = ", ".join(models) or "none"
        raise UsageError("no model has a map of the label", f"models: {requested}")
    sizes = {name: part.scan.geometry.original for name, part in maps.items()}
    if len(set(sizes.values())) > 1:
        what = f"maps of images of different sizes: {sizes}"
        raise UsageError(what, "give maps of one image")
    units = sorted({unit_of(part) for part in maps.values()})
    if scale == "none" and len(units) > 1:
        what = f"the maps have different units: {', '.join(units)}"
        raise UsageError(what, 'scale them: "share" or "limit"')


def _mean_probability(members: Sequence[EnsembleMember]) -> float | None:
    total = 0.0
    for member in members:
        if member.explanation.probability is None:
            return None
        total += member.weight * member.explanation.probability
    return total


def _agreements(maps: Sequence[Explanation]) -> Iterator[float]:
    """Correlation of each two maps; none of pairs with a constant map."""
    for first, second in combinations(maps, 2):
        correlation = pearson(*on_common_grid(first, second))
        if np.isfinite(correlation):
            yield correlation


def mean_and_disagreement(members: Sequence[EnsembleMember]) -> tuple[Floats, Floats]:
    """Weighted mean and standard deviation, pixel by pixel, over the members that saw the pixel.

    Args:
        members: of one image and label.

    Returns:
        Two arrays (H, W), as :attr:`Ensemble.mean` and :attr:`Ensemble.disagreement`.
    """
    maps = [member.explanation.on_original().numpy().astype(np.float64) for member in members]
    seen = np.stack([seen_pixels(member.explanation.scan.geometry) for member in members])
    given = np.array([member.weight for member in members])[:, None, None] * seen
    counts = np.array([member.map_weight for member in members])[:, None, None] * seen
    values = np.stack(maps)
    total = (counts * values).sum(axis=0)
    # Where only some saw the pixel, they count by what they say there too: hence the given weights.
    mean = total / _positive(given.sum(axis=0))
    counted = _positive(counts.sum(axis=0))
    variance = (counts * (values - total / counted) ** 2).sum(axis=0) / counted
    two_or_more = np.sum(seen, axis=0) > 1
    deviation = np.where(two_or_more, np.sqrt(variance), np.nan)
    return mean.astype(np.float32), deviation.astype(np.float32)


def _positive(total: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 instead of 0, to divide by."""
    return np.where(total > 0, total, 1.0)


def _cells(
    explanation: Explanation, cells: Sequence[int], window: Sequence[tuple[int, int]]
) -> Floats:
    """The map averaged over ``cells`` of equal size that cover ``window`` of the original.

    0 where the window holds no pixel.
    """
    if any(last <= first for first, last in window):
        return np.zeros(tuple(cells), np.float32)
    geometry = explanation.scan.geometry
    size = tuple(FINE * count for count in cells)
    steps = [(last - first) / samples for (first, last), samples in zip(window, size)]
    starts = [first for first, _ in window]
    scale = tuple(s * step for s, step in zip(geometry.scale, steps))
    offset = tuple(o + s * x for o, s, x in zip(geometry.offset, geometry.scale, starts))
    sampled = Geometry(size, geometry.model, scale, offset)
    fine: Tensor = sampled.map_to_original(explanation.map()[None])
    return torch.nn.functional.avg_pool2d(fine, FINE)[0].numpy().astype(np.float32)


def _in_original_pixels(scan: Scan) -> Scan:
    return replace(scan, geometry=Geometry.identity(scan.geometry.original))
