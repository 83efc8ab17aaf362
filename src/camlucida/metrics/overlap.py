"""The overlap of two masks: Dice and intersection over union, once for the whole package."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import UsageError

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Overlap:
    """Counts of two masks of one size.

    Attributes:
        first, second: pixels of each mask.
        both: pixels in both.
    """

    first: int
    second: int
    both: int

    @property
    def either(self) -> int:
        """Pixels in one mask or the other."""
        return self.first + self.second - self.both

    @property
    def dice(self) -> float:
        """2 |A ∩ B| / (|A| + |B|), in [0, 1]; NaN where both masks are empty.

        Dice 1945.
        """
        total = self.first + self.second
        return 2 * self.both / total if total else float("nan")

    @property
    def iou(self) -> float:
        """|A ∩ B| / |A ∪ B|, in [0, 1]; NaN where both masks are empty.

        Jaccard 1912.
        """
        return self.both / self.either if self.either else float("nan")


def mask_overlap(first: Mask, second: Mask) -> Overlap:
    """The overlap of two masks.

    Args:
        first, second: bool, any rank, of one shape.

    Raises:
        UsageError: the shapes differ.

    >>> overlap = mask_overlap(np.array([True, True, False]), np.array([False, True, True]))
    >>> overlap.dice, round(overlap.iou, 3)
    (0.5, 0.333)
    """
    if first.shape != second.shape:
        raise UsageError(
            f"overlap of masks of {first.shape} and {second.shape}", "give masks of one size"
        )
    return Overlap(int(first.sum()), int(second.sum()), int((first & second).sum()))
