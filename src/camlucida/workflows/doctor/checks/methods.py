"""Methods that give the same map on this model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import combinations
from statistics import median

from camlucida.attribution.explanation import Explanation
from camlucida.attribution.identical import IdenticalPair, identical_groups, identical_methods
from camlucida.core.errors import NoEvidenceError
from camlucida.core.messages import Message, declare
from camlucida.metrics.correlation import pearson
from camlucida.workflows.doctor.examination import Examination
from camlucida.workflows.doctor.finding import Finding, Values, finding

METHODS = ("gradcam", "hirescam", "xgradcam", "gradcam_pp", "layercam", "eigencam")
"""What is mostly compared; all take one forward and one backward pass."""

NEAR = 0.995
"""From this correlation on two methods are nearly one."""

declare(
    "doctor",
    {
        "near_pair": "{first} ≈ {second} ({correlation})",
        "identical": (
            "at {layer} {methods} give the same map by construction; their agreement is no evidence"
        ),
        "identical_mend": "keep one of them in a comparison, beside a method of another kind",
        "nearly": (
            "at {layer} maps of these methods are nearly the same (median correlation): {pairs}"
        ),
        "nearly_mend": "do not count them as independent witnesses",
        "different": "no two of {count} methods give the same map at {layer}",
    },
)


def check(examination: Examination) -> Iterator[Finding]:
    """Whether methods that are often compared are one on this model."""
    maps: list[Explanation] = []
    for method in METHODS:
        # One that is not defined here, as for a layer without gradient, is left out.
        with suppress(NoEvidenceError):
            maps += examination.explanations(method)
    for layer in dict.fromkeys(each.layer for each in maps):
        yield from _of_layer(layer, [each for each in maps if each.layer == layer])


def _of_layer(layer: str, maps: Sequence[Explanation]) -> Iterator[Finding]:
    identical = identical_methods(maps)
    near = dict(_near(maps, identical))
    for group in identical_groups(identical):
        yield finding("methods", "note", "identical", {"layer": layer, "methods": group.methods})
    if near:
        listed = []
        for (first, second), value in near.items():
            about: Values = {"first": first, "second": second, "correlation": f"{value:.3f}"}
            listed.append(Message("doctor.near_pair", about))
        yield finding("methods", "note", "nearly", {"layer": layer, "pairs": listed})
    if not identical and not near:
        count = len({each.method for each in maps})
        yield finding("methods", "ok", "different", {"layer": layer, "count": count})


def _near(
    maps: Sequence[Explanation], identical: set[IdenticalPair]
) -> Iterator[tuple[tuple[str, str], float]]:
    """Pairs of methods that are not identical, with the median correlation of their maps."""
    same = {each[:2] for each in identical} | {each[1::-1] for each in identical}
    by_method: dict[str, dict[tuple[str, str], Explanation]] = {}
    for each in maps:
        by_method.setdefault(each.method, {})[each.scan.id, each.target] = each
    for first, second in combinations(by_method, 2):
        if (first, second) in same:
            continue
        values = _correlations(by_method[first], by_method[second])
        if values and median(values) > NEAR:
            yield (first, second), median(values)


def _correlations(
    first: dict[tuple[str, str], Explanation], second: dict[tuple[str, str], Explanation]
) -> list[float]:
    both = [(first[key].raw, second[key].raw) for key in first if key in second]
    uneven = [(a, b) for a, b in both if float(a.std()) > 0 and float(b.std()) > 0]
    return [pearson(a.numpy(), b.numpy()) for a, b in uneven]
