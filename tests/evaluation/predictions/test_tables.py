"""The table and the document of figures, by model and group."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, mean_absolute_error, roc_auc_score

from camlucida.core.files import json_default
from camlucida.datasets.predictions import read_predictions
from camlucida.evaluation.predictions.tables import (
    PredictionSettings,
    evaluate_predictions,
    metrics_document,
    never_predicted,
    prediction_records,
)
from camlucida.metrics.multiclass import METRICS as CLASS_METRICS
from camlucida.metrics.multilabel import METRICS as LABEL_METRICS
from camlucida.metrics.regression import METRICS as VALUE_METRICS
from camlucida.metrics.score_table import COLUMNS
from camlucida.metrics.segmentation import METRICS as MASK_METRICS
from tests.docs.test_docs import first_cells, page


@pytest.fixture
def files(tmp_path):
    """A file a task: 60 images of 30 patients, two models in the regression."""
    rng = np.random.default_rng(0)
    truth = np.tile(rng.uniform(20, 90, 60), 2)
    about = {
        "image": [f"i{k}" for k in range(60)],
        "patient": [f"p{k // 2}" for k in range(60)],
        "sex": ["F", "M", ""] * 20,
    }
    ages = {name: cells * 2 for name, cells in about.items()}
    ages |= {
        "model": ["a"] * 60 + ["b"] * 60,
        "truth": truth,
        "value": truth + rng.normal(0, 5, 120),
    }
    pd.DataFrame(ages).to_csv(tmp_path / "regression.csv", index=False)
    y = rng.integers(1, 4, 60)
    pd.DataFrame({**about, "y_true": y, "y_pred": np.minimum(y, 2)}).to_csv(
        tmp_path / "multiclass.csv", index=False
    )
    labels = {
        "prob_A": rng.random(60),
        "A": rng.integers(0, 2, 60),
        "prob_B": 0.3 * rng.random(60),
        "B": rng.integers(0, 2, 60),
    }
    pd.DataFrame({**about, **labels}).to_csv(tmp_path / "multilabel.csv", index=False)
    return tmp_path


def evaluated(folder, task, **options):
    predictions = read_predictions(folder / f"{task}.csv", task, groups=["sex"])
    settings = PredictionSettings(**options)
    figures = evaluate_predictions(predictions, settings)
    return predictions, figures, metrics_document(predictions, figures, settings)


def test_models_and_groups_of_a_regression(files):
    predictions, figures, document = evaluated(files, "regression", bin_width=35, within=(3,))
    assert list(figures) == COLUMNS
    frame = predictions.frame
    for model in "ab":
        rows = frame[frame["model"] == model]
        one = document["models"][model]
        assert one["mae"] == pytest.approx(mean_absolute_error(rows["truth"], rows["value"]))
        assert one["intervals"]["mae"]["low"] < one["mae"] < one["intervals"]["mae"]["high"]
        women = rows[rows["sex"] == "F"]
        assert one["groups"]["sex=F"]["mae"]["estimate"] == pytest.approx(
            mean_absolute_error(women["truth"], women["value"])
        )
        assert list(one["groups"]) == [
            "sex=F",
            "sex=M",
            "truth 0 to 35",
            "truth 35 to 70",
            "truth 70 to 105",
        ]
        assert one["bland_altman"]["limit_low"] == pytest.approx(one["limit_low"])
        assert len(one["outliers"]) == round(60 * one["outlier_share"])
    assert document["settings"]["within"] == [3]
    json.dumps(document, allow_nan=False, default=json_default)


def test_a_multiclass_document(files):
    predictions, figures, document = evaluated(files, "multiclass")
    frame = predictions.frame
    assert (
        document["confusion_matrix"]["counts"]
        == confusion_matrix(frame["truth"], frame["predicted"]).tolist()
    )
    assert document["never_predicted"] == ["3"] == never_predicted(figures[figures["group"] == ""])
    assert document["accuracy"] == (frame["truth"] == frame["predicted"]).mean()
    assert document["classes"]["3"]["precision"]["estimate"] is None
    assert document["groups"]["sex=M"]["accuracy"]["n"] == 20
    assert document["groups"]["sex=M"]["1"]["recall"]["estimate"] == 1
    assert (document["images"], document["patients"]) == (60, 30)


def test_a_multilabel_document(files):
    predictions, _, document = evaluated(files, "multilabel")
    a = predictions.frame[predictions.frame["label"] == "A"]
    assert document["labels"]["A"]["auc"]["estimate"] == pytest.approx(
        roc_auc_score(a["truth"], a["probability"])
    )
    assert document["auc"] == pytest.approx(
        np.mean([document["labels"][name]["auc"]["estimate"] for name in "AB"])
    )
    assert document["never_predicted"] == ["B"]
    assert document["groups"]["sex=F"]["A"]["auc"]["n"] == 20
    assert document["intervals"]["precision"]["n"] == 60  # of A: B has none


@pytest.mark.parametrize("task", ["regression", "multiclass", "multilabel"])
def test_what_is_written_can_be_read_again(files, task):
    predictions, figures, _ = evaluated(files, task)
    path = files / "predictions.json"
    path.write_text(json.dumps(prediction_records(predictions), allow_nan=False))
    again = read_predictions(path, task, groups=["sex"])
    pd.testing.assert_frame_equal(evaluate_predictions(again), figures)


def test_every_metric_is_documented():
    cells = first_cells(page("predictions.md"))
    assert {*LABEL_METRICS, *CLASS_METRICS, *VALUE_METRICS, *MASK_METRICS} <= cells
    assert all(f"`{column}`" in page("predictions.md") for column in COLUMNS)
