"""Images for a check that is too dear for all of them: of as many patients as possible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

IMAGES = 16
"""Images whose maps are computed again with random weights.

Of patients of their own they tell independent maps apart (see scripts/simulate_gate.py).
"""


class FewImages(Generic[T]):
    """At most ``most`` images: the first one of each patient, then further ones of the same.

    Two images of a patient are alike, so that they are hardly more evidence than one. No more
    than ``most`` images are held at any time.

    >>> few = FewImages(3)
    >>> for name in ("a1", "a2", "a3", "b1", "b2"):
    ...     few.add(name, patient=name[0])
    >>> list(few)
    ['a1', 'a2', 'b1']
    """

    def __init__(self, most: int = IMAGES) -> None:
        self._most = most
        self._images: list[tuple[T, str]] = []

    def __iter__(self) -> Iterator[T]:
        """In the order in which they were added."""
        return (image for image, _ in self._images)

    def add(self, image: T, patient: str) -> None:
        """Keep an image where there is room, or where it is of a new patient and another is not.

        Args:
            image: any object that stands for it.
            patient: whose it is.
        """
        if len(self._images) == self._most:
            further = self._last_further()
            if further is None or any(patient == kept for _, kept in self._images):
                return
            del self._images[further]
        self._images.append((image, patient))

    def _last_further(self) -> int | None:
        """Position of the last image whose patient has one before it."""
        patients = [patient for _, patient in self._images]
        for position in reversed(range(len(patients))):
            if patients[position] in patients[:position]:
                return position
        return None
