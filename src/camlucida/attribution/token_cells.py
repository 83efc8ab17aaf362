"""Which tokens of a transformer are cells of the image."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from camlucida.models.families import Layout
from camlucida.models.firings import Survey

Cells = Callable[[Tensor], Tensor]
"""Numbers of tokens (T, N) → those of the cells (T, *grid)."""


def token_cells(layers: Survey, count: int) -> Cells | None:
    """How a number a token lies on the grid, class and register tokens left out.

    Args:
        layers: of the model, as they were surveyed.
        count: N, of all tokens.

    Returns:
        None where no layer of so many tokens has a grid.
    """
    known = None
    for readings in layers.layouts.values():
        for axis, rest, layout in readings:
            if len(rest) == 2 and rest[0] == count:
                known = _cells(layout, axis)
    return known


def _cells(layout: Layout, batch_axis: int) -> Cells:
    def cells(values: Tensor) -> Tensor:
        return layout.to_grid(values[..., None].movedim(0, batch_axis))[:, 0]

    return cells
