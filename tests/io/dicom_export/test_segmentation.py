"""Segments are the masks, in the pixels of the image."""

import shutil

import numpy as np
import pytest
from highdicom.seg import Segmentation

from camlucida.io.dicom_export import read_source
from camlucida.io.dicom_export.segmentation import segmentation
from camlucida.io.image import quiet
from tests.io.dicom_export.conftest import read_back
from tests.support.dicom_exports import IMAGE, complaints, instance, keywords, write_film


@pytest.fixture(scope="module")
def read(objects):
    return Segmentation.from_dataset(objects["segmentation"])


def test_segments_are_the_masks_of_maps_with_evidence(read, content):
    pixels = read.get_pixels_by_source_instance([IMAGE], ignore_spatial_locations=True)
    assert pixels.shape == (1, 24, 32, 2)
    for number, item in enumerate(content.drawn):
        assert np.array_equal(pixels[0, ..., number], item.mask)


def test_the_threshold_is_in_label_and_description(read):
    first, second = read.SegmentSequence
    assert first.SegmentLabel == "Effusion: Grad-CAM >= 50 % of maximum"
    assert second.SegmentLabel.startswith("心影增大: Grad-CAM")
    assert ">= 50 % of maximum" in first.SegmentDescription
    assert read.ContentDescription == "Heat map >= 50 % of maximum; no probability"
    assert first.SegmentedPropertyTypeCodeSequence[0].CodeValue == "130403"


def test_a_film_has_no_place_in_the_patient(read):
    assert "FrameOfReferenceUID" not in read
    assert not read.PatientOrientation


@pytest.mark.parametrize("spacing", [[0.2, 0.3], None])
def test_a_nominal_plane_is_stated_on_request(content, tmp_path, spacing):
    elements = {"PixelSpacing": spacing} if spacing else {}
    header = read_source(write_film(tmp_path / "film.dcm", **elements), None)
    with quiet("pydicom", "highdicom"):
        made = segmentation(header, content, instance(), nominal_plane=True)
    (shared,) = made.SharedFunctionalGroupsSequence
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == [1, 0, 0, 0, 1, 0]
    assert shared.PixelMeasuresSequence[0].PixelSpacing == (spacing or [1, 1])
    assert "FrameOfReferenceUID" not in made
    assert "ImagePositionPatient" not in keywords(read_back(made))
    if shutil.which("dciodvfy"):
        made.save_as(tmp_path / "made.dcm")
        assert complaints(tmp_path / "made.dcm") == []


def test_fractions_are_shares_of_the_maximum_and_no_probability(objects, content):
    read = Segmentation.from_dataset(objects["fractional"])
    assert read.SegmentationFractionalType == "OCCUPANCY"
    assert read.ContentDescription == "Heat map, share of its maximum; no probability"
    pixels = read.get_pixels_by_source_instance([IMAGE], ignore_spatial_locations=True)
    assert np.abs(pixels[0, ..., 0] - content.maps[0].values).max() <= 0.5 / 255 + 1e-6
