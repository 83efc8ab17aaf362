"""The maps of one image, of methods and baselines, grouped where labels share a map."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from camlucida.attribution.explanation import Explanation
from camlucida.attribution.targets import Target
from camlucida.core.messages import Message
from camlucida.evaluation.maps.baselines import Atlas, baseline_map
from camlucida.evaluation.maps.samples import Sample, label_of

Extra = Callable[[Sample, Explanation], Mapping[str, Tensor]]
"""More maps to score beside the baselines: a sample and one explanation of it → name → (*grid)."""


@dataclass(frozen=True)
class EvaluatedMap:
    """One map, for all the labels that share it.

    Attributes:
        method, layer: its place in the tables.
        baseline: whether it is independent of the model.
        explanations: position of the target among those of the image → explanation with this map.
    """

    method: str
    layer: str
    baseline: bool
    explanations: Mapping[int, Explanation]

    @property
    def first(self) -> Explanation:
        """The explanation of the first label."""
        return next(iter(self.explanations.values()))

    @property
    def native(self) -> Tensor:
        """(*grid) the map on the grid of its layer, after the method's ReLU."""
        return self.first.map(self.first.grid)


def maps_of(
    sample: Sample,
    explanations: Sequence[Explanation],
    baselines: Sequence[str],
    atlas: Atlas | None,
    extra: Extra | None,
) -> list[EvaluatedMap]:
    """The maps of the methods, then those of the baselines on the grid of each layer.

    Args:
        sample: the image.
        explanations: of it, in the order of ``explain``.
        baselines: names among ``BASELINES``; one that is also a method of these is left out.
        atlas: mean annotations of the other patients, for "average_mask".
        extra: more maps to score beside the baselines.
    """
    if not explanations:
        return []
    targets = list(dict.fromkeys(e.target for e in explanations))
    maps = list(_grouped(explanations, targets))
    methods = {e.method for e in explanations}
    baselines = [name for name in baselines if name not in methods]
    of_first_method = [e for e in explanations if e.method == explanations[0].method]
    for layer in dict.fromkeys(e.layer for e in of_first_method):
        of_layer = [e for e in of_first_method if e.layer == layer]
        made = _baseline_explanations(sample, of_layer, baselines, atlas, extra)
        maps += _grouped(list(made), targets, baseline=True)
    return maps


def targets_of(maps: Sequence[EvaluatedMap]) -> list[Target]:
    """The targets of an image, in the order of their positions.

    Those that are not known are left out.
    """
    by_position: dict[int, Target | None] = {}
    for each in maps:
        by_position |= {position: e.explained for position, e in each.explanations.items()}
    return [target for _, target in sorted(by_position.items()) if target is not None]


def _baseline_explanations(
    sample: Sample,
    explanations: Sequence[Explanation],
    baselines: Sequence[str],
    atlas: Atlas | None,
    extra: Extra | None,
) -> Iterator[Explanation]:
    for name in baselines:
        for explanation in explanations:
            heat = _baseline(name, sample, explanation, atlas)
            if heat is not None:
                yield _with_map(explanation, name, heat)
    if extra is None:
        return
    for explanation in explanations:
        for name, heat in extra(sample, explanation).items():
            yield _with_map(explanation, name, heat)


def _baseline(
    name: str, sample: Sample, explanation: Explanation, atlas: Atlas | None
) -> Tensor | None:
    label = label_of(explanation)
    key = sample.annotation_key(label)
    prior = None if atlas is None else atlas.without(key, sample.patient)
    scan = sample.scan
    return baseline_map(
        name, scan.tensor, explanation.grid, scan.geometry, scan.id, sample.mask(label), prior
    )


def _with_map(explanation: Explanation, name: str, heat: Tensor) -> Explanation:
    """The explanation with another map, (*grid), in place of the method's."""
    empty = None if bool(heat.any()) else Message("empty.zero")
    return replace(explanation, raw=heat, method=name, relu=False, empty_reason=empty)


def _grouped(
    explanations: Sequence[Explanation], targets: Sequence[str], baseline: bool = False
) -> Iterator[EvaluatedMap]:
    """One map for all labels whose maps are equal, so that the image is altered once for them."""
    rest = list(explanations)
    while rest:
        first = rest[0]
        same = [e for e in rest if _same_map(e, first)]
        rest = [e for e in rest if not _same_map(e, first)]
        by_position = {targets.index(e.target): e for e in same}
        yield EvaluatedMap(first.method, first.layer, baseline, by_position)


def _same_map(a: Explanation, b: Explanation) -> bool:
    if (a.method, a.layer) != (b.method, b.layer):
        return False
    return torch.equal(a.raw, b.raw)
