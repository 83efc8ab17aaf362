"""The contour of half a map's maximum and its peak, drawn into pixels; matplotlib is not needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from camlucida.core.regions import MASK_FRACTION

Points = NDArray[np.float64]

FINEST = 512
"""Pixels on the longer side on which the contour is computed."""

SMOOTH = 256
"""The same of a map that is interpolated from a grid of a few cells, which has no finer line."""

SMALLEST = 64
"""Pixels on the longer side of an image from which lines are drawn into its pixels."""

LIGHT, DARK = "white", "black"


def draw_marks(
    picture: Image.Image,
    size: Sequence[int],
    contours: Sequence[Points],
    top: tuple[float, float],
) -> None:
    """Draw contours and a cross into a picture, to show on black and on white.

    Args:
        picture: of the whole image, at any size; one below :data:`SMALLEST` stays as it is.
        size: (H, W) of the map that the points are of.
        contours: of :func:`half_maximum`.
        top: row and column of :func:`peak`.
    """
    longest = max(picture.size)
    if longest < SMALLEST:
        return
    scale = picture.height / size[0], picture.width / size[1]
    draw = ImageDraw.Draw(picture)
    thin = max(1, round(longest / 600))
    lines = [_pixels(line, scale) for line in contours]
    x, y = _pixels(np.array([top]), scale)
    lines += _cross(x, y, longest / 70)
    for colour, width in ((DARK, 3 * thin), (LIGHT, thin)):
        for line in lines:
            draw.line(line, fill=colour, width=width)


def draw_lines(
    picture: Image.Image, size: Sequence[int], lines: Sequence[Points], colour: str
) -> None:
    """Draw lines into a picture, in one colour on a dark rim.

    Args:
        picture: of the whole image, at any size.
        size: (H, W) of the map that the points are of.
        lines: of :func:`half_maximum`.
        colour: of Pillow.
    """
    scale = picture.height / size[0], picture.width / size[1]
    draw, thin = ImageDraw.Draw(picture), max(2, round(max(picture.size) / 400))
    for drawn, width in ((DARK, thin + 2), (colour, thin)):
        for line in lines:
            draw.line(_pixels(line, scale), fill=drawn, width=width)


def draw_box(
    picture: Image.Image, size: Sequence[int], box: tuple[float, float, float, float]
) -> None:
    """Draw the box of a detector into a picture, dashed: lines that are whole are of the map.

    Args:
        picture: of the whole image, at any size; one below :data:`SMALLEST` stays as it is.
        size: (H, W) of the image that the box is of.
        box: left, top, right, bottom in its pixels.
    """
    longest = max(picture.size)
    if longest < SMALLEST:
        return
    across, down = picture.width / size[1], picture.height / size[0]
    left, right = box[0] * across, min(box[2] * across, picture.width - 1)
    top, bottom = box[1] * down, min(box[3] * down, picture.height - 1)
    draw, thin = ImageDraw.Draw(picture), max(1, round(longest / 400))
    draw.rectangle((left, top, right, bottom), outline=DARK, width=thin + 2)
    dash = max(4, round(longest / 60))
    for x in np.arange(left, right, 2 * dash):
        for y in (top, bottom):
            draw.line((x, y, min(x + dash, right), y), fill=LIGHT, width=thin)
    for y in np.arange(top, bottom, 2 * dash):
        for x in (left, right):
            draw.line((x, y, x, min(y + dash, bottom)), fill=LIGHT, width=thin)


def peak(values: NDArray[np.floating]) -> tuple[float, float]:
    """Row and column of the maximum; of a flat top, its middle.

    Args:
        values: (H, W).

    >>> peak(np.array([[0.0, 0.0, 0.0], [0.0, 2.0, 2.0]]))
    (1.0, 1.5)
    """
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    is_top = values >= values[row, column] * (1 - 1e-6)
    down = _run(is_top[:, column], int(row))
    across = _run(is_top[round(down)], int(column))
    return down, across


def half_maximum(
    values: NDArray[np.floating],
    maximum: float | None = None,
    finest: int = FINEST,
    fraction: float = MASK_FRACTION,
) -> list[Points]:
    """Closed lines round the parts of a map that are at least half of its maximum.

    Args:
        values: (H, W); its maximum is above 0.
        maximum: of the whole map, where ``values`` are a plane of it; None for that of ``values``.
        finest: pixels on the longer side on which the lines are computed.
        fraction: of the maximum, in (0, 1], in place of a half.

    Returns:
        (N, 2) rows and columns of each line, in pixels.

    >>> square = np.zeros((5, 5))
    >>> square[2, 2] = 1.0
    >>> [line.shape for line in half_maximum(square)]
    [(5, 2)]
    """
    from skimage.measure import find_contours  # slow to import

    contours: Any = find_contours  # untyped
    step = max(1, -(-max(values.shape) // finest))
    coarse = values[::step, ::step]
    top = float(coarse.max()) if maximum is None else maximum
    corner, part = _with_margin(coarse, fraction * top)
    lines = contours(part, fraction * top)
    high = np.array(values.shape) - 0.5
    return [np.clip((line + corner) * step, -0.5, high) for line in lines]


def _with_margin(
    values: NDArray[np.floating], level: float
) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """The part that holds all values from a level up, with one more on each side.

    Returns:
        Row and column of its corner, and the part; 0 outside of the map, so that a line is closed
        at its border.
    """
    is_high = values >= level
    rows, columns = np.flatnonzero(is_high.any(1)), np.flatnonzero(is_high.any(0))
    if not len(rows):
        return np.zeros(2, np.int64), np.zeros((2, 2))
    top, left, bottom, right = rows[0], columns[0], rows[-1] + 3, columns[-1] + 3
    padded = np.pad(values, 1)
    return np.array([top, left]) - 1, padded[top:bottom, left:right]


def _run(is_top: NDArray[np.bool_], start: int) -> float:
    """The middle of the run of True that ``start`` is in."""
    before = np.flatnonzero(~is_top[:start])
    after = np.flatnonzero(~is_top[start:])
    first = int(before[-1]) + 1 if before.size else 0
    last = start + int(after[0]) - 1 if after.size else len(is_top) - 1
    return (first + last) / 2


def _pixels(line: Points, scale: tuple[float, float]) -> list[float]:
    """(row, column) of the original as x, y, x, y, … of a picture of another size."""
    scaled = (line + 0.5) * np.array(scale) - 0.5
    flat: list[float] = scaled[:, ::-1].ravel().tolist()
    return flat


def _cross(x: float, y: float, arm: float) -> list[list[float]]:
    return [[x - arm, y, x + arm, y], [x, y - arm, x, y + arm]]
