"""All grey levels of a film: none merged, each in order, and the window of the display."""

import numpy as np
import pytest

from camlucida.core.film_units import FilmUnits
from camlucida.io.grey_levels import grey_levels
from camlucida.io.image import RawImage
from camlucida.io.read import read_image
from tests.support.dicom_files import write_dicom


def image(grey, bits, windowed=None, **source):
    display = np.rint(255 * (grey if windowed is None else windowed)).astype(np.uint8)
    return RawImage(grey, display, "a", windowed, {"bits": bits, **source})


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
    source = {"from": "pixel range", "low": 0.25 * 4095, "high": 0.75 * 4095}
    levels = grey_levels(image(grey, 12, windowed, window=source))
    assert levels.window == pytest.approx((0.25 * 65520, 0.75 * 65520))


def test_eight_bits_and_colours_have_no_more_levels():
    assert grey_levels(image(np.zeros((2, 2), np.float32), 8)) is None
    assert grey_levels(image(np.zeros((2, 2, 3), np.float32), 16)) is None


STORED = np.arange(-1000, 1048, dtype=np.int16).reshape(32, 64)
CT = {"Modality": "CT", "RescaleSlope": 2, "RescaleIntercept": -24}
WINDOW = {"WindowCenter": 40, "WindowWidth": 400}


@pytest.mark.parametrize(
    ("array", "elements", "unit", "is_linear"),
    [
        (STORED, CT | WINDOW, "HU", True),
        (STORED, CT | WINDOW | {"VOILUTFunction": "LINEAR_EXACT"}, "HU", False),
        (STORED, CT | {"RescaleType": "US"}, "", False),
        (STORED, CT | {"PhotometricInterpretation": "MONOCHROME1"} | WINDOW, "HU", True),
        ((STORED + 1000).astype(np.uint16), WINDOW, "", True),
        ((STORED % 256).astype(np.uint8), WINDOW, "", True),
        ((STORED % 256).astype(np.uint8), {"PhotometricInterpretation": "MONOCHROME1"}, "", False),
    ],
)
def test_samples_are_values_of_the_file(tmp_path, array, elements, unit, is_linear):
    read = read_image(write_dicom(tmp_path / "a.dcm", array, 8 * array.itemsize, **elements))
    levels = grey_levels(read)
    units = levels.units or FilmUnits(0, 1)
    assert (units.name, units.linear) == (unit, is_linear)
    slope, intercept = elements.get("RescaleSlope", 1), elements.get("RescaleIntercept", 0)
    values = units.first + units.step * levels.samples.astype(float)
    assert values == pytest.approx(slope * array.astype(float) + intercept)
    if "WindowWidth" in elements:  # as PS3.3 C.11.2.1.2 has them
        ends = sorted(units.first + units.step * sample for sample in levels.window)
        assert ends == pytest.approx([-160, 239 if is_linear else 240])


@pytest.mark.parametrize(
    "elements", [{"VOILUTFunction": "SIGMOID"} | WINDOW, {"PixelPaddingValue": 900} | WINDOW]
)
def test_a_display_that_is_no_window_is_in_percent(tmp_path, elements):
    read = read_image(write_dicom(tmp_path / "a.dcm", STORED, 12, **elements))
    levels = grey_levels(read)
    assert levels.units == FilmUnits(0, 100 / 65535, "%")
    assert levels.window == (0, 65535)
    shown = levels.samples.astype(float) * levels.units.step / 100
    assert shown == pytest.approx(read.windowed.astype(float), abs=1e-5)


def test_stored_values_of_a_picture_have_no_other_name():
    assert grey_levels(image(np.zeros((2, 2), np.float32), 16)).units is None
    assert grey_levels(image(np.zeros((2, 2), np.float32), 12)).units == FilmUnits(0, 1 / 16)
