"""Weights that nothing was loaded into."""

from __future__ import annotations

from collections.abc import Iterator

from camlucida.core.messages import declare
from camlucida.workflows.doctor.examination import Examination
from camlucida.workflows.doctor.finding import Finding, finding

CODE = "weights.random"
"""What loading a model says of such weights."""

declare("doctor", {"loaded": "no weight is left as it was drawn at random"})


def check(examination: Examination) -> Iterator[Finding]:
    """Whether any weight still is the random numbers that it was drawn as."""
    random = [note for note in examination.model.notes if note.code == CODE]
    if not random:
        yield finding("weights", "ok", "loaded")
    for note in random:
        yield Finding("weights", "fault", note)
