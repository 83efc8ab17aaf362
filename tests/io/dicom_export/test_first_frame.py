"""Objects of the first frame of several refer to that frame, and are valid."""

import shutil

import numpy as np
import pytest
from pydicom.uid import UltrasoundMultiFrameImageStorage

from camlucida.io.dicom_export import read_source
from camlucida.io.dicom_export.first_frame import as_single, has_frames, name_first_frame
from camlucida.io.image import quiet
from tests.io.dicom_export.conftest import made
from tests.support.dicom_exports import IMAGE, complaints, image_content, write_film

pytest.importorskip("highdicom")


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    path = tmp_path_factory.mktemp("cine") / "cine.dcm"
    cine = np.zeros((3, 24, 32), np.uint16)
    header = read_source(write_film(path, cine, SOPClassUID=UltrasoundMultiFrameImageStorage), None)
    assert has_frames(header)
    with quiet("pydicom", "highdicom"):
        objects = made(as_single(header), image_content())
    for each in objects.values():
        name_first_frame(each, header)
    return objects


def references(dataset, parent=""):
    """(keyword of the sequence, item) of each reference to the image."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                if item.get("ReferencedSOPInstanceUID") == IMAGE:
                    yield element.keyword, item
                yield from references(item)


@pytest.mark.parametrize("kind", ["overlay", "segmentation", "report", "contours", "fractional"])
def test_references_name_class_and_frame(objects, kind):
    items = list(references(objects[kind]))
    assert {item.ReferencedSOPClassUID for _, item in items} == {UltrasoundMultiFrameImageStorage}
    assert {item.get("ReferencedFrameNumber") for _, item in items} >= {1}
    listed = [item for keyword, item in items if keyword == "ReferencedInstanceSequence"]
    assert not [item for item in listed if "ReferencedFrameNumber" in item]


@pytest.mark.parametrize("kind", ["overlay", "segmentation", "report", "contours", "fractional"])
def test_dciodvfy_finds_no_error(objects, tmp_path, kind):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dicom3tools is not installed (scripts/system_packages.sh)")
    objects[kind].save_as(tmp_path / "object.dcm")
    assert complaints(tmp_path / "object.dcm") == []
