import numpy as np
import pytest

from camlucida.core.errors import UsageError
from camlucida.metrics.annotations import as_mask, box_iou

BARS = np.zeros((7, 9), bool)
BARS[1:3, 2:6] = True
BARS[4:, 3] = True


def test_box_iou():
    found = box_iou([[0, 0, 2, 2], [10, 10, 1, 1]], [[1, 1, 2, 2], [0, 0, 2, 2]])
    np.testing.assert_allclose(found, [[1 / 7, 1], [0, 0]])
    assert box_iou([], [[0, 0, 1, 1]]).shape == (0, 1)


def test_masks_are_bool_or_two_values_of_the_right_size():
    for given_mask in (BARS, BARS.astype(int), BARS * np.uint8(255), BARS.astype(float)):
        np.testing.assert_array_equal(as_mask(given_mask, (7, 9)), BARS)
    with pytest.raises(UsageError, match="mask of 7×9 for a map of 9×7"):
        as_mask(BARS, (9, 7))
    with pytest.raises(UsageError, match=r"2 values, such as 0\.5"):
        as_mask(BARS * 0.5, (7, 9))
