"""Every method on volumes: dense blocks, an encoder and decoder, and an image as one slice."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import camlucida as cl
from camlucida.attribution.methods import METHODS
from camlucida.attribution.samples import Sample, left_right
from camlucida.io.volumes import read_volume
from camlucida.models.preprocessing import VolumeInput, prepare_volume
from tests.support.nets import ATTENTION, images, seeded
from tests.support.volumes import write_nifti

ON_VOLUMES = sorted(name for name, _ in METHODS.items() if name not in ATTENTION)

RANDOM = ("random", "rise", "sscam", "iscam", "smooth_gradcam_pp", "smoothgrad", "xrai")
"""Methods that draw numbers, as many as there are axes, or segment images."""


class Dense(nn.Module):
    """Two dense layers and a transition, as in DenseNet, of two or three axes."""

    def __init__(self, axes: int) -> None:
        super().__init__()
        conv, norm = (nn.Conv2d, nn.BatchNorm2d) if axes == 2 else (nn.Conv3d, nn.BatchNorm3d)
        flat = 1 if axes == 2 else (0, 1, 1)
        kernel = 3 if axes == 2 else (1, 3, 3)
        self.stem = conv(1, 3, kernel, padding=flat)
        self.first = nn.Sequential(norm(3), nn.ReLU(), conv(3, 2, kernel, padding=flat))
        self.second = nn.Sequential(norm(5), nn.ReLU(), conv(5, 2, kernel, padding=flat))
        pool = nn.AvgPool2d(2) if axes == 2 else nn.AvgPool3d((1, 2, 2))
        self.transition = nn.Sequential(conv(7, 4, 1), nn.ReLU(), pool)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = self.stem(x)
        x = torch.cat([x, self.first(x)], 1)
        x = torch.cat([x, self.second(x)], 1)
        return self.head(self.transition(x).flatten(2).mean(2))


class UNet(nn.Module):
    """One level down and up, with a skip; three classes a voxel."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv3d(1, 3, 3, padding=1), nn.ReLU())
        self.bottom = nn.Sequential(nn.Conv3d(3, 4, 3, 2, 1), nn.ReLU())
        self.up = nn.ConvTranspose3d(4, 3, 2, 2)
        self.decoder = nn.Sequential(nn.Conv3d(6, 4, 3, padding=1), nn.ReLU())
        self.head = nn.Conv3d(4, 3, 1)

    def forward(self, x):
        skip = self.encoder(x)
        return self.head(self.decoder(torch.cat([skip, self.up(self.bottom(skip))], 1)))


def as_slices(flat: Dense) -> Dense:
    """The network of images as one of volumes of a slice, with its weights."""
    net = Dense(3).eval()
    state = flat.state_dict()
    for name, value in net.state_dict().items():
        value.copy_(state[name].reshape(value.shape))
    return net


FLAT = seeded(Dense(2), seed=3)
DEEP = as_slices(FLAT)
FEW = {"batch_size": 32}


@pytest.mark.parametrize("method", [name for name in ON_VOLUMES if name not in RANDOM])
def test_an_image_is_a_volume_of_one_slice(method):
    image = images(1, 1, 12, 14, seed=1)
    (flat,) = cl.explain(FLAT, image, 1, method, layer="transition", **FEW)
    (deep,) = cl.explain(DEEP, image[:, :, None], 1, method, layer="transition", **FEW)
    size = float(flat.raw.abs().max())
    assert deep.raw.shape == (1, *flat.raw.shape)
    assert float((deep.raw[0] - flat.raw).abs().max()) <= 1e-6 * max(size, 1)
    assert deep.score == pytest.approx(flat.score, abs=1e-6)


@pytest.mark.parametrize("method", [name for name in ON_VOLUMES if name != "xrai"])
def test_a_volume_has_a_map_of_three_axes(method):
    volume = images(1, 1, 5, 8, 6, seed=2)
    (map_,) = cl.explain(DEEP, volume, 1, method, layer="transition", **FEW)
    # Slices are not halved, rows and columns are; five of a cell's numbers are no channels.
    assert map_.grid in ((5, 4, 3), (5, 8, 6))
    assert map_.on_original().shape == (5, 8, 6)
    assert torch.isfinite(map_.raw).all()


@pytest.mark.parametrize("method", ["gradcam", "hirescam", "layercam", "eigencam", "scorecam"])
def test_a_segmentation_of_a_volume_has_a_map_of_its_region(method):
    net = seeded(UNet(), seed=5)
    volume = F.avg_pool3d(images(1, 1, 8, 8, 8, seed=4), 3, 1, 1)
    explain = {"task": "segmentation", "layer": "bottom"}
    label = int(net(volume).argmax(1).mode().values.flatten().mode().values)
    (map_,) = cl.explain(net, volume, f"region:{label}", method, **explain)
    assert map_.grid == (4, 4, 4)
    assert map_.on_original().shape == (8, 8, 8)


def test_a_stride_of_its_own_on_each_axis_is_a_grid():
    """The four channels were once read as slices, for 4, 5, 4 has nearly one stride."""
    volume = images(1, 1, 5, 8, 6, seed=2)
    (map_,) = cl.explain(DEEP, volume, 1, "gradcam", layer="transition")
    net = nn.Sequential(nn.Conv3d(1, 4, 3, (1, 2, 2), 1), nn.ReLU(), nn.Flatten(2), Mean())
    (strided,) = cl.explain(seeded(net), volume, 1, "gradcam", layer="0")
    assert map_.grid == strided.grid == (5, 4, 3)


class Mean(nn.Module):
    """The mean of each channel."""

    def forward(self, x):
        return x.mean(2)


def test_segments_are_of_images():
    with pytest.raises(cl.CamlucidaError, match="this one has 3"):
        cl.explain(DEEP, images(1, 1, 5, 8, 6), 1, "xrai")


@pytest.mark.parametrize(("codes", "axis"), [("RAS", -3), ("SPL", -1), ("ALS", -2)])
def test_views_of_a_volume_are_mirrored_from_left_to_right(tmp_path, codes, axis):
    values = torch.rand(4, 5, 6).numpy()
    volume = read_volume(write_nifti(tmp_path / "a.nii", values))
    scan = prepare_volume(volume, VolumeInput(orientation=codes, size=(4, 4, 4)))
    assert left_right(scan) == axis
    sample = Sample(mirrored=True)
    assert torch.equal(sample.image(scan.tensor[None], axis), scan.tensor[None].flip(axis))
    assert torch.equal(sample.back(sample.image(scan.tensor, axis), axis), scan.tensor)
