"""The model that is explained, and how it is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, get_args

import torch
from torch import Tensor, nn

from camlucida import __version__
from camlucida.attribution.capture import run_output
from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.output_spec import OutputSpec, Task
from camlucida.models.grids import TokenGrid, token_grid
from camlucida.models.outputs import BatchOutput, interpret, with_channels
from camlucida.models.state import unwrap


class ModelWithCard(Protocol):
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
class ExplainedModel:
    """The model that is explained.

    Attributes:
        module: unwrapped from DataParallel and the like.
        spec: what is known of its output.
        provenance: what to record of it: name, checksum, versions.
        tokens: what is stated of tokens whose grid cannot be traced.
    """

    module: nn.Module
    spec: OutputSpec
    provenance: dict[str, Any]
    tokens: TokenGrid | None = None


def explained_model(
    model: nn.Module | ModelWithCard,
    task: Task | None = None,
    labels: Sequence[str] | None = None,
    tokens: TokenGrid | None = None,
) -> ExplainedModel:
    """A bare module or a loaded model, with what the caller knows of its output.

    Args:
        model: any module, or what ``load_model`` returns.
        task: what the output means; None leaves it to the card, else to the output's shape.
        labels: a name an output channel; None takes the card's, or a module's ``pathologies`` or
            ``labels``.
        tokens: the grid of a transformer's tokens, and how many come before them; None takes the
            card's.

    Raises:
        UsageError: no such task.
    """
    if isinstance(model, nn.Module):
        module, spec = unwrap(model), OutputSpec()
        about: dict[str, Any] = {"name": type(module).__name__, "sha256": None}
        labels = _labels_of(module) if labels is None else labels
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
        # A final sigmoid belongs to the value that is explained.
        spec = replace(spec, logits_from="")
    versions = {"camlucida": __version__, "torch": torch.__version__}
    if tokens is None:
        card = getattr(model, "card", None)
        tokens = token_grid(getattr(card, "grid", None), getattr(card, "prefix", None))
    return ExplainedModel(module, spec, {"model": about, **versions}, tokens)


def _labels_of(module: nn.Module) -> Sequence[str] | None:
    """The names of outputs that a module carries, as those of TorchXRayVision do."""
    names = getattr(module, "pathologies", None) or getattr(module, "labels", None)
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        return None
    return names


def run_batch(model: ExplainedModel, inputs: Tensor) -> BatchOutput:
    """Run the model on inputs (B, C, *spatial) and interpret its output."""
    logits, output, final = run_output(model.module, (inputs,), model.spec.logits_from)
    return interpret(logits, output, final, model.spec, inputs)


def logits_function(model: ExplainedModel, device_type: str) -> Callable[..., Tensor]:
    """The model as a function inputs → logits, under the autocast that surrounds the caller."""
    dtype = torch.get_autocast_dtype(device_type)
    enabled = torch.is_autocast_enabled(device_type)

    def run(*inputs: Tensor) -> Tensor:
        with torch.autocast(device_type, dtype, enabled):
            logits, _, _ = run_output(model.module, inputs, model.spec.logits_from)
            return with_channels(logits)

    return run
