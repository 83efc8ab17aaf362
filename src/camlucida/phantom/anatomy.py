"""The patient: random anatomy, and the thickness of each tissue along every ray of a frontal film.

Frame: centimetres on the film, origin at its centre, x to the right of the image (the patient's
left), y downwards, z along the ray. Every array is (H, W) float32 and holds a thickness in cm along
z, unless it says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
"""Always float32. NumPy's stubs take float32 times a Python float for float64, hence the type."""

FIELD_CM = 35.0
"""Side of the square film."""
RIBS = 10
RIGHT, LEFT = -1, 1
"""Sides of the patient as the sign of x on the film."""


@dataclass(frozen=True)
class Patient:
    """One random anatomy. Lengths in cm, in the patient's frame.

    Attributes:
        shift, tilt, zoom: pose of the patient on the film: (x, y) offset, rotation in radians,
            magnification.
        half_width: largest inner half width of the rib cage, at ``waist``.
        half_depth: largest inner half depth of the rib cage.
        wall: soft tissue between rib cage and skin.
        apex, waist: y of the lung apices, and of the widest part of the rib cage.
        domes: y of the top of the (right, left) half of the diaphragm.
        sulcus: how far the costophrenic angles lie below the domes.
        ctr: cardiothoracic ratio without cardiomegaly.
        heart_tilt: angle of the long axis of the heart below the horizontal, radians.
        mediastinum: half width of the great vessels.
        rib_slope: factor on the height of the rib rings.
        rib_radius: half height of a rib.
        rib_offset: shift of the rib rings along y.
        bone: factor on the attenuation of bone.
        clavicle_rise: how far the outer end of a clavicle lies above the inner one.
        breast: extra soft tissue over the lower lungs.
        gas: radius of the stomach bubble; 0 for none.
    """

    shift: tuple[float, float]
    tilt: float
    zoom: float
    half_width: float
    half_depth: float
    wall: float
    apex: float
    waist: float
    domes: tuple[float, float]
    sulcus: float
    ctr: float
    heart_tilt: float
    mediastinum: float
    rib_slope: float
    rib_radius: float
    rib_offset: float
    bone: float
    clavicle_rise: float
    breast: float
    gas: float


def draw_patient(rng: np.random.Generator) -> Patient:
    """A random adult, in ranges that keep both lungs on the film."""
    u = rng.uniform
    right_dome = u(5.0, 7.6)
    return Patient(
        shift=(u(-0.8, 0.8), u(-0.7, 0.7)),
        tilt=u(-0.05, 0.05),
        zoom=u(0.94, 1.06),
        half_width=u(12.6, 14.6),
        half_depth=u(8.3, 10.0),
        wall=u(1.6, 3.0),
        apex=u(-14.2, -12.6),
        waist=u(2.5, 5.0),
        domes=(right_dome, right_dome + u(0.2, 1.6)),
        sulcus=u(3.4, 4.8),
        ctr=u(0.40, 0.49),
        heart_tilt=u(0.45, 0.85),
        mediastinum=u(2.3, 3.0),
        rib_slope=u(0.85, 1.2),
        rib_radius=u(0.48, 0.66),
        rib_offset=u(-0.8, 0.8),
        bone=u(0.75, 1.15),
        clavicle_rise=u(1.6, 3.8),
        breast=u(0.0, 2.2),
        gas=u(0.8, 2.2) if rng.random() < 0.6 else 0.0,
    )


class Grid(NamedTuple):
    """Coordinates of pixel centres in the patient's frame, cm, each (H, W)."""

    x: Array
    y: Array


def pixel_grid(size: int) -> Grid:
    """Coordinates of pixel centres on the film: x (1, size) and y (size, 1)."""
    ticks = (((np.arange(size) + 0.5) / size - 0.5) * FIELD_CM).astype(np.float32)
    return Grid(ticks[None, :], ticks[:, None])


def patient_grid(patient: Patient, size: int) -> Grid:
    """The film's pixels seen from the patient: offset, rotation and magnification undone."""
    film = pixel_grid(size)
    x, y = film.x - patient.shift[0], film.y - patient.shift[1]
    cos = float(np.cos(patient.tilt)) / patient.zoom
    sin = float(np.sin(patient.tilt)) / patient.zoom
    return Grid(cos * x + sin * y, cos * y - sin * x)


def ramp(value: Array, width: float) -> Array:
    """0 below −width, 1 above +width, smooth between.

    >>> ramp(np.float32([-3.0, 0.0, 3.0]), width=2.0).tolist()
    [0.0, 0.5, 1.0]
    """
    t = np.clip(value / (2 * width) + 0.5, 0, 1)
    smooth: Array = t * t * (3 - 2 * t)
    return smooth


def half_chord(q: Array) -> Array:
    """Half the chord of a unit ball at squared distance q from its centre: √(1 − q), or 0 outside.

    >>> half_chord(np.float32([0.0, 0.75, 2.0])).tolist()
    [1.0, 0.5, 0.0]
    """
    chord: Array = np.sqrt(np.maximum(1 - q, 0), dtype=np.float32)
    return chord


