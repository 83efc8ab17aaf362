"""All kinds of objects: what they keep of their image, what they never hold, and their validity."""

import shutil
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from tests.support.dcmtk import dcmtk
from tests.support.dicom_exports import IMAGE, SECRETS, STUDY, complaints, keywords

KINDS = ("overlay", "segmentation", "report", "contours", "fractional")
REVIEWED = Path(__file__).with_name("reviewed_attributes.toml")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("which", "more"), [("objects", []), ("plain_objects", ["deidentified"])])
def test_an_object_holds_reviewed_attributes_alone(request, kind, which, more):
    reviewed = tomllib.loads(REVIEWED.read_text("utf-8"))
    made = request.getfixturevalue(which)[kind]
    assert keywords(made) <= {*chain.from_iterable(reviewed[each] for each in ("all", kind, *more))}
    assert not any(element.tag.is_private for element in made.iterall())


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_belongs_to_the_study_and_patient_of_its_image(objects, kind):
    made = objects[kind]
    assert made.StudyInstanceUID == STUDY
    assert str(made.PatientName) == "Nachname^Vorname"
    assert (made.PatientID, made.IssuerOfPatientID) == ("GEHEIM-4711", "AKTE-99")
    assert str(made.ReferringPhysicianName) == "Überweiser^Otto"
    assert IMAGE in made.to_json()
    assert made.SOPInstanceUID != IMAGE


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_else_of_the_header_is_in_an_object(objects, kind):
    text = objects[kind].to_json()
    for secret in ("Klinikum", "Techniker", "Kommentar", "Privates", "Konto-5", "Thorax"):
        assert secret not in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_deidentified_object_names_nobody(plain_objects, kind):
    made = plain_objects[kind]
    text = made.to_json() + str(made.file_meta)
    for secret in (*SECRETS, STUDY, IMAGE, "20200304"):
        assert secret not in text
    assert made.PatientIdentityRemoved == "YES"
    assert str(made.PatientName) == made.PatientID
    assert made.PatientID.startswith("case-")


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_says_that_it_is_for_research_and_no_probability(objects, kind):
    text = objects[kind].to_json()
    assert "Research use only." in text
    assert "no probability" in text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ["objects", "plain_objects"])
def test_dciodvfy_finds_no_error(request, tmp_path, kind, which):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dicom3tools is not installed (scripts/system_packages.sh)")
    path = tmp_path / "object.dcm"
    request.getfixturevalue(which)[kind].save_as(path)
    assert complaints(path) == []


@pytest.mark.parametrize(
    ("kind", "command"),
    [("report", ["dsr2xml"]), ("contours", ["dcmpschk"]), ("segmentation", ["dcmdump", "-q"])],
)
def test_dcmtk_reads_the_objects(objects, tmp_path, kind, command):
    program = dcmtk(command[0])
    path = tmp_path / "object.dcm"
    objects[kind].save_as(path)
    run = subprocess.run([program, *command[1:], str(path)], capture_output=True, text=True)
    assert run.returncode == 0
    if kind == "report":
        assert "Certainty of Finding" in run.stdout
