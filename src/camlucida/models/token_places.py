"""Where the cells lie among tokens, seen at several spots of the image.

A global token may be computed from the image, as a mean of its cells or by layers beside, and stand
before the cells or behind them. Cells may lie in an order that leaves some of them at their place,
as a scan to and fro does. Where a spot of the image is changed, the cells of it change, which
feature maps of the same grid show, or the geometry alone. Tokens are compared with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.models.cell_order import Spot, by_columns, run_noting
from camlucida.models.families import Layout
from camlucida.models.layers import LayerRef

_FIRST, _SECOND, _THIRD, _LAST = (0.205, 0.235), (0.435, 0.465), (0.665, 0.695), (0.915, 0.945)

SPOTS: tuple[Spot, ...] = (
    (_SECOND, _FIRST, _THIRD),
    (_THIRD, _SECOND, _LAST),
    (_FIRST, _THIRD, _SECOND),
    (_LAST, _LAST, _FIRST),
)
"""Of grids of usual sizes, they lie in even rows and in odd ones; the last axes count."""

_ALIKE, _APART = 0.8, 0.5
"""How similar (cosine) the changes of tokens and of a map are on the mean, at least, where the
cells are at their place; and at one spot, at most, where they are not."""

_NOWHERE = 0.1
"""How similar they are at most where tokens have no cells at all."""

_BETTER = 0.02
"""By how much the place of cells must be more similar than any other."""

_CHANGED = 1e-3
"""A token is changed from this share of the largest change on."""

_MAPS = 6
"""Maps of a grid that tokens are compared with."""

_KEPT = 12
"""Changes of a grid that are remembered."""

_Grid = tuple[int, ...]


@dataclass
class _Seen:
    """What the changes of some tokens showed; lists have an item a spot.

    Attributes:
        ref: the layer.
        kind: the grid of its tokens, and the number of tokens beside the cells.
        similar: (maps, options, 2) to the change of each map, cells by rows or by columns.
        few: whether no more tokens changed than cells do, and other tokens.
        same: whether cells at their place changed by as much in an earlier layer.
        by_map: whether a map shows which cells change, and not the geometry alone.
        changed: (tokens,) bool.
    """

    ref: LayerRef
    kind: tuple[_Grid, int]
    similar: list[Tensor] = field(default_factory=list)
    few: list[bool] = field(default_factory=list)
    same: list[bool] = field(default_factory=list)
    by_map: bool = False
    changed: list[Tensor] = field(default_factory=list)

    def place(self, is_first: bool) -> int | None:
        """Tokens before the cells; -1 for cells in another order, None for an unknown place.

        Args:
            is_first: whether nothing is known of earlier tokens of this kind.
        """
        follows = [bool(changed.any()) for changed in self.changed]
        if not any(follows):
            return None
        # A spot that the model crops or masks shows nothing.
        similar = torch.stack(self.similar)[follows]  # (spots, maps, options, 2)
        mean = similar.mean(0)
        of_options = mean.amax((0, 2))
        best = of_options.sort(descending=True)
        place = int(best.indices[0])
        at_spots = similar.flatten(1)[:, int(mean.flatten().argmax())]
        if best.values[0] < _ALIKE or bool(at_spots.min() < _APART):
            return -1 if all(self.same) or (is_first and self._are_elsewhere(at_spots)) else None
        if self._has_cells_beside(place):
            return -1
        is_clear = len(of_options) == 1 or best.values[0] - best.values[1] > _BETTER
        return place if is_clear else None

    @property
    def is_unmixed(self) -> bool:
        """Whether nothing has mixed the tokens yet."""
        return all(self.few)

    def _are_elsewhere(self, at_spots: Tensor) -> bool:
        """Whether tokens that nothing has mixed have no cells where a map has them."""
        is_open = self.similar[0].shape[1] > 1
        return is_open and self.by_map and self.is_unmixed and bool(at_spots.min() < _NOWHERE)

    def _has_cells_beside(self, place: int) -> bool:
        """Whether other tokens follow other spots than their like, as cells of another level do."""
        grid, _ = self.kind
        changed = torch.stack(self.changed).float()
        others = torch.cat([changed[:, :place], changed[:, place + math.prod(grid) :]], 1)
        alone = others.T @ (1 - others)  # by how many spots one token changes and another does not
        return bool(((alone > 0) & (alone.T > 0)).any())


@dataclass
class _Run:
    """One run: by how much the cells of maps changed, those of tokens from the least on."""

    spot: Spot
    maps: dict[_Grid, list[Tensor]] = field(default_factory=dict)
    changes: dict[_Grid, list[Tensor]] = field(default_factory=dict)

    def note_map(self, change: Tensor) -> None:
        """Note a feature map's (*grid) change."""
        self.maps.setdefault(tuple(change.shape), []).append(change)
        self.note_placed(change)

    def note_placed(self, change: Tensor) -> None:
        """Note the (*grid) change of cells that are at their place."""
        earlier = self.changes.setdefault(tuple(change.shape), [])
        earlier.append(_ordered(change))
        del earlier[:-_KEPT]

    def is_seen(self, change: Tensor) -> bool:
        """Whether cells at their place changed by as much in an earlier layer."""
        earlier = self.changes.get(tuple(change.shape))
        if not earlier:
            return False
        ordered = _ordered(change)
        differences = (torch.stack(earlier) - ordered).abs().amax(1)
        return bool((differences <= 1e-3 * ordered[-1]).any())


