"""System 004: U-Net++ of segmentation-models-pytorch; data as Roboflow exports it for COCO.

::

    models_20250609_105424/best_model.pth                  model_state_dict, numpy Dice
    Dataset_no_preprocessing/test/_annotations.coco.json   polygons; category 0 is the group's name
    Dataset_no_preprocessing/test/case_1_jpg.rf.….jpg
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from tests.support.sources.networks import normalised
from tests.support.sources.pictures import Lesion, draw, inside, save_grey

PICTURE = (96, 128)


@dataclass(frozen=True)
class System:
    """What was written. ``dice``: file name → Dice of the network's own prediction."""

    folder: Path
    checkpoint: Path
    data: Path
    size: int
    encoder: str
    names: tuple[str, ...]
    lesions: tuple[Lesion, ...]
    dice: dict[str, float]


def write(
    folder: Path, images: int = 4, size: int = 64, encoder: str = "efficientnet-b0"
) -> System:
    """Write the system's files."""
    data = folder / "Dataset_no_preprocessing"
    names, lesions = [], []
    for number in range(1, images + 1):
        picture, lesion = draw(number, PICTURE)
        digest = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
        names.append(f"case_{number}_jpg.rf.{digest}.jpg")
        lesions.append(lesion)
        save_grey(data / "test" / names[-1], picture, quality=95)
    _write_annotations(data / "test/_annotations.coco.json", names, lesions)
    inputs = torch.stack([prepare(data / "test" / name, size) for name in names])
    net = _network(encoder, inputs)
    checkpoint = folder / "models_20250609_105424/best_model.pth"
    checkpoint.parent.mkdir(parents=True)
    torch.save(
        {
            "epoch": 57,
            "model_state_dict": net.state_dict(),
            "best_dice": np.float64(0.81),
            "history": {"val_dice": [np.float32(0.5), np.float32(0.81)]},
        },
        checkpoint,
    )
    with torch.inference_mode():
        predicted = (net(inputs)[:, 0] > 0).numpy()
    dice = {name: _dice(predicted[index], lesions[index], size) for index, name in enumerate(names)}
    return System(folder, checkpoint, data, size, encoder, tuple(names), tuple(lesions), dice)


def prepare(path: Path, size: int) -> torch.Tensor:
    """The system's own preprocessing."""
    image = Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    return normalised(np.asarray(image))


def _network(encoder: str, inputs: torch.Tensor) -> nn.Module:
    """A network whose most probable eighth of the pixels is its prediction."""
    import segmentation_models_pytorch as smp

    torch.manual_seed(2)
    net = smp.UnetPlusPlus(encoder, encoder_weights=None, classes=1)
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = None
        net.train()(inputs)
        for norm in norms:
            norm.momentum = 0.1
        outputs = net.eval()(inputs)
        head = net.segmentation_head[0]
        sharpness = 3 / outputs.std()
        head.weight *= sharpness
        head.bias.copy_((head.bias - outputs.flatten().quantile(0.875)) * sharpness)
    return net


def _dice(predicted: np.ndarray, lesion: Lesion, size: int) -> float:
    mask = Image.fromarray(inside(lesion, PICTURE)).resize((size, size), Image.Resampling.NEAREST)
    true = np.asarray(mask)
    return float(2 * (predicted & true).sum() / max(predicted.sum() + true.sum(), 1))


def _write_annotations(path: Path, names: list[str], lesions: list[Lesion]) -> None:
    height, width = PICTURE
    images = [
        {"id": index, "license": 1, "file_name": name, "height": height, "width": width}
        for index, name in enumerate(names)
    ]
    annotations = [
        {
            "id": index,
            "image_id": index,
            "category_id": 1,
            "bbox": list(lesion.box),
            "area": lesion.box[2] * lesion.box[3],
            "segmentation": [lesion.polygon()],
            "iscrowd": 0,
        }
        for index, lesion in enumerate(lesions)
    ]
    categories = [
        {"id": 0, "name": "lesions", "supercategory": "none"},
        {"id": 1, "name": "lesion", "supercategory": "lesions"},
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content), "utf-8")
