"""In-place operations: what a plain hook would see, and what the gradient needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.attribution.capture import Forward
from camlucida.attribution.capture_errors import InPlaceError
from camlucida.core.messages import declare, quoted
from camlucida.models.state import frozen, main_tensor
from camlucida.workflows.doctor.examination import Examination, over_labels
from camlucida.workflows.doctor.finding import Finding, Values, finding

declare(
    "doctor",
    {
        "overwrites": "{error}; explain keeps copies, at the price of memory",
        "overwrites_mend": "write y = y * 2, not y *= 2 or y.mul_(2), in forward",
        "changed_later": (
            "an in-place operation changes {layer} after it has run, by up to {difference}; "
            "explain is not deceived, but a plain hook sees the changed values: for other tools "
            "write inplace=False in what follows the layer"
        ),
        "kept": "no in-place operation changes {layer} or what its gradient needs",
    },
)


def check(examination: Examination) -> Iterator[Finding]:
    """Whether in-place operations stand in the way of hooks and gradients."""
    with frozen(examination.module):
        forward = examination.forward()
        error = _in_place_error(examination, forward)
    if error is not None:
        yield finding("in_place", "note", "overwrites", {"error": quoted(error.what)})
    for captured in forward.layers:
        difference = _changed_by(examination, captured.ref.path)
        about: Values = {"layer": captured.name}
        if difference:
            values: Values = {**about, "difference": f"{difference:.2g}"}
            yield finding("in_place", "note", "changed_later", values)
        elif error is None:
            yield finding("in_place", "ok", "kept", about)


def _in_place_error(examination: Examination, forward: Forward) -> InPlaceError | None:
    images = examination.inputs
    try:
        forward.gradients(over_labels(forward.logits, images, None).sum(), keep_graph=False)
    except InPlaceError as error:
        return error
    return None


@torch.no_grad()
def _changed_by(examination: Examination, path: str) -> float:
    """The largest change of a module's output between its call and the end of the pass."""
    pairs: list[tuple[Tensor, Tensor]] = []

    def note(module: nn.Module, args: Any, output: Any) -> None:
        tensor = main_tensor(output)
        if tensor is not None:
            pairs[:] = [(tensor, tensor.clone())]

    handle = examination.module.get_submodule(path).register_forward_hook(note)
    try:
        examination.read(examination.inputs)
    finally:
        handle.remove()
    return max((float((now - then).abs().max()) for now, then in pairs), default=0.0)
