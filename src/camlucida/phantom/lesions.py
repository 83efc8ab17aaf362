"""Lesions and equal distractors as an attenuation added to a film: their shapes and places.

Lengths are pixels of a film of FILM_PX a side, whatever size it is drawn at; rows run downwards,
columns to the right.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import UsageError
from camlucida.phantom.anatomy import Array, half_chord

FILM_PX = 256
SMALLEST_RADIUS = 4.0
LARGEST_RADIUS = 64.0
CONTRAST = (0.7, 1.6)
"""Peak attenuation of a lesion or bar, log-uniform; raised for small ones (see SMALL_GAIN). A rib's
is about 0.3."""
SMALL_GAIN = 1.5
SMALL_RADIUS = 12.0
"""Factor on the contrast at SMALLEST_RADIUS; it falls to 1 at SMALL_RADIUS, linearly in the
logarithm of the radius."""
HOLE = 0.55
"""Radius of a cavity's clear centre over that of the cavity."""
BAR_LENGTH = 4.0
"""Length of a bar over its width, round ends included."""
GAP = 3.0
"""Least clear space between two objects."""
TRIES = 60
"""Places tried for a lesion before it is dropped, and for each bar of ``equal_bars`` before there
are more of them."""
MOST_PIECES = 64

_BAR_AREA = 4 * (BAR_LENGTH - 1) + np.pi
"""Area of a bar of half width 1."""
_BAR_HALF_WIDTH = float(np.sqrt(np.pi / _BAR_AREA))
"""Half width of a bar whose area is that of a unit disc."""


@dataclass(frozen=True)
class Lesion:
    """A solid ball, a ring or a bar.

    The profile across each is a half chord, so ``contrast`` is the peak of all three.

    Attributes:
        kind: "nodule", "cavity" or "bar". A bar is a distractor: no label includes it.
        row, column: centre.
        radius: outer radius; a bar's is that of the disc of equal area.
        contrast: peak attenuation, no unit.
        angle: of a bar's long axis, radians from the rows' direction towards lower rows; round
            lesions have none.
    """

    kind: str
    row: float
    column: float
    radius: float
    contrast: float
    angle: float = 0.0

    @property
    def area(self) -> float:
        """Pixels of FILM_PX² under the lesion; a cavity's without its hole.

        >>> round(Lesion("nodule", 100, 100, radius=10, contrast=1.0).area)
        314
        """
        disc = np.pi * self.radius**2
        if self.kind == "cavity":
            disc = disc * (1 - HOLE**2)
        return float(disc)


def _axis(bar: Lesion) -> tuple[float, float, float]:
    """Cosine and sine of a bar's axis, and half the length of the straight part of its edges."""
    cos = float(np.cos(bar.angle))
    sin = float(np.sin(bar.angle))
    reach = (BAR_LENGTH - 1) * _BAR_HALF_WIDTH * bar.radius
    return cos, sin, reach


def _cover(lesion: Lesion) -> NDArray[np.float64]:
    """Discs that cover the lesion, (N, 3) as row, column, radius."""
    if lesion.kind != "bar":
        disc = [lesion.row, lesion.column, lesion.radius]
        return np.array([disc])
    cos, sin, reach = _axis(lesion)
    along = np.linspace(-reach, reach, 9)
    rows = lesion.row + along * sin
    columns = lesion.column + along * cos
    width = np.full(9, _BAR_HALF_WIDTH * lesion.radius)
    return np.stack([rows, columns, width], axis=1)


def _is_free(lesion: Lesion, others: Iterable[Lesion]) -> bool:
    """Whether the lesion lies on the film, GAP away from its edges and from all others."""
    discs = _cover(lesion)
    centres = discs[:, :2]
    spread = discs[:, 2:] + GAP
    before_edge = centres - spread < 0
    beyond_edge = centres + spread > FILM_PX - 1
    if before_edge.any() or beyond_edge.any():
        return False
    # An empty array first, as there may be no other lesion.
    nothing = np.empty((0, 3))
    taken = np.concatenate([nothing, *map(_cover, others)])
    taken_rows, taken_columns, taken_radii = taken.T
    rows = discs[:, None, 0] - taken_rows
    columns = discs[:, None, 1] - taken_columns
    distance = np.hypot(rows, columns)
    is_clear = distance > spread + taken_radii
    return bool(is_clear.all())


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    most = max(low, high)
    log_low = np.log(low)
    log_most = np.log(most)
    exponent = rng.uniform(log_low, log_most)
    return float(np.exp(exponent))


def _somewhere(rng: np.random.Generator, spots: NDArray[np.intp]) -> tuple[float, float]:
    """Row and column of a uniform point of the pixels ``spots``, flat indices of the film."""
    spot = int(rng.choice(spots))
    row, column = divmod(spot, FILM_PX)
    down = float(rng.uniform(-0.5, 0.5))
    across = float(rng.uniform(-0.5, 0.5))
    return row + down, column + across


