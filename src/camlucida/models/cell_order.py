"""In which order cells lie: seen where a change of one spot of the image arrives.

Tokens are taken for rows of cells, one after the other. Some networks put them column by column, or
in groups; an output with as many channels as rows does not show which of its axes are which. Where
a spot of the image is changed and the change stays in few cells, these show the order. Learned
queries may be as many as the cells: they do not depend on the image before they attend to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.models.families import Layout
from camlucida.models.families.base import CHANNELS_FIRST, CHANNELS_LAST, FOLDED
from camlucida.models.layers import LayerRef
from camlucida.models.state import forwarding, items_of, main_tensor

Spot = tuple[tuple[float, float], ...]
"""Shares of each axis, from and to."""

Note = Callable[[LayerRef, Any, Tensor], None]
"""Called with a layer, what its module was given first, and its output."""

SPOT: Spot = ((0.3, 0.34), (0.73, 0.77))
"""A spot that another order of two axes moves to another place."""

BESIDE: Spot = ((0.3, 0.34), (0.2, 0.24))
"""Another one on the same rows: both arrive only where rows are as long as they are taken for."""

_CHANGED = 1e-3
"""A cell is changed from this share of the largest change on."""

_FEW, _MOST = 0.05, 0.25
"""Shares of all cells that the change may be in to show an order, where cells are many, and few."""

_NEAR, _SHARE = (0.75, 1.25), 0.1
"""How far from the spot cells count as its own, tried in turn; their least share of the largest
change."""


def by_columns(layout: Layout) -> Layout:
    """The layout of cells that lie column by column.

    Args:
        layout: of the same cells row by row; of two axes.

    >>> tokens = torch.arange(6.0).reshape(1, 6, 1)
    >>> from camlucida.models.families.base import tokens as rows
    >>> by_columns(rows(0, (2, 3))).to_grid(tokens)[0, 0]
    tensor([[0., 2., 4.],
            [1., 3., 5.]])
    """

    def to_grid(x: Tensor) -> Tensor:
        grid: Tensor = layout.to_grid(x)
        rows, columns = grid.shape[2:]
        by_column: Tensor = grid.flatten(2).unflatten(2, (columns, rows))
        return by_column.transpose(2, 3)

    def from_grid(cells: Tensor, original: Tensor) -> Tensor:
        by_rows: Tensor = cells.transpose(2, 3).flatten(2).unflatten(2, tuple(cells.shape[2:]))
        return layout.from_grid(by_rows, original)

    return Layout(to_grid, from_grid)


def changed_spot(images: Tensor, spot: Spot = SPOT) -> Tensor:
    """The first image, and the same with another spot.

    Args:
        images: (B, C, *axes).
        spot: that is changed, with as many axes.

    >>> first, second = changed_spot(torch.zeros(1, 1, 20, 20))
    >>> (first != second).nonzero()[0].tolist()
    [0, 6, 14]
    """
    first, second = images[:1].detach(), images[:1].detach().clone()
    pixels = (_pixels(share, size) for share, size in zip(spot, images.shape[2:]))
    part = second[(slice(None), slice(None), *pixels)]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(part.shape, generator=generator).to(part)
    part += 2 * (float(first.float().std(correction=0)) or 1.0) * noise
    return torch.cat([first, second])


def _pixels(share: tuple[float, float], size: int) -> slice:
    first = int(share[0] * size)
    return slice(first, max(first + 1, int(share[1] * size)))


def run_noting(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    shapes: Mapping[LayerRef, tuple[int, ...]],
    note: Note,
) -> None:
    """Run a model once, and note the outputs of layers in the order of the run.

    Args:
        model: a plain module, frozen.
        inputs: of the model.
        shapes: of the outputs that are noted, by their layers.
        note: called with each.

    Raises:
        ModelError: the model cannot run on the inputs.
    """
    handles = []
    for path in dict.fromkeys(ref.path for ref in shapes):
        hook = _noting(path, shapes, note)
        module = model.get_submodule(path)
        handles.append(module.register_forward_hook(hook, with_kwargs=True))
    try:
        with forwarding(inputs) as given, torch.no_grad():
            model(*given)
    finally:
        for handle in handles:
            handle.remove()


def _noting(path: str, shapes: Mapping[LayerRef, tuple[int, ...]], note: Note) -> Any:
    refs = [ref for ref in shapes if ref.path == path]

    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        given = next(iter((*args, *kwargs.values())), None)
        for ref in refs:
            tensor = main_tensor(output) if ref.index is None else _item(output, ref.index)
            if isinstance(tensor, Tensor) and tuple(tensor.shape) == shapes[ref]:
                note(ref, given, tensor)

    return hook


@dataclass
class CellOrder:
    """The orders of cells that a run of :func:`changed_spot` shows.

    Attributes:
        layouts: of layers, as far as they were traced.
        shapes: of their outputs, for two images.
        spot: that was changed.
        guessed: whether their grids were guessed from the number of tokens alone.
        orders: layer → the layout that its cells show, None for another order; those that show
            what was traced, or nothing, are left out.
        of_tokens: grid → number of the reading that its tokens show.
        changes: grid → by how much its cells changed in each layer that shows their order, from the
            least on.
        lost: whether tokens were seen that are those of an earlier layer in another order, or
            learned queries as many as the cells.
    """

    layouts: Mapping[LayerRef, Layout]
    shapes: Mapping[LayerRef, tuple[int, ...]]
    spot: Spot = SPOT
    guessed: bool = False
    orders: dict[LayerRef, Layout | None] = field(default_factory=dict)
    of_tokens: dict[tuple[int, ...], int] = field(default_factory=dict)
    changes: dict[tuple[int, ...], list[Tensor]] = field(default_factory=dict)
    lost: bool = False

    def run(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Run the model once.

        Args:
            model: a plain module, frozen.
            inputs: two images that differ in the spot; what else the model takes, twice.

        Raises:
            ModelError: it cannot run on them.
        """
        shapes = {ref: self.shapes[ref] for ref in self.layouts}
        run_noting(model, inputs, shapes, self._note)

    def _note(self, ref: LayerRef, given: Any, tensor: Tensor) -> None:
        layout = self.layouts[ref]
        cells = tuple(layout.to_grid(tensor).shape[2:])
        ordered = True
        if needs_order(layout, tensor.shape):
            readings = _readings(layout, tensor)
            shown = _shown(readings, tensor, self.spot)
            ordered = shown is not None and shown < len(readings)
            if tensor.ndim == 3:
                shown = self._of_tokens(cells, readings, given, tensor)
            self.orders.pop(ref, None)
            if shown:
                self.orders[ref] = readings[shown] if shown < len(readings) else None
        if ordered:
            self.changes.setdefault(cells, []).append(_sorted_change(layout, tensor))

    def _of_tokens(
        self,
        cells: tuple[int, ...],
        readings: Sequence[Layout],
        given: Any,
        tensor: Tensor,
    ) -> int | None:
        """The reading that tokens show, or those before them: mixed ones have the same order."""
        # What a module is given comes first: an attention mixes it.
        before = [given] if isinstance(given, Tensor) and given.shape == tensor.shape else []
        if _are_queries(readings[0], given, tensor):
            self.lost = True
            self.of_tokens[cells] = len(readings)
        for tokens in (*before, tensor):
            shown = _shown(readings, tokens, self.spot)
            if shown == len(readings):
                change = _sorted_change(readings[0], tokens)
                self.lost = self.lost or self.guessed or self._is_seen(cells, change)
                if self.lost:
                    self.of_tokens[cells] = shown
            elif shown is not None:
                first = self.of_tokens.setdefault(cells, shown)
                change = _sorted_change(readings[0], tokens)
                if shown != first and self._is_seen(cells, change):
                    return shown  # a branch of its own, as of a scan in another direction
        return self.of_tokens.get(cells)

    def _is_seen(self, cells: tuple[int, ...], change: Tensor) -> bool:
        """Whether cells of an earlier layer changed by as much, in whatever order."""
        earlier = self.changes.get(cells, ())
        tolerance = 1e-3 * float(change.max())
        return any(bool(((change - other).abs() <= tolerance).all()) for other in earlier)


