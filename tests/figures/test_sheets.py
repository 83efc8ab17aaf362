"""Sheets of panels composed of pixels."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from camlucida.figures.map_pixels import ColourTable, MapPixels
from camlucida.figures.sheets import GAP, Bar, Sheet, bar_ticks, panel_film, panel_map, panel_size
from camlucida.figures.style import font_file

GREY = np.full((200, 300), 128, np.uint8)


def sheet(panels, **changes):
    headings = ["a heading"] * len(panels)
    return Sheet("a title", headings, panels, ["below"], font_file(), **changes).draw()


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 0.0253), (-4e-7, 4e-7), (0, 97531), (-3, 3)])
def test_ticks_are_round_inside_and_at_zero(low, high):
    ticks = bar_ticks(float(low), float(high))
    assert 2 <= len(ticks) <= 7
    assert all(low <= value <= high for value, _ in ticks)
    assert (0.0, "0") in ticks
    assert all(float(text) == value for value, text in ticks)
    steps = np.diff([value for value, _ in ticks])
    np.testing.assert_allclose(steps, steps[0])


def panel(pixels):
    return Image.fromarray(panel_film(pixels)).convert("RGB")


def test_panels_keep_pixels_of_films_of_usual_size_and_reduce_larger_ones():
    large = np.zeros((3000, 1500), np.uint8)
    large[:1500] = 255
    assert panel(large).size == (420, 840)
    usual = np.random.default_rng(0).integers(0, 256, (700, 800), np.uint8)
    np.testing.assert_array_equal(np.asarray(panel(usual))[..., 0], usual)
    small = np.array([[0, 255], [255, 0]], np.uint8)
    assert set(np.unique(panel(small))) == {0, 255}  # squares, not smoothed


@pytest.mark.parametrize("size", [(1024, 1024), (3000, 1700), (300, 200)])
def test_the_map_of_a_panel_is_resized_as_pixels_are(size):
    rng = np.random.default_rng(0)
    weights = tuple(rng.random((side, 7), np.float32) / 7 for side in size)
    table = ColourTable(("x", 1.0, False), False, *(np.zeros((2, 3), np.float32),) * 3)
    by_cells = MapPixels(rng.random((7, 7), np.float32), weights, 1.0, table)
    in_pixels = replace(by_cells, cells=by_cells.values, weights=None)
    small = panel_map(by_cells).values
    assert small.shape[::-1] == panel_size(size)
    np.testing.assert_allclose(small, panel_map(in_pixels).values, atol=2e-5)


@pytest.mark.parametrize("size", [(1024, 1024), (40, 300), (300, 40), (1, 1), (4000, 30)])
def test_a_panel_keeps_its_shape(size):
    width, height = panel_size(size)
    assert max(width, height) <= 840
    assert height * size[1] == pytest.approx(width * size[0], rel=0.2)


def test_panels_stand_side_by_side_untouched_by_words():
    red = np.full((200, 300, 3), (200, 30, 30), np.uint8)
    drawn = sheet([panel(red), panel(red)])
    is_panel = (drawn == (200, 30, 30)).all(2)
    rows, columns = np.nonzero(is_panel)
    width, height = panel_size(GREY.shape)
    assert is_panel.sum() == 2 * width * height
    assert rows.max() - rows.min() + 1 == height
    assert columns.max() - columns.min() + 1 == 2 * width + GAP
    above, below = drawn[: rows.min()], drawn[rows.max() + 1 :]
    assert above.min() < 60  # title and headings
    assert below.min() < 60  # the footer


def test_the_bar_shows_the_highest_colour_on_top():
    colours = np.stack([np.linspace(0, 255, 256)] * 3, axis=1).astype(np.uint8)
    colours[:, 1:] = 0  # black to red
    drawn = sheet([panel(GREY)], bar=Bar(colours, 0.0, 2.0, "map value"))
    red = (drawn[..., 0].astype(int) - drawn[..., 1]) > 100
    reds = drawn[..., 0][red]
    assert reds[:40].mean() > reds[-40:].mean()
    assert drawn.shape[1] > sheet([panel(GREY)]).shape[1]


def test_long_words_are_wrapped_and_make_the_sheet_higher():
    panels = [Image.new("RGB", (500, 300))]
    path = font_file()
    short = Sheet("title", [""], panels, ["below"], path).draw()
    long = Sheet("title " * 40, [""], panels, ["below " * 80], path).draw()
    assert long.shape[1] == short.shape[1]
    assert long.shape[0] > short.shape[0] + 100


@pytest.mark.parametrize("level", [0, 255])
def test_synthetic_shows_on_black_and_on_white(level):
    plain = panel(np.full((300, 800), level, np.uint8))
    real, synthetic = sheet([plain]), sheet([plain], synthetic=True)
    difference = np.abs(real.astype(int) - synthetic).max(2)
    assert (difference > 40).sum() > 1000
