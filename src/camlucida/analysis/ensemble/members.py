"""What each model's map counts in an ensemble: its divisor, its weight, and whether it is evidence.

Without probabilities, a model that says no leads the mean wherever its map is narrow: every map
has the same total heat, so the most concentrated one has the largest peak.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from camlucida.attribution.explanation import Explanation
from camlucida.core.geometry import Geometry
from camlucida.core.messages import Message, declare
from camlucida.core.regions import MASK_FRACTION

declare(
    "weightings",
    {
        "probability": (
            "weight × probability of the label (the output scaled to its operating point where a "
            "classifier has one), so that a classifier that says no does not lead; "
            "and no map has a higher peak than that of the classifier with the largest weight × "
            "probability among those with evidence: a narrow map would outvote a probable one; "
            "a faint map adds less than half of what that classifier adds"
        ),
        "equal": "weight alone, whatever the classifier says of the label",
        "no_probability": "weight alone, because a classifier gives no probability",
    },
)

WEIGHTINGS = ("probability", "equal")
"""What a model's map counts. See :func:`weighting_description`."""

FAINT = {"logit": 1.0, "probability": 0.25}
"""Unit of a map → how much its cells must add up to in order to be evidence, and to be stretched to
an even spread of 1. One logit moves a probability by less than 0.25. Without a floor, what is left
in the map of a model that says no would weigh as much as the heat of one that says yes."""

FAINT_SHARE = 0.9 * MASK_FRACTION
"""Of what the leading member adds to the mean: the most that a map without evidence adds."""

TIE = 1e-9
"""Relative difference up to which two models count the same."""


@dataclass(frozen=True)
class EnsembleMember:
    """One model's part in an ensemble.

    Attributes:
        name: of the model.
        weight: its share of the mean probability; those of all members sum to 1.
        map_weight: its share of the mean map; those of all members sum to 1.
        explanation: the map, divided by ``divisor``: in the unit of the ensemble.
        divisor: in the map's unit before; 1 for a map without heat.
        heat: what the magnitudes of the map's cells add up to, in that unit.
        faint: the heat is below :data:`FAINT`.
        bounded: the map was divided by more than its scale says, so that its peak is no higher
            than that of the leading member.
    """

    name: str
    weight: float
    map_weight: float
    explanation: Explanation
    divisor: float
    heat: float
    faint: bool
    bounded: bool = False

    @property
    def unit(self) -> str:
        """Of the map before it was divided, and of its heat."""
        return unit_of(self.explanation)

    @property
    def has_evidence(self) -> bool:
        """Whether the map has heat, and not only a faint trace of it."""
        return not self.explanation.is_empty and not self.faint

    @property
    def contribution(self) -> float:
        """The most that the member adds to the mean map, in the unit of the ensemble."""
        return self.map_weight * self.explanation.limit


def unit_of(explanation: Explanation) -> str:
    """The unit of a map."""
    return str(explanation.provenance.get("unit", "score"))


def weighting_description(weighting: str) -> Message:
    """What a weighting does.

    >>> str(weighting_description("equal"))
    'weight alone, whatever the classifier says of the label'
    """
    return Message(f"weightings.{weighting}")


def make_members(
    maps: Mapping[str, Explanation], weights: Mapping[str, float], scale: str, weighting: str
) -> tuple[tuple[EnsembleMember, ...], str]:
    """The members of an ensemble, and the weighting that was possible.

    Args:
        maps: model → its map.
        weights: model → weight above 0; 1 if not given.
        scale: one of :data:`~camlucida.analysis.ensemble.combine.SCALES`.
        weighting: one of :data:`WEIGHTINGS`.

    Returns:
        The members, and ``weighting``, or "no_probability" where a model gives none.
    """
    has_all = all(part.probability is not None for part in maps.values())
    if weighting == "probability" and not has_all:
        weighting = "no_probability"
    given = np.array([float(weights.get(name, 1.0)) for name in maps])
    given = given / given.sum()
    counts = given
    if weighting == "probability":
        counts = given * np.array([float(part.decided or 0.0) for part in maps.values()])
    total = float(counts.sum())
    counts = counts / total if total > 0 else given
    parts = zip(maps.items(), given.tolist(), counts.tolist())
    members = [
        _member(name, weight, map_weight, part, scale) for (name, part), weight, map_weight in parts
    ]
    if weighting == "probability":
        members = _bounded(members)
    return tuple(members), weighting


def _member(
    name: str, weight: float, map_weight: float, explanation: Explanation, scale: str
) -> EnsembleMember:
    heat = total_heat(explanation)
    floor = FAINT.get(unit_of(explanation), 0.0)
    divisor = 1.0
    if scale == "limit":
        divisor = explanation.limit
    elif scale == "share":
        divisor = max(_mean_magnitude(explanation), floor / explanation.raw.numel())
    divisor = divisor if divisor > 0 else 1.0
    scaled = replace(explanation, raw=explanation.raw.double() / divisor, explained=None)
    return EnsembleMember(name, weight, map_weight, scaled, divisor, heat, heat < floor)


def _bounded(members: Sequence[EnsembleMember]) -> list[EnsembleMember]:
    """No peak is higher than that of the member with evidence that counts most.

    What a map without evidence adds to the mean stays below half of what that member adds: boxes
    enclose what is at least half of the maximum, so that it makes none by itself.
    """
    evident = [member for member in members if member.has_evidence]
    if not evident:
        return list(members)
    most = max(member.map_weight for member in evident)
    leading = [member for member in evident if member.map_weight >= most * (1 - TIE)]
    bound = max(member.explanation.limit for member in leading)
    return [_with_peak(member, _bound_of(member, bound, most)) for member in members]


def _bound_of(member: EnsembleMember, bound: float, most: float) -> float:
    """The highest peak that a member may have."""
    if member.has_evidence or member.map_weight <= 0:
        return bound
    return min(bound, FAINT_SHARE * bound * most / member.map_weight)


def _with_peak(member: EnsembleMember, bound: float) -> EnsembleMember:
    factor = member.explanation.limit / bound
    if factor <= 1 + TIE:
        return member
    raw = member.explanation.raw / factor
    explanation = replace(member.explanation, raw=raw)
    divisor = member.divisor * factor
    return replace(member, explanation=explanation, divisor=divisor, bounded=True)


def total_heat(explanation: Explanation) -> float:
    """What the magnitudes of a map's cells add up to, in its unit."""
    return float(explanation.map(explanation.grid).double().abs().sum())


def is_evidence(explanation: Explanation) -> bool:
    """Whether a map has heat that is not faint."""
    heat = total_heat(explanation)
    return heat > 0 and heat >= FAINT.get(unit_of(explanation), 0.0)


def seen_pixels(geometry: Geometry) -> NDArray[np.bool_]:
    """(*original): the pixels that the model saw."""
    mask = np.zeros(geometry.original, np.bool_)
    mask[tuple(slice(first, last) for first, last in geometry.seen())] = True
    return mask


def _mean_magnitude(explanation: Explanation) -> float:
    """Over the pixels that the model saw."""
    total = np.abs(explanation.numpy(), dtype=np.float64).sum()
    pixels = seen_pixels(explanation.scan.geometry).sum()
    return float(total / max(1, pixels))
