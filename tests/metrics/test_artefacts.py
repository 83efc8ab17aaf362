import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from camlucida.core.errors import ImageError, NoEvidenceError, UsageError
from camlucida.metrics import artefacts as a


def radiograph(size=200):
    """A grey ellipse with two darker lungs on black, with noise."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    image = np.where((y / 0.45) ** 2 + (x / 0.38) ** 2 < 1, 0.6, 0.02)
    for side in (-0.16, 0.16):
        image = np.where((y / 0.28) ** 2 + ((x - side) / 0.11) ** 2 < 1, 0.25, image)
    return image + 0.01 * np.random.default_rng(0).random(image.shape)


def with_marker(image):
    canvas = Image.fromarray((255 * image).astype(np.uint8))
    ImageDraw.Draw(canvas).text((8, 6), "L 12", fill=255)
    return np.asarray(canvas) / 255


def test_shares_of_a_uniform_map_are_areas():
    flat = np.ones((100, 200))
    border = a.border_region((100, 200))
    assert border.sum() == 100 * 200 - 90 * 180
    assert a.border_share(flat) == pytest.approx(border.mean())
    assert a.region_share(flat, border) == pytest.approx(border.mean())


def test_border_is_rounded_up_and_never_more_than_all():
    assert a.border_region((7, 7)).sum() == 24
    assert a.border_region((2, 9)).all()
    assert not a.border_region((7, 7), 0).any()
    corner = np.zeros((7, 7))
    corner[0, 0] = 1
    assert a.border_share(corner) == 1
    assert a.border_share(np.pad(np.ones((5, 5)), 1)) == 0


def test_outside_is_all_but_the_body_and_holds_no_lung():
    image = radiograph()
    outside = a.outside_body(image)
    y, x = np.mgrid[:200, :200] / 200 - 0.5
    np.testing.assert_array_equal(outside, (y / 0.45) ** 2 + (x / 0.38) ** 2 >= 1)
    np.testing.assert_array_equal(a.outside_body(with_marker(image)), outside)
    np.testing.assert_array_equal(a.outside_body(image * 4095 - 1000), outside)
    heat = np.where(outside, 0.0, 1.0)
    assert a.outside_body_share(heat, image) == 0
    assert a.outside_body_share(1 - heat, image) == 1


def test_a_constant_image_has_neither_air_nor_text():
    flat = np.full((50, 50), 7.0)
    assert not a.outside_body(flat).any()
    assert not a.text_region(flat).any()
    assert np.isnan(a.outside_body_share(np.ones((50, 50)), flat))
    assert np.isnan(a.text_share(np.ones((50, 50)), flat))


def test_empty_region_and_dead_map_have_no_share():
    assert np.isnan(a.region_share(np.ones((4, 4)), np.zeros((4, 4))))
    assert np.isnan(a.border_share(np.zeros((4, 4))))


def test_bad_input_is_refused():
    with pytest.raises(UsageError, match="5×4 for a map of 4×5"):
        a.region_share(np.ones((4, 5)), np.ones((5, 4)))
    with pytest.raises(UsageError, match="200×200 for a map of 4×5"):
        a.outside_body_share(np.ones((4, 5)), radiograph())
    with pytest.raises(NoEvidenceError):
        a.border_share(np.full((4, 5), np.nan))
    with pytest.raises(ImageError, match="1 unusable"):
        a.outside_body([[np.nan, 1.0]])


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-9, 0.5, 1e9]))
def test_regions_and_their_complements_share_all_heat(seed, factor):
    rng = np.random.default_rng(seed)
    heat, region = rng.random((8, 9)), rng.random((8, 9)) < 0.4
    region[0, 0], region[0, 1] = True, False
    inside = a.region_share(heat, region)
    assert inside + a.region_share(heat, ~region) == pytest.approx(1)
    assert a.region_share(heat * factor, region) == pytest.approx(inside)
