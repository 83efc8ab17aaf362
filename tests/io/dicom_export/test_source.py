"""The header of an image is reduced to a reviewed list, and refused in one line."""

import hashlib

import numpy as np
import pytest
from pydicom import dcmread

from camlucida.core.errors import ImageError
from camlucida.io import write_synthetic_png
from camlucida.io.dicom_export import deidentified, read_source
from camlucida.io.dicom_export.source import ALLOWED
from tests.support.dicom_exports import write_film


def test_nothing_but_the_reviewed_list_is_taken(header):
    assert set(header.dir()) <= ALLOWED | {"SpecificCharacterSet"}
    assert "Kommentar" not in str(header)
    assert "Klinikum" not in str(header)
    assert str(header.ReferringPhysicianName) == "Überweiser^Otto"


def test_a_picture_is_refused(tmp_path):
    path = tmp_path / "film.png"
    write_synthetic_png(path, np.zeros((8, 8), np.uint8))
    with pytest.raises(ImageError, match=r"no DICOM file, so there is no study.*explain the DICOM"):
        read_source(path, None)


def test_a_changed_file_is_refused(film):
    digest = hashlib.sha256(film.read_bytes()).hexdigest()
    read_source(film, digest)
    with pytest.raises(ImageError, match="has changed since it was explained"):
        read_source(film, digest[::-1])


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"StudyInstanceUID": ""}, "no valid StudyInstanceUID"),
        ({"SOPInstanceUID": "Nachname"}, "no valid SOPInstanceUID"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_what_no_object_can_refer_to_is_refused(tmp_path, elements, message):
    with pytest.raises(ImageError, match=message) as error:
        read_source(write_film(tmp_path / "a.dcm", **elements), None)
    assert "Nachname" not in str(error.value)


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_old_dates_are_mended_and_bad_values_emptied(tmp_path):
    path = write_film(tmp_path / "a.dcm")
    dataset = dcmread(path)
    dataset.StudyDate, dataset.StudyTime = "1997.04.24", "14:04:38"
    dataset.PatientSex = "W"
    dataset["PatientBirthDate"]._value = "02.01.40"
    dataset.save_as(path)
    header = read_source(path, None)
    assert (header.StudyDate, header.StudyTime) == ("19970424", "140438")
    assert (header.PatientSex, header.PatientBirthDate) == ("", "")


def test_a_place_is_whole_or_absent(tmp_path):
    place = {
        "FrameOfReferenceUID": "1.2.826.0.9",
        "ImagePositionPatient": [0, 0, 0],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [0.2, 0.2],
    }
    partial = read_source(write_film(tmp_path / "a.dcm", **place), None)
    assert not set(place) & set(partial.dir())
    whole = read_source(write_film(tmp_path / "b.dcm", SliceThickness=1, **place), None)
    assert set(place) <= set(whole.dir())


def test_of_a_film_its_spacing_is_kept_apart_from_a_place(tmp_path):
    film = read_source(write_film(tmp_path / "a.dcm", PixelSpacing=[0.2, 0.3]), None)
    assert list(film.ImagerPixelSpacing) == [0.2, 0.3]
    assert "PixelSpacing" not in film
    odd = read_source(write_film(tmp_path / "b.dcm", ImagerPixelSpacing=0.2), None)
    assert "ImagerPixelSpacing" not in odd


def test_a_deidentified_header_is_the_same_each_time_and_of_each_image(tmp_path, header):
    plain = deidentified(header)
    assert deidentified(header) == plain
    other = read_source(write_film(tmp_path / "b.dcm", SOPInstanceUID="1.2.3"), None)
    assert deidentified(other).PatientID == plain.PatientID
    assert deidentified(other).StudyInstanceUID == plain.StudyInstanceUID
    assert deidentified(other).SOPInstanceUID != plain.SOPInstanceUID
    assert header.PatientID == "GEHEIM-4711"
