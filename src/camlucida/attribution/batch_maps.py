"""The maps of one batch: every target, method and layer from one forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import NamedTuple, get_args

import torch
from torch import Tensor

from camlucida.attribution.attention_maps import attention_maps
from camlucida.attribution.capture import gradient_reaches, usable_layers
from camlucida.attribution.capture_breaks import altered, where_gradient_stops
from camlucida.attribution.capture_inputs import image_inputs
from camlucida.attribution.explained_batch import (
    INPUT_INDEX,
    BatchMaps,
    ExplainedBatch,
    MapKey,
)
from camlucida.attribution.explained_model import ExplainedModel, ModelRuns
from camlucida.attribution.graph_nodes import reaches
from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.layer_gradients import layer_gradients
from camlucida.attribution.methods import Method
from camlucida.attribution.methods.base import Kind
from camlucida.attribution.probe import Probe
from camlucida.attribution.second_order import second_order_gradients
from camlucida.attribution.steps import Steps
from camlucida.attribution.targets import Target
from camlucida.attribution.watch import Captured
from camlucida.core.errors import CamlucidaError, LayerError, NoEvidenceError
from camlucida.core.tensors import full
from camlucida.models.unexplainable import QUANTISED, has_quantised_head


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
        maps.independent, maps.broken = _unreached_layers(explained)
    device_type = explained.output.logits.device.type
    # Built outside: the model itself runs under the caller's autocast again.
    run = ModelRuns(explained.model, device_type)
    # Autocast is for the model; the arithmetic of the maps needs full precision.
    with torch.autocast(device_type, enabled=False):
        if by_kind["attention"]:
            # First, since the last backward pass of the gradient methods frees the graph.
            with explained.fitting(*by_kind["attention"]):
                attention_maps(explained, by_kind["attention"], run, maps)
        for methods_alike in _by_evidence(by_kind["gradient"]):
            with explained.fitting(*methods_alike):
                _gradient_maps(explained, methods_alike, run, maps)
        if by_kind["activation"] and explained.rounds:
            _activation_maps(explained, by_kind["activation"], maps)
        _probe_maps(explained, by_kind["probe"], run, maps)
        _input_maps(explained, by_kind["input"], run, maps)
    return maps


def _unreached_layers(explained: ExplainedBatch) -> tuple[set[int], set[int]]:
    """The layers that no gradient reaches, which a method without one would not notice.

    Returns:
        Those that no score depends on, and those that scores depend on.
    """
    image = next(i for i, targets in enumerate(explained.targets) if targets)
    model, forward = explained.model, explained.forward
    independent: set[int] = set()
    broken: set[int] = set()
    for index, layer in enumerate(forward.layers):
        if not gradient_reaches(model.module, forward, layer, model.spec, model.tokens):
            probe = _probe(explained, index, image, _runs(explained))
            kind = broken if _depends(probe) else independent
            kind.add(index)
    return independent, broken


def _by_evidence(methods: Sequence[Method]) -> list[list[Method]]:
    """Methods of the same gradients; last those of the score's own, which free the graph."""
    alike: dict[object, list[Method]] = {}
    for method in methods:
        alike.setdefault((method.contrast, method.second_order), []).append(method)
    plain = alike.pop((None, False), [])
    return [*alike.values(), *([plain] if plain else [])]


def _evidence(
    explained: ExplainedBatch, method: Method, run: ModelRuns
) -> Iterator[list[Tensor | None]]:
    """The gradients of which a method makes its maps, as of :func:`layer_gradients`."""
    if method.second_order:
        return second_order_gradients(explained, run)
    if method.contrast is not None:
        return layer_gradients(explained.contrasted(method.contrast), keep_graph=True)
    return layer_gradients(explained)


def _gradient_maps(
    explained: ExplainedBatch, methods: Sequence[Method], run: ModelRuns, maps: BatchMaps
) -> None:
    """Maps of the first target of every image, then of the second, and so on.

    Args:
        explained: the batch.
        methods: of the same gradients.
        run: the model.
        maps: to which these are added.
    """
    layers = explained.forward.layers
    made: list[tuple[_Rows, str, int, Tensor]] = []
    nonzero: list[tuple[_Rows, int, Tensor]] = []
    for rows, gradients in _together(explained, _evidence(explained, methods[0], run)):
        for index, (layer, gradient) in enumerate(zip(layers, gradients)):
            if gradient is None:
                raise _independent(explained, index, explained.having(rows[0].target))
            activations = full(layer.activations.detach()).expand_as(gradient)
            nonzero.append((rows, index, _nonzero(gradient)))
            for method in explained.remaining(methods):
                with torch.no_grad(), explained.fitting(method):
                    raw = method.run(activations, gradient)
                    made.append((rows, method.name, index, raw))
                    keys = {MapKey(i, t, method.name, index): row for row, i, t in rows}
                    maps.note(keys, method, raw, activations, gradient)
    for (rows, name, index, _), raw in zip(made, _on_host([raw for *_, raw in made])):
        maps.raw.update((MapKey(i, t, name, index), raw[row]) for row, i, t in rows)
    for (rows, index, _), flags in zip(nonzero, _on_host([flags for *_, flags in nonzero])):
        of_rows = flags.tolist()
        for (row, i, t), method in product(rows, methods):
            if not of_rows[row]:
                maps.zero_gradients.add(MapKey(i, t, method.name, index))


