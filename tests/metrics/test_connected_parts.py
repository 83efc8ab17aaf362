"""Connected parts by their runs are those of SciPy, pixel by pixel."""

import numpy as np
import pytest
from scipy import ndimage

from camlucida.metrics.connected_parts import connected_parts


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (23, 40)])
def test_parts_are_those_of_scipy(share, shape):
    mask = np.random.default_rng(round(100 * share)).random(shape) < share
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    parts = connected_parts(mask)
    windows = ndimage.find_objects(labels)
    expected = [[r.start, r.stop, c.start, c.stop] for r, c in windows]
    assert parts.boxes.tolist() == expected
    for number in range(count):
        kept = np.arange(count) == number
        np.testing.assert_array_equal(parts.mask(kept), labels == number + 1)


def test_runs_at_the_ends_of_rows_do_not_join_around_the_edge():
    mask = np.zeros((2, 4), bool)
    mask[0, 2:] = mask[1, :1] = True
    assert connected_parts(mask).boxes.tolist() == [[0, 1, 2, 4], [1, 2, 0, 1]]
