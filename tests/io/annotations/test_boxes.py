import numpy as np
import pytest

from camlucida.core.errors import UsageError
from camlucida.io.annotations import boxes_of, from_boxes


def test_boxes_hold_pixels_whose_centre_is_inside():
    mask = from_boxes([[1.5, 0, 2, 1.49], [6, 6, 50, 50]], (8, 7))
    assert np.argwhere(mask).tolist() == [[0, 1], [0, 2], [6, 6], [7, 6]]
    with pytest.raises(UsageError, match="8×7 image"):
        from_boxes([[7, 0, 5, 5]], (8, 7))
    with pytest.raises(UsageError, match="without width"):
        from_boxes([[1, 1, 0, 4]], (8, 7))
    with pytest.raises(UsageError, match="shape"):
        from_boxes([1, 2, 3], (8, 7))
    assert not from_boxes([], (8, 7)).any()


def test_boxes_of_a_mask_and_back():
    boxes = np.array([[1.0, 0, 3, 2], [0, 4, 2, 4]])
    np.testing.assert_array_equal(boxes_of(from_boxes(boxes, (8, 7))), boxes)
    assert boxes_of(np.zeros((3, 3), bool)).shape == (0, 4)
