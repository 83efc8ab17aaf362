"""Histogram equalisation of 8-bit images as OpenCV and Pillow do it, number for number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Levels = NDArray[np.uint8]

LEVELS = 256


def clahe(levels: Levels, clip: float, tiles: tuple[int, int]) -> Levels:
    """Contrast-limited adaptive histogram equalisation.

    ``cv2.createCLAHE(clip, tiles).apply(levels)``: Zuiderveld, Contrast limited adaptive histogram
    equalization, Graphics Gems IV (1994), with OpenCV's way of handing out clipped counts.

    Args:
        levels: (H, W).
        clip: highest count of a histogram, relative to a flat one; 0 does not limit.
        tiles: columns and rows of tiles, as OpenCV has them.

    Returns:
        (H, W).

    >>> clahe(np.zeros((8, 8), np.uint8), 2.0, (2, 2)).max() < 40
    np.True_
    """
    columns, rows = tiles
    padded = _whole_tiles(levels, rows, columns)
    tile = (padded.shape[0] // rows, padded.shape[1] // columns)
    tables = np.empty((rows, columns, LEVELS), np.float32)
    for row in range(rows):
        band = padded[row * tile[0] : (row + 1) * tile[0]]
        for column in range(columns):
            window = band[:, column * tile[1] : (column + 1) * tile[1]]
            tables[row, column] = _table(window, clip)
    return _interpolated(levels, tables, tile)


def _whole_tiles(levels: Levels, rows: int, columns: int) -> Levels:
    """Mirrored at its ends up to whole tiles: both axes where one needs it, as OpenCV does."""
    height, width = levels.shape
    if height % rows == 0 and width % columns == 0:
        return levels
    missing = ((0, rows - height % rows), (0, columns - width % columns))
    if missing[0][1] < height and missing[1][1] < width:
        return np.pad(levels, missing, mode="reflect")
    return np.pad(levels, missing, mode="edge")


def _table(window: Levels, clip: float) -> NDArray[np.float32]:
    """Old level → new level of one tile."""
    counts = np.bincount(window.ravel(), minlength=LEVELS).astype(np.int64)
    if clip > 0:
        limit = max(int(clip * window.size / LEVELS), 1)
        excess = int(np.maximum(counts - limit, 0).sum())
        counts = np.minimum(counts, limit) + excess // LEVELS
        rest = excess % LEVELS
        if rest:
            step = max(LEVELS // rest, 1)
            # One more count for every step-th level, until the rest is used up.
            counts[: step * rest : step] += 1
    scale = np.float32(LEVELS - 1) / np.float32(window.size)
    scaled = counts.cumsum().astype(np.float32) * scale
    return np.asarray(np.clip(np.rint(scaled), 0, LEVELS - 1), np.float32)


def _interpolated(levels: Levels, tables: NDArray[np.float32], tile: tuple[int, int]) -> Levels:
    """Each level through the tables of the four nearest tiles, bilinearly."""
    up, down, y = _neighbours(levels.shape[0], tile[0], tables.shape[0])
    left, right, x = _neighbours(levels.shape[1], tile[1], tables.shape[1])
    y, up, down = y[:, None], up[:, None], down[:, None]
    upper = tables[up, left, levels] * (1 - x) + tables[up, right, levels] * x
    lower = tables[down, left, levels] * (1 - x) + tables[down, right, levels] * x
    mixed = upper * (1 - y) + lower * y
    return np.clip(np.rint(mixed), 0, LEVELS - 1).astype(np.uint8)


def _neighbours(
    count: int, tile: int, tiles: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Of each pixel of an axis: the tile before, the tile after, and the weight of the latter."""
    position = np.arange(count, dtype=np.float32) * (np.float32(1) / np.float32(tile))
    position -= np.float32(0.5)
    before = np.floor(position)
    weight = position - before
    first = before.astype(np.intp)
    return np.clip(first, 0, None), np.clip(first + 1, None, tiles - 1), weight


def equalise_opencv(levels: Levels) -> Levels:
    """``cv2.equalizeHist``.

    Args:
        levels: of any shape.

    >>> equalise_opencv(np.array([[10, 20]], np.uint8)).tolist()
    [[0, 255]]
    """
    counts = np.bincount(levels.ravel(), minlength=LEVELS)
    first = int(np.flatnonzero(counts)[0])
    others = levels.size - int(counts[first])
    if not others:
        return levels
    sums = counts.cumsum() - counts[first]
    scale = np.float32(LEVELS - 1) / np.float32(others)
    table = np.clip(np.rint(sums.astype(np.float32) * scale), 0, LEVELS - 1)
    return np.asarray(table.astype(np.uint8)[levels])
