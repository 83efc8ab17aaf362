"""SS-CAM, IS-CAM and Group-CAM against loops over their papers' formulas in float64."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from torch import Tensor, nn
from torchcam import methods as tc

from camlucida import explain
from camlucida.attribution.methods import groupcam
from camlucida.attribution.methods.iscam import _fainter
from tests.support import nets, peers
from tests.support.reference import cams
from tests.support.reference.nets import MeanNet, conv_net

SIZE = (9, 7)


@pytest.fixture
def scene() -> tuple[nn.Module, Tensor, np.ndarray, Tensor]:
    """A network, an image, the activations and Score-CAM's masks."""
    net, image = nets.seeded(nets.Cnn()).double(), nets.images(1, 3, *SIZE).double()
    activations, _, _ = peers.autograd_evidence(net, net.features, image, 1)
    masks = torch.from_numpy(cams.scorecam_masks(activations.numpy(), SIZE))
    return net, image, activations.numpy(), masks


def expected(scene, altered: list[Tensor]) -> np.ndarray:
    net, image, activations, _ = scene
    scores = [peers.masked_scores(net, image, masks, 1) for masks in altered]
    return cams.scorecam(activations, np.mean(scores, 0))[0]


def raw(net: nn.Module, image: Tensor, name: str, layer: str = "features:pre") -> Tensor:
    return explain(net, image, 1, name, layer)[0].raw


def test_sscam_as_in_the_paper(scene) -> None:
    net, image, _, masks = scene
    fields = [torch.randn(SIZE, generator=torch.Generator().manual_seed(i)) for i in range(10)]
    altered = [masks + 2 * field.double() for field in fields]
    np.testing.assert_allclose(raw(net, image, "sscam"), expected(scene, altered), atol=1e-9)


def test_iscam_as_in_the_paper(scene) -> None:
    net, image, _, masks = scene
    altered = [masks * i / 10 for i in range(1, 11)]
    np.testing.assert_allclose(raw(net, image, "iscam"), expected(scene, altered), atol=1e-9)


def test_where_the_score_is_linear_in_the_mask_both_are_scorecam_of_another_scale() -> None:
    """Noise that all channels share cancels in the softmax; the mean of i/10 is 0.55."""
    net = MeanNet(nn.Identity(), torch.tensor([[3.0, -2.0, 1.0]] * 2, dtype=torch.float64))
    image = nets.images(1, 3, 5, 5).double()
    score = raw(net, image, "scorecam", "features")
    torch.testing.assert_close(raw(net, image, "sscam", "features"), score)
    net.head.weight.data *= 0.55
    faint = raw(net, image, "scorecam", "features")
    net.head.weight.data /= 0.55
    torch.testing.assert_close(raw(net, image, "iscam", "features"), faint)


@pytest.mark.parametrize("name", ["sscam", "iscam"])
def test_flat_activations_have_no_mask(name: str) -> None:
    net = MeanNet(nn.Identity(), torch.tensor([[1.0, 1.0]]))
    task = {"task": "regression"}
    (explanation,) = explain(net, torch.ones(1, 2, 4, 4), "output+", name, "features", **task)
    assert explanation.is_empty


# --- torchcam -------------------------------------------------------------------------------------


def torchcam_strengths(net: nn.Module, image: Tensor) -> list[float]:
    """By how much torchcam's IS-CAM multiplies the masked images."""
    seen: list[Tensor] = []
    with peers.quiet(net), tc.ISCAM(net, net.features, batch_size=64) as cam:
        net(image)
        with torch.no_grad():
            hook = net.register_forward_pre_hook(lambda module, args: seen.append(args[0].clone()))
            cam._get_weights(1)
            hook.remove()
    masked = [x for x in seen if len(x) == 6]
    return [float(x.abs().sum() / masked[0].abs().sum()) / 10 for x in masked]


