"""Figures of labels: by hand, against scikit-learn, SciPy and torchmetrics, and what must not
change them.
"""

import time

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)
from torchmetrics.functional.classification import binary_calibration_error

from camlucida.core.errors import UsageError
from camlucida.metrics.bootstrap import Sampling, numbered, sampled_weights
from camlucida.metrics.multilabel import (
    MEAN,
    MEAN_ENOUGH,
    METRICS,
    _part,
    evaluate_multilabel,
)
from camlucida.metrics.ranks import Ranks
from camlucida.metrics.score_table import table
from camlucida.metrics.statistics import ratio_interval


def rows(truth, score, patients=None, label="a"):
    """Rows of one label; ``score`` are logits."""
    score = np.asarray(score, float)
    patients = patients or [f"p{k}" for k in range(len(score))]
    columns = {
        "image": [f"i{k}" for k in range(len(score))],
        "patient": patients,
        "model": "",
        "label": label,
    }
    return pd.DataFrame(
        {
            **columns,
            "logit": score,
            "probability": 1 / (1 + np.exp(-score)),
            "truth": np.asarray(truth, float),
        }
    )


def drawn(rng, n, label="a", share=0.3, step=None, per_patient=1):
    truth = rng.random(n) < share
    score = rng.normal(size=n) + truth - 0.5
    score = np.round(score / step) * step if step else score
    return rows(truth, score, [f"p{k // per_patient}" for k in range(n)], label)


def figures(frame, **options):
    return table(
        evaluate_multilabel(frame, list(dict.fromkeys(frame["label"])), **options)
    ).set_index(["label", "metric"])


def test_four_rows_by_hand():
    scores = figures(rows([0, 1, 0, 1], [-2.0, -1.0, 1.0, 2.0]))["estimate"]["a"]
    assert scores["auc"] == 0.75
    assert scores["ap"] == pytest.approx((1 + 2 / 3) / 2)
    for metric in (
        "sensitivity",
        "specificity",
        "precision",
        "f1",
        "prevalence",
        "predicted_share",
    ):
        assert scores[metric] == 0.5
    p = 1 / (1 + np.exp([2.0, 1.0, -1.0, -2.0]))
    assert scores["brier"] == pytest.approx(np.mean((p - [0, 1, 0, 1]) ** 2))
    assert scores["ece"] == pytest.approx(np.abs(p - [0, 1, 0, 1]).mean())  # each alone in its bin


@pytest.mark.parametrize("step", [None, 0.5])
def test_equal_to_scikit_learn_and_torchmetrics_with_and_without_ties(step):
    frame = drawn(np.random.default_rng(3), 300, step=step)
    scores = figures(frame, threshold=0.4)["estimate"]["a"]
    y, s, p = frame["truth"], frame["logit"], frame["probability"]
    assert scores["auc"] == pytest.approx(roc_auc_score(y, s), abs=1e-12)
    assert scores["ap"] == pytest.approx(average_precision_score(y, s), abs=1e-12)
    assert scores["sensitivity"] == pytest.approx(recall_score(y, p >= 0.4))
    assert scores["specificity"] == pytest.approx(recall_score(1 - y, p < 0.4))
    assert scores["precision"] == pytest.approx(precision_score(y, p >= 0.4))
    assert scores["f1"] == pytest.approx(f1_score(y, p >= 0.4))
    assert scores["brier"] == pytest.approx(brier_score_loss(y, p))
    tensors = torch.tensor(p.to_numpy()), torch.tensor(y.to_numpy()).long()
    assert scores["ece"] == pytest.approx(
        float(binary_calibration_error(*tensors, n_bins=15)), abs=1e-6
    )