class _Row(NamedTuple):
    """Which row of a tensor is of which image and of which of its targets."""

    row: int
    image: int
    target: int


_Rows = Sequence[_Row]

_TOGETHER = 2**22
"""So many numbers of activations, 16 MiB, may be read at once for several labels."""


def _together(
    explained: ExplainedBatch, evidence: Iterator[list[Tensor | None]]
) -> Iterator[tuple[_Rows, list[Tensor | None]]]:
    """Gradients target by target; those of one image's targets as rows of a batch.

    Of a small network, a few operations a label cost more than the arithmetic. Rows have to be
    copied, which is for nothing where all cells of a channel have one gradient.
    """
    targets = range(explained.rounds)
    activations = [layer.activations for layer in explained.forward.layers]
    fits = len(targets) * sum(x.numel() for x in activations) <= _TOGETHER
    for t, gradients in enumerate(evidence):
        alike = all(g is not None and not any(g.stride()[2:]) for g in gradients)
        if len(explained.targets) == 1 and fits and alike:
            rest = zip(gradients, *evidence)
            yield [_Row(row, 0, row) for row in targets], [_as_rows(layer) for layer in rest]
            return
        yield [_Row(i, i, t) for i in explained.having(t)], gradients


def _as_rows(gradients: Sequence[Tensor | None]) -> Tensor:
    """(T, K, *grid) of T gradients (1, K, *grid), each with one number for all cells."""
    given = [gradient for gradient in gradients if gradient is not None]
    grid = given[0].shape[2:]
    channels = torch.cat([gradient.flatten(2)[..., 0] for gradient in given])
    return channels.reshape(*channels.shape, *(1 for _ in grid)).expand(*channels.shape, *grid)


def _nonzero(gradient: Tensor) -> Tensor:
    """(B,) bool: whether the gradient (B, K, *grid) of each image is other than zero somewhere."""
    for axis in range(1, gradient.ndim):
        if gradient.stride(axis) == 0:  # one number in memory for all cells
            gradient = gradient.narrow(axis, 0, 1)
    # In the order of memory: a gradient by tokens would be copied to lie by channels.
    axes = sorted(range(1, gradient.ndim), key=gradient.stride, reverse=True)
    numbers = gradient.permute(0, *axes).flatten(1)
    return numbers.abs().amax(1).ne(0)  # a tenth of the time that any() or aminmax() takes


