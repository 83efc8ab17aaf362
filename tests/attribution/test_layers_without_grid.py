"""What is said of layers that no map can lie over, and the way around it."""

import pytest
import torch
from torch import nn

from camlucida import explain
from camlucida.core.errors import LayerError
from tests.support import nets


class Stacked(nn.Module):
    """An encoder of every view of a stack (B, V, C, H, W), pooled, and a head over all views."""

    def __init__(self, views: int) -> None:
        super().__init__()
        layers = nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        self.encoder, self.head = nn.Sequential(*layers), nn.Linear(4 * views, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = self.encoder(x.flatten(0, 1)).flatten(1)
        return self.head(pooled.unflatten(0, x.shape[:2]).flatten(1))


class OneByOne(Stacked):
    """The same of separate views, as the error recommends."""

    def forward(self, *views: torch.Tensor) -> torch.Tensor:
        pooled = [self.encoder(view).flatten(1) for view in views]
        return self.head(torch.cat(pooled, 1))


class Slices(Stacked):
    """The same of the slices of a volume (B, C, D, H, W)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.transpose(1, 2))


class Looped(OneByOne):
    """The same of a stack whose views are taken out one by one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(*x.unbind(1))


class Mean(nn.Module):
    """The mean over depth."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(2)


class Flattened(nn.Sequential):
    """A network of volumes with a 2-D layer behind the mean over depth."""

    def __init__(self) -> None:
        head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        super().__init__(nn.Conv3d(1, 3, 3), Mean(), nn.Conv2d(3, 4, 3), *head)


@pytest.mark.parametrize("layer", ["auto", "encoder.0"])
@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (Stacked(4), (1, 4, 3, 16, 16)),
        (Stacked(4), (2, 4, 3, 16, 16)),
        (Stacked(1), (1, 1, 3, 16, 16)),
        (Looped(4), (1, 4, 3, 16, 16)),
        (Slices(5), (1, 3, 5, 16, 16)),
    ],
)
def test_a_stack_of_images_is_refused_by_its_shape(net, shape, layer):
    with pytest.raises(LayerError) as refused:
        explain(nets.seeded(net), torch.rand(shape), 1, layer=layer)
    assert str(shape) in refused.value.what
    assert "is a stack of images" in refused.value.what
    assert "(B, C, H, W)" in refused.value.fix
    assert "one cell" not in str(refused.value)


class Video(nn.Sequential):
    """A network that takes (B, frames, C, H, W), as video networks of ``transformers`` do."""

    def __init__(self) -> None:
        head = nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 2)
        super().__init__(nn.Conv3d(3, 4, 2, 2), nn.ReLU(), *head)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.transpose(1, 2))


class FramesBehind(nn.Module):
    """The same of (B, C, frames, H, W), as the error recommends."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x.transpose(1, 2))


@pytest.mark.parametrize("method", ["hirescam", "input_x_gradient"])
@pytest.mark.parametrize("library", [False, True])
def test_frames_before_the_channels_are_refused_with_the_mend(monkeypatch, method, library):
    """Networks of known libraries keep places, but not these."""
    monkeypatch.setattr("camlucida.attribution.alignment.is_of_a_library", lambda _: library)
    net, video = nets.seeded(Video()).eval(), torch.rand(1, 8, 3, 6, 10)
    with pytest.raises(LayerError, match=r"frames before its channels.*x\.transpose\(1, 2\)"):
        explain(net, video, 1, method, layer="1")
    (found,) = explain(FramesBehind(net).eval(), video.transpose(1, 2), 1, method, "net.1")
    assert found.map().shape == (8, 6, 10)


def test_a_volume_is_no_stack_of_images():
    net, volume = nets.seeded(Flattened()), torch.rand(1, 1, 6, 16, 16)
    (found,) = explain(net, volume, 1)
    assert (found.layer, found.grid) == ("0", (4, 14, 14))
    with pytest.raises(LayerError, match="layer '2' has no spatial grid"):
        explain(net, volume, 1, layer="2")


def test_views_one_after_the_other_are_explained_by_the_last():
    """In closed form: the map is the head's weights of the last view over its own activations."""
    net = nets.seeded(OneByOne(3)).eval()
    views = tuple(torch.rand(3, 1, 3, 16, 16, generator=torch.Generator().manual_seed(0)))
    (found,) = explain(net, views, 1, "gradcam", layer="encoder.1")
    activations = net.encoder[:2](views[2])[0]
    weights = net.head.weight[1, 8:, None, None] / 64
    torch.testing.assert_close(found.raw, (weights * activations).sum(0).detach())
    assert found.provenance["image_inputs"] == [2]


class Tiles(Stacked):
    """An encoder of the quarters of an image (B, 3, H, W), all in one batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = torch.stack(x.chunk(2, 2), 1)
        return super().forward(torch.cat(rows.chunk(2, 4), 1))


class TwoInOneBatch(Stacked):
    """An encoder of two images in one batch."""

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return super().forward(torch.stack([first, second], 1))


def test_parts_of_an_image_in_one_batch_are_explained_at_the_input() -> None:
    net, x = nets.seeded(Tiles(4)).eval(), nets.images(1, 3, 24, 24)
    with pytest.raises(LayerError, match=r"parts of the input .* works at the input, as occlusion"):
        explain(net, x, 1)
    assert explain(net, x, 1, "occlusion")[0].no_picture is None


def test_two_images_in_one_batch_are_explained_one_after_the_other() -> None:
    net, views = nets.seeded(TwoInOneBatch(2)).eval(), tuple(nets.images(2, 1, 3, 24, 24))
    with pytest.raises(LayerError, match=r"2 images in one batch.* one image after the other"):
        explain(net, views, 1)
    mended = OneByOne(2).eval()
    mended.load_state_dict(net.state_dict())
    (e,) = explain(mended, views, 1)
    assert e.grid == (12, 12)


class Projected(Slices):
    """A projection of the volume runs through the encoder."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(x.amax(2)).flatten(1))


class Sections(Slices):
    """The middle section along each axis."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        middles = x[:, :, 5], x[..., 5, :], x[..., 5]
        return self.head(torch.cat([self.encoder(image).flatten(1) for image in middles], 1))


@pytest.mark.parametrize(("net", "images"), [(Projected, 1), (Sections, 3)])
@pytest.mark.parametrize("layer", ["auto", "encoder.0"])
def test_images_that_are_made_of_a_volume(net, images, layer):
    model = nets.seeded(net(images))
    with pytest.raises(LayerError, match="a projection, sections, or slices as channels"):
        explain(model, torch.rand(2, 3, 10, 10, 10), 0, layer=layer)


@pytest.mark.parametrize("method", ["input_x_gradient", "occlusion", "rise"])
@pytest.mark.parametrize("net", [Stacked, Looped])
def test_pixels_of_several_images_are_not_added_up(net, method):
    model = nets.seeded(net(5))
    with pytest.raises(LayerError, match="would add them up"):
        explain(model, torch.rand(2, 5, 3, 16, 16), 0, method)


def test_pixels_of_the_images_of_a_stack_are_told_apart():
    """As the error recommends: the slices of the map are the images."""
    model = nets.seeded(Slices(5))
    images = torch.rand(1, 3, 5, 16, 16)
    (e,) = explain(model, images, 0, "input_x_gradient")
    images.requires_grad_()
    (gradient,) = torch.autograd.grad(model(images)[0, 0], images)
    torch.testing.assert_close(e.raw, (gradient * images)[0].sum(0).detach())


def test_slices_as_channels_are_no_stack_of_one_image():
    class Slices(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(12, 4, 3), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.conv(x[:, 0]).relu().mean((2, 3)))

    net, x = nets.seeded(Slices()), nets.images(1, 1, 12, 16, 16)
    with pytest.raises(LayerError, match="or slices as channels"):
        explain(net, x, 1)
