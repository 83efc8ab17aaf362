"""Images, and feature maps, whose axes are in another order or more than an image has."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from camlucida import explain
from camlucida.core.errors import CamlucidaError, LayerError, NoEvidenceError, UsageError
from tests.models.test_survey import by_hand
from tests.support import nets

GRADIENT = "hirescam"


def photographs() -> Tensor:
    return nets.images(2, 3, 16, 24)


CHANNELS_LAST = {
    "a batch": (lambda: photographs().movedim(1, -1), r"x\.permute\(0, 3, 1, 2\)"),
    "an image": (lambda: photographs()[0].movedim(0, -1), r"x\.permute\(2, 0, 1\)\[None\]"),
    "an array": (lambda: photographs().movedim(1, -1).numpy(), r"from_numpy.*permute\(0, 3, 1, 2"),
    "a list of arrays": (lambda: list(photographs().movedim(1, -1).numpy()), r"permute\(2, 0, 1"),
    "bytes": (lambda: np.zeros((16, 24, 3), np.uint8), r"prepare them as in training.*\(2, 0, 1\)"),
    "a tensor of bytes": (
        lambda: torch.zeros(1, 16, 24, 3, dtype=torch.uint8),
        r"prepare the images as in training.*x\.permute\(0, 3, 1, 2\)",
    ),
}


@pytest.mark.parametrize("name", CHANNELS_LAST)
def test_channels_behind_the_pixels_are_refused_with_the_call_that_moves_them(name: str) -> None:
    make, fix = CHANNELS_LAST[name]
    with pytest.raises(CamlucidaError, match=fix):
        explain(nets.Cnn(), make(), 1)


@pytest.mark.parametrize("method", ["gradcam", "occlusion", "input_x_gradient"])
def test_a_network_that_takes_channels_last_is_refused(method: str) -> None:
    """Its map of pixels would be of rows and channels."""

    class Last(nets.Cnn):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.movedim(-1, 1))

    with pytest.raises(UsageError, match=r"channels last.*needs a module round it"):
        explain(nets.seeded(Last()), photographs().movedim(1, -1), 1, method)


def test_images_without_channels() -> None:
    with pytest.raises(CamlucidaError, match=r"give x\[None, None\] of one \(H, W\)"):
        explain(nets.Cnn(), torch.zeros(8, 8), 1)
    with pytest.raises(CamlucidaError, match=r"x\[:, None\] of many \(B, H, W\)"):
        explain(nets.Cnn(), torch.zeros(2, 8, 8), 1)


def test_volumes_without_channels() -> None:
    net = nn.Sequential(nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4), nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(CamlucidaError, match=r"five axes.*x\[:, None\] of many \(B, D, H, W\)"):
        explain(net.eval(), torch.zeros(1, 8, 8, 8), 1)


class Turned(nn.Module):
    """Features of an image in four rotations, which a convolution mixes; ReLU, mean and labels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.mix = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv3d(6, 5, (4, 3, 3), 1, (0, 1, 1))
        self.norm, self.act, self.head = nn.BatchNorm3d(5), nn.ReLU(), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        views = []
        for turns in range(4):
            turned = self.conv(torch.rot90(x, turns, (2, 3))).relu()
            views.append(torch.rot90(turned, -turns, (2, 3)))
        group = torch.stack([*views, *views[:3]], 2)
        return self.head(self.act(self.norm(self.mix(group))).mean((2, 3, 4)))


