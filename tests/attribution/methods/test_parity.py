"""Against grad-cam 1.5.7 on real architectures with random weights.

The same wherever it follows the paper, and the paper where it does not (what the peers then do is
shown in tests/attribution/reference/test_peer_deviations.py).
"""

import numpy as np
import pytest
import torch
from torch import nn

from camlucida import explain
from camlucida.attribution.methods import METHODS
from camlucida.attribution.methods.scorecam import masked_scores
from camlucida.core.tensors import first_component, resize
from tests.support import nets, peers
from tests.support.reference import cams, hand
from tests.support.reference.nets import MeanNet, conv_net

CATEGORIES = [1, 2]
SAME = ["gradcam", "hirescam", "gradcam_elementwise", "layercam", "xgradcam"]
TOLERANCE = 2e-6  # of a map scaled to 0…1, in float32
# The peer adds 1e-7 to ΣA, which shows where the signed activations of a norm nearly cancel.
XGRAD_TOLERANCE = 1e-5


class Copy(nn.Module):
    def forward(self, x):
        return x.clone()


def resnet18():
    net = pytest.importorskip("torchvision", reason="model zoo").models.resnet18(num_classes=5)
    return net, net.layer4, "layer4"


def densenet121():
    net = pytest.importorskip("torchvision", reason="model zoo").models.densenet121(num_classes=5)
    return net, net.features.norm5, "features.norm5:pre"


def efficientnet():
    net = pytest.importorskip("timm", reason="model zoo").create_model(
        "efficientnet_lite0", num_classes=5
    )
    return net, net.bn2, "bn2"


@pytest.fixture(
    scope="module", params=[resnet18, densenet121, efficientnet], ids=lambda make: make.__name__
)
def scene(request):
    """(model, layer, its path, inputs), float64."""
    torch.manual_seed(0)
    net, layer, path = request.param()
    net = net.double().eval()
    if (
        request.param is densenet121
    ):  # its functional ReLU in place would rewrite the peer's captured activations
        net.features.add_module("copy", Copy())
    return net, layer, path, nets.images(2, 3, 96, 64, seed=3).double()


def ours(net, inputs, path, method):
    explanations = [
        explain(net, inputs[i : i + 1], c, method, path)[0] for i, c in enumerate(CATEGORIES)
    ]
    return torch.stack([e.raw for e in explanations])


@pytest.mark.parametrize("name", SAME)
def test_map_is_the_peers(scene, name):
    net, layer, path, inputs = scene
    theirs = peers.pgc_map(net, layer, inputs, CATEGORIES, name)
    mine = peers.pgc_postprocess(ours(net, inputs, path, name), inputs.shape[2:])
    assert theirs.max() > 0.9
    cancels = name == "xgradcam" and path == "features.norm5:pre"
    np.testing.assert_allclose(mine, theirs, atol=XGRAD_TOLERANCE if cancels else TOLERANCE)


def test_gradcam_in_single_precision_is_no_farther_from_double_than_the_peers(scene):
    """Both round in float32 in every layer; how much differs from processor to processor."""
    net, layer, path, inputs = scene
    size = inputs.shape[2:]
    exact = peers.pgc_postprocess(ours(net, inputs, path, "gradcam"), size)
    net.float()
    try:
        theirs = peers.pgc_map(net, layer, inputs.float(), CATEGORIES, "gradcam")
        mine = peers.pgc_postprocess(ours(net, inputs.float(), path, "gradcam"), size)
    finally:
        net.double()
    assert np.abs(mine - exact).max() <= np.abs(theirs - exact).max() + TOLERANCE


