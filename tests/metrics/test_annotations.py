import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camlucida.core.errors import UsageError
from camlucida.metrics import annotations as a

BARS = np.zeros((7, 9), bool)
BARS[1:3, 2:6] = True
BARS[4:, 3] = True


def test_compressed_and_plain_run_lengths():
    # The text is what the COCO tools write for this mask.
    np.testing.assert_array_equal(a.from_rle({"size": [7, 9], "counts": "?250L10O40d0"}), BARS)
    np.testing.assert_array_equal(a.from_rle({"size": [7, 9], "counts": b"?250L10O40d0"}), BARS)
    plain = a.to_rle(BARS)
    assert plain["counts"] == [15, 2, 5, 2, 1, 3, 1, 2, 5, 2, 25]
    np.testing.assert_array_equal(a.from_rle(plain), BARS)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.5, 1.0]))
def test_run_lengths_round_trip(seed, share):
    mask = np.random.default_rng(seed).random((11, 6)) < share
    np.testing.assert_array_equal(a.from_rle(a.to_rle(mask)), mask)
    coco = pytest.importorskip("pycocotools.mask")
    np.testing.assert_array_equal(
        a.from_rle(coco.encode(np.asfortranarray(mask.astype(np.uint8)))), mask
    )


@pytest.mark.parametrize(
    ("rle", "words"),
    [
        ({"size": [2, 2], "counts": [1, 2]}, "covers 3 pixels of 2×2 = 4"),
        ({"size": [2, 2], "counts": [5, -1]}, "damaged"),
        ({"size": [10**9, 10**9], "counts": [10**18]}, "at most"),
        ({"size": [2, 2], "counts": "\x01"}, "character"),
        ({"size": [2, 2], "counts": "P"}, "IndexError"),
        ({"counts": [4]}, "size"),
        ({"size": 3, "counts": [9]}, "not a run-length code"),
    ],
)
def test_damaged_run_lengths(rle, words):
    with pytest.raises(UsageError, match=words):
        a.from_rle(rle)


def test_masks_of_one_image():
    document = {"patient1_view1": {"Edema": a.to_rle(BARS)}}
    np.testing.assert_array_equal(a.rle_masks(document, "patient1_view1")["Edema"], BARS)
    with pytest.raises(UsageError, match="did you mean patient1_view1"):
        a.rle_masks(document, "patient1_view2")


def test_polygons_hold_their_outline():
    square = a.from_polygons([[[1, 2], [4, 2], [4, 5], [1, 5]]], (8, 7))
    expected = np.zeros((8, 7), bool)
    expected[2:6, 1:5] = True
    np.testing.assert_array_equal(square, expected)
    assert not a.from_polygons([[[1, 2]]], (8, 7)).any()
    assert a.from_polygons([[[0, 0], [3, 0]], [[0, 7], [6, 7]]], (8, 7)).sum() == 11
    with pytest.raises(UsageError, match="rows of x, y"):
        a.from_polygons([[1, 2, 3]], (8, 7))


def test_boxes_hold_pixels_whose_centre_is_inside():
    mask = a.from_boxes([[1.5, 0, 2, 1.49], [6, 6, 50, 50]], (8, 7))
    assert np.argwhere(mask).tolist() == [[0, 1], [0, 2], [6, 6], [7, 6]]
    with pytest.raises(UsageError, match="8×7 image"):
        a.from_boxes([[7, 0, 5, 5]], (8, 7))
    with pytest.raises(UsageError, match="without width"):
        a.from_boxes([[1, 1, 0, 4]], (8, 7))
    with pytest.raises(UsageError, match="shape"):
        a.from_boxes([1, 2, 3], (8, 7))
    assert not a.from_boxes([], (8, 7)).any()


def test_boxes_of_a_mask_and_back():
    boxes = np.array([[1.0, 0, 3, 2], [0, 4, 2, 4]])
    np.testing.assert_array_equal(a.boxes_of(a.from_boxes(boxes, (8, 7))), boxes)
    assert a.boxes_of(np.zeros((3, 3), bool)).shape == (0, 4)


def test_box_iou():
    found = a.box_iou([[0, 0, 2, 2], [10, 10, 1, 1]], [[1, 1, 2, 2], [0, 0, 2, 2]])
    np.testing.assert_allclose(found, [[1 / 7, 1], [0, 0]])
    assert a.box_iou([], [[0, 0, 1, 1]]).shape == (0, 1)


def test_masks_are_bool_or_two_values_of_the_right_size():
    for given_mask in (BARS, BARS.astype(int), BARS * np.uint8(255), BARS.astype(float)):
        np.testing.assert_array_equal(a.as_mask(given_mask, (7, 9)), BARS)
    with pytest.raises(UsageError, match="mask of 7×9 for a map of 9×7"):
        a.as_mask(BARS, (9, 7))
    with pytest.raises(UsageError, match=r"2 values, such as 0\.5"):
        a.as_mask(BARS * 0.5, (7, 9))
