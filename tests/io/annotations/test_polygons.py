import numpy as np
import pytest

from camlucida.core.errors import UsageError
from camlucida.io.annotations import from_polygons


def test_polygons_hold_their_outline():
    square = from_polygons([[[1, 2], [4, 2], [4, 5], [1, 5]]], (8, 7))
    expected = np.zeros((8, 7), bool)
    expected[2:6, 1:5] = True
    np.testing.assert_array_equal(square, expected)
    assert not from_polygons([[[1, 2]]], (8, 7)).any()
    assert from_polygons([[[0, 0], [3, 0]], [[0, 7], [6, 7]]], (8, 7)).sum() == 11
    with pytest.raises(UsageError, match="rows of x, y"):
        from_polygons([[1, 2, 3]], (8, 7))