def _draw(
    rng: np.random.Generator, spots: NDArray[np.intp], room: Array, kind: str, shrink: float
) -> Lesion:
    """One lesion as ``scatter`` describes it, wherever others lie."""
    row, column = _somewhere(rng, spots)
    nearest = room[round(row), round(column)]
    inside = float(nearest)
    most = min(LARGEST_RADIUS, 2 * inside + 8)
    radius = _log_uniform(rng, SMALLEST_RADIUS, shrink * most)
    below = np.log(SMALL_RADIUS / radius)
    widest = np.log(SMALL_RADIUS / SMALLEST_RADIUS)
    small = float(np.clip(below / widest, 0, 1))
    contrast = _log_uniform(rng, *CONTRAST) * SMALL_GAIN**small
    angle = float(rng.uniform(0, np.pi))
    has_area_of_ring = rng.random() < 0.5
    if kind != "bar":
        return Lesion(kind, row, column, radius, contrast)
    ring_area = 1 - HOLE**2
    factor = ring_area**0.5 if has_area_of_ring else 1.0
    return Lesion(kind, row, column, radius * factor, contrast, angle)


def scatter(rng: np.random.Generator, room: Array, kinds: Collection[str]) -> tuple[Lesion, ...]:
    """Lesions of the given kinds at uniform places over the lung fields, none touching another.

    The radius is log-uniform from SMALLEST_RADIUS to what the place allows: LARGEST_RADIUS, or 8
    pixels more than twice the distance to the edge of the lung fields if that is less. Half of the
    bars have the area of a ball, half that of a ring. A lesion that touches another is drawn anew,
    place and all, each time at most 3 % smaller; after TRIES it is dropped.

    Args:
        rng: decides all.
        room: (FILM_PX, FILM_PX) distance to the edge of the allowed places, 0 outside them:
            ``background(seed).room``, or ``scipy.ndimage.distance_transform_edt(lungs)`` of a real
            radiograph's lung fields.
        kinds: "nodule", "cavity" or "bar", once for each lesion.
    """
    spots = np.flatnonzero(room > 0)
    placed: tuple[Lesion, ...] = ()
    if not len(spots):
        return placed
    for kind in kinds:
        for attempt in range(TRIES):
            lesion = _draw(rng, spots, room, kind, 0.97**attempt)
            if _is_free(lesion, placed):
                placed += (lesion,)
                break
    return placed


def equal_bars(
    rng: np.random.Generator, room: Array, lesion: Lesion, taken: tuple[Lesion, ...]
) -> tuple[Lesion, ...]:
    """As few bars as find room, with the area and contrast of a lesion, clear of ``taken``.

    Args:
        rng: draws places and angles.
        room: (FILM_PX, FILM_PX) distance to the edge of the allowed places, 0 outside them.
        lesion: whose area the bars share.
        taken: other objects on the film.

    Raises:
        UsageError: there is no room even for very small ones.
    """
    spots = np.flatnonzero(room > 0)
    most = MOST_PIECES if len(spots) else 0
    for pieces in range(1, most + 1):
        squared_radius = lesion.area / np.pi / pieces
        radius = squared_radius**0.5
        bars: tuple[Lesion, ...] = ()
        for _ in range(TRIES * pieces):
            row, column = _somewhere(rng, spots)
            angle = float(rng.uniform(0, np.pi))
            bar = Lesion(
                kind="bar",
                row=row,
                column=column,
                radius=radius,
                contrast=lesion.contrast,
                angle=angle,
            )
            if _is_free(bar, taken + bars):
                bars += (bar,)
            if len(bars) == pieces:
                return bars
    raise UsageError("no room for distractors over these lung fields", "take another film")


def _profile(lesion: Lesion, y: Array, x: Array) -> Array:
    """Share of the peak attenuation at an offset y (H, 1), x (1, W) from the centre; in [0, 1]."""
    if lesion.kind == "nodule":
        squared = y * y + x * x
        return half_chord(squared / lesion.radius**2)
    if lesion.kind == "cavity":
        wall = (1 - HOLE) / 2
        outwards = np.hypot(y, x) / lesion.radius
        from_middle = (outwards - (1 - wall)) / wall
        return half_chord(from_middle**2)
    cos, sin, reach = _axis(lesion)
    along = x * cos + y * sin
    across = y * cos - x * sin
    beyond = np.maximum(np.abs(along) - reach, 0)
    squared = beyond * beyond + across * across
    half_width = _BAR_HALF_WIDTH * lesion.radius
    return half_chord(squared / half_width**2)


def added_attenuation(lesions: Iterable[Lesion], size: int = FILM_PX) -> Array:
    """What the lesions add to the attenuation, (size, size) float32.

    >>> nodule = Lesion("nodule", row=128, column=128, radius=10, contrast=1.5)
    >>> float(added_attenuation([nodule])[128, 128])
    1.5
    """
    added = np.zeros((size, size), np.float32)
    scale = FILM_PX / size
    centres = (np.arange(size) + 0.5) * scale
    ticks = (centres - 0.5).astype(np.float32)
    for lesion in lesions:
        rows, columns = _window(lesion, ticks)
        y = ticks[rows, None] - lesion.row
        x = ticks[None, columns] - lesion.column
        profile = _profile(lesion, y, x)
        added[rows, columns] += lesion.contrast * profile
    return added


def _window(lesion: Lesion, ticks: Array) -> tuple[slice, slice]:
    """Rows and columns that hold the lesion. ``ticks``: pixel centres along a side, (size,)."""
    discs = _cover(lesion)
    centres = discs[:, :2]
    radii = discs[:, 2:]
    upper_left = (centres - radii).min(axis=0)
    lower_right = (centres + radii).max(axis=0)
    first_row, first_column = np.searchsorted(ticks, upper_left)
    end_row, end_column = np.searchsorted(ticks, lower_right)
    return slice(first_row, end_row), slice(first_column, end_column)
