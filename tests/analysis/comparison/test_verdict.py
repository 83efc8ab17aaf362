"""The rule, case by case."""

import pytest

from camlucida.analysis.comparison.verdict import Rule, SeriesCase

NAN = float("nan")


def all_series(*heat, empty=()):
    return [
        SeriesCase(f"seed {k}", "positive (0.90)", s, a, "all zero" if k in empty else "")
        for k, (s, a) in enumerate(heat)
    ]


CALM, HOT = (0.1, 0.1), (0.3, 0.1)


@pytest.mark.parametrize(
    ("heat", "same", "excess", "verdict", "why"),
    [
        (
            [CALM, CALM, CALM],
            1.0,
            0.8,
            "consistent",
            "the map series say the same; mean excess similarity 0.80; heat on",
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
        ([CALM], NAN, NAN, "not compared", "the same up to a factor"),
        ([HOT], NAN, NAN, "artefact", "1 of 1 map series"),
    ],
)
def test_the_rule_by_hand(heat, same, excess, verdict, why):
    found, words = Rule().judge(all_series(*heat), same, excess)
    assert found == verdict
    assert why in words


def test_a_map_without_evidence_is_to_be_reviewed():
    found, words = Rule().judge(all_series(CALM, (NAN, NAN), CALM, empty=(1,)), 1.0, 0.9)
    assert (found, words) == ("review", "no evidence in seed 1 (all zero)")


def test_the_words_carry_the_thresholds():
    words = Rule(factor=3, share=0.25, all_series=0.4, excess=0.6).words("labels", one_model=False)
    for number in ("40%", "3 times", "0.25", "0.6"):
        assert number in words
    assert "decisions on the label differ" in words
    assert "decisions" not in Rule().words("labels", one_model=True)
    for kind in ("labels", "classes", "values", "regions"):
        assert "clinical" not in Rule().words(kind, one_model=False)
