"""Nothing personal leaks: what is planted in headers is in no output, whatever its format.

File names are as given, which the page says; ``--deidentify`` keys them.
"""

import json
from dataclasses import replace

import pytest

from camlucida.core.errors import NoEvidenceError
from camlucida.io import read_image
from camlucida.io.dicom.patients import case_name
from camlucida.web.export import ExportedImage, export_zip
from camlucida.workflows.explain_batches import BatchExplainer
from tests.support.command_line import run_once
from tests.support.explanations import explanation
from tests.support.figures import blank
from tests.support.leaks import NAME, PLANTED, files, leaks, plant_films, words_in
from tests.support.models_on_disk import write_model

COHORT = """
images = "films"
model = "card.toml"
[explain]
target = "top1"
method = ["gradcam"]
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("privacy")
    plant_films(folder / "films")
    write_model(folder)
    (folder / "cohort.toml").write_text(COHORT)
    return folder


@pytest.fixture(scope="module")
def plain(project):
    """Outputs of explain, run and report as they are."""
    words = ("--model", "card.toml", "--target", "Nodule", "--write", "all")
    done = [run_once(project, "explain", "films", *words, "--out", "out/plain")]
    done.append(run_once(project, "run", "cohort.toml", "--out", "out/run"))
    with pytest.MonkeyPatch.context() as patch:
        blank(patch)  # words are searched for, and drawing takes most of the time
        done.append(run_once(project, "report", "out/run", "--format", "html"))
    return done


@pytest.fixture(scope="module")
def keyed(project):
    words = ("--model", "card.toml", "--target", "Nodule", "--write", "all", "--deidentify")
    return run_once(project, "explain", "films", *words, "--out", "keyed")


def test_what_is_planted_is_there(project):
    """The search finds it in the inputs: else it would find nothing anywhere."""
    assert {line.split(": ")[1] for line in leaks(project / "films", PLANTED)} == {*PLANTED}


def test_no_header_text_is_in_any_output(project, plain):
    assert [done.code for done in plain] == [1, 1, 0], plain
    suffixes = {path.suffix for path in files(project / "out")}
    assert {".html", ".json", ".png", ".jpg", ".npz", ".npy", ".parquet"} <= suffixes
    assert {".safetensors", ".sqlite", ".html"} <= suffixes
    assert leaks(project / "out", PLANTED) == []
    said = "".join(done.out + done.err for done in plain)
    assert words_in(said, PLANTED) == []


def test_letters_that_are_burned_in_are_warned_of(plain):
    for done in plain[:2]:  # explain, run
        assert (
            f"burned into 1 image, and pictures show them: look before one is passed on ({NAME}_3)"
            in done.err
        )


def test_file_names_are_as_given_and_the_page_says_so(project, plain):
    page = (project / "out/plain/index.html").read_text("utf-8")
    assert NAME in page
    assert "Images are named as their files are." in page


def test_deidentified_outputs_have_keyed_names_alone(project, keyed):
    assert leaks(project / "keyed", (*PLANTED, NAME, str(project))) == []
    records = json.loads((project / "keyed/explanations.json").read_text())
    assert {record["id"] for record in records} == {
        case_name(f"{NAME}_{number}") for number in (1, 2, 3, 5)
    }
    about = json.loads((project / "keyed/run.json").read_text())
    assert about["deidentified"]
    assert about["failures"] == [
        {"image": case_name(f"{NAME}_4"), "code": "image", "what": "not explained", "fix": ""}
    ]
    page = (project / "keyed/index.html").read_text("utf-8")
    assert "Images and patients have keyed names; names of files and paths are left out." in page
    assert about["image_names"] == "keyed"


def test_the_terminal_still_names_the_file_that_failed(keyed):
    assert keyed.code == 1
    assert f"films/{NAME}_4.png" in keyed.err


def test_letters_are_warned_of_where_they_are_burned_in(project, keyed):
    records = json.loads((project / "keyed/explanations.json").read_text())
    warned = {r["id"] for r in records if {"code": "privacy.letters"} in r["warnings"]}
    assert warned == {case_name(f"{NAME}_3")}
    assert f"{case_name(f'{NAME}_3')}: letters seem to be burned into the film" in keyed.err


def test_deidentified_explanations_become_deidentified_objects(project, keyed):
    done = run_once(project, "export", "dicom", "keyed", "--deidentify", "--out", "objects")
    assert keyed.code == 1
    assert done.code == 1  # pictures are no DICOM files
    case = case_name(f"{NAME}_1")
    (record,) = json.loads((project / "objects/export.json").read_text())["images"]
    assert (record["id"], record["image"]) == (case, None)
    assert (project / f"objects/{case}_report.dcm").is_file()
    assert leaks(project / "objects", (*PLANTED, NAME, str(project))) == []
    assert words_in(done.out + done.err, (*PLANTED, NAME)) == []


def test_a_keyed_image_that_fails_has_the_name_of_its_image():
    explainer = BatchExplainer(None, None, [], [], 1, group="folder-1")
    scan = explanation([[1.0]], image="case-1").scan
    told = []
    explainer.on_failure = told.append
    explainer.fail(scan, NoEvidenceError("no gradient"))
    assert [failure.image for failure in [*explainer.failures, *told]] == ["case-1", "case-1"]
    assert explainer.failures[0].what == "not explained"


def test_the_zip_of_the_workbench_names_nobody(project, tmp_path):
    image = read_image(project / f"films/{NAME}_1.dcm")
    shown = explanation([[0.0, 1.0], [0.5, 0.2]], image="film", size=image.display.shape)
    source = image.source | {"path": "film"}
    scan = replace(shown.scan, display=image.display, source=source)
    exported = ExportedImage("film", "net", None, False, [replace(shown, scan=scan)])
    export_zip(tmp_path / "a.zip", [exported], lambda done, total: None)
    assert leaks(tmp_path, PLANTED) == []