def test_torchcam_iscam_reaches_five_times_the_image() -> None:
    """The strengths of the paper are i/n; torchcam adds them up on the way."""
    net, image = nets.seeded(nets.Cnn()), nets.images(1, 3, *SIZE)
    strengths = torchcam_strengths(net, image)
    assert strengths == pytest.approx(np.cumsum(np.arange(1, 11)) / 10)
    assert max(strengths) == pytest.approx(5.5)
    ours = [float(x) for x in _fainter(torch.ones(1))]
    assert ours == pytest.approx(np.arange(1, 11) / 10)


def test_torchcam_sscam_gives_each_channel_noise_of_its_own() -> None:
    """Two equal channels get unequal weights by chance; ours get the same."""
    net = MeanNet(nn.Identity(), torch.tensor([[1.0, 1.0]] * 2))
    net.head.weight.data *= 8
    image = nets.images(1, 1, 6, 6).expand(1, 2, 6, 6).clone()
    with peers.quiet(net), torch.random.fork_rng(), tc.SSCAM(net, net.features) as cam:
        torch.manual_seed(0)
        net(image)
        weights = cam._get_weights(1)[0][0]
    assert abs(float(weights[0] - weights[1])) > 0.01
    torch.testing.assert_close(raw(net, image, "sscam", "features"), image[0, 0])


# --- Group-CAM ------------------------------------------------------------------------------------


def groupcam_by_loops(net: nn.Module, image: Tensor, groups: int) -> np.ndarray:
    activations, gradients, _ = peers.autograd_evidence(net, net.features, image, 1)
    activations, gradients = activations[0].numpy(), gradients[0].numpy()
    blurred = image.numpy()
    for axis, side in ((2, SIZE[0]), (3, SIZE[1])):
        radius = round(25 * side / 224)
        kernel = np.exp(-(np.arange(-radius, radius + 1.0) ** 2) / (2 * (2 * radius) ** 2))
        blurred = correlate1d(blurred, kernel / kernel.sum(), axis, mode="mirror")
    blurred = torch.from_numpy(blurred)
    with torch.no_grad():
        base = float(net(blurred)[0, 1])
    result = np.zeros(activations.shape[1:])
    for channels in np.array_split(np.arange(len(activations)), groups):
        evidence = sum(gradients[k].mean() * activations[k] for k in channels)
        evidence = np.maximum(evidence, 0)
        evidence[evidence <= np.percentile(evidence, 70)] = 0
        enlarged = cams.upsample(evidence, SIZE)
        if enlarged.max() == 0:
            continue
        low, high = enlarged.min(), enlarged.max()
        mask = torch.from_numpy((enlarged - low) / (high - low))
        with torch.no_grad():
            gain = float(net(mask * image + (1 - mask) * blurred)[0, 1]) - base
        result += gain * (evidence - low) / (high - low)
    return result


@pytest.mark.parametrize("groups", [32, 4])
def test_groupcam_as_in_the_paper(scene, groups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer of six channels: as many groups as channels, and groups of two and one."""
    net, image, _, _ = scene
    monkeypatch.setattr(groupcam, "GROUPS", groups)
    expected = groupcam_by_loops(net, image, min(groups, 6))
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(raw(net, image, "groupcam"), expected, atol=1e-9)


def test_groupcam_of_several_targets_is_that_of_each_alone() -> None:
    net, inputs = conv_net()
    both = explain(net, inputs, [0, 1], "groupcam", "features")
    alone = [
        explain(net, inputs[i : i + 1], t, "groupcam", "features") for i, t in [(0, 1), (1, 0)]
    ]
    torch.testing.assert_close(both[1].raw, alone[0][0].raw)
    torch.testing.assert_close(both[2].raw, alone[1][0].raw)


def test_groupcam_of_a_label_with_evidence_against_it_alone_is_empty() -> None:
    net = nets.seeded(nets.Cnn(final=nn.Softmax(1)))
    with torch.no_grad():
        net.head.weight.copy_(-net.head.weight.abs())
    (explanation,) = explain(net, nets.images(1, 3, 12, 12), 0, "groupcam", "features")
    assert explanation.is_empty
    assert not explanation.raw.any()
