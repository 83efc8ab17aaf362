"""Methods whose maps are identical up to scale, so that their agreement is no evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, groupby
from typing import NamedTuple

from camlucida.attribution.explanation import Explanation

IDENTICAL = 1e-5
"""Two maps, each divided by its largest magnitude, are identical where no cell differs by more."""


class IdenticalPair(NamedTuple):
    """Two methods with identical raw maps at a layer."""

    first: str
    second: str
    layer: str


class IdenticalGroup(NamedTuple):
    """Methods of which each two have identical raw maps at a layer."""

    methods: list[str]
    layer: str


def identical_groups(pairs: Iterable[IdenticalPair]) -> list[IdenticalGroup]:
    """Pairs that share a method, as one.

    Args:
        pairs: of :func:`identical_methods`.

    >>> identical_groups({IdenticalPair("a", "b", "last"), IdenticalPair("b", "c", "last")})
    [IdenticalGroup(methods=['a', 'b', 'c'], layer='last')]
    """
    groups: list[IdenticalGroup] = []
    for pair in sorted(pairs):
        names = {pair.first, pair.second}
        at_layer = (group for group in groups if group.layer == pair.layer)
        group = next((each for each in at_layer if names & set(each.methods)), None)
        if group is None:
            groups.append(IdenticalGroup([pair.first, pair.second], pair.layer))
        else:
            group.methods.extend(sorted(names - set(group.methods)))
    return groups


def identical_methods(explanations: Sequence[Explanation]) -> set[IdenticalPair]:
    """Pairs of methods whose raw maps are identical up to scale for every target.

    Grad-CAM, HiResCAM and XGrad-CAM are, for instance, behind global pooling and a linear head.

    Args:
        explanations: of one or more images, targets, methods and layers.

    Returns:
        The pairs; a map that is zero everywhere is identical to none.

    >>> import torch
    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.AvgPool2d(2), torch.nn.Flatten())
    >>> methods = ["gradcam", "hirescam"]
    >>> identical_methods(explain(net, torch.ones(1, 1, 2, 2), 0, methods, layer="0"))
    {IdenticalPair(first='gradcam', second='hirescam', layer='0')}
    """
    pairs: set[IdenticalPair] = set()
    for layer in {explanation.layer for explanation in explanations}:
        at_layer = [explanation for explanation in explanations if explanation.layer == layer]
        ordered = sorted(at_layer, key=_image_and_target)
        by_target = (list(group) for _, group in groupby(ordered, key=_image_and_target))
        pairs |= set.intersection(*(set(_identical_pairs(group)) for group in by_target))
    return pairs


def _image_and_target(explanation: Explanation) -> tuple[str, str]:
    return explanation.scan.id, explanation.target


def _identical_pairs(explanations: Iterable[Explanation]) -> Iterator[IdenticalPair]:
    for first, second in combinations(explanations, 2):
        if _identical(first, second):
            yield IdenticalPair(first.method, second.method, first.layer)


def _identical(first: Explanation, second: Explanation) -> bool:
    if first.grid != second.grid:  # of the layer, and of the pixels
        return False
    largest = [float(explanation.raw.abs().max()) for explanation in (first, second)]
    if min(largest) == 0:
        return False
    first_scaled = first.raw / largest[0]
    second_scaled = second.raw / largest[1]
    difference = (first_scaled - second_scaled).abs()
    return float(difference.max()) < IDENTICAL
