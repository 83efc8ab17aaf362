"""Objects of one image, made once."""

import io

import pytest
from pydicom import dcmread, dcmwrite

from camlucida.io.dicom_export import deidentified, read_source
from camlucida.io.dicom_export.fractional import fractional_segmentation
from camlucida.io.dicom_export.presentation_state import presentation_state
from camlucida.io.dicom_export.secondary_capture import secondary_capture
from camlucida.io.dicom_export.segmentation import segmentation
from camlucida.io.dicom_export.structured_report import structured_report
from camlucida.io.image import quiet
from tests.support.dicom_exports import image_content, instance, write_film


def made(header, content):
    """Kind → object, as it is read from its file."""
    segments = segmentation(header, content, instance(2))
    objects = {
        "overlay": secondary_capture(header, content, content.maps[0], instance(1)),
        "segmentation": segments,
        "report": structured_report([header], content, instance(3), segments),
        "contours": presentation_state(header, content, instance(4)),
        "fractional": fractional_segmentation(header, content, instance(5)),
    }
    return {kind: read_back(each) for kind, each in objects.items()}


def read_back(dataset):
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return dcmread(io.BytesIO(buffer.getvalue()))


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film") / "Nachname.dcm")


@pytest.fixture(scope="session")
def header(film):
    return read_source(film, None)


@pytest.fixture(scope="session")
def content():
    return image_content()


@pytest.fixture(scope="session")
def objects(header, content):
    pytest.importorskip("highdicom")
    with quiet("pydicom", "highdicom"):
        return made(header, content)


@pytest.fixture(scope="session")
def plain_objects(header, content):
    """The same, de-identified."""
    pytest.importorskip("highdicom")
    with quiet("pydicom", "highdicom"):
        return made(deidentified(header), content)
