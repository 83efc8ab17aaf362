"""A tiny model of the user's own, with its card, in a folder: what the command line meets."""

from pathlib import Path

import numpy as np
from PIL import Image

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3, 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(4, 6, 3, 2, 1),
            nn.ReLU(),
        )
        self.head = nn.Linear(6, outputs)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))

def build(outputs=3):
    torch.manual_seed(0)
    return Net(outputs)
"""

CARD = """
factory = "net.py:build"
task = "{task}"
labels = {labels}
args = {{ outputs = {outputs} }}
[input]
size = 32
channels = 1
range = [-1, 1]
"""


def write_model(
    folder: Path,
    task: str = "multilabel",
    labels: tuple[str, ...] = ("Nodule", "Pleural Effusion", "Mass"),
) -> Path:
    """Net and card in ``folder``; the card's path."""
    (folder / "net.py").write_text(NET)
    card = folder / "card.toml"
    card.write_text(CARD.format(task=task, labels=list(labels), outputs=len(labels)))
    return card


def write_image(path: Path, seed: int = 0, size: tuple[int, int] = (48, 64)) -> Path:
    """A random grey PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, size, np.uint8)).save(path)
    return path
