"""What fires in a model, in order: the list of ``camlucida layers``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from camlucida.core.output_spec import OutputSpec
from camlucida.models.firings import Firing, Survey, as_fired
from camlucida.models.grids import TokenGrid
from camlucida.models.layers import LayerRef, resolve
from camlucida.models.output_choice import choose
from camlucida.models.state import frozen, unwrap
from camlucida.models.survey import survey


@dataclass(frozen=True)
class LayerInfo:
    """One line of ``camlucida layers``.

    Attributes:
        path: dotted path (with the output's index where a module returns several).
        type: class name.
        shape: of the output, batch first.
        grid: its spatial axes; () when it has none.
        stride: input pixels per cell, an axis each; () without a grid.
        calls: how often the module ran; the last call is the one explained.
        auto: True for the layer ``auto`` takes.
    """

    path: str
    type: str
    shape: tuple[int, ...]
    grid: tuple[int, ...]
    stride: tuple[float, ...]
    calls: int
    auto: bool


def list_layers(
    model: nn.Module,
    *inputs: Tensor,
    spec: OutputSpec | None = None,
    stated: TokenGrid | None = None,
) -> list[LayerInfo]:
    """Run the model once and list the layers that fire, in order of completion.

    Args:
        model: any module.
        inputs: what it is called with; the first is the image batch (B, C, *spatial).
        spec: what is known of the output: of several, which one the layers have to lead to; None
            takes the first.
        stated: what the user states of tokens.

    Returns:
        One :class:`LayerInfo` a module (the model itself left out); of modules that return several
        tensors, one for each with a grid.

    Raises:
        ModelError: the model cannot run on these inputs, or it is not clear which output is meant.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(1, 2, 2, stride=2), nn.Flatten(), nn.Linear(8, 3))
    >>> [(info.path, info.grid, info.stride) for info in list_layers(net, torch.zeros(1, 1, 4, 4))]
    [('0', (2, 2), (2.0, 2.0)), ('1', (), ()), ('2', (), ())]
    """
    model = unwrap(model)
    with frozen(model):
        if spec is None:
            layers = survey(model, inputs, stated=stated)
        else:
            layers = survey(model, inputs, partial(_explained, spec), spec.logits_from, stated)
    auto = auto_layer(model, layers)
    images = inputs[0]
    size = tuple(images.shape[2:])
    infos = []
    for firing in layers.firings:
        if firing.ref.index is None or firing.cells:
            infos.append(_info(firing, size, len(images), firing.ref == auto))
    return infos


def _explained(spec: OutputSpec, returned: Any, images: Tensor) -> Tensor:
    return choose(returned, spec, images)


def auto_layer(model: nn.Module, layers: Survey) -> LayerRef | None:
    """The layer of ``auto``: the family's if the score depends on it, else the survey's.

    Args:
        model: a plain module.
        layers: of the model.

    Returns:
        None where no layer has a grid.
    """
    family = resolve(model, "auto")
    if family is not None:
        fired = as_fired(family, layers.firings)
        if fired is not None and fired.cells and fired.connected is not False:
            return fired.ref
    chosen = layers.auto
    return None if chosen is None else chosen.ref


def last_of_each_grid(model: nn.Module, layers: Survey, most: int) -> list[LayerRef]:
    """The last layer of each of the coarsest grids on the way to the layer of ``auto``.

    Of a grid's layers those of the fewest dots in their path count, so that a whole stage of a
    network goes before what runs inside of it.

    Args:
        model: a plain module.
        layers: of the model.
        most: number of grids.

    Returns:
        In the order in which they run; empty where no layer has a grid.
    """
    auto = auto_layer(model, layers)
    by_grid: dict[tuple[int, ...], list[LayerRef]] = {}
    if auto is None:
        return []
    for firing in layers.candidates:
        by_grid.setdefault(firing.cells, []).append(firing.ref)
        if firing.ref == auto:
            by_grid[firing.cells] = [auto]
            break
    coarsest = sorted(by_grid, key=math.prod)[:most]
    return [_outermost(refs) for grid, refs in by_grid.items() if grid in coarsest]


def cut_off(layers: Survey, refs: Sequence[LayerRef]) -> LayerRef | None:
    """The last layer of another grid that ran before others, and that no gradient reaches.

    Args:
        layers: of a model.
        refs: the others, in the order in which they run.

    Returns:
        None where there is none, as in most models.
    """
    grids = {firing.cells for firing in layers.firings if firing.ref in refs}
    last = None
    for firing in layers.firings:
        if firing.ref in refs:
            break
        beside = firing.depends and firing.connected is False and not firing.inner
        if beside and firing.cells and firing.cells not in grids:
            last = firing.ref
    return last


def _outermost(refs: Sequence[LayerRef]) -> LayerRef:
    """The last of the layers of the fewest dots in their path."""
    depth = min(ref.path.count(".") for ref in refs)
    return [ref for ref in refs if ref.path.count(".") == depth][-1]


def _info(firing: Firing, size: tuple[int, ...], batch: int, auto: bool) -> LayerInfo:
    """The line of one layer; ``size`` of the input in pixels."""
    stride = tuple(round(n / cells, 2) for n, cells in zip(size, firing.cells))
    shape = firing.shape
    if firing.depends and shape:
        shape = (shape[0] * batch, *shape[1:])
    return LayerInfo(str(firing.ref), firing.type, shape, firing.cells, stride, firing.calls, auto)
