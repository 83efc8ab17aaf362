"""The patient: random anatomy, and the thickness of each tissue along every ray of a frontal film.

Frame: centimetres on the film, origin at its centre, x to the right of the image (the patient's
left), y downwards, z along the ray. Every array is (H, W) float32 and holds a thickness in cm along
z, unless stated otherwise.
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
    share = (np.arange(size) + 0.5) / size
    from_centre = (share - 0.5) * FIELD_CM
    ticks = from_centre.astype(np.float32)
    return Grid(
        x=ticks[None, :],
        y=ticks[:, None],
    )


def patient_grid(patient: Patient, size: int) -> Grid:
    """The film's pixels seen from the patient: offset, rotation and magnification undone."""
    film = pixel_grid(size)
    right, down = patient.shift
    x = film.x - right
    y = film.y - down
    cos = float(np.cos(patient.tilt)) / patient.zoom
    sin = float(np.sin(patient.tilt)) / patient.zoom
    return Grid(
        x=cos * x + sin * y,
        y=cos * y - sin * x,
    )


def ramp(value: Array, width: float) -> Array:
    """0 below −width, 1 above +width, smooth between.

    >>> ramp(np.float32([-3.0, 0.0, 3.0]), width=2.0).tolist()
    [0.0, 0.5, 1.0]
    """
    full = 2 * width
    t = np.clip(value / full + 0.5, 0, 1)
    smooth: Array = t * t * (3 - 2 * t)
    return smooth


def half_chord(q: Array) -> Array:
    """Half the chord of a unit ball at squared distance q from its centre: √(1 − q), or 0 outside.

    >>> half_chord(np.float32([0.0, 0.75, 2.0])).tolist()
    [1.0, 0.5, 0.0]
    """
    squared = np.maximum(1 - q, 0)
    chord: Array = np.sqrt(squared, dtype=np.float32)
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
    centre_x, centre_y = centre
    radius_x, radius_y = radii
    u = (grid.x - centre_x) / radius_x
    v = (grid.y - centre_y) / radius_y
    return half_chord(u**2 + v**2)


def cage_half_width(patient: Patient, y: Array, apex_drop: float = 0.0) -> Array:
    """Inner half width of the rib cage.

    Args:
        patient: the anatomy.
        y: heights, cm, any shape.
        apex_drop: by how much its top is lowered, cm, as that of a collapsing lung.

    Returns:
        of the shape of ``y``, cm; 0 above the top.
    """
    apex = patient.apex + apex_drop
    height = patient.waist - apex
    up = np.clip((patient.waist - y) / height, 0, 1)
    width: Array = patient.half_width * half_chord(up * up)
    return width


def cage(patient: Patient, grid: Grid) -> Array:
    """Thickness inside the rib cage, diaphragm and mediastinum not yet taken out."""
    height = patient.waist - patient.apex
    up = np.clip((patient.waist - grid.y) / height, 0, 1)
    # The width is 0 above the apex; the floor keeps the quotient finite there.
    width = np.maximum(cage_half_width(patient, grid.y), 1e-3)
    depth = 2 * patient.half_depth * half_chord(up**3)
    across = grid.x / width
    thickness: Array = depth * half_chord(across**2)
    return thickness


def dome_height(patient: Patient, x: Array) -> Array:
    """y of the diaphragm's outline at x, cm.

    Two domes, which fall towards the chest wall and a little towards the midline.
    """
    right, left = patient.domes
    rise = left - right
    top = right + rise * ramp(x, 2.5)
    off = np.abs(x) - 0.42 * patient.half_width
    to_wall = 0.58 * patient.half_width
    outer = patient.sulcus * (off / to_wall) ** 2
    inner = 0.045 * off * off
    fall = np.where(off > 0, outer, inner)
    height: Array = top + fall
    return height


def under_diaphragm(patient: Patient, grid: Grid) -> Array:
    """Abdominal tissue under the domes.

    The dome falls to the front and back too, so lung still lies behind its top.
    """
    under_dome = grid.y - dome_height(patient, grid.x)
    below = np.maximum(under_dome, 0) / (patient.sulcus + 1.0)
    depth = 2.1 * patient.half_depth
    share = np.minimum(np.cbrt(below), 1)
    thickness: Array = depth * share
    return thickness


