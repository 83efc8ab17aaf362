"""Labels as tables have them: one-hot, joined names, numbers of several kinds."""

from pathlib import Path

import pandas as pd
import pytest

from camlucida.core.errors import UsageError
from camlucida.datasets.predictions import read_predictions
from camlucida.datasets.table_labels import TableLabels
from tests.support.tables import write_text

DENSITY = ("1", "2", "3", "4")
KINDS = ("normal", "benign", "malignant")


def labels(columns, of_model, requested=None, **names):
    frame = pd.DataFrame(columns)
    table = TableLabels.read(frame, requested, of_model, Path("t.csv"), names.get("names"))
    return [table.positives(row) for row in range(len(frame))], table.reading


@pytest.mark.parametrize(
    ("cells", "of_model", "positives", "code"),
    [
        (["0", "2", "1"], KINDS, ["normal", "malignant", "benign"], "label_positions"),
        (["0.0", "2.0", ""], KINDS, ["normal", "malignant", None], "label_positions"),
        ([1, 3, 2], KINDS, ["normal", "malignant", "benign"], "label_positions"),
        (["0", "3", "-1"], DENSITY, ["1", "4", None], "label_positions"),
        (["1", "4", "2"], DENSITY, ["1", "4", "2"], None),
        (["1", "3", "2"], DENSITY, ["1", "3", "2"], "label_numbers"),
        (["1", "0", "-1"], ("Mass",), ["Mass", None, None], "label_flag"),
        (["1", "0", "1"], KINDS[:2], ["benign", "normal", "benign"], "label_positions"),
        (["benign", "NORMAL", ""], KINDS, ["benign", "normal", None], None),
    ],
)
def test_numbers_are_positions_names_or_flags(cells, of_model, positives, code):
    values, notes = labels({"image": [*"abc"], "label": cells}, of_model)
    assert values == [() if name is None else (name,) for name in positives]
    assert [note.code for note in notes] == ([f"notes.{code}"] if code else [])
    for note in notes:
        assert "\n" not in str(note)


def test_joined_positions_and_names():
    values, notes = labels({"labels": ["0|2", "1", ""]}, KINDS)
    assert values == [("normal", "malignant"), ("benign",), ()]
    assert notes[0].values["base"] == 0
    for sign in "|;":
        values, _ = labels({"labels": [f"benign{sign}Malignant"]}, KINDS)
        assert values == [("benign", "malignant")]


@pytest.mark.parametrize("cells", [["1", "2"], ["0", "3"], ["0", "7"], ["1", "5"], ["0", "1"]])
def test_numbers_that_could_mean_two_labels_are_refused(cells):
    with pytest.raises(UsageError, match=r"--class-name \d=normal"):
        labels({"label": cells}, KINDS)
    names = {cells[0]: "benign", cells[1]: "malignant"}
    values, (note,) = labels({"label": cells}, KINDS, names=names)
    assert values == [("benign",), ("malignant",)]
    assert note.code == "notes.names_given"


def test_wrong_class_names():
    with pytest.raises(UsageError, match="'bening' is no label of the model"):
        labels({"label": ["1", "2"]}, KINDS, names={"1": "bening"})
    with pytest.raises(UsageError, match="names none of the codes"):
        labels({"label": ["1", "2"]}, KINDS, names={"9": "benign"})


def test_names_in_the_column_beside():
    columns = {"code": ["11", "7", "11"], "text": ["benign", "normal", "benign"], "x": [*"abc"]}
    values, (note,) = labels(columns, KINDS, requested="code")
    assert values == [("benign",), ("normal",), ("benign",)]
    assert (note.code, note.values["beside"]) == ("notes.names_beside", "'text'")


def test_the_column_that_holds_names_is_taken():
    columns = {"label": ["5", "6"], "label_name": ["benign", "normal"]}
    assert labels(columns, KINDS)[0] == [("benign",), ("normal",)]


@pytest.mark.parametrize("name", ["true_{}", "{}_label", "gt {}", "{}"])
def test_one_column_a_label(name):
    columns = {name.format("Normal"): ["1", "0"], name.format("benign"): ["0", ""]}
    values, notes = labels({"image": [*"ab"], **columns}, KINDS)
    assert values == [("normal",), ()]
    assert [note.code for note in notes] == (["notes.label_prefix"] if name != "{}" else [])


