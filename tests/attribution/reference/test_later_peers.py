"""The methods that grad-cam has too, beyond the older family: the same, or where they part.

torchcam's SS-CAM and IS-CAM stand in tests/attribution/methods/test_masked.py; its Smooth
Grad-CAM++ and grad-cam's FEM in test_peer_deviations.
"""

from collections.abc import Callable

import numpy as np
import pytest
import pytorch_grad_cam as pgc
import torch
import torch.nn.functional as F
from pytorch_grad_cam.guided_backprop import GuidedBackpropReLUModel
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget, FinerWeightedTarget
from pytorch_grad_cam.utils.svd_on_activations import (
    get_2d_projection_kernel,
    get_2d_projection_with_sign_correction,
)
from torch import Tensor, nn

from camlucida import explain
from camlucida.attribution.methods import METHODS
from tests.support import nets, peers
from tests.support.reference import cams

LABEL = 1


class Bent(nn.Module):
    """features → GELU → mean → head: a score with a second derivative."""

    def __init__(self, labels: int = 4) -> None:
        super().__init__()
        self.features = nn.Conv2d(2, 4, 3, padding=1)
        self.head = nn.Linear(4, labels)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.gelu(self.features(x)).mean((2, 3)))


def bent(labels: int = 4) -> tuple[Bent, Tensor]:
    return nets.seeded(Bent(labels)), nets.images(1, 2, 6, 5)


def raw(net: nn.Module, image: Tensor, name: str, layer: str | None = None) -> Tensor:
    return explain(net, image, LABEL, name, layer)[0].raw


def test_shapleycam_is_grad_cams() -> None:
    net, image = bent()
    theirs = peers.pgc_map(net, net.features, image, LABEL, pgc.ShapleyCAM)
    ours = raw(net, image, "shapleycam", "features:pre")
    np.testing.assert_allclose(
        peers.pgc_postprocess(ours[None], image.shape[2:]), theirs, atol=1e-5
    )


def test_kpcacam_is_grad_cams_up_to_the_sign() -> None:
    activations = nets.images(1, 6, 4, 5).double()
    theirs = get_2d_projection_kernel(activations.numpy())[0]
    ours = METHODS["kpcacam"].run(activations)[0].numpy()
    sign = np.sign((theirs * ours).sum())
    np.testing.assert_allclose(ours, sign * theirs, atol=1e-6)


def test_grad_cam_centres_what_segeigencam_does_not() -> None:
    activations, gradients = nets.images(1, 5, 4, 3).double() + 1, nets.images(1, 5, 4, 3, seed=1)
    gradients = gradients.double()
    evidence = gradients.abs() * activations
    centred = evidence - evidence.mean((2, 3), keepdim=True)
    theirs = get_2d_projection_with_sign_correction(evidence.numpy())[0]
    ours = METHODS["segeigencam"].run(activations, gradients)[0].numpy()
    ours_centred = METHODS["segeigencam"].run(centred, torch.ones_like(centred))[0].numpy()
    np.testing.assert_allclose(ours_centred, theirs, atol=1e-6)
    assert abs(theirs.mean()) < 1e-6  # the mean cell is its zero
    assert ours.mean() > 0.5


def grad_cam_finer(net: nn.Module, image: Tensor, others: list[int]) -> np.ndarray:
    """grad-cam's target of Finer-CAM, through its Grad-CAM."""
    target = FinerWeightedTarget(LABEL, others, 0.6)
    with peers.pgc_cam(net, [net.features], pgc.GradCAM) as cam:
        return cam(input_tensor=image, targets=[target])


def test_finercam_of_two_labels_is_grad_cams() -> None:
    """With one similar label its weight by probability cancels, at the same α."""
    net, image = bent(labels=2)
    ours = raw(net, image, "finercam", "features:pre")
    mine = peers.pgc_postprocess(ours[None], image.shape[2:])
    np.testing.assert_allclose(mine, grad_cam_finer(net, image, [0]), atol=1e-5)


def test_grad_cam_weights_similar_labels_by_their_probability() -> None:
    """… and differentiates these weights too: the map is not that of a difference of logits."""
    net, image = bent()
    net.head.weight.data *= 8
    ours = raw(net, image, "finercam", "features:pre")
    mine = peers.pgc_postprocess(ours[None], image.shape[2:])
    assert np.abs(mine - grad_cam_finer(net, image, [0, 2, 3])).max() > 0.05


class Rectified(nn.Module):
    """Two convolutions, with ReLUs that are modules or bare functions."""

    def __init__(self, bare: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.act = F.relu if bare else nn.ReLU()
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.second(self.act(self.first(x))))
        return self.head(x.mean((2, 3)))


