"""All grey levels of a film: none merged, each in order, and the window of the display."""

import numpy as np
import pytest

from camlucida.io.grey_levels import grey_levels
from camlucida.io.image import RawImage


def image(grey, bits, windowed=None):
    display = np.rint(255 * (grey if windowed is None else windowed)).astype(np.uint8)
    return RawImage(grey, display, "a", windowed, {"bits": bits})


@pytest.mark.parametrize("bits", [10, 12, 15, 16])
def test_every_level_of_the_file_is_kept(bits):
    stored = np.arange(2**bits).reshape(32, -1)
    grey = (stored / (2**bits - 1)).astype(np.float32)
    levels = grey_levels(image(grey, bits))
    assert (levels.samples >> (16 - bits) == stored).all()
    assert levels.window == (0, int(levels.samples.max()))


def test_the_window_is_that_of_the_display():
    grey = np.linspace(0, 1, 4096, dtype=np.float32).reshape(64, 64)
    windowed = np.clip((grey - 0.25) / 0.5, 0, 1).astype(np.float32)
    levels = grey_levels(image(grey, 12, windowed))
    assert levels.window == pytest.approx((0.25 * 65520, 0.75 * 65520), rel=1e-4)


def test_eight_bits_and_colours_have_no_more_levels():
    assert grey_levels(image(np.zeros((2, 2), np.float32), 8)) is None
    assert grey_levels(image(np.zeros((2, 2, 3), np.float32), 16)) is None
