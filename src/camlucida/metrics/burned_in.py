"""Letters that are burned into a film: side markers, and lines of text, which may name a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from camlucida.core.errors import ImageError
from camlucida.core.messages import Message, Value, declare
from camlucida.io.tables import listing
from camlucida.metrics.annotations import Floats, Mask

declare(
    "privacy",
    {
        "letters": (
            "letters seem to be burned into the film, and every picture of it shows them: look "
            "before it is passed on"
        ),
        "marker": (
            "what seems to be a side marker or a single letter is in the film; no line of text was "
            "found"
        ),
        "letters_in": (
            "letters seem to be burned into {count} {count:|image|images}, and pictures show them: "
            "look before one is passed on ({names})"
        ),
        "marker_in": (
            "what seems to be a side marker or a single letter is in {count} "
            "{count:|image|images}, where no line of text was found ({names})"
        ),
    },
)

LETTERS, MARKER = Message("privacy.letters"), Message("privacy.marker")

TEXT_STROKE = 0.02
"""Strokes of letters are narrower than this share of the shorter side of the image."""

TEXT_CONTRAST = 0.3
"""How much brighter a stroke is than what lies beside it, as a share of the range of the image."""

TEXT_SIDES = (0.01, 0.15)
"""The longer side of a letter or word, as shares of the shorter side of the image."""

TEXT_PIXELS = 512
"""Of the shorter side, from twice of which a picture is looked at in coarser pixels."""

BYTES = 255
"""The highest level of a picture that is searched for lines."""

LINE_CONTRAST = 0.2
"""As :data:`TEXT_CONTRAST`, of a letter in a line: what forms a line may be fainter."""

LINE_SIDES = (0.006, 0.15)
"""As :data:`TEXT_SIDES`, of a letter in a line."""

LINE_HEIGHT = 4
"""Pixels of the lowest letters in a line: lower ones cannot be read."""

LINE_GAP = 1.2
"""Widest gap in a line, in heights of its letters."""

UPWARD_GAP = 0.6
"""As :data:`LINE_GAP`, of a line that runs upwards or downwards: narrower than between the wires
of a sternum, which lie one below the other."""

LINE_WIDTH = 2.0
"""Narrowest line, in heights of its letters."""

LINE_STROKES = 3
"""Strokes that half of the rows of pixels in a line cross at least. A side marker has fewer."""

TEXT_MARGIN = 0.01
"""Letters are widened by this share of the shorter side, which joins them to words and covers their
edges.
"""

Box = tuple[slice, slice]
"""Rows and columns of a part of a picture."""


def text_region(image: ArrayLike) -> Mask:
    """Where letters or side markers seem to be burned in, by a simple rule.

    Strokes are pixels whose white top-hat (image − its opening by a square of ``TEXT_STROKE``) is
    at least ``TEXT_CONTRAST``. A letter is a connected part of them (8-neighbourhood) whose longer
    side lies within ``TEXT_SIDES`` and which does not touch the edge of the image, as cut-off
    bright borders do. Letters are widened by ``TEXT_MARGIN``.

    It misses inverted text (which :func:`burned_in` finds), letters on white bone and letters cut
    by the edge. It takes small metal (clips, leads) and now and then the thin end of a bone for
    text: give a region where that matters.

    Args:
        image: (H, W) of intensities in any unit.

    Returns:
        (H, W), empty where there is no text.

    Raises:
        ImageError: not (H, W), or not finite.

    >>> bool(text_region(np.zeros((8, 8))).any())
    False
    """
    grey = as_grey(image)
    letters, boxes = _letters(_hat(grey), TEXT_CONTRAST * float(np.ptp(grey)), TEXT_SIDES)
    if not boxes:
        return letters
    margin = max(1, round(TEXT_MARGIN * min(letters.shape)))
    return np.asarray(ndimage.distance_transform_edt(~letters) <= margin, np.bool_)


def _hat(levels: NDArray[Any]) -> NDArray[Any]:
    """How much brighter each pixel is than what is wider than a stroke around it."""
    stroke = max(3, round(TEXT_STROKE * min(levels.shape)))
    # An opening is nowhere above the levels: unsigned numbers stay what they are.
    return np.asarray(levels - _opened(levels, stroke))


def _letters(hat: NDArray[Any], least: float, sides: tuple[float, float]) -> tuple[Mask, list[Box]]:
    """(H, W), the strokes of what may be letters, and the box of each.

    Args:
        hat: of :func:`_hat`.
        least: level of a stroke; 0 of a picture of one level, which has none.
        sides: as :data:`TEXT_SIDES`.
    """
    strokes = hat >= least if least else np.zeros(hat.shape, np.bool_)
    labels, _ = ndimage.label(strokes, np.ones((3, 3)))
    boxes = ndimage.find_objects(labels)
    kept = [_is_letter(box, hat.shape, sides) for box in boxes]
    letters = np.array([False, *kept], np.bool_)[labels]
    return letters, [box for box, keep in zip(boxes, kept, strict=True) if keep]


def _is_letter(box: Box, shape: tuple[int, ...], sides: tuple[float, float]) -> bool:
    """Whether a part of a picture has the size of a letter, and is not cut by the edge."""
    rows, columns = box
    longer, side = max(rows.stop - rows.start, columns.stop - columns.start), min(shape)
    is_whole = (
        rows.start > 0 and rows.stop < shape[0] and columns.start > 0 and columns.stop < shape[1]
    )
    return bool(is_whole and max(3, sides[0] * side) <= longer <= sides[1] * side)


def _opened(levels: NDArray[Any], size: int) -> NDArray[Any]:
    """The grey opening of (H, W) by a square, as SciPy's, whose time is that of floats.

    Of whole numbers of few bits this takes a tenth of it.
    """
    before, after = size // 2, (size - 1) // 2
    for axis in (0, 1):
        levels = _extremes(np.minimum, levels, (before, after), axis)
    for axis in (0, 1):
        levels = _extremes(np.maximum, levels, (after, before), axis)
    return levels


def _extremes(
    extreme: np.ufunc, levels: NDArray[Any], reach: tuple[int, int], axis: int
) -> NDArray[Any]:
    """The extreme of each pixel and those up to ``reach`` before and after it along an axis."""
    widths = [(0, 0), (0, 0)]
    widths[axis] = reach
    lines = np.moveaxis(np.pad(levels, widths, "symmetric"), axis, 0)
    size, run = sum(reach) + 1, 1
    while 2 * run <= size:  # each line holds the extreme of so many from it on
        lines = extreme(lines[:-run], lines[run:])
        run *= 2
    if run < size:
        lines = extreme(lines[: run - size], lines[size - run :])
    return np.moveaxis(lines, 0, axis)


def burned_in(picture: ArrayLike) -> Literal["", "marker", "text"]:
    """What seems to be burned into a picture: lines of text, side markers or single letters alone.

    Letters of a line, bright or dark, stand beside each other and are of a height, whatever they
    say; a line of letters that run together counts as well, and so does one that runs upwards or
    downwards. Bright letters that stand alone, as on a side marker, and small metal are no line.

    Args:
        picture: (H, W) or (H, W, 3) of intensities. A large one is looked at in coarser pixels.

    Raises:
        ImageError: not finite.

    >>> burned_in(np.zeros((8, 8)))
    ''
    """
    levels = _as_bytes(_coarse(np.asarray(picture)))
    hat = _hat(levels)
    for each in (hat, _hat(~levels)):
        letters, boxes = _letters(each, round(LINE_CONTRAST * BYTES), LINE_SIDES)
        upward = [box[::-1] for box in boxes]
        if _has_line(letters, boxes, LINE_GAP) or _has_line(letters.T, upward, UPWARD_GAP):
            return "text"
    _, boxes = _letters(hat, round(TEXT_CONTRAST * BYTES), TEXT_SIDES)
    return "marker" if boxes else ""


def _coarse(levels: NDArray[Any]) -> NDArray[Any]:
    """(H, W), grey, the sums of blocks of pixels so that a side is not much above
    :data:`TEXT_PIXELS`."""
    step = max(1, min(levels.shape[:2]) // TEXT_PIXELS)
    height, width = (side // step * step for side in levels.shape[:2])
    number = np.dtype(np.float64)
    if levels.dtype.kind == "u" and levels.itemsize <= 4:
        number = np.min_scalar_type(int(np.iinfo(levels.dtype).max) * step**2)
    lines = np.zeros((height // step, *levels.shape[1:]), number)
    for row in range(step):
        lines += levels[row:height:step]
    coarse = np.zeros((height // step, width // step, *levels.shape[2:]), number)
    for column in range(step):
        coarse += lines[:, column:width:step]
    return coarse if coarse.ndim == 2 else coarse.mean(axis=2)


def _as_bytes(levels: NDArray[Any]) -> NDArray[np.uint8]:
    """The levels stretched to 0 … 255, whose opening takes a small part of that of floats.

    Raises:
        ImageError: not finite, or none.
    """
    grey = levels if levels.dtype.kind == "u" and levels.size else as_grey(levels)
    low = grey.min()
    span = float(grey.max()) - float(low)
    if not span:
        return np.zeros(grey.shape, np.uint8)
    return np.asarray((grey - low) * np.float32(BYTES / span), np.uint8)


def _has_line(letters: Mask, boxes: Sequence[Box], gap: float) -> bool:
    """Whether some of the letters stand beside each other as a line of text."""
    return any(_is_line(letters, row) for row in _rows_of_letters(boxes, gap))


def _rows_of_letters(boxes: Sequence[Box], gap: float) -> Iterator[list[Box]]:
    """The boxes of letters that stand beside each other and are of a height, from left to right.

    Args:
        boxes: of letters.
        gap: widest in a line, in heights of its letters.
    """
    high = [box for box in boxes if _height(box) >= LINE_HEIGHT]
    rows: list[list[Box]] = []
    for box in sorted(high, key=lambda each: int(each[1].start)):
        yield from (row for row in rows if _has_ended(row[-1], box, gap))
        rows = [row for row in rows if not _has_ended(row[-1], box, gap)]
        row = next((row for row in rows if _goes_on(row[-1], box, gap)), None)
        if row is None:
            rows.append([box])
        else:
            row.append(box)
    yield from rows


def _has_ended(last: Box, box: Box, gap: float) -> bool:
    """Whether neither a letter nor one to the right of it can follow another in a line."""
    return bool(box[1].start - last[1].stop > 2 * gap * _height(last))


def _height(box: Box) -> int:
    return int(box[0].stop - box[0].start)


def _goes_on(last: Box, box: Box, gap: float) -> bool:
    """Whether a letter follows another in a line."""
    low, high = sorted((_height(last), _height(box)))
    beside = min(last[0].stop, box[0].stop) - max(last[0].start, box[0].start)
    distance = box[1].start - last[1].stop
    return bool(high <= 2 * low and 2 * beside >= low and distance <= gap * high)


def _is_line(letters: Mask, boxes: Sequence[Box]) -> bool:
    """Whether letters beside each other are wide enough, and of enough strokes, to be text."""
    rows = slice(min(box[0].start for box in boxes), max(box[0].stop for box in boxes))
    columns = slice(boxes[0][1].start, max(box[1].stop for box in boxes))
    if columns.stop - columns.start < LINE_WIDTH * float(np.median(list(map(_height, boxes)))):
        return False
    begins = np.diff(letters[rows, columns].astype(np.int8), axis=1, prepend=0) == 1
    return bool(np.median(begins.sum(axis=1)) >= LINE_STROKES)


def letters_warning(picture: ArrayLike | None) -> tuple[Message, ...]:
    """A warning where letters or side markers seem to be burned in; none elsewhere.

    Args:
        picture: as of :func:`burned_in`; None where there is none, as of a volume.

    >>> letters_warning(None)
    ()
    """
    kind = "" if picture is None else burned_in(picture)
    return {"": (), "marker": (MARKER,), "text": (LETTERS,)}[kind]


def letters_notes(names: Sequence[str], with_marker: Sequence[str]) -> list[Message]:
    """A note of all images with :data:`LETTERS`, and one of those with :data:`MARKER`.

    Args:
        names: of the former; one that is there again, as of another model, counts once.
        with_marker: names of the latter.

    >>> letters_notes([], [])
    []
    """
    of_code = {
        "letters_in": list(dict.fromkeys(names)),
        "marker_in": list(dict.fromkeys(with_marker)),
    }
    return [_note(code, given) for code, given in of_code.items() if given]


def _note(code: str, names: Sequence[str]) -> Message:
    values: dict[str, Value] = {"count": len(names), "names": listing(names)}
    return Message(f"privacy.{code}", values)


def as_grey(image: ArrayLike) -> Floats:
    """A grey image in numbers that can be computed with.

    Args:
        image: (H, W).

    Raises:
        ImageError: not (H, W), or not finite.

    >>> as_grey([[0, 1]]).dtype
    dtype('float64')
    """
    grey = np.asarray(image, np.float64)
    if grey.ndim != 2 or not grey.size or not np.isfinite(grey).all():
        unusable = int((~np.isfinite(grey)).sum())
        raise ImageError(
            f"an image of shape {grey.shape} with {unusable} unusable values",
            "give (H, W), finite",
        )
    return grey
