"""Occlusion."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from camlucida.attribution.input_probe import InputProbe
from camlucida.attribution.methods.base import method

CELLS = 16
"""Cells an axis; the occluding window covers two by two of them."""


@method(
    "occlusion",
    "Occlusion",
    "Zeiler & Fergus 2014, ECCV, Section 4.2",
    kind="input",
    cost="1 + 225 forwards",
    description=(
        "the mean fall of the score when a window of an eighth of each side is covered "
        "[@zeiler2014]"
    ),
    formula="mean fall of the covering windows",
    use="what the score loses when a place is hidden",
    avoid="evidence spread over more than a window",
)
def occlusion(probe: InputProbe) -> Tensor:
    """Mean fall of the score when a window that covers the cell is set to zero.

    The image is divided into 16 cells an axis. A window of two cells an axis goes over it by steps
    of one; ``L(cell)`` is the mean of ``y − y'`` over the windows that cover it. Covered pixels are
    0 on the model's scale: with ``mean`` and ``std`` a mid-grey.

    Args:
        probe: one image.

    Returns:
        (T, *cells), signed, in score units.

    Each window hides four of nine equal pixels here, 4/9 of the score:

    >>> from camlucida import explain
    >>> net = torch.nn.Sequential(torch.nn.AvgPool2d(3), torch.nn.Flatten())
    >>> (explanation,) = explain(net, torch.ones(1, 1, 3, 3), 0, "occlusion")
    >>> explanation.raw.round(decimals=3)
    tensor([[0.4440, 0.4440, 0.4440],
            [0.4440, 0.4440, 0.4440],
            [0.4440, 0.4440, 0.4440]])
    """
    size = probe.inputs.shape[2:]
    edges = [_edges(side) for side in size]
    windows = list(product(*(range(max(len(axis) - 2, 1)) for axis in edges)))
    total = probe.scores.new_zeros(len(probe.scores), *(len(axis) - 1 for axis in edges))
    count = torch.zeros_like(total[0])
    probe.steps.expect(len(windows))
    for start in range(0, len(windows), probe.batch_size):
        part = windows[start : start + probe.batch_size]
        falls = probe.scores[:, None] - probe.score(_covered(probe.inputs, part, edges))
        for number, window in enumerate(part):
            cells = tuple(slice(first, first + 2) for first in window)
            total[(slice(None), *cells)] += falls[:, number].reshape(-1, *(1,) * len(size))
            count[cells] += 1
    return total / count


def _edges(side: int) -> list[int]:
    """Pixels at which the cells of an axis begin, and its end."""
    cells = min(CELLS, side)
    return [round(number * side / cells) for number in range(cells + 1)]


def _covered(
    image: Tensor, windows: Sequence[Sequence[int]], edges: Sequence[Sequence[int]]
) -> Tensor:
    """A copy of the image (1, C, *spatial) for each window, which is 0 in it."""
    copies = image.expand(len(windows), *image.shape[1:]).clone()
    for number, window in enumerate(windows):
        pixels = tuple(
            slice(axis[first], axis[min(first + 2, len(axis) - 1)])
            for first, axis in zip(window, edges)
        )
        copies[number, :][(slice(None), *pixels)] = 0
    return copies
