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
    """A smooth random field of about unit variance, (size, size), of ``cells`` values a side."""
    coarse = Image.fromarray(rng.standard_normal((cells, cells)).astype(np.float32))
    field: Array = np.asarray(
        coarse.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32
    )
    return field


def _grow(rng: np.random.Generator, side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One lung's vessels, coarse ones first.

    Returns:
        segments (N, 3, 2): start, bend and end, (x, y) in cm; and radii (N,), cm.
    """
    at = np.tile([side * 3.0, -0.8], (8, 1)) + rng.normal(0, 0.5, (8, 2))
    angle = np.linspace(-1.35, 1.35, 8) + rng.normal(0, 0.12, 8)
    length, radius = 3.0, 0.5
    segments, radii = [], []
    for _ in range(GENERATIONS):
        n = len(at)
        reach = length * rng.uniform(0.7, 1.25, n)
        step = reach[:, None] * np.stack([side * np.cos(angle), np.sin(angle)], axis=1)
        bend = at + 0.5 * step + rng.normal(0, 0.07 * length, (n, 2))
        segments.append(np.stack([at, bend, at + step], axis=1))
        radii.append(radius * rng.uniform(0.75, 1.15, n))
        at = np.repeat(at + step, 2, axis=0)
        fork = rng.uniform(0.15, 0.6, n)
        angle = np.stack([angle - fork, angle + fork], axis=1).reshape(-1)
        length, radius = 0.84 * length, 0.76 * radius
    return np.concatenate(segments), np.concatenate(radii)


def vessels(patient: Patient, rng: np.random.Generator, size: int) -> Array:
    """Thickness of lung vessels along each ray, cm, (size, size). Not yet cut to the lungs."""
    fine = size * FINER
    per_cm = fine / FIELD_CM
    canvas = Image.new("F", (fine, fine), 0.0)
    pen = ImageDraw.Draw(canvas)
    cos, sin = np.cos(patient.tilt) * patient.zoom, np.sin(patient.tilt) * patient.zoom
    pose = np.array([[cos, sin], [-sin, cos]])  # row vectors: patient → film
    trees = [_grow(rng, side) for side in (RIGHT, LEFT)]
    segments = np.concatenate([tree[0] for tree in trees]) @ pose + np.array(patient.shift)
    radii = np.concatenate([tree[1] for tree in trees])
    pixels = (segments + FIELD_CM / 2) * per_cm
    order = np.argsort(radii, kind="stable")  # thick vessels last: they hide the thin ones
    widths = 2 * radii[order] * per_cm
    # A vessel thinner than a pixel fills only a part of it. π/4 is the mean over the chord of a
    # round vessel.
    depths = 2 * radii[order] * (np.pi / 4) * np.minimum(1.0, widths)
    # Plain lists, as Pillow is slow with NumPy's numbers.
    lines = pixels[order].reshape(-1, 6).tolist()
    whole_widths = np.maximum(1, np.round(widths)).astype(int).tolist()
    for line, depth, width in zip(lines, depths.tolist(), whole_widths, strict=True):
        pen.line(line, fill=depth, width=width)
    drawn: Array = np.asarray(canvas.resize((size, size), Image.Resampling.BOX), dtype=np.float32)
    return drawn
