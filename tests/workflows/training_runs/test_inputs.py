"""Training runs as people leave them: names of files, columns and checkpoints.

What cannot be used is one line.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import KFold, train_test_split

from camlucida.core.errors import UsageError
from camlucida.core.messages import named
from camlucida.figures.notice import is_stamped
from camlucida.report.build import build_report
from camlucida.runs import Run
from camlucida.runs.mismatch import any_mismatch
from camlucida.workflows.training_runs.explain import ExplainOptions, _recognise, explain_training
from camlucida.workflows.training_runs.folders import find_run_folder, find_training_runs
from camlucida.workflows.training_runs.image_finder import TableOptions, path_columns
from camlucida.workflows.training_runs.lines import check_lines, rule_lines
from camlucida.workflows.training_runs.measure import contrast_of
from camlucida.workflows.training_runs.results import PredictionCheck, TrainingResults
from camlucida.workflows.training_runs.table_validation import read_table_validation
from camlucida.workflows.training_runs.validation import read_validation
from tests.support.models_on_disk import write_image
from tests.support.training_runs import FOLDS, blank, edit_predictions, edit_summary, pack, training


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Figures as files without a picture."""
    monkeypatch.setattr("camlucida.workflows.training_runs.pictures.save_figure", blank)


def explained(run, out, **requested):
    one = training(run)
    return explain_training(
        one, read_validation(one), ExplainOptions(**requested), out, {}, lambda *a, **k: None
    )


# ---- checkpoints and summaries ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "wrap"),
    [
        ("best_model.pt", lambda state: state),
        ("best_model.pth", lambda state: {f"module.{key}": value for key, value in state.items()}),
        (
            "best_model.pth",
            lambda state: {
                "state_dict": {f"model.{key}": value for key, value in state.items()},
                "epoch": 3,
            },
        ),
    ],
    ids=["pt", "DataParallel", "Lightning"],
)
def test_checkpoints_as_trainers_save_them(cohort, tmp_path, file, wrap):
    run = cohort / f"{FOLDS}/fold_1/results"
    state = torch.load(run / "best_model.pth", weights_only=True)
    (run / "best_model.pth").unlink()
    torch.save(wrap(state), run / file)
    assert explained(run, tmp_path / "run").check.same


def test_a_wrong_preprocessing_is_seen(cohort, tmp_path, monkeypatch):
    run = cohort / "results_4"
    edit_summary(run, input={"size": 128, "channels": 1, "range": [0, 255]})
    check = explained(run, tmp_path / "run").check
    assert check.wrong
    packing = pack(cohort, "results_4")
    assert not packing.trainings
    assert not (cohort / "assets/density_model.tex").exists()
    (failure,) = map(str, packing.failures)
    assert "the model does not reproduce its stored predictions: another class in" in failure
    # The preprocessing that does is found and said, and how to go on all the same.
    assert "range -1.0, 1.0" in failure.partition("this preprocessing does: ")[2], failure
    assert "--accept-mismatch goes on, with every figure stamped" in failure
    packing = pack(cohort, "results_4", accept_mismatch=True)
    (line,) = map(str, check_lines(packing.trainings))
    assert "WRONG PREPROCESSING OR MODEL? These maps are not to be used" in line
    assert f"({check.worst})" in line
    tex = (cohort / "assets/density_model.tex").read_text("utf-8")
    assert "its maps and numbers are not to be used" in tex
    heading = tex.partition("\\label")[0].rpartition("\\")[2]
    assert "NOT THE MODEL OF THE STORED PREDICTIONS. Attention maps" in heading
    # Every command that draws the stored run knows it.
    stored = Run.open(cohort / "assets/.camlucida/seed42")
    assert any_mismatch([stored])
    figures: list[bool] = []
    monkeypatch.setattr("camlucida.figures.files.stamp", lambda _: figures.append(is_stamped()))
    document = build_report([stored], tmp_path / "report", sections=["summary", "cases"])
    assert document.title.code == "page.title_mismatch"
    assert figures
    assert all(figures)


def test_a_summary_of_hyperparameters_alone(cohort, tmp_path):
    """No input, no classes, no seed at the top: assumptions are noted, the stated size is used."""
    run = cohort / f"{FOLDS}/fold_1/results"
    (run / "summary.json").write_text(
        json.dumps(
            {"hyperparameters": {"seed": 7, "img_size": 128, "lr": 1e-4}, "commit": "01443313"}
        )
    )
    one = training(run)
    assert (one.seed, one.fold, one.key) == (7, 1, "fold_1")
    result = explained(run, tmp_path / "run")
    assert result.check.same
    assert result.card.labels == ("1", "2", "3", "4")
    (note,) = (note for note in result.notes if "given; assumed" in str(note))
    values = note.values["line"].values
    assert (values["height"], values["width"], values["channels"]) == (128, 128, 1)


