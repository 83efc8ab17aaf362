"""The compressed breast along every ray of a mammogram: outline, thickness, muscle, dense tissue.

Frame: centimetres on the film of a LEFT breast, x from the chest wall towards the nipple, y
downwards from the film's centre. Every array is (H, W) float32, a length in cm unless stated
otherwise. A right breast is drawn mirrored, by the caller.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from camlucida.phantom.anatomy import Array, half_chord, ramp
from camlucida.phantom.texture import smooth_field

Mask = NDArray[np.bool_]

HEIGHT_CM, WIDTH_CM = 24.0, 18.0
"""The film, chest wall along one of its long sides."""
SHARES = (
    (0.04, 0.25),
    (0.25, 0.50),
    (0.50, 0.75),
    (0.75, 0.90),
)
"""Dense share of the breast's area in density classes 1 to 4: the quartiles of BI-RADS' fourth
edition, without the extremes."""


class BreastAnatomy(NamedTuple):
    """What both views of a patient share. Lengths in cm.

    Attributes:
        depth: chest wall to nipple.
        length: half height of the breast on a CC view.
        thickness: of the compressed breast.
        skin: thickness of the skin.
        class_position: 0 to 1, position of the dense share between the limits of its class.
        fill: share of a ray through dense tissue that is glandular.
        edge: how slowly dense tissue thins out at its border, in units of the field that is
            thresholded.
        rough: amplitude of that field's texture.
        fibres: glandular thickness of the strands in the fat.
    """

    depth: float
    length: float
    thickness: float
    skin: float
    class_position: float
    fill: float
    edge: float
    rough: float
    fibres: float


class View(NamedTuple):
    """One projection of the breast. Lengths in cm.

    Attributes:
        centre: y of the outline's widest level.
        up, down: reach of the outline above and below it.
        power: 2 is an ellipse, more is squarer.
        nipple: y of the nipple, from ``centre``.
        muscle: (x where its border leaves the upper edge, y where it meets the chest wall); (0, 0)
            for none.
        bulge: convexity of that border.
        lean: of the dense tissue's long axis, radians.
        middle: y of the dense tissue's middle, from ``centre``.
    """

    centre: float
    up: float
    down: float
    power: float
    nipple: float
    muscle: tuple[float, float]
    bulge: float
    lean: float
    middle: float


class MammogramGrid(NamedTuple):
    """Pixel centres, cm: x (1, W) and y (H, 1)."""

    x: Array
    y: Array


class Breast(NamedTuple):
    """All thicknesses of one projection, (H, W) cm, and where the dense field lies.

    Attributes:
        whole: of the breast.
        skin: of its skin.
        muscle: of the pectoral muscle.
        fibres: of the strands in the fat.
        field: no unit; tissue is dense where it is above a threshold.
        grain: no unit, about ±1: fluctuation inside dense tissue.
        inside: bool, within the outline and off the muscle.
        behind: bool, the muscle.
    """

    whole: Array
    skin: Array
    muscle: Array
    fibres: Array
    field: Array
    grain: Array
    inside: Mask
    behind: Mask


def draw_breast_anatomy(rng: np.random.Generator) -> BreastAnatomy:
    """A random patient; the anatomy is independent of the density class."""
    u = rng.uniform
    depth = u(7.0, 11.0)
    return BreastAnatomy(
        depth=depth,
        length=min(10.8, depth * u(0.95, 1.25)),
        thickness=u(3.8, 6.4),
        skin=u(0.14, 0.22),
        class_position=u(0.0, 1.0),
        fill=u(0.4, 0.8),
        edge=u(0.5, 1.6),
        rough=u(0.7, 1.3),
        fibres=u(0.2, 0.6),
    )


def draw_view(rng: np.random.Generator, anatomy: BreastAnatomy, view: str) -> View:
    """A random projection.

    Args:
        rng: draws the outline, the muscle and the place of the dense tissue.
        anatomy: of the patient.
        view: "CC", from above, or "MLO", oblique with the pectoral muscle.
    """
    u = rng.uniform
    # The order of the draws is part of the film.
    if view == "CC":
        up = anatomy.length * u(0.95, 1.02)
        down = anatomy.length * u(0.95, 1.02)
        centre = u(-0.4, 0.4)
        nipple = u(-0.8, 0.8)
        return View(
            centre=centre,
            up=up,
            down=down,
            power=u(2.0, 2.4),
            nipple=nipple,
            muscle=(0.0, 0.0),
            bulge=0.0,
            lean=u(-0.15, 0.15),
            middle=u(-0.12, 0.04) * up,
        )
    down = min(9.2, anatomy.length * u(0.82, 0.95))
    centre = 11.6 - down - u(0.0, 1.2)
    muscle_top = u(3.0, 5.5)
    muscle_low = u(-1.0, 6.0)
    return View(
        centre=centre,
        up=u(19.0, 27.0),
        down=down,
        power=u(2.0, 2.3),
        nipple=u(0.0, 1.0),
        muscle=(muscle_top, muscle_low),
        bulge=u(0.1, 0.7),
        lean=u(0.15, 0.45),
        middle=u(-2.4, -0.6),
    )


def film_grid(size: int) -> MammogramGrid:
    """The pixels of a film ``size`` high; its width is three quarters of that."""
    width = round(size * WIDTH_CM / HEIGHT_CM)
    across = (np.arange(width) + 0.5) / width
    down = (np.arange(size) + 0.5) / size
    x = (across * WIDTH_CM).astype(np.float32)
    y = ((down - 0.5) * HEIGHT_CM).astype(np.float32)
    return MammogramGrid(
        x=x[None, :],
        y=y[:, None],
    )


def project(anatomy: BreastAnatomy, view: View, rng: np.random.Generator, size: int) -> Breast:
    """One projection of a breast.

    Args:
        anatomy: of the patient.
        view: of this projection.
        rng: draws the tissue's texture.
        size: height of the film, pixels.
    """
    grid = film_grid(size)
    depth, nipple = outline(anatomy, view, grid)
    whole = rounded(depth, anatomy.thickness)
    inner_thickness = anatomy.thickness - 2 * anatomy.skin
    inner = rounded(depth - anatomy.skin, inner_thickness)
    behind = muscle_depth(view, grid)
    border = ramp(behind - 0.1, 0.3)
    deep = ramp(behind - 1.5, 1.5)
    muscle = inner * (0.32 * border + 0.22 * deep)
    in_breast = depth > 0
    before_muscle = behind <= 0
    # The order of the draws from ``rng`` is part of the film.
    muscle *= 1 + 0.06 * _clouds(rng, grid, (20, 40))
    web = anatomy.fibres * strands(rng, grid)
    depths = Depths(skin=depth, muscle=behind)
    field = dense_field(anatomy, view, depths, nipple, grid, rng)
    grain = _clouds(rng, grid, (18, 36, 72))
    return Breast(
        whole=whole,
        skin=whole - inner,
        muscle=muscle,
        fibres=web * (inner > 0) * before_muscle,
        field=field,
        grain=grain,
        inside=in_breast & before_muscle,
        behind=in_breast & (behind > 0),
    )


def outline(
    anatomy: BreastAnatomy, view: View, grid: MammogramGrid
) -> tuple[Array, tuple[float, float]]:
    """Outline of the breast.

    Args:
        anatomy: of the patient.
        view: of this projection.
        grid: pixel centres, cm.

    Returns:
        distance from the skin inwards, (H, W) cm, negative in the air; (x, y) of the nipple, cm.
    """
    power = np.float32(view.power)
    off = grid.y - view.centre
    up = np.float32(view.up)
    down = np.float32(view.down)
    reach = np.where(off < 0, up, down)
    along = grid.x / anatomy.depth
    across = np.abs(off) / reach
    powers = along**power + across**power
    gauge = np.maximum(powers ** (1 / power), 1e-3)
    # Of a gauge of degree one, distance to its unit level is about (1 − gauge) ÷ slope.
    slope_x = (along / gauge) ** (power - 1) / anatomy.depth
    slope_y = (across / gauge) ** (power - 1) / reach
    depth = (1 - gauge) / np.hypot(slope_x, slope_y)
    reach_of_side = view.up if view.nipple < 0 else view.down
    share = abs(view.nipple) / reach_of_side
    outwards = (1 - share**view.power) ** (1 / view.power)
    nipple_x = anatomy.depth * outwards
    nipple_y = view.centre + view.nipple
    from_nipple = np.hypot(grid.x - nipple_x, grid.y - nipple_y)
    # The nipple is a bump of 0.42 cm on the outline.
    distance: Array = np.maximum(depth, 0.42 - from_nipple)
    return distance, (nipple_x, nipple_y)


def rounded(depth: Array, thickness: float) -> Array:
    """Thickness of a compressed breast: flat between the plates, with round edges."""
    half = thickness / 2
    to_plate = np.clip(depth / half, 0, 1)
    short = 1 - to_plate
    flat: Array = thickness * half_chord(short * short)
    return flat


def muscle_depth(view: View, grid: MammogramGrid) -> Array:
    """Distance from the pectoral muscle's border into it; negative elsewhere."""
    top, low = view.muscle
    if top == 0:
        shape = (grid.y.size, grid.x.size)
        return np.full(shape, -np.inf, np.float32)
    upper_edge = HEIGHT_CM / 2
    length = low + upper_edge
    t = (grid.y + upper_edge) / length
    along = np.clip(t, 0, 1)
    convex = np.sin(np.pi * along)
    border = top * (1 - t) + view.bulge * convex
    hypotenuse = float(np.hypot(length, top))
    cosine = length / hypotenuse
    depth: Array = (border - grid.x) * cosine
    return depth


