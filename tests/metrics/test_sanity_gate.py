"""The test of parameter randomisation: by hand, on images, and simulated."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import t

from camlucida.core.errors import UsageError
from camlucida.metrics.sanity_gate import MARGIN, randomisation_gate

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("simulate_gate", ROOT / "scripts/simulate_gate.py")
simulate = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(simulate)


def null_of(count, mean, seed=0):
    """Symmetric similarities of different images."""
    values = np.random.default_rng(seed).normal(mean, 0.05, (count, count))
    return (values + values.T) / 2


def test_the_bounds_are_those_of_a_jackknife_by_hand():
    after, null = np.random.default_rng(1).uniform(0, 0.3, 9), null_of(9, 0.4)
    gate = randomisation_gate(after, null)
    pairs = np.triu_indices(9, 1)
    difference = after.mean() - null[pairs].mean()
    without = []
    for left_out in range(9):
        kept = np.delete(np.arange(9), left_out)
        rest = null[np.ix_(kept, kept)][np.triu_indices(8, 1)]
        without.append(after[kept].mean() - rest.mean())
    error = np.sqrt(8 / 9 * ((np.array(without) - np.mean(without)) ** 2).sum())
    reach = t.ppf(0.95, 8) * error
    assert (gate.low, gate.high) == pytest.approx((difference - reach, difference + reach))
    assert gate.margin == pytest.approx(MARGIN * (1 - gate.null))
    assert (gate.verdict, gate.more, gate.images) == ("depends", 0, 9)


def test_a_similarity_of_zero_depends_on_the_weights_where_the_null_is_zero():
    after = np.random.default_rng(0).normal(0.02, 0.1, 16)
    assert randomisation_gate(after, null_of(16, 0.0)).verdict == "depends"


@pytest.mark.parametrize("null", [0.0, 0.7, 0.95, 1.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_identical_and_negated_maps_are_unchanged_whatever_the_null(null, sign):
    matrix = np.full((16, 16), null)
    assert randomisation_gate(np.full(16, float(sign)), matrix).verdict == "unchanged"


def test_near_one_never_counts_as_dependence():
    gate = randomisation_gate(np.full(16, 0.95), np.full((16, 16), 0.97))
    assert gate.verdict == "unclear"
    assert randomisation_gate(np.full(16, 0.1), np.full((16, 16), 0.97)).verdict == "depends"


def test_seeds_of_an_image_and_images_of_a_patient_count_once():
    after, null = np.random.default_rng(1).uniform(0, 0.3, 20), null_of(20, 0.3)
    once = randomisation_gate(after, null)
    assert randomisation_gate(np.repeat(after[:, None], 3, 1), null) == once
    twice = np.repeat(np.repeat(null, 2, 0), 2, 1)
    doubled = randomisation_gate(np.repeat(after, 2), twice, np.repeat(np.arange(20), 2).tolist())
    assert (doubled.images, doubled.patients) == (40, 20)
    assert (doubled.low, doubled.high) == pytest.approx((once.low, once.high))


def test_unclear_says_how_many_more():
    few = randomisation_gate(np.zeros(3), null_of(3, 0.3))
    assert (few.verdict, few.more) == ("unclear", 2)
    after = np.linspace(0.2, 0.75, 8)
    middle = randomisation_gate(after, null_of(8, 0.4))
    assert middle.verdict == "unclear"
    assert middle.more >= 1
    dead = randomisation_gate(np.full(30, np.nan), np.zeros((30, 30)))
    assert (dead.verdict, dead.images) == ("unclear", 0)
    with pytest.raises(UsageError):
        randomisation_gate(np.zeros(8), np.zeros((7, 7)))


@pytest.mark.parametrize("patients", [16, 200])
def test_no_number_of_patients_is_named_where_none_would_decide(patients):
    """Maps as alike as those of different images, and all nearly identical: never decided."""
    after = 0.93 + 0.02 * np.random.default_rng(0).standard_normal(patients)
    gate = randomisation_gate(after, null_of(patients, 0.93))
    assert gate.verdict == "unclear"
    assert np.isnan(gate.more)


def test_the_named_number_counts_every_bound_that_is_missing():
    """Below the margin at once, but not yet clearly below NEAR_ONE."""
    spread = 0.02 * np.random.default_rng(0).standard_normal(16)
    spread -= spread.mean()
    gate = randomisation_gate(0.895 + spread, null_of(16, 0.95))
    assert gate.verdict == "unclear"
    assert gate.more > 1
    more = np.tile(spread, 1 + int(np.ceil((16 + gate.more) / 16)))
    assert randomisation_gate(0.895 + more, null_of(len(more), 0.95)).verdict == "depends"


def test_an_edge_filter_is_unchanged():
    """Sobel ignores the weights: its map after randomisation is the same."""
    images = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(16, 28, 28)), (0, 2, 2))
    edges = np.hypot(ndimage.sobel(images, 1), ndimage.sobel(images, 2))
    cells = edges.reshape(16, 7, 4, 7, 4).mean((2, 4)).reshape(16, -1)
    null = np.corrcoef(cells)
    assert randomisation_gate(np.diag(null), null).verdict == "unchanged"


@pytest.mark.parametrize("null", simulate.NULLS)
@pytest.mark.parametrize("patients", simulate.PATIENTS)
def test_type_i_error_and_power(null, patients):
    """Of 150 simulated evaluations; 5 % of them is 7.5, three standard errors more are 10.3 %."""
    runs = 150
    depends, _, unchanged = simulate.shares("at the margin", patients, null, runs, seed=1)
    assert max(depends, unchanged) <= 0.103
    for kind in ("half kept", "negated"):
        depends, _, unchanged = simulate.shares(kind, patients, null, runs, seed=2)
        assert depends == 0
        assert unchanged >= 0.95
    depends, _, unchanged = simulate.shares("independent", patients, null, runs, seed=3)
    assert unchanged <= 0.01
    assert depends >= (0.95 if patients >= 16 else 0.6)


def test_the_documented_table_is_the_simulated_one():
    text = (ROOT / "docs/what-a-map-can-say.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith(("| 0 | 8 ", "| 0.7 | 8 "))]
    assert len(rows) == 2
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        null = float(cells[0])
        for kind, cell in zip(simulate.KINDS, cells[2:]):
            documented = [float(part) for part in cell.split("/")]
            simulated = 100 * simulate.shares(kind, 8, null)
            # Rounding of sums may differ between processors: one run of 400 is 0.25.
            np.testing.assert_allclose(documented, simulated, atol=1.01)
