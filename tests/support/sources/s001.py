"""System 001: classifiers of chest radiographs in one file, films, and boxes drawn by readers.

::

    config_classifiers.toml           [classifiers.KEY]: name, model_type, weights, …
    weights/densenet121_all.pth …     state dicts of TorchXRayVision's DenseNet-121
    films/case_1.png …
    boxes/case_1.csv                  Label,x,y,w,h
    boxes.csv                         the same of all films, with the film's name before
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from tests.support.sources.networks import settled
from tests.support.sources.pictures import draw, save_grey

VARIANTS = {
    "densenet121_all": "densenet121-res224-all",
    "densenet121_nih": "densenet121-res224-nih",
}
SIZE = 224


@dataclass(frozen=True)
class System:
    """What was written. ``probabilities``: classifier → a row a film, a column an output."""

    folder: Path
    config: Path
    films: Path
    boxes: Path
    probabilities: dict[str, np.ndarray]


def write(folder: Path, films: int = 2, method: str | None = None) -> System:
    """Write the system's files; ``method`` is the file's ``cam_method``."""
    names = [f"case_{number}.png" for number in range(1, films + 1)]
    boxes = []
    for number, name in enumerate(names):
        picture, lesion = draw(number, (240, 200))
        save_grey(folder / "films" / name, picture)
        boxes.append([name, "Lung Opacity", *lesion.box])
    _write_boxes(folder, boxes)
    inputs = torch.stack([prepare(folder / "films" / name) for name in names])
    probabilities = {
        key: _write_classifier(folder / f"weights/{key}.pth", seed, inputs)
        for seed, key in enumerate(VARIANTS)
    }
    config = folder / "config_classifiers.toml"
    tables = [_table(key, variant) for key, variant in VARIANTS.items()]
    head = "" if method is None else f'cam_method = "{method}"\n\n'
    config.write_text(head + "\n".join(tables), "utf-8")
    return System(folder, config, folder / "films", folder / "boxes.csv", probabilities)


def prepare(path: Path) -> torch.Tensor:
    """The system's own preprocessing: −1024 to 1024, centre crop, resized."""
    pixels = torch.from_numpy(np.asarray(Image.open(path).convert("L"), np.float32))
    values = (2 * pixels / 255 - 1) * 1024
    side = min(values.shape)
    top, left = ((length - side) // 2 for length in values.shape)
    square = values[None, None, top : top + side, left : left + side]
    return F.interpolate(square, (SIZE, SIZE), mode="bilinear", antialias=True)[0]


def network(seed: int, inputs: torch.Tensor) -> nn.Module:
    """TorchXRayVision's DenseNet-121 with random weights."""
    import torchxrayvision

    torch.manual_seed(seed)
    net = torchxrayvision.models.DenseNet(weights=None, num_classes=18)
    return settled(net, inputs, head=net.classifier)


def _write_classifier(path: Path, seed: int, inputs: torch.Tensor) -> np.ndarray:
    net = network(seed, inputs)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(net.state_dict(), path)
    with torch.inference_mode():
        return net(inputs).sigmoid().numpy()


def _write_boxes(folder: Path, boxes: list[list[object]]) -> None:
    frame = pd.DataFrame(boxes, columns=["Image Index", "Label", "x", "y", "w", "h"])
    frame.to_csv(folder / "boxes.csv", index=False)
    (folder / "boxes").mkdir()
    for name, rows in frame.groupby("Image Index"):
        path = folder / f"boxes/{Path(str(name)).stem}.csv"
        rows.drop(columns="Image Index").to_csv(path, index=False)


def _table(key: str, variant: str) -> str:
    return f"""[classifiers.{key}]
name = "DenseNet121 ({variant.rpartition("-")[2]})"
description = "Random weights, for tests"
model_type = "densenet"
input_size = {SIZE}
default_weight = "{variant}"
weights = ["weights/{key}.pth"]
num_pathologies = 18
"""
