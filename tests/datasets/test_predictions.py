"""Predictions files of other systems, as they come, and the errors of those that cannot be read."""

import json

import numpy as np
import pandas as pd
import pytest

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message
from camlucida.datasets.predictions import read_predictions


@pytest.fixture
def write(tmp_path):
    """Writes a table or a JSON document; its path."""

    def written(content, name="predictions.csv"):
        path = tmp_path / name
        if path.suffix == ".json":
            path.write_text(json.dumps(content))
        elif path.suffix == ".csv":
            pd.DataFrame(content).to_csv(path, index=False)
        elif path.suffix == ".xlsx":
            pd.DataFrame(content).to_excel(path, index=False)
        else:
            pd.DataFrame(content).to_parquet(path)
        return path

    return written


WIDE = {"Image Index": ["a.png", "b.png"], "Patient ID": ["1", "2"], "sex": ["F", "M"]}


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet", ".json"])
def test_a_column_a_label_in_every_kind_of_file(write, suffix):
    columns = {
        **WIDE,
        "prob_Edema": [0.2, 0.9],
        "Edema": [0, 1],
        "prob_Pleural Effusion": [0.5, 0.1],
        "Pleural Effusion": [1, -1],
    }
    content = pd.DataFrame(columns).to_dict("records") if suffix == ".json" else columns
    result = read_predictions(write(content, f"p{suffix}"), "multilabel", groups=["sex"])
    assert result.labels == ("Edema", "Pleural Effusion")
    assert result.groups == ("sex",)
    left_out = Message("notes.rows_left_out", {"count": 1, "rows": 4})
    assert result.notes == (Message("notes.split_unknown"), left_out)
    frame = result.frame
    assert list(frame) == [
        "image",
        "patient",
        "model",
        "sex",
        "label",
        "logit",
        "probability",
        "truth",
    ]
    assert frame["image"].tolist() == ["a.png", "b.png"] * 2
    assert frame["probability"].tolist() == [0.2, 0.9, 0.5, 0.1]
    np.testing.assert_array_equal(frame["truth"], [0, 1, 1, np.nan])
    assert frame["logit"].isna().all()


@pytest.mark.parametrize(
    "columns",
    [
        {"prob_A": [0.5, 0.5], "true_A": [1, 0]},
        {"A_prob": [0.5, 0.5], "A_true": [1, 0]},
        {"A (probability)": [0.5, 0.5], "A (truth)": [1, 0]},
        {"logit_A": [0, 0], "gt_A": [1, 0]},
        {"pred_A": [0.5, 0.5], "y_true_A": [1, 0]},
        {"A_score": [0.5, 0.5], "A": [1, 0]},
    ],
)
def test_names_of_columns_of_labels(write, columns):
    result = read_predictions(write({"image": ["x", "y"], **columns}), "multilabel")
    assert result.labels == ("A",)
    assert result.frame["probability"].tolist() == [0.5, 0.5]
    assert result.frame["truth"].tolist() == [1, 0]


def test_a_row_an_image_and_label(write):
    columns = {
        "image": list("aabb"),
        "label": ["x", "y"] * 2,
        "logit": [0, 1, -1, 700],
        "truth": [1, 0, "", "true"],
    }
    frame = read_predictions(write(columns), "multilabel").frame
    np.testing.assert_allclose(frame["probability"], [0.5, 1 / (1 + np.exp(-1)), 1 / (1 + np.e), 1])
    np.testing.assert_array_equal(frame["truth"], [1, 0, np.nan, 1])
    assert frame["patient"].tolist() == ["image:a"] * 2 + ["image:b"] * 2
    only = read_predictions(write(columns), "multilabel", labels=["y"])
    assert only.labels == ("y",)
    assert only.frame["label"].tolist() == ["y", "y"]


def test_one_label(write):
    path = write({"image": list("ab"), "label": [1, 0], "score": [0.9, 0.2]})
    result = read_predictions(path, "binary")
    assert result.task == "multilabel"
    assert result.labels == ("positive",)
    assert result.frame["truth"].tolist() == [1, 0]
    assert read_predictions(path, "binary", labels=["tumour"]).labels == ("tumour",)


