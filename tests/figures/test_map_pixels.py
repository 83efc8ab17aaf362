"""Maps in pixels by tables, beside the formulas that the tables stand for."""

import numpy as np
import pytest
import torch

from camlucida.core.geometry import Geometry
from camlucida.figures.colours import colormap_name, mix
from camlucida.figures.map_pixels import heat_picture, overlay_picture
from camlucida.figures.overlay import as_rgb, blend, colormap_for, map_pixels
from tests.support.explanations import explanation

RAW = np.random.default_rng(0).normal(0.3, 1.0, (7, 5)).tolist()
COLOURED = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)


def with_film(item, film):
    object.__setattr__(item.scan, "display", film)
    return item


@pytest.mark.parametrize("film", [COLOURED[..., 0], COLOURED], ids=["grey", "colour"])
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("colormap", [None, "jet", "gray"])
def test_the_overlay_is_that_of_the_formula(film, relu, colormap):
    item = with_film(explanation(RAW, relu=relu), film)
    expected = blend(item, colormap) * 255
    drawn = np.asarray(overlay_picture(film, map_pixels(item, colormap)), int)
    assert drawn.shape == (40, 60, 3)
    # Heat in 1,023 steps can fall on the neighbour of one of a colour map's 256 colours.
    assert np.abs(drawn - expected).max() < 4
    assert np.abs(drawn - expected).mean() < 0.5


@pytest.mark.parametrize("limit", [None, 0.5, 9.0])
def test_a_shared_scale_and_no_evidence(limit):
    item = explanation(RAW)
    film = item.scan.picture()
    drawn = np.asarray(overlay_picture(film, map_pixels(item, limit=limit)), int)
    assert np.abs(drawn - blend(item, limit=limit) * 255).max() < 4
    empty = explanation([[-1.0, -2.0]], empty="no cell speaks for the target")
    np.testing.assert_array_equal(
        np.asarray(overlay_picture(film, map_pixels(empty)), int), np.repeat(film[..., None], 3, 2)
    )


@pytest.mark.parametrize("relu", [True, False])
def test_the_map_alone_has_the_colours_of_its_colour_map(relu):
    item = explanation(RAW, relu=relu)
    shares = item.numpy() / item.limit
    shares = shares / 2 + 0.5 if item.signed else shares
    expected = colormap_for(item)(np.clip(shares, 0, 1))[..., :3] * 255
    assert np.abs(np.asarray(heat_picture(map_pixels(item)), int) - expected).max() < 6


@pytest.mark.parametrize(
    "geometry",
    [
        Geometry.identity((40, 60)),
        Geometry.identity((40, 60)).resize((16, 16)),
        Geometry.identity((40, 60)).crop((0, 10), (40, 40)).resize((8, 8)),
        Geometry.identity((40, 60)).pad((10, 0), (10, 0)).flip(1).resize((30, 30)),
    ],
)
def test_cells_lie_on_the_film_as_the_map_in_original_pixels(geometry):
    item = explanation(RAW)
    object.__setattr__(item.scan, "geometry", geometry)
    drawn = map_pixels(item)
    assert drawn.weights is not None
    np.testing.assert_allclose(drawn.values, item.numpy(), atol=1e-5)


def test_a_fine_grid_is_interpolated_first():
    item = explanation(torch.rand(80, 4).tolist())
    drawn = map_pixels(item)
    assert drawn.weights is None
    np.testing.assert_array_equal(drawn.values, item.numpy())


def test_mix_leaves_the_film_where_the_heat_is_zero():
    film = COLOURED
    drawn = map_pixels(with_film(explanation([[0.0, 0.0, 1.0]]), film))
    untouched = drawn.values == 0
    assert untouched.any()
    np.testing.assert_array_equal(
        np.asarray(overlay_picture(film, drawn))[untouched], film[untouched]
    )
    name = colormap_name(None, False)
    zero = np.zeros(film.shape[:2])
    np.testing.assert_allclose(mix(as_rgb(film), zero, name), as_rgb(film))
