"""The lines of a passport are the numbers of the run and its evaluation, beside chance."""

from dataclasses import replace
from math import isfinite

import pandas as pd
import pytest

from camlucida.evaluation.maps.summary import differences, over_all_labels, summarise
from camlucida.metrics.statistics import mean_interval
from camlucida.report.evaluations import Evaluation, sanity_gate
from camlucida.report.locale import load_texts
from camlucida.report.passport.checks import KINDS, checks
from camlucida.report.passport.page import MOST, make_passport, passport_document
from camlucida.report.passport.record import passport_record
from camlucida.report.render import render_document
from camlucida.report.writers.markdown import markdown
from tests.support.documents import english_in
from tests.support.evaluations import evaluation

HASH = "0" * 64


@pytest.fixture(scope="module")
def evaluated(gathered):
    """The small run with a stored evaluation of another cohort: only its numbers matter."""
    rows, _, sanity = evaluation(patients=12)
    name = str(gathered.runs[0].about["models"][0]["name"])
    summary = summarise(rows)
    psc = summary[summary["metric"] == "gini"].assign(metric="psc", chance=0.0)
    stored = Evaluation(
        name, "0", pd.concat([summary, psc]), sanity_gate(sanity), differences(rows)
    )
    return replace(gathered, evaluations=(stored,))


@pytest.fixture(scope="module")
def model(gathered):
    return gathered.runs[0].about["models"][0]


def passport(report, model):
    return make_passport(report, model, HASH, checks(report, str(model["name"])))


def of_kind(made, kind):
    return [check for check in made if check.kind == kind]


def test_every_line_is_a_number_with_a_reference(evaluated, model):
    made = checks(evaluated, str(model["name"]))
    assert {check.kind for check in made} >= {"performance", "sanity", "psc", "metric", "artefact"}
    assert [check.kind for check in made] == sorted((c.kind for c in made), key=KINDS.index)
    for check in made:
        assert isfinite(check.value.estimate)
        assert str(check.reference)
        assert str(check.title)


def test_the_artefact_line_is_the_mean_of_the_measured_shares(evaluated, model):
    rows = evaluated.measured.loc[evaluated.all_series[0].rows]
    expected = mean_interval(rows["artefact_share"].to_numpy(), rows["patient"].tolist())
    first = of_kind(checks(evaluated, str(model["name"])), "artefact")[0]
    assert first.value.estimate == expected.estimate
    assert first.value.chance == rows["artefact_area"].mean()
    assert first.patients == rows["patient"].nunique()


def test_a_metric_is_judged_against_the_best_map_without_the_model(evaluated, model):
    (stored,) = evaluated.evaluations
    made = of_kind(checks(evaluated, str(model["name"])), "metric")
    hits = [check for check in made if str(check.title) == "Pointing game"]
    table = over_all_labels(stored.summary)
    table = table[(table["metric"] == "hit") & ~table["baseline"].astype(bool)]
    assert [check.value.estimate for check in hits] == table["estimate"].tolist()
    assert all("a Gaussian at the image centre" in str(check.reference) for check in hits)
    assert {check.verdict for check in hits} <= {"better", "not_shown", "worse"}
    assert hits[1].verdict == "better"


def test_sanity_over_labels_has_no_interval_and_the_fewest_patients(evaluated, model):
    (stored,) = evaluated.evaluations
    for check in of_kind(checks(evaluated, str(model["name"])), "sanity"):
        method = check.series.split(" at ")[0]
        gate = stored.gate[
            (stored.gate["method"] == method) & (stored.gate["verdict"] == check.verdict)
        ]
        assert check.value.estimate == gate["similarity"].mean()
        assert check.value.has_interval == (len(gate) == 1)
        assert check.patients == gate["patients"].min()


def test_a_correlation_that_was_measured_alone_is_listed_once(evaluated, model):
    (stored,) = evaluated.evaluations
    alone = stored.summary[stored.summary["metric"] == "psc"]
    report = replace(evaluated, evaluations=(replace(stored, summary=alone),))
    made = checks(report, str(model["name"]))
    assert of_kind(made, "psc")
    assert not of_kind(made, "metric")


def test_another_model_has_none_of_them(evaluated):
    assert checks(evaluated, "other") == []


def test_what_is_missing_is_said_with_its_command(gathered, model):
    made = passport(replace(gathered, evaluations=(), comparisons=()), model)
    assert made.missing == ["sanity", "psc", "metric", "localisation", "consistency"]
    text = markdown(render_document(passport_document(made, "0")))
    assert "camlucida evaluate RUN --metrics psc" in text.replace("\\_", "_")
    assert HASH in text
    assert "Research use only" in text


def test_a_page_is_in_chinese(evaluated, model):
    rendered = render_document(passport_document(passport(evaluated, model), "0"), load_texts("zh"))
    assert rendered.failures == ()
    assert not english_in(markdown(rendered))


def test_lines_that_the_page_leaves_out_are_counted(evaluated, model):
    made = passport(evaluated, model)
    first = of_kind(made.checks, "psc")[0]
    many = replace(made, checks=(first,) * (MOST + 2))
    assert "2 more lines are in the JSON file" in markdown(
        render_document(passport_document(many, "0"))
    )
    assert len(passport_record(many, "0")["checks"]) == MOST + 2


def test_the_record_has_numbers_alone_and_no_nan(evaluated, model):
    made = passport(evaluated, model)
    record = passport_record(made, "0")
    assert record["content_sha256"] == HASH
    assert record["not_measured"] == made.missing
    for line, check in zip(record["checks"], made.checks, strict=True):
        assert line["estimate"] == check.value.estimate
        assert ("low" in line) == isfinite(check.value.low)
    states = {each["state"] for each in record["checklists"]["CLAIM 2024"]}
    assert states <= {"answered", "partly", "author"}


def test_a_mismatch_is_in_the_title(evaluated, model):
    made = replace(passport(evaluated, model), mismatch=True)
    title = render_document(passport_document(made, "0")).title
    assert title.startswith("NOT THE MODEL OF THE STORED PREDICTIONS")


def test_without_any_check_there_is_still_a_page(gathered, model):
    document = passport_document(make_passport(gathered, model, HASH, []), "0")
    assert render_document(document).failures == ()
