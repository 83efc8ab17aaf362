"""Fine structure: the vessel tree of the lungs, and smooth random fields.

Drawn in cm, so any film size shows the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from camlucida.phantom.anatomy import FIELD_CM, LEFT, RIGHT, Array, Patient

GENERATIONS = 6
"""Bifurcations from hilum to periphery."""
FINER = 2
"""The vessels are drawn on a grid this much finer than the film."""


def smooth_field(rng: np.random.Generator, cells: int, size: int) -> Array:
    """A smooth random field of about unit variance.

    Args:
        rng: draws the values.
        cells: independent values a side; more are finer.
        size: side of the field, pixels.

    Returns:
        (size, size) float32.

    >>> smooth_field(np.random.default_rng(0), 4, 32).shape
    (32, 32)
    """
    values = rng.standard_normal((cells, cells)).astype(np.float32)
    coarse = Image.fromarray(values)
    fine = coarse.resize((size, size), Image.Resampling.BICUBIC)
    field: Array = np.asarray(fine, dtype=np.float32)
    return field


def _grow(rng: np.random.Generator, side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One lung's vessels, coarse ones first.

    Returns:
        segments (N, 3, 2): start, bend and end, (x, y) in cm; and radii (N,), cm.
    """
    hilum = [side * 3.0, -0.8]
    scatter = rng.normal(0, 0.5, (8, 2))
    start = np.tile(hilum, (8, 1)) + scatter
    fan = np.linspace(-1.35, 1.35, 8)
    angle = fan + rng.normal(0, 0.12, 8)
    length = 3.0
    radius = 0.5
    segments = []
    radii = []
    for _ in range(GENERATIONS):
        n = len(start)
        reach = length * rng.uniform(0.7, 1.25, n)
        across = side * np.cos(angle)
        down = np.sin(angle)
        direction = np.stack([across, down], axis=1)
        step = reach[:, None] * direction
        wobble = rng.normal(0, 0.07 * length, (n, 2))
        bend = start + 0.5 * step + wobble
        end = start + step
        branch = np.stack([start, bend, end], axis=1)
        segments.append(branch)
        radii.append(radius * rng.uniform(0.75, 1.15, n))
        start = np.repeat(end, 2, axis=0)
        fork = rng.uniform(0.15, 0.6, n)
        upper = angle - fork
        lower = angle + fork
        branches = np.stack([upper, lower], axis=1)
        angle = branches.reshape(-1)
        length = 0.84 * length
        radius = 0.76 * radius
    return np.concatenate(segments), np.concatenate(radii)


def vessels(patient: Patient, rng: np.random.Generator, size: int) -> Array:
    """Thickness of lung vessels along each ray; not yet cut to the lungs.

    Args:
        patient: its pose turns and shifts the trees.
        rng: draws one tree for each lung.
        size: side of the film, pixels.

    Returns:
        (size, size) float32, cm.
    """
    fine = size * FINER
    per_cm = fine / FIELD_CM
    canvas = Image.new("F", (fine, fine), 0.0)
    pen = ImageDraw.Draw(canvas)
    cos = np.cos(patient.tilt) * patient.zoom
    sin = np.sin(patient.tilt) * patient.zoom
    # Row vectors: patient → film.
    pose = np.array(
        [
            [cos, sin],
            [-sin, cos],
        ]
    )
    right_segments, right_radii = _grow(rng, RIGHT)
    left_segments, left_radii = _grow(rng, LEFT)
    upright = np.concatenate([right_segments, left_segments])
    radii = np.concatenate([right_radii, left_radii])
    segments = upright @ pose + np.array(patient.shift)
    pixels = (segments + FIELD_CM / 2) * per_cm
    # Thick vessels last: they hide the thin ones.
    order = np.argsort(radii, kind="stable")
    diameters = 2 * radii[order]
    widths = diameters * per_cm
    # A vessel thinner than a pixel fills only a part of it. π/4 is the mean over the chord of a
    # round vessel.
    filled = np.minimum(1.0, widths)
    mean_chord = np.pi / 4
    depths = diameters * mean_chord * filled
    # Plain lists, as Pillow is slow with NumPy's numbers.
    ordered = pixels[order]
    lines = ordered.reshape(-1, 6).tolist()
    drawn_widths = np.maximum(1, np.round(widths))
    pens = drawn_widths.astype(int).tolist()
    fills = depths.tolist()
    for line, depth, width in zip(lines, fills, pens, strict=True):
        pen.line(line, fill=depth, width=width)
    film = canvas.resize((size, size), Image.Resampling.BOX)
    drawn: Array = np.asarray(film, dtype=np.float32)
    return drawn
