"""The rule, case by case."""

import pytest

from camlucida.analysis.comparison.verdict import SeriesCase, VerdictRule
from camlucida.core.messages import Message, named

NAN = float("nan")
ZERO = named("all zero")


def all_series(*heat, empty=()):
    return [
        SeriesCase(f"seed {k}", named("positive (0.90)"), s, a, ZERO if k in empty else None)
        for k, (s, a) in enumerate(heat)
    ]


CALM, HOT = (0.1, 0.1), (0.3, 0.1)


@pytest.mark.parametrize(
    ("heat", "agreement", "excess", "verdict", "reason"),
    [
        (
            [CALM, CALM, CALM],
            1.0,
            0.8,
            "consistent",
            "the predictions agree; mean excess similarity 0.80; heat on",
        ),
        (
            [CALM, CALM, CALM],
            NAN,
            0.8,
            "consistent",
            "mean excess similarity 0.80; heat on artefacts at most 0.10 (area 0.10)",
        ),
        ([CALM, CALM], 1.0, 0.5, "consistent", "0.50"),
        ([CALM, CALM], 1.0, 0.49, "review", "mean excess similarity 0.49"),
        ([CALM, CALM], 1.0, -0.2, "review", "mean excess similarity −0.20"),
        (
            [CALM, CALM],
            0.0,
            0.9,
            "review",
            "the map series differ: seed 0 positive (0.90), seed 1 positive (0.90)",
        ),
        ([CALM, CALM], 1.0, NAN, "review", "no similarity could be measured"),
        ([HOT, CALM, CALM], 1.0, 0.9, "consistent", "heat on artefacts at most 0.30 (area 0.10)"),
        (
            [HOT, HOT, CALM],
            1.0,
            0.9,
            "artefact",
            "heat on artefacts in 2 of 3 map series: seed 0 0.30 (area 0.10), seed 1 0.30",
        ),
        ([HOT, CALM], 0.0, 0.1, "artefact", "1 of 2 map series"),
        (
            [(0.49, 1 / 3), (0.49, 1 / 3)],
            1.0,
            0.9,
            "consistent",
            "at most 0.49 (area 0.33)",
        ),  # twice as dense is 0.5
        ([(0.51, 1 / 3), (0.51, 1 / 3)], 1.0, 0.9, "artefact", "0.51 (area 0.33)"),
        ([(0.19, 0.01), (0.19, 0.01)], 1.0, 0.9, "consistent", "at most 0.19 (area 0.01)"),
        (
            [(0.9, 0.68), (0.85, 0.68)],
            1.0,
            0.9,
            "artefact",
            "2 of 2 map series",
        ),  # most of the film is background
        ([(0.75, 0.68), (0.75, 0.68)], 1.0, 0.9, "consistent", "at most 0.75 (area 0.68)"),
        ([(1.0, 1.0), (1.0, 1.0)], 1.0, 0.9, "consistent", "at most 1.00 (area 1.00)"),
        ([(NAN, NAN), (NAN, NAN)], 1.0, 0.9, "consistent", "heat on artefacts not measured"),
        ([CALM], NAN, NAN, "not_compared", "the same maps up to a factor"),
        ([HOT], NAN, NAN, "artefact", "1 of 1 map series"),
    ],
)
def test_the_rule_by_hand(heat, agreement, excess, verdict, reason):
    judged, message = VerdictRule().judge(all_series(*heat), agreement, excess)
    assert judged == verdict
    assert reason in str(message)


def test_a_map_without_evidence_is_to_be_reviewed():
    cases = all_series(CALM, (NAN, NAN), CALM, empty=(1,))
    verdict, reason = VerdictRule().judge(cases, 1.0, 0.9)
    assert verdict == "review"
    assert reason == Message("reasons.no_evidence", {"series": "seed 1", "reason": ZERO})


def test_the_description_states_the_thresholds():
    rule = VerdictRule(factor=3, share=0.25, series_share=0.4, excess=0.6)
    description = rule.description("labels", one_model=False)
    assert description.values["differ"] == Message("consistency.differ_labels")
    for number in ("40%", "3 times", "25%", "0.6"):
        assert number in str(description)
    assert "decisions on the label differ" in str(description)
    one_model = VerdictRule().description("labels", one_model=True)
    assert one_model.values["differ"] == Message("consistency.differ_none")
    for kind in ("labels", "classes", "values", "regions"):
        assert "clinical" not in str(VerdictRule().description(kind, one_model=False))