def test_the_density_file_with_cumulative_probabilities(write):
    columns = {
        "filename": ["a.dcm", "b.dcm"],
        "patient_id": ["1", "1"],
        "y_true": [1, 3],
        "y_pred": [2, 3],
        "y_cont": [1.4, 2.9],
    }
    columns |= {f"p_cls_{k}": [p, q] for k, p, q in ((1, 0.3, 0.0), (2, 0.7, 0.2), (3, 0.0, 0.8))}
    columns |= {f"p_gt_{k}": [0.1, 0.2] for k in (1, 2, 3)}
    result = read_predictions(write(columns, "val_predictions.csv"), "multiclass")
    assert result.labels == ("1", "2", "3")
    assert result.frame["truth"].tolist() == ["1", "3"]
    assert result.frame["predicted"].tolist() == ["2", "3"]
    assert result.frame["probability:2"].tolist() == [0.7, 0.2]
    assert result.notes == ()


@pytest.mark.parametrize(
    ("columns", "answers", "labels"),
    [
        ("0123", (1, 4), "1234"),  # columns counted from 0, classes from 1
        ("1234", (0, 3), "0123"),
        ("0123", (1, 3), "0123"),  # both readings are possible: as it stands
        ("1234", (1, 4), "1234"),
    ],
)
def test_columns_of_classes_may_count_from_elsewhere(write, columns, answers, labels):
    rows = {"image": ["a", "b"], "y_true": answers, "y_pred": answers}
    result = read_predictions(
        write({**rows, **{f"prob_{name}": [0.25, 0.25] for name in columns}}), "multiclass"
    )
    assert result.labels == tuple(labels)
    assert result.frame["truth"].tolist() == [str(answer) for answer in answers]


@pytest.mark.parametrize(
    "cells", [["[0.25, 0.75]", "[1e-3, 0.999]"], ["[0.25 0.75]", "[0.001  0.999]"]]
)
def test_a_list_in_a_cell_is_a_column_an_entry(write, cells):
    rows = {"image": ["a", "b"], "y_true": [0, 1], "y_pred": [1, 1], "softmax": cells}
    frame = read_predictions(write(rows), "multiclass").frame
    assert frame["probability:1"].tolist() == [0.75, 0.999]
    unequal = read_predictions(
        write({**rows, "softmax": ["[0.25, 0.75]", "[1, 0, 0]"]}), "multiclass"
    ).frame
    assert "probability:1" not in unequal or unequal["probability:1"].isna().all()


def test_the_most_probable_class_where_none_is_predicted(write):
    columns = {
        "image": list("abc"),
        "target": [0, 1, 1],
        "logit_NORMAL": [2, 0, ""],
        "logit_PNEUMONIA": [0, 1, 1],
    }
    result = read_predictions(write(columns), "multiclass")
    assert result.labels == ("NORMAL", "PNEUMONIA")
    assert result.frame["truth"].tolist() == ["NORMAL", "PNEUMONIA", "PNEUMONIA"]  # by place
    assert result.frame["predicted"].tolist() == ["NORMAL", "PNEUMONIA", ""]
    np.testing.assert_allclose(
        result.frame["probability:NORMAL"][:2], [1 / (1 + np.exp(-2)), 1 / (1 + np.e)]
    )


def test_classes_are_only_taken_by_place_from_0(write):
    columns = {
        "image": list("ab"),
        "target": [1, 2],
        "prob_mild": [0.5, 0.5],
        "prob_severe": [0.5, 0.5],
    }
    with pytest.raises(
        UsageError, match="row 1: '1' in column 'target' is none of the classes mild, severe"
    ):
        read_predictions(write(columns), "multiclass")


