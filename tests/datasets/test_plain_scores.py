"""Predictions in columns that are called exactly as the labels."""

import numpy as np
import pandas as pd
import pytest

from camlucida.core.errors import UsageError
from camlucida.datasets.predictions import read_predictions
from camlucida.datasets.table_labels import TableLabels

LABELS = ("Cardiomegaly", "Hernia", "Mass")


@pytest.fixture
def write(tmp_path):
    """Writes a table; its path."""

    def written(text):
        path = tmp_path / "predictions.csv"
        path.write_text(text)
        return path

    return written


def codes(predictions):
    return [note.code for note in predictions.notes]


def test_decimal_commas_and_the_models_labels(write):
    path = write("Image Index;Cardiomegaly;Hernia\na.png;0,12;0,5\nb.png;0,9;1\n")
    stored = read_predictions(path, "multilabel", needs_truth=False, model_labels=LABELS)
    assert stored.labels == ("Cardiomegaly", "Hernia")
    assert stored.frame["probability"].tolist() == [0.12, 0.9, 0.5, 1]
    assert stored.frame["truth"].isna().all()
    assert "notes.plain_probabilities" in codes(stored)
    assert codes(stored).count("table.decimal_comma") == 2


def test_numbers_beyond_0_to_1_are_logits(write):
    path = write("image,Mass\na,-2.5\nb,0.5\n")
    stored = read_predictions(path, "multilabel", needs_truth=False, labels=["Mass"])
    np.testing.assert_allclose(stored.frame["probability"], 1 / (1 + np.exp([2.5, -0.5])))
    assert "notes.plain_logits" in codes(stored)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("83.2 12.5", "neither probabilities nor plainly logits"),
        ("-1 0.5", "neither probabilities nor plainly logits"),
        ("1 0", "ground truth or decisions, not scores"),
        ("-1 1", "ground truth or decisions, not scores"),
    ],
)
def test_what_is_no_score_is_refused(write, cells, message):
    first, second = cells.split()
    path = write(f"image,Mass\na,{first}\nb,{second}\n")
    with pytest.raises(UsageError, match=message):
        read_predictions(path, "multilabel", needs_truth=False, model_labels=LABELS)


def test_labels_that_nobody_names(write):
    path = write("image,age,Mass\na,31,0.2\nb,40,0.7\n")
    with pytest.raises(UsageError, match=r"Mass may hold some \(name the labels"):
        read_predictions(path, "multilabel", needs_truth=False)


@pytest.mark.parametrize(
    ("columns", "probabilities", "truths"),
    [
        # The usual reading stays: what is called a prediction is one.
        ({"Mass": [1, 0], "Mass_pred": [0.9, 0.2]}, [0.9, 0.2], [1, 0]),
        ({"Mass": [1, 0], "prob_Mass": [0.9, 0.2]}, [0.9, 0.2], [1, 0]),
        ({"Mass": [0.9, 0.2], "y_Mass": [1, 0]}, [0.9, 0.2], [1, 0]),
        ({"Mass": [0.9, 0.2], "true_Mass": [1, 0], "Mass_pred": [1, 0]}, [0.9, 0.2], [1, 0]),
        ({"Mass": [0.9, 0.2], "Finding Labels": ["Mass|Hernia", "None"]}, [0.9, 0.2], [1, 0]),
        ({"prob_Mass": [0.9, 0.2], "Finding Labels": ["Mass", ""]}, [0.9, 0.2], [1, np.nan]),
        ({"prob_Mass": [0.9, 0.2], "truth": [0, 1]}, [0.9, 0.2], [0, 1]),
    ],
)
def test_ground_truth_beside(write, columns, probabilities, truths):
    path = write(pd.DataFrame({"image": ["a", "b"], **columns}).to_csv(index=False))
    read = read_predictions(path, "multilabel")
    assert read.labels == ("Mass",)
    assert read.frame["probability"].tolist() == probabilities
    np.testing.assert_array_equal(read.frame["truth"], truths)


def test_classes(write):
    # Class 1 never is the true one; sex is no class.
    path = write("image,y_true,0,1,2,sex\na,0,.5,.3,.2,1\nb,2,.1,.1,.8,0\n")
    read = read_predictions(path, "multiclass")
    assert read.labels == ("0", "1", "2")
    assert read.frame["predicted"].tolist() == ["0", "2"]
    assert read.frame["probability:1"].tolist() == [0.3, 0.1]
    path = write("image,label,benign,malignant\na,benign,2.5,-1.5\nb,malignant,0.5,0.5\n")
    logits = read_predictions(path, "multiclass")
    np.testing.assert_allclose(logits.frame["probability:benign"], 1 / (1 + np.exp([-4, 0])))


def test_classes_whose_names_stand_in_their_columns_alone(write):
    path = write("filename;truth;fatty;dense\na;0;0,7;0,3\nb;1;0,4;0,6\n")
    read = read_predictions(path, "multiclass")
    assert read.labels == ("fatty", "dense")
    assert read.frame["truth"].tolist() == ["fatty", "dense"]
    # The names of files are not those of the classes, though there is one for each.
    assert "notes.classes_named_beside" not in codes(read)


def test_scores_are_no_ground_truth_of_a_cohort(write):
    path = write("x")
    frame = pd.DataFrame({"Mass": ["0.3", "1"], "Finding Labels": ["Mass", "Hernia"]})
    labels = TableLabels.read(frame, None, ["Mass"], path)
    assert [labels.positives(row) for row in (0, 1)] == [("Mass",), ()]
    assert [note.code for note in labels.reading] == ["notes.scores_beside"]
