"""Where the cells begin among tokens that all depend on the image.

A global token may be computed from the image, as a mean of its cells or by layers beside, and stand
before the cells or behind them. Where spots of the image are changed, the cells of these change,
which a feature map of the same grid shows, or the geometry alone. Tokens are compared with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from camlucida.models.cell_order import Spot, by_columns, run_noting
from camlucida.models.families import Layout
from camlucida.models.layers import LayerRef

SPOTS: tuple[Spot, ...] = (
    ((0.3, 0.34), (0.08, 0.12), (0.73, 0.77)),
    ((0.73, 0.77), (0.53, 0.57), (0.2, 0.24)),
    ((0.53, 0.57), (0.88, 0.92), (0.6, 0.64)),
)
"""One near the first row, one in the middle, one near the last; the last axes count."""

_ALIKE = 0.8
"""How similar (cosine) the change of tokens at their place is to that of a map, at least."""

_BETTER = 0.02
"""By how much the place of cells must be more similar than any other."""

_CHANGED = 1e-3
"""A token is changed from this share of the largest change on."""

_Kind = tuple[tuple[int, ...], int]
"""A grid, and the number of tokens beside its cells."""


@dataclass
class _Seen:
    """What the changes of some tokens showed.

    Attributes:
        ref: the layer.
        kind: of its tokens.
        similar: (options, 2) to the change of a map, cells by rows or by columns, for each spot.
        few: for each spot, whether no more tokens changed than cells do, and other tokens.
        by_map: whether a map shows which cells change, and not the geometry alone.
        changed: (tokens,) bool for each spot.
    """

    ref: LayerRef
    kind: _Kind
    similar: list[Tensor] = field(default_factory=list)
    few: list[bool] = field(default_factory=list)
    by_map: bool = False
    changed: list[Tensor] = field(default_factory=list)

    @property
    def place(self) -> int | None:
        """Tokens before the cells; -1 for cells in another order, None for an unknown place."""
        mean = torch.stack(self.similar).mean(0)
        best = mean.amax(1).sort(descending=True)
        if best.values[0] < _ALIKE:
            # The geometry may be of a crop.
            return -1 if self.by_map and self.are_unmixed else None
        place = int(best.indices[0])
        if self._has_cells_beside(place):
            return -1
        return place if best.values[0] - best.values[1] > _BETTER else None

    @property
    def are_unmixed(self) -> bool:
        """Whether nothing has mixed the tokens yet."""
        return all(self.few)

    def _has_cells_beside(self, place: int) -> bool:
        """Whether other tokens follow other spots than their like, as cells of another level do."""
        grid, _ = self.kind
        changed = torch.stack(self.changed).float()
        others = torch.cat([changed[:, :place], changed[:, place + math.prod(grid) :]], 1)
        alone = others.T @ (1 - others)  # by how many spots one token changes and another does not
        return bool(((alone > 0) & (alone.T > 0)).any())


@dataclass
class TokenPlaces:
    """The places of cells among tokens; run it with each of :data:`SPOTS`.

    Attributes:
        layouts: of all layers that may be a map of the same grid, as they were traced.
        options: of layers of tokens, what their layout can be, by the number of tokens before.
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
        maps: dict[tuple[int, ...], Tensor] = {}
        seen = iter(self._seen) if self._seen else None

        def note(ref: LayerRef, given: Any, tensor: Tensor) -> None:
            if ref not in self.options:
                change = _change(self.layouts[ref], tensor)
                if tensor.ndim == change.ndim + 2 and bool(change.any()):
                    maps[tuple(change.shape)] = change
                return
            # What a module is given comes first: an attention mixes it.
            before = [given] if isinstance(given, Tensor) and given.shape == tensor.shape else []
            for tokens in (*before, tensor):
                self._compare(self._next(seen, ref), tokens, maps, spot)

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

    def _compare(
        self,
        seen: _Seen,
        tokens: Tensor,
        maps: Mapping[tuple[int, ...], Tensor],
        spot: Spot,
    ) -> None:
        grid, others = seen.kind
        wanted = maps.get(grid)
        if wanted is None:
            wanted = _overlap(spot, grid).to(tokens.device)
        rows = []
        for layout in self.options[seen.ref]:
            readings = [layout, by_columns(layout)] if len(grid) == 2 else [layout]
            rows.append([_cosine(_change(reading, tokens), wanted) for reading in readings])
        seen.similar.append(torch.tensor(rows))
        first, *_, last = self.options[seen.ref]
        changed = torch.cat(
            [_change(first, tokens).flatten(), _change(last, tokens).flatten()[-others:]]
        )
        seen.changed.append(changed > _CHANGED * changed.max())
        seen.few.append(0 < _count(changed) <= _count(wanted) + others)
        seen.by_map = grid in maps

    def places(self) -> dict[LayerRef, int | None]:
        """Layer → the number of tokens before its cells; -1 for cells in another order.

        Mixed tokens have the place of those before them. None stands for an unknown one.
        """
        places: dict[LayerRef, int | None] = {}
        last: dict[_Kind, int] = {}
        for seen in self._seen:
            place = seen.place
            if place is not None and (seen.are_unmixed or seen.kind not in last):
                last[seen.kind] = place
            places[seen.ref] = last.get(seen.kind)
        return places


def _change(layout: Layout, tensor: Tensor) -> Tensor:
    """(*grid): by how much each cell differs between two images."""
    grid = layout.to_grid(tensor.detach()).float()
    return (grid[1] - grid[0]).abs().sum(0)


def _cosine(change: Tensor, wanted: Tensor) -> float:
    norms = float(change.norm() * wanted.norm())
    return float((change * wanted.to(change)).sum()) / norms if norms else 0.0


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