def strands(rng: np.random.Generator, grid: MammogramGrid) -> Array:
    """Ligaments in the fat: thin curves where smooth random fields cross zero; 0 to 1, no unit."""
    coarse = _zero_curves(rng, grid, cells=18, width=0.14)
    medium = _zero_curves(rng, grid, cells=30, width=0.2)
    fine = _zero_curves(rng, grid, cells=50, width=0.3)
    strength = 0.4 + 0.5 * _plane(rng, 9, grid)
    uneven = np.clip(strength, 0, 1)
    clouds = _clouds(rng, grid, (10, 20, 40, 80))
    haze = np.clip(0.35 + 0.35 * clouds, 0, 1)
    strongest = np.maximum(coarse, medium)
    nearest = np.maximum(strongest, fine)
    web: Array = haze + 0.6 * nearest * uneven
    return web


def _zero_curves(rng: np.random.Generator, grid: MammogramGrid, cells: int, width: float) -> Array:
    """Thin curves where a smooth random field crosses zero, (H, W) in [0, 1]."""
    level = _plane(rng, cells, grid) / width
    curves: Array = np.exp(-(level**2))
    return curves


class Depths(NamedTuple):
    """Distances into the breast from its skin, and into the muscle from its border."""

    skin: Array
    muscle: Array


