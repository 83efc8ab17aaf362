"""Which pixels go, and what stands in their place."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorch_grad_cam.metrics.perturbation_confidence import RemoveMostRelevantFirst
from pytorch_grad_cam.metrics.road import NoisyLinearImputer

from camlucida.core.errors import NoEvidenceError, UsageError
from camlucida.metrics.imputation import (
    BLUR,
    Perturbation,
    PerturbedImage,
    chosen,
    exact_count,
    filled,
    impute,
    ranking,
)
from tests.support.peers import quiet


def picture(*shape: int, seed: int = 0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def dense_imputation(plane, removed):
    """The system of equations written out, one pixel and one neighbour at a time."""
    unknown = [(int(r), int(c)) for r, c in zip(*np.nonzero(removed))]
    matrix, right = np.zeros((len(unknown), len(unknown))), np.zeros(len(unknown))
    for row, (r, c) in enumerate(unknown):
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                if (dr, dc) == (0, 0) or not (
                    0 <= r + dr < plane.shape[0] and 0 <= c + dc < plane.shape[1]
                ):
                    continue
                weight = 1 / 6 if dr == 0 or dc == 0 else 1 / 12
                matrix[row, row] += weight
                if removed[r + dr, c + dc]:
                    matrix[row, unknown.index((r + dr, c + dc))] -= weight
                else:
                    right[row] += weight * plane[r + dr, c + dc]
    result = plane.copy()
    result[removed] = np.linalg.solve(matrix, right)
    return result


# ---- ranking -------------------------------------------------------------------------------------
# ---------------------------


def test_hottest_first():
    assert ranking(torch.tensor([[1.0, 4.0], [3.0, 2.0]])).tolist() == [1, 2, 3, 0]


def test_ties_are_broken_by_the_seed_alone():
    tied = torch.zeros(10, 10)
    assert ranking(tied, 1).tolist() == ranking(tied, 1).tolist()
    assert ranking(tied, 1).tolist() != ranking(tied, 2).tolist()
    assert sorted(ranking(tied)) == list(range(100))
    first = [int(ranking(tied, seed)[0]) for seed in range(300)]
    assert 35 < np.mean(first) < 65  # no corner is preferred


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(0, 5), st.floats(0, 1))
def test_exactly_k_are_chosen_and_none_hotter_is_left(values, seed, share):
    heat = torch.tensor(values, dtype=torch.float32)
    count = exact_count(share, len(values))
    mask = chosen(ranking(heat, seed), count, (len(values),))
    assert mask.sum() == count
    assert abs(count - share * len(values)) <= 0.5
    assert 0 in (mask.sum(), (~mask).sum()) or heat.numpy()[mask].min() >= heat.numpy()[~mask].max()


def test_a_strict_percentile_removes_everything_where_exact_k_does_not():
    # The reference keeps mask < percentile: with 15 % zeros the 10th percentile is 0, and nothing
    # is kept.
    heat = torch.rand(20, 20, generator=torch.Generator().manual_seed(1)) + 0.1
    heat.view(-1)[:60] = 0
    kept = []
    RemoveMostRelevantFirst(10, lambda image, mask: kept.append(float(mask.mean())))(
        torch.zeros(1, 20, 20), heat
    )
    assert kept == [0.0]
    assert chosen(ranking(heat), exact_count(0.9, 400), (20, 20)).mean() == 0.9


@pytest.mark.parametrize("heat", [torch.tensor([1.0, float("nan")]), torch.zeros(0)])
def test_a_map_without_an_order(heat):
    with pytest.raises(NoEvidenceError):
        ranking(heat)


def test_a_share_outside_0_1():
    with pytest.raises(UsageError):
        exact_count(1.2, 10)


# ---- imputation ----------------------------------------------------------------------------------
# ---------------------------


def test_one_pixel_by_hand():
    image = torch.arange(9.0).reshape(1, 3, 3)
    removed = np.zeros((3, 3), bool)
    removed[0, 0] = True  # right 1, below 3: 1/6 each; across 4: 1/12
    assert impute(image, removed, 0)[0, 0, 0] == pytest.approx(
        (1 / 6 * 1 + 1 / 6 * 3 + 1 / 12 * 4) / (5 / 12)
    )
    removed[:] = False
    removed[1, 1] = True
    image[0, 1, 1] = 99
    assert impute(image, removed, 0)[0, 1, 1] == pytest.approx(4.0)


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 6))
def test_equals_the_equations_written_out(seed, rows, columns):
    rng = np.random.default_rng(seed)
    image, removed = rng.random((2, rows, columns)), rng.random((rows, columns)) < 0.6
    removed[rng.integers(rows), rng.integers(columns)] = False
    ours = impute(torch.from_numpy(image), removed, 0).numpy()
    for plane, expected in zip(ours, image):
        np.testing.assert_allclose(plane, dense_imputation(expected, removed), atol=1e-12)
    assert ours.min() >= image[:, ~removed].min() - 1e-12  # a mean lies between its parts
    assert ours.max() <= image[:, ~removed].max() + 1e-12


def test_a_linear_ramp_is_restored_inside():
    ramp = torch.linspace(0, 1, 9)[None, None].expand(1, 9, 9).double()
    removed = np.zeros((9, 9), bool)
    removed[2:7, 2:7] = True
    torch.testing.assert_close(impute(ramp, removed, 0), ramp.clone())


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8])
@pytest.mark.parametrize("channels", [1, 3])
def test_parity_with_grad_cam(share, channels):
    image, heat = picture(channels, 40, 32), picture(40, 32, seed=1)
    removed = chosen(ranking(heat), exact_count(share, heat.numel()), (40, 32))
    with quiet():
        theirs = NoisyLinearImputer(noise=0)(
            image, torch.from_numpy(1 - removed.astype(np.float32))
        )
    assert float((impute(image, removed, 0) - theirs).abs().max()) < 1e-5


def test_grey_channels_are_one():
    grey = picture(1, 12, 12).expand(3, 12, 12)
    removed = chosen(ranking(picture(12, 12, seed=2)), 80, (12, 12))
    result = impute(grey, removed, 0.01, 3)
    assert torch.equal(result[0], result[1])
    assert torch.equal(result[:1], impute(grey[:1], removed, 0.01, 3))
    coloured = picture(3, 12, 12, seed=5)
    alone = torch.cat([impute(plane[None], removed, 0) for plane in coloured])
    torch.testing.assert_close(impute(coloured, removed, 0), alone)


def test_noise():
    image, removed = torch.full((1, 60, 60), 0.5), np.ones((60, 60), bool)
    removed[:, ::4] = False
    noisy = impute(image, removed, 0.01, 7)
    assert torch.equal(noisy[0][~torch.from_numpy(removed)], image[0][~torch.from_numpy(removed)])
    assert float((noisy - 0.5)[0][torch.from_numpy(removed)].std()) == pytest.approx(0.01, rel=0.05)
    fewer = removed.copy()
    fewer[:30] = False
    again = impute(image, fewer, 0.01, 7)
    torch.testing.assert_close(again[0, 30:], noisy[0, 30:])  # the same field under another mask
    assert not torch.equal(noisy, impute(image, removed, 0.01, 8))


def test_nothing_removed_nothing_changed_no_generator_touched():
    image = picture(1, 5, 5)
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    result = impute(image, np.zeros((5, 5), bool))
    assert torch.equal(result, image)
    assert result.data_ptr() != image.data_ptr()
    before = image.clone()
    impute(image, np.eye(5, dtype=bool))
    assert torch.equal(image, before)
    assert torch.equal(state, torch.get_rng_state())
    assert (numpy_state == np.random.get_state()[1]).all()  # noqa: NPY002


@pytest.mark.parametrize(
    ("shape", "removed"),
    [
        ((1, 4, 4), np.ones((4, 4), bool)),
        ((1, 4, 4), np.ones((3, 4), bool)),
        ((1, 4, 4, 4), np.eye(4) > 0),
    ],
)
def test_what_cannot_be_imputed(shape, removed):
    with pytest.raises(UsageError):
        impute(torch.zeros(shape), removed)


def test_half_precision_is_imputed_in_single():
    assert impute(picture(1, 6, 6).half(), np.eye(6, dtype=bool)).dtype == torch.float32


# ---- fills and cases -----------------------------------------------------------------------------
# ---------------------------


def test_fills():
    image = picture(2, 16, 20)
    assert not filled(image, "black").any()
    torch.testing.assert_close(filled(image, "mean")[1], image[1].mean().expand(16, 20))
    for name in BLUR:
        flat = torch.full((1, 16, 20), 0.3)
        torch.testing.assert_close(filled(flat, name), flat)
    assert filled(image, "strong blur").std() < filled(image, "blur").std() < image.std()
    with pytest.raises(UsageError, match="strong blur"):
        filled(image, "white")


def case(native, image, normalise=None, seed=0):
    return Perturbation(PerturbedImage("a", image, (False, True), normalise), native, seed)


def test_a_case_scales_and_alters_before_the_models_normalisation():
    image = torch.full((1, 4, 4), 0.5)
    native = torch.tensor([[0.0, 2.0], [4.0, 4.0]])
    one = case(native, image, lambda x: (x - 0.5) / 0.25)
    assert float(one.unit.min()) == 0
    assert float(one.unit.max()) == 1
    torch.testing.assert_close(one.masked(), (0.5 * one.unit[None] - 0.5) / 0.25)
    torch.testing.assert_close(one.unmasked(), (0.5 * (1 - one.unit[None]) - 0.5) / 0.25)
    assert one.token == case(native.clone(), image).token
    assert one.token != case(native, image, seed=1).token
    assert one.token != case(native + 1, image).token


def test_cells_cover_their_pixels():
    native = torch.tensor([[0.0, 3.0], [2.0, 1.0]])
    hot = case(native, torch.zeros(1, 6, 4)).hottest("cells", 1)
    assert hot.nonzero().tolist() == [[r, c] for r in range(3) for c in (2, 3)]


def test_swapping():
    image = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    one = case(image[0], image)
    assert one.swapped("pixels", 1, "black", "delete").tolist() == [[[1, 2], [3, 0]]]
    assert one.swapped("pixels", 3, "black", "insert").tolist() == [[[0, 2], [3, 4]]]


def test_a_map_of_another_rank():
    with pytest.raises(UsageError):
        _ = case(torch.zeros(2, 2, 2), torch.zeros(1, 4, 4)).heat