# ---- names of classes in a file of predictions --------------------------------------------------

HEAD = ["image", "y_true", "y_pred", "p_0", "p_1"]


def read(tmp_path, rows, **options):
    return read_predictions(write_text(tmp_path / "p.csv", rows), "multiclass", **options)


def test_classes_are_named_for_people(tmp_path):
    rows = [HEAD, ["a", 0, 1, "0.4", "0.6"], ["b", 1, 1, "0.1", "0.9"]]
    predictions = read(tmp_path, rows, class_names={"0": "1", "1": "2"})
    assert predictions.labels == ("1", "2")
    assert predictions.frame["truth"].tolist() == ["1", "2"]
    assert predictions.frame["predicted"].tolist() == ["2", "2"]
    assert predictions.frame["probability:1"].tolist() == [0.4, 0.1]
    assert predictions.notes[-1].code == "notes.classes_named"
    with pytest.raises(UsageError, match="has no class '7'"):
        read(tmp_path, rows, class_names={"7": "x"})
    with pytest.raises(UsageError, match="would have one name"):
        read(tmp_path, rows, class_names={"0": "1"})


def test_names_of_classes_stand_beside_them(tmp_path):
    head = ["image", "y_pred", "y_true", "birads"]
    predictions = read(tmp_path, [head, ["a", 1, 0, "A"], ["b", 1, 1, "B"]])
    assert predictions.labels == ("A", "B")
    assert predictions.notes[-1].values["beside"] == "'birads'"
    plain = read(
        tmp_path, [["image", "y_pred", "y_true", "sex"], ["a", 1, 0, "f"], ["b", 1, 1, "m"]]
    )
    assert plain.labels == ("0", "1")


def test_decimal_commas_of_predictions_are_told(tmp_path):
    rows = [["image", "truth", "value"], ["a", "50,5", "49"], ["b", "60", "61,25"]]
    path = write_text(tmp_path / "p.csv", rows, ";")
    predictions = read_predictions(path, "regression")
    assert predictions.frame["truth"].tolist() == [50.5, 60]
    commas = [note for note in predictions.notes if note.code == "table.decimal_comma"]
    assert [note.values["column"] for note in commas] == ["'truth'", "'value'"]


@pytest.mark.parametrize(
    ("cell", "codes"),
    [
        ("['Mass', 'Nodule']", []),
        ('["Mass", "Nodule"]', []),
        ("Mass / Nodule", []),
        ("Mass+Nodule", []),
        ("[1 0 1]", ["notes.label_lists"]),
        ("[1.0, 0.0, 1.0]", ["notes.label_lists"]),
    ],
)
def test_labels_joined_in_other_ways(cell, codes):
    frame = pd.DataFrame({"labels": [cell, ""]})
    table = TableLabels.read(frame, None, ["Mass", "Edema", "Nodule"], Path("t.csv"))
    assert [table.positives(row) for row in (0, 1)] == [("Mass", "Nodule"), ()]
    assert [note.code for note in table.reading] == codes


def test_a_list_of_flags_of_another_length_is_refused():
    frame = pd.DataFrame({"labels": ["[1 0]"]})
    with pytest.raises(UsageError, match="lists of 2 to 2 flags, and the model has 3 labels"):
        TableLabels.read(frame, None, ["Mass", "Edema", "Nodule"], Path("t.csv"))


def test_a_slash_in_a_label_does_not_join():
    frame = pd.DataFrame({"labels": ["Mass/Nodule"]})
    table = TableLabels.read(frame, None, ["Mass/Nodule", "Mass"], Path("t.csv"))
    assert table.positives(0) == ("Mass/Nodule",)


@pytest.mark.parametrize(
    "words", ["yes no", "Y N", "WAHR FALSCH", "oui non", "x ", "Positive Negative"]
)
def test_words_for_present_and_absent(words):
    present, _, absent = words.partition(" ")
    frame = pd.DataFrame({"Mass": [present, absent]})
    table = TableLabels.read(frame, None, ["Mass"], Path("t.csv"))
    assert [table.positives(row) for row in (0, 1)] == [("Mass",), ()]
    assert not list(table.reading)
