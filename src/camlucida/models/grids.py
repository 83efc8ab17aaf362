"""Where the cells of a layer's output lie in the image, traced while a model of any kind runs.

Convolutions show their grid, and so does the projection of patches. Tokens, which follow it, are
counted: what is not a cell of a known grid is a class or register token.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.pooling import _AvgPoolNd, _MaxPoolNd

from camlucida.core.errors import UsageError
from camlucida.models.families import Layout
from camlucida.models.families.base import (
    CHANNELS_FIRST,
    CHANNELS_LAST,
    FOLDED,
    around,
    is_merged,
    one_stride,
    tokens,
)
from camlucida.models.other_tokens import TOLERANCE, OtherTokens
from camlucida.models.patch_grids import Cells, patches_of_resized, patches_taken, unfolded
from camlucida.models.token_choice import ChosenTokens

_STEPS = (_ConvNd, _MaxPoolNd, _AvgPoolNd)
"""What makes a grid of a grid, whatever its stride on each axis."""
_CHANNELS_FIRST = (*_STEPS, _NormBase, nn.GroupNorm)
_CHANNELS_LAST = (nn.Linear, nn.LayerNorm, nn.RMSNorm, nn.Embedding)
_MOST_OTHERS = 16
"""Tokens beside the cells that are looked for where all depend on the image."""


@dataclass(frozen=True)
class TokenGrid:
    """What a user states of tokens whose grid cannot be traced.

    Attributes:
        grid: cells an axis; () where it is not stated.
        prefix: number of tokens before the cells; None where it is not stated.

    >>> TokenGrid((7, 7)).prefix_of(50), TokenGrid((7, 7), prefix=1).prefix_of(70)
    (1, 1)
    """

    grid: Cells = ()
    prefix: int | None = None

    def prefix_of(self, count: int) -> int | None:
        """The number of tokens before the cells.

        Args:
            count: of all tokens.

        Returns:
            None where the statement does not fit so many tokens.
        """
        cells = math.prod(self.grid)
        prefix = count - cells if self.prefix is None else self.prefix
        behind = count - cells - prefix
        # Far more tokens than cells are those of an earlier, finer stage.
        fits = self.grid and prefix >= 0 and behind >= 0 and prefix + behind <= cells
        return prefix if fits else None


def token_grid(grid: Sequence[int] | None, prefix: int | None) -> TokenGrid | None:
    """What a user states of tokens, checked.

    Args:
        grid: cells an axis, each ≥ 1; None if it is not stated.
        prefix: number of tokens before the cells, ≥ 0; None if it is not stated.

    Returns:
        None if nothing is stated.

    Raises:
        UsageError: a number out of its range.

    >>> token_grid((14, 14), 1)
    TokenGrid(grid=(14, 14), prefix=1)
    """
    if grid is None and prefix is None:
        return None
    cells = tuple(grid or ())
    if not all(isinstance(number, int) and number > 0 for number in cells):
        raise UsageError(f"grid = {grid!r} is no grid", "write rows and columns, such as (14, 14)")
    if prefix is not None and prefix < 0:
        raise UsageError(f"prefix = {prefix} is negative", "it counts the tokens before the cells")
    return TokenGrid(cells, prefix)


class GridTracer:
    """How the outputs of layers lie on a grid; called with each output, in the order of a run.

    The run is of two different images, so that tokens which no image changes are seen.

    Args:
        size: of the input in pixels, an axis each.
        channels: of the input.
        batch: images in the run.
        stated: what the user states of tokens.
        others: sizes of further images that the network takes.

    Attributes:
        chosen: tokens that were chosen by the image.
        options: layout of tokens of which it is not known which are cells → the layouts that they
            can have, by the number of tokens before the cells.
        unlikely: of these, layouts that count only where the cells are seen at their place.
    """

    def __init__(
        self,
        size: Sequence[int],
        channels: int,
        batch: int,
        stated: TokenGrid | None = None,
        others: Collection[Cells] = (),
    ) -> None:
        self._sizes, self._beside = [tuple(size)], others
        self._channels, self._batch = channels, batch
        self._stated = stated or TokenGrid()
        self._known: list[Cells] = []
        self._counts: set[int] = set()
        self._stacks: set[tuple[int, ...]] = set()
        self._others = OtherTokens()
        self.chosen = ChosenTokens()
        self.options: dict[Layout, list[Layout]] = {}
        self.unlikely: set[Layout] = set()

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Layout | None:
        """The layout of one output.

        Args:
            module: that returned it.
            args: that the module was called with.
            output: a floating-point tensor.

        Returns:
            None without a grid of more than one cell that is traced.
        """
        if output.ndim < 3 or is_attention(output):
            return None
        self._learn_size(module, args)
        self._learn_patches(module, args, output)
        layout = None
        if output.ndim == self._axes + 2 and output.shape[0] == self._batch:
            layout = self._map(module, args, output)
        if output.ndim == self._axes + 3 and output.shape[0] == self._batch:
            layout = self._stack(module, output)
        if layout is None and output.ndim == 3:
            layout = self._tokens(module, args, output)
        if layout is None or max(layout.to_grid(output).shape[2:]) < 2:
            return None
        return layout

    @property
    def _axes(self) -> int:
        return len(self._sizes[0])

    @property
    def is_stated(self) -> bool:
        """Whether the user states where the cells of tokens lie."""
        return bool(self._stated.grid)

    def windows(self, output: Tensor) -> bool:
        """Whether an output holds windows of the image, stacked along the batch."""
        images, rest = divmod(output.shape[0] if output.ndim > 2 else 0, self._batch)
        return images > 1 and not rest

    def _map(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Layout | None:
        """Of (B, K, *grid) or (B, *grid, K)."""
        options = {CHANNELS_FIRST: tuple(output.shape[2:]), CHANNELS_LAST: output.shape[1:-1]}
        if isinstance(module, _CHANNELS_FIRST):
            del options[CHANNELS_LAST]
        elif type(module) in _CHANNELS_LAST:  # subclasses for feature maps are channels first
            del options[CHANNELS_FIRST]
        grids = set(self._grids())
        for layout, cells in options.items():
            if tuple(cells) in grids:
                return self._seen(module, layout, cells)
        if isinstance(module, _STEPS) and self._takes_grid(args, output):
            # Networks of volumes halve slices later than rows and columns.
            self._learn(tuple(output.shape[2:]))
            return CHANNELS_FIRST
        if output.shape[-2] in self._counts:
            return None  # (B, heads, tokens, features of a head, or tokens)
        for layout, cells in options.items():
            if is_merged(cells, self._known):
                self._learn(tuple(cells))
                return layout
            if any(one_stride(cells, size) for size in self._sizes):
                return self._seen(module, layout, cells)
        return None

    def _stack(self, module: nn.Module, output: Tensor) -> Layout | None:
        """Of (B, K, G, *grid): G counts rotations of a group, or slices that are channels."""
        cells, shape = tuple(output.shape[3:]), tuple(output.shape[1:])
        on_image = cells in self._grids() or any(one_stride(cells, size) for size in self._sizes)
        if not on_image or not (isinstance(module, _CHANNELS_FIRST) or shape in self._stacks):
            return None
        self._stacks.add(shape)
        return self._seen(module, FOLDED, cells)

    def _takes_grid(self, args: tuple[Any, ...], output: Tensor) -> bool:
        """Whether a layer was called with the image, or with a known grid, and keeps its axes."""
        given = args[0] if args else None
        if not isinstance(given, Tensor) or given.ndim != output.ndim:
            return False
        before, after = tuple(given.shape[2:]), tuple(output.shape[2:])
        keeps_axes = all(new > 1 or old == 1 for old, new in zip(before, after))
        return keeps_axes and before in (*self._sizes, *self._known)

    def _seen(self, module: nn.Module, layout: Layout, cells: Sequence[int]) -> Layout:
        if isinstance(module, _ConvNd):
            self._learn(tuple(cells))
        return layout

    def _learn(self, cells: Cells) -> None:
        """The last grid is the first that tokens are compared with."""
        if math.prod(cells) > 1:
            self._known = [cells, *(known for known in self._known if known != cells)]

    def _grids(self) -> Iterator[Cells]:
        """Grids that were seen, then those that merging cells two by two makes of them."""
        yield from self._known
        yield from self._merged()

    def _merged(self) -> Iterator[Cells]:
        for known in self._known:
            yield tuple(-(-number // 2) for number in known)
            yield tuple(number // 2 for number in known)

    def _learn_size(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        """The size of an image that a convolution takes: a network may have resized it."""
        given = args[0] if args else None
        if not isinstance(module, _ConvNd) or not isinstance(given, Tensor):
            return
        if given.ndim != self._axes + 2 or len(given) != self._batch:
            return
        size = tuple(given.shape[2:])
        is_image = given.shape[1] in (self._channels, 1, 3) and min(size) > 1
        if is_image and size not in (*self._sizes, *self._known, *self._beside):
            self._sizes.append(size)

    def _learn_patches(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        """The grid of patches that a linear layer takes, or that were unfolded."""
        given = args[0] if args else None
        if not isinstance(given, Tensor):
            return
        if isinstance(module, nn.Unfold):
            self._learn(unfolded(module, tuple(given.shape[2:])))
        if isinstance(module, nn.Conv1d) and given.ndim == 3:
            given = given.mT
        elif type(module) not in _CHANNELS_LAST:
            return
        for size in self._sizes:
            cells = patches_taken(given, size, self._channels, self._batch)
            if cells is not None:
                self._learn(cells)
        if not self._known:
            self._learn(patches_of_resized(given, self._sizes[0], self._channels, self._batch))

    def _tokens(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Layout | None:
        """Of (B, N, K), (N, B, K) or (B, K, N)."""
        batch_first = output.shape[0] == self._batch
        if not batch_first and output.shape[1] != self._batch:
            return None
        axis = 0 if batch_first else 1
        if batch_first and isinstance(module, (nn.Conv1d, nn.BatchNorm1d, nn.Unfold)):
            return self._layout(output.transpose(1, 2), axis, channels_last=False)
        given = args[0] if args else None
        if batch_first and self._batch == 2:
            self.chosen.follow(given, output)
            if output in self.chosen:
                return None
        if isinstance(given, Tensor) and given.shape == output.shape:
            # What no image changes is seen before an attention mixes the tokens.
            self._others.note(given.movedim(axis, 0))
        return self._layout(output.movedim(axis, 0), axis, channels_last=True)

    def _layout(self, rows: Tensor, axis: int, channels_last: bool) -> Layout | None:
        """Of tokens (B, N, K), which the layer returns in another order."""
        match = self._match(rows)
        count = rows.shape[1]
        unlikely = match is None
        if match is None:
            match = self._unlikely_match(count)
        if match is None:
            return None
        prefix, grid = match
        if not unlikely:
            self._counts.add(count)
            self._learn(grid)
        layout = tokens(prefix, grid, axis, channels_last)
        number = count - math.prod(grid)
        start = self._others.between(count, number) if prefix == 0 else None
        if start is not None:
            return around(layout, start, number, 1 - axis if channels_last else 2)
        if self._stated == TokenGrid() and not self._others.are_unchanged(count, number):
            places = range(number + 1)
            self.options[layout] = [tokens(place, grid, axis, channels_last) for place in places]
            if unlikely:
                self.unlikely.add(layout)
        return layout

    def _match(self, rows: Tensor) -> tuple[int, Cells] | None:
        """Number of tokens before the cells, and the grid of the cells."""
        count = rows.shape[1]
        prefix = self._stated.prefix_of(count)
        if prefix is not None:
            return prefix, self._stated.grid
        if self._stated.grid:
            return None
        exact = [(0, 0)] if self._stated.prefix is None else [(self._stated.prefix, 0)]
        match = self._fitting(count, exact, self._known)
        if match is not None:
            return match
        self._others.note(rows)
        queries = self._others.are_queries(count)
        grids = self._known if queries else list(self._grids())
        likely = self._others.likely(count, self._grids()) if self._stated.prefix is None else []
        return self._fitting(count, [*exact, *likely], grids)

    def _unlikely_match(self, count: int) -> tuple[int, Cells] | None:
        """Where tokens may be the cells of a grid, and other tokens of any likely number."""
        if self._stated != TokenGrid() or self._batch != 2:
            return None
        fitting = []
        for grid in self._grids():
            number = count - math.prod(grid)
            if 0 < number <= min(_MOST_OTHERS, math.prod(grid)):
                fitting.append((number, grid))
        return min(fitting, default=None)

    def _fitting(
        self, count: int, others: Sequence[tuple[int, int]], grids: Sequence[Cells]
    ) -> tuple[int, Cells] | None:
        for before, behind in others:
            for grid in grids:
                if count == before + math.prod(grid) + behind:
                    return before, grid
        return None


def differs(output: Tensor) -> bool:
    """Whether the two images of a run differ in an output, by more than rounding.

    Args:
        output: (2, …).

    >>> differs(torch.ones(2, 3)), differs(torch.eye(2))
    (False, True)
    """
    if output.ndim == 0 or len(output) != 2:
        return False
    first, second = output.detach().float()
    limit = TOLERANCE * float(first.abs().max()) if first.numel() else 0
    return not bool(((first - second).abs() <= limit).all())


def has_one_cell(shape: Sequence[int]) -> bool:
    """Whether a feature map has one cell alone, as behind a pooling over the whole image.

    Args:
        shape: of an output: batch, then channels and grid in either order.

    >>> has_one_cell((1, 512, 1, 1)), has_one_cell((1, 512, 2, 1)), has_one_cell((1, 512))
    (True, False, False)
    """
    return len(shape) > 3 and sorted(shape[1:])[-2] == 1


def is_attention(output: Tensor) -> bool:
    """Whether an output is all but square, and its last axis holds shares of one.

    So it is behind a softmax over tokens. Channels that a network gates are seldom as many as the
    axis before them.

    Args:
        output: floating-point, of at least two axes.

    >>> is_attention(torch.rand(1, 2, 9, 9).softmax(-1)), is_attention(torch.rand(1, 2, 9, 9))
    (True, False)
    """
    if output.ndim < 3 or abs(output.shape[-1] - output.shape[-2]) > 2 or not output.numel():
        return False
    if output.is_complex():
        return False
    first = output.detach().flatten(0, -3)[:1].float()
    sums = first.sum(-1)
    return bool((first >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-2)