def ellipsoid(grid: Grid, centre: tuple[float, float], radii: tuple[float, float]) -> Array:
    """Chord through an ellipsoid as a share of the chord through its centre, in [0, 1].

    Args:
        grid: coordinates, cm.
        centre: (x, y), cm.
        radii: half axes along x and y, cm.

    >>> line = Grid(np.float32([0.0, 2.0]), np.float32([0.0, 0.0]))
    >>> ellipsoid(line, (0.0, 0.0), (2.0, 1.0)).tolist()
    [1.0, 0.0]
    """
    u = (grid.x - centre[0]) / radii[0]
    v = (grid.y - centre[1]) / radii[1]
    return half_chord(u**2 + v**2)


def cage_half_width(patient: Patient, y: Array, apex_drop: float = 0.0) -> Array:
    """Inner half width of the rib cage at height y, cm.

    ``apex_drop`` lowers its top by so many cm, as that of a collapsing lung.
    """
    apex = patient.apex + apex_drop
    up = np.clip((patient.waist - y) / (patient.waist - apex), 0, 1)
    width: Array = patient.half_width * half_chord(up * up)
    return width


def cage(patient: Patient, grid: Grid) -> Array:
    """Thickness inside the rib cage, diaphragm and mediastinum not yet taken out."""
    up = np.clip((patient.waist - grid.y) / (patient.waist - patient.apex), 0, 1)
    width = np.maximum(cage_half_width(patient, grid.y), 1e-3)
    depth = 2 * patient.half_depth * half_chord(up**3)
    thickness: Array = depth * half_chord((grid.x / width) ** 2)
    return thickness


def dome_height(patient: Patient, x: Array) -> Array:
    """y of the diaphragm's outline at x, cm.

    Two domes, which fall towards the chest wall and a little towards the midline.
    """
    right, left = patient.domes
    top = right + (left - right) * ramp(x, 2.5)
    off = np.abs(x) - 0.42 * patient.half_width
    outer = patient.sulcus * (off / (0.58 * patient.half_width)) ** 2
    inner = 0.045 * off * off
    height: Array = top + np.where(off > 0, outer, inner)
    return height


def under_diaphragm(patient: Patient, grid: Grid) -> Array:
    """Abdominal tissue under the domes.

    The dome falls to the front and back too, so lung still lies behind its top.
    """
    below = np.maximum(grid.y - dome_height(patient, grid.x), 0) / (patient.sulcus + 1.0)
    thickness: Array = 2.1 * patient.half_depth * np.minimum(np.cbrt(below), 1)
    return thickness


def heart(patient: Patient, grid: Grid, ctr: float) -> Array:
    """Thickness of the heart: left ventricle, right atrium.

    ``ctr`` sets its width over that of the rib cage.
    """
    cos, sin = float(np.cos(patient.heart_tilt)), float(np.sin(patient.heart_tilt))
    a, b, cx, right_edge = 5.9, 4.3, 2.3, 3.9
    ventricle_width = float(np.sqrt((a * cos) ** 2 + (b * sin) ** 2))
    unit_width = cx + ventricle_width + right_edge
    scale = np.float32(ctr * 2 * patient.half_width / unit_width)
    y0 = 0.5 * sum(patient.domes) - 3.4
    # Growth is about a point below the centre: a large heart rises and widens, as the diaphragm
    # carries it.
    x = grid.x / scale
    y = (grid.y - y0 - 1.2) / scale + 1.2
    along, across = cos * (x - cx) + sin * y, cos * y - sin * (x - cx)
    ventricle = half_chord((along / a) * (along / a) + (across / b) * (across / b))
    atrium = ellipsoid(Grid(x, y), (3.0 - right_edge, -0.4), (3.0, 4.4))
    thickness: Array = np.float32(13.5) * scale * np.maximum(ventricle, 0.8 * atrium)
    return thickness


def great_vessels(patient: Patient, grid: Grid) -> Array:
    """Thickness of the mediastinum without the heart.

    Vessels, oesophagus, aortic knob, pulmonary trunk, root of the neck.
    """
    x, y, half = grid.x, grid.y, np.float32(patient.mediastinum)
    flare = 0.055 * np.maximum(-8.5 - y, 0) ** 2
    lower = ramp(y + 4.0, 4.0)
    width = half * (1 + 0.12 * lower) + flare
    column = 2 * patient.half_depth * half_chord((x / width) ** 2)
    centre = float(np.float32(0.45) * half)
    knob = 11 * ellipsoid(grid, (centre, -5.6), (0.95 * patient.mediastinum, 2.1))
    trunk = 9 * ellipsoid(grid, (1.9, -1.9), (2.3, 2.3))
    thickness: Array = np.maximum(np.maximum(column, knob), trunk)
    return thickness


