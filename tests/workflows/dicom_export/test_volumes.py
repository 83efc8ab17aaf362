"""Maps of a CT series or an enhanced CT image become segmentations of its slices, and a report."""

import shutil
import subprocess
import tomllib
from itertools import chain

import numpy as np
import pytest
from pydicom import dcmread

from camlucida.core.regions import binary_mask
from camlucida.runs import Run
from tests.io.dicom_export.test_objects import REVIEWED
from tests.support.command_line import run_once
from tests.support.dicom_exports import SECRETS, complaints, keywords
from tests.support.volumes import write_enhanced, write_nifti, write_series, write_volume_model

pytest.importorskip("highdicom")

PERSON = {
    "StudyInstanceUID": "1.2.9.9",
    "FrameOfReferenceUID": "1.2.9.8",
    "SliceThickness": 3.0,
    "PatientName": "Nachname^Vorname",
    "PatientID": "GEHEIM-4711",
    "PatientBirthDate": "19400102",
    "InstitutionName": "Klinikum",
    "OperatorsName": "Techniker",
}
BRIGHT = {(3, 8, 5): 1000, (4, 8, 5): 900, (7, 2, 11): 200}
"""Voxel → value: the last is below half of the maximum."""


ORDER = [3, 1, 2, 0, 5, 4, 9, 8, 7, 6]
"""The files and frames lie in another order than the slices."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("volumes")
    write_volume_model(folder)
    voxels = np.zeros((10, 12, 14), np.int16)
    for place, value in BRIGHT.items():
        voxels[place] = value
    write_series(folder / "ct_Nachname", voxels, order=ORDER, **PERSON)
    about = {key: value for key, value in PERSON.items() if key != "SliceThickness"}
    write_enhanced(folder / "enhanced_Nachname.dcm", voxels, order=ORDER, **about)
    (folder / "cohort.toml").write_text(
        'images = "ct_Nachname"\nmodel = "card.toml"\n[explain]\ntarget = "Lesion"\n'
    )
    # fmt: off
    commands = [
        ("run", "cohort.toml", "--out", "run"),
        ("explain", "ct_Nachname", "--model", "card.toml", "--out", "explained", "--write", "map"),
        ("explain", "enhanced_Nachname.dcm", "--model", "card.toml", "--out", "of_frames",
         "--write", "map"),
        ("export", "dicom", "run", "--out", "objects", "--fractional"),
        ("export", "dicom", "run", "--deidentify", "--out", "plain", "--fractional"),
        ("export", "dicom", "explained", "--out", "of_folder"),
        ("export", "dicom", "of_frames", "--out", "enhanced", "--fractional"),
    ]
    # fmt: on
    for words in commands:
        done = run_once(folder, *words)
        assert done.code == 0, done.err
    return folder


def objects(folder, name):
    """Kind → object of an export."""
    paths = sorted((folder / name).glob("*.dcm"))
    return {path.stem.rpartition("_")[2]: dcmread(path) for path in paths}


def test_frames_lie_on_the_slices_that_they_refer_to(folder):
    made = objects(folder, "objects")["segmentation"]
    shared = made.SharedFunctionalGroupsSequence[0]
    assert list(shared.PixelMeasuresSequence[0].PixelSpacing) == [2.0, 1.5]
    explained = Run.open(folder / "run").explanation(0)
    mask = binary_mask(explained.scan.to_stored(explained.map()))
    assert {3, 4} <= set(np.argwhere(mask)[:, 0])
    assert not mask[7].any()
    places = []
    for frame, groups in zip(made.pixel_array, made.PerFrameFunctionalGroupsSequence):
        source = groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        number = int(source.rpartition(".")[2])
        z = float(groups.PlanePositionSequence[0].ImagePositionPatient[2])
        assert (z, frame[8, 5]) == (100.0 + 3 * number, 1)
        assert np.array_equal(frame, mask[number])
        places.append(number)
    assert sorted(places) == [number for number in range(10) if mask[number].any()]


def test_explanations_of_a_folder_give_the_same_segments(folder):
    of_run, of_folder = (objects(folder, name)["segmentation"] for name in ("objects", "of_folder"))
    assert np.array_equal(of_run.pixel_array, of_folder.pixel_array)


def by_height(made):
    """Height of a frame in the patient → its pixels."""
    groups = made.PerFrameFunctionalGroupsSequence
    heights = [float(each.PlanePositionSequence[0].ImagePositionPatient[2]) for each in groups]
    return dict(zip(heights, made.pixel_array))


@pytest.mark.parametrize("kind", ["segmentation", "fractional"])
def test_frames_of_an_enhanced_image_are_those_of_the_series(folder, kind):
    series, enhanced = (by_height(objects(folder, name)[kind]) for name in ("objects", "enhanced"))
    assert {109.0, 112.0} <= set(series) == set(enhanced)
    for height, pixels in series.items():
        assert np.array_equal(pixels, enhanced[height])


def test_frames_refer_to_the_frames_that_they_lie_on(folder):
    made = objects(folder, "enhanced")["segmentation"]
    for frame in made.PerFrameFunctionalGroupsSequence:
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID == "1.2.7.1"
        number = ORDER[source.ReferencedFrameNumber - 1]
        assert frame.PlanePositionSequence[0].ImagePositionPatient[2] == 100 + 3 * number


def test_fractions_of_a_volume_are_shares_of_its_maximum(folder):
    made = objects(folder, "objects")["fractional"]
    explained = Run.open(folder / "run").explanation(0)
    values = explained.scan.to_stored(explained.map()).clip(min=0)
    for height, pixels in by_height(made).items():
        shares = values[round((height - 100) / 3)] / values.max()
        assert np.abs(pixels / 255 - shares).max() <= 0.5 / 255 + 1e-6


def test_a_nifti_file_has_no_study(folder, tmp_path):
    write_volume_model(tmp_path)
    write_nifti(tmp_path / "ct.nii.gz", np.full((10, 12, 14), 5, np.float32))
    words = ("explain", "ct.nii.gz", "--model", "card.toml", "--out", "explained", "--write", "map")
    assert run_once(tmp_path, *words).code == 0
    done = run_once(tmp_path, "export", "dicom", "explained")
    assert done.code == 1
    assert "no DICOM file, so there is no study" in done.err


def test_the_report_refers_to_segment_and_series(folder):
    made = objects(folder, "objects")
    text = made["report"].to_json()
    assert made["segmentation"].SOPInstanceUID in text
    assert '"1411"' in text  # TID 1411, measurements of a volumetric region
    assert "1.2.1.3" in text


@pytest.mark.parametrize("kind", ["segmentation", "report", "fractional"])
@pytest.mark.parametrize("name", ["objects", "plain", "enhanced"])
def test_an_object_of_a_volume_is_valid_and_holds_reviewed_attributes_alone(folder, name, kind):
    made = objects(folder, name)[kind]
    reviewed = tomllib.loads(REVIEWED.read_text("utf-8"))
    tables = ("all", kind, "volume", *(["deidentified"] if name == "plain" else []))
    assert keywords(made) <= {*chain.from_iterable(reviewed[table] for table in tables)}
    assert not any(element.tag.is_private for element in made.iterall())
    (path,) = (folder / name).glob(f"*_{kind}.dcm")
    if shutil.which("dciodvfy") is None:
        pytest.skip("dicom3tools is not installed (scripts/system_packages.sh)")
    assert complaints(path) == []
    command = ["dsr2xml"] if kind == "report" else ["dcmdump", "-q"]
    assert subprocess.run([*command, path], capture_output=True).returncode == 0


def test_a_deidentified_volume_names_nobody(folder):
    for made in objects(folder, "plain").values():
        text = made.to_json() + str(made.file_meta)
        assert not [word for word in (*SECRETS, "1.2.9.9", "1.2.9.8", "1.2.1.3") if word in text]
    files = {path.name for path in (folder / "plain").iterdir()}
    assert not [name for name in files if "Nachname" in name]


def test_a_series_without_a_place_is_refused(folder, tmp_path):
    about = PERSON | {"SliceThickness": None}
    write_series(tmp_path / "ct", np.zeros((10, 12, 14), np.int16) + 5, **about)
    write_volume_model(tmp_path)
    words = ("explain", "ct", "--model", "card.toml", "--out", "explained", "--write", "map")
    assert run_once(tmp_path, *words).code == 0
    done = run_once(tmp_path, "export", "dicom", "explained")
    assert done.code == 1
    assert "so a segmentation has no place" in done.err
