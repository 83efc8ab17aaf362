"""The findings: where a patient would have each, and the field by which it changes the lungs.

Every finding of a patient is drawn whether it is switched on or not, so switching one never moves
another. The places are kept apart: a nodule is never put under a consolidation, an effusion or a
pneumothorax, so evidence never hides evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from camlucida.phantom.anatomy import (
    LEFT,
    RIGHT,
    Array,
    Grid,
    Patient,
    cage_half_width,
    dome_height,
    half_chord,
    patient_grid,
    ramp,
)

FINDINGS = ("nodule", "effusion", "cardiomegaly", "pneumothorax", "consolidation")
"""The labels, in the order of the packaged models' outputs."""
PLACING_GRID = 96
"""Positions are drawn on this grid whatever the film's size."""


@dataclass(frozen=True)
class Effusion:
    """Fluid in the pleural space of each side; the fluid's surface rises along the chest wall.

    Attributes:
        levels: y of the surface near the midline, cm, for (right, left); None for a dry side.
        rise: how far it climbs at the chest wall, cm.
    """

    levels: tuple[float | None, float | None]
    rise: float


@dataclass(frozen=True)
class Pneumothorax:
    """Air between chest wall and lung, on one side, widest at the apex.

    ``gap`` and ``drop`` in cm; none below ``end``.
    """

    side: int
    gap: float
    drop: float
    end: float
    emptiness: float


@dataclass(frozen=True)
class Consolidation:
    """A fuzzy patch of lung filled with fluid.

    Attributes:
        centre: (x, y), cm.
        radius: cm.
        density: share of the ray's lung that it takes.
    """

    centre: tuple[float, float]
    radius: float
    density: float


@dataclass(frozen=True)
class Nodule:
    """A ball of soft tissue, partly calcified: ``density`` multiplies its contrast."""

    centre: tuple[float, float]
    radius: float
    density: float


@dataclass(frozen=True)
class Disease:
    """What a patient's findings would be. ``ctr``: cardiothoracic ratio under cardiomegaly."""

    nodule: Nodule
    effusion: Effusion
    ctr: float
    pneumothorax: Pneumothorax
    consolidation: Consolidation


def effusion_share(patient: Patient, effusion: Effusion, grid: Grid) -> Array:
    """Share of the lung's thickness that fluid replaces.

    Args:
        patient: the anatomy.
        effusion: levels of the fluid.
        grid: coordinates (H, W), cm.

    Returns:
        (H, W) float32 in [0, 1].
    """
    wall = cage_half_width(patient, grid.y) - np.abs(grid.x)
    from_wall = np.maximum(wall, 0)
    climb = effusion.rise * np.exp(-from_wall / 2.6)
    # The surface of a dry side lies far below the film.
    right, left = (np.float32(1e3 if level is None else level) for level in effusion.levels)
    surface = np.where(grid.x < 0, right, left)
    depth = grid.y - surface + climb
    share: Array = 0.95 * ramp(depth, 0.7)
    return share


def lung_edge(patient: Patient, ptx: Pneumothorax, grid: Grid) -> Array:
    """Distance outside the collapsed lung's surface.

    Args:
        patient: the anatomy.
        ptx: the pneumothorax.
        grid: coordinates (H, W), cm.

    Returns:
        (H, W) cm, positive in the free air; it is meaningful on the side of ``ptx`` only.
    """
    length = ptx.end - patient.apex
    taper = np.clip((ptx.end - grid.y) / length, 0, 1)
    outline = cage_half_width(patient, grid.y, ptx.drop)
    edge = outline - ptx.gap * np.sqrt(taper)
    # Above the waist the outline slopes; dividing by the slope's length turns a horizontal distance
    # into a true one.
    height = patient.waist - patient.apex - ptx.drop
    up = np.clip((patient.waist - grid.y) / height, 0, 0.97)
    steepness = patient.half_width / height
    slope = steepness * up / np.sqrt(1 - up * up)
    sideways = np.abs(grid.x) - edge
    distance: Array = sideways / np.sqrt(1 + slope * slope)
    return distance


def free_air(patient: Patient, ptx: Pneumothorax, grid: Grid) -> tuple[Array, Array]:
    """Free air and pleural line of a pneumothorax.

    Args:
        patient: the anatomy.
        ptx: the pneumothorax.
        grid: coordinates (H, W), cm.

    Returns:
        share of the lung that air replaces, (H, W) in [0, 1]; thickness of the pleural line,
        (H, W) cm.
    """
    distance = lung_edge(patient, ptx, grid)
    off_midline = ramp(grid.x * ptx.side - 1.0, 0.6)
    above_end = ramp(ptx.end - grid.y, 0.5)
    side = off_midline * above_end
    widths = distance / 0.13
    line = 1.3 * np.exp(-(widths**2))
    share: Array = side * ramp(distance, 0.1)
    return share, side * line