@dataclass
class TokenPlaces:
    """The places of cells among tokens; run it with each of :data:`SPOTS`.

    Attributes:
        layouts: of all layers that may be a map of the same grid, as they were traced.
        options: of layers of tokens, what their layout can be, by the number of tokens before; one
            alone where it is known.
        shapes: of the outputs, for two images.
    """

    layouts: Mapping[LayerRef, Layout]
    options: Mapping[LayerRef, Sequence[Layout]]
    shapes: Mapping[LayerRef, tuple[int, ...]]
    _seen: list[_Seen] = field(default_factory=list)

    def run(self, model: nn.Module, inputs: tuple[Tensor, ...], spot: Spot) -> None:
        """Run the model once.

        Args:
            model: a plain module, frozen.
            inputs: two images that differ in the spot; what else the model takes, twice.
            spot: with as many axes as the image.

        Raises:
            ModelError: it cannot run on them.
        """
        run = _Run(spot)
        seen = iter(self._seen) if self._seen else None

        def note(ref: LayerRef, given: Any, tensor: Tensor) -> None:
            if ref not in self.options:
                change = _change(self.layouts[ref], tensor)
                if tensor.ndim == change.ndim + 2:
                    run.note_map(change)
                return
            # What a module is given comes first: an attention mixes it.
            before = [given] if isinstance(given, Tensor) and given.shape == tensor.shape else []
            for tokens in (*before, tensor):
                self._compare(self._next(seen, ref), tokens, run)

        shapes = {ref: self.shapes[ref] for ref in (*self.layouts, *self.options)}
        run_noting(model, inputs, shapes, note)

    def _next(self, seen: Iterator[_Seen] | None, ref: LayerRef) -> _Seen:
        """Where to note tokens: a model does the same in each run."""
        if seen is not None:
            return next(seen, _Seen(ref, ((), 0)))
        options = self.options[ref]
        grid = options[0].to_grid(torch.empty(self.shapes[ref], device="meta")).shape[2:]
        self._seen.append(_Seen(ref, (tuple(grid), len(options) - 1)))
        return self._seen[-1]

    def _compare(self, seen: _Seen, tokens: Tensor, run: _Run) -> None:
        grid, others = seen.kind
        options = self.options[seen.ref]
        wanted = run.maps.get(grid, [])[-_MAPS:]
        seen.by_map = bool(wanted)
        wanted = [*wanted, _overlap(run.spot, grid).to(tokens.device)]
        rows = [_readings(layout, tokens) for layout in options]
        similar = _similar(rows, wanted)
        seen.similar.append(similar)
        seen.same.append(any(run.is_seen(row[0]) for row in rows))
        best = similar.amax((0, 2))
        if best.max() >= _ALIKE:
            run.note_placed(rows[int(best.argmax())][0])
        cells = rows[0][0].flatten()
        changed = torch.cat([cells, rows[-1][0].flatten()[-others:]]) if others else cells
        seen.changed.append(changed > _CHANGED * changed.max())
        seen.few.append(_count(changed) <= max(map(_count, wanted)) + others)

    def places(self) -> dict[LayerRef, int | None]:
        """Layer → the number of tokens before its cells; -1 for cells in another order.

        Mixed tokens have the place of those before them. None stands for an unknown one.
        """
        places: dict[LayerRef, int | None] = {}
        last: dict[tuple[_Grid, int], int] = {}
        for seen in self._seen:
            is_first = seen.kind not in last
            place = seen.place(is_first)
            if place is not None and (is_first or seen.is_unmixed):
                last[seen.kind] = place
            places[seen.ref] = last.get(seen.kind)
        return places


def _change(layout: Layout, tensor: Tensor) -> Tensor:
    """(*grid): by how much each cell differs between two images."""
    grid = layout.to_grid(tensor.detach()).float()
    return (grid[1] - grid[0]).abs().sum(0)


def _readings(layout: Layout, tokens: Tensor) -> list[Tensor]:
    """The changes of cells that lie by rows, and on two axes of those that lie by columns."""
    change = _change(layout, tokens)
    return [change, _change(by_columns(layout), tokens)] if change.ndim == 2 else [change]


def _ordered(change: Tensor) -> Tensor:
    return change.flatten().sort().values


def _similar(rows: Sequence[Sequence[Tensor]], wanted: Sequence[Tensor]) -> Tensor:
    """(maps, options, readings): the cosines of changes and those that are wanted."""
    changes = torch.stack(list(chain.from_iterable(rows))).flatten(1)
    maps = torch.stack([change.to(changes) for change in wanted]).flatten(1)
    cosines = nn.functional.normalize(maps, dim=1) @ nn.functional.normalize(changes, dim=1).T
    of_options: Tensor = cosines.unflatten(1, (len(rows), -1))
    return of_options.cpu()


def _count(change: Tensor) -> int:
    return int((change > _CHANGED * change.max()).sum())


def _overlap(spot: Spot, grid: Sequence[int]) -> Tensor:
    """(*grid): the share of a spot that lies in each cell.

    >>> _overlap(((0.0, 0.5), (0.5, 0.75)), (2, 2)).tolist()
    [[0.0, 0.125], [0.0, 0.0]]
    """
    shares = torch.ones(())
    for (first, last), cells in zip(spot, grid):
        edges = torch.linspace(0, 1, cells + 1)
        inside = edges[1:].clamp_max(last) - edges[:-1].clamp_min(first)
        shares = shares[..., None] * inside.clamp_min(0)
    return shares
