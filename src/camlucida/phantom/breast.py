"""The compressed breast along every ray of a mammogram: outline, thickness, muscle, dense tissue.

Frame: centimetres on the film of a LEFT breast, x from the chest wall towards the nipple, y
downwards from the film's centre. Every array is (H, W) float32, a length in cm unless it says
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
SHARES = ((0.04, 0.25), (0.25, 0.50), (0.50, 0.75), (0.75, 0.90))
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
    """A random patient; nothing in her tells the density class."""
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
    """A random projection: "CC" from above, "MLO" oblique with the pectoral muscle."""
    u = rng.uniform
    if view == "CC":
        up, down = anatomy.length * u(0.95, 1.02), anatomy.length * u(0.95, 1.02)
        centre, nipple = u(-0.4, 0.4), u(-0.8, 0.8)
        return View(
            centre,
            up,
            down,
            u(2.0, 2.4),
            nipple,
            (0.0, 0.0),
            0.0,
            u(-0.15, 0.15),
            u(-0.12, 0.04) * up,
        )
    down = min(9.2, anatomy.length * u(0.82, 0.95))
    centre = 11.6 - down - u(0.0, 1.2)
    muscle = (u(3.0, 5.5), u(-1.0, 6.0))
    return View(
        centre,
        u(19.0, 27.0),
        down,
        u(2.0, 2.3),
        u(0.0, 1.0),
        muscle,
        u(0.1, 0.7),
        u(0.15, 0.45),
        u(-2.4, -0.6),
    )


def film_grid(size: int) -> MammogramGrid:
    """The pixels of a film ``size`` high; its width is three quarters of that."""
    width = round(size * WIDTH_CM / HEIGHT_CM)
    x = (np.arange(width) + 0.5) / width * WIDTH_CM
    y = ((np.arange(size) + 0.5) / size - 0.5) * HEIGHT_CM
    return MammogramGrid(x.astype(np.float32)[None, :], y.astype(np.float32)[:, None])


def project(anatomy: BreastAnatomy, view: View, rng: np.random.Generator, size: int) -> Breast:
    """One projection on a film ``size`` pixels high. ``rng`` draws the tissue's texture."""
    grid = film_grid(size)
    depth, nipple = outline(anatomy, view, grid)
    whole = rounded(depth, anatomy.thickness)
    inner = rounded(depth - anatomy.skin, anatomy.thickness - 2 * anatomy.skin)
    behind = muscle_depth(view, grid)
    full = 0.32 * ramp(behind - 0.1, 0.3) + 0.22 * ramp(behind - 1.5, 1.5)
    muscle = inner * full
    muscle *= 1 + 0.06 * _clouds(rng, grid, (20, 40))
    inside = (depth > 0) & (behind <= 0)
    return Breast(
        whole,
        whole - inner,
        muscle,
        anatomy.fibres * strands(rng, grid) * (inner > 0) * (behind <= 0),
        dense_field(anatomy, view, Depths(depth, behind), nipple, grid, rng),
        _clouds(rng, grid, (18, 36, 72)),
        inside,
        (depth > 0) & (behind > 0),
    )


def outline(
    anatomy: BreastAnatomy, view: View, grid: MammogramGrid
) -> tuple[Array, tuple[float, float]]:
    """Distance from the skin inwards (negative in the air), and (x, y) of the nipple."""
    power = np.float32(view.power)
    off = grid.y - view.centre
    reach = np.where(off < 0, np.float32(view.up), np.float32(view.down))
    along, across = grid.x / anatomy.depth, np.abs(off) / reach
    gauge = np.maximum((along**power + across**power) ** (1 / power), 1e-3)
    # Of a gauge of degree one, distance to its unit level is about (1 − gauge) ÷ slope.
    slope_x = (along / gauge) ** (power - 1) / anatomy.depth
    slope_y = (across / gauge) ** (power - 1) / reach
    depth = (1 - gauge) / np.hypot(slope_x, slope_y)
    reach_of_side = view.up if view.nipple < 0 else view.down
    share = abs(view.nipple) / reach_of_side
    outwards = (1 - share**view.power) ** (1 / view.power)
    at = (anatomy.depth * outwards, view.centre + view.nipple)
    bump = 0.42 - np.hypot(grid.x - at[0], grid.y - at[1])
    distance: Array = np.maximum(depth, bump)
    return distance, at


