"""Small spots of an image, and where the cells of a layer follow them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_SPOT = 1 / 8
"""Size of a spot, in shares of an axis."""

SPOTS = (
    ((0.85, 0.2, 0.15), _SPOT),
    ((0.2, 0.85, 0.8), _SPOT),
    ((0.35, 0.15, 0.65), _SPOT),
    ((0.65, 0.03, 0.97), _SPOT / 2),
    ((0.5, 0.97, 0.03), _SPOT / 2),
)
"""Middles of spots, in shares of slices, rows and columns, and their sizes; of an image, the last
two axes count. A shift round the border moves those in the corners far away."""

_FOLLOWS, _FEW = 0.2, 0.25
"""By how much a cell changes that follows a spot, as a share of the largest change; and the share
of cells that may follow one in a layer that keeps places."""

_AWAY = (1.25, 0.1)
"""How far from its place a spot is seen elsewhere: in cells, and in shares of the axis."""

_AT_PLACE = 0.4
"""What cells at a spot's place change by at most, relative to the largest change, if it is seen
elsewhere."""


def region_of(
    middles: Sequence[float], size: Sequence[int], share: float = _SPOT
) -> tuple[tuple[slice, ...], tuple[float, ...]]:
    """Where a spot lies.

    Args:
        middles: of the spot, in shares of the axes.
        size: of the image in pixels, an axis each.
        share: of each axis that the spot takes.

    Returns:
        The region of images (B, C, *spatial), and its true middle in shares of the axes.

    >>> region_of((0.5, 0.25), (32, 16))[1]
    (0.5, 0.25)
    """
    region, place = [slice(None), slice(None)], []
    for middle, pixels in zip(middles, size):
        half = max(1, round(pixels * share / 2))
        first, end = max(0, round(pixels * middle) - half), round(pixels * middle) + half
        end = min(end, pixels)
        region.append(slice(first, end))
        place.append((first + end) / 2 / pixels)
    return tuple(region), tuple(place)


def is_in_few_cells(change: Tensor) -> bool:
    """Whether a small part of a grid follows a spot: the layer keeps places.

    Args:
        change: (*grid) by how much each cell follows.

    >>> is_in_few_cells(torch.eye(8)), is_in_few_cells(torch.ones(8, 8))
    (True, False)
    """
    return float((change > _FOLLOWS * change.amax()).float().mean()) <= _FEW


@dataclass(frozen=True)
class Spot:
    """A spot of the image, and how a layer's cells follow it.

    Attributes:
        place: of its middle, in shares of the axes.
        change: (*grid) by how much each cell follows.
    """

    place: tuple[float, ...]
    change: Tensor

    def is_away(self, mirrored: Sequence[int]) -> bool:
        """Whether the cells that follow it are not those of its place.

        Args:
            mirrored: axes on which places count from the other end.
        """
        near = self.change
        distant = False
        for axis, middle in enumerate(_middle(self.change)):
            place = 1 - self.place[axis] if axis in mirrored else self.place[axis]
            cells = self.change.shape[axis]
            distant = distant or abs(place - middle) > max(_AWAY[0] / cells, _AWAY[1])
            reach = max(1, round(cells * _SPOT / 2))  # of the spot itself
            first = max(0, round(place * cells) - reach)
            near = near.narrow(axis, first, min(2 * reach, cells - first))
        return distant and float(near.amax()) < _AT_PLACE * float(self.change.amax())


def _middle(change: Tensor) -> tuple[float, ...]:
    """The middle of what follows a spot, in shares of the axes.

    >>> _middle(torch.eye(4)[:1])
    (0.5, 0.125)
    """
    weight = change.square()
    middle = []
    for axis, cells in enumerate(change.shape):
        places = (torch.arange(cells, device=change.device) + 0.5) / cells
        middle.append(float((along(weight, axis) * places).sum() / weight.sum()))
    return tuple(middle)


def along(response: Tensor, axis: int) -> Tensor:
    """What follows, summed over all axes but one.

    Args:
        response: (*grid).
        axis: of the grid.

    >>> along(torch.ones(2, 3), 1)
    tensor([2., 2., 2.])
    """
    return response.movedim(axis, 0).reshape(response.shape[axis], -1).sum(1)
