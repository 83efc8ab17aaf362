import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camlucida.core.errors import NoEvidenceError, UsageError
from camlucida.metrics import annotation_overlap as overlap
from camlucida.metrics import localisation as m
from camlucida.metrics.base import METRICS
from camlucida.metrics.class_specificity import class_specificity, class_specificity_gain

TRUTH = np.zeros((6, 8), bool)
TRUTH[1:3, 2:5] = True  # 6 of 48 pixels
AREA = 6 / 48
PIXEL = (m.hit, m.tolerant_hit, m.relevance_mass, m.relevance_rank, m.roc_auc, m.average_precision)
OVERLAP = (overlap.iou_otsu, overlap.dice_otsu, overlap.iou_area_matched)
ALL = (*PIXEL, m.attention_ratio, m.average_precision_lift, *OVERLAP, overlap.iou_best)
seeds = st.integers(0, 2**32 - 1)


def drawn(seed, levels=None):
    rng = np.random.default_rng(seed)
    values = rng.random((9, 7)) if levels is None else rng.integers(0, levels, (9, 7)).astype(float)
    truth = rng.random((9, 7)) < rng.uniform(0.05, 0.9)
    truth[0, 0], truth[8, 6] = True, False
    return values, truth


def test_the_perfect_map():
    for metric in (*PIXEL, *OVERLAP, overlap.iou_best):
        assert metric(TRUTH.astype(float), TRUTH) == pytest.approx(1), metric
    assert m.attention_ratio(TRUTH, TRUTH) == pytest.approx(1 / AREA)
    assert m.average_precision_lift(TRUTH, TRUTH) == pytest.approx(1 / AREA)


def test_one_pixel_inside_the_truth():
    values = np.zeros(TRUTH.shape)
    values[1, 2] = 3
    assert m.hit(values, TRUTH) == m.relevance_mass(values, TRUTH) == 1
    tied = 5 / 47  # 5 of the 47 pixels at 0 are inside
    assert m.relevance_rank(values, TRUTH) == pytest.approx((1 + 5 * tied) / 6)
    assert m.roc_auc(values, TRUTH) == pytest.approx((1 + 5 * 0.5) / 6)
    assert m.average_precision(values, TRUTH) == pytest.approx((1 + 5 * AREA) / 6)
    assert overlap.iou_otsu(values, TRUTH) == pytest.approx(1 / 6)
    assert overlap.dice_otsu(values, TRUTH) == pytest.approx(2 / 7)


def test_one_pixel_outside_the_truth_is_tolerated_by_its_distance():
    values = np.zeros(TRUTH.shape)
    values[5, 6] = 1  # nearest truth pixel (2, 4): distance √13
    assert (
        m.hit(values, TRUTH)
        == m.relevance_mass(values, TRUTH)
        == overlap.iou_otsu(values, TRUTH)
        == 0
    )
    assert (m.tolerant_hit(values, TRUTH, 3.6), m.tolerant_hit(values, TRUTH, 3.61)) == (0, 1)


@pytest.mark.parametrize("level", [0.0, 2.5])
def test_a_constant_map_scores_chance(level):
    flat = np.full(TRUTH.shape, level)
    for metric in (m.hit, m.relevance_rank, m.average_precision):
        assert metric(flat, TRUTH) == pytest.approx(AREA)
    assert m.roc_auc(flat, TRUTH) == 0.5
    assert m.average_precision_lift(flat, TRUTH) == pytest.approx(1)
    assert overlap.iou_area_matched(flat, TRUTH) == pytest.approx(AREA / (2 - AREA))
    assert (
        overlap.iou_otsu(flat, TRUTH)
        == overlap.iou_tuned(flat, TRUTH, 0.5)
        == overlap.dice_tuned(flat, TRUTH, 0.0)
        == 0
    )
    np.testing.assert_equal(m.relevance_mass(flat, TRUTH), AREA if level else np.nan)
    np.testing.assert_equal(m.attention_ratio(flat, TRUTH), 1.0 if level else np.nan)


def test_an_empty_truth_has_no_score():
    values, empty = np.random.default_rng(0).random((6, 8)), np.zeros((6, 8), bool)
    assert all(np.isnan(metric(values, empty)) for metric in ALL)
    assert np.isnan(m.roc_auc(values, ~empty))
    assert np.isnan(class_specificity(values, TRUTH, empty))


def test_negative_heat_does_not_count_as_mass():
    values = np.where(TRUTH, -5.0, 0.0)
    values[1, 2], values[5, 5] = 1, 3
    assert m.relevance_mass(values, TRUTH) == pytest.approx(0.25)
    assert m.attention_ratio(values, TRUTH) == pytest.approx(0.25 / AREA)


