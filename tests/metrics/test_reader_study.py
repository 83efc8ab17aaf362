"""Reader studies in closed form: AUCs by pairs, variances of readers and patients, rules."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from camlucida.core.errors import UsageError
from camlucida.metrics.bootstrap import Sampling
from camlucida.metrics.reader_study import Readings, compare_arms

ARMS = ["film", "map"]


def crossed(readers, patients, rating, truth, seconds=None):
    """Every reader reads every patient in both arms; functions of reader, patient and arm."""
    rows = list(product(range(readers), range(patients), range(2)))
    return Readings(
        reader=[f"R{r}" for r, _, _ in rows],
        patient=[p for _, p, _ in rows],
        arm=[ARMS[a] for _, _, a in rows],
        truth=np.array([truth(p) for _, p, _ in rows], float),
        rating=np.array([rating(*row) for row in rows], float),
        seconds=np.array([1.0 if seconds is None else seconds(*row) for row in rows]),
    )


def figures(readings, **options):
    return {(f.measure, f.arm, f.against): f for f in compare_arms(readings, ARMS, **options)}


@pytest.fixture(scope="module")
def random_study():
    rng = np.random.default_rng(3)
    ratings = rng.integers(1, 7, (4, 60, 2))
    return crossed(4, 60, lambda r, p, a: ratings[r, p, a], lambda p: p % 2), ratings


def test_the_auc_is_the_mean_of_the_readers(random_study):
    readings, ratings = random_study
    truth = np.arange(60) % 2
    by_reader = [[roc_auc_score(truth, ratings[r, :, a]) for a in (0, 1)] for r in range(4)]
    film, shown = np.mean(by_reader, axis=0)
    found = figures(readings)
    assert found["auc", "film", None].interval.estimate == pytest.approx(film)
    difference = found["auc", "map", "film"]
    assert difference.interval.estimate == pytest.approx(shown - film)
    assert difference.interval.low < shown - film < difference.interval.high
    assert (difference.readers, difference.readers_resampled) == (4, True)
    assert (difference.interval.patients, difference.interval.rows) == (60, 480)


def test_decisions_are_shares(random_study):
    readings, ratings = random_study
    truth = (np.arange(60) % 2 == 1)[None, :]
    right = (ratings[..., 1] >= 4) == truth
    found = figures(readings)
    assert found["accuracy", "map", None].interval.estimate == pytest.approx(right.mean())
    diseased = np.broadcast_to(truth, right.shape)
    sensitivity = found["sensitivity", "map", None].interval.estimate
    assert sensitivity == pytest.approx(right[diseased].mean())
    specificity = found["specificity", "map", None].interval.estimate
    assert specificity == pytest.approx(right[~diseased].mean())


def test_readers_and_patients_both_vary():
    """Additive effects: the bootstrap's variance is Σ(a − ā)² ÷ R² + Σ(b − b̄)² ÷ P²."""
    rng = np.random.default_rng(0)
    of_reader, of_patient = rng.normal(0, 0.2, 12), rng.normal(0, 0.5, 40)

    def seconds(r, p, a):
        return 10 * np.exp(a * (of_reader[r] + of_patient[p]))

    readings = crossed(12, 40, lambda *row: 1, lambda p: 1, seconds)
    ratio = figures(readings)["seconds", "map", "film"].interval
    assert np.log(ratio.estimate) == pytest.approx(of_reader.mean() + of_patient.mean())
    error = np.sqrt(of_reader.var() / 12 + of_patient.var() / 40)
    width = np.log(ratio.high / ratio.low) / (2 * 1.96)
    assert width == pytest.approx(error, rel=0.06)
    # Patients alone, as with two readers, give the narrower interval of these readers.
    few = [reader in ("R0", "R1") for reader in readings.reader]
    alone = figures(rows_of(readings, few))["seconds", "map", "film"]
    assert not alone.readers_resampled
    width = np.log(alone.interval.high / alone.interval.low) / (2 * 1.96)
    assert width == pytest.approx(np.sqrt(of_patient.var() / 40), rel=0.06)


def rows_of(readings, kept):
    kept = np.asarray(kept)
    lists = {name: [v for v, k in zip(getattr(readings, name), kept) if k] for name in LISTS}
    arrays = {name: getattr(readings, name)[kept] for name in ("truth", "rating", "seconds")}
    return Readings(**lists, **arrays)


LISTS = ("reader", "patient", "arm")


def test_equal_arms_differ_by_nothing():
    readings = crossed(3, 30, lambda r, p, a: 1 + (p * 7 + r) % 6, lambda p: p % 2)
    for measure in ("auc", "accuracy"):
        interval = figures(readings)[measure, "map", "film"].interval
        assert (interval.estimate, interval.low, interval.high) == (0, 0, 0)
        assert interval.interval_method == "constant"


def test_all_rows_of_a_patient_count_as_one():
    one = crossed(3, 30, lambda r, p, a: 1 + (p * 5 + r + 2 * a) % 6, lambda p: p % 2)
    twice = Readings(
        *(list(getattr(one, name)) * 2 for name in LISTS),
        *(np.tile(getattr(one, name), 2) for name in ("truth", "rating", "seconds")),
    )
    first, second = (figures(each)["auc", "map", "film"].interval for each in (one, twice))
    assert (first.low, first.high) == pytest.approx((second.low, second.high))
    assert second.patients == 30


def test_no_interval_of_few_patients():
    readings = crossed(3, 12, lambda r, p, a: 1 + p % 6, lambda p: p < 4)
    found = figures(readings)
    assert found["auc", "map", None].interval.interval_method == "none"  # four are diseased
    assert found["accuracy", "map", None].interval.interval_method == "percentile"


def test_without_truth_times_alone_are_compared():
    readings = crossed(3, 12, lambda *row: 1, lambda p: np.nan, lambda r, p, a: 2.0 + a)
    assert {measure for measure, _, _ in figures(readings)} == {"seconds"}
    ratio = figures(readings)["seconds", "map", "film"].interval
    assert ratio.estimate == pytest.approx(1.5)
    assert figures(replace(readings, seconds=np.full(72, np.nan))) == {}


def test_a_reader_of_one_arm_counts_in_no_difference():
    readings = crossed(4, 20, lambda r, p, a: 1 + (p + r + a) % 6, lambda p: p % 2)
    kept = [
        not (reader == "R3" and arm == "map") for reader, arm in zip(readings.reader, readings.arm)
    ]
    found = figures(rows_of(readings, kept))
    assert found["auc", "film", None].readers == 4
    assert found["auc", "map", "film"].readers == 3
    full = figures(rows_of(readings, [reader != "R3" for reader in readings.reader]))
    assert found["auc", "map", "film"].interval.estimate == pytest.approx(
        full["auc", "map", "film"].interval.estimate
    )


def test_the_seed_fixes_the_interval(random_study):
    readings, _ = random_study
    first, again, other = (
        figures(readings, sampling=Sampling(seed=seed))["auc", "map", "film"].interval
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first.low != other.low


@pytest.mark.parametrize("change", [{"rating": np.full(8, 7.0)}, {"rating": np.ones(3)}])
def test_wrong_readings_are_one_line(change):
    readings = crossed(2, 2, lambda *row: 1, lambda p: 1)
    with pytest.raises(UsageError):
        compare_arms(replace(readings, **change), ARMS)
