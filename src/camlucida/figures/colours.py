"""Colour maps and opacity: the higher the heat, the more the overlay differs from the bare film.

Half-transparent colours mix with the grey of the film. A pale colour at the top of a map turns
grey over a bright film, and mid-range heat then stands out more than the peak. Here the opacity
is a function of the heat for which the difference from the film rises with the heat on every grey.
The difference is CIEDE2000 (Sharma, Wu and Dalal, *Color Res. Appl.* 30, 2005).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from camlucida.core.errors import UsageError, did_you_mean
from camlucida.figures.map_pixels import HEAT_STEPS, ColourTable
from camlucida.figures.style import style

Floats = NDArray[np.float64]

DEFAULT_COLORMAP = "lucida"
"""Red to orange to amber, ever lighter: its top is saturated, and differs from every grey by
lightness or by yellow against blue, which colour-blind readers see too.
"""

SIGNED_COLORMAP = "bwr"
"""Diverging, for maps with evidence for (red) and against (blue): its ends are bright, so they
show on a dark image.
"""

ALPHA = 0.6
"""Opacity of full colour in a single overlay."""

_HUES = LinearSegmentedColormap.from_list(
    "lucida_hues", [(0.75, 0.05, 0.10), (1.0, 0.35, 0.0), (1.0, 0.80, 0.0)], N=256
)
"""The colours of :data:`DEFAULT_COLORMAP` over a film, where transparency makes zero vanish."""

_DIVERGING = {
    *("BrBG", "PRGn", "PiYG", "PuOr", "RdBu", "RdGy", "RdYlBu", "RdYlGn", "Spectral"),
    *("bwr", "coolwarm", "seismic", "berlin", "managua", "vanimo"),
}

LEVELS = 65
"""Heats, evenly spaced in [0, 1], at which the opacity is computed; linear between them."""

GREYS = 52
"""Greys, evenly spaced from black to white, that the opacity is computed for."""

STEPS = 40
"""Opacities that are tried at each heat, from 0 to the proportional one."""

MARGIN = 0.02
"""Least rise of CIEDE2000 from one heat to the next: it covers the greys in between."""

LEAST_PEAK = 5.0
"""CIEDE2000 of the peak from the film on the least favourable grey, below which a colour map
cannot show its peak."""

LEAST_SHARE = 0.1
"""Opacity at half heat as a share of the proportional one, below which half of the map would
vanish."""


FADE = 0.85
"""Power of the heat by which the default map alone fades into black."""


def _on_black() -> ListedColormap:
    """The default map alone, as it looks over a black film: zero is black."""
    heat = np.linspace(0, 1, 256)
    colours = _HUES(heat)[:, :3] * (heat**FADE)[:, None]
    return ListedColormap(colours, name=DEFAULT_COLORMAP)


matplotlib.colormaps.register(_on_black(), force=True)


def check_colormap(name: str | None) -> None:
    """Raise a :class:`UsageError` for a colormap that matplotlib does not know.

    >>> check_colormap("jet")
    """
    if name is not None and name not in matplotlib.colormaps:
        raise UsageError(
            f"unknown colormap {name!r}", did_you_mean(name, sorted(matplotlib.colormaps))
        )


def colormap_name(requested: str | None, signed: bool) -> str:
    """The name of the colour map that is used.

    A signed map has a diverging one: the requested one if it is, else bwr.

    Args:
        requested: by the caller; None for that of the command (:mod:`camlucida.figures.style`).
        signed: whether the map is drawn with evidence against the target.

    Raises:
        UsageError: unknown colormap.

    >>> colormap_name(None, False), colormap_name("jet", False), colormap_name("jet", True)
    ('lucida', 'jet', 'bwr')
    >>> colormap_name("coolwarm", True)
    'coolwarm'
    """
    name = requested or style().colormap
    check_colormap(name)
    if not signed:
        return name or DEFAULT_COLORMAP
    if name is not None and name.removesuffix("_r") in _DIVERGING:
        return name
    return SIGNED_COLORMAP


def overlay_colours(name: str, heat: NDArray[np.floating], signed: bool) -> Floats:
    """The colours of heat over a film, before they are made transparent.

    Args:
        name: of the colour map.
        heat: any shape, in [0, 1], or [−1, 1] where ``signed``.
        signed: whether the middle of the colour map is zero.

    Returns:
        (*shape, 3) in [0, 1].

    >>> overlay_colours("lucida", np.array([1.0]), False).round(2).tolist()
    [[1.0, 0.8, 0.0]]
    """
    palette: Any = _HUES if name == DEFAULT_COLORMAP else matplotlib.colormaps[name]
    levels = heat / 2 + 0.5 if signed else heat
    return np.asarray(palette(levels)[..., :3], np.float64)


def mix(
    base: NDArray[np.floating],
    heat: NDArray[np.floating],
    name: str,
    alpha: float = ALPHA,
    signed: bool = False,
) -> NDArray[np.float32]:
    """A map over an image.

    Args:
        base: (H, W, 3) in [0, 1].
        heat: (H, W) in [0, 1], or [−1, 1] where ``signed``; 0 leaves the image as it is.
        name: of the colour map.
        alpha: opacity of full colour.
        signed: whether the middle of the colour map is zero.

    Returns:
        (H, W, 3) in [0, 1].

    >>> mix(np.full((1, 1, 3), 0.5), np.zeros((1, 1)), "jet").tolist()
    [[[0.5, 0.5, 0.5]]]
    """
    magnitude = np.abs(heat)
    table, _ = opacity_table(name, alpha, signed)
    opacity = np.interp(magnitude, np.linspace(0, 1, LEVELS), table)[..., None]
    colours = overlay_colours(name, heat, signed)
    return np.asarray(base * (1 - opacity) + colours * opacity, np.float32)


@lru_cache(maxsize=64)
def colour_table(name: str, alpha: float = ALPHA, signed: bool = False) -> ColourTable:
    """The tables by which a map is drawn into pixels; they follow :func:`mix`.

    Args:
        name: of the colour map.
        alpha: opacity of full colour.
        signed: whether the middle of the colour map is zero.

    >>> colour_table("lucida").opacity[[0, -1]].round(2).tolist()
    [0.0, 0.6000000238418579]
    """
    heat = np.linspace(0, 1, HEAT_STEPS + 1)
    if signed:
        heat = np.linspace(-1, 1, 2 * HEAT_STEPS + 1)
    table, _ = opacity_table(name, alpha, signed)
    opacity = np.interp(np.abs(heat), np.linspace(0, 1, LEVELS), table)
    colours = overlay_colours(name, heat, signed)
    shares = np.linspace(0, 1, 255 if signed else 256)
    alone = matplotlib.colormaps[name](shares)[:, :3] * 255
    return ColourTable(
        (name, alpha, signed),
        signed,
        colours.astype(np.float32),
        opacity.astype(np.float32),
        alone.round().astype(np.uint8),
    )


def shows_its_peak(name: str, alpha: float = ALPHA, signed: bool = False) -> bool:
    """Whether full colour differs more from the film than any lesser heat does, on every grey.

    >>> shows_its_peak("lucida"), shows_its_peak("jet"), shows_its_peak("gray")
    (True, True, False)
    """
    return opacity_table(name, alpha, signed)[1]


@lru_cache(maxsize=64)
def opacity_table(name: str, alpha: float, signed: bool = False) -> tuple[Floats, bool]:
    """Opacity as a function of heat.

    It is proportional to the heat where CIEDE2000 between overlay and film then rises with the
    heat on every grey. Elsewhere it is the largest that lets it rise, computed from full colour
    down. A colour map whose top is as grey as a film, or that would vanish at half heat, keeps the
    proportional opacity, and the figure says so.

    Args:
        name: of the colour map.
        alpha: opacity of full colour.
        signed: both halves of a diverging colour map, each from its middle; one opacity for both.

    Returns:
        (:data:`LEVELS`,) opacities of heat from 0 to 1, and whether the difference rises.

    >>> opacity, rises = opacity_table("lucida", 0.6)
    >>> float(opacity[0]), round(float(opacity[32]), 3), round(float(opacity[-1]), 3), rises
    (0.0, 0.3, 0.6, True)
    """
    heat = np.linspace(0, 1, LEVELS)
    proportional = alpha * heat
    tried = proportional[:, None] * np.linspace(0, 1, STEPS + 1)
    signs = (1.0, -1.0) if signed else (1.0,)
    differences = [
        _differences(overlay_colours(name, sign * heat, signed), tried) for sign in signs
    ]
    table = _rising(tried, np.concatenate(differences))
    peak = min(float(part[:, -1, -1].min()) for part in differences)
    middle = LEVELS // 2
    rises = peak >= LEAST_PEAK and bool(table[middle] >= LEAST_SHARE * proportional[middle])
    return (table if rises else proportional), rises


def _differences(colours: Floats, opacity: Floats) -> Floats:
    """CIEDE2000 between overlay and film: (greys, heats, opacities)."""
    greys = np.linspace(0, 1, GREYS)
    film = np.repeat(greys[:, None], 3, axis=1)[:, None, None]
    share = opacity[None, ..., None]
    mixed = film * (1 - share) + colours[None, :, None] * share
    difference: Any = deltaE_ciede2000  # untyped
    return np.asarray(difference(rgb2lab(film), rgb2lab(mixed)))


def _rising(tried: Floats, differences: Floats) -> Floats:
    """At each heat the largest opacity that differs less, on every grey, than the next heat's."""
    table = tried[:, -1].copy()
    above = differences[:, -1, -1]
    for level in range(len(table) - 2, -1, -1):
        here = differences[:, level]
        is_less = (here <= np.maximum(above - MARGIN, 0)[:, None]).all(axis=0)
        best = int(np.flatnonzero(is_less).max(initial=0))  # no opacity is no difference
        table[level] = tried[level, best]
        above = here[:, best]
    return table
