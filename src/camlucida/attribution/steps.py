"""How far a method of many forward passes is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int, int], object]
"""Called with the number of altered images that were run, and of those that will be."""


def unreported(done: int, total: int) -> None:
    """Nobody waits for the progress."""


@dataclass
class Steps:
    """The altered images of one map: how many were run, of how many.

    Attributes:
        report: called whenever some were run.
        done: altered images that were run.
        total: that will be run, as far as is known.

    >>> steps = Steps(report=print)
    >>> steps.expect(5)  # the method divides its work itself
    >>> for batch in (3, 2):
    ...     steps.begin(batch)
    ...     steps.end(batch)
    3 5
    5 5
    """

    report: Progress = unreported
    done: int = 0
    total: int = 0

    def expect(self, count: int) -> None:
        """A method that runs its images in several calls says at first how many there are.

        Args:
            count: of images to come.
        """
        self.total = self.done + count

    def begin(self, count: int) -> None:
        """A call begins.

        Args:
            count: of its images.
        """
        self.total = max(self.total, self.done + count)

    def end(self, count: int) -> None:
        """Images were run.

        Args:
            count: of them.
        """
        self.done += count
        self.report(self.done, self.total)