class Slices(nn.Module):
    """Slices that are the channels of an image, seen as a volume."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv3d(1, 5, 3, (1, 2, 2), 1)
        self.norm, self.act, self.head = nn.BatchNorm3d(5), nn.ReLU(), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.norm(self.mix(x[:, None]))).mean((2, 3, 4)))


@pytest.mark.parametrize(("network", "channels"), [(Turned, 3), (Slices, 8)])
@pytest.mark.parametrize("layer", ["mix", "norm", "act"])
def test_an_axis_that_the_image_lacks_is_one_of_channels(network, channels, layer) -> None:
    net, x = nets.seeded(network()).eval(), nets.images(2, channels, 24, 32)
    both = explain(net, x, 1, GRADIENT, layer)
    product = by_hand(net, x, layer).sum((1, 2))
    for e, expected in zip(both, product):
        assert e.no_picture is None
        torch.testing.assert_close(e.raw, expected)
    for method in ("gradcam", "ablationcam", "scorecam", "eigencam"):
        alone = explain(net, x[1:], 1, method, layer)[0]
        together = explain(net, x, 1, method, layer)[1]
        torch.testing.assert_close(together.raw, alone.raw, rtol=1e-4, atol=1e-5)


def test_the_last_layer_with_such_an_axis_is_that_of_auto() -> None:
    net, x = nets.seeded(Turned()).eval(), nets.images(1, 3, 24, 32)
    (e,) = explain(net, x, 1)
    assert (e.layer, e.grid) == ("act", (12, 16))


class Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            weight = torch.view_as_complex(nets.images(4, 3, 3, 3, 2))
        self.weight, self.keep, self.head = nn.Parameter(weight), nn.Identity(), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        features = nn.functional.conv2d(x.to(self.weight.dtype), self.weight)
        return self.head(self.keep(features).abs().mean((2, 3)))


def test_complex_numbers_are_named() -> None:
    net, x = Complex().eval(), nets.images(1, 3, 12, 12)
    with pytest.raises(LayerError, match=r"'keep' returns complex numbers .*of which a class act"):
        explain(net, x, 1, layer="keep")
    with pytest.raises(LayerError, match=r"return complex numbers.*occlusion or integrated_grad"):
        explain(net, x, 1)
    assert explain(net, x, 1, "integrated_gradients")[0].grid == (12, 12)


class Unfolded(nn.Module):
    """Patches that are unfolded of a resized image."""

    def __init__(self, size: tuple[int, int], order=lambda cells: cells) -> None:
        super().__init__()
        self.size, self.order = size, order
        self.project, self.head = nn.Linear(3 * 64, 16), nn.Linear(16, 3)
        self.block = nn.TransformerEncoderLayer(16, 2, 24, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        resized = nn.functional.interpolate(x, self.size, mode="bilinear", antialias=True)
        tokens = self.project(nn.functional.unfold(resized, 8, stride=8).mT)
        return self.head(self.block(self.order(tokens)).mean(1))


@pytest.mark.parametrize(("size", "grid"), [((48, 72), (6, 9)), ((56, 56), (7, 7))])
def test_patches_of_a_resized_image_have_its_shape_or_a_square(size, grid) -> None:
    net, x = nets.seeded(Unfolded(size)).eval(), nets.images(2, 3, 64, 96)
    both = explain(net, x, 1, GRADIENT, "block")
    expected = by_hand(net, x, "block").sum(-1)
    for e, row in zip(both, expected):
        torch.testing.assert_close(e.raw, row.reshape(grid))


def test_patches_that_a_convolution_of_one_axis_takes() -> None:
    class OneAxis(Unfolded):
        def __init__(self) -> None:
            super().__init__((64, 96))
            self.project = nn.Conv1d(3 * 64, 16, 1)

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.project(nn.functional.unfold(x, 8, stride=8)).mT
            return self.head(self.block(tokens).mean(1))

    net, x = nets.seeded(OneAxis()).eval(), nets.images(1, 3, 64, 96)
    (e,) = explain(net, x, 1, GRADIENT, "block")
    torch.testing.assert_close(e.raw, by_hand(net, x, "block")[0].sum(-1).reshape(8, 12))


def test_patches_of_a_resized_image_in_another_order_are_refused() -> None:
    def shuffled(tokens: Tensor) -> Tensor:
        return tokens[:, torch.randperm(54, generator=torch.Generator().manual_seed(1))]

    net = nets.seeded(Unfolded((48, 72), shuffled)).eval()
    with pytest.raises(LayerError, match="neither in rows nor in columns"):
        explain(net, nets.images(1, 3, 64, 96), 1, layer="block")


def test_a_teacher_beside_the_score_is_no_layer_to_wait_for() -> None:
    class Taught(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.teacher, self.student = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
            self.head = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                target = self.teacher(x)
            features = self.student(x).relu()
            self.loss = (features - target).square().mean()
            return self.head(features.mean((2, 3)))

    net, x = nets.seeded(Taught()).eval(), nets.images(1, 3, 12, 12)
    with pytest.raises(
        NoEvidenceError, match=r"teacher \(choose one that it depends on; .*: student\)"
    ):
        explain(net, x, 1, layer="teacher")
