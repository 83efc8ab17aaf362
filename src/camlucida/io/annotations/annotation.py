"""One annotation of one label in one image: drawn (a mask) or boxed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import ImageError, UsageError
from camlucida.core.messages import Message
from camlucida.core.orientation import Affine
from camlucida.io.annotations.boxes import Floats, as_boxes, from_boxes

Mask = NDArray[np.bool_]
Size = tuple[int, int]
"""(H, W) of an image, in original pixels."""

OVER_EDGE = 1.0
"""Pixels by which boxes and polygons may reach over the edge of the image, for rounding; they are
cut there."""


@dataclass(frozen=True)
class VoxelGrid:
    """The voxels of a volume, as stored.

    Attributes:
        size: (D, H, W).
        affine: (4, 4), (slice, row, column, 1) → mm in the patient.
        oriented: whether the volume's file states directions of the patient.
    """

    size: tuple[int, int, int]
    affine: Affine
    oriented: bool = True


@dataclass(frozen=True)
class AnnotatedImage:
    """The image or volume that an annotation is of.

    Attributes:
        size: (H, W) in original pixels, upright: an EXIF orientation is applied; of a volume that
            of a slice.
        path: its file, for annotations in millimetres; None where it is not known.
        scaled: names of annotations that were drawn at another size and scaled are added here.
        voxels: of a volume; None for an image.
    """

    size: Size
    path: Path | None = None
    scaled: list[str] = field(default_factory=list)
    voxels: VoxelGrid | None = None

    @staticmethod
    def of(size: Size | VoxelGrid, path: Path, scaled: list[str] | None = None) -> AnnotatedImage:
        """The image of a size, or the volume of these voxels.

        Args:
            size: (H, W), or voxels.
            path: of its file.
            scaled: as the attribute; not kept if None.

        >>> AnnotatedImage.of(VoxelGrid((4, 2, 3), np.eye(4)), Path("a.nii")).size
        (2, 3)
        """
        names = [] if scaled is None else scaled
        if isinstance(size, VoxelGrid):
            return AnnotatedImage(size.size[1:], path, names, size)
        return AnnotatedImage(size, path, names)

    def factors(self, where: str, drawn_on: Sequence[int]) -> tuple[float, float]:
        """Factors (x, y) from the size that an annotation was drawn on to the image's.

        Args:
            where: names the annotation.
            drawn_on: (H, W).

        Raises:
            ImageError: the two differ by more than a scale.

        >>> AnnotatedImage((50, 100)).factors("mask a", (100, 200))
        (0.5, 0.5)
        """
        height, width = self.size
        rows, columns = (int(side) for side in drawn_on)
        if (rows, columns) == (height, width):
            return 1.0, 1.0
        # Each raster may have been rounded by one of its pixels.
        difference = abs(rows * width - height * columns)
        if min(rows, columns) < 1 or difference > max(rows, columns, height, width):
            what = f"{where} is {rows}×{columns} for an image of {height}×{width}"
            fix = "bring it to the original pixels of the image, by nearest neighbour"
            if (rows, columns) == (width, height):
                fix = "the image is turned by its EXIF orientation: annotate it upright"
            raise ImageError(what, fix)
        self.scaled.append(where)
        return width / columns, height / rows


Reader = Callable[[str, AnnotatedImage], Mask]
"""(where, image) → mask (H, W) of an annotation; of a volume (D, H, W)."""

_OF_SLICES = "of a volume, masks in NIfTI and DICOM SEG are read"


@dataclass(frozen=True)
class Annotation:
    """A drawn annotation, which is read when its mask is needed.

    Attributes:
        where: file and label, for messages.
        read: (where, image) → mask (H, W); raises ImageError.
    """

    where: str
    read: Reader

    def mask(self, image: AnnotatedImage) -> Mask:
        """The mask (H, W), or (D, H, W) of a volume.

        Args:
            image: that it is of.

        Raises:
            ImageError: it cannot be read, or is of another shape.
        """
        mask = self.read(self.where, image)
        if image.voxels is not None and mask.ndim != 3:
            raise ImageError(f"{self.where} annotates an image, not a volume", _OF_SLICES)
        return mask


@dataclass(frozen=True)
class BoxAnnotation:
    """Boxes of one label in one image.

    Attributes:
        where: file and label, for messages.
        rows: (N, 4) x, y, width, height, as they were written.
        relative: the numbers are shares of the image's width and height.
        drawn_on: (H, W) of the image that they were drawn on; None where the file does not say.
    """

    where: str
    rows: Floats
    relative: bool = False
    drawn_on: Size | None = None

    def boxes(self, image: AnnotatedImage) -> Floats:
        """The boxes, cut at the edge of the image.

        Args:
            image: that they are of.

        Returns:
            (N, 4) of x, y, width, height in pixels.

        Raises:
            ImageError: a box without width or height, or one that reaches outside the image.
        """
        if image.voxels is not None:
            raise ImageError(f"{self.where} is a box in an image, not in a volume", _OF_SLICES)
        height, width = image.size
        factors = (1.0, 1.0)
        if self.drawn_on is not None:
            factors = image.factors(self.where, self.drawn_on)
        if self.relative:
            factors = (float(width), float(height))
        with naming(self.where):
            rows = as_boxes(self.rows) * np.tile(factors, 2)
            first = rows[:, :2]
            last = first + rows[:, 2:]
            for corners in np.hstack([first, last]).tolist():
                check_inside(self.where, corners, image.size)
            low, high = (np.clip(edge, 0, (width, height)) for edge in (first, last))
            return as_boxes(np.hstack([low, high - low]))

    def mask(self, image: AnnotatedImage) -> Mask:
        """The filled boxes.

        Args:
            image: that they are of.

        Returns:
            (H, W) bool.

        Raises:
            ImageError: as :meth:`boxes`; a box that holds no pixel of the image.
        """
        rows = self.boxes(image)
        with naming(self.where):
            return from_boxes(rows, image.size)


NamedAnnotation = tuple[str, str, Annotation]
"""Image and label, as they are written, and what was drawn."""

NamedBoxes = tuple[str, str, BoxAnnotation]
"""Image and label, as they are written, and the boxes."""


@dataclass
class AnnotationSet:
    """The annotations of a file or folder.

    Attributes:
        kind: of the files, for people.
        drawn: masks; each image and label once, but for files of masks.
        boxed: boxes, each image and label once.
        aliases: another name of an image → its name in ``drawn`` and ``boxed``.
        notes: what a reader must know.
        by_uid: images are named by the UID of their DICOM object.
        by_folder: the folder of a file may name the label, so that names of images may hold it.
        files: that hold them.
    """

    kind: str
    drawn: list[NamedAnnotation] = field(default_factory=list)
    boxed: list[NamedBoxes] = field(default_factory=list)
    aliases: Mapping[str, str] = field(default_factory=dict)
    notes: list[Message] = field(default_factory=list)
    by_uid: bool = False
    by_folder: bool = False
    files: list[Path] = field(default_factory=list)


def nothing(where: str, image: AnnotatedImage) -> Mask:
    """The mask (H, W) of an image in which readers found nothing.

    Args:
        where: of the annotation, for messages.
        image: its size.
    """
    return np.zeros(image.size, np.bool_)


def union(parts: Sequence[Reader]) -> Annotation:
    """One annotation of all its parts, named later by :func:`dataclasses.replace`.

    Args:
        parts: reader of each, as of :class:`Annotation`.
    """
    return Annotation("", partial(_united, tuple(parts)))


def _united(parts: Sequence[Reader], where: str, image: AnnotatedImage) -> Mask:
    mask = np.zeros(image.size if image.voxels is None else image.voxels.size, np.bool_)
    for part in parts:
        drawn = part(where, image)
        if drawn.ndim != mask.ndim:  # of a slice, which would be repeated in every one
            raise ImageError(f"{where} annotates an image, not a volume", _OF_SLICES)
        mask |= drawn
    return mask


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