def test_the_input_of_the_summary_takes_the_size_stated_beside_it(cohort, tmp_path):
    run = cohort / f"{FOLDS}/fold_1/results"
    edit_summary(run, input={"channels": 1, "range": [-1, 1]})
    result = explained(run, tmp_path / "run")
    assert result.card.input.height_width == (128, 128)
    assert result.check.same
    codes = [note.values["line"].code for note in result.notes if note.code == "words.of"]
    assert "recognised.preprocessing" in codes
    assert "assumed.preprocessing" not in codes
    named = _recognise(
        training(run), ("1", "2", "3", "4"), "camlucida.phantom.nets:small_mobilenet"
    )
    assert named.card.input == result.card.input  # a factory says nothing of the input
    edit_summary(run, input={"channels": 2})
    with pytest.raises(
        UsageError, match=r"summary.json: input: .*write it as \[input\] of a model card"
    ):
        explained(run, tmp_path / "run")


# ---- folders ---------------------------------------------------------------------------------


def test_folds_may_count_from_0(cohort):
    (cohort / FOLDS).rename(cohort / "cv_seed42")
    for number in (1, 2, 3):
        run = (cohort / f"cv_seed42/fold_{number}").rename(cohort / f"cv_seed42/fold_{number - 1}")
        edit_summary(run / "results", fold=None)
    trainings, problems = find_training_runs([cohort / "cv_seed42"])
    assert not problems
    assert [one.key for one in trainings] == ["fold_0", "fold_1", "fold_2"]
    assert {one.seed for one in trainings} == {42}


def test_a_fold_without_a_checkpoint_costs_itself_alone(cohort):
    (cohort / f"{FOLDS}/fold_2/results/best_model.pth").unlink()
    packing = pack(cohort, FOLDS)
    assert [one.key for one in packing.trainings] == ["fold_1", "fold_3"]
    (line,) = map(str, packing.failures)
    assert "fold_2/results has no best_model.pth or best_model.pt" in line
    assert not (cohort / "assets/fold_2_gradcam.png").exists()


def test_two_runs_of_one_seed_are_refused_before_anything_is_written(cohort):
    shutil.copytree(cohort / "results_4", cohort / "results_9")
    with pytest.raises(UsageError, match=r"results_4 and .*results_9 are both seed42"):
        pack(cohort, "results_4", "results_9")
    assert list((cohort / "assets").iterdir()) == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: (run / "summary.json").write_text("{'seed': 42"), "summary.json is no JSON"),
        (
            lambda run: (run / "summary.json").write_text("[]"),
            "summary.json is no table of names and values",
        ),
        (lambda run: edit_summary(run, seed=None), "states its seed (give --seed)"),
        (lambda run: shutil.rmtree(run), "no folder"),
        (
            lambda run: [file.unlink() for file in run.iterdir() if file.is_file()],
            "is no training run",
        ),
    ],
)
def test_what_is_no_training_run_is_one_line(cohort, spoil, message):
    spoil(cohort / "results_4")
    trainings, problems = find_training_runs([cohort / "results_4", cohort / "results_5"])
    assert [one.seed for one in trainings] == [43]
    (line,) = map(str, problems)
    assert message in line
    assert "\n" not in line


def test_a_run_is_found_by_its_name_below_the_working_directory(cohort, monkeypatch):
    monkeypatch.chdir(cohort.parent)
    assert find_run_folder(Path("results_5")).resolve() == (cohort / "results_5").resolve()
    assert find_run_folder(Path("fold_2")).parts[-2:] == (FOLDS, "fold_2")
    assert find_run_folder(Path("results_99")) == Path("results_99")
    shutil.copytree(cohort / "results_5", cohort.parent / "again/results_5")
    with pytest.raises(UsageError, match=r"2 training runs .* results_5") as caught:
        find_run_folder(Path("results_5"))
    shutil.rmtree(cohort.parent / "again")
    assert "again/results_5" in str(caught.value)


# ---- no stored predictions -------------------------------------------------------------------


