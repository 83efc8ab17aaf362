"""The CPU against the GPU."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import torch

from camlucida.attribution.capture import run_output
from camlucida.core.messages import declare
from camlucida.models.state import frozen
from camlucida.workflows.doctor.examination import Examination, largest_difference, over_labels
from camlucida.workflows.doctor.finding import Finding, Values, finding

AGREEMENT = 1e-2
"""Share of the output by which devices may differ; TF32 and half precision cost three digits."""

declare(
    "doctor",
    {
        "devices": "{first} and {second} differ by {difference}",
        "devices_differ": ("{first} and {second} differ by {difference} ({share} of the output)"),
        "devices_differ_mend": (
            "look for tensors that forward makes on one device or in another precision; trust "
            "--device cpu until then"
        ),
        "one_device": "not compared: PyTorch sees no GPU here",
    },
)


def check(examination: Examination) -> Iterator[Finding]:
    """Whether the model gives the same output on the CPU and on the GPU."""
    here = examination.inputs.device
    if here.type == "cpu" and not torch.cuda.is_available():
        yield finding("device", "note", "one_device")
        return
    there = torch.device("cpu") if here.type != "cpu" else torch.device("cuda")
    module = deepcopy(examination.module).to(there)
    inputs = examination.inputs.to(there)
    spec = examination.explained.spec
    with frozen(module), torch.no_grad():
        logits = run_output(module, (inputs,), spec).logits
    other = over_labels(logits, inputs, examination.output.task)
    difference, share = largest_difference(examination.logits(examination.inputs), other)
    values: Values = {"first": str(here), "second": str(there), "difference": f"{difference:.2g}"}
    if share > AGREEMENT:
        yield finding("device", "fault", "devices_differ", {**values, "share": f"{share:.2g}"})
    else:
        yield finding("device", "ok", "devices", values)
