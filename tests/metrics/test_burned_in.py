"""Letters that are burned in: where they are, and whether they are a line of text or a marker."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from camlucida.core.errors import ImageError
from camlucida.metrics import burned_in as b
from camlucida.metrics.artefacts import text_share
from tests.metrics.test_artefacts import radiograph, with_marker

SIZE = 400


@pytest.fixture(scope="module")
def film():
    return (255 * radiograph(SIZE)).astype(np.uint8)


def drawn(film, text, size, at, grey=255):
    picture = Image.fromarray(film)
    ImageDraw.Draw(picture).text(at, text, fill=grey, font=ImageFont.load_default(size))
    return np.asarray(picture)


def test_text_is_found_where_it_was_drawn_and_nowhere_else():
    image = radiograph()
    assert not b.text_region(image).any()
    marked = with_marker(image)
    letters = marked > 0.9
    region = b.text_region(marked)
    assert region[letters].mean() > 0.9
    assert not region[30:].any()
    assert not region[:, 60:].any()
    heat = letters.astype(float)
    assert text_share(heat, marked) > 0.9
    assert np.isnan(text_share(heat, image))


def test_large_bright_parts_specks_and_borders_are_no_text():
    image = np.zeros((200, 200))
    image[50:150, 50:150] = 1  # a plate
    image[10, 10] = 1  # a speck
    image[180:198, 0:2] = 1  # a bright border
    image[20, 30:190] = 1  # a wire
    assert not b.text_region(image).any()
    assert b.burned_in(image) == ""


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float64])
@pytest.mark.parametrize("size", [1, 2, 3, 8, 11])
def test_the_opening_is_that_of_scipy(kind, size):
    for shape in ((30, 41), (9, 64)):
        levels = np.random.default_rng(size).integers(0, 256, shape).astype(kind)
        expected = ndimage.grey_opening(levels, size=(size, size))
        np.testing.assert_array_equal(b._opened(levels, size), expected)


@pytest.mark.parametrize("text", ["MEIER", "Anna Schmidt", "DOE^JANE 12.03.1950"])
@pytest.mark.parametrize("size", [12, 20, 36])
@pytest.mark.parametrize(("at", "grey"), [((4, 8), 255), ((12, 200), 255), ((40, 180), 0)])
def test_names_are_lines_of_text(film, text, size, at, grey):
    """In the air, over the body and dark on it."""
    assert b.burned_in(drawn(film, text, size, at, grey)) == "text"


@pytest.mark.parametrize("turns", [1, 3])
@pytest.mark.parametrize("size", [12, 20])
@pytest.mark.parametrize("grey", [255, 0])
def test_names_that_run_upwards_or_downwards_are_lines_of_text(film, turns, size, grey):
    turned = drawn(np.rot90(film, -turns), "MEIER", size, (40, 180) if grey == 0 else (4, 8), grey)
    assert b.burned_in(np.rot90(turned, turns)) == "text"


@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.uint64, np.float32])
def test_letters_are_seen_whatever_the_levels_are_stored_as(film, kind):
    for text, expected in (("MEIER", "text"), ("", "")):
        levels = drawn(film, text, 20, (12, 20)).astype(kind) * 16
        assert b.burned_in(levels) == expected


def test_a_picture_of_no_pixels_is_refused():
    with pytest.raises(ImageError, match=r"shape \(0, 4\)"):
        b.burned_in(np.zeros((0, 4), np.uint8))


@pytest.mark.parametrize("text", ["L", "R"])
@pytest.mark.parametrize("size", [20, 36])
def test_the_letter_of_a_side_is_a_marker(film, text, size):
    assert b.burned_in(drawn(film, text, size, (12, 20))) == "marker"


def test_a_film_of_nothing_but_a_body_has_neither(film):
    assert b.burned_in(film) == ""


def test_metal_and_wires_are_no_line_of_text(film):
    picture = Image.fromarray(film)
    draw = ImageDraw.Draw(picture)
    for row in range(150, 290, 28):  # sternal wires, one below the other
        draw.ellipse((192, row, 206, row + 10), outline=250, width=2)
    for column in range(120, 160, 9):  # clips of all heights
        draw.line((column, 120 + column % 17, column + 4, 128 + column % 17), fill=250, width=2)
    draw.line((60, 380, 330, 310), fill=250, width=2)  # a lead
    assert b.burned_in(np.asarray(picture)) == "marker"


@pytest.mark.parametrize("size", [200, 1600])
def test_letters_are_seen_in_bytes_as_in_floats(size):
    image = radiograph(size)
    for picture in (image, with_marker(image)):
        film = (255 * picture).astype(np.uint8)
        in_colour = np.repeat(film[..., None], 3, axis=2)
        kinds = [b.burned_in(each) for each in (film, film / 255, in_colour)]
        assert len(set(kinds)) == 1


def test_a_warning_says_which():
    pictures = (None, np.zeros((9, 9)))
    assert [b.letters_warning(each) for each in pictures] == [(), ()]
    image = np.zeros((200, 200), np.uint8)
    assert b.letters_warning(drawn(image, "L", 20, (20, 20))) == (b.MARKER,)
    assert b.letters_warning(drawn(image, "MEIER", 20, (20, 20))) == (b.LETTERS,)
    notes = b.letters_notes(["a", "b", "a"], ["c"])
    assert [(note.code, note.values["count"]) for note in notes] == [
        ("privacy.letters_in", 2),
        ("privacy.marker_in", 1),
    ]


def test_a_picture_of_numbers_that_are_none_is_refused():
    with pytest.raises(ImageError, match="1 unusable"):
        b.burned_in(np.where(np.eye(9) * np.arange(9) == 3, np.nan, 0.0))