def consolidation_share(consolidation: Consolidation, grid: Grid, rough: Array) -> Array:
    """Share of the lung that the patch replaces.

    Args:
        consolidation: centre, radius and density.
        grid: coordinates (H, W), cm.
        rough: (H, W), a smooth random field of unit variance that frays the edge.

    Returns:
        (H, W) float32 in [0, 1].
    """
    centre_x, centre_y = consolidation.centre
    x = grid.x - centre_x
    y = grid.y - centre_y
    radii = np.sqrt(x * x + y * y) / consolidation.radius
    level = 1 - radii + 0.27 * rough
    share: Array = consolidation.density * ramp(level - 0.4, 0.42)
    return share


def _squared_distance(grid: Grid, point: tuple[float, float]) -> Array:
    """Squared distance of each pixel to a point, cm²."""
    x, y = point
    squared: Array = (grid.x - x) ** 2 + (grid.y - y) ** 2
    return squared


def nodule_thickness(nodule: Nodule, grid: Grid) -> Array:
    """Chord through the ball, cm.

    >>> grid = Grid(np.float32([[0.0, 1.0]]), np.float32([[0.0, 0.0]]))
    >>> nodule_thickness(Nodule((0.0, 0.0), radius=1.0, density=1.0), grid).tolist()
    [[2.0, 0.0]]
    """
    q = _squared_distance(grid, nodule.centre) / nodule.radius**2
    chord: Array = 2 * nodule.radius * half_chord(q)
    return chord


def _place(
    rng: np.random.Generator, grid: Grid, allowed: NDArray[np.bool_], margin: float
) -> tuple[float, float]:
    """A uniform point at least ``margin`` cm inside ``allowed``, or else its innermost point."""
    first_x = grid.x[0, 0]
    pixel = abs(float(grid.x[0, 1] - first_x))
    inside = ndimage.distance_transform_edt(allowed) * pixel
    spots = np.flatnonzero(inside >= margin)
    # Drawn even where there is no choice, so that later draws do not depend on it.
    pick = rng.random()
    spot = np.argmax(inside)
    if len(spots):
        spot = spots[int(pick * len(spots))]
    x = grid.x.flat[spot]
    y = grid.y.flat[spot]
    return float(x), float(y)


def lung_fields(patient: Patient, grid: Grid, mediastinum: Array, cage: Array) -> NDArray[np.bool_]:
    """The lung fields, (H, W) bool: above the diaphragm, beside heart and great vessels."""
    above_diaphragm = grid.y < dome_height(patient, grid.x)
    fields: NDArray[np.bool_] = (cage > 2) & (mediastinum <= 0) & above_diaphragm
    return fields


def _draw_effusion(rng: np.random.Generator, patient: Patient) -> Effusion:
    """Right, left or both sides; from a blunt costophrenic angle to a third of the lung."""
    sides = int(rng.integers(3))
    right, left = (dome + patient.sulcus - rng.uniform(2.6, 8.0) for dome in patient.domes)
    return Effusion(
        levels=(
            right if sides != 1 else None,
            left if sides != 0 else None,
        ),
        rise=float(rng.uniform(2.0, 5.5)),
    )


def _draw_pneumothorax(rng: np.random.Generator) -> Pneumothorax:
    side = RIGHT if rng.random() < 0.5 else LEFT
    return Pneumothorax(
        side=side,
        gap=rng.uniform(0.9, 2.4),
        drop=rng.uniform(2.0, 4.5),
        end=rng.uniform(-3.5, 2.5),
        emptiness=rng.uniform(0.75, 1.0),
    )


def draw_disease(rng: np.random.Generator, patient: Patient, fields: NDArray[np.bool_]) -> Disease:
    """Every finding this patient would have.

    ``fields``: healthy lung fields on the PLACING_GRID, beside an enlarged heart.
    """
    grid = patient_grid(patient, PLACING_GRID)
    # The order of the draws is part of the film.
    effusion = _draw_effusion(rng, patient)
    ptx = _draw_pneumothorax(rng)
    dry = effusion_share(patient, effusion, grid) < 0.02
    in_lung = lung_edge(patient, ptx, grid) < -0.4
    other_side = grid.x * ptx.side < 0
    below_air = grid.y > ptx.end
    free = fields & dry & (in_lung | other_side | below_air)
    patch = Consolidation(
        centre=_place(rng, grid, free, 1.0),
        radius=rng.uniform(2.6, 4.6),
        density=rng.uniform(0.4, 0.75),
    )
    clearance = 1.25 * patch.radius
    far = _squared_distance(grid, patch.centre) > clearance**2
    radius = float(rng.uniform(0.75, 1.7))
    # A small nodule that shows is calcified.
    calcified = 1.3 if radius < 1.0 else 1.0
    density = float(rng.uniform(1.2, 1.7)) * calcified
    nodule = Nodule(
        centre=_place(rng, grid, free & far, 0.8 * radius),
        radius=radius,
        density=density,
    )
    return Disease(
        nodule=nodule,
        effusion=effusion,
        ctr=float(rng.uniform(0.57, 0.66)),
        pneumothorax=ptx,
        consolidation=patch,
    )
