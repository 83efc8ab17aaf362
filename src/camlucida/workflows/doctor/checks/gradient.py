"""The gradient of the default targets at the layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from camlucida.attribution.explanation import Explanation
from camlucida.core.messages import declare
from camlucida.workflows.doctor.examination import Examination
from camlucida.workflows.doctor.finding import Finding, Values, finding

declare(
    "doctor",
    {
        "no_gradient": (
            "{empty} of {maps} Grad-CAM maps are 0 everywhere at {layer}: no gradient, or nothing "
            "that is positive"
        ),
        "no_gradient_mend": (
            "an earlier layer, or a method without a gradient: --method scorecam; of targets with "
            "a negative score that is no fault"
        ),
        "gradient": (
            "the gradient reaches {layer}: {maps} Grad-CAM maps of the default targets, {empty} of "
            "them empty"
        ),
    },
)


def check(examination: Examination) -> Iterator[Finding]:
    """Whether the gradient of the default targets reaches the layer."""
    maps = examination.explanations("gradcam")
    for layer in dict.fromkeys(each.layer for each in maps):
        yield _of_layer(layer, [each for each in maps if each.layer == layer])


def _of_layer(layer: str, maps: Sequence[Explanation]) -> Finding:
    zero = sum(not bool(each.raw.any()) for each in maps)
    empty = sum(each.is_empty for each in maps)
    values: Values = {"layer": layer, "maps": len(maps), "empty": empty}
    if zero == len(maps):
        return finding("gradient", "fault", "no_gradient", values)
    if empty > len(maps) / 2:
        return finding("gradient", "note", "no_gradient", values)
    return finding("gradient", "ok", "gradient", values)