def needs_order(layout: Layout, shape: Sequence[int]) -> bool:
    """Whether the order of cells is not shown by the shape of an output.

    Args:
        layout: that was traced.
        shape: of the output.

    >>> needs_order(CHANNELS_FIRST, (1, 8, 4, 4)), needs_order(CHANNELS_FIRST, (1, 4, 4, 4))
    (False, True)
    """
    if layout is FOLDED:
        return False
    tokens = layout is not CHANNELS_FIRST and layout is not CHANNELS_LAST
    return tokens or tuple(shape[1:-1]) == tuple(shape[2:])


def _item(output: Any, index: int) -> Any:
    items = items_of(output)
    return items[index] if index < len(items) else None


def _readings(layout: Layout, tensor: Tensor) -> list[Layout]:
    """The layouts that a tensor of this shape can have; the traced one first."""
    if tensor.ndim == 3:
        return [layout, by_columns(layout)]
    return [layout, CHANNELS_LAST if layout is CHANNELS_FIRST else CHANNELS_FIRST]


def _shown(readings: Sequence[Layout], tensor: Tensor, spot: Spot) -> int | None:
    """The number of the reading in which the change arrives at the spot.

    One more than the last stands for tokens in another order; None where the change shows nothing,
    because it is in too many cells or in none.
    """
    changes = []
    for reading in readings:
        grid = reading.to_grid(tensor.detach()).float()
        change = _relative_change(grid) if grid.ndim == 4 else grid.new_zeros(1, 1)
        few = _is_in_few_cells(change)
        if not few and tensor.ndim == 3:
            return None
        changes.append(change if few else torch.zeros_like(change))
    for near in _NEAR:
        reaching = [_reaches_spot(change, near, spot) for change in changes]
        if any(reaching):
            return reaching.index(True)
    return len(readings) if tensor.ndim == 3 else None