def test_without_stored_predictions_the_table_names_images_and_classes(cohort):
    (cohort / "results_4/val_predictions.csv").unlink()
    one = training(cohort / "results_4")
    validation = read_table_validation(one)
    table = validation.table()
    expected = pd.read_csv(cohort / "metadata.csv").set_index("image")
    names = [Path(path).name for path in table["path"]]
    assert sorted(names) == sorted(expected.index)
    assert table["truth"].tolist() == expected.loc[names, "density"].astype(str).tolist()
    assert table["patient"].tolist() == expected.loc[names, "patient"].astype(str).tolist()
    (note,) = validation.notes
    assert "TRAINED ON IS UNKNOWN" in str(note)


def test_a_row_of_an_examination_gives_its_class_to_the_images_of_its_folder(cohort, tmp_path):
    (cohort / "results_4/val_predictions.csv").unlink()
    rows = []
    for number in range(2):
        for view in ("CC", "MLO"):
            write_image(tmp_path / f"archive/A{number}/{view}.png", number)
        rows.append({"AccessionNumber": f"A{number}", "Classification": number + 1})
    rows.append({"AccessionNumber": "A9", "Classification": 1})
    pd.DataFrame(rows).to_csv(tmp_path / "classes.csv", index=False)
    one = training(cohort / "results_4")
    validation = read_table_validation(
        one, images=tmp_path / "archive", table=tmp_path / "classes.csv"
    )
    table = validation.table()
    assert dict(zip((Path(path).parent.name for path in table["path"]), table["truth"])) == {
        "A0": "1",
        "A1": "2",
    }
    assert len(table) == 4
    (failure,) = map(str, validation.failures)
    assert "1 row without an image: A9" in failure


def held_out_names(validation):
    return sorted(Path(path).name for path in validation.table()["path"])


def test_a_split_that_the_summary_records_leaves_training_out(cohort):
    run = cohort / "results_4"
    (run / "val_predictions.csv").unlink()
    about = {"seed": 7, "val_size": 4, "stratify": True, "n_train": 8, "n_val": 4}
    edit_summary(run, split=about)
    table = pd.read_csv(cohort / "metadata.csv")
    _, val = train_test_split(table, test_size=4, random_state=7, stratify=table["density"])
    validation = read_table_validation(training(run))
    assert held_out_names(validation) == sorted(val["image"])
    assert set(validation.splits) == {"val"}
    assert "TRAINED ON IS UNKNOWN" not in "".join(map(str, validation.notes))
    assert validation.notes[0].values["split"] == "val"


@pytest.mark.parametrize("first", [0, 1])
def test_the_rows_of_a_recorded_fold_are_held_out(cohort, first):
    shutil.rmtree(cohort / FOLDS / f"fold_{3 if first == 0 else 0}", ignore_errors=True)
    if first == 0:
        (cohort / f"{FOLDS}/fold_1").rename(cohort / f"{FOLDS}/fold_0")
    run = cohort / f"{FOLDS}/fold_2/results"
    (run / "val_predictions.csv").unlink()
    about = {"seed": 7, "n_splits": 3, "n_train": 8, "n_val": 4}
    edit_summary(run, split=about)
    table = pd.read_csv(cohort / "metadata.csv")
    folds = list(KFold(3, shuffle=True, random_state=7).split(table))
    expected = table["image"].iloc[folds[2 - first][1]]
    assert held_out_names(read_table_validation(training(run))) == sorted(expected)


def test_rows_of_stored_predictions_are_of_the_split_in_the_name(cohort):
    packed = pack(cohort, "results_4")
    assert "NO SPLIT" not in " ".join(map(str, packed.notes))
    assert read_validation(training(cohort / "results_4")).splits[0] == "val"


def test_ids_of_the_table_in_other_letters_and_by_a_pattern_of_a_sheet(cohort, tmp_path):
    run = cohort / "results_4"
    (run / "val_predictions.csv").unlink()
    for name in ("S01_1", "S01_2", "S02_1"):
        write_image(tmp_path / f"archive/{name}.png")
    rows = pd.DataFrame({"image": ["S01", "S02"], "density": [0, 3]})
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        pd.DataFrame({"note": ["see below"]}).to_excel(book, sheet_name="notes", index=False)
        rows.to_excel(book, sheet_name="labels", index=False)
    names = {"0": "1", "1": "2", "2": "3", "3": "4"}
    options = TableOptions("labels", "{id}_{n}", names)
    validation = read_table_validation(
        training(run), images=tmp_path / "archive", table=tmp_path / "t.xlsx", options=options
    )
    table = validation.table()
    by_name = {Path(path).stem: truth for path, truth in zip(table["path"], table["truth"])}
    assert by_name == {"S01_1": "1", "S01_2": "1", "S02_1": "4"}
    assert "notes.id_pattern" in [note.code for note in validation.notes]


