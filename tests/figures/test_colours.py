"""The higher the heat, the more the overlay differs from the film: CIEDE2000, on every grey."""

import matplotlib
import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from camlucida.core.errors import UsageError
from camlucida.figures.colours import (
    LEVELS,
    SIGNED_COLORMAP,
    colormap_name,
    mix,
    opacity_table,
    shows_its_peak,
)
from camlucida.figures.overlay import peak_notes
from camlucida.figures.style import drawn_with

GREYS = np.arange(256) / 255

# Machado, Oliveira and Fernandes 2009, severity 1; on linear RGB.
DEUTERANOPIA = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413]]
DEUTERANOPIA += [[-0.011820, 0.042940, 0.968881]]
PROTANOPIA = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216]]
PROTANOPIA += [[-0.003882, -0.048116, 1.051998]]


def seen(rgb, matrix):
    if matrix is None:
        return rgb
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.array(matrix).T, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def differences(name, alpha, sign=None, levels=LEVELS, matrix=None):
    """CIEDE2000 between overlay and film, (256 greys, levels)."""
    heat = np.broadcast_to(np.linspace(0, 1, levels), (256, levels))
    film = np.broadcast_to(GREYS[:, None, None], (256, levels, 3))
    mixed = mix(film, heat * (sign or 1), name, alpha, sign is not None).astype(float)
    return deltaE_ciede2000(rgb2lab(seen(film, matrix)), rgb2lab(seen(mixed, matrix)))


@pytest.mark.parametrize("alpha", [0.5, 0.6, 0.75])
@pytest.mark.parametrize("matrix", [None, DEUTERANOPIA, PROTANOPIA])
def test_the_default_rises_on_every_grey_for_colour_blind_readers_too(alpha, matrix):
    distance = differences("lucida", alpha, matrix=matrix)
    assert np.diff(distance, axis=1).min() > 0
    assert distance[:, 0].max() < 1e-4
    assert distance[:, -1].min() > 23  # nowhere near the film


def test_inferno_at_half_opacity_did_not_rise():
    heat = np.linspace(0, 1, LEVELS)
    film = np.broadcast_to(GREYS[:, None, None], (256, LEVELS, 3))
    colours = matplotlib.colormaps["inferno"](heat)[:, :3]
    plain = film * (1 - 0.5 * heat[:, None]) + colours * 0.5 * heat[:, None]
    distance = deltaE_ciede2000(rgb2lab(film), rgb2lab(plain))
    assert (distance.max(1) - distance[:, -1]).max() > 4


@pytest.mark.parametrize("name", ["jet", "turbo", "viridis", "inferno", "magma", "plasma"])
@pytest.mark.parametrize("alpha", [0.6, 0.75])
def test_a_requested_map_rises_too(name, alpha):
    assert shows_its_peak(name, alpha)
    distance = differences(name, alpha)
    assert np.diff(distance, axis=1).min() > -0.1  # between the greys of the table; 1 can be seen
    assert (distance[:, -1:] >= distance).all()
    between = differences(name, alpha, levels=2 * LEVELS - 1)
    assert (between[:, -1:] >= between).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_both_halves_of_the_diverging_map_rise(sign):
    assert np.diff(differences(SIGNED_COLORMAP, 0.6, sign), axis=1).min() > 0


def test_a_map_that_ends_in_grey_cannot_show_its_peak_and_that_is_said():
    for name in ("gray", "hot"):
        assert not shows_its_peak(name)
        assert name in peak_notes(name)[0]
    assert peak_notes("jet") == []


def test_a_map_that_can_be_proportional_is():
    opacity, rises = opacity_table("lucida", 0.6)
    assert rises
    np.testing.assert_allclose(opacity, np.linspace(0, 0.6, LEVELS))


def test_zero_heat_is_the_untouched_film():
    film = np.random.default_rng(0).random((4, 5, 3)).astype(np.float32)
    for name in ("lucida", "jet", "gray", "viridis"):
        np.testing.assert_array_equal(mix(film, np.zeros((4, 5)), name), film)
    np.testing.assert_array_equal(mix(film, np.zeros((4, 5)), "bwr", signed=True), film)


def test_the_default_alone_gets_ever_lighter_from_black():
    colours = matplotlib.colormaps["lucida"](np.linspace(0, 1, 64))[None, :, :3]
    lightness = rgb2lab(colours)[0, :, 0]
    assert lightness[0] == pytest.approx(0)
    assert (np.diff(lightness) > 0).all()


def test_the_colour_map_of_the_command_holds_in_the_block_only():
    with drawn_with(colormap="viridis"):
        assert colormap_name(None, False) == "viridis"
        assert colormap_name("jet", False) == "jet"
        assert colormap_name(None, True) == "bwr"
    assert colormap_name(None, False) == "lucida"
    with pytest.raises(UsageError, match="unknown colormap"):
        colormap_name("infernal", False)