def test_the_interval_of_an_auc_is_that_of_scipy():
    frame = drawn(np.random.default_rng(5), 60, step=0.5)
    line = figures(frame).loc["a", "auc"]
    data = (frame["truth"].to_numpy(), frame["logit"].to_numpy())

    def auc(y, s):
        return roc_auc_score(y, s)

    expected = bootstrap(
        data, auc, n_resamples=2000, paired=True, vectorized=False, rng=np.random.default_rng(0)
    )
    assert line["interval_method"] == "BCa"
    bounds = (expected.confidence_interval.low, expected.confidence_interval.high)
    assert (line["low"], line["high"]) == pytest.approx(bounds, abs=1e-9)


def test_proportions_are_those_of_ratio_interval():
    frame = drawn(np.random.default_rng(7), 90, per_patient=3)
    line = figures(frame).loc["a", "predicted_share"]
    expected = ratio_interval(
        frame["probability"] >= 0.5, np.ones(90), frame["patient"].tolist(), proportion=True
    )
    assert line["interval_method"] == "Wilson"
    assert (line["estimate"], line["low"], line["high"]) == pytest.approx(
        (expected.estimate, expected.low, expected.high)
    )


def test_a_slow_bootstrap_of_patients_agrees():
    frame = drawn(np.random.default_rng(11), 60, step=0.5, per_patient=2)
    rng, parts = (
        np.random.default_rng(0),
        [part for _, part in frame.groupby("patient", sort=False)],
    )
    slow = []
    for chosen in rng.integers(0, 30, (2000, 30))[:400]:
        resample = pd.concat([parts[k] for k in chosen])
        slow.append(average_precision_score(resample["truth"], resample["logit"]))
    index, count = numbered(frame["patient"].tolist())
    part = _part(frame, index, "a", 0.5)
    ranks = Ranks.of(part.score, part.patient, part.truth)
    fast = sampled_weights(ranks.figures, count, 60, Sampling()).drawn[:, 1]
    np.testing.assert_allclose(fast[:400], slow, atol=1e-12)


def test_no_interval_without_ten_patients_of_each_kind():
    truth = [1] * 9 + [0] * 30
    scores = figures(rows(truth, np.linspace(-1, 1, 39)))
    how = scores["interval_method"]["a"]
    assert {metric for metric in METRICS if how[metric] == "none"} == {
        "auc",
        "ap",
        "sensitivity",
        "f1",
    }
    many = rows([1] * 18 + [0] * 60, np.linspace(-1, 1, 78), [f"p{k // 2}" for k in range(78)])
    assert figures(many)["interval_method"]["a"]["auc"] == "none"  # 18 positive rows, 9 patients


def test_unknown_truth_is_left_out_and_a_label_without_positives_has_no_auc():
    frame = pd.concat([rows([1, np.nan, 0], [1, 9, -1]), rows([0, 0, 0], [-1, -1, -2], label="b")])
    scores = figures(frame)
    assert scores["n"]["a"]["auc"] == 2
    assert scores["estimate"]["a"]["auc"] == 1
    assert np.isnan(scores["estimate"]["b"]["auc"])
    assert np.isnan(scores["estimate"]["b"]["sensitivity"])
    assert scores["estimate"]["b"]["predicted_share"] == 0
    assert scores["estimate"][MEAN]["auc"] == 1  # of the labels that have one


def test_means_of_labels():
    rng = np.random.default_rng(0)
    rare = rows([1, 1] + [0] * 98, rng.normal(size=100), label="rare")
    frame = pd.concat([drawn(rng, 100, "a"), drawn(rng, 100, "b", 0.5), rare])
    scores = figures(frame)
    auc = scores["estimate"].xs("auc", level="metric")
    assert auc[MEAN] == pytest.approx(auc[["a", "b", "rare"]].mean())
    assert auc[MEAN_ENOUGH] == pytest.approx(auc[["a", "b"]].mean())
    assert scores["interval_method"][MEAN]["auc"] == "none"
    assert scores["interval_method"][MEAN_ENOUGH]["auc"] == "BCa"
    assert (MEAN_ENOUGH, "brier") not in scores.index
    assert (
        scores["low"][MEAN]["brier"]
        < scores["estimate"][MEAN]["brier"]
        < scores["high"][MEAN]["brier"]
    )