def test_classes_named_by_the_caller(write):
    records = [
        {"id": "a", "probabilities": [0.1, 0.9], "true": "B"},
        {"id": "b", "probabilities": [0.6, 0.4], "true": "A"},
    ]
    result = read_predictions(write(records, "p.json"), "multiclass", labels=["A", "B"])
    assert result.labels == ("A", "B")
    assert result.frame["predicted"].tolist() == ["B", "A"]
    with pytest.raises(UsageError, match=r"probabilities of 2 classes \(0, 1\), where 3 are named"):
        read_predictions(write(records, "p.json"), "multiclass", labels=["A", "B", "C"])
    words = write({"image": list("ab"), "truth": ["mild", "severe"], "pred": ["mild", "normal"]})
    result = read_predictions(words, "multiclass")
    assert result.labels == ("mild", "normal", "severe")
    assert result.notes[-1] == Message("notes.alphabetical", {"names": "mild, normal, severe"})
    assert read_predictions(words, "multiclass", labels=["normal", "mild", "severe"]).labels == (
        "normal",
        "mild",
        "severe",
    )
    numbers = write({"image": list("ab"), "truth": [10, 2], "pred": ["2.0", "10"]})
    assert read_predictions(numbers, "multiclass").labels == ("2", "10")


@pytest.mark.parametrize("truth", [["0", "1", "1", "0"], ["y", "y", "x", "x"]])
def test_a_row_an_image_and_class(write, truth):
    columns = {
        "image": list("aabb"),
        "class": ["x", "y"] * 2,
        "probability": [0.2, 0.8, 0.3, 0.7],
        "truth": truth,
    }
    result = read_predictions(write(columns), "multiclass")
    assert result.labels == ("x", "y")
    assert result.frame["truth"].tolist() == ["y", "x"]
    assert result.frame["predicted"].tolist() == ["y", "y"]


def test_probabilities_that_do_not_sum_to_1_are_said(write):
    columns = {"image": list("ab"), "truth": ["A", "B"], "prob_A": [0.5, 0.5], "prob_B": [0.9, 0.5]}
    note = read_predictions(write(columns), "multiclass").notes[-1]
    assert note.code == "notes.not_one"
    assert (note.values["count"], note.values["rows"]) == (1, 2)


AGES = [
    {"image": "a.png", "true_age": 31, "predicted_age": 33.5, "abs_error": 2.5},
    {"image": "b.png", "true_age": 70, "predicted_age": 61, "abs_error": 9},
]


@pytest.mark.parametrize(
    "document",
    [
        AGES,
        {"predictions": AGES, "mae": 5.75},
        {record["image"]: {k: v for k, v in record.items() if k != "image"} for record in AGES},
        {"image": ["a.png", "b.png"], "targets": [31, 70], "predictions": [33.5, 61]},
        [
            {"filename": "a.png", "target": 31, "pred": 33.5},
            {"filename": "b.png", "target": 70, "pred": 61},
        ],
        [
            {"image": "a.png", "actual": 31, "ageOutput": 0, "agePred": 33.5},
            {"image": "b.png", "actual": 70, "ageOutput": 0, "agePred": 61},
        ],
    ],
)
def test_shapes_of_predictions_json(write, document):
    result = read_predictions(write(document, "predictions.json"), "regression")
    assert result.frame["image"].tolist() == ["a.png", "b.png"]
    assert result.frame["value"].tolist() == [33.5, 61]
    assert result.frame["truth"].tolist() == [31, 70]


def test_images_without_a_name_and_patients_without_one(write):
    result = read_predictions(write({"truth": [1, 2], "pred": [1, 2]}), "regression")
    assert result.frame["image"].tolist() == ["row 1", "row 2"]
    codes = ["notes.split_unknown", "notes.no_image_column", "notes.no_patients"]
    assert [note.code for note in result.notes] == codes
    result = read_predictions(
        write({"image": list("ab"), "patient": ["p", ""], "truth": [1, 2], "pred": [1, 2]}),
        "regression",
    )
    assert result.frame["patient"].tolist() == ["p", "image:b"]
    assert result.notes[1].code == "notes.no_patient"
    assert (result.notes[1].values["count"], result.notes[1].values["names"]) == (1, "b")


def test_a_model_without_truth(write):
    path = write({"image": list("ab"), "model": ["m", "n"], "truth": [1, ""], "pred": [1, 2]})
    with pytest.raises(UsageError, match=r"no row of model 'n' of .* has both"):
        read_predictions(path, "regression")


