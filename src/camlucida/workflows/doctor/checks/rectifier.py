"""Layers before their ReLU."""

from __future__ import annotations

from collections.abc import Iterator

from camlucida.attribution.watch import Captured
from camlucida.core.messages import declare
from camlucida.workflows.doctor.examination import Examination
from camlucida.workflows.doctor.finding import Finding, Values, finding

declare(
    "doctor",
    {
        "after": (
            "a {activation} follows {layer}, and maps are made after it; tools with plain hooks "
            "explain what the network never uses"
        ),
        "before": (
            "{layer} is explained before its ReLU, as requested: {share} of its activations are "
            "negative, which the network never uses"
        ),
        "before_mend": "leave :pre out of the layer's name",
        "signed": "no ReLU follows {layer}: {share} of its activations are negative",
        "positive": "the activations of {layer} are not negative",
    },
)


def check(examination: Examination) -> Iterator[Finding]:
    """Whether maps are made of what the network uses of a layer."""
    with examination.frozen():
        layers = examination.forward().layers
    for captured in layers:
        yield _of_layer(captured)


def _of_layer(captured: Captured) -> Finding:
    share = float((captured.activations.detach() < 0).float().mean())
    about: Values = {"layer": captured.name}
    if captured.activation:
        return finding("rectifier", "ok", "after", {**about, "activation": captured.activation})
    signed: Values = {**about, "share": f"{share:.0%}"}
    if captured.pre and share > 0:
        return finding("rectifier", "note", "before", signed)
    if share > 0:
        return finding("rectifier", "ok", "signed", signed)
    return finding("rectifier", "ok", "positive", about)
