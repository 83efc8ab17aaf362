"""The maps of one batch: every target, method and layer from one forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import get_args

import torch

from camlucida.attribution.attention_maps import attention_maps
from camlucida.attribution.batch_probes import layer_probe, pixel_probe, unreached_layers
from camlucida.attribution.explained_batch import (
    INPUT_INDEX,
    BatchMaps,
    ExplainedBatch,
    MapKey,
)
from camlucida.attribution.explained_model import ModelRuns
from camlucida.attribution.gradient_maps import by_evidence, gradient_maps
from camlucida.attribution.methods import Method
from camlucida.attribution.methods.base import Kind
from camlucida.core.tensors import full


def batch_maps(explained: ExplainedBatch, methods: Sequence[Method]) -> BatchMaps:
    """Run every method on every target and layer of a batch.

    Raises:
        NoEvidenceError: a score does not depend on a layer, or a method is undefined for it.
    """
    by_kind: dict[Kind, list[Method]] = {kind: [] for kind in get_args(Kind)}
    for method in methods:
        by_kind[method.kind].append(method)
    maps = BatchMaps()
    if (by_kind["activation"] or by_kind["probe"]) and explained.rounds:
        maps.independent, maps.broken = unreached_layers(explained)
    device_type = explained.output.logits.device.type
    # Built outside: the model itself runs under the caller's autocast again.
    run = ModelRuns(explained.model, device_type)
    # Autocast is for the model; the arithmetic of the maps needs full precision.
    with torch.autocast(device_type, enabled=False):
        if by_kind["attention"]:
            # First, since the last backward pass of the gradient methods frees the graph.
            with explained.fitting(*by_kind["attention"]):
                attention_maps(explained, by_kind["attention"], run, maps)
        for methods_alike in by_evidence(by_kind["gradient"]):
            with explained.fitting(*methods_alike):
                gradient_maps(explained, methods_alike, run, maps)
        if by_kind["activation"] and explained.rounds:
            _activation_maps(explained, by_kind["activation"], maps)
        _probe_maps(explained, by_kind["probe"], run, maps)
        _input_maps(explained, by_kind["input"], run, maps)
    return maps


def _activation_maps(explained: ExplainedBatch, methods: Sequence[Method], maps: BatchMaps) -> None:
    """One map an image, the same for all of its targets."""
    for index, layer in enumerate(explained.forward.layers):
        activations = full(layer.activations.detach())
        for method in explained.remaining(methods):
            with torch.no_grad(), explained.fitting(method):
                made = method.run(activations)
                raw = torch.zeros_like(made).cpu() if index in maps.independent else made.cpu()
                for i, targets in enumerate(explained.targets):
                    numbers = range(len(targets))
                    keys = dict.fromkeys((MapKey(i, t, method.name, index) for t in numbers), i)
                    maps.raw.update(dict.fromkeys(keys, raw[i]))
                    if index not in maps.independent:
                        maps.note(keys, method, made, activations)


def _probe_maps(
    explained: ExplainedBatch,
    methods: Sequence[Method],
    run: ModelRuns,
    maps: BatchMaps,
) -> None:
    """One probe an image, layer and method, for all targets of the image together."""
    for method, index, i in _probed(explained, methods):
        if not explained.remaining([method]):
            continue
        with explained.fitting(method):
            probe = layer_probe(explained, index, i, run, broken=index in maps.broken)
            if index in maps.independent:
                shape = len(probe.scores), *probe.activations.shape[2:]
                raw = probe.activations.new_zeros(shape).cpu()
            else:
                raw = method.run(probe).detach().cpu()
            keys = [MapKey(i, t, method.name, index) for t in range(len(explained.targets[i]))]
            maps.raw.update(zip(keys, raw))
            maps.replays[i, method.name, index] = probe.replay
            maps.precisions[i, method.name, index] = probe.precision
            for caution in probe.cautions:
                maps.cautions.update(dict.fromkeys(keys, caution))


def _input_maps(
    explained: ExplainedBatch, methods: Sequence[Method], run: ModelRuns, maps: BatchMaps
) -> None:
    """One probe an image and method, for all targets of the image together."""
    for method, (i, targets) in product(methods, enumerate(explained.targets)):
        if not targets or not explained.remaining([method]):
            continue
        with explained.fitting(method):
            probe = pixel_probe(explained, i, run)
            raw = method.run(probe).detach().cpu()
            keys = [MapKey(i, t, method.name, INPUT_INDEX) for t in range(len(targets))]
            maps.raw.update(zip(keys, raw))
            if probe.product:
                maps.products[i, method.name] = probe.product
            for caution in probe.cautions:
                maps.cautions.update(dict.fromkeys(keys, caution))


def _probed(
    explained: ExplainedBatch, methods: Sequence[Method]
) -> Iterator[tuple[Method, int, int]]:
    """Method, number of the layer, number of the image; images without a target are left out."""
    for method in methods:
        for index in range(len(explained.forward.layers)):
            for i, targets in enumerate(explained.targets):
                if targets:
                    yield method, index, i
