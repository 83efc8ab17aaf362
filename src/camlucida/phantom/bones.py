"""Thickness of bone along every ray of a frontal chest film: ribs, shoulder girdle and spine.

Coordinates and thicknesses are in cm in the patient's frame, arrays (H, W) float32; see
:mod:`~camlucida.phantom.anatomy`.
"""

from __future__ import annotations

import numpy as np

from camlucida.phantom.anatomy import (
    Array,
    Grid,
    Patient,
    cage_half_width,
    ellipsoid,
    half_chord,
    ramp,
)

RIBS = 10
"""Pairs of ribs that are drawn."""


def _tube(distance: Array, radius: float) -> Array:
    """Chord through a bone with a dense shell, from the distance of the ray to its axis."""
    q = (distance / radius) ** 2
    marrow = half_chord(q / 0.55)
    share = half_chord(q) - 0.5 * marrow
    chord: Array = 2 * radius * share
    return chord


def ribs(patient: Patient, grid: Grid) -> Array:
    """Bone of the ribs.

    A rib ring is tilted, so it projects to an ellipse: the back is its upper half, the front its
    lower.
    """
    out = np.zeros_like(grid.x)
    middle = grid.y.shape[1] // 2
    mid_rows = grid.y[:, middle]
    for i in range(RIBS):
        y0 = patient.apex + 2.3 + patient.rib_offset + 2.15 * i
        b = (2.3 + 0.26 * i) * patient.rib_slope
        level = np.array([y0 + 0.6], np.float32)
        inner_width = cage_half_width(patient, level)
        a = float(inner_width[0]) + 0.35
        # A margin for the tilt of the patient across the film.
        reach = b + patient.rib_radius + 1.5
        top, bottom = np.searchsorted(mid_rows, [y0 - reach, y0 + reach])
        rows = slice(top, bottom)
        x = grid.x[rows]
        y = grid.y[rows] - y0
        distance = _ellipse_distance(x, y, a, b)
        off = np.abs(x)
        # A rib ends at the spine behind, and at its cartilage before.
        behind = ramp(off - 1.6, 0.3)
        before = ramp(off - (5.0 + 0.25 * i), 0.8)
        back = behind * (y < 0)
        front = 0.8 * before * (y >= 0)
        bone = _tube(distance, patient.rib_radius)
        out[rows] += bone * (back + front)
    return out


def _ellipse_distance(x: Array, y: Array, a: float, b: float) -> Array:
    """Distance to an ellipse about the origin, to first order: its equation over the gradient."""
    fx = x / (a * a)
    fy = y / (b * b)
    level = x * fx + y * fy - 1
    squared_slope = fx * fx + fy * fy
    slope = 2 * np.sqrt(squared_slope)
    # The gradient vanishes at the centre, which is far from the outline anyway.
    distance: Array = level / np.maximum(slope, 1e-4)
    return distance


def other_bones(patient: Patient, grid: Grid) -> Array:
    """Bone of the clavicles, the shoulder blades, the heads of the upper arms and the spine."""
    x = np.abs(grid.x)
    y = grid.y
    clavicle = _clavicle(patient, x, y)
    blade = _shoulder_blade(patient, x, y)
    head = ellipsoid(
        Grid(x, y),
        centre=(18.0, patient.apex + 2.4),
        radii=(2.7, 2.7),
    )
    spine, process = _spine(x, y)
    # In this order: a float32 sum depends on it.
    shoulders = clavicle + blade + 1.2 * head
    bone: Array = shoulders + spine + process
    return bone


def _clavicle(patient: Patient, x: Array, y: Array) -> Array:
    """Bone of the clavicle of the side, ``x`` outwards: an S from the breastbone up and out."""
    t = (x - 1.6) / 13.0
    start = patient.apex + 3.6
    along = np.clip(t, 0, 1)
    phase = 2 * np.pi * along
    curve = 0.7 * np.sin(phase)
    axis = start - patient.clavicle_rise * t - curve
    after_start = ramp(t, 0.02)
    before_end = ramp(1 - t, 0.02)
    inside = after_start * before_end
    bone: Array = _tube(y - axis, 0.68) * inside
    return bone


def _shoulder_blade(patient: Patient, x: Array, y: Array) -> Array:
    """Bone of the shoulder blade of the side, ``x`` outwards: a plate with a slanted edge."""
    edge = (patient.half_width - 2.3) + 0.25 * (y + 2.0)
    top = patient.apex + 3.0
    above = ramp(y - top, 0.6)
    below = ramp(1.0 - y, 1.4)
    plate = 0.28 * ramp(x - edge, 0.25)
    bone: Array = plate * above * below
    return bone


def _spine(x: Array, y: Array) -> tuple[Array, Array]:
    """Bone of the vertebrae, and of their spinous processes."""
    # One vertebra every 2.5 cm; ``disc`` is 1 at its middle and −1 between two.
    frequency = 2 * np.pi / 2.5
    disc = np.cos(frequency * y)
    half_width = 2.0 - 0.15 * disc
    vertebra = 1.05 * half_chord((x / half_width) ** 2)
    body_share = ramp(disc + 0.75, 0.3)
    spine = vertebra * (0.82 + 0.18 * body_share)
    process_share = ramp(disc - 0.2, 0.5)
    process = 0.35 * half_chord((x / 0.35) ** 2)
    return spine, process * process_share
