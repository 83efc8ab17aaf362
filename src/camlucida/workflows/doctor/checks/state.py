"""Modules left in training mode, and weights that are not numbers."""

from __future__ import annotations

from collections.abc import Iterator

from camlucida.core.messages import declare
from camlucida.io.tables import listing
from camlucida.workflows.doctor.examination import Examination
from camlucida.workflows.doctor.finding import Finding, Values, finding

STATISTICS = ("running_mean", "running_var")
"""Buffers of batch normalisation."""

declare(
    "doctor",
    {
        "training": (
            "{count} {count:|module is|modules are} in training mode after eval(): {names}; "
            "explain evaluates them, and your own code does not"
        ),
        "training_mend": "a train() of the network that ignores its argument; take it out",
        "not_finite": "{count} {count:|weight tensor holds|weight tensors hold} NaN or ±∞: {names}",
        "not_finite_mend": "take a checkpoint from before training diverged",
        "evaluated": "all {count} modules are in evaluation mode, all weights are finite",
    },
)


def check(examination: Examination) -> Iterator[Finding]:
    """Whether every module is in evaluation mode, and every weight a number."""
    module = examination.module
    training = [path or "the network" for path, part in module.named_modules() if part.training]
    # Other buffers may hold NaN on purpose, as operating points of labels without weights.
    statistics = [item for item in module.named_buffers() if item[0].endswith(STATISTICS)]
    tensors = [*module.named_parameters(), *statistics]
    broken = [name for name, tensor in tensors if not bool(tensor.isfinite().all())]
    if training:
        values: Values = {"count": len(training), "names": listing(training)}
        yield finding("state", "fault", "training", values)
    if broken:
        values = {"count": len(broken), "names": listing(broken)}
        yield finding("state", "fault", "not_finite", values)
    if not training and not broken:
        yield finding("state", "ok", "evaluated", {"count": len(list(module.modules()))})
