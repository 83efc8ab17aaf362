"""System 002: age from an image, ResNet in a wrapper, with a head that takes a second input.

::

    outputs/run_20260108_115437/best_model.pth   model_state, numpy metrics, split as seed and sizes
    data/Images/anon_1_1.png, anon_1_2.png …     one to three images a subject
    data/Masks/anon_1_1.png, anon_2_1.jpg …      not all of them
    data/characteristics.xlsx                    two header rows, two tables side by side,
                                                 a row a subject
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torchvision
from openpyxl import Workbook
from PIL import Image
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from tests.support.sources.networks import normalised, settled
from tests.support.sources.pictures import draw, inside, save_grey

SEED, TEST_SIZE = 42, 0.25
SEXES = ("female", "male")


@dataclass(frozen=True)
class System:
    """What was written.

    ``ages``: subject → true value. ``predicted``: file name → output of the network where the
    second input is held at its mean. ``test``: subjects of the split that the checkpoint records.
    """

    folder: Path
    checkpoint: Path
    images: Path
    masks: Path
    table: Path
    size: int
    ages: dict[str, float]
    predicted: dict[str, float]
    test: frozenset[str]


class AgeNet(nn.Module):
    """Features of the image beside those of the sex, and a small head over both."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = torchvision.models.resnet18()
        self.backbone.fc = nn.Identity()
        self.sex = nn.Sequential(nn.Linear(1, 16), nn.ReLU())
        self.head = nn.Sequential(
            nn.Linear(512 + 16, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 1)
        )

    def forward(self, image: Tensor, sex: Tensor) -> Tensor:
        """(B, 3, H, W) and (B, 1) → (B, 1)."""
        return self.head(torch.cat([self.backbone(image), self.sex(sex)], 1))


class PlainAgeNet(nn.Module):
    """The same without the second input."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = torchvision.models.resnet18()
        self.backbone.fc = nn.Sequential(nn.Linear(512, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, image: Tensor, sex: Tensor | None = None) -> Tensor:
        """(B, 3, H, W) → (B, 1); the sex is not used."""
        return self.backbone(image)


def write(folder: Path, subjects: int = 12, size: int = 64, two_inputs: bool = True) -> System:
    """Write the system's files."""
    random = np.random.default_rng(3)
    ids = [f"anon_{number}" for number in range(1, subjects + 1)]
    ages = {subject: float(age) for subject, age in zip(ids, random.integers(25, 80, subjects))}
    sexes = {subject: int(random.integers(2)) for subject in ids}
    names = _write_images(folder / "data", ids)
    table = folder / "data/characteristics.xlsx"
    _write_table(table, ids, ages, sexes)
    inputs = torch.stack([prepare(folder / "data/Images" / name, size) for name in names])
    mean_sex = float(np.mean(list(sexes.values())))
    net = _network(inputs, two_inputs, mean_sex)
    held = torch.full((len(names), 1), mean_sex)
    with torch.inference_mode():
        outputs = net(inputs, held)[:, 0].tolist()
    train, test = train_test_split(ids, test_size=TEST_SIZE, random_state=SEED)
    checkpoint = folder / "outputs/run_20260108_115437/best_model.pth"
    checkpoint.parent.mkdir(parents=True)
    torch.save(_content(net, size, mean_sex, len(train), len(test), two_inputs), checkpoint)
    return System(
        folder,
        checkpoint,
        folder / "data/Images",
        folder / "data/Masks",
        table,
        size,
        ages,
        dict(zip(names, outputs)),
        frozenset(test),
    )


def prepare(path: Path, size: int) -> Tensor:
    """The system's own preprocessing."""
    image = Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    return normalised(np.asarray(image))


def _network(inputs: Tensor, two_inputs: bool, mean_sex: float) -> nn.Module:
    torch.manual_seed(1)
    net = AgeNet() if two_inputs else PlainAgeNet()
    last = net.head[-1] if two_inputs else net.backbone.fc[-1]
    settled(net, inputs, torch.full((len(inputs), 1), mean_sex), head=last, spread=12)
    with torch.no_grad():
        last.bias += 50
    return net


def _content(
    net: nn.Module, size: int, mean_sex: float, train: int, test: int, two_inputs: bool
) -> dict[str, object]:
    config: dict[str, object] = {"backbone": "resnet18", "image_size": size, "dropout": 0.3}
    if two_inputs:
        config |= {"aux_features": ["sex"], "aux_mean": [mean_sex], "aux_std": [0.5]}
    return {
        "epoch": 31,
        "model_state": net.state_dict(),
        "val_mae": np.float64(7.25),
        "metrics": {"rmse": np.sqrt(np.float32(80)), "r2": np.float32(0.41)},
        "config": config,
        "split": {"seed": SEED, "test_size": TEST_SIZE, "n_train": train, "n_test": test},
    }


def _write_images(data: Path, ids: list[str]) -> list[str]:
    """File names; the third mask of every four is missing."""
    names = []
    for number, subject in enumerate(ids):
        for repeat in range(1, 2 + number % 3):
            picture, lesion = draw(10 * number + repeat)
            names.append(f"{subject}_{repeat}.png")
            save_grey(data / "Images" / names[-1], picture)
            suffix = ("png", "jpg", "", "png")[len(names) % 4]
            if suffix:
                mask = inside(lesion, picture.shape).astype(float)
                save_grey(data / f"Masks/{subject}_{repeat}.{suffix}", mask)
    return names


def _write_table(path: Path, ids: list[str], ages: dict[str, float], sexes: dict[str, int]) -> None:
    """Two tables side by side under one title each, with a blank column between them."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Characteristics"
    half = (len(ids) + 1) // 2
    heads = ("ID", "Age", "Sex", "BMI")
    for first, title in ((1, "Group A"), (6, "Group B")):
        sheet.cell(1, first, title)
        sheet.merge_cells(start_row=1, end_row=1, start_column=first, end_column=first + 3)
        for column, head in enumerate(heads):
            sheet.cell(2, first + column, head)
    for position, subject in enumerate(ids):
        first, row = (1, position + 3) if position < half else (6, position - half + 3)
        cells = (subject, ages[subject], SEXES[sexes[subject]], 20 + position % 9)
        for column, value in enumerate(cells):
            sheet.cell(row, first + column, value)
    book.save(path)