def test_gradcam_pp_is_the_peers_where_its_epsilon_vanishes(scene):
    """PGC adds 1e-6 to 2g² + ΣA·g³: nothing beside gradients of 1e3; deep networks have 1e-3."""
    net, layer, _, inputs = scene
    activations, gradients, _ = peers.autograd_evidence(net, layer, inputs, CATEGORIES)
    activations = activations.relu()  # of signed ones its denominator has a pole
    gradients = gradients * (1e3 / gradients.abs().mean())
    theirs = peers.pgc_raw("gradcam_pp", activations.numpy(), gradients.numpy())
    mine = METHODS["gradcam_pp"].run(activations, gradients).numpy()
    np.testing.assert_allclose(mine, theirs, atol=1e-6 * np.abs(mine).max())


@pytest.mark.parametrize("name", ["eigencam", "eigengradcam"])
def test_eigen_map_is_the_peers_once_centred_and_its_sign_taken_over(scene, name):
    net, layer, _, inputs = scene
    activations, gradients, _ = peers.autograd_evidence(net, layer, inputs, CATEGORIES)
    features = activations if name == "eigencam" else activations * gradients
    theirs = peers.pgc_raw(name, activations.numpy(), gradients.numpy())
    centred = features - features.mean((2, 3), keepdim=True)
    mine = first_component(centred, torch.from_numpy(theirs)).numpy()
    np.testing.assert_allclose(mine, theirs, atol=2e-6 * np.abs(theirs).max())


def test_ablation_after_a_relu_is_the_peers_but_for_the_sign_of_the_score():
    net, inputs = conv_net(dtype=torch.float64)
    weights, activations = peers.pgc_ablation_weights(net, net.act, inputs, CATEGORIES)
    _, _, scores = peers.autograd_evidence(net, net.act, inputs, CATEGORIES)
    expected = cams.weighted_sum(activations, weights * np.sign(scores.numpy())[:, None])
    np.testing.assert_allclose(
        ours(net, inputs, "act", "ablationcam"), expected, atol=2e-6 * np.abs(expected).max()
    )


def test_scorecam_weights_are_the_peers_from_its_masks():
    net, inputs = conv_net()
    theirs, activations = peers.pgc_score_weights(net, net.features, inputs, CATEGORIES)
    masks = peers.pgc_score_masks(torch.from_numpy(activations), inputs.shape[2:])
    for i, category in enumerate(CATEGORIES):
        with nets.probing(net, inputs, "features", category, image=i) as probe:
            scores = masked_scores(probe, masks[i])
        np.testing.assert_allclose(scores.softmax(1)[0], theirs[i], atol=2e-6)


# --- where the peers leave the paper, we do not ---------------------------------------------------


OF_ATTENTION = ("attention_rollout", "gradient_rollout", "legrad")


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("cam", *OF_ATTENTION)])
def test_an_in_place_relu_after_the_layer_changes_nothing(name):
    plain, inputs = conv_net(inplace=False)
    in_place, _ = conv_net(inplace=True)
    torch.testing.assert_close(
        ours(plain, inputs, "features:pre", name), ours(in_place, inputs, "features:pre", name)
    )
    activations, gradients, _ = peers.autograd_evidence(
        in_place, in_place.features, inputs, CATEGORIES
    )
    if name in cams.REFERENCE:
        expected = cams.REFERENCE[name](activations.numpy(), gradients.numpy())
        np.testing.assert_allclose(
            ours(in_place, inputs, "features:pre", name),
            expected,
            atol=1e-4 * np.abs(expected).max(),
        )


def test_gradcam_pp_keeps_the_order_of_weak_gradients():
    gradients = torch.zeros(1, 2, 2, 2)
    gradients[0, 0] = 1e-4  # four cells of a weak gradient
    gradients[0, 1, 0, 0] = 3e-4  # one cell of a stronger
    activations = torch.zeros(1, 2, 2, 2)
    activations[0, 0, 0, 1] = activations[0, 1, 0, 0] = 1.0
    raw = METHODS["gradcam_pp"].run(activations, gradients)[0]
    assert raw[0, 1] > raw[0, 0] > 0