def heart(patient: Patient, grid: Grid, ctr: float) -> Array:
    """Thickness of the heart: left ventricle and right atrium.

    Args:
        patient: the anatomy.
        grid: coordinates (H, W), cm.
        ctr: cardiothoracic ratio: width of the heart over the largest width of the rib cage.

    Returns:
        (H, W) float32, cm.
    """
    cos = float(np.cos(patient.heart_tilt))
    sin = float(np.sin(patient.heart_tilt))
    # The heart at scale 1, cm: half axes and x of the left ventricle, reach of the right atrium.
    a = 5.9
    b = 4.3
    cx = 2.3
    right_edge = 3.9
    squared_width = (a * cos) ** 2 + (b * sin) ** 2
    ventricle_width = float(np.sqrt(squared_width))
    unit_width = cx + ventricle_width + right_edge
    scale = np.float32(ctr * 2 * patient.half_width / unit_width)
    y0 = 0.5 * sum(patient.domes) - 3.4
    # Growth is about a point below the centre: a large heart rises and widens, as the diaphragm
    # carries it.
    x = grid.x / scale
    y = (grid.y - y0 - 1.2) / scale + 1.2
    from_ventricle = x - cx
    along = cos * from_ventricle + sin * y
    across = cos * y - sin * from_ventricle
    u = along / a
    v = across / b
    ventricle = half_chord(u * u + v * v)
    atrium = ellipsoid(
        Grid(x, y),
        centre=(3.0 - right_edge, -0.4),
        radii=(3.0, 4.4),
    )
    depth = np.float32(13.5) * scale
    thickness: Array = depth * np.maximum(ventricle, 0.8 * atrium)
    return thickness


def great_vessels(patient: Patient, grid: Grid) -> Array:
    """Thickness of the mediastinum without the heart.

    Vessels, oesophagus, aortic knob, pulmonary trunk, root of the neck.
    """
    half = np.float32(patient.mediastinum)
    above_neck = np.maximum(-8.5 - grid.y, 0)
    flare = 0.055 * above_neck**2
    lower = ramp(grid.y + 4.0, 4.0)
    width = half * (1 + 0.12 * lower) + flare
    across = grid.x / width
    column = 2 * patient.half_depth * half_chord(across**2)
    knob_x = float(np.float32(0.45) * half)
    knob = ellipsoid(
        grid,
        centre=(knob_x, -5.6),
        radii=(0.95 * patient.mediastinum, 2.1),
    )
    trunk = ellipsoid(
        grid,
        centre=(1.9, -1.9),
        radii=(2.3, 2.3),
    )
    with_knob = np.maximum(column, 11 * knob)
    thickness: Array = np.maximum(with_knob, 9 * trunk)
    return thickness


def body(patient: Patient, grid: Grid) -> Array:
    """Thickness of the whole body: trunk, shoulders, neck; soft tissue and air spaces together."""
    x = np.abs(grid.x)
    y = grid.y
    waist_width = patient.half_width + patient.wall
    width = waist_width + 0.02 * (y + 4)
    depth = 2 * (patient.half_depth + 0.9 * patient.wall)
    q = (x / width) ** 2
    beside_neck = np.maximum(x - 4, 0)
    shoulder_top = (patient.apex - 1.9) + 0.014 * beside_neck**2
    below_shoulder = (y - shoulder_top) / 6.5
    taper = np.sqrt(np.clip(below_shoulder, 0, 1))
    profile = np.sqrt(half_chord(q * q))
    trunk = depth * profile * taper
    armpit = -3.5 + 0.55 * (x - width)
    above_armpit = ramp(armpit - y, 3.0)
    shoulder = np.minimum(1.25 * taper, 1)
    arm = 11.5 * above_armpit * shoulder
    above_chest = ramp(-8 - y, 3.0)
    neck = 11.5 * half_chord((x / 5.6) ** 2)
    breast = ellipsoid(
        Grid(x, y),
        centre=(7.2, 4.2),
        radii=(5.6, 5.0),
    )
    trunk_and_arms = np.maximum(trunk, arm)
    whole = np.maximum(trunk_and_arms, neck * above_chest)
    thickness: Array = whole + patient.breast * breast
    return thickness


def airways(patient: Patient, grid: Grid) -> Array:
    """Air in the trachea, the main bronchi and the stomach bubble."""
    x = grid.x
    fork = -4.2
    down = grid.y - fork
    above_fork = ramp(fork - grid.y, 0.4)
    trachea = 2.6 * half_chord((x / 0.95) ** 2)
    # The main bronchi run down and outwards from the fork, at 0.95 cm sideways a cm.
    from_axis = np.abs(x) - 0.95 * down
    bronchi = 1.5 * half_chord((from_axis / 0.75) ** 2)
    below_fork = down > 0
    fading = ramp(2.6 - down, 0.8)
    bronchi = bronchi * below_fork * fading
    air: Array = np.maximum(trachea * above_fork, bronchi)
    if patient.gas:
        left_dome = patient.domes[1]
        bubble = ellipsoid(
            grid,
            centre=(5.6, left_dome + 1.0 + patient.gas),
            radii=(1.7 * patient.gas, patient.gas),
        )
        air = air + 2.6 * patient.gas * bubble
    return air
