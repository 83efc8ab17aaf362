"""The model that is examined, with what the checks have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.attribution.batches import batches
from camlucida.attribution.capture import Forward, capture, run_output
from camlucida.attribution.capture_errors import values_kept
from camlucida.attribution.engine import explain
from camlucida.attribution.explained_model import ExplainedModel, explained_model
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.output_reader import ReadOutput
from camlucida.core.scan import Scan
from camlucida.models import LoadedModel
from camlucida.models.firings import Survey
from camlucida.models.output_choice import choose
from camlucida.models.outputs import BatchOutput, check_numbers, interpret, label_axes
from camlucida.models.state import frozen
from camlucida.models.survey import survey
from camlucida.workflows.preprocessing_fit import Fit


@dataclass
class Examination:
    """A loaded model with the images that it is examined on.

    Attributes:
        model: as ``explain`` loads it.
        scans: the images, prepared as the card says.
        layers: as ``explain`` takes them.
        packaged: whether the images are packaged synthetic films, because none was given.
        predictions: file of stored predictions; None for none.
        paths: the image files, all of them.
        fit: the ranking of preprocessing pipelines, once a check has made it.
    """

    model: LoadedModel
    scans: Sequence[Scan]
    layers: Sequence[str]
    packaged: bool = False
    predictions: Path | None = None
    paths: Sequence[Path] = field(default_factory=list)
    fit: Fit | None = None

    @cached_property
    def explained(self) -> ExplainedModel:
        """The plain module with what is known of its output."""
        return explained_model(self.model)

    @property
    def module(self) -> nn.Module:
        """The plain module."""
        return self.explained.module

    @cached_property
    def inputs(self) -> Tensor:
        """(B, C, H, W) on the model's device."""
        (batch,) = batches(self.module, self.scans, len(self.scans))
        return batch.tensors[0]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """As ``explain`` runs the model; in-place operations are no obstacle."""
        with frozen(self.module), values_kept():
            yield

    def read(self, inputs: Tensor) -> ReadOutput:
        """What the model returns for inputs, and its logits.

        Args:
            inputs: (B, C, H, W).

        Raises:
            ModelError: the model cannot run on them, or its output is none that can be explained.
        """
        with self.frozen(), torch.no_grad():
            return run_output(self.module, (inputs,), self.explained.spec)

    def logits(self, inputs: Tensor) -> Tensor:
        """What is explained of inputs: (B, labels); of a segmentation the mean over the pixels.

        Args:
            inputs: (B, C, H, W).

        Raises:
            ModelError: as of :meth:`read`.
        """
        return over_labels(self.read(inputs).logits, inputs, self.output.task)

    @cached_property
    def output(self) -> BatchOutput:
        """The output for all images."""
        read = self.read(self.inputs)
        spec = self.explained.spec
        output = interpret(read.logits, read.output, read.final, spec, self.inputs)
        check_numbers(output, self.scans)
        return output

    @property
    def labels(self) -> list[int]:
        """Numbers of the output channels that have trained weights."""
        channels = self.output.labels[: self.output.logits.shape[1]]
        return [i for i, name in enumerate(channels) if name]

    def forward(self) -> Forward:
        """A forward pass with the layers captured; call it inside :meth:`frozen`.

        Raises:
            LayerError: a layer does not exist, does not run, or has no grid.
        """
        about = self.explained
        return capture(about.module, (self.inputs,), self.layers, about.spec, stated=about.tokens)

    @cached_property
    def survey(self) -> Survey:
        """Every layer that runs, and whether the score depends on it."""
        spec = self.explained.spec
        explains = partial(_explained, spec)
        about = (explains, spec.logits_from, self.explained.tokens)
        with self.frozen():
            return survey(self.module, (self.inputs,), *about, whole=True)

    def explanations(self, method: str, targets: Sequence[int] | None = None) -> list[Explanation]:
        """Maps of the images at the layers, as ``explain`` makes them.

        Args:
            method: registry name.
            targets: as ``explain`` takes them; None takes those of the task.

        Raises:
            CamlucidaError: as of :func:`camlucida.explain`.
        """
        requested = None if targets is None else list(targets)
        size = len(self.scans)
        layers = list(self.layers)
        return explain(self.model, self.scans, requested, method, layers, batch_size=size)


def _explained(spec: Any, returned: Any, images: Tensor) -> Tensor:
    return choose(returned, spec, images)


def over_labels(logits: Tensor, inputs: Tensor, task: Any) -> Tensor:
    """(B, labels) of logits (B, labels, …): the mean over positions.

    Args:
        logits: as the model returned them.
        inputs: (B, C, H, W).
        task: of the model.

    >>> over_labels(torch.ones(1, 2, 4, 4), torch.zeros(1, 1, 4, 4), "segmentation").shape
    torch.Size([1, 2])
    """
    labelled = label_axes(logits, inputs, task).float()
    return labelled.flatten(2).mean(2) if labelled.ndim > 2 else labelled


def largest_difference(first: Tensor, second: Tensor) -> tuple[float, float]:
    """The largest difference of two outputs, and that as a share of their largest magnitude.

    Args:
        first, second: of one shape.

    >>> largest_difference(torch.tensor([1.0, 4.0]), torch.tensor([1.0, 2.0]))
    (2.0, 0.5)
    """
    first, second = first.detach().float().cpu(), second.detach().float().cpu()
    difference = float((first - second).abs().max())
    magnitude = float(torch.maximum(first.abs(), second.abs()).max())
    return difference, difference / magnitude if magnitude else 0.0
