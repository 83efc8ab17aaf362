"""Kappa of two readers against scikit-learn, and its interval over patients."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from camlucida.metrics.readers import reader_kappa


@pytest.mark.parametrize("seed", range(3))
def test_kappa_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    first = rng.choice(["agrees", "partly", "artefact"], 60)
    second = np.where(rng.random(60) < 0.6, first, rng.choice(["agrees", "artefact"], 60))
    kappa = reader_kappa(first.tolist(), second.tolist(), range(60))
    assert kappa.estimate == pytest.approx(cohen_kappa_score(first, second))
    assert kappa.low < kappa.estimate < kappa.high
    assert (kappa.patients, kappa.rows) == (60, 60)


def test_cases_of_few_patients_have_no_interval():
    verdicts = ["agrees", "artefact"] * 20
    kappa = reader_kappa(verdicts, verdicts, ["a", "b"] * 20)
    assert (kappa.estimate, kappa.patients, kappa.interval_method) == (1.0, 2, "none")
    assert np.isnan(kappa.low)


def test_one_verdict_alone_has_no_kappa():
    assert np.isnan(reader_kappa(["agrees"] * 3, ["agrees"] * 3, range(3)).estimate)
    assert np.isnan(reader_kappa([], [], []).estimate)
