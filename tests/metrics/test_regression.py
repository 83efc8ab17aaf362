"""Figures of a value: by hand, and against scikit-learn and SciPy."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, pearsonr
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from camlucida.core.errors import UsageError
from camlucida.metrics.regression import (
    METRICS,
    agreement,
    evaluate_group,
    evaluate_regression,
    outliers,
    truth_bins,
)
from camlucida.metrics.score_table import table


def rows(truth, value, patients=None):
    patients = patients or [f"p{k}" for k in range(len(truth))]
    columns = {"image": [f"i{k}" for k in range(len(truth))], "patient": patients}
    return pd.DataFrame(
        {**columns, "truth": np.asarray(truth, float), "value": np.asarray(value, float)}
    )


def drawn(seed, n=80):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(20, 90, n)
    return rows(truth, 0.8 * truth + 10 + rng.normal(0, 6, n))


def figures(frame, **options):
    return table(evaluate_regression(frame, **options)).set_index("metric")


def test_by_hand():
    scores = figures(rows([10, 20, 30, 40], [12, 18, 36, 40]), within=(2, 5.5))
    value = scores["estimate"]
    assert value["mae"] == 2.5
    assert value["rmse"] == pytest.approx(np.sqrt(11))
    assert value["r2"] == pytest.approx(1 - 44 / 500)
    assert value["bias"] == 1.5
    assert value["sd"] == pytest.approx(np.std([2, -2, 6, 0], ddof=1))
    assert value["limit_high"] == pytest.approx(1.5 + 1.96 * value["sd"])
    assert value["within_2"] == value["within_5.5"] == 0.75
    assert value["outlier_share"] == 0
    chance = scores["chance"]
    assert chance["mae"] == 10  # everybody is 25
    assert chance["rmse"] == pytest.approx(np.sqrt(125))
    assert chance["within_5.5"] == 0.5  # 15, 25 or 35 suits two
    assert chance["r2"] == chance["pearson_r"] == 0
    assert np.isnan(chance["bias"])
    assert set(scores["interval_method"]) == {"none"}


def test_equal_to_scikit_learn_and_scipy():
    frame = drawn(0).assign(
        truth=lambda f: f["truth"] + 1e6, value=lambda f: f["value"] + 1e6
    )  # far from 0
    scores = figures(frame)["estimate"]
    assert scores["mae"] == pytest.approx(mean_absolute_error(frame["truth"], frame["value"]))
    assert scores["rmse"] == pytest.approx(root_mean_squared_error(frame["truth"], frame["value"]))
    assert scores["r2"] == pytest.approx(r2_score(frame["truth"], frame["value"]), abs=1e-9)
    assert scores["pearson_r"] == pytest.approx(
        pearsonr(frame["truth"], frame["value"]).statistic, abs=1e-9
    )


def test_the_interval_of_a_correlation_is_that_of_scipy():
    frame = drawn(3, 40)
    data = (frame["truth"].to_numpy(), frame["value"].to_numpy())

    def correlation(a, b):
        return np.corrcoef(a, b)[0, 1]

    expected = bootstrap(
        data,
        correlation,
        n_resamples=2000,
        paired=True,
        vectorized=False,
        rng=np.random.default_rng(0),
    )
    line = figures(frame).loc["pearson_r"]
    bounds = (expected.confidence_interval.low, expected.confidence_interval.high)
    assert (line["low"], line["high"]) == pytest.approx(bounds, abs=1e-9)


def test_constants_have_no_correlation_or_r2():
    scores = figures(rows([5.1] * 12, np.arange(12.0)))["estimate"]
    assert np.isnan(scores["pearson_r"])
    assert np.isnan(scores["r2"])
    assert np.isnan(figures(rows(np.arange(12.0), [0.1] * 12))["estimate"]["pearson_r"])
    assert np.isnan(figures(rows([1.0], [2.0]))["estimate"]["sd"])


def test_outliers_are_outside_the_limits():
    frame = rows(np.zeros(40), [*np.tile([-1.0, 1.0], 19), 9, -7])
    limits = agreement(frame)
    assert limits.bias == pytest.approx(0.05)
    assert outliers(frame)["image"].tolist() == ["i38", "i39"]
    assert outliers(frame)["error"].tolist() == [9, -7]
    assert figures(frame)["estimate"]["outlier_share"] == 2 / 40


@pytest.mark.filterwarnings("error")
def test_agreement_of_no_row_and_of_one_row():
    empty = agreement(rows([], []))
    assert np.isnan([empty.bias, empty.sd, empty.low, empty.high]).all()
    single = agreement(rows([1.0], [3.0]))
    assert single.bias == 2
    assert np.isnan(single.sd)
    assert outliers(rows([np.nan], [1.0])).empty


def test_bins_of_the_truth():
    scores = list(truth_bins([-3.0, 0.0, 9.99, 10.0, np.nan, 25.0], 10))
    assert [name for name, _ in scores] == ["-10 to 0", "0 to 10", "10 to 20", "20 to 30"]
    assert scores[1][1].tolist() == [False, True, True, False, False, False]


def test_a_group_has_everybodys_answer_as_its_chance():
    everybody = rows([10, 20, 60], [11, 22, 57])
    mae, rmse, *_ = evaluate_group(everybody[:2], everybody)
    assert (mae.metric, mae.estimate, mae.chance) == ("mae", 1.5, 5.0)  # the median is 20
    assert rmse.chance == pytest.approx(np.sqrt((20**2 + 10**2) / 2))  # the mean is 30
    assert evaluate_group(everybody[:0], everybody) == []


def test_rows_without_a_number_are_left_out():
    frame = rows([1, np.nan, 3], [1, 2, np.nan])
    assert figures(frame)["n"]["mae"] == 1
    assert evaluate_regression(frame[1:2]) == []


def test_every_metric_is_listed():
    names = [
        name if not name.startswith("within_") else "within_N" for name in figures(drawn(0)).index
    ]
    assert set(names) == set(METRICS)


@settings(max_examples=8)
@given(st.integers(0, 10**6))
def test_order_and_copies(seed):
    frame = drawn(seed, 40)
    scores = figures(frame)
    shuffled = figures(frame.sample(frac=1, random_state=seed))
    np.testing.assert_allclose(shuffled["estimate"], scores["estimate"], rtol=1e-9)
    copied = figures(pd.concat([frame, frame])).drop(
        ["sd", "limit_low", "limit_high", "outlier_share"]
    )
    np.testing.assert_allclose(
        copied[["low", "high"]], scores.loc[copied.index, ["low", "high"]], rtol=1e-7, atol=1e-9
    )


def test_wrong_requests():
    with pytest.raises(UsageError, match="a tolerance of 0"):
        evaluate_regression(drawn(0), within=(5, 0))
    with pytest.raises(UsageError, match="0 wide"):
        list(truth_bins([1.0], 0))


def test_groups_show_regression_to_the_mean():
    random = np.random.default_rng(0)
    truth = random.uniform(20, 80, 400)
    value = 50 + 0.4 * (truth - 50) + random.normal(0, 2, 400)
    frame = pd.DataFrame({"patient": range(400), "truth": truth, "value": value})
    overall = {row.metric: row for row in evaluate_regression(frame)}
    assert overall["slope"].estimate == pytest.approx(np.polyfit(truth, value, 1)[0])
    assert overall["slope"].low < 0.4 < overall["slope"].high
    low = {row.metric: row for row in evaluate_group(frame[truth < 35], frame)}
    high = {row.metric: row for row in evaluate_group(frame[truth >= 65], frame)}
    assert low["mean_truth"].estimate == pytest.approx(truth[truth < 35].mean())
    assert low["mean_value"].estimate == pytest.approx(value[truth < 35].mean())
    assert low["bias"].estimate == pytest.approx((value - truth)[truth < 35].mean())
    assert low["bias"].low > 0 > high["bias"].high
