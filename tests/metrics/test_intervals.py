"""Wilson and BCa intervals: closed forms, properties, simulated coverage."""

import importlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from camlucida.core.messages import english
from camlucida.metrics.intervals import interval_notes, limits, wilson
from camlucida.metrics.statistics import mean_interval, ratio_interval
from tests.support.paths import REPOSITORY


@pytest.fixture(scope="module")
def simulation():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / "scripts")
        yield importlib.import_module("interval_coverage")


@pytest.fixture(scope="module")
def coverages(simulation):
    return simulation.simulated()


@given(st.integers(0, 40), st.integers(1, 40), st.sampled_from([0.5, 0.9, 0.95]))
def test_one_row_a_patient_is_the_interval_of_wilson(hits, misses, level):
    n = hits + misses
    flags = np.array([1.0] * hits + [0.0] * misses)
    expected = stats.binomtest(hits, n).proportion_ci(level, "wilson")
    assert wilson(flags, np.ones(n), level) == pytest.approx(tuple(expected), abs=1e-12)


def test_images_of_a_patient_that_always_agree_count_as_one():
    flags, alone = np.array([1.0] * 8 + [0.0] * 4), np.ones(12)
    assert wilson(5 * flags, 5 * alone, 0.95) == pytest.approx(wilson(flags, alone, 0.95))
    everything = wilson(5 * alone, 5 * alone, 0.95)
    assert everything == pytest.approx(wilson(alone, alone, 0.95))


def test_images_that_are_independent_count_almost_each():
    rng = np.random.default_rng(0)
    hits = rng.binomial(4, 0.5, 400).astype(float)
    low, high = wilson(hits, np.full(400, 4.0), 0.95)
    alone = stats.binomtest(int(hits.sum()), 1600).proportion_ci(0.95, "wilson")
    assert high - low == pytest.approx(alone.high - alone.low, rel=0.1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=10, max_size=40))
def test_a_proportion_stays_within_0_and_1_and_holds_its_estimate(pairs):
    top = [float(min(pair)) for pair in pairs]
    bottom = [float(max(pair)) for pair in pairs]
    interval = ratio_interval(top, bottom, range(len(pairs)), proportion=True)
    if interval.interval_method == "none":
        assert np.isnan(interval.estimate)
        return
    assert 0 <= interval.low <= interval.estimate + 1e-12
    assert interval.estimate - 1e-12 <= interval.high <= 1
    assert interval.low < interval.high


def test_all_hits_of_ten_patients_are_not_certain():
    interval = mean_interval(np.ones(10), range(10), proportion=True)
    assert (interval.low, interval.high) == pytest.approx((0.7225, 1.0), abs=1e-4)


def test_few_patients_reach_as_far_as_student():
    # Symmetric replicates and no acceleration: the quantiles of the expanded tails themselves.
    rng = np.random.default_rng(0)
    half = rng.normal(size=50_000)
    drawn = np.concatenate([half, -half]) * np.sqrt(9 / 10)
    left_out = np.concatenate([np.linspace(-1, 1, 5), np.linspace(-1, 1, 5)])
    low, high, method = limits(0.0, drawn, left_out, 0.95)
    assert method == "expanded BCa"
    assert (low, high) == pytest.approx((-stats.t.ppf(0.975, 9), stats.t.ppf(0.975, 9)), rel=0.03)


def test_thirty_patients_have_bca_itself():
    assert mean_interval(np.arange(29.0) ** 2, range(29)).interval_method == "expanded BCa"
    assert mean_interval(np.arange(30.0) ** 2, range(30)).interval_method == "BCa"


def test_an_interval_stays_among_the_values():
    values = np.array([0.9, 0.95, 1.0, 1.0, 0.2, 0.98, 0.97, 1.0, 0.99, 0.93])
    interval = mean_interval(values, range(10))
    assert 0.2 < interval.low < interval.estimate < interval.high < 1


def test_replicates_that_equal_the_estimate_up_to_rounding_count_a_half():
    rng = np.random.default_rng(0)
    exact = rng.integers(-3, 4, 2001) / 10
    rounded = exact + rng.choice([-1e-17, 1e-17], 2001)
    left_out = np.linspace(-1, 1, 12) ** 3
    expected = limits(0.0, exact, left_out, 0.95)
    for shift in (0.0, 1e-17, -1e-17):
        found = limits(shift, rounded, left_out, 0.95)
        assert found[:2] == pytest.approx(expected[:2], abs=1e-12)


def test_the_simulation_is_of_the_intervals_that_are_given(simulation):
    rng = np.random.default_rng(0)
    for patients in (10, 30):
        values = rng.exponential(size=(3, patients))
        low, high = simulation.mean_intervals(values)
        for k in range(3):
            interval = mean_interval(values[k], range(patients))
            assert (low[k], high[k]) == pytest.approx((interval.low, interval.high))


def test_intervals_hold_the_true_value(coverages):
    assert len(coverages) == 8
    for held in coverages.values():
        assert len(held) == 4
        assert min(held) >= 0.90


def test_the_documentation_states_the_simulated_coverage(simulation, coverages):
    written = simulation.written()
    assert list(written) == list(coverages), "run: python scripts/interval_coverage.py"
    for key, held in coverages.items():
        assert written[key] == pytest.approx(held, abs=0.0101)


def test_the_note_names_what_the_table_holds():
    def codes(*methods):
        return [note.code for note in interval_notes(methods)]

    assert codes("none", "constant") == []
    assert codes("Wilson", "expanded BCa") == ["intervals.wilson", "intervals.few"]
    assert codes("BCa", "percentile") == ["intervals.bca"]
    assert all(english(note) for note in interval_notes(["Wilson", "BCa", "expanded BCa"]))
