"""Explanations of films of studies become objects; what is no DICOM file costs itself alone."""

import json
import shutil

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import UltrasoundMultiFrameImageStorage

from camlucida.attribution.methods import METHODS
from camlucida.core.regions import binary_mask
from camlucida.runs import Run
from camlucida.workflows.dicom_export.contents import explains, is_baseline
from tests.support.command_line import run_once
from tests.support.dicom_exports import SECRETS, STUDY, complaints, write_film
from tests.support.models_on_disk import write_image, write_model

pytest.importorskip("highdicom")

COHORT = """
images = "films"
models = [{ card = "card.toml", name = "card" }, { card = "card.toml", name = "again" }]
[explain]
target = "top1"
method = ["gradcam"]
"""


def film(path, seed, **elements):
    pixels = np.random.default_rng(seed).integers(0, 4096, (48, 64)).astype(np.uint16)
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_film(path, pixels, BurnedInAnnotation="NO", **elements)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two films of a study, and a picture; explained by a method and a baseline."""
    folder = tmp_path_factory.mktemp("export")
    write_model(folder)
    film(folder / "films/Nachname_a.dcm", 2, PhotometricInterpretation="MONOCHROME1")
    film(folder / "films/Nachname_b.dcm", 1, SOPInstanceUID="1.2.826.0.1.1.1.2")
    write_image(folder / "films/c.png", 3)
    methods = ("--method", "gradcam", "--method", "sobel")
    done = run_once(
        folder, "explain", "films", "--model", "card.toml", "--target", "Mass", *methods
    )
    assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="module")
def exported(folder):
    words = ("--contours", "--fractional")
    return run_once(folder, "export", "dicom", "explanations", "--out", "objects", *words)


def test_pictures_are_refused_in_one_line_and_the_rest_goes_on(folder, exported):
    assert exported.code == 1
    assert "2 of 3 images exported, 7 DICOM objects: objects" in exported.out
    (line,) = (line for line in exported.err.splitlines() if line.startswith("error"))
    assert "films/c.png is no DICOM file, so there is no study" in line
    kinds = ("overlay_1", "segmentation", "report", "contours", "fractional")
    names = [f"Nachname_a_{kind}.dcm" for kind in kinds]
    # The map of the second film has no evidence: nothing to outline, and the report says so.
    names += ["Nachname_b_overlay_1.dcm", "Nachname_b_report.dcm"]
    assert "1 map without evidence" in exported.err
    assert {path.name for path in (folder / "objects").iterdir()} == {*names, "export.json"}


def test_notes_say_that_the_patient_is_named_and_what_is_left_out(exported):
    assert "note: the objects name the patient" in exported.err
    assert "note: left out: sobel (a baseline, no explanation)" in exported.err
    assert "note: segmentations of 1 film state no plane" in exported.err


def test_the_segment_is_the_mask_of_the_map_in_the_films_own_pixels(folder, exported):
    records = json.loads((folder / "explanations/explanations.json").read_text())
    first = next(record for record in records if record["method"] == "gradcam")
    segment = dcmread(folder / "objects/Nachname_a_segmentation.dcm").pixel_array
    assert segment.shape == (48, 64) == tuple(first["image_size"])
    run_once(folder, "explain", "films/Nachname_a.dcm", "--model", "card.toml",
             "--target", "Mass", "--write", "map", "--out", "again")  # fmt: skip
    (values,) = (np.load(path) for path in (folder / "again").glob("*_map.npy"))
    assert np.array_equal(segment.astype(bool), binary_mask(values))
    (box,) = first["boxes"][:1]
    assert segment[box["y"] : box["y"] + box["height"], box["x"] : box["x"] + box["width"]].any()


def test_the_record_names_every_object(folder, exported):
    record = json.loads((folder / "objects/export.json").read_text())
    assert record["notice"] == "Research use only"
    for image in record["images"]:
        assert image["study"] == STUDY
        for entry in image["objects"]:
            made = dcmread(folder / "objects" / entry["file"])
            assert made.SOPInstanceUID == entry["instance"]
            assert made.SeriesInstanceUID == entry["series"]


def test_dciodvfy_finds_no_error_in_real_output(folder, exported):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dicom3tools is not installed (scripts/system_packages.sh)")
    for path in sorted((folder / "objects").glob("*.dcm")):
        assert complaints(path) == [], path.name


def test_a_deidentified_export_names_nobody(folder):
    done = run_once(folder, "export", "dicom", "explanations", "--deidentify")
    assert "2 of 3 images exported" in done.out
    assert "explanations/dicom_deidentified" in done.out
    files = list((folder / "explanations/dicom_deidentified").iterdir())
    assert len(files) == 6
    for path in files:
        content = path.read_bytes()
        for secret in (*SECRETS, STUDY):
            assert secret.encode() not in content, path.name
            assert secret not in path.name


def test_a_cine_loop_is_exported_by_its_first_frame(folder, tmp_path):
    shutil.copy(folder / "card.toml", tmp_path)
    shutil.copy(folder / "net.py", tmp_path)
    pixels = np.random.default_rng(2).integers(0, 4096, (2, 48, 64)).astype(np.uint16)
    about = {"PhotometricInterpretation": "MONOCHROME1"}
    about["SOPClassUID"] = UltrasoundMultiFrameImageStorage
    write_film(tmp_path / "cine.dcm", pixels, **about)
    words = ("explain", "cine.dcm", "--model", "card.toml", "--target", "Mass")
    assert run_once(tmp_path, *words).code == 0
    done = run_once(tmp_path, "export", "dicom", "explanations", "--nominal-plane")
    assert "1 of 1 images exported" in done.out
    assert "1 image is the first frame of several: objects refer to it" in done.err
    assert "state no plane" not in done.err
    (path,) = (tmp_path / "explanations/dicom").glob("*_segmentation.dcm")
    made = dcmread(path)
    assert made.SourceImageSequence[0].ReferencedFrameNumber == 1


def test_a_changed_film_is_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    copy = tmp_path / "copy"
    film(copy / "films/Nachname_a.dcm", 9)
    done = run_once(copy, "export", "dicom", "explanations")
    assert "films/Nachname_a.dcm has changed since it was explained" in done.err
    assert not list((copy / "explanations/dicom").glob("Nachname_a*"))


def test_a_run_is_exported_as_its_explanations_are(folder):
    (folder / "films/c.png").rename(folder / "c.png")
    (folder / "cohort.toml").write_text(COHORT)
    assert run_once(folder, "run", "cohort.toml", "--out", "run").code == 0
    (folder / "c.png").rename(folder / "films/c.png")
    done = run_once(folder, "export", "dicom", "run")
    assert (done.code, "2 of 2 images exported, 12 DICOM objects" in done.out) == (0, True), (
        done.err
    )
    weights = Run.open(folder / "run").about["models"][0]["sha256"]
    made = dcmread(folder / "run/dicom/Nachname_a_report.dcm")
    assert made.DeviceSerialNumber == (weights[:32] or "not recorded")
    assert made.ManufacturerModelName == "card"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["films"], "films is neither a run nor a folder of explanations"),
        (["explanations", "--threshold", "0"], "--threshold 0 is no share"),
        (["absent"], "absent is neither"),
    ],
)
def test_a_wrong_request_is_one_line(folder, words, message):
    done = run_once(folder, "export", "dicom", *words)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.splitlines()) == 1


def test_damaged_explanations_are_one_line(tmp_path):
    (tmp_path / "explanations.json").write_text("[{}]")
    (tmp_path / "run.json").write_text('{"model": {"name": "a"}}')
    done = run_once(tmp_path, "export", "dicom", ".")
    assert (done.code, "does not hold what" in done.err) == (2, True)


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_has_a_term_of_the_standard_or_is_a_baseline(name):
    assert explains(name) in ("gradient", "activation", "saliency")
    assert is_baseline(name) == METHODS[name].paper.startswith("baseline")
