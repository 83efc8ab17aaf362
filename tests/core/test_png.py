import io

import numpy as np
import pytest
from PIL import Image

from camlucida.core.png import png_bytes


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (1, 1), (1, 4, 3)])
def test_a_reader_gets_the_pixels_the_resolution_and_the_texts_back(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    file = io.BytesIO(png_bytes(pixels, 300, {"camlucida:synthetic": "true"}))
    with Image.open(file) as picture:
        picture.load()  # also checks the sums
        np.testing.assert_array_equal(np.asarray(picture), pixels)
        assert round(picture.info["dpi"][0]) == 300
        assert picture.text == {"camlucida:synthetic": "true"}


def test_a_view_of_a_larger_array_is_written_as_it_looks():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9, 4), np.uint8)
    view = pixels[::2, 1:6, :3]
    with Image.open(io.BytesIO(png_bytes(view))) as picture:
        np.testing.assert_array_equal(np.asarray(picture), view)