def test_gradcam_pp_divides():
    raw = METHODS["gradcam_pp"].run(
        torch.from_numpy(hand.ACTIVATIONS), torch.from_numpy(hand.GRADIENTS)
    )
    np.testing.assert_allclose(
        raw, hand.HAND["gradcam_pp"]
    )  # torchcam's weights would be (9, 1), not (11/30, 1/4)


def test_xgradcam_ignores_a_cancelled_channel_and_keeps_the_sign_of_a_negative_sum():
    activations = torch.tensor([[[[1.0, -1.0], [-1e-7, 0.0]]]], dtype=torch.float64)
    weight_one = METHODS["xgradcam"].run(activations, torch.ones_like(activations))
    torch.testing.assert_close(
        weight_one, activations[:, 0]
    )  # ΣA/ΣA, where PGC's ε meets ΣA = −1e-7


def test_eigencam_keeps_what_the_activations_share():
    raw = METHODS["eigencam"].run(torch.from_numpy(hand.ACTIVATIONS))
    assert raw.mean() > 0.5  # centred, as in PGC, it would be 0


@pytest.mark.parametrize("seed", range(20))
def test_eigencam_points_at_the_evidence_whatever_the_solver_says(seed):
    activations = torch.from_numpy(np.abs(np.random.default_rng(seed).normal(size=(1, 3, 4, 4))))
    raw = METHODS["eigencam"].run(activations)
    assert np.corrcoef(raw.ravel(), activations.sum(1).ravel())[0, 1] >= 0


def test_ablation_zeroes_also_where_activations_are_signed_or_positive_throughout():
    net = MeanNet(nn.Identity(), torch.tensor([[1.0, 1.0]]))
    inputs = torch.from_numpy(hand.ACTIVATIONS).float()  # means 1 and ½: y = 3/2, w = (2/3, 1/3)
    for shift, weights in [(0.0, (2 / 3, 1 / 3)), (3.0, (4 / 7.5, 3.5 / 7.5))]:
        (e,) = explain(net, inputs + shift, "output+", "ablationcam", "features", task="regression")
        torch.testing.assert_close(
            e.raw, torch.einsum("k,kij->ij", torch.tensor(weights), inputs[0] + shift)
        )


def test_ablation_does_not_flip_the_map_of_a_negative_score():
    inputs = torch.tensor([[[[0.0, 4.0], [4.0, 4.0]], [[0.0, 4.0], [0.0, 0.0]]]])  # means 3 and 1
    for head, weights in [([1.0, -1.0], [1.5, -0.5]), ([1.0, -5.0], [1.5, -2.5])]:  # y = 2 and −2
        net = MeanNet(nn.Identity(), torch.tensor([head]))
        (e,) = explain(net, inputs, "output+", "ablationcam", "features", task="regression")
        torch.testing.assert_close(
            e.raw, torch.einsum("k,kij->ij", torch.tensor(weights), inputs[0])
        )


def test_an_even_positive_map_stays_positive():
    net = MeanNet(nn.Identity(), torch.tensor([[1.0], [1.0]]))
    (e,) = explain(net, torch.ones(1, 1, 4, 4), 0, "gradcam", "features")
    assert not e.is_empty
    assert (e.scaled() == 1).all()  # the peers' min-max would make it all zero


def test_one_target_for_two_images_explains_both():
    net, inputs = conv_net()
    for explanation, single in zip(explain(net, inputs, 1, layer="features"), range(2)):
        assert explanation.raw.any()
        alone = explain(net, inputs[single : single + 1], 1, layer="features")[0]
        torch.testing.assert_close(explanation.raw, alone.raw)


def test_a_volume_is_enlarged_linearly():
    raw = nets.images(1, 3, 4, 2).double()
    np.testing.assert_allclose(
        resize(raw, (6, 8, 5))[0], cams.upsample(raw[0].numpy(), (6, 8, 5)), atol=1e-12
    )
