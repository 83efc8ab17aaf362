"""The place of the layer's grid: it has to lie over the whole image, the right way round."""

from __future__ import annotations

from collections.abc import Iterator

from camlucida.core.messages import Message, declare
from camlucida.workflows.doctor.examination import Examination
from camlucida.workflows.doctor.finding import Finding, finding

declare(
    "doctor",
    {
        "misplaced_mend": (
            "do to the images before the model what it does to them inside, or name a layer that "
            "sees one image; without that its maps have numbers and no picture"
        ),
        "placed": "the grid of {layer} lies over the image: its maps have a place on it",
    },
)


def check(examination: Examination) -> Iterator[Finding]:
    """Whether a map of the layer can be laid over the image."""
    # Without a gradient, whose own check says where it stops.
    one_of_each = {each.layer: each for each in examination.explanations("eigencam")}
    for layer, explanation in one_of_each.items():
        if explanation.no_picture is None:
            yield finding("place", "ok", "placed", {"layer": layer})
        else:
            mend = Message("doctor.misplaced_mend")
            yield Finding("place", "fault", explanation.no_picture, mend)
