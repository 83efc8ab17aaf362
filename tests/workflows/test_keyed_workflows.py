"""``--deidentify`` of the commands that make a run of their own: no planted name, the same numbers.

Annotations are matched by the names of files, so that the numbers show whether all are found.
"""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from camlucida.io.dicom.patients import case_name, key_folder
from camlucida.runs import Run
from tests.support.command_line import run_once
from tests.support.figures import blank
from tests.support.leaks import NAME, PLANTED, files, leaks, plant_films, words_in
from tests.support.models_on_disk import write_model
from tests.support.regression_study import Net
from tests.support.segmentation_project import write_project

PATIENT = "Meier Max"
WORDS = (*PLANTED, NAME, PATIENT, "Huber")
KEYED_FOLDER = "made"
"""Of outputs; those with the names as given lie in ``given``."""


def made_twice(project, *words, out="--out", pictures=()):
    """A command as it is, and with keyed names: both with what they printed.

    ``pictures`` are functions that are left out of the first, of which numbers alone are compared.
    """
    done = {}
    with pytest.MonkeyPatch.context() as patch:
        blank(patch)  # words and numbers are compared, and drawing takes most of the time
        for folder, options in (("given", ()), (KEYED_FOLDER, ("--deidentify",))):
            patch.setattr("sys.argv", ["camlucida", *map(str, words)])
            with pytest.MonkeyPatch.context() as of_folder:
                for name in () if options else pictures:
                    of_folder.setattr(name, lambda *given, **named: [])
                done[folder] = run_once(project, *words, out, project / folder, *options)
    return done["given"], done[KEYED_FOLDER]


def check_keyed(project, given, keyed):
    """That the keyed outputs name nobody, and that the search would have found the names."""
    made = project / KEYED_FOLDER
    assert given.code == keyed.code, keyed
    assert leaks(project / "given", (NAME,))
    assert leaks(made, (*WORDS, str(project))) == []
    assert words_in(keyed.out + keyed.err, (*WORDS, str(project / "given"))) == []
    assert {path.suffix for path in files(made)} >= {".parquet", ".safetensors", ".json"}


def same_table(project, name, columns):
    """The numbers of a table in both folders, by row: equal."""
    first, second = (pd.read_csv(project / folder / name) for folder in ("given", KEYED_FOLDER))
    assert len(first), name
    pd.testing.assert_frame_equal(first[columns], second[columns])
    return second


CLASSIFIERS = """
[classifiers.first]
model_type = "card"
weights = "card.toml"
[classifiers.second]
model_type = "card"
weights = "card.toml"
default_weight = 0.5
[classifiers.broken]
model_type = "card"
weights = "unplanned_none.toml"
"""


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    project = tmp_path_factory.mktemp("ensemble")
    plant_films(project / f"{NAME}_films")
    write_model(project)
    (project / "classifiers.toml").write_text(CLASSIFIERS)
    rows = [f"{NAME}_{number}.png,Mass,10,20,30,30" for number in (1, 2, 3)]
    rows.append(f"{NAME}_3.png,Nodule,100,100,90,90")  # reaches outside: an error
    (project / f"{NAME}_boxes.csv").write_text("\n".join(["image,Label,x,y,w,h", *rows, ""]))
    patients = [f"{NAME}_{number},{PATIENT if number < 3 else 'Huber'}" for number in range(1, 6)]
    (project / f"{NAME}_patients.csv").write_text("\n".join(["image,patient", *patients, ""]))
    words = ("ensemble", "classifiers.toml", f"{NAME}_films", "--label", "Mass")
    words += ("--boxes", f"{NAME}_boxes.csv", "--table", f"{NAME}_patients.csv")
    folder = "camlucida.workflows.ensemble.image_folder"
    with pytest.MonkeyPatch.context() as patch:  # figures of JPEG
        patch.setattr(f"{folder}.save_figure", lambda *_: [])
        return project, *made_twice(project, *words, pictures=[f"{folder}.ImageFolder._strips"])


def test_an_ensemble_names_nobody(ensemble):
    check_keyed(*ensemble)
    project, _, keyed = ensemble
    assert "broken: no model card" in keyed.err  # the terminal says which file is missing
    assert leaks(project / KEYED_FOLDER, ("unplanned",)) == []
    record = json.loads((project / KEYED_FOLDER / "ensemble.json").read_text())
    assert record["image_names"] == "keyed"
    assert "command" not in record
    assert {model["card"].partition("/")[0] for model in record["models"]} == {"keyed"}
    page = (project / KEYED_FOLDER / "index.html").read_text("utf-8")
    assert "Images and patients have keyed names" in page


def test_an_ensemble_finds_boxes_behind_keyed_names(ensemble):
    project = ensemble[0]
    columns = ["label", "model", "boxes", "true_boxes", "iou", "dice", "dice_chance"]
    rows = same_table(project, "localisation.csv", columns)
    assert set(rows["image"]) == {case_name(f"{NAME}_{number}") for number in (1, 2)}
    assert rows["patient"].nunique() == 1
    same_table(project, "ensemble.csv", ["label", "model", "probability", "shown", "boxes"])


def test_an_ensemble_that_was_begun_with_names_is_not_mixed(ensemble):
    project = ensemble[0]
    words = ("ensemble", "classifiers.toml", f"{NAME}_films", "--out", "given", "--deidentify")
    done = run_once(project, *words)
    assert done.code == 2
    assert "holds a run whose names are as given (give another --out)" in done.err


