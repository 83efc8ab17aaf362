import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camlucida.core.errors import UsageError
from camlucida.io.annotations import from_rle, to_rle

BARS = np.zeros((7, 9), bool)
BARS[1:3, 2:6] = True
BARS[4:, 3] = True


def test_compressed_and_plain_run_lengths():
    # The text is what the COCO tools write for this mask.
    np.testing.assert_array_equal(from_rle({"size": [7, 9], "counts": "?250L10O40d0"}), BARS)
    np.testing.assert_array_equal(from_rle({"size": [7, 9], "counts": b"?250L10O40d0"}), BARS)
    plain = to_rle(BARS)
    assert plain["counts"] == [15, 2, 5, 2, 1, 3, 1, 2, 5, 2, 25]
    np.testing.assert_array_equal(from_rle(plain), BARS)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.5, 1.0]))
def test_run_lengths_round_trip(seed, share):
    mask = np.random.default_rng(seed).random((11, 6)) < share
    np.testing.assert_array_equal(from_rle(to_rle(mask)), mask)
    coco = pytest.importorskip("pycocotools.mask")
    np.testing.assert_array_equal(
        from_rle(coco.encode(np.asfortranarray(mask.astype(np.uint8)))), mask
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
        from_rle(rle)
