"""AUCs of two models compared: DeLong's formula, clusters, level of the test."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from camlucida.core.errors import UsageError
from camlucida.metrics.auc_difference import ScoredRows, auc_difference, mean_auc_difference


def sample(seed, patients=60, images=1, correlation=0.5):
    """Truth, scores of two models that are equally good, and patients."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), images)
    truth = (rng.random(patients * images) < 0.5).astype(float)
    of_patient = rng.normal(size=(patients, 2))[patient] * 0.8
    shared = np.sqrt(correlation) * rng.normal(size=len(truth))
    scores = of_patient.T + shared + rng.normal(size=(2, len(truth))) + truth
    return truth, scores[0], scores[1], patient.tolist()


def delong(truth, first, second):
    """DeLong 1988 from all pairs: difference and its variance."""
    positive, negative = truth == 1, truth == 0
    kernels = []
    for scores in (first, second):
        gap = scores[positive][:, None] - scores[negative]
        kernels.append((gap > 0) + 0.5 * (gap == 0))
    of_positives = np.cov([kernel.mean(1) for kernel in kernels]) / positive.sum()
    of_negatives = np.cov([kernel.mean(0) for kernel in kernels]) / negative.sum()
    both = of_positives + of_negatives
    return kernels[0].mean() - kernels[1].mean(), both[0, 0] + both[1, 1] - 2 * both[0, 1]


@pytest.mark.parametrize("digits", [1, 8])
def test_one_image_a_patient_is_the_test_of_delong(digits):
    truth, first, second, patients = sample(0)
    first, second = first.round(digits), second.round(digits)  # one digit: many ties
    ours = auc_difference(truth, first, second, patients)
    estimate, variance = delong(truth, first, second)
    assert (ours.first, ours.second) == pytest.approx(
        (roc_auc_score(truth, first), roc_auc_score(truth, second))
    )
    assert ours.estimate == pytest.approx(estimate)
    assert ours.p == pytest.approx(2 * stats.norm.sf(abs(estimate) / np.sqrt(variance)))
    assert ours.high - ours.low == pytest.approx(2 * stats.norm.ppf(0.975) * np.sqrt(variance))
    assert (ours.interval_method, ours.rows, ours.patients) == ("DeLong", 60, 60)
    assert auc_difference(truth, second, first, patients).p == pytest.approx(ours.p)


def test_copies_of_images_are_no_evidence():
    truth, first, second, patients = sample(1)
    alone = auc_difference(truth, first, second, patients)
    columns = [np.tile(column, 4) for column in (truth, first, second)]
    copied = auc_difference(*columns, patients * 4)
    assert copied.estimate == pytest.approx(alone.estimate)
    assert copied.p == pytest.approx(alone.p)
    naive = auc_difference(*columns, range(240))
    assert naive.p < alone.p


@pytest.mark.parametrize("images", [1, 4])
def test_the_test_holds_its_level_and_the_interval_its_coverage(images):
    found = [auc_difference(*sample(seed, 40, images)) for seed in range(400)]
    rejected = np.mean([difference.p < 0.05 for difference in found])
    assert 0.02 < rejected < 0.09
    held = np.mean([difference.low <= 0 <= difference.high for difference in found])
    assert held == pytest.approx(1 - rejected)


def test_a_difference_that_is_there_is_found():
    truth, first, _, patients = sample(2, 80)
    noise = np.random.default_rng(0).normal(size=80)
    difference = auc_difference(truth, first + 3 * truth, noise, patients)
    assert difference.p < 1e-6
    assert difference.low > 0.2


def test_few_patients_and_models_that_are_the_same():
    truth = np.array([1.0] * 9 + [0.0] * 20)
    few = auc_difference(truth, np.arange(29.0), np.arange(29.0)[::-1], range(29))
    assert (few.interval_method, few.estimate) == ("none", -1.0)
    assert np.isnan([few.low, few.high, few.p]).all()
    truth, first, _, patients = sample(3)
    same = auc_difference(truth, first, 2 * first + 1, patients)
    assert (same.estimate, same.p, same.interval_method) == (0.0, 1.0, "constant")
    nothing = auc_difference(np.ones(20), first[:20], first[:20], range(20))
    assert np.isnan(nothing.estimate)
    with pytest.raises(UsageError):
        auc_difference(truth, first[1:], first, patients)


def test_the_mean_of_labels_sums_what_a_patient_adds():
    truth, first, second, patients = sample(4, 100)
    rows = ScoredRows(truth, first, second, patients)
    alone, twice = mean_auc_difference([rows]), mean_auc_difference([rows, rows])
    # The same label twice is no more evidence.
    assert twice.estimate == pytest.approx(alone.estimate)
    assert twice.p == pytest.approx(alone.p, rel=0.1)
    others = [ScoredRows(*sample(seed, 100)) for seed in (5, 6)]
    mean = mean_auc_difference([rows, *others])
    each = [mean_auc_difference([part]).estimate for part in (rows, *others)]
    assert mean.estimate == pytest.approx(np.mean(each))
    assert (mean.rows, mean.patients) == (300, 100)