def test_predictions_in_other_letters_with_names_of_classes(cohort):
    run = cohort / "results_4"
    original = read_validation(training(run))
    edit_predictions(run, lambda frame: frame.assign(**_upper(frame)))
    options = TableOptions(class_names={name: f"BI-RADS {name}" for name in "1234"})
    validation = read_validation(training(run), images=cohort / "images", options=options)
    assert validation.files == original.files
    assert validation.predictions.labels == tuple(f"BI-RADS {name}" for name in "1234")


def _upper(frame):
    return {name: frame[name].str.upper() for name in path_columns(frame)}


# ---- predictions -----------------------------------------------------------------------------


def spelt(**columns):
    """The predictions file under other names."""
    return lambda frame: frame.rename(columns=columns)[list(columns.values())]


PROBS = [f"prob_{number}" for number in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    "change",
    [
        spelt(
            path="image_path",
            y_true="true_label",
            y_pred="pred_label",
            **{PROBS[k]: f"prob_{k}" for k in range(4)},
        ),
        spelt(
            filename="filename",
            y_true="target",
            y_pred="prediction",
            **{PROBS[k]: f"p_cls_{k + 1}" for k in range(4)},
        ),
        lambda frame: frame[["path", "y_true", "y_pred"]].assign(
            softmax=frame[PROBS].round(5).to_numpy().tolist()
        ),
        lambda frame: frame.assign(path="C:\\data\\mammo\\images\\" + frame["filename"]).drop(
            columns=["filename", "patient"]
        ),
        lambda frame: frame[["path", "y_true", "y_pred"]],
    ],
    ids=["columns from 0", "names alone", "a list a row", "another machine", "no probabilities"],
)
def test_predictions_as_people_write_them(cohort, change):
    run = cohort / "results_4"
    whole = read_validation(training(run)).predictions.frame
    edit_predictions(run, change)
    validation = read_validation(training(run))
    assert validation.predictions.labels == ("1", "2", "3", "4")
    assert [file.stem for file in validation.files] == [
        name.removesuffix(".dcm") for name in whole["image"].str.split("/").str[-1]
    ]
    assert validation.predictions.frame["truth"].tolist() == whole["truth"].tolist()
    for name in (column for column in whole if column.startswith("probability:")):
        given = validation.predictions.frame[name].to_numpy(float)
        assert np.isnan(given).all() or given == pytest.approx(
            whole[name].to_numpy(float), abs=1e-5
        )


def test_accession_numbers_lead_to_images_and_patients_by_the_table(cohort):
    run = cohort / "results_4"
    table = pd.read_csv(cohort / "metadata.csv")
    accession = dict(zip(table["image"], "A" + table["image"].str.removesuffix(".dcm")))
    table.assign(AccessionNumber=table["image"].map(accession)).to_csv(
        cohort / "metadata.csv", index=False
    )
    original = read_validation(training(run))
    edit_predictions(
        run,
        lambda frame: frame.assign(AccessionNumber=frame["filename"].map(accession)).drop(
            columns=["filename", "path"]
        ),
    )
    by_accession = read_validation(training(run))
    assert [file.name for file in by_accession.files] == [file.name for file in original.files]
    edit_predictions(run, lambda frame: frame.drop(columns="patient"))
    assert read_validation(training(run)).patients == original.patients
    assert not read_validation(training(run)).notes


def test_patients_by_the_folder_of_an_image(cohort):
    run = cohort / "results_4"
    original = read_validation(training(run)).patients
    for file in list((cohort / "images").iterdir()):
        (cohort / "images" / f"S{file.stem}").mkdir()
        file.rename(cohort / "images" / f"S{file.stem}" / "image.dcm")
    table = pd.read_csv(cohort / "metadata.csv")
    table.assign(AccessionNumber="S" + table["image"].str.removesuffix(".dcm")).to_csv(
        cohort / "metadata.csv", index=False
    )

    def foldered(frame):
        stems = frame["filename"].str.removesuffix(".dcm")
        return frame.assign(path="images/S" + stems + "/image.dcm").drop(
            columns=["filename", "patient"]
        )

    edit_predictions(run, foldered)
    assert read_validation(training(run)).patients == original


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda frame: frame.drop(columns=["path", "filename"]),
            "no column of .*names images: it has patient, y_true",
        ),
        (
            lambda frame: frame.assign(
                path="gone/" + frame.index.astype(str), filename="x.dcm"
            ).drop(columns="filename"),
            "none of the 12",
        ),
        (
            lambda frame: frame.assign(y_true=9),
            "'9' in column 'y_true' is none of the classes 1, 2, 3, 4.*--class",
        ),
        (lambda frame: frame.drop(columns="y_true"), "no column of .* is called like a truth"),
        (
            lambda frame: frame.drop(columns="prob_4"),
            "probabilities of 3 classes .*where 4 are named",
        ),
    ],
)
def test_predictions_that_cannot_be_used_are_one_line(cohort, change, message):
    edit_predictions(cohort / "results_4", change)
    with pytest.raises(UsageError, match=message) as raised:
        read_validation(training(cohort / "results_4"))
    assert "\n" not in str(raised.value)


