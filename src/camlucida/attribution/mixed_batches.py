"""Whether a model mixes the images of a batch: its score, or a layer's rows, are then not theirs.

A network can sort the images or share them out among experts, so that the first row of a layer is
not the first image; or take a mean over the batch, as a batch norm without running statistics does
also in evaluation mode. Such images are explained one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from camlucida.attribution.batches import Batch
from camlucida.attribution.capture import Forward
from camlucida.attribution.capture_errors import MixedBatchError
from camlucida.attribution.capture_inputs import run_with_layers
from camlucida.attribution.explained_model import ExplainedModel
from camlucida.attribution.methods import Method
from camlucida.attribution.watch import Captured
from camlucida.core.messages import Message, declare
from camlucida.core.noise import generator_kept
from camlucida.core.output_spec import OutputSpec
from camlucida.core.tensors import full
from camlucida.models.libraries import is_of_a_library
from camlucida.models.output_choice import choose
from camlucida.models.outputs import label_axes
from camlucida.models.remembered import Remembered
from camlucida.models.walk import named_modules

declare(
    "mixed_batch",
    {
        "output": (
            "the model's output for an image depends on those beside it in a batch: each image was "
            "explained alone"
        )
    },
)

_VERDICTS: Remembered[tuple[object, ...], str] = Remembered()
"""Layers, sizes of the inputs and what is known of the output → how the model mixes images."""

_TOLERANCE = 3e-3
"""Relative to the largest value: what arithmetic on batches of other sizes may differ by."""

_Rows = list[Tensor | None]

_COPIES = 4
"""Rows of the batch that a model is tested with: two images in turn, so that no sorting keeps them
in their order."""


def unmixed(
    model: ExplainedModel, batch: Batch, methods: Sequence[Method], forward: Forward
) -> Batch:
    """A batch after its forward pass, in which altered inputs are scored so that they do not mix.

    Args:
        model: that was run.
        batch: of one image or more.
        methods: by which it is to be explained.
        forward: its forward pass; its notes say what has to be said.

    Raises:
        MixedBatchError: the model mixes the images of this batch.
    """
    about = model.module, batch.tensors, forward.layers, model.spec
    several = len(batch.scans) > 1
    alters_inputs = any(method.kind in ("probe", "input") for method in methods)
    mixes = mixing(*about) if several or alters_inputs else _known(*about)
    if not mixes:
        return batch
    if several:
        raise MixedBatchError("the model mixes the images of a batch", "explain them one by one")
    if mixes == "output":
        forward.notes.append(Message("mixed_batch.output"))
    return replace(batch, probe_size=1)


def _known(
    model: nn.Module, inputs: tuple[Tensor, ...], layers: Sequence[Captured], spec: OutputSpec
) -> str:
    """As :func:`mixing`, if that is known already; else ""."""
    return _VERDICTS.of(model).get(_key(inputs, layers, spec), "")


def mixing(
    model: nn.Module, inputs: tuple[Tensor, ...], layers: Sequence[Captured], spec: OutputSpec
) -> str:
    """How a model mixes the images of a batch.

    This takes five forward passes of one image, once a model, layers and input size. Networks of
    known libraries are not tested.

    Args:
        model: a plain module, frozen.
        inputs: what it was called with.
        layers: as they were captured.
        spec: what is known of the output.

    Returns:
        "output" where an image's output depends on the others, "rows" where those of a layer are
        not the images in their order; "" for neither.
    """
    if is_of_a_library(model) and not any(map(_has_statistics_of_batch, named_modules(model))):
        return ""
    remembered = _VERDICTS.of(model)
    key = _key(inputs, layers, spec)
    if key not in remembered:
        remembered[key] = _tested(model, inputs, layers, spec)
    return remembered[key]


def _key(
    inputs: tuple[Tensor, ...], layers: Sequence[Captured], spec: OutputSpec
) -> tuple[object, ...]:
    names = tuple((str(layer.ref), layer.call) for layer in layers)
    sizes = tuple(tuple(tensor.shape[1:]) for tensor in inputs)
    return names, sizes, spec


def _has_statistics_of_batch(named: tuple[str, nn.Module]) -> bool:
    return isinstance(named[1], _BatchNorm) and named[1].running_mean is None


def _tested(
    model: nn.Module, inputs: tuple[Tensor, ...], layers: Sequence[Captured], spec: OutputSpec
) -> str:
    one, several = _one_and_several(inputs)
    alone, together = _runs(model, (one, several), layers, spec)
    if alone is None or together is None:  # a model may be for one image alone
        return ""
    verdict = "rows" if _differ(alone[1:], together[1:], _COPIES) else ""
    verdict = "output" if _differ(alone[:1], together[:1], _COPIES) else verdict
    if not verdict:
        return ""
    # Of a model that draws random numbers, no two passes are equal.
    first, second = _runs(model, (one, one), layers, spec)
    is_random = first is None or second is None or _differ(first, second, 1)
    return "" if is_random else verdict


def _runs(
    model: nn.Module,
    runs: Sequence[tuple[Tensor, ...]],
    layers: Sequence[Captured],
    spec: OutputSpec,
) -> list[_Rows | None]:
    """One forward pass after the other; the random state is put back behind the last."""
    with generator_kept():
        return [_rows(model, inputs, layers, spec) for inputs in runs]


def _one_and_several(inputs: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """The first image; and that in turn with another one."""
    batch, axes = len(inputs[0]), inputs[0].ndim
    generator = torch.Generator().manual_seed(0)
    one: list[Tensor] = []
    several: list[Tensor] = []
    for x in inputs:
        if x.ndim == 0 or len(x) != batch:
            one.append(x)
            several.append(x)
            continue
        first = x.detach()[:1]
        other = first
        if x.ndim == axes and x.is_floating_point():
            spread = float(full(first).std(correction=0)) or 1.0
            other = first + spread * torch.rand(first.shape, generator=generator).to(first)
        one.append(first)
        several.append(torch.cat([first, other] * (_COPIES // 2)))
    return tuple(one), tuple(several)


def _rows(
    model: nn.Module, inputs: tuple[Tensor, ...], layers: Sequence[Captured], spec: OutputSpec
) -> _Rows | None:
    """The output, then each layer's, images first; None where the model does not run on them."""
    returned, outputs = run_with_layers(model, inputs, layers)
    if returned is None:
        return None
    output = label_axes(choose(returned, spec, inputs[0]), inputs[0], spec.task)
    rows: _Rows = [full(output)]
    for layer, tensor in zip(layers, outputs):
        rows.append(None if tensor is None else full(layer.layout.to_grid(tensor)))
    return rows


def _differ(alone: _Rows, together: _Rows, count: int) -> bool:
    return any(not _is_repeated(*pair, count) for pair in zip(alone, together))


def _is_repeated(alone: Tensor | None, together: Tensor | None, count: int) -> bool:
    """Whether every other row of ``count`` is that of the image alone."""
    if alone is None or together is None or len(together) != count:
        return False
    if together.shape[1:] != alone.shape[1:]:
        return False
    own = together[::2]
    tolerance = _TOLERANCE * float(alone.abs().amax())
    others = together[1::2]
    kept = bool(((own - alone).abs() <= tolerance).all())
    return kept and bool(((others - others[:1]).abs() <= tolerance).all())