def body(patient: Patient, grid: Grid) -> Array:
    """Thickness of the whole body: trunk, shoulders, neck; soft tissue and air spaces together."""
    x, y = np.abs(grid.x), grid.y
    width = (patient.half_width + patient.wall) + 0.02 * (y + 4)
    depth = 2 * (patient.half_depth + 0.9 * patient.wall)
    q = (x / width) ** 2
    shoulder_top = (patient.apex - 1.9) + 0.014 * np.maximum(x - 4, 0) ** 2
    taper = np.sqrt(np.clip((y - shoulder_top) / 6.5, 0, 1))
    trunk = depth * np.sqrt(half_chord(q * q)) * taper
    armpit = -3.5 + 0.55 * (x - width)
    arm = 11.5 * ramp(armpit - y, 3.0) * np.minimum(1.25 * taper, 1)
    neck = 11.5 * half_chord((x / 5.6) ** 2) * ramp(-8 - y, 3.0)
    breast = ellipsoid(Grid(x, y), (7.2, 4.2), (5.6, 5.0))
    whole = np.maximum(np.maximum(trunk, arm), neck)
    thickness: Array = whole + patient.breast * breast
    return thickness


def airways(patient: Patient, grid: Grid) -> Array:
    """Air in the trachea, the main bronchi and the stomach bubble."""
    x, fork = grid.x, -4.2
    down = grid.y - fork
    trachea = 2.6 * half_chord((x / 0.95) ** 2) * ramp(fork - grid.y, 0.4)
    bronchi = 1.5 * half_chord(((np.abs(x) - 0.95 * down) / 0.75) ** 2)
    bronchi = bronchi * (down > 0) * ramp(2.6 - down, 0.8)
    air: Array = np.maximum(trachea, bronchi)
    if patient.gas:
        centre = (5.6, patient.domes[1] + 1.0 + patient.gas)
        bubble = ellipsoid(grid, centre, (1.7 * patient.gas, patient.gas))
        air = air + 2.6 * patient.gas * bubble
    return air


def _tube(distance: Array, radius: float) -> Array:
    """Chord through a bone with a dense shell, from the distance of the ray to its axis."""
    q = (distance / radius) ** 2
    chord: Array = 2 * radius * (half_chord(q) - 0.5 * half_chord(q / 0.55))
    return chord


def ribs(patient: Patient, grid: Grid) -> Array:
    """Bone of the ribs.

    A rib ring is tilted, so it projects to an ellipse: the back is its upper half, the front its
    lower.
    """
    out = np.zeros_like(grid.x)
    mid_rows = grid.y[:, grid.y.shape[1] // 2]
    for i in range(RIBS):
        y0 = patient.apex + 2.3 + patient.rib_offset + 2.15 * i
        b = (2.3 + 0.26 * i) * patient.rib_slope
        level = np.array([y0 + 0.6], np.float32)
        a = float(cage_half_width(patient, level)[0]) + 0.35
        # A margin for the tilt of the patient across the film.
        reach = b + patient.rib_radius + 1.5
        rows = slice(*np.searchsorted(mid_rows, [y0 - reach, y0 + reach]))
        x, y = grid.x[rows], grid.y[rows] - y0
        distance = _ellipse_distance(x, y, a, b)
        back = ramp(np.abs(x) - 1.6, 0.3) * (y < 0)
        front = 0.8 * ramp(np.abs(x) - (5.0 + 0.25 * i), 0.8) * (y >= 0)
        out[rows] += _tube(distance, patient.rib_radius) * (back + front)
    return out


def _ellipse_distance(x: Array, y: Array, a: float, b: float) -> Array:
    """Distance to an ellipse about the origin, to first order: its equation over the gradient."""
    fx, fy = x / (a * a), y / (b * b)
    level = x * fx + y * fy - 1
    slope = 2 * np.sqrt(fx * fx + fy * fy)
    distance: Array = level / np.maximum(slope, 1e-4)
    return distance


def other_bones(patient: Patient, grid: Grid) -> Array:
    """Bone of the clavicles, the shoulder blades, the heads of the upper arms and the spine."""
    x, y = np.abs(grid.x), grid.y
    t = (x - 1.6) / 13.0
    start = patient.apex + 3.6
    curve = 0.7 * np.sin(2 * np.pi * np.clip(t, 0, 1))
    axis = start - patient.clavicle_rise * t - curve
    inside = ramp(t, 0.02) * ramp(1 - t, 0.02)
    clavicle = _tube(y - axis, 0.68) * inside
    blade_edge = (patient.half_width - 2.3) + 0.25 * (y + 2.0)
    above, below = ramp(y - (patient.apex + 3.0), 0.6), ramp(1.0 - y, 1.4)
    blade = 0.28 * ramp(x - blade_edge, 0.25) * above * below
    head = 1.2 * ellipsoid(Grid(x, y), (18.0, patient.apex + 2.4), (2.7, 2.7))
    spine, process = _spine(x, y)
    bone: Array = clavicle + blade + head + spine + process
    return bone


def _spine(x: Array, y: Array) -> tuple[Array, Array]:
    """Bone of the vertebrae, and of their spinous processes."""
    disc = np.cos((2 * np.pi / 2.5) * y)
    vertebra = 1.05 * half_chord((x / (2.0 - 0.15 * disc)) ** 2)
    spine = vertebra * (0.82 + 0.18 * ramp(disc + 0.75, 0.3))
    process = 0.35 * half_chord((x / 0.35) ** 2) * ramp(disc - 0.2, 0.5)
    return spine, process