def rounded(depth: Array, thickness: float) -> Array:
    """Thickness of a compressed breast: flat between the plates, with round edges."""
    half = thickness / 2
    short = 1 - np.clip(depth / half, 0, 1)
    flat: Array = thickness * half_chord(short * short)
    return flat


def muscle_depth(view: View, grid: MammogramGrid) -> Array:
    """Distance from the pectoral muscle's border into it; negative elsewhere."""
    top, low = view.muscle
    if top == 0:
        return np.full((grid.y.size, grid.x.size), -np.inf, np.float32)
    length = low + HEIGHT_CM / 2
    t = (grid.y + (HEIGHT_CM / 2)) / length
    convex = np.sin(np.pi * np.clip(t, 0, 1))
    border = top * (1 - t) + view.bulge * convex
    cosine = length / float(np.hypot(length, top))
    depth: Array = (border - grid.x) * cosine
    return depth


def strands(rng: np.random.Generator, grid: MammogramGrid) -> Array:
    """Ligaments in the fat: thin curves where smooth random fields cross zero; 0 to 1, no unit."""
    widths = ((18, 0.14), (30, 0.2), (50, 0.3))
    curves = [np.exp(-((_plane(rng, cells, grid) / width) ** 2)) for cells, width in widths]
    strength = 0.4 + 0.5 * _plane(rng, 9, grid)
    uneven = np.clip(strength, 0, 1)
    clouds = _clouds(rng, grid, (10, 20, 40, 80))
    haze = np.clip(0.35 + 0.35 * clouds, 0, 1)
    nearest = np.maximum(np.maximum(curves[0], curves[1]), curves[2])
    web: Array = haze + 0.6 * nearest * uneven
    return web


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
    cos, sin = float(np.cos(view.lean)), float(np.sin(view.lean))
    x = grid.x - 0.5 * anatomy.depth
    y = grid.y - (view.centre + view.middle)
    u, v = cos * x - sin * y, sin * x + cos * y
    form = (u / (0.46 * anatomy.depth)) ** 2 + (v / (0.62 * anatomy.length)) ** 2
    from_nipple = np.hypot(grid.x - nipple[0], grid.y - nipple[1])
    near = ramp(2.0 - from_nipple, 1.0)
    shallow = np.clip(1 - depths.skin / 1.3, 0, 1)
    under_skin = shallow**2 * (1 - 0.7 * near)
    wall = np.minimum(grid.x, -depths.muscle)
    before_muscle = np.clip(1 - wall / 2.2, 0, 1) ** 2
    clouds = _clouds(rng, grid, (7, 14, 28, 56))
    ducts = _ducts(rng, nipple, grid)
    texture = 0.85 * clouds + 0.6 * ducts
    cone = anatomy.rough * texture - np.sqrt(form + 0.1) * 1.5
    field: Array = cone - 3.0 * under_skin - 2.0 * before_muscle
    return field


def _ducts(rng: np.random.Generator, nipple: tuple[float, float], grid: MammogramGrid) -> Array:
    """A random field drawn out towards the nipple."""
    dx, dy = nipple[0] + 1.0 - grid.x, grid.y - nipple[1]
    angle, radius = np.arctan2(dy, dx), np.hypot(dx, dy)
    noise = rng.standard_normal((40, 12)).astype(np.float32)
    around = (angle / np.pi + 1) * 19.5
    outwards = np.minimum(radius / 2.2, 11)
    where = np.stack([around, outwards])
    field: Array = ndimage.map_coordinates(noise, where, order=1, mode="nearest")
    return field


def _clouds(rng: np.random.Generator, grid: MammogramGrid, scales: tuple[int, ...]) -> Array:
    """Sum of smooth random fields, finer ones fainter, of about unit variance."""
    weights = np.sqrt(scales[0] / np.array(scales, np.float32))
    parts = [
        weight * _plane(rng, cells, grid) for weight, cells in zip(weights, scales, strict=True)
    ]
    field: Array = np.sum(parts, axis=0) / np.sqrt(np.sum(weights**2))
    return field


def _plane(rng: np.random.Generator, cells: int, grid: MammogramGrid) -> Array:
    """A smooth random field of about unit variance: ``cells`` random values along the height."""
    field: Array = smooth_field(rng, cells, grid.y.size)[:, : grid.x.size]
    return field
