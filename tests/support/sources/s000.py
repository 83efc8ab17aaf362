"""System 000: a multi-label DenseNet-121 for chest radiographs, and a table of labels.

::

    checkpoints/best_model.pth   model_state_dict, class_names, numpy metrics
    data/images/00000001_000.png …
    data/test_labels.csv         Image Index, Finding Labels (A|B), Patient ID
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torchvision
from PIL import Image

from tests.support.sources.networks import normalised, settled
from tests.support.sources.pictures import draw, save_grey

LABELS = (
    "Atelectasis",
    "Cardiomegaly",
    "Pleural Effusion",
    "Infiltration",
    "Lung Mass",
    "Pneumothorax",
)


@dataclass(frozen=True)
class System:
    """What was written. ``probabilities`` has a row an image and a column a label."""

    folder: Path
    checkpoint: Path
    images: Path
    table: Path
    size: int
    probabilities: pd.DataFrame


def write(folder: Path, films: int = 8, size: int = 64) -> System:
    """Write the system's files."""
    names = [f"{index // 2 + 1:08d}_{index % 2:03d}.png" for index in range(films)]
    paths = [
        save_grey(folder / "data/images" / name, draw(index)[0]) for index, name in enumerate(names)
    ]
    torch.manual_seed(0)
    net = torchvision.models.densenet121(num_classes=len(LABELS))
    inputs = torch.stack([prepare(path, size) for path in paths])
    settled(net, inputs, head=net.classifier)
    with torch.inference_mode():
        probabilities = net(inputs).sigmoid().numpy()
    checkpoint = folder / "checkpoints/best_model.pth"
    checkpoint.parent.mkdir(parents=True)
    torch.save(
        {
            "epoch": 12,
            "model_state_dict": net.state_dict(),
            "best_val_auc": np.mean([0.6, 0.64]),
            "class_names": list(LABELS),
            "config": {"img_size": size, "model": "densenet121", "num_classes": len(LABELS)},
        },
        checkpoint,
    )
    table = folder / "data/test_labels.csv"
    _labels(names).to_csv(table, index=False)
    frame = pd.DataFrame(probabilities, index=names, columns=LABELS)
    return System(folder, checkpoint, folder / "data/images", table, size, frame)


def prepare(path: Path, size: int) -> torch.Tensor:
    """The system's own preprocessing: three equal channels, stretched, ImageNet statistics."""
    image = Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    return normalised(np.asarray(image))


def _labels(names: list[str]) -> pd.DataFrame:
    random = np.random.default_rng(7)
    findings = []
    for _ in names:
        present = [label for label in LABELS[:-1] if random.random() < 0.35]
        findings.append("|".join(present) or "No Finding")
    patients = [int(name[:8]) for name in names]
    return pd.DataFrame({"Image Index": names, "Finding Labels": findings, "Patient ID": patients})