def dense_field(
    anatomy: BreastAnatomy,
    view: View,
    depths: Depths,
    nipple: tuple[float, float],
    grid: MammogramGrid,
    rng: np.random.Generator,
) -> Array:
    """The field whose high values are dense tissue, (H, W), no unit.

    High behind the nipple, low under the skin and before the chest wall, with clouds and ducts.
    """
    cos = float(np.cos(view.lean))
    sin = float(np.sin(view.lean))
    x = grid.x - 0.5 * anatomy.depth
    y = grid.y - (view.centre + view.middle)
    u = cos * x - sin * y
    v = sin * x + cos * y
    long_radius = 0.46 * anatomy.depth
    short_radius = 0.62 * anatomy.length
    along = (u / long_radius) ** 2
    across = (v / short_radius) ** 2
    form = along + across
    nipple_x, nipple_y = nipple
    from_nipple = np.hypot(grid.x - nipple_x, grid.y - nipple_y)
    near = ramp(2.0 - from_nipple, 1.0)
    shallow = np.clip(1 - depths.skin / 1.3, 0, 1)
    under_skin = shallow**2 * (1 - 0.7 * near)
    wall = np.minimum(grid.x, -depths.muscle)
    before_wall = np.clip(1 - wall / 2.2, 0, 1)
    before_muscle = before_wall**2
    clouds = _clouds(rng, grid, (7, 14, 28, 56))
    ducts = _ducts(rng, nipple, grid)
    texture = 0.85 * clouds + 0.6 * ducts
    fall = np.sqrt(form + 0.1) * 1.5
    cone = anatomy.rough * texture - fall
    field: Array = cone - 3.0 * under_skin - 2.0 * before_muscle
    return field


def _ducts(rng: np.random.Generator, nipple: tuple[float, float], grid: MammogramGrid) -> Array:
    """A random field drawn out towards the nipple."""
    nipple_x, nipple_y = nipple
    dx = nipple_x + 1.0 - grid.x
    dy = grid.y - nipple_y
    angle = np.arctan2(dy, dx)
    radius = np.hypot(dx, dy)
    noise = rng.standard_normal((40, 12)).astype(np.float32)
    around = (angle / np.pi + 1) * 19.5
    outwards = np.minimum(radius / 2.2, 11)
    where = np.stack([around, outwards])
    field: Array = ndimage.map_coordinates(noise, where, order=1, mode="nearest")
    return field


def _clouds(rng: np.random.Generator, grid: MammogramGrid, scales: tuple[int, ...]) -> Array:
    """Sum of smooth random fields, finer ones fainter, of about unit variance."""
    all_cells = np.array(scales, np.float32)
    weights = np.sqrt(scales[0] / all_cells)
    parts = []
    for weight, cells in zip(weights, scales, strict=True):
        parts.append(weight * _plane(rng, cells, grid))
    norm = np.sqrt(np.sum(weights**2))
    field: Array = np.sum(parts, axis=0) / norm
    return field


def _plane(rng: np.random.Generator, cells: int, grid: MammogramGrid) -> Array:
    """A smooth random field of about unit variance: ``cells`` random values along the height."""
    square = smooth_field(rng, cells, grid.y.size)
    field: Array = square[:, : grid.x.size]
    return field
