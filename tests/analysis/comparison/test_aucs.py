"""AUCs of models compared, from their predictions."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from camlucida.analysis.comparison.aucs import ALL_LABELS, auc_line, auc_rows, auc_table
from camlucida.analysis.comparison.predictions import SeriesPredictions
from camlucida.metrics.auc_difference import auc_difference
from camlucida.metrics.statistics import holm


def predictions(seed, kind="labels", labels=("a", "b"), effect=1.0, images=60, order=None):
    truths = np.random.default_rng(0).integers(0, 2, (images, len(labels)))
    noise = np.random.default_rng(seed).normal(size=truths.shape)
    logits = effect * truths + noise
    rows = [
        {
            "image": f"i{i}",
            "patient": f"p{i // 2}",
            "label": label,
            "truth": truths[i, k],
            "logit": logits[i, k],
            "probability": 1 / (1 + np.exp(-logits[i, k])),
        }
        for i in range(images)
        for k, label in enumerate(labels)
    ]
    frame = pd.DataFrame(rows if order is None else [rows[i] for i in order])
    return SeriesPredictions(kind, tuple(labels), frame)


def test_each_label_and_their_mean():
    first = predictions(1, effect=2.0)
    second = predictions(2, order=np.random.default_rng(0).permutation(120))
    rows = list(auc_rows(first, second))
    assert [row["label"] for row in rows] == [ALL_LABELS, "a", "b"]
    one = first.frame[first.frame["label"] == "a"]
    other = second.frame[second.frame["label"] == "a"].set_index("image").loc[one["image"]]
    expected = auc_difference(
        one["truth"], one["logit"], other["logit"].to_numpy(), one["patient"].tolist()
    )
    assert rows[1]["auc_first"] == pytest.approx(roc_auc_score(one["truth"], one["logit"]))
    assert (rows[1]["estimate"], rows[1]["p"]) == pytest.approx((expected.estimate, expected.p))
    assert rows[0]["estimate"] == pytest.approx((rows[1]["estimate"] + rows[2]["estimate"]) / 2)
    assert (rows[0]["rows"], rows[1]["rows"], rows[1]["patients"]) == (120, 60, 30)


def test_means_and_labels_are_corrected_apart():
    about = {"group": "", "first": "x", "second": "y"}
    models = [predictions(seed, effect=effect) for seed, effect in ((1, 2.0), (2, 1.0), (3, 0.5))]
    rows = []
    for k, second in enumerate(models[1:]):
        rows += [about | {"second": f"m{k}"} | row for row in auc_rows(models[0], second)]
    table = auc_table(rows)
    means = table["label"] == ALL_LABELS
    for part in (table[means], table[~means]):
        np.testing.assert_allclose(part["p_holm"], holm(part["p"]))
    assert "corrected" in str(auc_line(table.iloc[0].to_dict()))


def test_of_two_classes_one_is_compared():
    models = [predictions(seed, "classes", ("no", "yes")) for seed in (1, 2)]
    assert [row["label"] for row in auc_rows(*models)] == ["yes"]


def test_nothing_without_ground_truth_or_for_other_predictions():
    one = predictions(1)
    unknown = SeriesPredictions("labels", one.labels, one.frame.assign(truth=None))
    assert list(auc_rows(unknown, predictions(2))) == []
    values = SeriesPredictions("values", one.labels, one.frame)
    assert list(auc_rows(values, values)) == []
    assert auc_table([]).empty
    positives = SeriesPredictions("labels", one.labels, one.frame.assign(truth=1))
    assert list(auc_rows(positives, predictions(2))) == []