def _on_host(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors on the CPU: those of one shape in one copy, for which a GPU is waited once."""
    alike: dict[tuple[torch.Size, torch.dtype], list[int]] = {}
    for number, tensor in enumerate(tensors):
        alike.setdefault((tensor.shape, tensor.dtype), []).append(number)
    copies: dict[int, Tensor] = {}
    for numbers in alike.values():
        stacked = torch.stack([tensors[number] for number in numbers]).cpu()
        copies.update(zip(numbers, stacked))
    return [copies[number] for number in range(len(tensors))]


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
            probe = _probe(explained, index, i, run, broken=index in maps.broken)
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
            probe = _input_probe(explained, i, run)
            raw = method.run(probe).detach().cpu()
            keys = [MapKey(i, t, method.name, INPUT_INDEX) for t in range(len(targets))]
            maps.raw.update(zip(keys, raw))
            if probe.product:
                maps.products[i, method.name] = probe.product
            for caution in probe.cautions:
                maps.cautions.update(dict.fromkeys(keys, caution))


def _input_probe(explained: ExplainedBatch, i: int, run: ModelRuns) -> InputProbe:
    model, tensors = explained.model, explained.batch.tensors
    if len(image_inputs(tensors)) > 1:
        raise LayerError(
            "this model takes several images, and maps of pixels are made for models of one",
            "choose a method that works at a layer, as gradcam",
        )
    others = [x[i : i + 1] for x in tensors[1:]]

    def logits(images: Tensor) -> Tensor:
        repeated = (x.expand(len(images), *x.shape[1:]) for x in others)
        return run.logits(images, *repeated)

    def coarsest(most: int, image: Tensor) -> tuple[list[Captured], Tensor]:
        layers, logits = run.coarsest_layers(most, image, *others)
        reached = [layer for layer in layers if reaches(logits, layer.activations)]
        for layer in layers:
            if not reaches(logits, layer.activations):
                _check_independent(explained, layer, i, (image, *others), bool(reached))
        return reached, logits

    probe = InputProbe(
        tensors[0][i : i + 1],
        logits,
        explained.targets[i],
        explained.output.logits[i : i + 1].detach(),
        explained.batch.probe_size,
        model.module,
        tuple(others),
        coarsest,
    )
    probe.steps = Steps(explained.progress)
    return probe


def _probed(
    explained: ExplainedBatch, methods: Sequence[Method]
) -> Iterator[tuple[Method, int, int]]:
    """Method, number of the layer, number of the image; images without a target are left out."""
    for method in methods:
        for index in range(len(explained.forward.layers)):
            for i, targets in enumerate(explained.targets):
                if targets:
                    yield method, index, i


def _probe(
    explained: ExplainedBatch, index: int, i: int, run: ModelRuns, broken: bool = False
) -> Probe:
    """The probe of a layer and an image; of a ``broken`` one, without gradients."""
    layer = explained.forward.layers[index]
    probe = Probe(
        explained.model.module,
        explained.batch.tensors,
        layer,
        i,
        run.logits,
        explained.targets[i],
        explained.output.logits[i : i + 1].detach(),
        explained.batch.probe_size,
        partial(run.captured, layer.name),
        partial(_input_probe, explained, i, run),
        partial(_independent, explained, index, {i: explained.targets[i][0]}) if broken else None,
    )
    probe.steps = Steps(explained.progress)
    probe.rounded = run.rounded(explained.batch.tensors[0])
    return probe


def _independent(
    explained: ExplainedBatch, index: int, targets: Mapping[int, Target]
) -> NoEvidenceError:
    """Why the score has no gradient at a layer: independence, or a broken graph."""
    probe = _probe(explained, index, next(iter(targets)), _runs(explained))
    layer, tensors = explained.forward.layers[index], explained.batch.tensors
    return _why_unreached(explained.model, layer, tensors, list(targets.values()), _depends(probe))


def _check_independent(
    explained: ExplainedBatch,
    layer: Captured,
    i: int,
    tensors: tuple[Tensor, ...],
    may_be: bool,
) -> None:
    """Refuse a layer that no gradient reaches.

    Args:
        explained: the batch.
        layer: of the image's own forward pass.
        i: number of the image.
        tensors: what the model takes, of this image.
        may_be: whether the score may be independent of the layer, as of one beside its way.

    Raises:
        NoEvidenceError: as of :func:`_independent`.
    """
    run, targets = _runs(explained), explained.targets[i]
    logits = explained.output.logits[i : i + 1].detach()
    size = explained.batch.probe_size
    capture, pixels = partial(run.captured, layer.name), partial(_input_probe, explained, i, run)
    parts = (explained.model.module, tensors, layer, 0, run.logits, targets, logits)
    probe = Probe(*parts, size, capture, pixels)
    depends = _depends(probe)
    if depends or not may_be:
        error = _why_unreached(explained.model, layer, tensors, targets[:1], depends)
        if not depends:
            raise error
        others = "choose gradcam_pp, whose map is of one layer, at a layer behind it"
        raise NoEvidenceError(error.what, f"take it out of forward, or {others}")


def _why_unreached(
    model: ExplainedModel,
    layer: Captured,
    tensors: tuple[Tensor, ...],
    targets: Sequence[Target],
    depends: bool,
) -> NoEvidenceError:
    names = ", ".join(sorted({target.name for target in targets}))
    module = model.module
    others = usable_layers(module, tensors, str(layer.ref), model.spec)
    what = f"the score of {names} does not depend on layer {layer.ref}"
    if not depends:
        return NoEvidenceError(what, f"choose one that it depends on; {others}")
    choose = "choose an earlier layer"
    where = where_gradient_stops(module, tensors, layer)
    if not where and has_quantised_head(module):
        where = QUANTISED
    if where:
        what = (
            f"the gradient of {names} does not reach layer {layer.ref}, on which the score "
            f"depends: {where}"
        )
        choose = "take it out of forward, or choose a layer behind it"
    return NoEvidenceError(what, f"{choose}, or scorecam, which needs no gradient; {others}")


@torch.no_grad()
def _depends(probe: Probe) -> bool:
    """Whether other activations of the layer change the score, whatever autograd says."""
    # Beside the scores of the activations as they are, not those of this pass: its dropout is off
    # again.
    both = torch.cat([probe.activations, altered(probe.activations)])
    try:
        scores = probe.score_tail(both)
    except CamlucidaError:
        return False
    return not torch.allclose(scores[:, 0], scores[:, 1])


def _runs(explained: ExplainedBatch) -> ModelRuns:
    return ModelRuns(explained.model, explained.output.logits.device.type)
