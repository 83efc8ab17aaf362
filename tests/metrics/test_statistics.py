"""Intervals by patient, paired differences, corrected p-values."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from camlucida.core.errors import UsageError
from camlucida.metrics import intervals, statistics
from camlucida.metrics.correlation import pearson, spearman, spearman_of_rows
from camlucida.metrics.statistics import (
    excess,
    holm,
    mean_interval,
    paired_difference,
    rate,
    ratio_interval,
)


def sample(n, seed=0):
    return np.random.default_rng(seed).gamma(2, size=n)


@pytest.mark.parametrize("n", [30, 37, 200])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_parity_with_scipy(n, level):
    values = sample(n)
    ours = mean_interval(values, range(n), replicates=2500, level=level, seed=5)
    reference = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=2500,
        confidence_level=level,
        method="BCa",
        rng=np.random.default_rng(5),
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx(tuple(reference), abs=1e-12)
    assert ours.interval_method == "BCa"
    assert ours.estimate == pytest.approx(values.mean())


def test_small_batches_of_replicates_change_nothing_of_substance(monkeypatch):
    values = sample(50)
    whole = mean_interval(values, range(50), seed=1)
    monkeypatch.setattr(statistics, "BATCH_CELLS", 50 * 300)
    parts = mean_interval(values, range(50), seed=1)
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), rel=0.02)


def test_rows_of_a_patient_move_together():
    values = sample(20)
    alone = mean_interval(values, range(20), seed=2)
    copied = mean_interval(np.repeat(values, 5), np.repeat(np.arange(20), 5), seed=2)
    assert (copied.low, copied.high) == pytest.approx((alone.low, alone.high))
    naive = mean_interval(np.repeat(values, 5), range(100), seed=2)
    assert naive.high - naive.low < 0.6 * (alone.high - alone.low)
    assert (copied.patients, copied.rows) == (20, 100)


def test_patients_need_no_order():
    values, patients = sample(60), np.arange(60) % 20
    shuffled = np.random.default_rng(0).permutation(60)
    one, other = (
        mean_interval(values, patients),
        mean_interval(values[shuffled], [f"p{p}" for p in patients[shuffled]]),
    )
    assert one.estimate == pytest.approx(other.estimate)
    assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=0.03)


def test_a_pooled_share():
    true_positive, predicted, patients = (
        np.array([3.0, 0, 5] * 10),
        np.array([4.0, 2, 9] * 10),
        np.arange(30) // 2,
    )
    interval = ratio_interval(true_positive, predicted, patients)
    assert interval.estimate == 8 / 15
    assert interval.low < 8 / 15 < interval.high
    assert interval.patients == 15


def test_coverage_is_about_nominal():
    rng = np.random.default_rng(3)
    hits = 0
    for trial in range(150):
        values = np.repeat(rng.normal(size=25), 2) + rng.normal(size=50) / 2
        interval = mean_interval(values, np.repeat(np.arange(25), 2), seed=trial)
        hits += interval.low <= 0 <= interval.high
    assert 0.87 <= hits / 150 <= 0.99


def test_no_interval_under_ten_patients():
    nine = mean_interval(np.arange(90.0), np.arange(90) % 9)
    assert nine.interval_method == "none"
    assert np.isnan([nine.low, nine.high]).all()
    assert nine.estimate == 44.5
    ten = mean_interval([*np.arange(10.0), np.nan], range(11))
    assert ten.interval_method == "expanded BCa"
    assert (ten.patients, ten.rows, ten.nan_rate) == (10, 10, pytest.approx(1 / 11))
    assert mean_interval([*np.arange(9.0), np.nan], range(10)).interval_method == "none"


def test_degenerate_samples():
    constant = mean_interval(np.full(12, 0.3), range(12))
    assert (constant.interval_method, constant.low, constant.high) == (
        "constant",
        constant.estimate,
        constant.estimate,
    )
    nothing = mean_interval(np.full(12, np.nan), range(12))
    assert np.isnan(nothing.estimate)
    assert (nothing.interval_method, nothing.nan_rate, nothing.patients) == ("none", 1.0, 0)
    none = mean_interval([], [])
    assert np.isnan([none.estimate, none.nan_rate]).all()
    # All the weight on one patient: leaving it out leaves no ratio, so BCa has no acceleration.
    one = ratio_interval([1.0] + [0.0] * 11, [2.0] + [0.0] * 11, range(12))
    assert one.interval_method == "constant"
    lone = ratio_interval([1.0, 1.0] + [0.0] * 10, [1.0, 4.0] + [0.0] * 10, range(12))
    assert lone.low <= lone.estimate <= lone.high


def test_percentile_where_bca_is_undefined():
    # All replicates on one side of the estimate; a jackknife that does not vary, or is undefined.
    drawn = np.linspace(1, 2, 1000)
    low, high, interval_method = intervals.limits(0.5, drawn, np.arange(5.0), 0.95)
    assert interval_method == "percentile"
    assert (low, high) == pytest.approx((1.025, 1.975))
    assert intervals.limits(1.5, drawn, np.ones(5), 0.95)[2] == "percentile"
    assert intervals.limits(1.5, drawn, np.array([1.0, np.nan]), 0.95)[2] == "percentile"


def test_paired_difference():
    rng = np.random.default_rng(0)
    hard = rng.normal(size=40) * 10  # images differ far more than methods do
    first, second = hard + 0.5 + rng.normal(size=40) * 0.2, hard.copy()
    difference = paired_difference(first, second, range(40))
    assert 0 < difference.interval.low < 0.5 < difference.interval.high < 1
    assert difference.p == pytest.approx(1 / (statistics.FLIPS + 1))
    assert paired_difference(second, first, range(40)).interval.estimate == pytest.approx(
        -difference.interval.estimate
    )
    same = paired_difference(first, first, range(40))
    assert (same.p, same.interval.interval_method) == (1.0, "constant")
    # 0.1 + 0.2 is 0.3 but for rounding.
    rounded = paired_difference([0.1 + 0.2] * 12, [0.3] * 12, range(12))
    assert (rounded.p, rounded.interval.interval_method) == (1.0, "constant")
    first[:35] = np.nan
    assert np.isnan(paired_difference(first, second, range(40)).p)


def test_sign_flips_equal_the_full_enumeration():
    def enumerated(sums):
        signs = np.array(list(itertools.product((-1, 1), repeat=len(sums))))
        return np.mean(np.abs(signs @ sums) >= abs(sums.sum()) - 1e-12)

    for n, tolerance in ((10, 0), (13, 0), (14, 0.015)):
        sums = np.random.default_rng(n).normal(0.4, size=n)
        assert statistics._sign_flip(sums, 0) == pytest.approx(enumerated(sums), abs=tolerance)
    # Whatever the seed: there is nothing random in an enumeration.
    all_one_way = paired_difference(np.arange(1.0, 11), np.zeros(10), range(10), seed=5)
    assert all_one_way.p == 2 / 2**10


def test_the_test_holds_its_level():
    rng = np.random.default_rng(8)
    p = [
        paired_difference(rng.normal(size=30), rng.normal(size=30), np.arange(30) // 2, seed=i).p
        for i in range(120)
    ]
    assert np.mean(np.array(p) < 0.1) < 0.19


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, np.nan, 0.005]).tolist() == pytest.approx(
        [0.03, 0.06, 0.06, np.nan, 0.02], nan_ok=True
    )
    assert holm([0.6, 0.7]).tolist() == [1, 1]
    assert holm([]).tolist() == []
    assert np.isnan(holm([np.nan])).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_between_the_p_value_and_bonferroni(p):
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(1, np.array(p) * len(p)) + 1e-12).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()


def test_rates():
    assert rate(np.isnan([1.0, np.nan])) == 0.5
    assert np.isnan(rate([]))


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=2, max_size=30))
def test_correlations_equal_scipy(pairs):
    a, b = np.array(pairs, float).T
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert np.isnan([pearson(a, b), spearman(a, b)]).all()
    else:
        assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-12)
        assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
        assert pearson(a * 1e-200, b) == pytest.approx(pearson(a, b))


def test_excess():
    assert [excess(s, 0.5) for s in (1, 0.5, 0.25)] == [1, 0, -0.5]
    assert np.isnan(excess(1, 1))


@pytest.mark.parametrize(
    "call",
    [
        lambda: mean_interval(np.ones(12), range(12), replicates=100),
        lambda: mean_interval(np.ones(12), range(12), level=95),
        lambda: mean_interval(np.ones(12), range(11)),
        lambda: mean_interval(np.ones((2, 6)), range(12)),
        lambda: paired_difference(np.ones(3), np.ones(2), range(3)),
        lambda: pearson(np.ones(3), np.ones(2)),
    ],
)
def test_bad_input(call):
    with pytest.raises(UsageError):
        call()


def test_inputs_are_left_alone():
    values, p = np.array([1.0, np.nan] * 10), np.array([0.04, np.nan, 0.01])
    before, p_before = values.copy(), p.copy()
    mean_interval(values, range(20))
    holm(p)
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(p, p_before)


def test_spearman_of_rows_is_that_of_each():
    a, b = np.random.default_rng(0).integers(0, 5, (2, 40, 6)).astype(float)
    a[0], b[1], a[2, 3] = 2, 7, np.nan
    expected = [spearman(x, y) for x, y in zip(a, b)]
    np.testing.assert_allclose(spearman_of_rows(a, b), expected, atol=1e-12)
    assert np.isnan(expected[:3]).all()
