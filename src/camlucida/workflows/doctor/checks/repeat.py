"""Two passes of the same images: are they equal?"""

from __future__ import annotations

from collections.abc import Iterator

from camlucida.core.messages import declare
from camlucida.workflows.doctor.examination import Examination, largest_difference
from camlucida.workflows.doctor.finding import Finding, Values, finding

ROUNDING = 1e-5
"""Share of the output by which additions in another order may differ, on a GPU."""

declare(
    "doctor",
    {
        "random": (
            "two passes of the same images differ by {difference} ({share} of the output): maps "
            "are drawn at random, too"
        ),
        "random_mend": (
            "forward draws random numbers in evaluation mode, or remembers the last call: write "
            "F.dropout(x, p, training=self.training)"
        ),
        "repeats": "two passes of the same images differ by {difference}",
    },
)


def check(examination: Examination) -> Iterator[Finding]:
    """Whether the model gives the same output twice."""
    first = examination.logits(examination.inputs)
    second = examination.logits(examination.inputs)
    difference, share = largest_difference(first, second)
    if share > ROUNDING:
        values: Values = {"difference": f"{difference:.2g}", "share": f"{share:.2g}"}
        yield finding("repeat", "fault", "random", values)
    else:
        yield finding("repeat", "ok", "repeats", {"difference": f"{difference:.2g}"})
