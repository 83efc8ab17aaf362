"""Where the peers leave the paper, each shown on the smallest input that shows it.

Only the peers and the oracle run here: the cases say what this package must not inherit. A test
that fails after an upgrade of a peer means that the peer was mended.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_grad_cam as pgc
import torch
from scipy.ndimage import zoom
from torch import Tensor, nn
from torchcam import methods as tc

from tests.support import peers
from tests.support.reference import cams, hand, nets

CATEGORIES = [1, 2]


def gap_net(head: list[list[float]]) -> nets.MeanNet:
    """Input = activations, score = head · mean of each channel.

    Every score and gradient is known.
    """
    return nets.MeanNet(nn.Identity(), torch.tensor(head))


# --- capture --------------------------------------------------------------------------------------


def test_pgc_in_place_relu_rewrites_the_captured_activation():
    plain, inputs = nets.conv_net(inplace=False)
    in_place, _ = nets.conv_net(inplace=True)
    assert torch.equal(plain(inputs), in_place(inputs))
    before = peers.pgc_map(plain, plain.features, inputs, CATEGORIES, "hirescam")
    after = peers.pgc_map(in_place, in_place.features, inputs, CATEGORIES, "hirescam")
    activations, gradients, _ = peers.autograd_evidence(
        in_place, in_place.features, inputs, CATEGORIES
    )
    assert activations.min() < 0  # a copy: what the layer really gave
    raw = torch.from_numpy(cams.gradcam(activations.numpy(), gradients.numpy()))
    ours = peers.pgc_postprocess(raw, inputs.shape[2:])
    grad_before = peers.pgc_map(plain, plain.features, inputs, CATEGORIES, "gradcam")
    grad_after = peers.pgc_map(in_place, in_place.features, inputs, CATEGORIES, "gradcam")
    np.testing.assert_allclose(grad_before, ours, atol=2e-6)
    assert np.abs(grad_after - ours).max() > 0.1  # only `inplace` differs between the two networks
    # g is 0 wherever the ReLU cut, so HiResCAM (g ⊙ A) hides the accident that Grad-CAM shows.
    np.testing.assert_allclose(before, after, atol=2e-6)


def test_torchcam_in_place_relu_explains_the_relu_instead_of_the_layer():
    net, inputs = nets.conv_net(inplace=True)
    theirs = peers.torchcam_map(net, net.features, inputs, CATEGORIES, "gradcam")
    maps = {}
    for layer in (net.features, net.act):
        plain, _ = nets.conv_net(inplace=False)
        chosen = plain.features if layer is net.features else plain.act
        activations, gradients, _ = peers.autograd_evidence(plain, chosen, inputs, CATEGORIES)
        raw = torch.from_numpy(cams.gradcam(activations.numpy(), gradients.numpy()))
        maps[layer] = peers.torchcam_postprocess(raw)
    np.testing.assert_allclose(theirs, maps[net.act], atol=2e-6)
    assert np.abs(theirs - maps[net.features]).max() > 0.1


def test_pgc_leaves_eval_mode_and_parameter_gradients_behind():
    net, inputs = nets.conv_net()
    net.train()
    with pgc.GradCAM(model=net, target_layers=[net.features]) as cam:
        cam(input_tensor=inputs, targets=peers.pgc_targets(CATEGORIES, 2))
    assert not net.training
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_pgc_cannot_explain_a_frozen_model():
    net, inputs = nets.conv_net()
    net.requires_grad_(False)
    with pytest.raises(RuntimeError, match="does not require grad"):
        peers.pgc_map(net, net.features, inputs, CATEGORIES, "gradcam")
    net.head.requires_grad_(
        True
    )  # thawed after the layer only: no gradient reaches the layer's hook
    with pytest.raises(AttributeError):
        peers.pgc_map(net, net.features, inputs, CATEGORIES, "gradcam")


def test_pgc_one_target_for_two_images_gives_the_second_an_all_zero_map():
    net, inputs = nets.conv_net()
    with peers.pgc_cam(net, [net.features], pgc.GradCAM) as cam:
        maps = cam(input_tensor=inputs, targets=peers.pgc_targets(1, 1))
    assert maps[0].max() > 0.9
    assert not maps[1].any()


def test_pgc_with_block_swallows_an_index_error(capsys):
    net, inputs = nets.conv_net()
    with pgc.GradCAM(model=net, target_layers=[net.features]) as cam:
        cam(input_tensor=inputs, targets=peers.pgc_targets(99, 2))  # there are 4 classes
    assert "IndexError" in capsys.readouterr().out


def test_pgc_ablation_that_fails_leaves_its_layer_in_the_model():
    net, inputs = nets.conv_net()
    calls: list[int] = []

    def target(output: Tensor) -> Tensor:
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("the second score fails")
        return output[1]

    layer = net.features
    with peers.quiet(net):
        cam = pgc.AblationCAM(model=net, target_layers=[layer])
        with pytest.raises(RuntimeError, match="second score"):
            cam(input_tensor=inputs[:1], targets=[target])
        cam.activations_and_grads.release()
    assert net.features is not layer


# --- scaling and resizing -------------------------------------------------------------------------


def test_pgc_and_torchcam_turn_an_even_positive_map_into_zeros():
    net = gap_net([[1.0], [1.0]])
    inputs = torch.full((1, 1, 4, 4), 3.0, requires_grad=True)  # Grad-CAM: 3/16 in every cell
    assert not peers.pgc_map(net, net.features, inputs, 0, "gradcam").any()
    assert not peers.torchcam_map(net, net.features, inputs, 0, "gradcam").any()


def test_pgc_resizes_volumes_by_a_cubic_spline_that_aligns_corners():
    net = gap_net([[1.0]])
    net.features = nn.AvgPool3d(2)
    small = np.random.default_rng(0).random((3, 3, 3))
    small = (small - small.min()) / (small.max() - small.min())
    volume = (
        torch.from_numpy(small.repeat(2, 0).repeat(2, 1).repeat(2, 2))
        .float()[None, None]
        .requires_grad_()
    )
    theirs = peers.pgc_map(net, net.features, volume, 0, "gradcam")[0]
    spline = np.maximum(zoom(np.float32(small), 2.0, order=3), 0)  # the undershoot is cut
    spline = (spline - spline.min()) / (spline.max() - spline.min())
    np.testing.assert_allclose(theirs, spline, atol=2e-6)
    linear = cams.upsample(small, (6, 6, 6))
    assert np.abs(theirs - (linear - linear.min()) / (linear.max() - linear.min())).max() > 0.1


# --- formulas -------------------------------------------------------------------------------------


def test_pgc_gradcam_pp_epsilon_swallows_small_gradients():
    gradients = (
        hand.GRADIENTS * 1e-4
    )  # 2g² = 2e-8 stands beside ε = 1e-6; deep networks give such gradients
    theirs = peers.pgc_weights("gradcam_pp", hand.ACTIVATIONS, gradients)
    paper = cams.gradcam_pp_weights(hand.ACTIVATIONS, gradients)
    assert (theirs[0] < 0.1 * paper[0]).all()
    # and the order of two channels turns round: α → g²/ε makes the weight cubic in g
    gradients = np.zeros((1, 2, 2, 2))
    gradients[0, 0] = 1e-4  # four cells of a weak gradient
    gradients[0, 1, 0, 0] = 3e-4  # one cell of a stronger
    ones = np.ones((1, 2, 2, 2))
    paper, theirs = (
        cams.gradcam_pp_weights(ones, gradients)[0],
        peers.pgc_weights("gradcam_pp", ones, gradients)[0],
    )
    assert paper[0] > paper[1]
    assert theirs[0] < theirs[1]


def test_pgc_gradcam_pp_is_the_paper_but_for_its_epsilon():
    rng = np.random.default_rng(0)
    activations, gradients = np.abs(rng.normal(size=(2, 1, 3, 2, 2)))
    totals = activations.sum((2, 3), keepdims=True)
    alpha = gradients**2 / (2 * gradients**2 + totals * gradients**3 + 1e-6)
    theirs = peers.pgc_weights("gradcam_pp", activations, gradients)
    np.testing.assert_allclose(theirs, (alpha * gradients).sum((2, 3)), rtol=1e-12)


def test_pgc_gradcam_pp_divides_by_its_epsilon_where_the_denominator_is_zero():
    theirs = peers.pgc_weights("gradcam_pp", hand.PP_GUARD_ACTIVATIONS, hand.PP_GUARD_GRADIENTS)
    np.testing.assert_allclose(theirs, [[4e6]])  # four cells of α = 1/ε
    ours = cams.gradcam_pp_weights(hand.PP_GUARD_ACTIVATIONS, hand.PP_GUARD_GRADIENTS)
    np.testing.assert_allclose(ours, [[2.0]])  # four cells of the paper's largest α, ½


def test_torchcam_gradcam_pp_never_divides():
    activations, gradients = torch.from_numpy(hand.ACTIVATIONS), torch.from_numpy(hand.GRADIENTS)
    theirs = peers.torchcam_weights("gradcam_pp", activations, gradients)
    np.testing.assert_allclose(
        theirs, [[1.0 + 8.0, 1.0]]
    )  # Σ relu(g)³: `alpha[idx][mask].div_` divides a copy
    np.testing.assert_allclose(
        cams.gradcam_pp_weights(hand.ACTIVATIONS, hand.GRADIENTS), [[11 / 30, 1 / 4]]
    )


@pytest.mark.parametrize("peer", ["pgc", "torchcam"])
def test_xgradcam_epsilon_lets_a_cancelled_channel_drown_the_others(peer):
    activations, gradients = hand.XGRAD_GUARD_ACTIVATIONS, hand.XGRAD_GUARD_GRADIENTS
    if peer == "pgc":
        theirs = peers.pgc_weights("xgradcam", activations, gradients)
    else:
        theirs = peers.torchcam_weights(
            "xgradcam", torch.from_numpy(activations), torch.from_numpy(gradients)
        )
    assert abs(theirs[0, 0]) > 1e6  # Σ(gA) = −3 over ε
    np.testing.assert_allclose(theirs[0, 1], 3.0, rtol=1e-6)
    np.testing.assert_array_equal(cams.xgradcam_weights(activations, gradients), [[0.0, 3.0]])


def test_pgc_xgradcam_epsilon_meets_a_negative_sum():
    activations = np.array([[[[1.0, -1.0], [-1e-7, 0.0]]]])  # ΣA = −1e-7, ε = +1e-7
    theirs = peers.pgc_weights("xgradcam", activations, np.ones((1, 1, 2, 2)))
    assert not np.isfinite(theirs).all() or np.abs(theirs).max() > 1e3
    np.testing.assert_allclose(
        cams.xgradcam_weights(activations, np.ones((1, 1, 2, 2))), [[1.0]]
    )  # g = 1: ΣA/ΣA


def test_pgc_eigencam_centres_the_channels():
    theirs = peers.pgc_raw("eigencam", hand.ACTIVATIONS, hand.GRADIENTS)
    assert abs(theirs.mean()) < 1e-6
    assert hand.HAND["eigencam"].mean() > 0.5
    features = hand.ACTIVATIONS[0].reshape(2, 4).T
    centred = features - features.mean(0)
    expected = centred @ np.linalg.svd(centred)[2][0]
    np.testing.assert_allclose(np.abs(theirs.ravel()), np.abs(expected), atol=1e-6)


def test_pgc_eigencam_sign_is_arbitrary():
    agreement = []
    for seed in range(30):
        activations = np.abs(np.random.default_rng(seed).normal(size=(1, 3, 4, 4)))
        theirs = peers.pgc_raw("eigencam", activations, activations)
        agreement.append(np.corrcoef(theirs.ravel(), activations.sum(1).ravel())[0, 1])
        ours = cams.eigencam(activations)
        assert np.corrcoef(ours.ravel(), activations.sum(1).ravel())[0, 1] >= 0
    assert min(agreement) < -0.3  # the brightest evidence is then cut by the max(·, 0) that follows
    assert max(agreement) > 0.3


def test_pgc_fem_multiplies_by_the_activations():
    activations = np.ones((1, 1, 4, 4))
    activations[0, 0, 0, 0] = (
        5.0  # mean 5/4, σ = √15/4: only this cell stands above mean + 2σ = 3.2
    )
    with peers.quiet():
        theirs = pgc.FEM.get_cam_image(
            SimpleNamespace(k=2), None, None, None, activations, None, False
        )
    np.testing.assert_allclose(
        theirs, activations[0] / 16
    )  # the share of lit cells × A: every cell shows
    paper = np.where(activations[0] > 3.2, 5 / 4, 0.0)  # the channel's mean, at the lit cells alone
    assert np.abs(theirs - paper).max() > 0.9


# --- perturbation ---------------------------------------------------------------------------------


def test_pgc_ablation_of_signed_activations_is_not_zeroing():
    net = gap_net([[1.0, 1.0]])
    inputs = torch.from_numpy(hand.ACTIVATIONS).float()  # means 1 and ½: y = 3/2, w = (2/3, 1/3)
    score, ablated = peers.zeroed_channel_scores(net, net.features, inputs, 0)
    np.testing.assert_allclose(cams.ablationcam_weights(score, ablated), [[2 / 3, 1 / 3]])
    singly, _ = peers.pgc_ablation_weights(net, net.features, inputs, 0, batch_size=1)
    assert (singly > 1e6).all()  # min − 1e7, whatever the channel held
    np.testing.assert_allclose(singly[0, 0], singly[0, 1], rtol=1e-6)
    # In a batch each channel's value starts from the last one's: −1e7, −2e7, …, so the weights
    # follow the batch size.
    together, _ = peers.pgc_ablation_weights(net, net.features, inputs, 0, batch_size=2)
    np.testing.assert_allclose(together[0, 1] / together[0, 0], 2.0, rtol=1e-5)


def test_pgc_ablation_of_a_layer_without_a_single_zero_is_not_zeroing():
    net = gap_net([[1.0, 1.0]])
    inputs = (
        torch.rand(1, 2, 3, 3, generator=torch.Generator().manual_seed(0)) + 0.1
    )  # positive throughout
    weights, _ = peers.pgc_ablation_weights(net, net.features, inputs, 0)
    assert (weights > 1e6).all()


def test_pgc_ablation_flips_the_map_of_a_negative_score():
    inputs = torch.tensor(
        [[[[0.0, 4.0], [4.0, 4.0]], [[0.0, 4.0], [0.0, 0.0]]]]
    )  # means 3 and 1, smallest value 0
    up, down = gap_net([[1.0, -1.0]]), gap_net([[1.0, -5.0]])  # y = 2 and −2
    for net, expected in [(up, [[1.5, -0.5]]), (down, [[1.5, -2.5]])]:
        score, ablated = peers.zeroed_channel_scores(net, net.features, inputs, 0)
        np.testing.assert_allclose(cams.ablationcam_weights(score, ablated), expected)
        theirs, _ = peers.pgc_ablation_weights(net, net.features, inputs, 0)
        np.testing.assert_allclose(theirs, np.array(expected) * np.sign(score), rtol=1e-6)


def test_score_masks_differ_by_the_order_of_their_steps():
    activations = torch.zeros(1, 1, 3, 3)
    activations[0, 0, 1, 1] = 1.0
    size = (6, 6)
    paper = cams.scorecam_masks(activations.numpy(), size)
    in_pgc = peers.pgc_score_masks(activations, size).numpy()
    in_torchcam = peers.torchcam_score_masks(activations, size).numpy()
    assert paper.max() == pytest.approx(1.0)
    assert in_torchcam.max() == pytest.approx(
        0.75**2
    )  # scaled before the upsampling took the peak down
    assert np.abs(in_pgc - paper).max() > 0.1  # align_corners=True puts the cells elsewhere
    np.testing.assert_allclose(in_torchcam / in_torchcam.max(), paper, atol=1e-6)


def test_scorecam_weights_of_the_peers_and_the_paper_all_differ():
    net, inputs = nets.conv_net()
    in_pgc, activations = peers.pgc_score_weights(net, net.features, inputs, CATEGORIES)
    in_torchcam, _ = peers.torchcam_score_weights(net, net.features, inputs, CATEGORIES)
    masks = torch.from_numpy(cams.scorecam_masks(activations, tuple(inputs.shape[2:]))).float()
    paper = cams.scorecam_weights(activations, peers.masked_scores(net, inputs, masks, CATEGORIES))
    for left, right in [(in_pgc, in_torchcam), (in_pgc, paper), (in_torchcam, paper)]:
        assert np.abs(left - right).max() > 0.05


def test_scorecam_of_the_peers_gives_a_flat_channel_a_weight():
    net = gap_net([[-1.0, -1.0]])  # masked scores are negative, so a black image scores best
    inputs = torch.tensor([[[[4.0, 0.0], [0.0, 4.0]], [[3.0, 3.0], [3.0, 3.0]]]])
    for weights_of in (peers.pgc_score_weights, peers.torchcam_score_weights):
        weights, activations = weights_of(net, net.features, inputs, 0)
        assert weights[0, 1] > 0.9
        np.testing.assert_array_equal(
            cams.scorecam_weights(activations, np.zeros((1, 2))), [[1.0, 0.0]]
        )


def test_torchcam_layercam_tanh_only_when_layers_are_fused():
    net, inputs = nets.conv_net()
    maps = peers.torchcam_maps(net, [net.stem, net.features], inputs, CATEGORIES, "layercam")
    alone = tc.LayerCAM.fuse_cams([maps[0].clone()])
    torch.testing.assert_close(alone, maps[0])
    fused = tc.LayerCAM.fuse_cams([layer_map.clone() for layer_map in maps])
    assert fused.max() <= np.tanh(2.0) + 1e-6  # 0.964 where the plain fusion by maximum reaches 1
    assert peers.torchcam_fuse(maps).max() > 0.99


def test_torchcam_smooth_gradcam_pp_draws_the_last_noisy_activations():
    net, inputs = nets.conv_net()
    clean, _, _ = peers.autograd_evidence(net, net.features, inputs, CATEGORIES)
    with (
        peers.quiet(net),
        torch.random.fork_rng(),
        tc.SmoothGradCAMpp(net, net.features, num_samples=2, std=1.0) as cam,
    ):
        torch.manual_seed(0)
        net(inputs)
        torch.testing.assert_close(cam.hook_a[0], clean)
        weights = cam._get_weights(CATEGORIES)[0]
        noisy = cam.hook_a[0].clone()
        net(inputs)
        torch.manual_seed(0)
        theirs = cam.compute_cams(CATEGORIES, normalized=False)[0]
    assert (noisy - clean).abs().max() > 0.5
    torch.testing.assert_close(theirs, (weights[:, :, None, None] * noisy).sum(1).relu())
