import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from camlucida.core.errors import UsageError
from camlucida.metrics import chexlocalize as c


def smooth(seed, size=(61, 83)):
    rng = np.random.default_rng(seed)
    return c.upsample(rng.random(rng.integers(3, 15, 2)) ** rng.uniform(1, 6), size)


def published(heat, cv2):
    """The steps of the released code, spelled out.

    Otsu on 8 bits, each contour of over one point drawn as a filled polygon.
    """
    shifted = heat - heat.min()
    grey = np.uint8(255 * (shifted / shifted.max()))
    binary = cv2.threshold(grey, 0, int(grey.max()), cv2.THRESH_OTSU)[1]
    contours = cv2.findContours(binary, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[0]
    canvas = Image.new("1", (heat.shape[1], heat.shape[0]))
    for contour in contours:
        if len(contour) > 1:
            ImageDraw.Draw(canvas).polygon(
                [tuple(point[0].tolist()) for point in contour], outline=1, fill=1
            )
    return np.array(canvas, bool)


def filled(heat, cv2):
    shifted = heat - heat.min()
    grey = np.uint8(255 * (shifted / shifted.max()))
    binary = cv2.threshold(grey, 0, 255, cv2.THRESH_OTSU)[1]
    contours = [
        k for k in cv2.findContours(binary, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[0] if len(k) > 1
    ]
    return cv2.drawContours(np.zeros_like(grey), contours, -1, 1, cv2.FILLED) > 0, contours


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3, 5, 40, 256]))
def test_otsu_equals_opencv(seed, levels):
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(seed)
    grey = rng.choice(rng.integers(0, 256, levels), (13, 9)).astype(np.uint8)
    level = cv2.threshold(grey, 0, 255, cv2.THRESH_OTSU)[0]
    assert c.otsu_level(grey) == level


def test_masks_equal_opencv_on_smooth_maps():
    cv2 = pytest.importorskip("cv2")
    for seed in range(60):
        heat = smooth(seed)
        expected, mine = published(heat, cv2), c.segment(heat)
        assert (expected != mine).sum() <= 1, seed
        truth = smooth(seed + 1000) > 0.5
        assert c.mask_iou(mine, truth) == pytest.approx(
            c.mask_iou(expected, truth), abs=1e-6, nan_ok=True
        )


def test_masks_equal_opencv_on_noise():
    cv2 = pytest.importorskip("cv2")
    for seed in range(40):
        heat = np.random.default_rng(seed).random((25, 31))
        np.testing.assert_array_equal(c.segment(heat), published(heat, cv2), str(seed))


def test_holes_are_filled_and_lone_pixels_dropped():
    heat = np.zeros((9, 9))
    heat[1:6, 1:6] = 1
    heat[2:5, 2:5] = 0
    heat[3, 3] = 1  # alone, but in the hole
    heat[7, 7] = 1  # alone
    expected = np.zeros((9, 9), bool)
    expected[1:6, 1:6] = True
    np.testing.assert_array_equal(c.segment(heat), expected)
    assert not c.segment(heat, 0.5)[2, 2]
    assert c.segment(heat, 0.5)[7, 7]
    assert not c.segment(heat, 1.0).any()


def test_an_opening_at_the_edge_is_no_hole():
    heat = np.ones((5, 5))
    heat[0:3, 2] = 0
    np.testing.assert_array_equal(c.segment(heat), heat > 0)


@pytest.mark.parametrize("level", [0.0, -3.0, 7.0])
def test_a_constant_map_gives_an_empty_mask(level):
    flat, truth = np.full((4, 5), level), np.eye(4, 5, dtype=bool)
    assert not c.segment(flat).any()
    assert np.isnan(c.chexlocalize_iou(flat, truth))
    assert c.chexlocalize_iou(flat, truth, true_positives_only=False) == 0
    assert c.chexlocalize_hit(flat, truth) == 1  # the first pixel


def test_iou_has_no_value_without_both_masks():
    full, empty = np.ones((2, 2), bool), np.zeros((2, 2), bool)
    assert np.isnan(
        [c.mask_iou(full, empty), c.mask_iou(full, empty, False), c.mask_iou(empty, full)]
    ).all()
    assert c.mask_iou(empty, full, False) == 0
    assert c.mask_iou(full, np.eye(2)) == 0.5
    with pytest.raises(UsageError, match="3×2 for a map of 2×2"):
        c.mask_iou(np.ones((3, 2)), full)


def test_the_first_maximum_decides_the_hit():
    heat, truth = np.array([[0.0, 2, 1], [2, 0, 0]]), np.array([[0, 1, 0], [0, 0, 0]])
    assert c.chexlocalize_hit(heat, truth) == 1
    assert c.chexlocalize_hit(heat, 1 - truth) == 0
    assert np.isnan(c.chexlocalize_hit(heat, 0 * truth))


def test_upsampling_is_bilinear_at_half_pixel_centres():
    np.testing.assert_allclose(c.upsample([[0.0, 1.0]], (1, 4)), [[0, 0.25, 0.75, 1]])


def test_counts_are_pooled_over_images():
    first = c.pixel_counts([[1, 1, 0, 0]], [[1, 0, 1, 0]])
    second = c.pixel_counts([[0, 0, 0, 0]], [[0, 0, 0, 1]])
    assert (first, second) == ((1, 1, 1, 1), (0, 0, 3, 1))
    assert c.pixel_rates([first, second]) == {
        "precision": 1 / 2,
        "recall": 1 / 3,
        "specificity": 4 / 5,
    }
    assert np.isnan(c.pixel_rates([])["recall"])
