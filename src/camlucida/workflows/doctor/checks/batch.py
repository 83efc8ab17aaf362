"""A batch against its images one by one."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from camlucida.core.messages import declare
from camlucida.workflows.doctor.examination import Examination, largest_difference
from camlucida.workflows.doctor.finding import Finding, Values, finding

ROUNDING = 1e-3
"""Share of the output by which a batch may differ from its images, by the order of additions."""

declare(
    "doctor",
    {
        "mixed": (
            "an image's output depends on the other images of its batch: by up to {difference} "
            "({share} of the output) for {images} images"
        ),
        "mixed_mend": (
            "look for batch statistics or a mean, sort or reshape over axis 0 in forward; until "
            "then --batch-size 1"
        ),
        "separate": (
            "a batch of {images} images and the same images one by one differ by {difference}"
        ),
        "one_image": "not compared: a batch against single images needs two images",
        "one_image_mend": "name more images",
    },
)


def check(examination: Examination) -> Iterator[Finding]:
    """Whether an image's output depends on the other images of its batch."""
    inputs = examination.inputs
    if len(inputs) < 2:
        yield finding("batch", "note", "one_image")
        return
    singles = [examination.logits(inputs[i : i + 1]) for i in range(len(inputs))]
    difference, share = largest_difference(examination.logits(inputs), torch.cat(singles))
    values: Values = {"images": len(inputs), "difference": f"{difference:.2g}"}
    if share > ROUNDING:
        yield finding("batch", "fault", "mixed", {**values, "share": f"{share:.2g}"})
    else:
        yield finding("batch", "ok", "separate", values)
