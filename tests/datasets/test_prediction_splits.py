"""Which rows of a predictions file are evaluated, by their split."""

import json

import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from camlucida.core.errors import UsageError
from camlucida.datasets.mask_files import read_mask_pairs
from camlucida.datasets.predictions import read_predictions

AGES = [31, 40, 52, 60, 71, 80, 33, 45]
SPLITS = ["train", "train", "Test", "train", "Test", "train", "train", "train"]


def write(folder, name="predictions.csv", **columns):
    images = [f"f{number}" for number in range(8)]
    frame = pd.DataFrame({"image": images, "truth": AGES, "prediction": AGES, **columns})
    frame.to_csv(folder / name, index=False)
    return folder / name


def codes(predictions):
    return [note.code for note in predictions.notes if note.code != "notes.no_patients"]


def test_a_column_of_splits(tmp_path):
    path = write(tmp_path, split=SPLITS)
    everything = read_predictions(path, "regression")
    assert len(everything.frame) == 8
    (note,) = [note for note in everything.notes if note.code == "notes.training_included"]
    assert (note.values["count"], note.values["option"]) == (6, "--split Test")
    test = read_predictions(path, "regression", split="test")
    assert test.frame["image"].tolist() == ["f2", "f4"]
    assert codes(test) == []
    with pytest.raises(UsageError, match="no split 'val'"):
        read_predictions(path, "regression", split="val")


def test_no_split_is_said_and_cannot_be_requested(tmp_path):
    path = write(tmp_path)
    assert codes(read_predictions(path, "regression")) == ["notes.split_unknown"]
    with pytest.raises(UsageError, match="has no split column"):
        read_predictions(path, "regression", split="test")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("val_predictions.csv", []),
        ("predictions_test.csv", []),
        ("train_predictions.csv", ["notes.training_included"]),
        ("train_val_predictions.csv", ["notes.split_unknown"]),
    ],
)
def test_the_name_of_the_file_states_the_split(tmp_path, name, expected):
    assert codes(read_predictions(write(tmp_path, name), "regression")) == expected


def test_the_split_that_a_file_beside_records(tmp_path):
    about = {"seed": 5, "test_size": 0.25, "n_train": 6, "n_test": 2}
    (tmp_path / "summary.json").write_text(json.dumps({"split": about}))
    _, test = train_test_split(range(8), test_size=0.25, random_state=5)
    predictions = read_predictions(write(tmp_path), "regression")
    assert predictions.frame["image"].tolist() == [f"f{row}" for row in sorted(test)]
    assert codes(predictions) == ["recorded_split.reproduced", "recorded_split.order"]
    everything = read_predictions(write(tmp_path), "regression", split="all")
    assert len(everything.frame) == 8
    assert codes(everything)[-1] == "notes.training_included"


def test_masks_of_a_split(tmp_path):
    table = tmp_path / "masks.csv"
    table.write_text("image,truth,prediction,split\na,a.png,a.png,train\nb,b.png,b.png,test\n")
    pairs, notes = read_mask_pairs(table, split="test")
    assert "1 row without a mask file that is there: b.png" in str(next(pairs))
    assert "notes.training_included" not in [note.code for note in notes]
    _, notes = read_mask_pairs(table)
    assert "notes.training_included" in [note.code for note in notes]