def test_two_rows_that_lead_to_one_image_are_one_image(cohort, tmp_path):
    def again(frame):
        name = frame["filename"][:1].str.removesuffix(".dcm")
        return pd.concat([frame, frame[:1].assign(filename=name, path=name)])

    edit_predictions(cohort / "results_4", again)
    (failure,) = read_validation(training(cohort / "results_4")).failures
    assert failure.code == "image_repeated"
    assert failure.what.endswith("1 row of an image that an earlier row has, left out: P001_R_CC")
    assert explained(cohort / "results_4", tmp_path / "run").check.images == 12


def test_an_image_that_is_missing_costs_itself_alone(cohort):
    gone = sorted((cohort / "images").iterdir())[0]
    gone.unlink()
    packing = pack(cohort, "results_4")
    assert [failure.what for failure in packing.failures] == [
        f"{cohort}/results_4/val_predictions.csv: 1 image not found: {gone.name}"
    ]
    assert packing.trainings[0].images == 11


def test_an_image_that_cannot_be_read_costs_itself_alone(cohort, tmp_path):
    broken = sorted((cohort / "images").iterdir())[0]
    broken.write_bytes(broken.read_bytes()[:3000])
    result = explained(cohort / "results_4", tmp_path / "run")
    (line,) = map(str, result.failures)
    assert line.startswith("seed42: ")
    assert broken.name in line
    assert result.check.images == 11
    assert Run.open(tmp_path / "run").counts["done"] == 11


# ---- numbers by hand -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "same", "wrong"),
    [
        (PredictionCheck(images=50, differ=0, largest=5e-5, median=0.0), True, False),
        (PredictionCheck(images=50, differ=0, largest=0.02, median=0.001), False, False),
        (PredictionCheck(images=50, differ=1, largest=0.02, median=0.001), False, False),
        (PredictionCheck(images=50, differ=2, largest=0.2, median=0.01), False, True),
        (PredictionCheck(images=50, differ=0, largest=0.2, median=0.06), False, True),
        (
            PredictionCheck(images=50, differ=20, largest=5e-5, median=0.0),
            False,
            False,
        ),  # the file's classes come from thresholds
        (PredictionCheck(images=50, differ=0), False, False),
        (PredictionCheck(images=50, differ=2), False, True),
    ],
)
def test_when_a_model_is_not_the_one_that_wrote_the_file(check, same, wrong):
    assert (check.same, check.wrong) == (same, wrong)


def test_contrast_is_a_difference_of_means_with_patients_resampled():
    patients = [f"p{number // 2}" for number in range(80)]
    cases = pd.DataFrame({"true_class": ["1"] * 40 + ["4"] * 40, "patient": patients})
    spread = np.r_[np.tile([0.1, 0.3], 20), np.tile([0.4, 0.6], 20)]
    contrast = contrast_of(cases, pd.DataFrame({"spread": spread}), "1", "4")
    assert contrast.estimate == pytest.approx(0.3)
    assert contrast.low == pytest.approx(0.3)  # each patient's mean is that of its class
    assert contrast.high == pytest.approx(0.3)
    few = contrast_of(
        cases, pd.DataFrame({"spread": np.where(cases.index < 58, spread, np.nan)}), "1", "4"
    )
    assert few.estimate == pytest.approx(0.3)
    assert few.low is None  # nine patients of class 4
    assert contrast_of(cases, pd.DataFrame({"spread": spread}), "1", "5").estimate is None


def test_figures_of_one_rule_are_one_line():
    packed = [
        TrainingResults.model_construct(figure=figure, rule=named(rule))
        for figure, rule in (("a", "x"), ("b", "x"), ("c", "y"))
    ]
    assert list(rule_lines(packed)) == ["a.png, b.png: x", "c.png: y"]
