"""The adapters reproduce the peers.

Paper formula + their post-processing = their map, where they follow the paper.
"""

import numpy as np
import pytest
import torch

from tests.support import peers
from tests.support.reference import cams, nets

CATEGORIES = [1, 2]
# Methods whose formula in the peer is the paper's, up to rounding. The others are in
# test_peer_deviations.
PGC_FAITHFUL = ["gradcam", "gradcam_elementwise", "hirescam", "layercam", "xgradcam"]
TORCHCAM_FAITHFUL = ["gradcam", "layercam", "xgradcam"]


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def scene(request):
    net, inputs = nets.conv_net(dtype=request.param)
    activations, gradients, _ = peers.autograd_evidence(net, net.features, inputs, CATEGORIES)
    return net, inputs, activations.numpy(), gradients.numpy()


@pytest.mark.parametrize("name", PGC_FAITHFUL)
def test_pgc_map_is_the_paper_and_its_postprocessing(scene, name):
    net, inputs, activations, gradients = scene
    raw = torch.from_numpy(cams.REFERENCE[name](activations, gradients))
    theirs = peers.pgc_map(net, net.features, inputs, CATEGORIES, name)
    np.testing.assert_allclose(peers.pgc_postprocess(raw, inputs.shape[2:]), theirs, atol=2e-6)


@pytest.mark.parametrize("name", sorted(set(peers.PGC_METHODS) - {"scorecam", "ablationcam"}))
def test_pgc_map_is_its_own_formula_and_its_postprocessing(scene, name):
    net, inputs, activations, gradients = scene
    raw = torch.from_numpy(np.asarray(peers.pgc_raw(name, activations, gradients)))
    theirs = peers.pgc_map(net, net.features, inputs, CATEGORIES, name)
    np.testing.assert_allclose(peers.pgc_postprocess(raw, inputs.shape[2:]), theirs, atol=2e-6)


def test_pgc_several_layers():
    net, inputs = nets.conv_net()
    layers = [net.stem, net.features]
    raws = []
    for layer in layers:
        activations, gradients, _ = peers.autograd_evidence(net, layer, inputs, CATEGORIES)
        raws.append(torch.from_numpy(cams.gradcam(activations.numpy(), gradients.numpy())))
    theirs = peers.pgc_map(net, layers, inputs, CATEGORIES, "gradcam")
    np.testing.assert_allclose(peers.pgc_postprocess(raws, inputs.shape[2:]), theirs, atol=2e-6)


@pytest.mark.parametrize("name", TORCHCAM_FAITHFUL)
def test_torchcam_map_is_the_paper_and_its_postprocessing(scene, name):
    net, inputs, activations, gradients = scene
    raw = torch.from_numpy(cams.REFERENCE[name](activations, gradients))
    theirs = peers.torchcam_map(net, net.features, inputs, CATEGORIES, name)
    np.testing.assert_allclose(peers.torchcam_postprocess(raw), theirs, atol=2e-6)


def test_score_weights_from_each_peers_masks():
    net, inputs = nets.conv_net()
    for weights_of, masks_of in [
        (peers.pgc_score_weights, peers.pgc_score_masks),
        (peers.torchcam_score_weights, peers.torchcam_score_masks),
    ]:
        weights, activations = weights_of(net, net.features, inputs, CATEGORIES)
        masks = masks_of(torch.from_numpy(activations), inputs.shape[2:])
        scores = peers.masked_scores(net, inputs, masks, CATEGORIES)
        np.testing.assert_allclose(cams.scorecam_weights(activations, scores), weights, atol=5e-6)


def test_score_maps_from_each_peers_weights():
    net, inputs = nets.conv_net()
    weights, activations = peers.pgc_score_weights(net, net.features, inputs, CATEGORIES)
    raw = torch.from_numpy(cams.weighted_sum(activations, weights))
    theirs = peers.pgc_map(net, net.features, inputs, CATEGORIES, "scorecam")
    np.testing.assert_allclose(peers.pgc_postprocess(raw, inputs.shape[2:]), theirs, atol=5e-6)
    weights, activations = peers.torchcam_score_weights(net, net.features, inputs, CATEGORIES)
    theirs = peers.torchcam_map(net, net.features, inputs, CATEGORIES, "scorecam")
    raw = torch.from_numpy(cams.weighted_sum(activations, weights))
    np.testing.assert_allclose(peers.torchcam_postprocess(raw), theirs, atol=5e-6)


def test_ablation_after_a_relu_is_the_papers_up_to_the_sign_of_the_score():
    net, inputs = nets.conv_net()
    theirs, _ = peers.pgc_ablation_weights(net, net.act, inputs, CATEGORIES)
    score, ablated = peers.zeroed_channel_scores(net, net.act, inputs, CATEGORIES)
    ours = cams.ablationcam_weights(score, ablated)
    np.testing.assert_allclose(theirs, ours * np.sign(score)[:, None], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layercam", [False, True])
def test_torchcam_fusion(layercam):
    net, inputs = nets.conv_net()
    name = "layercam" if layercam else "gradcam"
    maps = peers.torchcam_maps(net, [net.stem, net.features], inputs, CATEGORIES, name)
    theirs = peers.TORCHCAM_METHODS[name].fuse_cams([layer_map.clone() for layer_map in maps])
    np.testing.assert_allclose(peers.torchcam_fuse(maps, layercam), theirs.numpy(), atol=1e-7)


def test_an_adapter_leaves_the_model_as_it_was():
    net, inputs = nets.conv_net()
    net.train()
    net.act.eval()
    peers.pgc_map(net, net.features, inputs, CATEGORIES, "gradcam")
    peers.torchcam_map(net, net.features, inputs, CATEGORIES, "gradcam")
    assert net.training
    assert not net.act.training
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not net.features._forward_hooks
