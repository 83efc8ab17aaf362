"""A segmentation project: SYNTHETIC squares, and a network that predicts bright pixels."""

from pathlib import Path

import numpy as np
import torch

from camlucida.io import write_synthetic_png

NET = """
import torch
from torch import nn

class Encoder(nn.Module):
    out_channels = (1, 2, 2)

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 2, 3, 1, 1), nn.MaxPool2d(2)

    def forward(self, x):
        first = self.first(x).relu()
        return [x, first, self.second(first)]

class Decoder(nn.Module):
    def forward(self, maps):
        return maps[1] + nn.functional.interpolate(maps[2], scale_factor=2)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder()
        self.segmentation_head = nn.Sequential(nn.Conv2d(2, 1, 1), nn.Identity())

    def forward(self, x):
        return self.segmentation_head(self.decoder(self.encoder(x)))

def build():
    net = Net()
    with torch.no_grad():
        net.encoder.first.weight.zero_(), net.encoder.first.bias.zero_()
        net.encoder.first.weight[:, :, 1, 1] = 1
        net.segmentation_head[0].weight.fill_(1), net.segmentation_head[0].bias.fill_(-2)
    return net
"""
CARD = """factory = "net.py:build"
task = "segmentation"
labels = ["lesion"]
[input]
size = 32
channels = 1
"""


def square(rows: slice, columns: slice) -> np.ndarray:
    picture = np.zeros((32, 32), np.uint8)
    picture[rows, columns] = 255
    return picture


def write_project(folder: Path) -> Path:
    """Write images, masks, network, card and checkpoint into ``folder``.

    Image "a": the mask is the square moved down by a quarter; "b" is dark; "c" has no mask.
    """
    for name in ("Dataset/test", "Dataset/masks", "models_1"):
        (folder / name).mkdir(parents=True)
    write_synthetic_png(folder / "Dataset/test/a.png", square(slice(8, 16), slice(8, 24)))
    write_synthetic_png(folder / "Dataset/masks/a.png", square(slice(10, 18), slice(8, 24)))
    for name in ("test", "masks"):
        write_synthetic_png(folder / f"Dataset/{name}/b.png", square(slice(0, 0), slice(0, 0)))
    write_synthetic_png(folder / "Dataset/test/c.png", square(slice(4, 8), slice(20, 28)))
    (folder / "net.py").write_text(NET)
    (folder / "card.toml").write_text(CARD)
    scope: dict = {}
    exec(NET, scope)
    torch.save(
        {"state_dict": scope["build"]().state_dict(), "epoch": 3},
        folder / "models_1/best_model.pth",
    )
    return folder
