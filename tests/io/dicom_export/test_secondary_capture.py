"""The overlay is the picture, and says what is burned into it."""

import numpy as np
import pytest

from camlucida.io.dicom_export import read_source
from camlucida.io.dicom_export.secondary_capture import secondary_capture
from camlucida.io.image import quiet
from tests.support.dicom_exports import IMAGE, image_content, instance, write_film


def test_pixels_are_those_of_the_picture(objects, content):
    capture = objects["overlay"]
    assert np.array_equal(capture.pixel_array, content.maps[0].picture)
    assert capture.SourceImageSequence[0].ReferencedSOPInstanceUID == IMAGE
    assert "PixelSpacing" not in capture


@pytest.mark.parametrize(
    ("stated", "found", "written"),
    [
        ("NO", "", "NO"),
        ("NO", "text", "YES"),
        ("NO", "marker", "YES"),
        ("YES", "", "YES"),
        ("", "", "YES"),
    ],
)
def test_burned_in_letters_are_denied_only_where_image_and_search_agree(
    tmp_path, stated, found, written
):
    header = read_source(write_film(tmp_path / "a.dcm", BurnedInAnnotation=stated), None)
    content = image_content(burned_in=found)
    with quiet("pydicom", "highdicom"):
        capture = secondary_capture(header, content, content.maps[0], instance())
    assert capture.BurnedInAnnotation == written


def test_a_synthetic_image_and_a_foreign_model_are_said(header):
    content = image_content(synthetic=True, mismatch=True)
    with quiet("pydicom", "highdicom"):
        capture = secondary_capture(header, content, content.maps[0], instance())
    assert "SYNTHETIC" in capture.ImageComments
    assert "NOT THE MODEL OF THE STORED PREDICTIONS" in capture.ImageComments