def test_columns_named_by_the_caller(write):
    path = write({"who": ["p", "q"], "film": ["a", "b"], "y": [1, 2], "h": [3, 4], "w": [0, 0]})
    columns = {"image": "film", "patient": "who", "truth": "y", "prediction": "h"}
    result = read_predictions(path, "regression", columns=columns, groups=["w"])
    assert result.frame.to_dict("list") == {
        "image": ["a", "b"],
        "patient": ["p", "q"],
        "model": ["", ""],
        "w": ["0", "0"],
        "value": [3, 4],
        "truth": [1, 2],
    }


def test_models_and_synthetic(write):
    columns = {
        "image": list("aabb"),
        "model": ["m", "n"] * 2,
        "truth": [1, 1, 2, 2],
        "pred": [1, 2, 3, 4],
        "synthetic": [0, 0, 1, 0],
    }
    result = read_predictions(write(columns), "regression")
    assert [(name, frame["value"].tolist()) for name, frame in result.of_models()] == [
        ("m", [1, 3]),
        ("n", [2, 4]),
    ]
    assert result.synthetic


@pytest.mark.parametrize(
    ("columns", "task", "options", "message"),
    [
        (
            {"image": ["a"], "truth": [1], "pred": [1]},
            "regresion",
            {},
            "no task 'regresion' (did you mean regression?)",
        ),
        (
            {"image": ["a"], "pred": [1]},
            "regression",
            {},
            "like a truth: it has image, pred (name it: --column truth=NAME)",
        ),
        (
            {"image": ["a"], "truth": [1]},
            "regression",
            {},
            "like a prediction: it has image, truth",
        ),
        (
            {"image": ["a"], "truth": [1], "pred_a": [1], "pred_b": [2]},
            "regression",
            {},
            "several columns of",
        ),
        (
            {"image": ["a"], "truth": ["old"], "pred": [1]},
            "regression",
            {},
            "row 1: 'old' in column 'truth' (write a number",
        ),
        (
            {"image": list("aa"), "truth": [1, 2], "pred": [1, 2]},
            "regression",
            {},
            "image 'a' has more than one row (1 too many",
        ),
        (
            {"image": ["a"], "truth": [""], "pred": [1]},
            "regression",
            {},
            "has both a prediction and a ground truth",
        ),
        (
            {"image": ["a"], "truth": [1], "pred": [1]},
            "regression",
            {"columns": {"truht": "x"}},
            "did you mean truth?",
        ),
        (
            {"image": ["a"], "truth": [1], "pred": [1]},
            "regression",
            {"columns": {"truth": "truh"}},
            "no column 'truh' in",
        ),
        (
            {"image": ["a"], "truth": [1], "pred": [1]},
            "regression",
            {"groups": ["sex"]},
            "group column: no column 'sex'",
        ),
        (
            {"image": ["a"], "truth": [1], "pred": [1]},
            "regression",
            {"groups": ["truth"]},
            "a group column of",
        ),
        (
            {"image": ["a"], "prob_A": [1.2], "A": [1]},
            "multilabel",
            {},
            "row 1: 1.2 in column 'prob_A' is no probability",
        ),
        ({"image": ["a"], "prob_A": [0.2]}, "multilabel", {}, "no ground truth of 'A'"),
        (
            {"image": ["a"], "prob_A": [0.2], "A": ["maybe"]},
            "multilabel",
            {},
            "row 1: 'maybe' in column 'A'",
        ),
        ({"image": ["a"], "A": [1]}, "multilabel", {}, "like a probability"),
        (
            {"image": ["a", "a"], "label": ["x", "x"], "prob": [0, 1], "truth": [0, 1]},
            "multilabel",
            {},
            "image 'a', label 'x' has more",
        ),
        ({"image": ["a"], "y_true": [1]}, "multiclass", {}, "like a prediction"),
        (
            {"image": list("aa"), "class": list("xx"), "prob": [0, 1], "truth": [0, 1]},
            "multiclass",
            {},
            "has class 'x' more than once",
        ),
        (
            {"image": list("aa"), "class": list("xy"), "prob": [0, 1], "truth": [1, 1]},
            "multiclass",
            {},
            "'a' has several true classes",
        ),
    ],
)
def test_bad_files_are_one_line(write, columns, task, options, message):
    with pytest.raises(UsageError) as error:
        read_predictions(write(columns), task, **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("document", [{"mae": 3}, [1, 2], {"a": [1, 2], "b": [1]}, "text", []])
def test_json_without_records(write, document):
    with pytest.raises(UsageError, match="records"):
        read_predictions(write(document, "p.json"), "regression")


def test_damaged_json(tmp_path):
    (tmp_path / "p.json").write_text('[{"image": "a",')
    with pytest.raises(UsageError, match=r"cannot read .* as JSON"):
        read_predictions(tmp_path / "p.json", "regression")
    with pytest.raises(UsageError, match="no such table"):
        read_predictions(tmp_path / "q.json", "regression")


def test_lists_of_unequal_length_are_said(write):
    with pytest.raises(
        UsageError,
        match=r"lists of unequal length: predictions 3, targets 2 \(give a value an image in each",
    ):
        read_predictions(
            write({"predictions": [1, 2, 3], "targets": [1, 2]}, "p.json"), "regression"
        )


def test_the_sheet_of_a_workbook_is_named(tmp_path):
    with pd.ExcelWriter(tmp_path / "p.xlsx") as book:
        pd.DataFrame({"note": ["read me"]}).to_excel(book, sheet_name="README", index=False)
        pd.DataFrame({"y_true": [1], "y_pred": [2]}).to_excel(book, sheet_name="data", index=False)
    predictions = read_predictions(tmp_path / "p.xlsx", "regression")
    assert predictions.frame["value"].tolist() == [2]
    (note,) = [note for note in predictions.notes if note.code == "table.sheet"]
    assert note.values["sheet"] == "'data'"
    with pytest.raises(
        UsageError, match=r"no column of .*p.xlsx \(sheet 'README' of 2\) is called"
    ):
        read_predictions(tmp_path / "p.xlsx", "regression", sheet="README")


def test_a_column_of_scaled_outputs_decides_and_is_stated(tmp_path):
    text = "image,label,probability,scaled_output,truth\na,nodule,0.1,0.7,1\nb,nodule,0.02,0.3,0\n"
    (tmp_path / "p.csv").write_text(text)
    predictions = read_predictions(tmp_path / "p.csv", "multilabel")
    assert predictions.frame["scaled_output"].tolist() == [0.7, 0.3]
    (note,) = [note for note in predictions.notes if note.code == "notes.operating_point"]
    assert note.values == {"count": 1, "names": "nodule"}


WITHOUT_TRUTH = {
    "a column a label": ("multilabel", {"prob_Edema": [0.2, 0.9]}, "probability", [0.2, 0.9]),
    "a row a label": (
        "multilabel",
        {"label": ["Edema", "Edema"], "probability": [0.2, 0.9]},
        "probability",
        [0.2, 0.9],
    ),
    "classes": (
        "multiclass",
        {"prob_a": [0.2, 0.9], "prob_b": [0.8, 0.1]},
        "predicted",
        ["b", "a"],
    ),
    "predicted classes alone": ("multiclass", {"predicted": ["b", "a"]}, "predicted", ["b", "a"]),
    "values": ("regression", {"prediction": [4.5, 2]}, "value", [4.5, 2]),
}


@pytest.mark.parametrize("name", WITHOUT_TRUTH)
def test_truth_may_be_missing_where_none_is_needed(write, name):
    task, columns, column, expected = WITHOUT_TRUTH[name]
    path = write({"image": ["a.png", "b.png"], **columns})
    with pytest.raises(UsageError, match="truth"):
        read_predictions(path, task)
    result = read_predictions(path, task, needs_truth=False)
    assert result.frame[column].tolist() == expected
    assert not any(result.frame["truth"].replace("", None).notna())
    assert "notes.rows_left_out" not in [note.code for note in result.notes]
