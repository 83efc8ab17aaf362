"""Figures of classes: by hand, and against scikit-learn and torchmetrics."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    precision_score,
    recall_score,
)
from torchmetrics.functional.classification import multiclass_cohen_kappa

from camlucida.metrics.multiclass import confusion, evaluate_multiclass
from camlucida.metrics.score_table import table

CLASSES = ("1", "2", "3", "4")


def rows(truth, predicted, patients=None):
    patients = patients or [f"p{k}" for k in range(len(truth))]
    return pd.DataFrame({"patient": patients, "truth": list(truth), "predicted": list(predicted)})


def drawn(seed, n=200, per_patient=1):
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, 5, n)
    predicted = np.clip(truth + rng.integers(-1, 2, n), 1, 4)
    return rows(map(str, truth), map(str, predicted), [f"p{k // per_patient}" for k in range(n)])


def figures(frame, classes=CLASSES):
    return table(evaluate_multiclass(frame, classes)).set_index(["label", "metric"])


def test_by_hand():
    frame = rows("AAAB", "AABB")
    scores = figures(frame, ("A", "B"))
    overall = scores["estimate"][""]
    assert overall["accuracy"] == 0.75
    assert overall["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert overall["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert overall["quadratic_kappa"] == pytest.approx(0.5)  # (0.75 − 0.5) ÷ (1 − 0.5)
    assert scores["chance"][""]["accuracy"] == 0.75
    assert scores["chance"][""]["balanced_accuracy"] == 0.5
    assert scores["chance"][""]["quadratic_kappa"] == 0
    assert scores.loc[("B", "precision"), "estimate"] == 0.5
    assert scores.loc[("B", "precision"), "chance"] == 0.25
    assert scores.loc[("B", "recall"), "chance"] == 0.5
    assert scores.loc[("B", "recall"), "positives"] == 1
    assert confusion(frame, ("A", "B")).tolist() == [[2, 1], [0, 1]]


def test_equal_to_scikit_learn_and_torchmetrics():
    frame = drawn(1)
    y, z = frame["truth"], frame["predicted"]
    scores = figures(frame)["estimate"]
    assert scores[""]["accuracy"] == pytest.approx(accuracy_score(y, z))
    assert scores[""]["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, z))
    assert scores[""]["quadratic_kappa"] == pytest.approx(
        cohen_kappa_score(y, z, weights="quadratic")
    )
    assert scores[""]["macro_f1"] == pytest.approx(f1_score(y, z, average="macro"))
    numbers = [torch.tensor(column.astype(int).to_numpy() - 1) for column in (z, y)]
    assert scores[""]["quadratic_kappa"] == pytest.approx(
        float(multiclass_cohen_kappa(*numbers, 4, weights="quadratic")), abs=1e-6
    )
    for k, name in enumerate(CLASSES):
        assert scores[name]["recall"] == pytest.approx(recall_score(y, z, average=None)[k])
        assert scores[name]["precision"] == pytest.approx(precision_score(y, z, average=None)[k])
        assert scores[name]["f1"] == pytest.approx(f1_score(y, z, average=None)[k])


def test_a_slow_bootstrap_of_patients_gives_the_same_replicates():
    from camlucida.metrics.bootstrap import Sampling, by_patient, numbered, sampled_sums
    from camlucida.metrics.multiclass import _figures, class_numbers

    frame = drawn(4, 60, per_patient=2)
    index, count = numbered(frame["patient"].tolist())
    cells = np.eye(16)[
        class_numbers(frame["truth"], CLASSES) * 4 + class_numbers(frame["predicted"], CLASSES)
    ]
    fast = sampled_sums(
        lambda t: _figures(t.reshape(-1, 4, 4)), by_patient(cells, index, count), Sampling()
    ).drawn
    rng, parts = (
        np.random.default_rng(0),
        [part for _, part in frame.groupby("patient", sort=False)],
    )
    for replicate, chosen in zip(fast[:50], rng.integers(0, 30, (50, 30))):
        resample = pd.concat([parts[k] for k in chosen])
        expected = cohen_kappa_score(resample["truth"], resample["predicted"], weights="quadratic")
        assert replicate[2] == pytest.approx(expected)


def test_a_class_that_is_not_there_or_never_predicted():
    scores = figures(rows("1223" * 10, "1222" * 10))
    assert scores["estimate"]["3"]["predicted_share"] == 0
    assert np.isnan(scores["estimate"]["3"]["precision"])
    assert scores["estimate"]["3"]["recall"] == 0
    assert np.isnan(scores["estimate"]["4"]["recall"])
    assert np.isnan(scores["estimate"]["4"]["f1"])  # neither there nor predicted: not in the means
    assert scores["estimate"][""]["balanced_accuracy"] == pytest.approx(2 / 3)
    assert scores["chance"][""]["balanced_accuracy"] == pytest.approx(1 / 3)
    assert scores["estimate"][""]["macro_f1"] == pytest.approx(
        f1_score(list("1223" * 10), list("1222" * 10), average="macro")
    )


def test_intervals_need_ten_patients_of_the_class():
    scores = figures(rows("1" * 30 + "2" * 30 + "3" * 9, "1" * 30 + "2" * 20 + "1" * 10 + "3" * 9))
    assert scores["interval_method"][""]["accuracy"] == "Wilson"
    assert scores["interval_method"][""]["balanced_accuracy"] == "none"
    assert scores["interval_method"]["3"]["recall"] == "none"
    assert scores["interval_method"]["3"]["precision"] == "none"
    assert scores["interval_method"]["2"]["recall"] == "Wilson"
    assert scores["interval_method"]["1"]["recall"] == "Wilson"
    # All 30 are right, which does not make the recall certain.
    assert scores["low"]["1"]["recall"] == pytest.approx(0.8865, abs=1e-4)


def test_rows_without_truth_or_prediction_are_left_out():
    assert figures(rows(["1", "", "2"], ["1", "1", ""]))["n"][""]["accuracy"] == 1
    assert evaluate_multiclass(rows([""], ["1"]), CLASSES) == []


@settings(max_examples=8)
@given(st.integers(0, 10**6))
def test_order_and_copies(seed):
    frame = drawn(seed, 60)
    scores = figures(frame)
    shuffled = figures(frame.sample(frac=1, random_state=seed))
    np.testing.assert_allclose(shuffled["estimate"], scores["estimate"], atol=1e-12)
    copied = figures(pd.concat([frame, frame]))
    np.testing.assert_allclose(copied[["low", "high"]], scores[["low", "high"]], atol=1e-9)
