import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from camlucida.core.errors import NoEvidenceError, UsageError
from camlucida.metrics import agreement as a

PAIRWISE = (a.pearson, a.spearman, a.top_cells_iou, a.ssim)
seeds = st.integers(0, 2**32 - 1)


def two(seed, levels=None, shape=(7, 8)):
    rng = np.random.default_rng(seed)
    if levels is None:
        return rng.random(shape), rng.random(shape)
    first, second = (rng.integers(0, levels, shape) / levels for _ in range(2))
    first[0, 0] = second[0, 0] = 1  # not constant
    return first, second


@given(seeds, st.sampled_from([None, 2, 5]))
def test_identity_symmetry_range_and_no_mutation(seed, levels):
    x, y = two(seed, levels)
    kept = x.copy(), y.copy()
    for metric in PAIRWISE:
        assert metric(x, x) == pytest.approx(1)
        assert metric(x, y) == pytest.approx(metric(y, x))
        assert -1 <= metric(x, y) <= 1
    np.testing.assert_array_equal((x, y), kept)


@given(seeds, st.sampled_from([None, 2, 5]))
def test_correlations_equal_scipy_and_ignore_place_and_scale(seed, levels):
    x, y = two(seed, levels)
    assert a.pearson(x, y) == pytest.approx(
        stats.pearsonr(x.ravel(), y.ravel()).statistic, abs=1e-9
    )
    assert a.spearman(x, y) == pytest.approx(
        stats.spearmanr(x.ravel(), y.ravel()).statistic, abs=1e-9
    )
    order = np.random.default_rng(seed).permutation(x.size)
    for metric in (a.pearson, a.spearman, a.top_cells_iou):
        assert metric(x.ravel()[order], y.ravel()[order]) == pytest.approx(metric(x, y))
        assert metric(x * 4 + 1, y) == pytest.approx(metric(x, y))


def test_top_cells_by_hand():
    x = np.array([9.0, 8, 7, 1, 1, 1])
    y = np.array([9.0, 1, 7, 8, 0, 0])
    assert a.top_cells_iou(x, y, 3) == 2 / 4
    # Ties: of the last three cells of x, each is taken by 2/3.
    assert a.top_cells_iou(x, np.array([9.0, 8, 7, 6, 5, 0]), 5) == pytest.approx(
        (3 + 4 / 3) / (5 + 2 / 3)
    )
    with pytest.raises(UsageError, match="top 7 of 6"):
        a.top_cells_iou(x, y, 7)


def test_ssim_equals_scikit_image_with_data_range_one():
    metrics = pytest.importorskip("skimage.metrics")
    x, y = two(0, shape=(24, 20))
    assert a.ssim(x, y) == pytest.approx(
        metrics.structural_similarity(x, y, data_range=1.0), abs=1e-9
    )
    small = two(1, shape=(6, 9))
    assert a.ssim(*small) == pytest.approx(
        metrics.structural_similarity(*small, data_range=1.0, win_size=5), abs=1e-9
    )
    assert np.isnan(a.ssim(*two(2, shape=(2, 9))))
    with pytest.raises(UsageError, match="from 0 to 2"):
        a.ssim(np.eye(8) * 2, np.eye(8))


def test_a_dead_map_agrees_with_nothing():
    x, dead = np.random.default_rng(0).random((7, 7)), np.zeros((7, 7))
    for metric in PAIRWISE:
        assert np.isnan(metric(x, dead))
        assert np.isnan(metric(dead, dead))
    assert np.isnan(a.kendall_w([x, x, dead]))


def test_bad_input_is_refused():
    x = np.ones((7, 7))
    for metric in PAIRWISE:
        with pytest.raises(UsageError, match=r"\(7, 7\) and \(7, 8\)"):
            metric(x, np.ones((7, 8)))
        with pytest.raises(NoEvidenceError):
            metric(x * np.nan, x)
    with pytest.raises(UsageError, match="two or more"):
        a.kendall_w([x])


def test_kendall_w_by_hand():
    assert a.kendall_w([[1, 2, 3], [10, 20, 30]]) == 1
    assert a.kendall_w([[1, 2, 3], [3, 2, 1]]) == 0
    assert a.kendall_w([[1, 1, 2], [1, 1, 2]]) == pytest.approx(
        1
    )  # only with the correction for ties


@given(seeds, st.integers(2, 5), st.sampled_from([None, 2, 4]))
def test_kendall_w_follows_friedman_and_mean_spearman(seed, count, levels):
    rng = np.random.default_rng(seed)
    maps = (
        rng.random((count, 12))
        if levels is None
        else rng.integers(0, levels, (count, 12)).astype(float)
    )
    maps[:, 0], maps[:, 1] = -1, 9
    w = a.kendall_w(list(maps))
    if count > 2:
        assert w == pytest.approx(
            stats.friedmanchisquare(*maps.T).statistic / (count * 11), abs=1e-9
        )
    if levels is None:
        pairs = [a.spearman(maps[i], maps[j]) for i in range(count) for j in range(i)]
        assert w == pytest.approx((1 + (count - 1) * np.mean(pairs)) / count, abs=1e-9)


def test_null_pairs_are_of_different_patients():
    maps = [np.full((2, 2), i) for i in range(6)]
    patients = ["a", "a", "b", "b", "c", "c"]
    seen = []
    null = a.different_image_null(
        maps,
        maps,
        similarity=lambda x, y: seen.append((int(x[0, 0]), int(y[0, 0]))) or 0.25,
        patients=patients,
        pairs=1000,
    )
    assert len(seen) == len(set(seen)) == len(null) == 6 * 4
    assert all(patients[i] != patients[j] for i, j in seen)
    assert a.excess(0.25, float(null.mean())) == 0
    first, second = (
        a.different_image_null(maps, maps, similarity=lambda x, y: float(x[0, 0]), pairs=9, seed=s)
        for s in (3, 3)
    )
    np.testing.assert_array_equal(first, second)
    with pytest.raises(UsageError, match="one image or patient"):
        a.different_image_null(maps, maps, patients=["a"] * 6)
    with pytest.raises(UsageError, match="6 maps against 5"):
        a.different_image_null(maps, maps[:5])


def test_smooth_unrelated_maps_agree_and_the_excess_takes_it_away():
    y, x = np.mgrid[:9, :9] - 4.0
    bias = np.exp(-(y**2 + x**2) / 10)
    rng = np.random.default_rng(0)
    maps = [0.9 * bias + 0.1 * rng.random((9, 9)) for _ in range(12)]
    null = a.different_image_null(maps, maps, similarity=a.spearman)
    assert null.mean() > 0.5
    assert a.excess(a.spearman(maps[0], maps[1]), null.mean()) == pytest.approx(0, abs=0.2)
    assert a.excess(1.0, null.mean()) == 1
