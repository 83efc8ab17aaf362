"""One annotation of one label in one image: drawn (a mask) or boxed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import ImageError, UsageError
from camlucida.io.annotations.boxes import Floats, as_boxes, from_boxes

Mask = NDArray[np.bool_]
Size = tuple[int, int]
"""(H, W) of an image, in original pixels."""

OVER_EDGE = 1.0
"""Pixels by which boxes and polygons may reach over the edge of the image, for rounding; they are
cut there."""


@dataclass(frozen=True)
class Annotation:
    """A drawn annotation, which is read when its mask is needed.

    Attributes:
        where: file and label, for messages.
        read: (where, size) → mask (H, W); raises ImageError.
    """

    where: str
    read: Callable[[str, Size], Mask]

    def mask(self, size: Size) -> Mask:
        """The mask (H, W).

        Args:
            size: (H, W) of the image.

        Raises:
            ImageError: it cannot be read, or is of another size.
        """
        return self.read(self.where, size)


@dataclass(frozen=True)
class BoxAnnotation:
    """Boxes of one label in one image.

    Attributes:
        where: file and label, for messages.
        rows: (N, 4) x, y, width, height, as they were written.
    """

    where: str
    rows: Floats

    def boxes(self, size: Size) -> Floats:
        """The boxes, cut at the edge of the image.

        Args:
            size: (H, W) of the image.

        Returns:
            (N, 4) of x, y, width, height in pixels.

        Raises:
            ImageError: a box without width or height, or one that reaches outside the image.
        """
        height, width = size
        with naming(self.where):
            rows = as_boxes(self.rows)
            first = rows[:, :2]
            last = first + rows[:, 2:]
            for corners in np.hstack([first, last]).tolist():
                check_inside(self.where, corners, size)
            low, high = (np.clip(edge, 0, (width, height)) for edge in (first, last))
            return as_boxes(np.hstack([low, high - low]))

    def mask(self, size: Size) -> Mask:
        """The filled boxes.

        Args:
            size: (H, W) of the image.

        Returns:
            (H, W) bool.

        Raises:
            ImageError: as :meth:`boxes`; a box that holds no pixel of the image.
        """
        rows = self.boxes(size)
        with naming(self.where):
            return from_boxes(rows, size)


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Turn errors on one annotation into an ImageError that names it: it costs that image alone.

    Args:
        where: names the annotation.

    Raises:
        ImageError: the body raised UsageError, TypeError or ValueError.

    >>> with naming("box 1"):
    ...     as_boxes([[0, 0, 0, 0]])
    Traceback (most recent call last):
        ...
    camlucida.core.errors.ImageError: box 1: a box without width or height (give x, y, width, \
height in pixels, the last two above 0)
    """
    try:
        yield
    except UsageError as error:
        raise ImageError(f"{where}: {error.what}", error.fix) from error
    except (TypeError, ValueError) as error:
        raise ImageError(
            f"{where}: {type(error).__name__}: {error}",
            "the file is damaged, or of another structure",
        ) from error


def check_inside(where: str, corners: Sequence[float], size: Size) -> None:
    """Check that an annotation lies inside its image.

    Args:
        where: names the annotation.
        corners: left, top, right, bottom.
        size: (H, W) of the image.

    Raises:
        ImageError: it reaches further outside than :data:`OVER_EDGE`.

    >>> check_inside("box 1", (0, 0, 10, 10), (20, 20))
    """
    left, top, right, bottom = corners
    height, width = size
    if min(left, top) < -OVER_EDGE or right > width + OVER_EDGE or bottom > height + OVER_EDGE:
        extent = f"from x {left:g}, y {top:g} to x {right:g}, y {bottom:g}"
        raise ImageError(
            f"{where} reaches {extent}, outside the image of {height}×{width}",
            "give original pixels",
        )