def _are_queries(layout: Layout, given: Any, tokens: Tensor) -> bool:
    """Whether a module made tokens that depend on the image of as many that do not."""
    if not isinstance(given, Tensor) or given.shape[1:] != tokens.shape[1:]:
        return False
    start = given.expand_as(tokens) if len(given) == 1 else given
    if start.shape != tokens.shape or not start.is_floating_point():
        return False
    changes = _sorted_change(layout, start), _sorted_change(layout, tokens)
    return not changes[0].any() and bool(changes[1].any())


def _sorted_change(layout: Layout, tensor: Tensor) -> Tensor:
    """By how much each cell differs between the two images, from the least on."""
    grid = layout.to_grid(tensor.detach()).float()
    return (grid[1] - grid[0]).abs().sum(0).flatten().sort().values


def _relative_change(grid: Tensor) -> Tensor:
    """(rows, columns): by how much each cell of (2, K, rows, columns) differs between the two."""
    size = grid.abs().sum(1).amax(0)
    # Some tokens are much larger than others, and follow any change.
    return (grid[1] - grid[0]).abs().sum(0) / (size + size.median()).clamp_min(1e-12)


def _is_in_few_cells(change: Tensor) -> bool:
    """Whether a change is in the cells of the spot and in hardly another: nothing has mixed them.

    >>> _is_in_few_cells(torch.eye(4)), _is_in_few_cells(torch.ones(4, 4))
    (True, False)
    """
    changed = int((change > _CHANGED * change.max()).sum())
    of_spot = 1.0
    for (first, last), cells in zip(SPOT, change.shape):
        of_spot *= (last - first) * cells + 2
    most = min(max(of_spot, _FEW * change.numel()), _MOST * change.numel())
    return 0 < changed <= most


def _reaches_spot(change: Tensor, near: float, spot: Spot) -> bool:
    """Whether cells at the spot change, be it less than others that attend to them.

    Args:
        change: (rows, columns).
        near: how far from the spot cells count as its own.
        spot: that was changed.
    """
    own = []
    for share, cells in zip(spot, change.shape):
        middles = torch.arange(cells, device=change.device) + 0.5
        own.append((middles - cells * sum(share) / 2).abs() <= near)
    at_spot = change[own[0]][:, own[1]]
    return bool(change.any()) and bool(at_spot.max() >= _SHARE * change.max())
