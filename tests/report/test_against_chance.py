"""What is measured beside its chance level: closed forms, signs, and what is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camlucida.core.messages import Estimate
from camlucida.metrics.description import area_above_half, area_above_half_of_noise
from camlucida.report.against_chance import (
    annotated_against_area,
    extent_against_noise,
    label_contrasts,
    more_patients,
    predictions_against_chance,
)
from camlucida.report.data import SeriesRows
from camlucida.report.gather import gather

PATIENTS = 12


@pytest.mark.parametrize("cells", [1, 2, 9, 64])
def test_random_values_reach_half_their_maximum_as_often_as_stated(cells):
    generator = np.random.default_rng(cells)
    shares = [area_above_half(generator.random(cells)) for _ in range(4000)]
    assert np.mean(shares) == pytest.approx(area_above_half_of_noise(cells), abs=0.02)


@settings(max_examples=25)
@given(st.floats(0.01, 1), st.floats(0.02, 3), st.integers(10, 500))
def test_with_the_patients_that_are_needed_a_difference_is_told(estimate, width, patients):
    """The planned standard error, 1/√n of the measured one, is under d ÷ (z₀.₉₇₅ + z₀.₈)."""
    difference = Estimate(estimate, estimate - width / 2, estimate + width / 2)
    more = more_patients(difference, patients)
    if difference.low > 0:
        assert more is None
        return
    error = width / (2 * 1.959964)
    planned = error * np.sqrt(patients / (patients + more))
    assert planned <= estimate / (1.959963 + 0.841621) * 1.0001
    negative = Estimate(-estimate, -difference.high, -difference.low)
    assert more_patients(negative, patients) == more


def test_nothing_is_planned_without_an_interval_or_a_difference():
    assert more_patients(Estimate(0.2), 5) is None
    assert more_patients(Estimate(0.0, -0.1, 0.1), 20) is None


@pytest.fixture(scope="module")
def report(small_run, tmp_path_factory):
    """Twelve patients with a map of each of two labels, whose measures a test sets."""
    report = gather((small_run,), tmp_path_factory.mktemp("report"))
    measured = report.measured.iloc[[0] * 2 * PATIENTS].reset_index(drop=True)
    measured.attrs = {"problems": []}
    measured["patient"] = [f"p{row // 2}" for row in range(2 * PATIENTS)]
    measured["label"] = ["A", "B"] * PATIENTS
    measured["grid"] = [(8, 8)] * len(measured)
    measured[["mask_share", "mask_area", "box_share", "box_area", "spread"]] = np.nan
    series = SeriesRows("net", 0, "net", list(measured.index))
    return replace(report, measured=measured, all_series=(series,), evaluations=())


def with_columns(report, **columns):
    measured = report.measured.assign(**columns)
    measured.attrs = {"problems": []}
    return replace(report, measured=measured)


def noise(scale=0.01):
    return scale * np.random.default_rng(0).normal(size=2 * PATIENTS)


@pytest.mark.parametrize(("spread", "verdict"), [(0.1, "less"), (0.9, "more"), (65 / 128, "same")])
def test_maps_are_focal_or_broad_against_random_values(report, spread, verdict):
    (judged,) = extent_against_noise(with_columns(report, spread=spread + noise() - noise().mean()))
    assert judged.difference.verdict == verdict
    assert judged.value.chance == pytest.approx(65 / 128)
    assert judged.patients == PATIENTS


def test_a_region_is_compared_with_its_area_where_it_was_measured(report):
    assert list(annotated_against_area(report)) == []
    inside = with_columns(report, box_share=0.4 + noise(), box_area=0.1)
    (judged,) = annotated_against_area(inside)
    assert (judged.quantity, judged.difference.verdict) == ("box", "more")
    assert judged.difference.estimate == pytest.approx(0.3, abs=0.02)


def test_labels_are_compared_within_patients(report):
    differs = with_columns(report, spread=np.tile([0.5, 0.2], PATIENTS) + noise())
    (series,) = differs.all_series
    (contrast,) = label_contrasts(differs, series)
    assert (contrast.label, contrast.quantity, contrast.tests) == ("A", "spread", 1)
    assert contrast.difference.estimate == pytest.approx(0.3, abs=0.02)
    assert contrast.p < 0.01
    same = with_columns(report, spread=0.3 + noise())
    assert label_contrasts(same, series)[0].p > 0.05


def test_a_patient_with_one_label_is_no_pair(report):
    alone = with_columns(report, label=["A"] * PATIENTS + ["B"] * PATIENTS, spread=0.3 + noise())
    assert label_contrasts(alone, alone.all_series[0]) == []


def figures(report, **row):
    """The report with one row of figures of its model."""
    base = {"model": "net", "label": "", "group": "", "patients": 20, "interval_method": "BCa"}
    (performance, *_) = report.performance
    task = {"mae": "regression"}.get(row["metric"], "multilabel")
    table = pd.DataFrame([base | row])
    return replace(report, performance=(replace(performance, task=task, figures=table),))


def test_a_smaller_error_than_that_of_a_constant_is_better_than_chance(report):
    error = {"metric": "mae", "estimate": 2.0, "low": 1.5, "high": 2.5, "chance": 4.0}
    (judged,) = predictions_against_chance(figures(report, **error))
    assert judged.difference == Estimate(2.0, 1.5, 2.5)


def test_a_metric_without_a_chance_level_is_not_compared(report):
    auc = {"metric": "auc", "estimate": 0.8, "low": 0.7, "high": 0.9, "chance": np.nan}
    assert list(predictions_against_chance(figures(report, **auc))) == []
    (judged,) = predictions_against_chance(figures(report, **(auc | {"chance": 0.5})))
    assert judged.difference.verdict == "more"
