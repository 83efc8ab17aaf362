"""Networks trained on exchanged rows and columns: on upright images, the same outputs and maps."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import camlucida as cl
from camlucida.core.errors import ModelError
from camlucida.models.exchanged_axes import exchange_axes
from tests.support import nets

SHAPE = (3, 24, 40)


def lopsided() -> nn.Module:
    """Every layer treats rows otherwise than columns."""
    return nn.Sequential(
        nn.ZeroPad2d((1, 2, 0, 3)),
        nn.Conv2d(3, 4, (1, 3), stride=(2, 1), padding=(0, 2), padding_mode="reflect"),
        nn.ReLU(),
        nn.MaxPool2d((1, 2), (1, 2)),
        nn.Conv2d(4, 4, (3, 5), padding="same", dilation=(2, 1), groups=2),
        nn.ConvTranspose2d(4, 4, (2, 3), stride=(2, 1), output_padding=(1, 0)),
        nn.Upsample(scale_factor=(1, 2)),
        nn.AvgPool2d((3, 1), padding=(1, 0)),
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 2, 1),
    )


class Pooled(nn.Module):
    """Logits of the mean over the grid."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = lopsided(), nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean((2, 3)))


@pytest.mark.parametrize("make", [lopsided, Pooled])
def test_outputs_and_every_layer_lie_like_the_image(make):
    original = nets.seeded(make())
    twin = copy.deepcopy(original)
    note = exchange_axes(twin, SHAPE, "net")
    assert note.values["difference"] < 1e-12
    images = nets.images(2, *SHAPE)
    layers = original if make is lopsided else original.body
    exchanged = twin if make is lopsided else twin.body
    theirs, ours = images.mT.contiguous(), images
    for layer, other in zip(layers, exchanged):
        theirs, ours = layer(theirs), other(ours)
        torch.testing.assert_close(ours, theirs.mT)
    if make is Pooled:
        torch.testing.assert_close(twin(images), original(images.mT))


@pytest.mark.parametrize("method", ["gradcam", "scorecam", "input_x_gradient", "occlusion"])
def test_maps_are_those_of_the_original_turned_back(method):
    original = nets.seeded(Pooled())
    twin = copy.deepcopy(original)
    exchange_axes(twin, SHAPE, "net")
    images = nets.images(1, *SHAPE)
    (ours,) = cl.explain(twin, images, 1, method)
    (theirs,) = cl.explain(original, images.mT.contiguous(), 1, method)
    assert ours.grid == theirs.grid[::-1]
    torch.testing.assert_close(ours.raw, theirs.raw.mT, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(ours.on_original(), theirs.on_original().mT, rtol=1e-3, atol=1e-4)


class Positions(nn.Module):
    """A number for each position: what no kernel holds."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.positions = nn.Conv2d(3, 4, 1), nn.Parameter(torch.randn(4, 8, 8))

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv(x) + self.positions).relu().mul(self.positions).mean((2, 3))


def flattened() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(72, 3))


@pytest.mark.parametrize("make", [Positions, flattened])
def test_what_no_kernel_holds_is_refused(make):
    with pytest.raises(ModelError, match=r"net: rows and .* differ by .* \(save the images so"):
        exchange_axes(nets.seeded(make()), (3, 8, 8), "net")


def test_a_kernel_that_is_computed_is_refused():
    net = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 2, 3)), nn.Flatten(2))
    with pytest.raises(ModelError, match="cannot be exchanged"):
        exchange_axes(net.eval(), (3, 8, 8), "net")


NET = """
import torch
from torch import nn

def build():
    net = nn.Sequential(nn.Conv2d(1, 1, (1, 2), bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                        nn.Flatten(), nn.Linear(1, 1, bias=False))
    net[0].weight.data = torch.tensor([[[[-1.0, 1.0]]]])
    net[4].weight.data.fill_(1.0)
    return net
"""
"""It answers where a column is brighter than the one before: of an exchanged image, a row."""


@pytest.fixture
def card(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(NET)
    path = tmp_path / "card.toml"
    path.write_text(
        'factory = "net.py:build"\ntask = "binary"\nlabels = ["edge"]\noutput = "logits"\n'
        "[input]\nchannels = 1\nsize = [8, 12]\ntransposed = true\n"
    )
    return path


def test_the_map_of_a_card_lies_on_the_film(card):
    """A film with one bright row, in columns 3 to 5: a difference between rows 1 and 2."""
    levels = np.zeros((8, 12), np.uint8)
    levels[2, 3:6] = 255
    film = card.with_name("film.png")
    Image.fromarray(levels).save(film)
    model = cl.load_model(card, device="cpu")
    assert [note.code for note in model.notes if note.code.startswith("transposed")]
    scan = model.read(film)
    assert torch.equal(scan.tensor[0], torch.from_numpy(levels / np.float32(255)))
    assert "preprocessing.transposed" in [note.code for note in scan.preprocessing]
    (e,) = cl.explain(model, scan, "edge", "gradcam", layer="1")
    assert e.grid == (7, 12)
    expected = torch.zeros(7, 12)
    expected[1, 3:6] = 1
    torch.testing.assert_close(e.raw / e.raw.max(), expected)
    top, left = np.unravel_index(int(e.on_original().argmax()), (8, 12))
    assert (top, left) in [(row, column) for row in (1, 2) for column in (3, 4, 5)]
