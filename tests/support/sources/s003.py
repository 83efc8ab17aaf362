"""System 003: breast density from mammograms, EfficientNet-B0, by seeds and by folds.

::

    data/archive/ACC0001/0001_L_CC.dcm …          the images
    data/classificacao.csv                        AccessionNumber, Classification (1–4), …
    outputs/mammo/density/seeds/results_4/        five levels below the root of the images' paths:
        best_model.pth                            model_state; the same tensors under two names
        summary.json                              seed, args, commit
        val_predictions.csv                       path from the root; classes 0–3; last epoch
        metrics/val_metrics.json                  of the last epoch too
    outputs/density_experiments/results_k3_seed42/
        cv_summary.json, fold_0/best_model.pth …  no predictions
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn

from tests.support.dicom_files import write_dicom
from tests.support.sources.networks import normalised, settled
from tests.support.sources.pictures import draw

SEEDS = {"results_4": 42, "results_5": 43}
FOLDS = 3
SEEDS_FOLDER = "outputs/mammo/density/seeds"
FOLDS_FOLDER = "outputs/density_experiments/results_k3_seed42"
CLASSES = 4


@dataclass(frozen=True)
class System:
    """What was written.

    ``probabilities``: run → a row a path, a column a class, of the best weights, which are those
    of the checkpoint. ``truth``: path → class from 1.
    """

    folder: Path
    runs: tuple[Path, ...]
    cross_validation: Path
    images: Path
    table: Path
    size: int
    probabilities: dict[str, pd.DataFrame]
    truth: dict[str, int]


class DensityNet(nn.Module):
    """A backbone whose features have a second name, so that the state dict holds them twice."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = torchvision.models.efficientnet_b0(num_classes=CLASSES)
        self.features = self.backbone.features

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, 4)."""
        return self.backbone(x)


def write(
    folder: Path,
    exams: int = 6,
    size: int = 64,
    *,
    runs: int = 1,
    folds: bool = False,
    stored: str = "last",
) -> System:
    """Write the system's files.

    Args:
        folder: root of the paths in the tables.
        exams: two images each.
        size: of the network's input.
        runs: how many seeds, 1 or 2.
        folds: write the cross-validation too.
        stored: epoch of the stored predictions: ``last`` differs from the checkpoint's, ``best``.
    """
    rows = _write_images(folder, exams)
    table = folder / "data/classificacao.csv"
    exams_only = rows.drop_duplicates("AccessionNumber").drop(columns=["path", "monochrome1"])
    exams_only.to_csv(table, index=False)
    inputs = torch.stack([prepare(folder / path, size) for path in rows["path"]])
    probabilities = {}
    folders = []
    for name, seed in list(SEEDS.items())[:runs]:
        net = _network(seed, inputs)
        probabilities[name] = _probabilities(net, inputs, rows)
        last = _last_epoch(net) if stored == "last" else net
        folders.append(folder / SEEDS_FOLDER / name)
        _write_run(folders[-1], seed, net, size, _probabilities(last, inputs, rows), rows)
    cross_validation = folder / FOLDS_FOLDER
    if folds:
        for fold in range(FOLDS):
            net = _network(100 + fold, inputs)
            probabilities[f"fold_{fold}"] = _probabilities(net, inputs, rows)
            _save(cross_validation / f"fold_{fold}", net, size, 42)
        _write_cv_summary(cross_validation, size)
    truth = {path: int(value) for path, value in zip(rows["path"], rows["Classification"])}
    archive = folder / "data/archive"
    return System(
        folder, tuple(folders), cross_validation, archive, table, size, probabilities, truth
    )


def prepare(path: Path, size: int) -> Tensor:
    """The system's own preprocessing.

    Percentile window to 8 bits, shorter side resized (bicubic, antialiased), centre crop.
    """
    dataset = pydicom.dcmread(path)
    values = dataset.pixel_array.astype(np.float32)
    low, high = np.percentile(values, [1, 99])
    scaled = ((values - low) / max(high - low, 1e-6)).clip(0, 1)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        scaled = 1 - scaled
    image = Image.fromarray((scaled * 255).astype(np.uint8))
    shorter = min(image.size)
    width, height = (round(length * size / shorter) for length in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - size) // 2, (height - size) // 2
    return normalised(np.asarray(image.crop((left, top, left + size, top + size))))


def _write_images(folder: Path, exams: int) -> pd.DataFrame:
    """A row an image."""
    rows = []
    for exam in range(1, exams + 1):
        accession = f"ACC{exam:04d}"
        for number, view in enumerate(("CC", "MLO")):
            picture, _ = draw(2 * exam + number, (96, 72))
            path = f"data/archive/{accession}/{exam:04d}_L_{view}.dcm"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            inverted = exam == 2
            stored = 1 - picture if inverted else picture
            write_dicom(
                folder / path,
                (stored * 3000 + 200).astype(np.uint16),
                12,
                Modality="MG",
                PatientID=f"SECRET-{exam}",
                AccessionNumber=accession,
                PhotometricInterpretation="MONOCHROME1" if inverted else "MONOCHROME2",
            )
            rows.append((accession, path, exam % CLASSES + 1, f"P{exam}", inverted))
    columns = ["AccessionNumber", "path", "Classification", "PatientCode", "monochrome1"]
    return pd.DataFrame(rows, columns=columns)


def _network(seed: int, inputs: Tensor) -> DensityNet:
    torch.manual_seed(seed)
    net = DensityNet()
    settled(net, inputs, head=net.backbone.classifier[1])
    return net


def _last_epoch(net: DensityNet) -> DensityNet:
    """The weights some epochs after the best one."""
    last = deepcopy(net)
    torch.manual_seed(9)
    with torch.no_grad():
        head = last.backbone.classifier[1].weight
        head += 0.5 * head.std() * torch.randn_like(head)
    return last


def _probabilities(net: DensityNet, inputs: Tensor, rows: pd.DataFrame) -> pd.DataFrame:
    with torch.inference_mode():
        values = net(inputs).softmax(1).double().numpy()
    return pd.DataFrame(values, index=list(rows["path"]), columns=range(CLASSES))


def _save(run: Path, net: DensityNet, size: int, seed: int) -> None:
    run.mkdir(parents=True)
    content = {
        "epoch": 21,
        "model_state": net.state_dict(),
        "best_metric": np.float64(0.512),
        "arch": "efficientnet_b0",
        "args": {"img_size": size, "seed": seed, "classes": "density"},
    }
    torch.save(content, run / "best_model.pth")


def _write_run(
    run: Path,
    seed: int,
    net: DensityNet,
    size: int,
    stored: pd.DataFrame,
    rows: pd.DataFrame,
) -> None:
    _save(run, net, size, seed)
    predicted = stored.to_numpy().argmax(1)
    truth = rows["Classification"].to_numpy() - 1
    accuracy = float((predicted == truth).mean())
    summary = {
        "seed": seed,
        "commit": "0123abc",
        "best_epoch": 21,
        "epochs": 30,
        "hyperparameters": {"arch": "efficientnet_b0", "img_size": size, "lr": 1e-4, "batch": 16},
        "csv": "data/classificacao.csv",
        "dicom_root": "data/archive",
    }
    (run / "summary.json").write_text(json.dumps(summary, indent=2), "utf-8")
    table = {"path": rows["path"], "y_true": truth, "y_pred": predicted}
    table |= {f"prob_{k}": stored[k].to_numpy().round(6) for k in range(CLASSES)}
    pd.DataFrame(table).to_csv(run / "val_predictions.csv", index=False)
    (run / "metrics").mkdir()
    metrics = {"epoch": 30, "acc": accuracy, "num_samples": len(rows)}
    (run / "metrics/val_metrics.json").write_text(json.dumps(metrics), "utf-8")


def _write_cv_summary(folder: Path, size: int) -> None:
    folds = [
        {"fold": fold, "best_epoch": 10 + fold, "acc": 0.5 + 0.05 * fold} for fold in range(FOLDS)
    ]
    summary = {
        "n_folds": FOLDS,
        "seed": 42,
        "arch": "efficientnet_b0",
        "img_size": size,
        "folds": folds,
        "mean": {"acc": 0.55},
        "std": {"acc": 0.05},
    }
    (folder / "cv_summary.json").write_text(json.dumps(summary, indent=2), "utf-8")
