"""The parts that a run will have: which images each holds, and its number; shards of a run.

A part's number follows from the place of its images in the cohort. Workers may end in any order,
and several processes may compute one shard each: the files are those of a run in one process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

from camlucida.core.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """One of several runs that share a cohort.

    Attributes:
        index: of the shard, 1 … ``count``.
        count: number of shards, ≥ 1.
    """

    index: int
    count: int

    @staticmethod
    def parse(text: str) -> Shard:
        """The shard that ``i/n`` names.

        Args:
            text: number of the shard from 1, and the number of shards.

        Raises:
            UsageError: it has another form, or i is not in 1 … n.

        >>> Shard.parse("2/8")
        Shard(index=2, count=8)
        >>> Shard.parse("0/8")
        Traceback (most recent call last):
        camlucida.core.errors.UsageError: --shard 0/8: shards are numbered 1/8 … 8/8 (...)
        """
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
        if match is None:
            raise UsageError(f"--shard {text} is not of the form i/n", "give --shard 1/4, for one")
        index, count = map(int, match.groups())
        if not 1 <= index <= count:
            fix = "a job array that counts from 0 needs one more: $((INDEX + 1))"
            raise UsageError(
                f"--shard {text}: shards are numbered 1/{count} … {count}/{count}", fix
            )
        return Shard(index, count)

    @property
    def folder(self) -> str:
        """Name of the shard's folder in that of the sharded run.

        >>> Shard(2, 8).folder
        'shard-00002-of-00008'
        """
        return f"shard-{self.index:05d}-of-{self.count:05d}"

    def holds(self, place: int) -> bool:
        """Whether the shard holds the part at a place, from 0, of its model's parts.

        Neighbours go to different shards: the images of one hospital or scanner, which may be
        larger than others, are spread over all shards.

        >>> [Shard(2, 3).holds(place) for place in range(5)]
        [False, True, False, False, True]
        """
        return place % self.count == self.index - 1


WHOLE = Shard(1, 1)
"""A run of all images."""


@dataclass(frozen=True)
class Slot(Generic[T]):
    """A part to be.

    Attributes:
        number: of the part, ≥ 1, unique in the run.
        images: whose results it will hold, in the cohort's order.
    """

    number: int
    images: tuple[T, ...]


def part_slots(
    cohorts: Sequence[Sequence[T]], size: int, shard: Shard = WHOLE
) -> list[list[Slot[T]]]:
    """The parts of each model.

    Args:
        cohorts: the images of each model, all of them.
        size: images of a part, ≥ 1; the last of a model may hold fewer.
        shard: whose parts are returned; their numbers are those of the whole run.

    Returns:
        For each model its slots, in the cohort's order.

    >>> [[slot.number for slot in slots] for slots in part_slots(["abcde", "abc"], 2)]
    [[1, 2, 3], [4, 5]]
    >>> part_slots(["abcde"], 2, Shard(2, 2))
    [[Slot(number=2, images=('c', 'd'))]]
    """
    slots: list[list[Slot[T]]] = []
    first = 1
    for images in cohorts:
        parts = [tuple(part) for part in slices(images, size)]
        of_shard = [place for place in range(len(parts)) if shard.holds(place)]
        slots.append([Slot(first + place, parts[place]) for place in of_shard])
        first += len(parts)
    return slots


def images_of(slots: Sequence[Slot[T]]) -> tuple[T, ...]:
    """The images of some parts, in order.

    >>> images_of([Slot(1, ("a", "b")), Slot(2, ("c",))])
    ('a', 'b', 'c')
    """
    return tuple(chain.from_iterable(slot.images for slot in slots))


def slices(images: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Images in groups.

    Args:
        images: in order.
        size: of a group, ≥ 1; the last may be smaller.

    >>> list(slices("abcde", 2))
    ['ab', 'cd', 'e']
    """
    for start in range(0, len(images), size):
        yield images[start : start + size]