def grad_cam_guided(net: nn.Module, image: Tensor) -> np.ndarray:
    with peers.quiet(net):
        return GuidedBackpropReLUModel(net, "cpu")(image.clone(), LABEL)[..., 0]


def test_guided_backprop_is_grad_cams_where_relus_are_modules() -> None:
    net, image = nets.seeded(Rectified(bare=False)), nets.images(1, 1, 7, 6)
    ours = raw(net, image, "guided_backprop")
    np.testing.assert_allclose(ours, grad_cam_guided(net, image), atol=1e-6)


def test_grad_cam_does_not_guide_a_bare_relu() -> None:
    """Its map is then the plain gradient, under the name of guided backpropagation."""
    net, image = nets.seeded(Rectified(bare=True)), nets.images(1, 1, 7, 6)
    leaf = image.clone().requires_grad_()
    (plain,) = torch.autograd.grad(net(leaf)[0, LABEL], leaf)
    theirs = grad_cam_guided(net, image)
    np.testing.assert_allclose(theirs, plain[0, 0], atol=1e-6)
    ours = raw(net, image, "guided_backprop").numpy()
    module = nets.seeded(Rectified(bare=False))
    np.testing.assert_allclose(ours, raw(module, image, "guided_backprop"), atol=1e-6)
    assert np.abs(ours - theirs).max() > 0.1 * np.abs(ours).max()


def grad_cam_full(net: nn.Module, image: Tensor) -> np.ndarray:
    with peers.quiet(net):
        cam = pgc.FullGrad(net, [])
        try:
            return cam(input_tensor=image.clone(), targets=peers.pgc_targets(LABEL, 1))[0]
        finally:
            cam.activations_and_grads.release()


@pytest.mark.parametrize("weak", [None, 1e-6])
def test_grad_cam_scales_each_channel_of_fullgrad_by_itself(weak: float | None) -> None:
    """Of one channel the maps are the same; a second that does next to nothing doubles theirs."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Conv2d(1, 1 if weak is None else 2, 3, padding=1)
            self.weight = nn.Parameter(nets.images(1, 1, 8, 8, seed=3))

        def forward(self, x: Tensor) -> Tensor:
            x = self.features(x)
            scale = x.new_tensor([1.0] if weak is None else [1.0, weak])[:, None, None]
            weight = torch.cat([self.weight, self.weight.flip(-1)], 1)[:, : x.shape[1]]
            y = (x.relu() * weight * scale).sum((1, 2, 3))
            return torch.stack([-y, y], 1)

    net, image = nets.seeded(Net()), nets.images(1, 1, 8, 8)
    ours = raw(net, image, "fullgrad")
    ours = ((ours - ours.min()) / (ours.max() - ours.min())).numpy()
    difference = np.abs(ours - grad_cam_full(net, image)).max()
    assert difference < 1e-5 if weak is None else difference > 0.1


def test_grad_cam_does_not_clip_the_maps_that_refinecam_multiplies() -> None:
    signed = np.array([[[-1.0, 0.5]]])

    def base(*about: object) -> Callable[..., np.ndarray]:
        return lambda *inputs: signed

    theirs = pgc.RefineCAM(nn.Identity(), [nn.Identity()] * 2, base_method=base)(None)
    np.testing.assert_allclose(theirs[0], [[1.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(cams.refinecam([signed[0]] * 2, (1, 2)), [[0.0, 1.0]])


def test_grad_cam_shifts_the_maps_that_refinecam_multiplies() -> None:
    image = torch.tensor([[[[1.0, 2.0, 3.0, 5.0], [4.0, 2.0, 6.0, 5.0]]]])
    same = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.ones_(same.weight)
    parts = nn.ReLU(), nn.AvgPool2d(2), nn.ReLU(), nn.AvgPool2d((1, 2)), nn.Flatten()
    net = nn.Sequential(same, *parts)
    with peers.quiet(net):
        their_cam = pgc.RefineCAM(net, [net[1], net[3]])
        theirs = their_cam(image, [ClassifierOutputTarget(0)])[0]
        for each in their_cam.base_cam_per_layer:
            each.activations_and_grads.release()
    (ours,) = explain(net, image, 0, "refinecam")
    pooled = np.array([[2.25, 4.75]])
    assert ours.raw.min() > 0.05
    assert theirs.min() == 0
    np.testing.assert_allclose(
        ours.raw, cams.refinecam([image[0, 0].numpy(), pooled], (2, 4)), rtol=1e-6
    )