def test_chance_levels_are_what_knowing_nothing_scores():
    rng = np.random.default_rng(2)
    truth, score = rng.random(20000) < 0.2, rng.normal(size=20000) - 0.5
    scores = figures(rows(truth, score)).loc["a"]
    for metric in ("auc", "ap", "sensitivity", "specificity", "precision", "f1"):
        assert scores["estimate"][metric] == pytest.approx(scores["chance"][metric], abs=0.015)
    p = rng.random(500)
    calibrated = figures(rows(rng.random(500) < p, np.log(p / (1 - p)))).loc["a", "ece"]
    assert calibrated["estimate"] == pytest.approx(calibrated["chance"], rel=0.5)


def test_a_saturated_probability_is_ranked_by_its_logit():
    frame = rows([0, 1, 0, 1], [40.0, 50.0, 45.0, 60.0])
    assert figures(frame)["estimate"]["a"]["auc"] == 1
    assert figures(frame.assign(logit=np.nan))["estimate"]["a"]["auc"] == 0.5


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_the_order_of_rows_does_not_change_a_figure_and_copies_of_a_patient_do_not_narrow_it(seed):
    rng = np.random.default_rng(seed)
    frame = drawn(rng, 60, share=0.5, step=0.25)
    scores = figures(frame)
    shuffled = figures(frame.sample(frac=1, random_state=seed))
    np.testing.assert_allclose(shuffled["estimate"], scores["estimate"], atol=1e-12)
    np.testing.assert_allclose(
        shuffled["high"] - shuffled["low"], scores["high"] - scores["low"], atol=0.06
    )
    copied = figures(pd.concat([frame, frame.assign(image=frame["image"] + "b")]))
    np.testing.assert_allclose(copied["low"], scores["low"], atol=1e-9)
    np.testing.assert_allclose(copied["high"], scores["high"], atol=1e-9)


def test_fast_enough():
    rng = np.random.default_rng(0)
    frame = pd.concat([drawn(rng, 1000, f"label {k}", 0.02 + 0.02 * k) for k in range(18)])
    start = time.process_time()
    assert len(figures(frame)) == 18 * len(METRICS) + len(METRICS)
    assert time.process_time() - start < 5


def test_wrong_requests():
    with pytest.raises(UsageError, match="no labels to evaluate"):
        evaluate_multilabel(rows([0, 1], [0, 1]), [])
    with pytest.raises(UsageError, match=r"a threshold of 1\.5"):
        figures(rows([0, 1], [0, 1]), threshold=1.5)
    with pytest.raises(UsageError, match="100 bootstrap replicates"):
        Sampling(replicates=100)
    with pytest.raises(UsageError, match="a coverage of 95"):
        Sampling(level=95)


def test_a_model_with_an_operating_point_is_decided_there():
    rows = {"patient": list("abcd"), "label": "nodule", "truth": [1.0, 1.0, 0.0, 0.0]}
    probability = [0.10, 0.05, 0.06, 0.01]
    frame = pd.DataFrame({**rows, "logit": np.nan, "probability": probability})
    scaled = frame.assign(scaled_output=[0.6, 0.5, 0.55, 0.1])

    def figure(table: pd.DataFrame, metric: str) -> float:
        rows = evaluate_multilabel(table, ["nodule"])
        return next(row.estimate for row in rows if row.metric == metric)

    assert (figure(frame, "sensitivity"), figure(frame, "specificity")) == (0, 1)
    assert (figure(scaled, "sensitivity"), figure(scaled, "specificity")) == (1, 0.5)
    for metric in ("brier", "ece", "auc"):  # of the sigmoid, whatever the decision
        assert figure(scaled, metric) == figure(frame, metric)
