"""Runs of tiny models of every task with known predictions and maps; hand-made case tables."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from camlucida.analysis.cases.case_table import COLUMNS
from camlucida.runs import Run, execute
from tests.support.models_on_disk import CARD, NET, write_image

SEGMENTER = """
import torch
from torch import nn

def build():
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Conv2d(1, 1, 1))
    with torch.no_grad():
        net[0].weight.fill_(1), net[0].bias.zero_(), net[2].weight.fill_(1), net[2].bias.fill_(-0.5)
    return net
"""


TWO_CHANNELS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, overlapping):
        super().__init__()
        self.overlapping = overlapping
        self.features = nn.Conv2d(1, 1, 1)
        with torch.no_grad():
            self.features.weight.fill_(1), self.features.bias.fill_(-0.5)

    def forward(self, x):
        bright = self.features(x)
        if not self.overlapping:
            return torch.cat([-bright, bright], 1)
        upper = bright.clone()
        upper[:, :, 16:] = -1
        return torch.cat([upper, bright], 1)

def build(overlapping):
    return Net(overlapping)
"""


def run_of(
    folder: Path,
    task: str,
    labels: tuple[str, ...],
    table: str,
    more: str = "",
    outputs: int | None = None,
) -> Run:
    """A run of ``tests.support.models_on_disk``'s net of seed 0 over four random films.

    It is given a table and further lines of cohort.toml.
    """
    (folder / "films").mkdir(parents=True)
    (folder / "net.py").write_text(NET)
    card = CARD.format(task=task, labels=list(labels), outputs=outputs or len(labels))
    (folder / "card.toml").write_text(
        card.replace(f"outputs = {len(labels)}", f"outputs = {outputs or len(labels)}")
    )
    for i in range(4):
        write_image(folder / f"films/{i}.png", i)
    (folder / "labels.csv").write_text(table)
    (folder / "cohort.toml").write_text(
        f'images = "films"\ntable = "labels.csv"\nmodel = "card.toml"\n{more}'
    )
    return done(folder)


def done(folder: Path) -> Run:
    """The run of ``cohort.toml``, computed."""
    execute(folder / "cohort.toml", folder / "run")
    return Run.open(folder / "run")


def save(path: Path, values: np.ndarray) -> Path:
    """An 8-bit grey PNG; a mask as 0 and 255."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8) * (255 if values.dtype == bool else 1)).save(path)
    return path


def segmentation_run(folder: Path, masks: str = 'masks = "masks"') -> Run:
    """Films 32 × 32 with a bright square, which the model segments exactly.

    ``whole`` and ``part`` have it at 8:24, ``none`` has none. The mask of ``whole`` is the square,
    that of ``part`` its upper half, that of ``none`` is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.py").write_text(SEGMENTER)
    text = (
        'factory = "net.py:build"\ntask = "segmentation"\nlabels = ["lesion"]\nlayer = "0"\n'
        "[input]\nsize = 32\nchannels = 1\n"
    )
    (folder / "card.toml").write_text(text)
    film = np.zeros((32, 32), np.uint8)
    save(folder / "films/none.png", film)
    film[8:24, 8:24] = 255
    for name in ("whole", "part"):
        save(folder / f"films/{name}.png", film)
    mask = film > 0
    save(folder / "masks/lesion/whole.png", mask)
    mask = mask.copy()
    mask[16:] = False
    save(folder / "masks/lesion/part.png", mask)
    (folder / "cohort.toml").write_text(f'images = "films"\nmodel = "card.toml"\n{masks}\n')
    return done(folder)


def two_channel_run(folder: Path, overlapping: bool, labels: tuple[str, str]) -> Run:
    """A run of one film 32 × 32 with a square at 8:24, whose mask is there for each label.

    The second channel is the square. The first is its upper half where channels can overlap (a
    sigmoid each), else everything but the square.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.py").write_text(TWO_CHANNELS)
    overlap = str(overlapping).lower()
    text = (
        f'factory = "net.py:build"\nargs = {{ overlapping = {overlap} }}\n'
        f'task = "segmentation"\nlabels = {list(labels)}\noverlapping = {overlap}\n'
        'layer = "features"\n[input]\nsize = 32\nchannels = 1\n'
    )
    (folder / "card.toml").write_text(text)
    film = np.zeros((32, 32), np.uint8)
    film[8:24, 8:24] = 255
    save(folder / "films/a.png", film)
    for label in filter(None, labels):
        save(folder / f"masks/{label}/a.png", film > 0)
    (folder / "cohort.toml").write_text('images = "films"\nmodel = "card.toml"\nmasks = "masks"\n')
    return done(folder)


def hand_made(rows: list[dict[str, object]], **common: object) -> pd.DataFrame:
    """A case table of these rows.

    Columns that they leave out are as of a multi-label map without truth.
    """
    usual = {
        **dict.fromkeys(COLUMNS, np.nan),
        **{
            "run": 0,
            "task": "multilabel",
            "target": "a",
            "label": "a",
            "method": "gradcam",
            "layer": "last",
            "model": "m",
        },
        **{
            "patient": "p",
            "split": "",
            "architecture": "net",
            "weight": 1.0,
            "grid": (4, 4),
            "score": 0.0,
            "high": 1.0,
        },
        **{
            "predicted": "",
            "true_class": "",
            "outcome": "",
            "correct": None,
            "empty_reason": "",
            "mask": None,
            "box": None,
        },
        **{"seed": None, "fold": None, "synthetic": True, "low": 0.0},
    }
    filled = [{**usual, **common, "explanation": i, **row} for i, row in enumerate(rows)]
    for row in filled:
        row.setdefault("path", None)
        row["path"] = f"/films/{row['image']}.png"
    return pd.DataFrame(filled)
