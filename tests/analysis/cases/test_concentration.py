"""Concentration of the maps of the best and the worst images, with its test."""

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from camlucida.analysis.cases.concentration import best_against_worst, compare_concentration
from camlucida.evaluation.predictions.tables import records
from camlucida.metrics.description import gini

BEST = np.arange(10) < 5


def exact_p(worst, best):
    """Two-sided, over every way of dealing the values to two groups."""
    values = np.array([*worst, *best])
    count, total = len(worst), len(values)

    def wins(chosen):
        rest = [index for index in range(total) if index not in chosen]
        pairs = [(values[a] > values[b]) for a in chosen for b in rest]
        return sum(pairs)

    middle = count * (total - count) / 2
    observed = abs(wins(range(count)) - middle)
    ways = [abs(wins(chosen) - middle) for chosen in combinations(range(total), count)]
    return np.mean([way >= observed for way in ways])


def test_against_every_permutation():
    values = np.random.default_rng(2).random(10)
    result = compare_concentration(values, BEST, list("abcdefghij"))
    worst, best = values[5:], values[:5]
    assert result.difference == pytest.approx(worst.mean() - best.mean())
    assert result.p == pytest.approx(exact_p(worst, best))
    wins = np.mean([[one > other for other in best] for one in worst])
    assert result.share == pytest.approx(wins)
    assert (result.count, result.patients) == (5, 10)


def test_a_patient_counts_once_and_in_one_group():
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    result = compare_concentration(values, BEST, list("aabcddeeee"))
    # d has images in both groups: a, b, c against e
    assert (result.patients, result.share) == (4, 1.0)
    assert compare_concentration(values, BEST, list("aaaaaaaaaa")) is None


def test_means_and_pairs_of_opposite_directions_are_noted():
    # d is in both groups: the means rise by its images alone.
    values = np.array([0.1, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9, 0.4, 0.4])
    result = compare_concentration(values, BEST, list("dabcedddfg"))
    assert result.difference > 0
    assert result.share == 0
    assert [message.code for message in result.messages][1:] == ["concentration.opposite"]


def test_equal_groups_are_at_chance():
    values = np.tile([0.3, 0.5, 0.7, 0.2, 0.6], 2)
    result = compare_concentration(values, BEST, list("abcdefghij"))
    assert (result.difference, result.share, result.p) == (0, 0.5, 1)


def test_of_a_run():
    maps = [torch.eye(4) if number % 2 else torch.ones(4, 4) for number in range(6)]
    run = SimpleNamespace(raw=lambda indices: [maps[index] for index in indices])
    cases = pd.DataFrame(
        {
            "explanation": range(6),
            "target_sign": 1,
            "truth": [10.0] * 5 + [np.nan],
            "value": [10.0, 30, 11, 29, 20, 10],
            "patient": list("abcdef"),
        }
    )
    result = best_against_worst(run, cases, count=2)
    assert result.count == 2
    assert (result.best, result.worst) == (0, gini(torch.eye(4).numpy()))
    assert "chance level 0" in str(result.messages[0])
    (record,) = records(result.frame())
    # Two images a group are too few for an interval, which JSON has as null.
    assert (record["count"], record["low"]) == (2, None)
    assert best_against_worst(run, cases.head(3)) is None