@pytest.fixture(scope="module")
def segmentation(tmp_path_factory):
    project = write_project(tmp_path_factory.mktemp("segmentation"))
    data = project / "Dataset"
    for path in [*data.glob("*/*.png")]:
        path.rename(path.with_name(f"{NAME}_{path.name}"))
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(data / f"masks/{NAME}_c.png")  # of no size
    data.rename(project / f"{NAME}_data")
    words = ("explain-segmentation", "--model-path", "models_1", "--model", "card.toml")
    words += ("--data-dir", f"{NAME}_data", "--target", "true", "--target", "predicted")
    pictures = ["camlucida.workflows.segmentation.job.write_pictures"]
    return project, *made_twice(project, *words, out="--output-dir", pictures=pictures)


def test_a_segmentation_names_nobody(segmentation):
    check_keyed(*segmentation)
    summary = json.loads((segmentation[0] / KEYED_FOLDER / "batch_summary.json").read_text())
    assert summary["image_names"] == "keyed"
    assert summary["failures"]
    report = (segmentation[0] / KEYED_FOLDER / "report.md").read_text()
    assert "all images of …, 3 in number" in report


def test_a_segmentation_finds_masks_behind_keyed_names(segmentation):
    columns = ["target", "ratio", "share", "truth_ratio", "dice"]
    same_table(segmentation[0], "statistics.csv", columns)
    overlap = same_table(segmentation[0], "overlap.csv", ["dice", "iou"])
    assert case_name(f"{NAME}_a") in set(overlap["image"])


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    project = tmp_path_factory.mktemp("regression")
    plant_films(project / "Images")
    torch.manual_seed(0)
    weights = {"model_state_dict": Net().state_dict()}
    (project / f"{NAME}_run").mkdir()
    torch.save(weights, project / f"{NAME}_run/best_model.pth")
    mask = np.zeros((128, 128), np.uint8)
    mask[30:60, 30:60] = 255
    (project / "Masks").mkdir()
    for number in (2, 3):
        Image.fromarray(mask).save(project / f"Masks/{NAME}_{number}.png")
    rows = [f"{NAME}_{number},{PATIENT} {number},{40 + number}" for number in range(1, 6)]
    rows.append("Huber_7,Huber,50")  # of no image
    text = "\n".join(["image,patient,age", *rows, ""])
    (project / f"{NAME}_ages.csv").write_text(text)
    words = ("evaluate-regression", "--checkpoint", f"{NAME}_run", "--image-dir", "Images")
    words += ("--excel-path", f"{NAME}_ages.csv", "--size", "64", "--sample", "1")
    report = "camlucida.workflows.regression.write_regression_report"
    return project, *made_twice(project, *words, pictures=[report])


def test_a_regression_names_nobody(regression):
    check_keyed(*regression)
    about = Run.open(regression[0] / KEYED_FOLDER / "run").about
    assert (about["name"], about["models"][0]["name"]) == ("regression", "model")


def test_a_regression_finds_rows_and_masks_behind_keyed_names(regression):
    project = regression[0]
    records = [
        pd.DataFrame(json.loads((project / folder / "predictions.json").read_text()))
        for folder in ("given", KEYED_FOLDER)
    ]
    numbers = [name for name in records[0] if name not in ("image", "patient", "model", "file")]
    pd.testing.assert_frame_equal(records[0][numbers], records[1][numbers])
    assert records[1]["index"].tolist() == [0, 1, 2, 4]
    assert records[1].set_index("image")["mask_area"].notna().sum() == 2
    assert (project / KEYED_FOLDER / "gradcam_sample_1.png").is_file()


@pytest.fixture(scope="module")
def packed(density, tmp_path_factory):
    project = tmp_path_factory.mktemp("packed")
    shutil.copytree(density / "images", project / "images")
    for path in [*(project / "images").iterdir()]:
        path.rename(path.with_name(f"{NAME}_{path.name}"))
    run = shutil.copytree(density / "results_4", project / f"{NAME}_results")
    stored = (run / "val_predictions.csv").read_text()
    stored = stored.replace("/P0", f"/{NAME}_P0").replace("\nP0", f"\n{NAME}_P0")
    rows = stored.replace("PHANTOM", PATIENT).splitlines()
    rows[2] = rows[2].replace(f"{NAME}_", "Huber_")  # of no image
    (run / "val_predictions.csv").write_text("\n".join([*rows, ""]))
    words = ("report-pack", "--run", f"{NAME}_results")
    return project, *made_twice(project, *words, out="--assets-dir")


def test_a_pack_names_nobody(packed):
    check_keyed(*packed)
    record = json.loads((packed[0] / KEYED_FOLDER / "report_pack.json").read_text())
    assert record["image_names"] == "keyed"
    assert [each["folder"] for each in record["runs"].values()] == ["…"]


def test_a_pack_compares_stored_predictions_behind_keyed_names(packed):
    project = packed[0]
    given, keyed = (
        json.loads((project / folder / "report_pack.json").read_text())["runs"]["seed42"]
        for folder in ("given", KEYED_FOLDER)
    )
    assert given["check"]["images"] == 11
    assert keyed["check"].pop("worst").startswith("case-")
    assert given["check"].pop("worst")
    different = [name for name in given if given[name] != keyed[name]]
    assert different == ["folder"]


def test_a_pack_that_was_begun_with_names_is_not_mixed(packed):
    words = ("report-pack", "--run", f"{NAME}_results", "--assets-dir", "given", "--deidentify")
    done = run_once(packed[0], *words)
    assert done.code == 2
    assert "holds a pack whose names are as given (give another --assets-dir)" in done.err


def test_inputs_of_keyed_runs_are_for_this_user_alone(packed):
    folders = [*(key_folder() / "inputs").iterdir()]
    assert folders
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}
