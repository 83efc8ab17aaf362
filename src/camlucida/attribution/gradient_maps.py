"""The maps of gradient methods: of every target and layer of a batch, from its forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from camlucida.attribution.batch_probes import why_unreached
from camlucida.attribution.explained_batch import BatchMaps, ExplainedBatch, MapKey
from camlucida.attribution.explained_model import ModelRuns
from camlucida.attribution.layer_gradients import layer_gradients
from camlucida.attribution.methods import Method
from camlucida.attribution.second_order import second_order_gradients
from camlucida.core.tensors import full


class _Row(NamedTuple):
    """Which row of a tensor is of which image and of which of its targets."""

    row: int
    image: int
    target: int


_Rows = Sequence[_Row]


def by_evidence(methods: Sequence[Method]) -> list[list[Method]]:
    """Methods of the same gradients; last those of the score's own, which free the graph.

    Args:
        methods: of gradients.
    """
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


def gradient_maps(
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
                raise why_unreached(explained, index, explained.having(rows[0].target))
            activations = full(layer.activations.detach()).expand_as(gradient)
            nonzero.append((rows, index, _nonzero(gradient)))
            for method in explained.remaining(methods):
                with torch.no_grad(), explained.fitting(method):
                    raw = method.run(activations, gradient)
                    made.append((rows, method.name, index, raw))
                    keys = {MapKey(i, t, method.name, index): row for row, i, t in rows}
                    maps.note(keys, method, raw, activations, gradient)
    _keep(made, nonzero, methods, maps)


def _keep(
    made: Sequence[tuple[_Rows, str, int, Tensor]],
    nonzero: Sequence[tuple[_Rows, int, Tensor]],
    methods: Sequence[Method],
    maps: BatchMaps,
) -> None:
    """Add maps, and where the gradients of methods are zero, to those of a batch.

    Args:
        made: whose they are, method, number of the layer, and the maps.
        nonzero: whose, number of the layer, and whether the gradient is not zero everywhere.
        methods: that use these gradients.
        maps: to which these are added.
    """
    for (rows, name, index, _), raw in zip(made, _on_host([raw for *_, raw in made])):
        maps.raw.update((MapKey(i, t, name, index), raw[row]) for row, i, t in rows)
    for (rows, index, _), flags in zip(nonzero, _on_host([flags for *_, flags in nonzero])):
        of_rows = flags.tolist()
        for (row, i, t), method in product(rows, methods):
            if not of_rows[row]:
                maps.zero_gradients.add(MapKey(i, t, method.name, index))


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
