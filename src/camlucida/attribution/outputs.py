"""What a model's output means: its task, labels, logits and probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, get_args

import torch
from torch import Tensor, nn

from camlucida import __version__
from camlucida.attribution.capture import run_output
from camlucida.attribution.targets import Answer, Truth
from camlucida.core.errors import (
    ModelError,
    ModelMismatchError,
    TargetError,
    UsageError,
    did_you_mean,
)
from camlucida.core.tensors import full
from camlucida.core.types import OutputSpec, Scan, Task
from camlucida.models.state import unwrap

ROUNDING = 1e-3
"""How far outside [0, 1] a number may lie and still be a probability."""


class Described(Protocol):
    """A module with its card, as ``load_model`` returns it."""

    @property
    def module(self) -> nn.Module: ...
    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def output_spec(self) -> OutputSpec: ...


@dataclass(frozen=True)
class Subject:
    """The model that is asked: the plain module, what is known of its output, and what to record of it."""

    module: nn.Module
    spec: OutputSpec
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """An output as it is understood.

    Attributes:
        logits: (B, C) or (B, C, *spatial): the logits where the model has any, else its output; in the model's graph.
        probabilities: same shape, no graph; None for a regression.
        task: given, or taken from the output's shape.
        labels: a name an output channel (both names of a single-logit binary model).
        about: for the record: kind of score, task, where both come from.
    """

    logits: Tensor
    probabilities: Tensor | None
    task: Task
    labels: tuple[str, ...]
    about: dict[str, Any]

    def answers(self, scans: Sequence[Scan], truth: Sequence[Truth] | None = None) -> list[Answer]:
        """One :class:`Answer` an image, with what is true of it, if known."""
        logits = on_host(self.logits)
        p = None if self.probabilities is None else on_host(self.probabilities)
        return [
            Answer(
                logits[i],
                None if p is None else p[i],
                self.task,
                self.labels,
                scan.geometry,
                _one_or_more(truth[i]) if truth is not None else None,
            )
            for i, scan in enumerate(scans)
        ]


def subject(
    model: nn.Module | Described, task: Task | None = None, labels: Sequence[str] | None = None
) -> Subject:
    """A bare module or a loaded model, with what the caller knows of its output."""
    if isinstance(model, nn.Module):
        module, spec = unwrap(model), OutputSpec()
        about: dict[str, Any] = {"name": type(module).__name__, "sha256": None}
        if labels is None:
            own = getattr(module, "pathologies", None) or getattr(module, "labels", None)
            labels = (
                own
                if isinstance(own, (list, tuple)) and all(isinstance(name, str) for name in own)
                else None
            )
    else:
        module, spec = unwrap(model.module), model.output_spec
        about = {"name": model.name, "sha256": model.sha256}
    if task is not None and task not in get_args(Task):
        raise UsageError(f"unknown task {task!r}", did_you_mean(str(task), get_args(Task)))
    if task is not None:
        spec = replace(spec, task=task)
    if labels is not None:
        spec = replace(spec, labels=tuple(labels))
    if spec.task == "regression" and spec.logits_from is None:
        spec = replace(
            spec, logits_from=""
        )  # a final sigmoid belongs to the value that is explained
    return Subject(
        module, spec, {"model": about, "camlucida": __version__, "torch": torch.__version__}
    )


def read(asked: Subject, inputs: Tensor) -> Reading:
    """Run the model on inputs (B, C, *spatial) and read its output."""
    logits, output, final = run_output(asked.module, (inputs,), asked.spec.logits_from)
    return interpret(logits, output, final, asked.spec, inputs)


def interpret(
    logits: Tensor, output: Tensor, final: str, spec: OutputSpec, images: Tensor
) -> Reading:
    """Read one forward pass.

    Args:
        logits, output, final: as :class:`camlucida.attribution.capture.Forward` has them.
        spec: what is known beforehand.
        images: the inputs (B, C, *spatial).

    Raises:
        ModelError: the output does not fit the images, or is no probability where it should be one.
        ModelMismatchError: the output does not fit the task or the labels.
        TargetError: the output is neither (B, C) nor dense.
    """
    logits, output = full(_channels(logits)), full(_channels(output))
    if len(logits) != len(images) or logits.shape[1:] != output.shape[1:]:
        raise ModelError(
            f"for {len(images)} images the model returned {tuple(output.shape)} and logits {tuple(logits.shape)}",
            "the first axis of the output must be the image, the second the label",
        )
    task = spec.task or _task_of(logits, images, final)
    dense = logits.ndim == images.ndim
    if dense != (task == "segmentation"):
        fix = (
            "wrap it so that forward returns the logits (B, C), or correct the task"
            if dense
            else "correct the task"
        )
        raise ModelMismatchError(
            f"the task is {task}, and the model's output has shape {tuple(output.shape)}", fix
        )
    count = logits.shape[1]
    if task == "binary" and count > 2:
        raise ModelMismatchError(
            f"the task is binary, and the model has {count} outputs",
            "is it multiclass or multilabel?",
        )
    labels = spec.labels or (
        ("output",) if task == "regression" and count == 1 else tuple(str(i) for i in range(count))
    )
    if task == "binary" and count == 1 and not spec.labels:
        labels = ("positive",)
    if len(labels) != count and not (task == "binary" and count == 1 and len(labels) == 2):
        raise ModelMismatchError(
            f"the model has {count} outputs and {len(labels)} labels",
            "give one label an output, in order",
        )
    stripped = final != ""
    given = stripped or spec.output == "probabilities"
    probabilities: Tensor | None = None
    if task != "regression":
        shown = output.exp() if final == "LogSoftmax" else output
        if spec.output == "probabilities":
            _check_probabilities(shown.detach())
        one_each = task == "multilabel" or count == 1
        probabilities = shown if given else (logits.sigmoid() if one_each else logits.softmax(1))
        probabilities = probabilities.detach()
    kind = "value" if task == "regression" else "probability" if given and not stripped else "logit"
    about = {
        "score_kind": kind,
        "task": task,
        "task_from": "given" if spec.task else "the output's shape",
    }
    if stripped:
        about["logits_from"] = final
    return Reading(logits, probabilities, task, labels, about)


def _check_probabilities(shown: Tensor) -> None:
    outside = shown[(shown < -ROUNDING) | (shown > 1 + ROUNDING)]
    if len(outside):
        what = f'the card says output = "probabilities", and the model returned {float(outside[0]):.3f}'
        raise ModelError(what, 'write output = "logits"')


def check_numbers(reading: Reading, scans: Sequence[Scan]) -> None:
    """ModelError for an image whose output is NaN, in any label that has trained weights."""
    named = [i for i, name in enumerate(reading.labels[: reading.logits.shape[1]]) if name]
    for scan, bad in zip(scans, reading.logits[:, named].flatten(1).isnan().any(1).tolist()):
        if bad:
            raise ModelError(
                f"{scan.id}: the model's output is not a number",
                "look for NaN or huge values in the image",
            )


def on_host(numbers: Tensor) -> Tensor:
    """Without its graph; (B, C) on the CPU: one copy, where reading number by number waits for a GPU each time."""
    return numbers.detach().cpu() if numbers.ndim == 2 else numbers.detach()


def runner(asked: Subject, device_type: str) -> Callable[..., Tensor]:
    """The model as a function inputs → logits, under the autocast that surrounds the caller."""
    cast_to, enabled = torch.get_autocast_dtype(device_type), torch.is_autocast_enabled(device_type)

    def run(*inputs: Tensor) -> Tensor:
        with torch.autocast(device_type, cast_to, enabled):
            return _channels(run_output(asked.module, inputs, asked.spec.logits_from)[0])

    return run


def _channels(output: Tensor) -> Tensor:
    """(B, C, …), also where a model of one output returns (B,) or, squeezed for one image, a number."""
    return output.reshape(-1, 1) if output.ndim < 2 else output


def _one_or_more(truth: Truth) -> tuple[str | int, ...] | Tensor:
    if isinstance(truth, Tensor):
        return truth
    return (truth,) if isinstance(truth, (str, int)) else tuple(truth)


def _task_of(logits: Tensor, images: Tensor, final: str) -> Task:
    """A guess from the output alone, recorded as such."""
    if logits.ndim == images.ndim:
        return "segmentation"
    if logits.ndim != 2:
        raise TargetError(
            f"the model's output has shape {tuple(logits.shape)}",
            "wrap it so that forward returns (B, C)",
        )
    if logits.shape[1] == 1:
        return "binary"
    return "multilabel" if final == "Sigmoid" else "multiclass"
