"""Tokens beside the cells: class tokens, registers, queries, positions.

What no image changes is no cell. It is seen in two different images, before an attention mixes the
tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import Tensor

TOLERANCE = 1e-5
"""Relative to a tensor's largest value: what the arithmetic of two equal images may differ by."""

_CHANNELS = 16
"""Channels by which tokens are compared: enough to tell an image, few enough to cost nothing."""

_USUAL_PREFIXES = (1, 2)
"""A class token, or one and a distillation token, of networks that do not show their number."""


class OtherTokens:
    """Which tokens no image changes, by the number of all tokens.

    >>> import torch
    >>> others, images = OtherTokens(), torch.arange(2.0).reshape(2, 1, 1).expand(2, 9, 4)
    >>> others.note(torch.cat([torch.ones(2, 1, 4), images], 1))
    >>> others.likely(10, [(3, 3)]), others.are_unchanged(10, 1)
    ([(1, 0)], True)
    >>> others.are_unchanged(10, 2)
    False
    """

    def __init__(self) -> None:
        self._ends: dict[int, tuple[int, int]] = {}
        self._inner: dict[int, tuple[int, int]] = {}
        self._seen: list[tuple[int, int]] = []

    def note(self, rows: Tensor) -> None:
        """Note, at the first sight of so many tokens, which of them no image changes.

        Rows that no image changes are positions, or queries, which depend on it later.

        Args:
            rows: (B, N, K), of two images where they are there.
        """
        count = rows.shape[1]
        if self._ends.get(count, (count, 0)) != (count, 0):
            return
        ends = _unchanged_ends(rows[..., :_CHANNELS]) if len(rows) == 2 else (0, 0)
        first = self._ends.setdefault(count, ends)
        self._ends[count] = ends if sum(ends) else first
        if len(rows) == 2 and not sum(ends):
            self._inner[count] = _unchanged_inside(rows[..., :_CHANNELS])

    def are_queries(self, count: int) -> bool:
        """Whether no image changed any of so many tokens, where they were seen.

        Args:
            count: of tokens, which were seen.
        """
        return self._ends[count] == (count, 0)

    def are_unchanged(self, count: int, number: int) -> bool:
        """Whether so many tokens are known to be no cells.

        Args:
            count: of all tokens.
            number: of those beside the cells.
        """
        return number == sum(self._ends.get(count, (0, 0))) or number == 0

    def between(self, count: int, number: int) -> int | None:
        """The number of cells before tokens that stand between cells.

        Args:
            count: of all tokens.
            number: of those beside the cells.

        Returns:
            None where the tokens beside the cells are not between them.
        """
        start, others = self._inner.get(count, (0, 0))
        return start if 0 < others == number else None

    def likely(self, count: int, grids: Iterable[tuple[int, ...]]) -> list[tuple[int, int]]:
        """How many tokens before and behind the cells no image changes, likely numbers first.

        Those between the cells count as behind them.

        Args:
            count: of all tokens, which were seen.
            grids: that the cells may have.
        """
        cells = {math.prod(grid) for grid in grids}
        ends = self._ends[count]
        _, inner = self._inner.get(count, (0, 0))
        if inner and count - inner in cells:
            return [(0, inner)]
        if sum(ends) and count - sum(ends) in cells:
            self._seen = [ends, *(other for other in self._seen if other != ends)]
        return list(self._seen) or [(prefix, 0) for prefix in _USUAL_PREFIXES]


def _unchanged_ends(rows: Tensor) -> tuple[int, int]:
    """How many tokens at the beginning and at the end are equal in both images."""
    changed = _changed(rows).nonzero().flatten().tolist()
    count = rows.shape[1]
    if not changed:
        return count, 0
    return changed[0], count - 1 - changed[-1]


def _unchanged_inside(rows: Tensor) -> tuple[int, int]:
    """Where tokens that are equal in both images begin and how many; (0, 0) if they are apart."""
    unchanged = (~_changed(rows)).nonzero().flatten().tolist()
    if not unchanged or unchanged[-1] - unchanged[0] != len(unchanged) - 1:
        return 0, 0
    return unchanged[0], len(unchanged)


def _changed(rows: Tensor) -> Tensor:
    """(N,) bool: which tokens of (2, N, K) differ between the two images."""
    first, second = rows.detach().float().unbind()
    return (first - second).abs().amax(1) > TOLERANCE * float(first.abs().max())