def test_a_corner_peak_has_256_maxima():
    torch = pytest.importorskip("torch")
    grid = torch.zeros(1, 1, 7, 7)
    grid[0, 0, 0, 0] = 1
    large = torch.nn.functional.interpolate(
        grid, size=(224, 224), mode="bilinear", align_corners=False
    )[0, 0].numpy()
    truth = np.zeros((224, 224), bool)
    truth[8:20, 8:20] = True  # 8×8 of the 16×16 maxima; the first maximum is outside
    assert (large == large.max()).sum() == 256
    assert m.hit(large, truth) == 64 / 256


def test_class_specificity():
    other = np.zeros_like(TRUTH)
    other[4:6, 0:3] = True
    values = TRUTH + 0.5 * other
    assert class_specificity(values, TRUTH, other) == -class_specificity(values, other, TRUTH) > 0.3
    assert class_specificity(values, TRUTH, TRUTH) == 0
    # The average mask gains nothing over itself.
    assert class_specificity_gain(values, TRUTH, other, values) == 0
    of_average = class_specificity(other, TRUTH, other)
    expected = class_specificity(values, TRUTH, other) - of_average
    assert class_specificity_gain(values, TRUTH, other, other) == expected


def test_bad_input_is_refused_in_one_line():
    values = np.ones((6, 8))
    with pytest.raises(UsageError, match="mask of 8×6 for a map of 6×8"):
        m.hit(values, TRUTH.T)
    with pytest.raises(UsageError, match="mask of 8×6 for a map of 6×8"):
        m.attention_ratio(values, TRUTH.T)
    with pytest.raises(UsageError, match="4 values"):
        m.hit(values, TRUTH + 2 * np.eye(6, 8))
    values[0, 0] = np.nan
    for metric in ALL:
        with pytest.raises(NoEvidenceError, match="1 of 48"):
            metric(values, TRUTH)


@given(seeds, st.sampled_from([None, 1, 2, 5]), st.sampled_from([1e-300, 1e-5, 3.0, 1e200]))
def test_ranges_scale_and_position(seed, levels, factor):
    values, truth = drawn(seed, levels)
    kept, kept_truth = values.copy(), truth.copy()
    order = np.random.default_rng(seed).permutation(values.size)
    for metric in ALL:
        score = metric(values, truth)
        if np.isnan(score):
            assert not values.any()
            continue
        top = METRICS[metric.__name__].range[1] if metric.__name__ in METRICS else 1
        assert 0 <= score <= (top if top is not None else 1 / truth.mean()) + 1e-12
        if metric not in (
            overlap.iou_otsu,
            overlap.dice_otsu,
        ):  # 256 levels: the last bit of a product may change a level
            assert metric(values * factor, truth) == pytest.approx(score, abs=1e-9)
        if metric is not m.tolerant_hit:
            moved = metric(
                values.reshape(-1)[order].reshape(7, 9), truth.reshape(-1)[order].reshape(7, 9)
            )
            assert moved == pytest.approx(score, abs=1e-9)
    np.testing.assert_array_equal(values, kept)
    np.testing.assert_array_equal(truth, kept_truth)


@given(seeds, st.sampled_from([None, 2, 5]))
def test_monotone_change_keeps_rank_metrics(seed, levels):
    values, truth = drawn(seed, levels)
    for metric in (
        m.hit,
        m.tolerant_hit,
        m.relevance_rank,
        m.roc_auc,
        m.average_precision,
        overlap.iou_area_matched,
        overlap.iou_best,
    ):
        assert metric(np.exp(values), truth) == pytest.approx(metric(values, truth), abs=1e-12)
    assert m.roc_auc(-values, truth) == pytest.approx(1 - m.roc_auc(values, truth))


@given(seeds, st.sampled_from([None, 2, 5]))
def test_rank_accuracy_is_the_mean_over_random_tie_breaking(seed, levels):
    values, truth = drawn(seed, levels)
    rng = np.random.default_rng(seed)
    shares = []
    for _ in range(400):
        order = np.lexsort((rng.random(values.size), -values.reshape(-1)))
        shares.append(truth.reshape(-1)[order[: truth.sum()]].mean())
    assert m.relevance_rank(values, truth) == pytest.approx(np.mean(shares), abs=0.1)


@given(seeds, st.sampled_from([None, 2, 5]))
def test_pixel_curves_equal_scikit_learn(seed, levels):
    sk = pytest.importorskip("sklearn.metrics")
    values, truth = drawn(seed, levels)
    assert m.roc_auc(values, truth) == pytest.approx(
        sk.roc_auc_score(truth.ravel(), values.ravel()), abs=1e-9
    )
    assert m.average_precision(values, truth) == pytest.approx(
        sk.average_precision_score(truth.ravel(), values.ravel()), abs=1e-9
    )
