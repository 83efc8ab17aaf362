"""Two passes of the same images: are they equal?"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _NormBase

from camlucida.attribution.capture import run_output
from camlucida.core.messages import declare
from camlucida.core.tensors import same_values
from camlucida.io.tables import listing
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
        "remembers": (
            "a pass changes the buffers {names} also in evaluation mode, so that an output can "
            "depend on the images before it; explain puts them back before each pass, your own "
            "code does not"
        ),
        "remembers_mend": "change them under if self.training alone",
        "trains": (
            "forward puts {names} into training mode: an image is normalised by its batch, and "
            "each pass changes the running statistics"
        ),
        "trains_mend": (
            "take train() out of forward; load the checkpoint again, whose statistics are those of "
            "training"
        ),
        "repeats": "two passes of the same images differ by {difference}",
    },
)


def check(examination: Examination) -> Iterator[Finding]:
    """Whether the model gives the same output twice."""
    changed = _changed_buffers(examination)
    named = examination.module.named_modules()
    norms = [path for path, part in named if isinstance(part, _NormBase)]
    training = [path for path in norms if f"{path}.running_mean" in changed]
    if training:
        yield finding("repeat", "fault", "trains", {"names": listing(training)})
    others = [name for name in changed if name.rpartition(".")[0] not in training]
    if others:
        yield finding("repeat", "note", "remembers", {"names": listing(others)})
    first = examination.logits(examination.inputs)
    second = examination.logits(examination.inputs)
    difference, share = largest_difference(first, second)
    if share > ROUNDING:
        values: Values = {"difference": f"{difference:.2g}", "share": f"{share:.2g}"}
        yield finding("repeat", "fault", "random", values)
    else:
        yield finding("repeat", "ok", "repeats", {"difference": f"{difference:.2g}"})


@torch.no_grad()
def _changed_buffers(examination: Examination) -> list[str]:
    """Names of the buffers that one pass changes."""
    module = examination.module
    with examination.frozen():
        before = {name: buffer.clone() for name, buffer in module.named_buffers()}
        run_output(module, (examination.inputs,), examination.explained.spec)
        after = dict(module.named_buffers())
        return [name for name, old in before.items() if not _same(old, after.get(name))]


def _same(old: Tensor, new: Tensor | None) -> bool:
    # A table that is made for the size of the images is no memory of them.
    return new is None or old.shape != new.shape or same_values(old, new)
