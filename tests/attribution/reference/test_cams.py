"""The oracle against values worked out by hand, and against itself.

2-D = depth-1 volume, batch = singles.
"""

import numpy as np
import pytest

from tests.support.reference import cams, hand


@pytest.mark.parametrize("name", sorted(cams.REFERENCE))
def test_by_hand(name):
    np.testing.assert_allclose(
        cams.REFERENCE[name](hand.ACTIVATIONS, hand.GRADIENTS), hand.HAND[name], atol=1e-14
    )


@pytest.mark.parametrize("name", sorted(cams.REFERENCE))
def test_plane_is_a_volume_of_depth_one_and_batch_is_singles(name):
    rng = np.random.default_rng(0)
    activations, gradients = rng.normal(size=(2, 2, 3, 4, 2))
    volume = cams.REFERENCE[name](activations[:, :, None], gradients[:, :, None])
    whole = cams.REFERENCE[name](activations, gradients)
    np.testing.assert_allclose(volume[:, 0], whole, atol=1e-12)
    for b in range(2):
        np.testing.assert_allclose(
            cams.REFERENCE[name](activations[b : b + 1], gradients[b : b + 1])[0], whole[b]
        )


def test_cam_by_hand():
    np.testing.assert_array_equal(cams.cam(hand.ACTIVATIONS, hand.CAM_HEAD), hand.CAM_MAP)


@pytest.mark.parametrize("case", sorted(hand.ABLATION))
def test_ablation_by_hand(case):
    score, ablated, expected = hand.ABLATION[case]
    np.testing.assert_array_equal(cams.ablationcam(hand.ACTIVATIONS, score, ablated), expected)


def test_scorecam_by_hand():
    np.testing.assert_allclose(
        cams.scorecam(hand.ACTIVATIONS, hand.SCORES), hand.SCORE_MAP, atol=1e-14
    )
    np.testing.assert_allclose(
        cams.scorecam_masks(hand.ACTIVATIONS, (4, 4)), hand.SCORE_MASKS, atol=1e-14
    )


def test_scorecam_gives_a_flat_channel_neither_mask_nor_weight():
    flat = np.concatenate([hand.ACTIVATIONS, np.full((1, 1, 2, 2), 7.0)], axis=1)
    scores = np.concatenate([hand.SCORES, [[100.0]]], axis=1)
    np.testing.assert_allclose(cams.scorecam(flat, scores), hand.SCORE_MAP, atol=1e-14)
    assert not cams.scorecam_masks(flat, (4, 4))[0, 2].any()


def test_gradcam_pp_guard_by_hand():
    result = cams.gradcam_pp(hand.PP_GUARD_ACTIVATIONS, hand.PP_GUARD_GRADIENTS)
    np.testing.assert_array_equal(result, hand.PP_GUARD_MAP)


def test_xgradcam_guard_by_hand():
    result = cams.xgradcam(hand.XGRAD_GUARD_ACTIVATIONS, hand.XGRAD_GUARD_GRADIENTS)
    np.testing.assert_array_equal(result, hand.XGRAD_GUARD_MAP)


def test_eigencam_sign_by_hand():
    np.testing.assert_allclose(
        cams.eigencam(hand.EIGEN_SIGN_ACTIVATIONS), hand.EIGEN_SIGN_MAP, atol=1e-14
    )
