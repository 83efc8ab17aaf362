"""Networks that resize their image inside ``forward``: the grid is that of the resized image."""

import pytest
import timm
import torch
from torch import nn

import camlucida as cl
from tests.support import nets


class Resizes(nn.Module):
    """A network behind a resizing of the image."""

    def __init__(self, net: nn.Module, *size: int) -> None:
        super().__init__()
        self.net, self.size = net, size

    def forward(self, x):
        return self.net(nn.functional.interpolate(x, self.size))


def vit():
    options = {"img_size": 64, "patch_size": 16, "depth": 2, "num_classes": 2}
    return timm.create_model("vit_tiny_patch16_224", **options)


def cnn():
    layers = nn.Conv2d(3, 24, 3, 2, 1), nn.ReLU(), nn.Conv2d(24, 24, 3, 2, 1), nn.ReLU()
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 2))


@pytest.mark.parametrize(
    ("net", "size", "grid"),
    [
        pytest.param(vit, (64, 64), (4, 4), id="vit"),
        pytest.param(cnn, (64, 64), (16, 16), id="cnn"),
        pytest.param(cnn, (96, 40), (24, 10), id="as many rows as channels"),
    ],
)
@pytest.mark.parametrize("given", [(128, 32), (48, 80), (100, 100)])
def test_the_grid_is_that_of_the_resized_image(net, size, grid, given):
    model = nets.seeded(Resizes(net(), *size), scale=0.1)
    (explanation,) = cl.explain(model, torch.rand(1, 3, *given), 0)
    assert explanation.grid == grid
    assert explanation.no_picture is None


def test_a_map_lights_up_where_the_image_changes():
    model = nets.seeded(Resizes(cnn(), 64, 64), scale=0.1)
    image = torch.rand(1, 3, 128, 32)
    changed = image.clone()
    changed[..., 96:, :8] += 2
    first, second = (cl.explain(model, x, 0, "hirescam")[0].raw for x in (image, changed))
    row, column = divmod(int((second - first).abs().argmax()), first.shape[1])
    assert row >= 0.7 * first.shape[0]
    assert column <= 0.3 * first.shape[1]


def test_the_layers_of_another_image_keep_their_grid():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = cnn(), cnn()

        def forward(self, x, y):
            return self.second(y) + self.first(x)

    model = nets.seeded(Two())
    images = torch.rand(1, 3, 32, 48), torch.rand(1, 3, 40, 24)
    grids = [
        cl.explain(model, images, 0, layer=f"{name}.3")[0].grid for name in ("first", "second")
    ]
    assert grids == [(8, 12), (10, 6)]
