import importlib.util
from pathlib import Path

import numpy as np
import pytest

from camlucida.metrics.lung_fields import (
    PHANTOM_ERROR,
    ZONES,
    LungFields,
    lung_fields,
    lung_zones,
    split_lungs,
)
from camlucida.phantom.generator import film
from camlucida.phantom.mammogram import mammogram

SCRIPT = Path(__file__).parents[2] / "scripts/lung_field_error.py"


def test_the_stated_error_is_that_of_the_phantom():
    spec = importlib.util.spec_from_file_location("lung_field_error", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    scores = script.dice_of_films(12, first=70)
    dice = [score for score in scores if score is not None]
    assert len(dice) >= 11
    assert np.mean(dice) == pytest.approx(PHANTOM_ERROR.dice, abs=0.03)
    assert min(dice) > 0.7


def test_right_is_the_patients_right():
    drawn = film(70, size=192)
    fields = lung_fields(drawn.image)
    columns = np.arange(192)
    assert columns @ fields.right.sum(0) / fields.right.sum() < 80
    assert columns @ fields.left.sum(0) / fields.left.sum() > 112
    mirrored = lung_fields(drawn.image[:, ::-1], mirrored=True)
    # The film seen from the other side: the same lung is the right one.
    np.testing.assert_array_equal(mirrored.right[:, ::-1], fields.right)


def test_zones_are_parts_of_the_lungs_and_what_lies_between():
    fields = lung_fields(film(71, size=192).image)
    zones = lung_zones(fields)
    assert tuple(zones) == ZONES
    both = fields.right | fields.left
    thirds = [zones[name] for name in ("upper_third", "middle_third", "lower_third")]
    np.testing.assert_array_equal(np.sum(thirds, axis=0), both.astype(int))
    assert not (zones["between_lungs"] & both).any()
    heights = [np.flatnonzero(third.any(1)).mean() for third in thirds]
    assert heights == sorted(heights)
    heart = film(71, size=192).masks["heart"]
    assert (zones["between_lungs"] & heart).sum() > 0.3 * heart.sum()


def test_a_given_mask_of_both_lungs_is_parted():
    lungs = film(72, size=128).masks["lungs"]
    fields = split_lungs(lungs)
    np.testing.assert_array_equal(fields.right | fields.left, lungs)
    assert not (fields.right & fields.left).any()
    assert split_lungs(np.zeros((4, 4))) is None
    assert split_lungs(np.ones((4, 1))) is None


def test_scale_and_size_of_the_picture_do_not_matter():
    image = film(73, size=256).image
    fields, scaled = lung_fields(image), lung_fields(image * 16.0 + 5)
    np.testing.assert_array_equal(fields.right, scaled.right)
    colour = lung_fields(np.repeat(image[..., None], 3, 2))
    np.testing.assert_array_equal(fields.left, colour.left)


def pictures():
    from skimage import data

    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:200, :200]
    yield "photograph", data.astronaut()
    yield "grey photograph", data.camera()
    yield "colour", np.stack([film(70).image, film(70).image, np.zeros((256, 256))], 2)
    yield "coins", data.coins()
    yield "text", data.page()
    yield "moon", data.moon()
    yield "inverted film", 255 - film(70).image
    yield "film on its side", film(70).image.T
    yield "noise", rng.random((200, 200))
    yield "ramp", rows + columns
    yield "constant", np.zeros((200, 200))
    yield "disc", ((rows - 100) ** 2 + (columns - 100) ** 2 < 60**2).astype(float)
    yield "tiny film", film(70, size=64).image[::2, ::2]
    yield "strip", film(70).image[:60]
    for seed, side in ((1, "L"), (2, "R")):
        yield f"mammogram {seed}", mammogram(seed, 2, laterality=side, view="MLO").image


def test_other_pictures_have_no_lung_fields():
    detected = [name for name, picture in pictures() if lung_fields(picture) is not None]
    assert detected == []


def test_empty_lungs_have_no_rows():
    one = np.zeros((9, 9), bool)
    one[2:7, 1:3] = True
    other = np.zeros((9, 9), bool)
    other[3:8, 6:8] = True
    zones = lung_zones(LungFields(one, other))
    assert zones["between_lungs"][4].tolist() == [False] * 3 + [True] * 3 + [False] * 3
    assert not zones["between_lungs"][2].any()
