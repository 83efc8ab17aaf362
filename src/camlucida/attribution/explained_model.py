"""The model that is explained, and how it is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Protocol, get_args

import torch
from torch import Tensor, nn

from camlucida import __version__
from camlucida.attribution.bfloat16 import runs_faster
from camlucida.attribution.capture import capture, run_output, surveyed
from camlucida.attribution.watch import Captured
from camlucida.core.errors import UsageError, did_you_mean
from camlucida.core.output_spec import OutputSpec, RegionScore, Task
from camlucida.models.grids import TokenGrid, token_grid
from camlucida.models.layer_list import cut_off, last_of_each_grid
from camlucida.models.module_facts import operating_points, spec_of_module
from camlucida.models.outputs import BatchOutput, interpret, label_axes
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
class StatedModel:
    """A module with what the caller states of its output.

    Attributes:
        module, name, sha256, output_spec: as of :class:`ModelWithCard`.
        card: of a loaded model, for its layer and preprocessing; None of a bare one.
    """

    module: nn.Module
    name: str
    sha256: str
    output_spec: OutputSpec
    card: Any = None


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
    output: str | int | None = None,
    logits_from: str | None = None,
    region_score: RegionScore | None = None,
) -> ExplainedModel:
    """A bare module or a loaded model, with what the caller knows of its output.

    Args:
        model: any module, or what ``load_model`` returns.
        task: what the output means; None leaves it to the card or the module, else to the output's
            shape.
        labels: a name an output channel; None takes the card's or the module's.
        tokens: the grid of a transformer's tokens, and how many come before them; None takes the
            card's.
        output: which of several outputs is meant, by name or index; "logits" or "probabilities" say
            what it holds.
        logits_from: path of the module whose output is the logits.
        region_score: "mean" or "sum" of the logits of a region; None takes the card's, else the
            mean.

    Raises:
        UsageError: no such task, or no such score of a region.
    """
    module, spec, about = _of_model(model)
    spec = _stated_spec(module, spec, task, labels, output, logits_from, region_score)
    if spec.task == "regression" and spec.logits_from is None:
        # A final sigmoid belongs to the value that is explained.
        spec = replace(spec, logits_from="")
    spec = replace(spec, operating_points=operating_points(module))
    versions = {"camlucida": __version__, "torch": torch.__version__}
    if tokens is None:
        card = getattr(model, "card", None)
        tokens = token_grid(getattr(card, "grid", None), getattr(card, "prefix", None))
    return ExplainedModel(module, spec, {"model": about, **versions}, tokens)


def plain_module(model: nn.Module | ModelWithCard) -> nn.Module:
    """The plain module of a model.

    Args:
        model: a module, or what ``load_model`` returns.

    Raises:
        UsageError: neither of these.
        ModelError: as of :func:`~camlucida.models.state.unwrap`.

    >>> plain_module(nn.DataParallel(nn.ReLU()))
    ReLU()
    """
    if isinstance(model, nn.Module):
        return unwrap(model)
    held: object = getattr(model, "module", None)
    if not isinstance(held, nn.Module):
        raise UsageError(
            f"the model is a {type(model).__name__}, neither a torch.nn.Module nor what load_model "
            "returns",
            "give the Python module; of an exported program the one that it was made from",
        )
    return unwrap(held)


def _of_model(model: nn.Module | ModelWithCard) -> tuple[nn.Module, OutputSpec, dict[str, Any]]:
    """The plain module, what it or its card says of the output, and its name and checksum."""
    module = plain_module(model)
    if isinstance(model, nn.Module):
        about = {"name": type(module).__name__, "sha256": None}
        return module, spec_of_module(module), about
    spec = model.output_spec
    if spec.task is not None and not spec.task_from:
        spec = replace(spec, task_from="card")
    return module, spec, {"name": model.name, "sha256": model.sha256}


def _stated_spec(
    module: nn.Module,
    spec: OutputSpec,
    task: Task | None,
    labels: Sequence[str] | None,
    output: str | int | None,
    logits_from: str | None,
    region_score: RegionScore | None,
) -> OutputSpec:
    """The spec with what the caller states; arguments as of :func:`explained_model`."""
    if task is not None and task not in get_args(Task):
        raise UsageError(f"unknown task {task!r}", did_you_mean(str(task), get_args(Task)))
    if task is not None:
        spec = replace(spec, task=task, task_from="given")
    if labels is not None:
        spec = replace(spec, labels=tuple(labels))
    if output is not None:
        spec = spec.with_output(output)
    if logits_from is not None:
        _check_path(module, logits_from)
        returns = "probabilities" if logits_from else "logits"
        spec = replace(spec.with_output(returns), logits_from=logits_from)
    if region_score is not None and region_score not in get_args(RegionScore):
        raise UsageError(f"unknown region_score {region_score!r}", "give mean or sum")
    if region_score is not None:
        spec = replace(spec, region_score=region_score)
    return spec


def stated_model(
    model: nn.Module | ModelWithCard,
    task: Task | None = None,
    labels: Sequence[str] | None = None,
    output: str | int | None = None,
    logits_from: str | None = None,
) -> nn.Module | ModelWithCard:
    """A model with what a call states of its output; the model itself where it states nothing.

    Args:
        model, task, labels, output, logits_from: as of :func:`explained_model`.
    """
    if task is labels is output is logits_from is None:
        return model
    explained = explained_model(model, task, labels, None, output, logits_from)
    about = explained.provenance["model"]
    card = getattr(model, "card", None)
    return StatedModel(explained.module, about["name"], about["sha256"], explained.spec, card)


def _check_path(module: nn.Module, path: str) -> None:
    paths = [name for name, _ in module.named_modules()]
    if path and path not in paths:
        raise UsageError(
            f"logits_from = {path!r} is not a module of the model",
            did_you_mean(path, filter(None, paths)),
        )


def run_batch(model: ExplainedModel, inputs: Tensor) -> BatchOutput:
    """Run the model on inputs (B, C, *spatial) and interpret its output."""
    read = run_output(model.module, (inputs,), model.spec)
    return interpret(read.logits, read.output, read.final, model.spec, inputs)


class ModelRuns:
    """The model as functions of inputs, under the autocast that surrounds the caller.

    Args:
        model: that is run.
        device_type: of its inputs.
    """

    def __init__(self, model: ExplainedModel, device_type: str) -> None:
        self.model, self._device_type = model, device_type
        self._dtype = torch.get_autocast_dtype(device_type)
        self._enabled = torch.is_autocast_enabled(device_type)

    def logits(self, *inputs: Tensor) -> Tensor:
        """What is explained of a forward pass.

        Args:
            inputs: the image batch (B, C, *spatial), then any further inputs.

        Returns:
            (B, C, …).
        """
        with self._autocast():
            read = run_output(self.model.module, inputs, self.model.spec)
            return label_axes(read.logits, inputs[0], self.model.spec.task)

    def rounded(self, images: Tensor) -> Callable[..., Tensor] | None:
        """As :meth:`logits`, in bfloat16.

        Args:
            images: of the batch.

        Returns:
            None where that is not faster, or the caller's autocast decides.
        """
        if self._enabled or not runs_faster(self.model.module, images):
            return None
        other = copy(self)
        other._dtype, other._enabled = torch.bfloat16, True
        return other.logits

    def captured(self, layer: str, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """A layer of a forward pass, and what is explained, with the graph between them.

        Args:
            layer: as results have it.
            inputs: the image batch (B, C, *spatial), then any further inputs.

        Returns:
            (B, K, *grid) activations and (B, C, …) logits.
        """
        layers, logits = self.captured_layers([layer], *inputs)
        return layers[0].activations, logits

    def coarsest_layers(self, most: int, *inputs: Tensor) -> tuple[list[Captured], Tensor]:
        """The last layer of each of the coarsest grids, as :meth:`captured` gives one.

        Where these are fewer, also the last one before them that no gradient reaches.

        Args:
            most: number of grids.
            inputs: the image batch (B, C, *spatial), then any further inputs.

        Returns:
            The layers in order of the forward pass, and (B, C, …) logits.
        """
        model = self.model
        layers = surveyed(model.module, inputs, model.spec, model.tokens)
        refs = last_of_each_grid(model.module, layers, most)
        missing = cut_off(layers, refs) if len(refs) < most else None
        if missing is not None:
            refs = [missing, *refs]
        return self.captured_layers(list(map(str, refs)), *inputs)

    def captured_layers(
        self, layers: Sequence[str], *inputs: Tensor
    ) -> tuple[list[Captured], Tensor]:
        """Layers of a forward pass, as :meth:`captured` gives one.

        Args:
            layers: as results have them.
            inputs: the image batch (B, C, *spatial), then any further inputs.

        Returns:
            The layers in the order of the request, and (B, C, …) logits.
        """
        model = self.model
        with self._autocast():
            forward = capture(model.module, inputs, layers, model.spec, stated=model.tokens)
            logits = label_axes(forward.logits, inputs[0], model.spec.task)
        return forward.layers, logits

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device_type, self._dtype, self._enabled)
